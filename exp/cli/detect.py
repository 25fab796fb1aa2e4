"""The program `python -m exp.detect`: a CSV or Parquet file becomes ranked anomalies, a stream becomes alarms."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pandas as pd

from data_provider import DataError
from data_provider.read.recording import MissingColumnsError, Recording, read_recording
from data_provider.series import check_range, check_training_range, fit_scaler
from exp.cli.common import run_program
from exp.cli.findings import write_findings
from exp.cli.options import detect_parser
from exp.detection.estimator import CrossADDetector
from exp.detection.own_series import check_overrides
from exp.errors import UserError
from exp.streaming.clock import parse_gap
from exp.streaming.layout import Reading
from exp.streaming.lines import STATE_EVERY, stream_lines
from exp.training.devices import choose_device
from exp.training.observers import TensorBoard, check_tensorboard, forget_scalars
from models import DETECTORS
from models.settings import nearest
from ts_ad_evaluation import EvaluationError

logger = logging.getLogger(__name__)

SCALARS = "tensorboard"  # in the folder of the results
STREAM = ("stream_mode", "state", "state_every", "drift_window", "gap")
# What a saved detector provides.
TRAINING = ("train_until", "detector", "config", "set", "threshold", "risk", "quantile", "seed", "tensorboard")


def main(arguments: list[str] | None = None, parser: argparse.ArgumentParser | None = None) -> int:
    """Run the program and return its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        By default the process's.
    parser : ArgumentParser, optional
        Of the options; by default `detect_parser`'s.
    """
    return run_program(_run, parser or detect_parser(), arguments, after_interruption="")


def _run(options: argparse.Namespace) -> int:
    _check(options)
    if options.stream:
        return _stream(options)
    detector = None if options.model is None else CrossADDetector.load(options.model, device=options.device)
    recording = _read(options, detector)
    for note in recording.notes:
        logger.warning("%s: %s", options.series, note)
    frame = pd.DataFrame(recording.values, columns=list(recording.channels))
    train_end = training_rows(recording, options.train_until) if detector is None else None
    _check_values(recording, detector, train_end, options.series)
    with _folder_for_results(options.out):
        if detector is None:
            detector = _train(frame[:train_end], options)
        try:
            channel_scores = detector.channel_scores(frame)
        except (DataError, UserError) as error:
            raise UserError(f"{options.series}: {error}") from None
        if train_end is not None:
            detector.save(options.out / "detector")
        if not options.tensorboard:
            forget_scalars(options.out / SCALARS)
        write_findings(recording, detector, channel_scores, train_end, options.out)
    return 0


def _stream(options: argparse.Namespace) -> int:
    reading = Reading(
        time=tuple(options.time or ()),
        separator=options.sep,
        decimal=options.decimal,
        header=None if options.header is None else options.header == "yes",
        encoding=options.encoding,
        date_format=options.date_format,
        timezone=options.timezone,
        missing_values=tuple(options.missing_values or ()),
    )
    return stream_lines(
        options.model,
        sys.stdin,
        sys.stdout,
        mode=options.stream_mode or "window",
        state=options.state,
        state_every=STATE_EVERY if options.state_every is None else options.state_every,
        drift_window=options.drift_window,
        gap=None if options.gap is None else parse_gap(options.gap),
        reading=reading,
        device=options.device,
    )


def _read(options: argparse.Namespace, detector: CrossADDetector | None) -> Recording:
    """Read the file: all of its channels, the requested ones, or those that a saved detector knows."""
    read = partial(
        read_recording,
        options.series,
        time=options.time,
        separator=options.sep,
        decimal=options.decimal,
        header=None if options.header is None else options.header == "yes",
        encoding=options.encoding,
        date_format=options.date_format,
        timezone=options.timezone,
        missing_values=options.missing_values or (),
        label=options.label,
        missing=options.missing or "error",
        max_gap=options.max_gap,
    )
    if detector is None:
        return read(channels=options.channels)
    wanted = _channels_of_training(detector)
    others = [name for name in options.channels or () if name not in wanted]
    missing = [name for name in wanted if options.channels and name not in options.channels]
    if others or missing:
        fault = f"was not trained on {', '.join(others)}" if others else f"also needs {', '.join(missing)}"
        raise UserError(f"--channels: the detector {fault}: leave the option out, or name {' '.join(wanted)}")
    try:
        recording = read(channels=wanted)
    except MissingColumnsError as error:
        raise UserError(
            f"{options.series}: lacks {', '.join(error.names)} of the channels that the detector was trained on: "
            "rename the columns, or retrain"
        ) from None
    if recording.left_out:
        names = ", ".join(recording.left_out)
        recording.notes.append(f"left out, as the detector was not trained on them: {names}")
    return recording


def _channels_of_training(detector: CrossADDetector) -> list[str]:
    if not hasattr(detector, "feature_names_in_"):
        raise UserError("--model: the detector was fitted to an array without channel names: fit it to a DataFrame")
    return list(detector.feature_names_in_)


def _check_values(recording: Recording, detector: CrossADDetector | None, train_end: int | None, path: Path) -> None:
    """Refuse unusable values before training, and those in the part after it that are known to be unusable."""
    times, values = recording.times, recording.values
    place = (lambda row: f"row {row + 1}") if times is None else (lambda row: f"time {times[row]}")
    about = {"channels": recording.channels, "name": str(path), "place": place}
    if detector is not None:
        check_range(values, detector.offset_, detector.scale_, **about)
        return
    check_training_range(values[:train_end], **about)
    check_range(values, *fit_scaler(values[:train_end], "standard"), **about)


def _check(options: argparse.Namespace) -> None:
    """Refuse options that conflict."""
    choose_device(options.device)
    if options.stream and options.model is None:
        raise UserError("--stream needs a saved detector: give --model DIR")
    _check_training(options)
    if options.stream:
        _check_stream(options)
        return
    if options.series is None and len(options.time or ()) > 1:
        raise UserError(
            f"--time {' '.join(options.time)}: includes the file, if there is one: put the file before --time"
        )
    if options.series is None or options.out is None:
        raise UserError(f"give a file and an output folder: {options.program} SERIES.csv --out DIR")
    stream_alone = _given(options, STREAM)
    if stream_alone:
        raise UserError(f"{' and '.join(stream_alone)} need --stream: add it, or leave them out")
    if options.max_gap is not None and options.missing != "interpolate":
        raise UserError("--max-gap limits interpolation: add --missing interpolate")
    if options.max_gap is not None and options.max_gap < 1:
        raise UserError(f"--max-gap {options.max_gap}: give a number of points of at least 1")


def _check_stream(options: argparse.Namespace) -> None:
    """Refuse options that a stream does not have."""
    if options.series is not None or options.out is not None:
        raise UserError("--stream reads standard input and writes standard output: leave out the file and --out")
    if _given(options, ("channels", "label", "missing", "max_gap")):
        raise UserError(
            "--channels, --label, --missing and --max-gap are for files: leave them out; the stream's first line "
            "may name its columns"
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
    if options.detector is not None and options.detector not in DETECTORS:
        raise UserError(f"--detector {options.detector}: no such model: {nearest(options.detector, sorted(DETECTORS))}")
    rule = options.threshold or "spot"
    for name, owner in (("risk", "spot"), ("quantile", "quantile")):
        if getattr(options, name) is not None and rule != owner:
            raise UserError(f"--{name} belongs to --threshold {owner}: leave it out, or use that threshold")
    keys = [setting.partition("=")[0] for setting in options.set or ()]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise UserError(f"--set {twice}: given twice: leave one of them out")
    if options.seed is not None and "train.seed" in keys:
        raise UserError("--seed and --set train.seed exclude each other: use one of them")
    check_overrides(options.set or ())
    if options.tensorboard:
        check_tensorboard()


@contextmanager
def _folder_for_results(out: Path) -> Iterator[None]:
    """Create the folder before the work, and remove it again if an error leaves it empty."""
    new = [path for path in (out, *out.parents) if not path.exists()]
    try:
        try:
            out.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=out).close()
        except OSError as error:
            raise UserError(f"{out}: cannot write there ({error.strerror}): choose another folder with --out") from None
        yield
    except BaseException:
        for path in new:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def training_rows(recording: Recording, until: str | None) -> int:
    """Return how many rows train.

    Parameters
    ----------
    recording : Recording
    until : str or None
        A number of rows, a share in (0, 1] written with a point, or an ISO 8601 time, whose row is the first
        that is not trained on. None: all rows.

    Raises
    ------
    UserError
        When it is none of these, or leaves fewer than two rows.
    """
    points = len(recording.values)
    if until is None:
        return points
    if until.isdecimal():
        rows = int(until)
    elif _is_float(until):
        if not 0 < float(until) <= 1:
            raise UserError(f"--train-until {until}: a share is above 0 and at most 1: give one, or a row or a time")
        rows = round(points * float(until))
    else:
        rows = _rows_before(recording, until)
    if not 1 < rows <= points:
        raise UserError(
            f"--train-until {until}: means {rows} of the {points} rows: give a row, a share or a time within"
        )
    return rows


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows_before(recording: Recording, until: str) -> int:
    if not isinstance(recording.times, pd.DatetimeIndex):
        raise UserError(f"--train-until {until}: the file has no dates: give a row (5000) or a share (0.5)")
    try:
        time = pd.to_datetime(until, format="ISO8601")
    except ValueError:
        time = pd.NaT
    if time is pd.NaT or not until[0].isdecimal():  # pandas also knows "now", which differs in each run
        raise UserError(
            f"--train-until {until}: neither a row (5000), a share (0.5) nor a time (2024-01-31 10:00): correct it"
        )
    zone = recording.times.tz
    if time.tzinfo is None:
        time = time.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    elif zone is None:
        raise UserError(f"--train-until {until}: the file's times have no zone: write it without one")
    if time > recording.times[-1]:
        raise UserError(
            f"--train-until {until}: the file ends at {recording.times[-1]}: give an earlier time, or leave it out to "
            "train on all rows"
        )
    return int(recording.times.searchsorted(time))


def _train(frame: pd.DataFrame, options: argparse.Namespace) -> CrossADDetector:
    names = ("detector", "config", "threshold", "risk", "quantile", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if _is_float(given.get("threshold", "")):
        given["threshold"] = float(given["threshold"])
    overrides = list(options.set or ())
    if options.seed is not None:
        overrides.append(f"train.seed={options.seed}")  # takes precedence over a configuration's own
    detector = CrossADDetector(**given, overrides=tuple(overrides), device=options.device)
    observers = [TensorBoard(options.out / SCALARS)] if options.tensorboard else []
    try:
        return detector.fit(frame, observers=observers)
    except DataError as error:
        raise DataError(f"{options.series}: {error}") from None
    except EvaluationError as error:
        raise EvaluationError(f"{options.series}: {error}: --threshold quantile, or --threshold NUMBER") from None
