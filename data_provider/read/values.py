"""The values of channels: finite numbers, complete and small enough to compute with."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from data_provider.errors import LISTED, DataError, listed
from data_provider.events import find_events
from data_provider.read.columns import as_numbers
from data_provider.read.dialect import advice, is_number
from data_provider.read.refusals import refuse
from data_provider.series import LARGEST

_EXACT = 2**53  # integers up to this are exact as floats
_STEPS = 1000  # between two floats that a column should span
_CODE = re.compile(r"-?9{2,}(\.0|\.9+)?")  # such as -999, 9999 or 99.99
_CODES = (-32768.0, 32767.0, 65535.0, -2147483648.0, 2147483647.0)


def channel_values(
    path: Path,
    column: pd.Series,
    missing: str,
    max_gap: int | None,
    notes: list[str],
    gaps: dict[str, tuple[int, int]],
) -> np.ndarray:
    """Return the values of a channel, float64 (n,).

    Parameters
    ----------
    path : Path
    column : pandas.Series
        Its index numbers the rows of the file.
    missing : {"error", "interpolate"}
    max_gap : int or None
        Largest number of consecutive points to interpolate.
    notes : list of str
    gaps : dict of str to (int, int)
        Gets the number of interpolated points, and the length of the longest gap.

    Raises
    ------
    DataError
        When a cell is not a finite number, or is missing and not interpolated.
    """
    values = pd.Series(_floats(path, column, notes), column.index, name=column.name)
    _check(path, values, missing)
    _note_codes(values, notes)
    return _interpolated(path, values, max_gap, gaps)


def note_gaps(gaps: dict[str, tuple[int, int]], channels: int, notes: list[str]) -> None:
    """Report what was interpolated, for each channel or, if there are many, in all."""
    if len(gaps) <= LISTED:
        notes += [f"{name}: {_filled(count)}, {_longest(length)}" for name, (count, length) in gaps.items()]
        return
    worst = max(gaps, key=lambda name: gaps[name][1])
    count = sum(count for count, _ in gaps.values())
    notes.append(f"{_filled(count)} in {len(gaps)} of {channels} channels, {_longest(gaps[worst][1])} ({worst})")


def _filled(count: int) -> str:
    return f"{count} missing value{'s' * (count != 1)} interpolated"


def _longest(length: int) -> str:
    return f"the longest gap has {length} point{'s' * (length != 1)}"


def check_constants(path: Path, names: list[str], values: np.ndarray, notes: list[str]) -> None:
    """Report which channels are constant.

    Raises
    ------
    DataError
        When all are.
    """
    constant = [name for name, column in zip(names, values.T, strict=True) if column.min() == column.max()]
    if len(constant) == len(names):
        lost = next((f" ({note})" for note in notes if "whole numbers" in note), "")
        raise DataError(f"{path}: every channel is constant, so there is nothing to learn{lost}: choose other channels")
    if constant:
        notes.append(f"constant: {listed(constant)}")


def _floats(path: Path, column: pd.Series, notes: list[str]) -> np.ndarray:
    numbers = as_numbers(column)
    floats = numbers.to_numpy(np.float64, na_value=np.nan)
    wrong = np.isnan(floats) & column.notna().to_numpy()
    if wrong.any():
        place = int(wrong.argmax())
        cell, row = column.iloc[place], column.index[place]
        fault = "is too large for a number" if is_number(str(cell)) else "is not a number"
        remedy = advice(str(cell), ".") or ": correct it"
        units = ", or remove the line if it names units" if row == 1 else ""
        raise DataError(f"{path}: row {row} of column {column.name!r} holds {cell!r}, which {fault}{remedy}{units}")
    if np.nanmax(np.abs(floats), initial=0) > _EXACT:
        _note_lost(column.dropna(), floats, notes)
    return floats


def _note_lost(column: pd.Series, floats: np.ndarray, notes: list[str]) -> None:
    """Report distinct whole numbers that become the same float, and others that are near each other for their size."""
    known = np.unique(floats[np.isfinite(floats)])
    whole = [] if types.is_float_dtype(column) else [str(cell).strip() for cell in column.unique()]
    numbers = {int(cell) for cell in whole if re.fullmatch(r"[-+]?[0-9]+", cell)}
    if len(known) < len(numbers):
        notes.append(
            f"{column.name}: whole numbers up to {max(numbers, key=abs)} lose their last digits, {len(numbers)} "
            f"distinct values become {len(known)}: subtract a constant from the column, such as {min(numbers)}"
        )
    elif not numbers and len(known) > 1:
        step, span = float(np.spacing(np.abs(known).max())), float(known[-1] - known[0])
        if span < _STEPS * step:
            notes.append(
                f"{column.name}: its values are only {span:g} apart, and numbers as large as {known[-1]:g} are kept to "
                f"within {step:g}: subtract a constant from the column"
            )


def _check(path: Path, column: pd.Series, missing: str) -> None:
    """Refuse infinite or too large values, columns without any value, and missing values that are not interpolated."""
    refuse(str(path), column, np.isinf(column), "which is not finite: correct it")
    gap = column.isna().to_numpy()
    large = column.abs().to_numpy() > LARGEST
    if large.any():
        place = int(large.argmax())
        value = column.iloc[place]
        raise DataError(
            f"{path}: row {column.index[place]} of column {column.name!r} holds {value:g}, beyond {LARGEST:g}, the "
            f"largest value that can be handled: correct it, or, if it stands for a missing value, use "
            f"--missing-values {value:g}"
        )
    if gap.all():
        raise DataError(f"{path}: column {column.name!r} has no values: leave it out by naming the channels")
    if missing == "error" and gap.any():
        raise DataError(
            f"{path}: row {column.index[int(gap.argmax())]} of column {column.name!r} is missing ({int(gap.sum())} in "
            "this column): fill them, or use --missing interpolate"
        )


def _note_codes(column: pd.Series, notes: list[str]) -> None:
    """Point out a minimum or maximum that recurs far outside the rest, as codes for missing values do."""
    values = column.dropna().to_numpy()
    ends = float(values.min()), float(values.max())
    rest = values[(values != ends[0]) & (values != ends[1])]
    if len(rest) < 2:
        return
    low, high = float(rest.min()), float(rest.max())
    spread = high - low
    for end, distance in zip(ends, (low - ends[0], ends[1] - high), strict=True):
        count = int((values == end).sum())
        usual = bool(_CODE.fullmatch(f"{end:.15g}")) or end in _CODES
        if count >= (2 if usual else 3) and distance > (1 if usual else 10) * spread and count * 2 < len(values):
            notes.append(
                f"{column.name}: the value {end:.15g} occurs {count} times, far outside the others ({low:.6g} to "
                f"{high:.6g}): if it stands for a missing value, use --missing-values {end:.15g}"
            )


def _interpolated(path: Path, column: pd.Series, max_gap: int | None, gaps: dict[str, tuple[int, int]]) -> np.ndarray:
    """Return the values of a column, with missing ones interpolated linearly between their neighbours."""
    values, gap = column.to_numpy(), column.isna().to_numpy()
    if not gap.any():
        return values
    starts, stops = find_events(gap)
    lengths = stops - starts
    longest = int(lengths.max())
    if max_gap is not None and longest > max_gap:
        raise DataError(
            f"{path}: column {column.name!r} has a gap of {longest} points from row "
            f"{column.index[starts[lengths.argmax()]]}, more than {max_gap}: fill it, or allow it with --max-gap"
        )
    gaps[str(column.name)] = int(gap.sum()), longest
    places = np.arange(len(values))
    return np.where(gap, np.interp(places, places[~gap], values[~gap]), values)
