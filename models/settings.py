"""Typed settings: mappings from configuration files become checked, frozen objects."""

import difflib
from collections.abc import Mapping
from typing_extensions import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class ConfigError(ValueError):
    """A configuration that cannot be used; the text names the key and the remedy."""


class Settings(BaseModel):
    """Base of all settings: no implicit conversion, no unknown key, no change after construction."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_dict(cls, mapping: Mapping) -> Self:
        """Check `mapping` and build the settings from it.

        Raises
        ------
        ConfigError
            With one line for all that is wrong, each part naming its key.
        """
        if not isinstance(mapping, Mapping):
            raise ConfigError(f"expected keys and values, got {mapping!r}")
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            raise ConfigError("; ".join(cls._explain(item) for item in error.errors())) from None

    @classmethod
    def _explain(cls, item) -> str:
        location = [str(part) for part in item["loc"]]
        key = ".".join(location)
        if item["type"] == "extra_forbidden":
            valid = list(cls._at(location[:-1]).model_fields)
            near = difflib.get_close_matches(location[-1], valid, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else "valid keys are " + ", ".join(valid)
            return f"unknown key {key!r}: {hint}"
        if item["type"] == "missing":
            return f"key {key!r} is missing"
        message = item["msg"].removeprefix("Value error, ")
        prefix = f"{key}: " if key else ""
        shown = "" if isinstance(item["input"], Mapping) else f", got {item['input']!r}"
        return f"{prefix}{message[0].lower()}{message[1:]}{shown}"

    @classmethod
    def _at(cls, location) -> "type[Settings]":
        """Return the settings class found by following field names from this one."""
        settings = cls
        for name in location:
            settings = settings.model_fields[name].annotation
        return settings
