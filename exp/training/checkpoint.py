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

CONTAINERS = ("state_dict", "model_state_dict", "model", "network", "net")  # under which other programs store weights
# Parts of a name that indicate a wrapper around the network or one of its parts.
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
AVERAGED = "n_averaged"  # PyTorch's AveragedModel counts its updates under this name


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values to `path` atomically, with the same bytes for the same content."""
    buffer = io.BytesIO()  # given a path, torch.save would write the file's name into the file
    torch.save(dict(content), buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, or a published checkpoint, onto the CPU.

    Raises
    ------
    UserError
        When the file is missing, unreadable, truncated or not a checkpoint.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint: train first (--mode train) or name one with --checkpoint")
    try:
        stored = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): name another with --checkpoint") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's warnings about unknown files
            content = torch.load(stored, map_location="cpu", weights_only=True)
    except Exception:  # bytes that are not a checkpoint can cause any error
        raise UserError(
            f"{path}: truncated, or not a checkpoint of weights: retrain or name another with --checkpoint"
        ) from None
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: contains no named weights: name another with --checkpoint")
    return dict(content)


def save_network(path: Path, network: nn.Module, config: ExperimentConfig) -> None:
    """Write a network's weights with the settings that it was built from."""
    resolved = config.to_dict()
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    save(path, {"data": resolved["data"]["name"], "model": resolved["model"], "weights": weights})


def load_network(path: Path, network: nn.Module, config: ExperimentConfig) -> None:
    """Fill `network` from one of this project's checkpoints, from its bare weights, or from a published checkpoint.

    Prefixes added to names by a wrapper (`module.`, `_orig_mod.`, `model.`) are removed, and this is logged.

    Raises
    ------
    UserError
        When the file is not a usable checkpoint, or belongs to another configuration.
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
    """Return the weights in another program's file: its whole content, or what is stored under a usual key."""
    for name in CONTAINERS:
        if isinstance(content.get(name), Mapping):
            logger.info("%s: using the weights under %r", path, name)
            return content[name]
    return content


def check_fit(path: Path, weights: Mapping[str, Tensor] | None, network: nn.Module) -> None:
    """Check that weights have the network's names and shapes, except for numbers of rows determined by fitting.

    Parameters
    ----------
    path : Path
        The file they come from.
    weights : mapping of str to Tensor, or None
        None: nothing to check.
    network : nn.Module

    Raises
    ------
    UserError
        When they differ.
    """
    if weights is None:
        return
    own = network.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        if name not in own or name not in weights:
            where = "only in the file" if name in weights else "missing"
            raise UserError(f"{path}: its weights do not fit the configuration, {name!r} is {where}: retrain")
        skipped = int(name in getattr(network, "rows_by_fitting", ()))
        if own[name].shape[skipped:] != weights[name].shape[skipped:]:
            raise UserError(
                f"{path}: its weights do not fit, {name!r} has shape {tuple(weights[name].shape)} but the settings "
                f"and the channels of the data need {tuple(own[name].shape)}: use its own data, or retrain"
            )


def _unwrapped(path: Path, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove what wrappers add to the names of weights: DataParallel, DDP, torch.compile, FSDP; nested ones as well.

    An attribute name before all of them is also removed, as when the network is part of a larger module.
    """
    if AVERAGED not in own:
        weights = {name: tensor for name, tensor in weights.items() if name != AVERAGED}
    kept = {part for name in own for part in name.split(".")}
    cut = WRAPPERS - kept
    names = {name: ".".join(part for part in name.split(".") if part not in cut) for name in weights}
    if len(set(names.values())) < len(names):
        return dict(weights)  # two weights would have the same name
    found = sorted({part for name in weights for part in name.split(".")} & cut)
    first, _, rest = next(iter(names.values()), "").partition(".")
    if rest in own and {f"{first}.{name}" for name in own} == set(names.values()):  # an attribute of a larger module
        names = {name: short.partition(".")[2] for name, short in names.items()}
        found.append(first)
    if found:
        prefixes = " and ".join(f"{part!r}" for part in found)
        logger.info("%s: saved from a wrapped network, removing %s from the names of its weights", path, prefixes)
    return {names[name]: tensor for name, tensor in weights.items()}


def _check_weights(path: Path, weights: Any) -> None:
    if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
        raise UserError(f"{path}: contains no named weights: name another with --checkpoint")
    for name, tensor in weights.items():
        if not isinstance(tensor, Tensor):
            raise UserError(f"{path}: {name!r} is not a tensor of weights: name another with --checkpoint")
        if not torch.isfinite(tensor).all():
            raise UserError(f"{path}: {name!r} holds NaN or infinity: retrain or name another with --checkpoint")


def _check_model(model: Any, config: ExperimentConfig) -> None:
    differing = differences(model if isinstance(model, dict) else {}, config.to_dict()["model"], "model.")
    if differing:
        raise ConfigError(
            f"belongs to another configuration (checkpoint vs. configuration: {', '.join(differing)}): "
            "use the configuration it was trained with"
        )


def _load_official(network: nn.Module, weights: dict[str, Tensor], detector: str) -> None:
    if not isinstance(network, LoadsOfficial):
        raise ConfigError(f"not a checkpoint of this project, and {detector} has no published ones")
    network.load_official(weights)
