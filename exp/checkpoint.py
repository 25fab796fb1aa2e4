"""Checkpoints: weights on disk as tensors and plain values, read without running any code in them."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from exp.config import ExperimentConfig, differences
from exp.errors import UserError
from models import ConfigError
from ts_ad_evaluation.files import replacing


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values to `path`, whole or not at all, the same bytes for the same content."""
    buffer = io.BytesIO()  # given a path, torch.save would write the file's name into the file
    torch.save(dict(content), buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, or a published checkpoint, onto the CPU.

    Raises
    ------
    UserError
        When the file is missing, truncated or no checkpoint.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint: train first (--mode train) or name one with --checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile):
        raise UserError(
            f"{path}: truncated, or not a checkpoint of weights: train again or name another with --checkpoint"
        ) from None
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: holds no weights by name: name another with --checkpoint")
    return dict(content)


def save_network(path: Path, network: nn.Module, config: ExperimentConfig) -> None:
    """Write a network's weights with the settings that it was built from."""
    resolved = config.to_dict()
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    save(path, {"data": resolved["data"]["name"], "model": resolved["model"], "weights": weights})


def load_network(path: Path, network: nn.Module, config: ExperimentConfig) -> None:
    """Fill `network` from one of this project's checkpoints or from a published one.

    Raises
    ------
    UserError
        When the file is no usable checkpoint, or one of another configuration.
    """
    content = load(path)
    if "weights" not in content:
        _load_official(path, network, content, config.detector)
        return
    differing = differences(content["model"], config.to_dict()["model"])
    if differing:
        raise UserError(
            f"{path}: belongs to another configuration (checkpoint against configuration: "
            f"{', '.join(differing)}): use the configuration it was trained with"
        )
    network.load_state_dict(content["weights"])


def _load_official(path: Path, network: nn.Module, weights: dict[str, Tensor], detector: str) -> None:
    if not hasattr(network, "load_official"):
        raise UserError(f"{path}: not a checkpoint of this project, and {detector} has no published ones")
    try:
        network.load_official(weights)
    except ConfigError as error:
        raise UserError(f"{path}: {error}") from None
