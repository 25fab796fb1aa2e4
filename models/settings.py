"""Typed settings: mappings from configuration files become validated, frozen objects."""

import difflib
import re
from collections.abc import Collection, Mapping

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import Self


class ConfigError(ValueError):
    """An unusable configuration; the message names the key and the remedy."""


def nearest(name: str, valid: Collection[str]) -> str:
    """Return the remedy for an unknown name: the nearest valid one, or all of them."""
    by_lower_case = {one.casefold(): one for one in valid}
    initials = {"".join(word[:1] for word in one.split("_")): one for one in valid if "_" in one}
    if name in initials:
        return f"did you mean {initials[name]!r}?"
    near = difflib.get_close_matches(name.casefold(), by_lower_case, n=1, cutoff=0.4)
    return f"did you mean {by_lower_case[near[0]]!r}?" if near else "valid are " + ", ".join(valid)


def _inside(place: tuple, outer: tuple) -> bool:
    """Whether a place in nested settings lies within another."""
    return len(place) > len(outer) and place[: len(outer)] == outer


class Settings(BaseModel):
    """Base of all settings: no implicit conversion, no unknown key, no change after construction."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_dict(cls, mapping: Mapping, *, section: str = "") -> Self:
        """Check `mapping` and build the settings from it.

        Parameters
        ----------
        mapping : Mapping
            Values by key; lists are converted to tuples.
        section : str
            Position of the mapping in its file, for the keys in errors.

        Raises
        ------
        ConfigError
            One line with all errors, each naming its key.
        """
        if not isinstance(mapping, Mapping):
            where = f"{section}: " if section else ""
            raise ConfigError(f"{where}expected keys with values, got {mapping!r}")
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            items = error.errors()
            places = [item["loc"] for item in items]
            # An error inside a list causes a second, misleading one for the list itself.
            items = [item for item in items if not any(_inside(place, item["loc"]) for place in places)]
            raise ConfigError("; ".join(cls._explain(item, section) for item in items)) from None

    @classmethod
    def _explain(cls, item: ErrorDetails, section: str) -> str:
        key = ".".join(str(part) for part in (section, *item["loc"]) if part != "")
        if item["type"] == "extra_forbidden":
            return f"unknown key {key!r}: {nearest(str(item['loc'][-1]), cls.model_fields)}"
        if item["type"] == "missing":
            return f"key {key!r} is missing"
        if item["type"] == "literal_error":
            choices = re.findall("'([^']*)'", item["ctx"]["expected"])
            near = difflib.get_close_matches(str(item["input"]).lower(), choices, n=1, cutoff=0.4)
            remedy = f": did you mean {near[0]!r}?" if near else ""
            return f"{key}: {item['input']!r} is not one of {', '.join(map(repr, choices))}{remedy}"
        message = item["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
        prefix = f"{key}: " if key else ""
        shown = "" if isinstance(item["input"], Mapping) else f", got {item['input']!r}"
        return f"{prefix}{message[0].lower()}{message[1:]}{shown}"


class ModelSettings(Settings):
    """Base of all models' settings."""

    seq_len: PositiveInt  # T, points in a window
