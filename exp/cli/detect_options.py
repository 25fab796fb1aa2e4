"""The options of `python -m exp.detect`: checks, and what they say about the form of the file and the threshold."""

import argparse
from typing import Any

from exp.detection.events import check_events
from exp.detection.explanation import check_explicable
from exp.detection.own_series import check_overrides
from exp.detection.thresholds import OWNERS, ThresholdRule
from exp.errors import UserError
from exp.training.devices import choose_device
from exp.training.observers import check_tensorboard
from models import AUTO, DEFAULT, DETECTORS, ONE_CHANNEL, SEVERAL_CHANNELS
from models.settings import nearest

STREAM = ("stream_mode", "state", "state_every", "drift_window", "gap", "alarms")
# What a saved detector provides.
TRAINING = ("train_until", "detector", "config", "set", "seed", "tensorboard")
RULES = ("threshold", "risk", "quantile", "contamination")


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that conflict."""
    choose_device(options.device)
    if options.stream and options.model is None:
        raise UserError("--stream needs a saved detector: give --model DIR")
    _check_training(options)
    if options.stream:
        _check_stream(options)
        return
    if not given_texts(options) and len(options.time or ()) > 1:
        raise UserError(
            f"--time {' '.join(options.time)}: includes the file, if there is one: put the file before --time"
        )
    if not given_texts(options) or options.out is None:
        raise UserError(
            f"give a file, before the options, and an output folder: {options.program} SERIES.csv --out DIR"
        )
    stream_alone = _given(options, STREAM)
    if stream_alone:
        raise UserError(f"{' and '.join(stream_alone)} need --stream: add it, or leave them out")
    if options.max_gap is not None and options.missing != "interpolate":
        raise UserError("--max-gap limits interpolation: add --missing interpolate")
    if options.max_gap is not None and options.max_gap < 1:
        raise UserError(f"--max-gap {options.max_gap}: give a number of points of at least 1")


def given_texts(options: argparse.Namespace) -> list[str]:
    """Return the given files and patterns in order."""
    return [*options.files, *(options.series or ())]


def _check_stream(options: argparse.Namespace) -> None:
    """Refuse options that a stream does not have."""
    if given_texts(options) or options.out is not None:
        raise UserError("--stream reads standard input and writes standard output: leave out the file and --out")
    given = _given(options, ("merge_gap", "min_length"))
    if given and not options.alarms:
        raise UserError(f"{given[0]} needs --alarms, which turns alarms into events: add --alarms, or leave it out")
    if options.explain:
        raise UserError("--explain is for files: leave it out")
    if _given(options, ("channels", "label", "missing", "max_gap")):
        raise UserError(
            "--channels, --label, --missing and --max-gap are for files: leave them out; the stream's first line may "
            "name its columns"
        )
    if options.time is not None and len(options.time) > 2:
        raise UserError(f"--time {' '.join(options.time)}: name one column, or one of dates and one of times of day")
    if options.state_every is not None and options.state is None:
        raise UserError("--state-every needs --state FILE: name the file, or leave it out")
    if options.state_every is not None and options.state_every < 1:
        raise UserError(f"--state-every {options.state_every}: give a number of points of at least 1")


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None]


def _check_training(options: argparse.Namespace) -> None:
    """Refuse training options that would have no effect."""
    given = _given(options, TRAINING)
    if options.model is not None and given:
        raise UserError(f"{given[0]} is for training, which --model replaces: leave one of them out")
    if options.before is not None:
        _check_continuation(options)
    if options.detector is not None and options.detector not in (AUTO, *DETECTORS):
        names = [AUTO, *sorted(DETECTORS)]
        raise UserError(f"--detector {options.detector}: no such model: {nearest(options.detector, names)}")
    if options.detector == AUTO and (options.config not in (None, "auto") or options.set):
        raise UserError("--detector auto has automatic settings: name a model to change them")
    ThresholdRule(**rule_options(options)).check()
    if options.explain and options.model is None and options.before is None:
        chosen = chosen_detector(options)
        for detector in (ONE_CHANNEL[0], SEVERAL_CHANNELS[0]) if chosen == AUTO else (chosen,):
            check_explicable(detector)
    check_events(options.merge_gap, options.min_length, names=("--merge-gap", "--min-length"))
    keys = [setting.partition("=")[0] for setting in options.set or ()]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise UserError(f"--set {twice}: given twice: leave one of them out")
    if options.seed is not None and "train.seed" in keys:
        raise UserError("--seed and --set train.seed exclude each other: use one of them")
    check_overrides(options.set or ())
    if options.tensorboard:
        check_tensorboard()


def chosen_detector(options: argparse.Namespace) -> str:
    """Return the model of a training: the one that is named, CrossAD if settings are given, which are one model's."""
    if options.detector is not None:
        return options.detector
    return DEFAULT if options.config not in (None, "auto") or options.set else AUTO


def _check_continuation(options: argparse.Namespace) -> None:
    """Refuse options that conflict with --continue."""
    if options.model is not None or options.stream:
        other = "--stream" if options.stream else "--model"
        raise UserError(f"--continue trains, and {other} does not: leave one of them out")
    given = _given(options, ("detector", "config", "seed"))
    if given:
        raise UserError(f"{given[0]} is set by the detector of --continue: leave it out, or train a new detector")
    if options.out is not None and (options.out / "detector").resolve() == options.before.resolve():
        raise UserError(
            f"--out {options.out}: the new detector would replace the one given to --continue: choose another folder"
        )


def form_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return how the file or the stream is written, where options say so: arguments of `read_recording`, `Reading`."""
    return {
        "time": tuple(options.time or ()),
        "separator": options.sep,
        "decimal": options.decimal,
        "header": None if options.header is None else options.header == "yes",
        "encoding": options.encoding,
        "date_format": options.date_format,
        "timezone": options.timezone,
        "missing_values": tuple(options.missing_values or ()),
    }


def rule_options(options: argparse.Namespace) -> dict:
    """Return the given arguments of `ThresholdRule`; empty if no option sets the threshold.

    Raises
    ------
    UserError
        When the options conflict.
    """
    given = {name: getattr(options, name) for name in RULES if getattr(options, name) is not None}
    others = [name for name in given if name != "contamination"]
    if "contamination" in given and others:
        raise UserError(
            f"--contamination and --{others[0]} exclude each other, as each sets the threshold: use one of them"
        )
    if "risk" in given and "quantile" in given:
        raise UserError("--risk and --quantile exclude each other, as they belong to different rules: use one of them")
    for name, owner in OWNERS.items():
        if name in given and given.setdefault("threshold", owner) != owner:
            raise UserError(f"--{name} belongs to --threshold {owner}: leave it out, or use that threshold")
    if is_float(given.get("threshold", "")):
        given["threshold"] = float(given["threshold"])
    return given


def is_float(text: str) -> bool:
    """Return whether a text is a number, or nan or infinite."""
    try:
        float(text)
    except ValueError:
        return False
    return True
