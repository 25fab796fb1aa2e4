"""The files for `python -m exp.detect`: finding and reading them, and how many of their rows are trained on."""

import argparse
import glob
import os
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from data_provider.errors import listed
from data_provider.read.recording import MissingColumnsError, Recording, read_recording
from data_provider.series import check_range, check_training_range, fit_scaler
from exp.cli.detect_options import form_options, given_texts, is_float
from exp.detection.estimator import CrossADDetector
from exp.errors import UserError

RESERVED = {"detector", "summary.csv"}  # names in the results folder of several files


class TrainingFile(NamedTuple):
    """A file of the training set, and how many of its rows are trained on."""

    path: Path
    recording: Recording
    rows: int

    @property
    def frame(self) -> pd.DataFrame:
        """All rows, with channel names."""
        return pd.DataFrame(self.recording.values, columns=list(self.recording.channels))


def given_files(options: argparse.Namespace) -> tuple[list[Path], bool]:
    """Return the given files, those of a pattern sorted by name, and whether to treat them as several.

    Raises
    ------
    UserError
        When no file matches a pattern, or a file is given twice.
    """
    paths, patterns = [], 0
    for text in given_texts(options):
        if not glob.has_magic(text) or Path(text).exists():
            paths.append(Path(text))
            continue
        found = sorted(path for path in map(Path, glob.glob(text, recursive=True)) if path.is_file())
        if not found:
            raise UserError(f"{text}: no file matches the pattern: correct it")
        paths, patterns = paths + found, patterns + 1
    counts = Counter(path.resolve() for path in paths)
    twice = next((path for path in paths if counts[path.resolve()] > 1), None)
    if twice is not None:
        raise UserError(f"{twice}: given twice, by its name or by a pattern: give it once")
    return paths, patterns > 0 or len(paths) > 1


def folder_names(paths: list[Path]) -> list[str]:
    """Return a folder name for each file: its name without the extension, or more of its path if that is not unique.

    Examples
    --------
    >>> folder_names([Path("a/x.csv"), Path("b/x.csv"), Path("b/y.csv"), Path("b/y.pq"), Path("b/z.csv")])
    ['a__x.csv', 'b__x.csv', 'y.csv', 'y.pq', 'z']
    """
    root = os.path.commonpath([path.resolve().parent for path in paths])
    names = [path.stem for path in paths]
    for longer in (lambda path: path.name, lambda path: "__".join(path.resolve().relative_to(root).parts)):
        counts = Counter(name.lower() for name in names)  # some file systems ignore case
        doubtful = [counts[name.lower()] > 1 or name.lower() in RESERVED for name in names]
        names = [longer(path) if doubt else name for path, name, doubt in zip(paths, names, doubtful, strict=True)]
    return names


def read_training_set(
    paths: list[Path], options: argparse.Namespace, detector: CrossADDetector | None = None
) -> list[TrainingFile]:
    """Read the files of a training set; all have the channels of the first, in its order.

    Parameters
    ----------
    paths : list of Path
    options : Namespace
    detector : CrossADDetector, optional
        A detector whose training is continued; its channels are read.

    Raises
    ------
    UserError, DataError
        When a file cannot be read, has other channels or holds an unusable value, or when no row is left to train on.
        The message is one line that names the file.
    """
    recordings = [(path, read_file(path, options, detector)) for path in paths]
    first_path, first = recordings[0]
    files = []
    for path, recording in recordings:
        _check_same_channels(path, recording, first_path, first)
        rows = _rows_of_one(path, recording, options.train_until, len(paths))
        order = [recording.channels.index(name) for name in first.channels]
        recording = recording if path == first_path else _with_channels(recording, order)
        if rows:
            check_values(recording, detector, rows, path)
        files.append(TrainingFile(path, recording, rows))
    if not any(file.rows for file in files):
        raise UserError(
            f"--train-until {options.train_until}: no file has a row before it to train on: give a later time"
        )
    return files


def _with_channels(recording: Recording, order: list[int]) -> Recording:
    """Return the recording with its channels in another order."""
    channels = tuple(recording.channels[index] for index in order)
    return replace(recording, values=recording.values[:, order], channels=channels)


