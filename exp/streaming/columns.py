"""Columns of a stream's lines: their names, or the positions of the channels and of the time."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from data_provider.errors import listed
from data_provider.read.columns import CLOCK_NAME, HOUR_NAME, TIME_NAME, join_parts, parts_of_times
from data_provider.read.date_text import is_date, is_time_of_day
from data_provider.read.dialect import is_number
from exp.errors import UserError


class Columns(NamedTuple):
    """The positions of a line's cells.

    Attributes
    ----------
    count : int
        Number of cells in a line.
    channels : list of int
        Positions of the detector's channels, in its order.
    times : list of int or None
        Positions of the time: none, one, or those of a date and a time of day. None: the first point will show it.
    named_times : list of int
        Positions of the columns that are named like times and are not channels.
    clocks, hours : list of int
        Positions of those that may hold times of day as numbers, such as 930, and of those that then hold hours.
    """

    count: int
    channels: list[int]
    times: list[int] | None
    named_times: list[int]
    clocks: Sequence[int] = ()
    hours: Sequence[int] = ()

    def told(self, cells: list[str]) -> str | None:
        """Return the time of a line as written, joined from several columns if needed; None if there is none."""
        found = [cells[place] for place in self.times or ()]
        if len(found) > 2:
            return join_parts(found)
        if len(found) == 2 and found[1].isdecimal():
            digits = found[1].zfill(2 if self.times[1] in self.hours else 4)
            clock = re.findall("..", digits.zfill(len(digits) + len(digits) % 2))
            found[1] = ":".join(clock if len(clock) > 1 else [*clock, "00"])
        return " ".join(found) or None


def columns_by_name(cells: list[str], channels: list[str], time: tuple[str, ...]) -> Columns | None:
    """Return the columns that a first line names, or None where it does not name all channels.

    Parameters
    ----------
    cells : list of str
    channels : list of str
        Those of the detector.
    time : tuple of str
        The columns of times, if they are known.

    Raises
    ------
    UserError
        When a name occurs twice, or there is no such column of times.
    """
    if not set(channels) <= set(cells):
        return None
    for name in (*channels, *time):
        if cells.count(name) > 1:
            raise UserError(f"line 1: column {name!r} occurs twice: rename one")
        if name not in cells:
            raise UserError(f"line 1: has no column {name!r} for --time: the columns are {listed(cells)}")
        if name in channels and name in time:
            raise UserError(f"--time {name}: the detector was trained on this column as a channel: name another")
    others = [cell for cell in cells if cell not in channels]
    named, clocks, hours = (
        [cells.index(cell) for cell in others if pattern.fullmatch(cell)]
        for pattern in (TIME_NAME, CLOCK_NAME, HOUR_NAME)
    )
    parts = [] if time or named else parts_of_times(others)
    times = [cells.index(name) for name in time or parts]
    return Columns(len(cells), [cells.index(name) for name in channels], times or None, named, clocks, hours)


def with_times(columns: Columns, cells: list[str]) -> Columns:
    """Return the columns with the positions of the time, as inferred from the cells of a point.

    It is the first column with such a name; without one, the first that holds a date and is not a channel. A date
    without a time of day is joined with the time of day in another column.
    """
    if columns.times is not None:
        return columns
    others = [place for place in range(columns.count) if place not in columns.channels]
    dates = [place for place in others if is_date(cells[place]) and not is_number(cells[place])]
    holding = [place for place in columns.named_times if _is_time(cells[place])]
    times = (holding or columns.named_times or dates)[:1]
    if times and is_time_of_day(cells[times[0]]):  # it may come before its date
        times = [place for place in dates if place in columns.named_times][:1] or times
    if times and _is_day(cells[times[0]]):
        named = sorted({*columns.named_times, *columns.clocks}) or others
        clocks = [place for place in named if is_time_of_day(cells[place])]
        clocks += [place for place in columns.clocks if cells[place].isdecimal() and place not in times]
        whole = [place for place in dates if not _is_day(cells[place])]
        times = times + clocks[:1] if clocks else (whole or times)[:1]
    return columns._replace(times=times)


def columns_by_place(cells: list[str], channels: int) -> Columns:
    """Return the columns of a line without names: the channels, optionally after a time.

    Raises
    ------
    ValueError
        When it has another number of cells.
    """
    before = len(cells) - channels
    if before not in (0, 1) and not (before == 2 and _is_day(cells[0]) and is_time_of_day(cells[1])):
        remedy = f", or {channels + 1} with a time: only with a first line of names may there be more"
        raise ValueError(f"{len(cells)} cell{'s' * (len(cells) != 1)} instead of {channels}{remedy * (before > 1)}")
    return Columns(len(cells), list(range(before, len(cells))), list(range(before)), [])


def _is_time(cell: str) -> bool:
    return is_date(cell) or is_time_of_day(cell) or is_number(cell)


def _is_day(cell: str) -> bool:
    return is_date(cell) and ":" not in cell
