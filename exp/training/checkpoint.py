"""Checkpoints: weights on disk as tensors and plain values, read without running any code in them."""

import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from exp.config import ExperimentConfig, differences
from exp.errors import UserError
from models import ConfigError
from models.network import LoadsOfficial
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

CONTAINERS = ("state_dict", "model_state_dict")  # under which other programs keep weights
# Parts of a name that stand for a wrapper around the network or a part of it.
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}


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
        When the file is missing, unreadable, truncated or no checkpoint.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint: train first (--mode train) or name one with --checkpoint")
    try:
        stored = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): name another with --checkpoint") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what PyTorch has to say of strange files
            content = torch.load(stored, map_location="cpu", weights_only=True)
    except Exception:  # bytes that are no checkpoint can lead the reader to any error
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
    """Fill `network` from one of this project's checkpoints, from bare weights of it, or from a published checkpoint.

    Names that a wrapper has lengthened (`module.`, `_orig_mod.`, `model.`) are cut, and that is said.

    Raises
    ------
    UserError
        When the file is no usable checkpoint, or one of another configuration.
    """
    content = load(path)
    bare = "weights" not in content
    weights = _bare_weights(path, content) if bare else content["weights"]
    _check_weights(path, weights)
    own = network.state_dict()
    weights = _unwrapped(path, weights, own)
    published = bare and not (weights and weights.keys() <= own.keys())
    try:
        if published:
            _load_official(network, weights, config.detector)
            return
        if not bare:
            _check_model(content.get("model"), config)
    except ConfigError as error:
        raise UserError(f"{path}: {error}") from None
    check_fit(path, weights, network)
    network.load_state_dict(weights)


def _bare_weights(path: Path, content: Mapping[str, Any]) -> Any:
    """Return the weights of another program's file: all that it holds, or what stands under one of the usual names."""
    for name in CONTAINERS:
        if isinstance(content.get(name), Mapping):
            logger.info("%s: its weights are those under %r", path, name)
            return content[name]
    return content


def check_fit(path: Path, weights: Mapping[str, Tensor] | None, network: nn.Module) -> None:
    """See that weights have the names and shapes of the network's, but for the number of rows that fitting decides on.

    Parameters
    ----------
    path : Path
        Where they come from.
    weights : mapping of str to Tensor, or None
        None: nothing to see.
    network : nn.Module

    Raises
    ------
    UserError
        When they have others.
    """
    if weights is None:
        return
    own = network.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        if name not in own or name not in weights:
            where = "in the file alone" if name in weights else "missing"
            raise UserError(f"{path}: its weights do not fit the configuration, {name!r} is {where}: train again")
        skipped = int(name in getattr(network, "rows_by_fitting", ()))
        if own[name].shape[skipped:] != weights[name].shape[skipped:]:
            raise UserError(
                f"{path}: its weights do not fit, {name!r} has shape {tuple(weights[name].shape)} where the settings "
                f"and the channels of the data need {tuple(own[name].shape)}: use its own data, or train again"
            )


def _unwrapped(path: Path, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cut what wrappers put into the names of weights: DataParallel, DDP, torch.compile, FSDP; also one in another.

    So is the name of an attribute that stands before all of them, as where the network is a part of a larger module.
    """
    kept = {part for name in own for part in name.split(".")}
    cut = WRAPPERS - kept
    names = {name: ".".join(part for part in name.split(".") if part not in cut) for name in weights}
    if len(set(names.values())) < len(names):
        return dict(weights)  # two would have one name
    found = sorted({part for name in weights for part in name.split(".")} & cut)
    first, _, rest = next(iter(names.values()), "").partition(".")
    if rest in own and {f"{first}.{name}" for name in own} == set(names.values()):  # an attribute of a larger module
        names = {name: short.partition(".")[2] for name, short in names.items()}
        found.append(first)
    if found:
        prefixes = " and ".join(f"{part!r}" for part in found)
        logger.info("%s: saved from a wrapped network, %s is taken off the names of its weights", path, prefixes)
    return {names[name]: tensor for name, tensor in weights.items()}


def _check_weights(path: Path, weights: Any) -> None:
    if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
        raise UserError(f"{path}: holds no weights by name: name another with --checkpoint")
    for name, tensor in weights.items():
        if not isinstance(tensor, Tensor):
            raise UserError(f"{path}: {name!r} is no tensor of weights: name another with --checkpoint")
        if not torch.isfinite(tensor).all():
            raise UserError(f"{path}: {name!r} holds NaN or infinity: train again or name another with --checkpoint")


def _check_model(model: Any, config: ExperimentConfig) -> None:
    differing = differences(model if isinstance(model, dict) else {}, config.to_dict()["model"], "model.")
    if differing:
        raise ConfigError(
            f"belongs to another configuration (checkpoint against configuration: {', '.join(differing)}): "
            "use the configuration it was trained with"
        )


def _load_official(network: nn.Module, weights: dict[str, Tensor], detector: str) -> None:
    if not isinstance(network, LoadsOfficial):
        raise ConfigError(f"not a checkpoint of this project, and {detector} has no published ones")
    network.load_official(weights)
