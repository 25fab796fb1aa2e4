"""Weights of the published implementation: mapping of their names to this network's, used only for loading."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from models.official import check_official, renamed

_RENAMED = [
    (r"^encoder\.embedding\.", "embed."),
    (r"^encoder\.position$", "pos"),
    (r"^encoder\.norm\.", "ln1."),
    (r"^encoder\.query\.", "attn.wq."),
    (r"^target\.embedding\.", "t_embed."),
    (r"^target\.position$", "t_pos"),
    (r"^target\.norm\.", "t_ln1."),
    (r"^target\.query\.", "t_wq."),
    (r"^attention\.key\.", "attn.wk."),
    (r"^attention\.value\.", "attn.wv."),
    (r"^attention\.output\.", "attn.wo."),
    (r"^feed_forward\.norm\.", "ln2."),
    (r"^feed_forward\.inner\.", "ffn.0."),
    (r"^feed_forward\.outer\.", "ffn.2."),
    (r"^predictor\.output\.", "attn.q_pred_net.net.12."),
    (r"^log_scale_reconstruction$", "s_rec"),
    (r"^log_scale_query$", "s_kl"),
    (r"^log_sharpness$", "log_tau"),
]
_CONVOLUTION = re.compile(r"^predictor\.convolutions\.(\d+)\.")
_OUTPUT = "attn.q_pred_net.net.12.weight"  # a 1 × 1 convolution in the published code


def official_name(key: str) -> str:
    """Return the published name of this network's tensor `key`."""
    return _CONVOLUTION.sub(lambda found: f"attn.q_pred_net.net.{3 * int(found[1])}.conv.", renamed(key, _RENAMED))


def from_official(official: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict shaped like `own`, filled from a published one, without statistics of the training windows.

    Raises
    ------
    ConfigError
        As for `check_official`.
    """
    statistics = {key: torch.zeros_like(tensor) for key, tensor in own.items() if key.startswith("scale.")}
    names = {key: official_name(key) for key in own if key not in statistics}
    shapes = {name: (*own[key].shape, 1) if name == _OUTPUT else own[key].shape for key, name in names.items()}
    check_official(official, shapes)
    return {key: official[name].view_as(own[key]) for key, name in names.items()} | statistics
