"""Determines what the columns of a table are, and which of them are the times."""

import difflib
import re
from collections.abc import Collection, Sequence
from datetime import date, time
from itertools import takewhile
from numbers import Number
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from data_provider.errors import DataError, listed
from data_provider.read.date_text import is_date, is_time_of_day
from data_provider.read.dialect import number_pattern
from data_provider.read.labels import is_label_name
from data_provider.read.number_times import compact_format, unix_unit

# Strict, because numbers under such a name are times: `timeouts` and `time_spent` are channels.
TIME_NAME = re.compile(
    r"(date|time|epoch|unix|datum|(uhr)?zeit)([ _-]?(time|stamp|stempel))?s?([ _(\[/.-]*(utc|gmt|local|unix|index|"
    r"days?|h|hours?|min|minutes?|s|sec|seconds?|ms|us|ns)[)\]]*)?|ts",
    re.IGNORECASE,
)
HOUR_NAME = re.compile(r"hours?|hr|hh", re.IGNORECASE)
CLOCK_NAME = re.compile(rf"time|hhmm(ss)?|{HOUR_NAME.pattern}", re.IGNORECASE)
_ROW_NUMBER_NAME = re.compile(r"|unnamed: 0|index", re.IGNORECASE)  # as pandas writes it
LOOKED_AT = 100  # number of cells that determine what a column holds


class Times(NamedTuple):
    """The column of times, and what it is made of.

    Attributes
    ----------
    cells : pandas.Series or None
        None if there are no times.
    names : tuple of str
        The columns that the cells come from.
    clocks : tuple of str
        Other columns of times, which are not channels either.
    """

    cells: pd.Series | None
    names: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()


class MissingColumnsError(DataError):
    """Columns that a file lacks, given by their `names`."""

    def __init__(self, path: Path, names: list[str], columns: Sequence[str]):
        is_, column = ("is", "column") if len(names) == 1 else ("are", "columns")
        super().__init__(f"{path}: there {is_} no {column} {listed(names)}: {_nearest(names[0], columns)}")
        self.names = names


def _nearest(name: str, columns: Sequence[str]) -> str:
    """Return the remedy for a name that no column has."""
    by_lower_case = {column.casefold(): column for column in columns}
    near = difflib.get_close_matches(name.casefold(), by_lower_case, n=1)
    return f"did you mean {by_lower_case[near[0]]!r}?" if near else f"the columns are {listed(columns)}"


def known(path: Path, frame: pd.DataFrame, name: str) -> str:
    """Return the name of a column.

    Raises
    ------
    MissingColumnsError
        When there is no such column.
    """
    if name not in frame:
        raise MissingColumnsError(path, [name], frame.columns)
    return name


def is_row_number(name: str) -> bool:
    """Return whether the name is usual for a column of row numbers."""
    return _ROW_NUMBER_NAME.fullmatch(name) is not None


# Kinds of columns


def is_numeric(column: pd.Series) -> bool:
    """Whether most cells are numbers, or all are missing; a wrong cell among numbers is an error, not another type."""
    if types.is_numeric_dtype(column) or column.isna().all():
        return True
    return bool(as_numbers(column).notna().sum() * 2 > column.notna().sum())


def as_numbers(column: pd.Series) -> pd.Series:
    """Return the numbers of a column, NaN where a cell is not a number."""
    if types.is_numeric_dtype(column):
        return column
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        return pd.Series(np.nan, column.index, name=column.name)
    cells = column.astype(object)
    texts = np.array([isinstance(cell, str) for cell in cells])
    fits = cells[texts].str.strip().str.fullmatch(number_pattern(".", infinite=True)).to_numpy(bool)
    right = np.array([isinstance(cell, Number) for cell in cells])
    right[texts] = fits
    return pd.to_numeric(cells.where(right), errors="coerce")


def holds_dates(column: pd.Series) -> bool:
    """Whether most of the first cells are dates."""
    if types.is_datetime64_any_dtype(column):
        return True
    if types.is_numeric_dtype(column):
        return False
    cells = column.dropna().head(LOOKED_AT)
    dates = [is_date(cell) if isinstance(cell, str) else isinstance(cell, date) for cell in cells]
    return sum(dates) * 2 > len(cells)


def holds_times_of_day(column: pd.Series) -> bool:
    """Whether the first cells are times of day without a date."""
    if types.is_timedelta64_dtype(column):
        return bool(column.dropna().between(pd.Timedelta(0), pd.Timedelta(days=1)).all())
    if types.is_numeric_dtype(column) or types.is_datetime64_any_dtype(column):
        return False
    cells = column.dropna().head(LOOKED_AT)
    return len(cells) > 0 and all(
        is_time_of_day(cell) if isinstance(cell, str) else isinstance(cell, time) for cell in cells
    )


def numbers_are_times(numbers: np.ndarray) -> bool:
    """Whether numbers under a name of times are times: they rise strictly, or are Unix times or dates.

    This is the rule for recordings and benchmark files.
    """
    numbers = numbers[~pd.isna(numbers)]
    if len(numbers) < 2:
        return len(numbers) > 0
    return bool((numbers[1:] > numbers[:-1]).all()) or bool(unix_unit(numbers) or compact_format(numbers))


