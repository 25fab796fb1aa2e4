"""All settings of a detector for a user's series: the given ones, or those that the model suggests."""

import math
import os
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from data_provider import DataError
from exp.config import ExperimentConfig, config_file, read_yaml, resolve
from exp.detection.own_series import NAME, check_overrides, own_data
from exp.errors import UserError
from models import AUTO, DETECTORS, ConfigError, Suggestion, automatic
from models.settings import nearest
from models.suggestion import SHORTEST_WINDOW
from ts_ad_evaluation import find_period

PEAK = 4.0  # standard deviations of white noise's autocorrelation that the peak of a period must reach

Source: TypeAlias = str | os.PathLike[str] | dict  # "auto", a file, or sections of a configuration

SEED = 2025  # the default; the seed of a configuration then takes precedence


def suggest(detector: str, train: np.ndarray, shortest: int | None = None) -> Suggestion:
    """Return the settings that a model suggests for a training series.

    Parameters
    ----------
    detector : str
        A name in the registry.
    train : array of shape (n, C)
    shortest : int, optional
        Points of the shortest of the series that `train` consists of, where these are several.

    Raises
    ------
    DataError
        When the series is too short for two of the shortest windows.
    """
    points, channels = train.shape
    if points < 2 * SHORTEST_WINDOW:
        raise DataError(
            f"the training part has {points} points, fewer than two windows of {SHORTEST_WINDOW}: use more points"
        )
    rule = DETECTORS[detector].suggest
    if rule is None:
        return Suggestion({}, {})
    period, source = _find_period(train)
    sections, reasons = rule(points, channels, period)
    of_window = [source]
    if shortest is not None and 2 * sections.get("model", {}).get("seq_len", 0) > shortest:
        # The rules' window is a tenth of a series at most: of five times the shortest that is half of it. How much is
        # learned still depends on all points.
        short = rule(min(points, 5 * shortest), channels, period)
        sections = {**sections, "model": short.sections["model"]}
        reasons = {**reasons, "model": short.reasons["model"]}
        of_window.append(f"two windows must fit into the shortest of the series, {shortest} points")
    return Suggestion(sections, {**reasons, "model": [*of_window, *reasons.get("model", [])]})


def _find_period(train: np.ndarray) -> tuple[int | None, str]:
    """Return the period of most channels of a training part (n, C), or None if most have none, and the reason."""
    least = PEAK / math.sqrt(len(train))
    changing = [channel for channel in train.T if np.ptp(channel) > 0]
    periods = [find_period(channel, default=None, least=least) for channel in changing]
    found = [period for period in periods if period is not None]
    if not found or 2 * len(found) < len(changing):
        return None, f"no period found: {len(found)} of {len(changing)} non-constant channels have one"
    period = int(np.median(found))
    over = "" if len(changing) == 1 else f", the median over {len(found)} of {len(changing)} channels"
    return period, f"period {period} points: the highest peak of the autocorrelation{over}"


def settings_for(
    X: np.ndarray,
    *,
    detector: str,
    config: Source,
    overrides: Sequence[str],
    seed: int,
    shortest: int | None = None,
) -> tuple[ExperimentConfig, list[str]]:
    """Return all settings for training on X, and the reasons of automatic ones.

    Parameters
    ----------
    X : array of shape (n, C)
    detector : str
        A name in the registry, or "auto": the one that `models.automatic` chooses.
    config : "auto", dict or path
        "auto": what the model suggests. Otherwise sections of a configuration, or a file with them.
    overrides : sequence of str
        Each `section.key=value`.
    seed : int
    shortest : int, optional
        As for `suggest`.

    Raises
    ------
    ConfigError, UserError
        One line that names the key and the remedy.
    """
    if isinstance(overrides, str):
        raise UserError(f"overrides is {overrides!r}: use a list of such texts")
    detector, choice = _model(detector, config, X.shape[1])
    sections, reasons, source = _sections(X, detector, config, shortest)
    reasons = [*choice, *reasons]
    model, train, data, _ = (_section(sections, name, source) for name in ("model", "train", "data", "evaluation"))
    check_overrides(overrides)
    seed = int(seed) if isinstance(seed, np.integer) else seed
    seed = train.get("seed", seed) if seed == SEED else seed
    own = {"model": {"name": detector, **model}, "train": {**train, "seed": seed}}
    resolve({**sections, **own, "data": {"name": NAME, **data}}, list(overrides), source)  # names wrong keys
    own["data"] = own_data(sections, source, strict=isinstance(config, dict))
    resolved = resolve(own, list(overrides), source)
    given = [override.partition("=")[0] for override in overrides]
    reasons = [reason for reason in reasons if not any(key in reason for key in given)]
    if resolved.detector != detector:
        raise ConfigError(f"{source}: model.name is {resolved.detector!r}, but the detector is {detector}: correct one")
    return resolved, reasons


def _model(detector: str, config: Source, channels: int) -> tuple[str, list[str]]:
    """Return the name of the model, and why, if it was to be chosen."""
    if detector not in (AUTO, *DETECTORS):
        raise UserError(f"detector is {detector!r}: {nearest(str(detector), [AUTO, *DETECTORS])}")
    if detector != AUTO:
        return detector, []
    if not (isinstance(config, str) and config == "auto"):
        raise UserError("detector is 'auto', but a config is that of one model: name the model")
    name, reason = automatic(channels)
    return name, [f"the detector {name}: {reason}"]


def _sections(X: np.ndarray, detector: str, config: Source, shortest: int | None) -> tuple[dict, list[str], str]:
    """Return the sections of a configuration, the reasons for automatic ones, and their source for errors."""
    if isinstance(config, str) and config == "auto":
        sections, reasons = suggest(detector, X, shortest)
        return sections, [reason for own in reasons.values() for reason in own], "the detector's config"
    if isinstance(config, dict):
        return config, [], "the detector's config"
    if isinstance(config, (str, os.PathLike)):
        file = config_file(config)
        return read_yaml(file), [], str(file)
    raise UserError(f"config is {config!r}: use 'auto', a dict or a path")


def _section(sections: dict, name: str, source: str) -> dict:
    """Return a section of a configuration, or an empty one if there is none."""
    section = sections.get(name) or {}
    if not isinstance(section, dict):
        raise ConfigError(f"{source}: {name}: expected keys with values, got {section!r}")
    return section
