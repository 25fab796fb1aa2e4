"""What the loaders of published checkpoints share: new names for weights, and the check that they fit a network."""

import re
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from models.settings import ConfigError


def renamed(key: str, replacements: Iterable[tuple[str, str]]) -> str:
    """Return the name of a tensor after all replacements, each a regular expression and what takes its place."""
    for pattern, replacement in replacements:
        key = re.sub(pattern, replacement, key)
    return key


def check_official(official: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]]) -> None:
    """Check that published weights have the given names and shapes.

    Raises
    ------
    ConfigError
        When a name is missing or unknown, or its tensor has another shape.
    """
    for name, shape in shapes.items():
        if name not in official:
            raise ConfigError(f"the checkpoint has no {name!r}: it belongs to another configuration")
        if official[name].shape != tuple(shape):
            raise ConfigError(
                f"the checkpoint's {name!r} has shape {tuple(official[name].shape)}, configuration and data require "
                f"{tuple(shape)}: it belongs to another configuration or other data"
            )
    unknown = sorted(official.keys() - shapes.keys())
    if unknown:
        raise ConfigError(f"the checkpoint's {unknown[0]!r} is unknown to the configuration: it belongs to another one")
