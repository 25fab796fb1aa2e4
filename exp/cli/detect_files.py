"""The files that `python -m exp.detect` is given: which they are, what they hold, and how much of them trains."""

import argparse
from functools import partial
from pathlib import Path

import pandas as pd

from data_provider.read.recording import MissingColumnsError, Recording, read_recording
from data_provider.series import check_range, check_training_range, fit_scaler
from exp.cli.detect_options import is_float
from exp.detection.estimator import CrossADDetector
from exp.errors import UserError


def read_file(options: argparse.Namespace, detector: CrossADDetector | None) -> Recording:
    """Read the file: all of its channels or those that are asked for, or those that a saved detector knows."""
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
        fault = f"was not trained on {', '.join(others)}" if others else f"needs {', '.join(missing)} too"
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
        recording.notes.append(f"left out, the detector was not trained on them: {names}")
    return recording


def _channels_of_training(detector: CrossADDetector) -> list[str]:
    if not hasattr(detector, "feature_names_in_"):
        raise UserError(
            "--model: the detector was fitted to an array, without names of channels: fit it to a DataFrame"
        )
    return list(detector.feature_names_in_)


def check_values(recording: Recording, detector: CrossADDetector | None, train_end: int | None, path: Path) -> None:
    """Refuse values that cannot be computed with, before the training; of the part behind it as far as is known."""
    times, values = recording.times, recording.values
    place = (lambda row: f"row {row + 1}") if times is None else (lambda row: f"time {times[row]}")
    about = {"channels": recording.channels, "name": str(path), "place": place}
    if detector is not None:
        check_range(values, detector.offset_, detector.scale_, **about)
        return
    check_training_range(values[:train_end], **about)
    check_range(values, *fit_scaler(values[:train_end], "standard"), **about)


def training_rows(recording: Recording, until: str | None) -> int:
    """Return how many rows train.

    Parameters
    ----------
    recording : Recording
    until : str or None
        A number of rows, a share in (0, 1] written with a point, or a time as ISO 8601 has it, whose row is the first
        that does not train. None: all rows.

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
    elif is_float(until):
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


def _rows_before(recording: Recording, until: str) -> int:
    if not isinstance(recording.times, pd.DatetimeIndex):
        raise UserError(f"--train-until {until}: the file has no dates: give a row (5000) or a share (0.5)")
    try:
        time = pd.to_datetime(until, format="ISO8601")
    except ValueError:
        time = pd.NaT
    if time is pd.NaT or not until[0].isdecimal():  # pandas knows "now" too, which is another time in each run
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