def exact(column: pd.Series) -> np.ndarray:
    """Return the numbers of a column; large integers that would become the same float are kept distinct."""
    numbers = as_numbers(column).dropna()
    return numbers.to_numpy() if types.is_integer_dtype(numbers) else numbers.to_numpy(np.float64, na_value=np.nan)


# The times


def choose_times(
    path: Path,
    frame: pd.DataFrame,
    wanted: Sequence[str],
    channels: Collection[str] | None,
    notes: list[str],
    *,
    any_text: bool = False,
) -> Times:
    """Return the column of times: the user's, else one with such a name, else the first that holds dates.

    A column of dates and one of times of day are joined.

    Parameters
    ----------
    path : Path
    frame : DataFrame
    wanted : sequence of str
        The user's choice: no column, one, or one of dates and one of times of day.
    channels : collection of str or None
        Columns that the user names as channels, and so not times.
    notes : list of str
    any_text : bool
        Whether any text under a name of times is accepted, because the user gives its format.

    Raises
    ------
    DataError
        When it is unclear whether a column of numbers holds times.
    """
    if len(wanted) > 2 or len(set(wanted)) < len(wanted):
        raise DataError(f"{path}: --time {' '.join(wanted)}: name one column, or one of dates and one of times of day")
    for name in wanted:
        known(path, frame, name)
    if len(wanted) == 2:
        return Times(_joined(path, frame, *wanted), tuple(wanted))
    if wanted:
        return Times(frame[wanted[0]], tuple(wanted), _clocks(frame, wanted, channels, notes))
    names = [name for name in frame if name not in (channels or ())]
    name = _found(path, frame, names, channels, notes, any_text)
    if name is None:
        return _of_parts(frame, names, notes)
    hours = _hours(path, frame, name, names)
    if hours is None:
        name = _with_time_of_day(frame, name, names, notes)
    clocks = _clocks(frame, [name], channels, notes)
    if hours is None:
        return Times(frame[name], (name,), clocks)
    notes.append(f"the times come from columns {name!r} and {hours!r} together; override with --time")
    return Times(_joined(path, frame, name, hours), (name, hours), tuple(set(clocks) - {hours}))


def _found(path, frame, names, channels, notes, any_text) -> str | None:
    named = [name for name in names if TIME_NAME.fullmatch(name)]
    doubtful = []
    for name in named:
        if holds_dates(frame[name]):
            return name
        if is_numeric(frame[name]):
            numbers = exact(frame[name])
            if not numbers_are_times(numbers):
                doubtful.append(name)
                continue
            if unix_unit(numbers) is None and compact_format(numbers) is None:
                notes.append(
                    f"the numbers of column {name!r} rise and are taken as the times; override with --channels"
                )
            return name
        if any_text:
            return name
    name = next((name for name in names if holds_dates(frame[name])), None)
    if doubtful and name is None and channels is None:
        others = [
            other
            for other in frame
            if is_numeric(frame[other]) and not (other in doubtful or is_row_number(other) or is_label_name(other))
        ]
        raise DataError(
            f"{path}: column {doubtful[0]!r} is named like times, but its numbers do not rise from row to row: use "
            f"--time {doubtful[0]} if the rows are to be sorted by it, or name the channels: --channels "
            f"{' '.join(others or ['COLUMN'])}"
        )
    texts = [other for other in named if not is_numeric(frame[other]) and not holds_times_of_day(frame[other])]
    if texts and name is None and frame[texts[0]].notna().any():
        cell = frame[texts[0]].dropna().iloc[0]
        notes.append(f"column {texts[0]!r} holds no readable dates ({cell!r}): if they are dates, use --date-format")
    if doubtful and channels is None:
        notes.append(f"column {doubtful[0]!r} is named like times, but its numbers do not rise: taken as a channel")
    return name


def _clocks(frame, taken, channels, notes) -> tuple[str, ...]:
    """Return other columns of numbers that are also times, not channels."""
    found = []
    for name in frame:
        if name in taken or name in (channels or ()) or not TIME_NAME.fullmatch(name) or not is_numeric(frame[name]):
            continue
        numbers = exact(frame[name])
        if len(numbers) > 1 and numbers_are_times(numbers):
            found.append(name)
    if found and channels is None:
        notes.append(f"other columns of times, left out: {', '.join(found)}")
    return tuple(found)


# A column of dates and one of times of day


def _hours(path: Path, frame: pd.DataFrame, days: str, names: list[str]) -> str | None:
    """Return the column of times of day that belongs to a column of dates, or None."""
    if not _holds_days(frame[days]):
        return None
    found = [name for name in names if name != days and holds_times_of_day(frame[name])]
    if len(found) > 1:
        named = [name for name in found if TIME_NAME.fullmatch(name) or CLOCK_NAME.fullmatch(name)]
        if len(named) != 1:
            raise DataError(
                f"{path}: the times of day may be in column {' or '.join(found)}: say which with --time {days} "
                f"{found[0]}"
            )
        return named[0]
    if found or not frame[days].duplicated().any():
        return found[0] if found else None
    return next((name for name in names if name != days and _are_hours(frame, days, name)), None)


