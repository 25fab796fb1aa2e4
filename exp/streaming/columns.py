"""Where a line of a stream holds what, and its cells as numbers and times."""

import csv
import math
from typing import NamedTuple

import pandas as pd

from data_provider.read.recording import TIME_NAME
from exp.errors import UserError

SHOWN = 40  # characters of a cell in a message


class Columns(NamedTuple):
    """Where a line holds what.

    Attributes
    ----------
    count : int
        Cells of a line.
    channels : list of int
        Places of the detector's channels, in its order.
    times : list of int
        Places of the time: none, one, or those of a date and a time of day.
    """

    count: int
    channels: list[int]
    times: list[int]


def columns_by_name(cells: list[str], channels: list[str], time: list[str]) -> Columns | None:
    """Return the columns that a first line names, or None where it does not name all channels.

    Parameters
    ----------
    cells : list of str
    channels : list of str
        Of the detector.
    time : list of str
        The columns of times; with none it is the first one named so.

    Raises
    ------
    UserError
        When a name stands twice, or there is no such column of times.
    """
    if not set(channels) <= set(cells):
        return None
    for name in (*channels, *time):
        if cells.count(name) > 1:
            raise UserError(f"line 1: column {name!r} stands twice: rename one")
        if name not in cells:
            raise UserError(f"line 1: there is no column {name!r} for --time: the columns are {', '.join(cells)}")
        if name in channels and name in time:
            raise UserError(f"--time {name}: the detector was trained on this column as a channel: name another")
    named = [place for place, cell in enumerate(cells) if TIME_NAME.fullmatch(cell) and cell not in channels]
    times = [cells.index(name) for name in time] or named[:1]
    return Columns(len(cells), [cells.index(name) for name in channels], times)


def columns_by_place(cells: int, channels: int) -> Columns:
    """Return the columns of lines without a header; the first of more cells than channels is a time."""
    first = 1 if cells == channels + 1 else 0
    return Columns(first + channels, list(range(first, first + channels)), [0] * first)


def split(line: str) -> list[str]:
    """Return the cells of a line."""
    return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), [])]


def number(cell: str) -> float:
    """Return the number of a cell.

    Raises
    ------
    ValueError
        When it is not a finite one.
    """
    try:
        value = float(cell.replace("_", "?"))  # Python reads 1_000 as a number
    except ValueError:
        raise ValueError(f"{cell[:SHOWN]!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{cell[:SHOWN]!r} is not finite")
    return value


def time(cell: str) -> float | pd.Timestamp:
    """Return the number or the date of a cell.

    Raises
    ------
    ValueError
        When it is neither.
    """
    try:
        return int(cell) if cell.lstrip("-").isdecimal() else float(cell)
    except ValueError:
        pass
    try:
        return pd.to_datetime(cell, format="ISO8601")
    except ValueError:
        raise ValueError(f"{cell[:SHOWN]!r} is not a time") from None


def is_text(cell: str) -> bool:
    """Whether a cell holds something, but not a number."""
    try:
        float(cell)
    except ValueError:
        return cell != ""
    return False
