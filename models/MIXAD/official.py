"""Published checkpoints: mapping of their keys and layout to this network's, used only for loading."""

from collections.abc import Mapping

import torch
from torch import Tensor

from models.official import check_official, renamed

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
    return renamed(key, _RENAMED)


def from_official(official: Mapping[str, Tensor], own: Mapping[str, Tensor], config: MIXADConfig) -> dict[str, Tensor]:
    """Return a state dict shaped like `own`, filled from a published one.

    Raises
    ------
    ConfigError
        As for `check_official`.
    """
    terms = config.max_diffusion_step
    names = {key: official_name(key) for key in own if key != "batches"}
    check_official(official, {name: _official_shape(name, own[key].shape, terms) for key, name in names.items()})
    filled = {"batches": torch.zeros_like(own["batches"])}
    for key, name in names.items():
        filled[key] = merge_identities(official[name], terms) if name.endswith(".weights") else official[name]
    return filled


def _official_shape(name: str, own: torch.Size, terms: int) -> tuple[int, ...]:
    if not name.endswith(".weights"):
        return own
    outputs, columns = own
    return 2 * terms * (columns // (2 * terms - 1)), outputs