def _holds_days(column: pd.Series) -> bool:
    if types.is_datetime64_any_dtype(column):
        dates = column.dropna()  # the first ones mostly suffice to tell
        return all(bool((part == part.dt.normalize()).all()) for part in (dates.head(LOOKED_AT), dates))
    if types.is_numeric_dtype(column):
        return compact_format(column.dropna().to_numpy()) == "%Y%m%d"
    cells = column.dropna().head(LOOKED_AT)
    return all(":" not in cell if isinstance(cell, str) else type(cell) is date for cell in cells)


def _are_hours(frame: pd.DataFrame, days: str, name: str) -> bool:
    """Whether a column of numbers counts hours or holds times such as 930, none of them twice on a day."""
    if not CLOCK_NAME.fullmatch(name) or not types.is_integer_dtype(frame[name]):
        return False
    return _clock_of_numbers(frame[name]) is not None and not frame.duplicated([days, name]).any()


def _clock_of_numbers(numbers: pd.Series) -> pd.Series | None:
    """Return hours (0 to 24), 930 or 93000 as text of times of day, or None if they are not times of day."""
    high = numbers.max()
    width = 2 if high <= 24 else 4 if high <= 2400 else 6
    text = numbers.astype(np.int64).astype(str).str.zfill(width)
    if numbers.min() < 0 or not text.str.fullmatch(r"([01]\d|2[0-3])([0-5]\d)*|24(00)*").all():
        return None
    return text.str.replace(r"(\d\d)(?=\d)", r"\1:", regex=True) + (":00" if width == 2 else "")


def _joined(path: Path, frame: pd.DataFrame, days: str, hours: str) -> pd.Series:
    """Return the text of dates and times of day together, missing where either is."""
    day, hour = frame[days], frame[hours]
    if holds_times_of_day(day) and not holds_times_of_day(hour):
        day, hour = hour, day
    if types.is_datetime64_any_dtype(day):
        day_text = day.dt.strftime("%Y-%m-%d")
    elif types.is_numeric_dtype(day):
        day_text = day.map("{:.0f}".format)
    else:
        day_text = day.astype(str).str.strip()
    if types.is_timedelta64_dtype(hour):
        hour_text = (pd.Timestamp(0) + hour).dt.strftime("%H:%M:%S.%f")
    elif types.is_numeric_dtype(hour):
        whole = hour.notna().all() and types.is_integer_dtype(hour)
        hour_text = _clock_of_numbers(hour) if whole else None
        if hour_text is None:
            raise DataError(f"{path}: column {hour.name!r} does not hold times of day: name another with --time")
    else:
        hour_text = hour.astype(str).str.strip()
    joined = (day_text + " " + hour_text).astype(object).where(day.notna() & hour.notna(), None)
    return joined.rename(f"{day.name} {hour.name}")


def _with_time_of_day(frame: pd.DataFrame, days: str, names: list[str], notes: list[str]) -> str:
    """Return a column of dates with times of day if one of dates alone has repeated dates; else the latter."""
    if not (holds_dates(frame[days]) and _holds_days(frame[days]) and frame[days].duplicated().any()):
        return days
    others = (name for name in names if name != days and holds_dates(frame[name]) and not _holds_days(frame[name]))
    found = next(others, days)
    if found != days:
        notes.append(
            f"the times come from column {found!r}, because {days!r} has no times of day; override with --time"
        )
    return found


def parts_of_times(names: Collection[str]) -> list[str]:
    """Return the columns named year, month and day, and hour, minute and second if present; else none."""
    by_name = {name.lower(): name for name in names}
    found = list(takewhile(by_name.__contains__, ("year", "month", "day", "hour", "minute", "second")))
    return [by_name[part] for part in found] if len(found) > 2 else []


def join_parts(cells: Sequence[str]) -> str:
    """Return the text of a date whose year, month, day and available parts of the time of day are numbers."""
    date, clock = cells[:3], [cell.zfill(2) for cell in [*cells[3:], "0", "0", "0"][:3]]
    return "-".join(date) + " " + ":".join(clock)


def _of_parts(frame: pd.DataFrame, names: list[str], notes: list[str]) -> Times:
    """Return the times held in columns named year, month, day and so on, if there are any."""
    parts = parts_of_times(names)
    limits = ((1900, 2100), (1, 12), (1, 31), (0, 24), (0, 59), (0, 59))
    if not parts or not all(
        types.is_integer_dtype(frame[name]) and frame[name].between(*within).all()
        for name, within in zip(parts, limits, strict=False)
    ):
        return Times(None)
    notes.append(f"the times come from columns {', '.join(parts)} together; override with --channels")
    cells = [join_parts(row) for row in zip(*(frame[name].astype(str) for name in parts), strict=True)]
    return Times(pd.Series(cells, frame.index, dtype=object, name=" ".join(parts)), tuple(parts))
