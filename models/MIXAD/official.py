"""Published checkpoints: mapping of their keys and layout to this network's, used only for loading."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from models.settings import ConfigError

from .cells import merge_identities
from .config import MIXADConfig

_RENAMED = [
    (r"^memory\.slots$", "memory.Memory"),
    (r"^memory\.query$", "memory.Wq"),
    (r"^memory\.source$", "memory.We1"),
    (r"^memory\.target$", "memory.We2"),
    (r"\.cells\.", ".strgc_cells."),
    (r"\.gates\.", ".gate."),
    (r"\.candidate\.", ".update."),
    (r"(gate|update)\.weight$", r"\1.weights"),
    (r"^decoder\.projection\.", "proj.0."),
]


def official_name(key: str) -> str:
    """Return the published name of this network's tensor `key`."""
    for pattern, replacement in _RENAMED:
        key = re.sub(pattern, replacement, key)
    return key


def from_official(official: Mapping[str, Tensor], own: Mapping[str, Tensor], config: MIXADConfig) -> dict[str, Tensor]:
    """Return a state dict shaped like `own`, filled from a published one.

    Raises
    ------
    ConfigError
        When a key is missing or unknown, or has another shape.
    """
    terms = config.max_diffusion_step
    filled = {"batches": torch.zeros_like(own["batches"])}
    names = {key: official_name(key) for key in own if key != "batches"}
    for key, name in names.items():
        if name not in official:
            raise ConfigError(f"the checkpoint has no {name!r}: it belongs to another configuration")
        expected = _official_shape(name, own[key].shape, terms)
        if official[name].shape != expected:
            raise ConfigError(
                f"the checkpoint's {name!r} has shape {tuple(official[name].shape)}, configuration and data require "
                f"{expected}: it belongs to different ones"
            )
        filled[key] = merge_identities(official[name], terms) if name.endswith(".weights") else official[name]
    unknown = sorted(official.keys() - names.values())
    if unknown:
        raise ConfigError(f"the checkpoint's {unknown[0]!r} is unknown to the configuration: it belongs to another one")
    return filled


def _official_shape(name: str, own: torch.Size, terms: int) -> tuple[int, ...]:
    if not name.endswith(".weights"):
        return tuple(own)
    outputs, columns = own
    return 2 * terms * (columns // (2 * terms - 1)), outputs
