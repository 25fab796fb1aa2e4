"""Published checkpoints: mapping of their keys and layout to this network's, used only to load and export weights.

This network keeps the projections of an attention concatenated in one matrix; published checkpoints keep them
separate, and store the feed-forward part as 1×1 convolutions and the sinusoidal position table as a buffer.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from models.official import check_official, renamed

from .config import CrossADConfig
from .scales import sinusoidal_positions

POSITIONS, POSITION_ROWS = "pos_embedding.pe", 5000

_RENAMED = [
    (r"^patch_embedding\.", "patch_embedding.value_embedding."),
    (r"^decoder\.projection\.", "decoder.projection.0."),
    (r"^context\.queries$", "context_net.querys"),
    (r"^context\.router\.linear\.", "context_net.router.fc.1."),
    (r"^context\.bank\.prototypes$", "context_net.extractor.context"),
    (r"^context\.bank\.counts$", "context_net.extractor.ema_count"),
    (r"^context\.bank\.sums$", "context_net.extractor.ema_dw"),
    (r"^context\.extractor\.", "context_net.extractor.extractor."),
    (r"feed_forward\.expand\.", "conv1."),
    (r"feed_forward\.contract\.", "conv2."),
    (r"attention\.output\.", "attention.proj.0."),
    (r"attention\.query\.", "attention.W_Q."),
]
_JOINED = {"qkv": ("W_Q", "W_K", "W_V"), "key_value": ("W_K", "W_V")}


def official_names(key: str, config: CrossADConfig) -> list[str]:
    """Return the published names of the tensors that, stacked, form this network's tensor `key`."""
    key = renamed(key, _RENAMED)
    if config.norm == "batchnorm":
        key = re.sub(r"(norm\d?)\.", r"\1.1.", key)
    joined = re.search(r"attention\.(qkv|key_value)\.", key)
    if joined is None:
        return [key]
    return [key.replace(f".{joined[1]}.", f".{part}.") for part in _JOINED[joined[1]]]


def to_official(tensors: Mapping[str, Tensor], config: CrossADConfig) -> dict[str, Tensor]:
    """Give tensors of this network (a state dict, or gradients by parameter) their published names and shapes."""
    official = {POSITIONS: sinusoidal_positions(POSITION_ROWS, config.d_model)[None]}
    for key, tensor in tensors.items():
        names = official_names(key, config)
        for name, part in zip(names, tensor.chunk(len(names)) if len(names) > 1 else [tensor], strict=True):
            official[name] = part[..., None] if _is_convolution(name) else part
    return official


def from_official(
    official: Mapping[str, Tensor], own: Mapping[str, Tensor], config: CrossADConfig
) -> dict[str, Tensor]:
    """Return a state dict shaped like `own`, filled from a published one.

    Raises
    ------
    ConfigError
        As for `check_official`.
    """
    expected = to_official({key: tensor.to("meta") for key, tensor in own.items()}, config)
    check_official(official, {name: tensor.shape for name, tensor in expected.items()})
    filled = {}
    for key in own:
        names = official_names(key, config)
        parts = [official[name].squeeze(-1) if _is_convolution(name) else official[name] for name in names]
        filled[key] = torch.cat(parts) if len(parts) > 1 else parts[0]
    return filled


def _is_convolution(name: str) -> bool:
    return name.endswith(("conv1.weight", "conv2.weight"))