def _check_same_channels(path: Path, recording: Recording, first_path: Path, first: Recording) -> None:
    missing = [name for name in first.channels if name not in recording.channels]
    others = [name for name in recording.channels if name not in first.channels]
    if missing or others:
        fault = f"lacks {listed(missing)}, which {first_path} has" if missing else ""
        fault = fault or f"has {listed(others)}, which {first_path} lacks"
        raise UserError(
            f"{path}: {fault}, but all files of a training set need the same channels: rename the columns, leave "
            "the file out, or choose with --channels"
        )


def _rows_of_one(path: Path, recording: Recording, until: str | None, files: int) -> int:
    """Return how many rows of a file are trained on; with several files, a time may select none or all of its rows."""
    if files == 1:
        return training_rows(recording, until)
    try:
        return training_rows(recording, until, one_of_several=True)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def read_file(path: Path, options: argparse.Namespace, detector: CrossADDetector | None) -> Recording:
    """Read a file: all of its channels, the requested ones, or those that a saved detector knows."""
    read = partial(
        read_recording,
        path,
        **form_options(options),
        label=options.label,
        missing=options.missing or "error",
        max_gap=options.max_gap,
    )
    if detector is None:
        return read(channels=options.channels)
    try:
        recording = read(channels=list(detector.feature_names_in_))
    except MissingColumnsError as error:
        raise UserError(
            f"{path}: lacks {listed(error.names)} of the channels that the detector was trained on: "
            "rename the columns, or retrain"
        ) from None
    if recording.left_out:
        names = listed(recording.left_out)
        recording.notes.append(f"left out, as the detector was not trained on them: {names}")
    return recording


def check_channels(options: argparse.Namespace, detector: CrossADDetector) -> None:
    """Check that a saved detector has channel names, and that --channels gives the same ones.

    Raises
    ------
    UserError
    """
    if not hasattr(detector, "feature_names_in_"):
        option = "--model" if options.model is not None else "--continue"
        raise UserError(f"{option}: the detector was fitted to an array without channel names: fit it to a DataFrame")
    wanted = list(detector.feature_names_in_)
    others = [name for name in options.channels or () if name not in wanted]
    missing = [name for name in wanted if options.channels and name not in options.channels]
    if others or missing:
        fault = f"was not trained on {listed(others)}" if others else f"also needs {listed(missing)}"
        raise UserError(f"--channels: the detector {fault}: leave the option out")


def check_values(recording: Recording, detector: CrossADDetector | None, train_end: int | None, path: Path) -> None:
    """Refuse unusable values before training, and those in the part after it that are known to be unusable."""
    times, values = recording.times, recording.values
    place = (lambda row: f"row {row + 1}") if times is None else (lambda row: f"time {times[row]}")
    about = {"channels": recording.channels, "name": str(path), "place": place}
    if detector is not None:
        check_range(values, detector.offset_, detector.scale_, **about)
        return
    check_training_range(values[:train_end], **about)
    check_range(values, *fit_scaler(values[:train_end], "standard"), **about)


def training_rows(recording: Recording, until: str | None, *, one_of_several: bool = False) -> int:
    """Return how many rows are trained on.

    Parameters
    ----------
    recording : Recording
    until : str or None
        A number of rows, a share in (0, 1] written with a point, or an ISO 8601 time, whose row is the first that is
        not trained on. None: all rows.
    one_of_several : bool
        There are other files to train on: a time may select none or all of the rows of this one.

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
        rows = _rows_before(recording, until, may_be_later=one_of_several)
        if one_of_several and rows in (0, points):
            return rows
    if not 1 < rows <= points:
        raise UserError(
            f"--train-until {until}: means {rows} of the {points} rows: give a row, a share or a time within"
        )
    return rows


def _rows_before(recording: Recording, until: str, *, may_be_later: bool) -> int:
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
    if time > recording.times[-1] and not may_be_later:
        raise UserError(
            f"--train-until {until}: the file ends at {recording.times[-1]}: give an earlier time, or leave it out to "
            "train on all rows"
        )
    return int(recording.times.searchsorted(time))
