"""How the lines of a stream are written, inferred from the first ones: separator, decimal mark, columns and times."""

import codecs
import csv
import logging
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_provider import DataError
from data_provider.errors import listed
from data_provider.read import dialect as dialects
from data_provider.read.date_text import canonical, is_date, is_time_of_day
from data_provider.read.dialect import Dialect, is_missing, is_number
from data_provider.read.number_times import unix_unit
from data_provider.read.times import TimeReader
from exp.errors import UserError
from exp.streaming.columns import Columns, columns_by_name, columns_by_place, with_times

logger = logging.getLogger(__name__)

SEPARATORS = (",", ";", "\t", "|", " ")
LOOKED_AT = 4096  # bytes that determine the encoding
SHOWN = 40  # characters of a cell in a message
SOURCE = "the stream"


@dataclass(frozen=True)
class Reading:
    """What is already known about how a stream is written.

    Parameters
    ----------
    time : tuple of str
        The column of times, or those of dates and of times of day.
    separator, decimal, encoding : str, optional
        As for `data_provider.read.dialect.decide`.
    header : bool, optional
        Whether the first line names the columns.
    date_format, timezone : str, optional
        As for `data_provider.read.times.TimeReader`.
    missing_values : tuple of str
        Cells that stand for a missing value, in addition to the usual ones.
    """

    time: tuple[str, ...] = ()
    separator: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None
    date_format: str | None = None
    timezone: str | None = None
    missing_values: tuple[str, ...] = ()


class Point(NamedTuple):
    """A line that has been read.

    Attributes
    ----------
    values : list of float
        Values of the channels.
    told : str or None
        The time as written in the line.
    """

    values: list[float]
    told: str | None


class Layout:
    """How lines become points.

    The separator and the decimal mark are those with which lines are points: all channels are numbers, and the time
    is a number or a date. As long as several candidates fit, each point must be the same for all of them.

    Parameters
    ----------
    names : list of str
        The detector's channels.
    named : bool
        Whether a first line may name them.
    reading : Reading
    kept : dict
        What is known from earlier lines, empty at first; it is kept up to date.

    Raises
    ------
    UserError
        When an option is impossible.
    """

    def __init__(self, names: list[str], named: bool, reading: Reading, kept: dict):
        self.names, self.named, self.reading, self._kept = names, named, reading, kept
        if reading.header and not named:
            raise UserError("--header yes: the detector was fitted to an array without names: leave the line out")
        known = self._decide(_empty_line(reading.encoding))
        self._candidates = [
            Dialect(known.encoding, separator, decimal)
            for decimal in ([known.decimal] if reading.decimal else [".", ","])
            for separator in ([known.separator] if reading.separator else SEPARATORS)
        ]
        settled = [Dialect(known.encoding, *marks) for marks in kept.get("marks", [])]
        self._candidates = [dialect for dialect in settled if dialect in self._candidates] or self._candidates
        self.columns = Columns(*kept["columns"]) if "columns" in kept else None
        if self.columns is not None and list(reading.time) != kept["time"]:
            there = " ".join(kept["time"]) or "no --time"
            raise UserError(
                f"--time {' '.join(reading.time)}: the state belongs to a stream with {there}: use the same"
            )
        self._shown: list[tuple[Dialect, Columns, Point]] = []  # the last line, in all readings that fit
        self._times: TimeReader | None = None
        self._first_times: list[str] = []  # lines that determine how times are written
        if "first_times" in kept:
            self._start_times(kept["first_times"])

    def encoding_of(self, sample: bytes) -> str:
        """Return the encoding of a stream with this beginning; a continued stream keeps its encoding.

        Raises
        ------
        UserError
            When the first line is not in the encoding.
        """
        marked = sample.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"))
        given = codecs.lookup(self.reading.encoding).name if self.reading.encoding else ""
        # A stream that goes on has no byte order mark, so UTF-16 is then that of its beginning.
        if not marked and self._kept.get("encoding", "").startswith(given) and "encoding" in self._kept:
            return self._kept["encoding"]
        end = sample.find(b"\n") + 1 or len(sample)
        self._kept["encoding"] = self._decide(sample[: min(end, LOOKED_AT)]).encoding
        return self._kept["encoding"]

    def is_header(self, line: str) -> bool:
        """Return whether the first line names the columns, which are then known.

        Raises
        ------
        UserError
            When it names columns, but not all channels.
        """
        if self.reading.header is False:
            return self._refuse_time()
        rows = [(candidate, row) for candidate in self._candidates if (row := _cells(candidate, line)) is not None]
        if self.named:
            for dialect, cells in rows:
                columns = columns_by_name(cells, self.names, self.reading.time)
                if columns is not None:
                    same = [other for other, row in rows if row == cells]
                    if len(cells) > 1:
                        same = [other for other in same if other.separator == dialect.separator]
                    self._kept.pop("first_times", None)
                    self._keep(columns, same)
                    return True
        if self.columns is None and self.named:
            self._refuse_names(line, [cells for _, cells in rows])
        return self._refuse_time()

    def read(self, line: str) -> tuple[Point, int | float | pd.Timestamp | None]:
        """Return the point of a line, and its time; `accept` then keeps what the line reveals about the layout.

        Raises
        ------
        ValueError
            When it is not a point.
        UserError
            When it could be read as different points.
        """
        fits, faults = [], []
        for candidate in self._candidates:
            try:
                fits.append((candidate, *self._point(candidate, line)))
            except (ValueError, csv.Error) as error:
                faults.append(error)
        if not fits:
            raise faults[0]
        dialect, _, point = fits[0]
        if any(other != point for *_, other in fits[1:]):
            fits = self._of_unix_time(fits, line)
        time = None if point.told is None else self._time(point.told, dialect)
        self._shown = fits
        return point, time

    def accept(self) -> None:
        """Keep what the latest line reveals; it has been accepted as a point."""
        dialect, columns, point = self._shown[0]
        if self.columns != columns:
            self._say(columns, point, dialect)
        if point.told is not None and self._kept.get("first_times") != self._first_times:
            if "first_times" not in self._kept:
                for note in self._times.notes:
                    logger.warning("%s: %s", SOURCE, note)
            self._kept["first_times"] = self._first_times
        self._keep(columns, [candidate for candidate, *_ in self._shown])

    def _keep(self, columns: Columns, candidates: list[Dialect]) -> None:
        self.columns, self._candidates = columns, candidates
        marks = [[candidate.separator, candidate.decimal] for candidate in candidates]
        self._kept |= {"columns": list(columns), "time": list(self.reading.time), "marks": marks}

    def _decide(self, sample: bytes) -> Dialect:
        reading = self.reading
        separator, decimal = reading.separator or ",", reading.decimal or "."
        try:
            known, notes = dialects.decide(
                sample, SOURCE, encoding=reading.encoding, separator=separator, decimal=decimal, header=True
            )
        except DataError as error:
            if b"\0" in sample:  # a malformed line, if it is not UTF-16
                return self._decide(sample.replace(b"\0", b""))
            raise UserError(str(error)) from None
        for note in notes:
            logger.warning("%s: %s", SOURCE, note)
        return known

    def _point(self, dialect: Dialect, line: str) -> tuple[Columns, Point]:
        cells = dialect.cells(line)
        columns = self.columns or columns_by_place(cells, len(self.names))
        if len(cells) != columns.count:
            raise ValueError(f"{len(cells)} cell{'s' * (len(cells) != 1)} instead of {columns.count}")
        values = [self._value(cells[place], dialect, channel) for channel, place in enumerate(columns.channels)]
        columns = with_times(columns, cells)
        told = columns.told(cells)
        if told is not None and self.reading.date_format is None and not _may_be_time(told, dialect.decimal):
            raise ValueError(f"{told[:SHOWN]!r} is not a time")
        return columns, Point(values, told)

    def _value(self, cell: str, dialect: Dialect, channel: int) -> float:
        """Return the value of a channel; an error names the channel."""
        try:
            return self._number(cell, dialect)
        except ValueError as error:
            place = f"column {self.names[channel]!r}" if self.named else f"channel {channel}"
            raise ValueError(f"{place}: {error}") from None

    def _number(self, cell: str, dialect: Dialect) -> float:
        codes = self.reading.missing_values
        if is_missing(cell) or cell in codes:
            raise ValueError(f"{cell[:SHOWN]!r} stands for a missing value")
        value = dialects.number(cell, dialect)
        if any(is_number(code, dialect.decimal) and dialects.number(code, dialect) == value for code in codes):
            raise ValueError(f"{cell[:SHOWN]!r} stands for a missing value")
        return value

    def _of_unix_time(self, fits: list, line: str) -> list:
        """Return the readings whose first cell is a Unix time; other whole numbers may have a decimal comma."""
        told = fits[0][2].told
        if told is not None and told.isdecimal() and unix_unit(np.array([float(told)])):
            return [fit for fit in fits if fit[2] == fits[0][2]]
        raise UserError(
            f"{SOURCE} is ambiguous: {line[:SHOWN]!r} may hold a comma that separates cells, or one that is a decimal "
            "mark: use --sep comma, or --sep semicolon --decimal ','"
        )

    def _time(self, told: str, dialect: Dialect) -> int | float | pd.Timestamp:
        if dialect.decimal == "," and is_number(told, ","):
            told = told.replace(",", ".")
        if "first_times" not in self._kept:
            if self.reading.date_format is None and _has_two_readings(told):
                raise UserError(
                    f"{SOURCE} is ambiguous: in the first time {told!r} day and month cannot be told apart: use "
                    "--date-format, such as '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'"
                )
            try:
                self._start_times([told])
            except DataError as error:
                raise UserError(str(error)) from None
        try:
            return self._times.read(told)
        except DataError:
            return self._longer_time(told)

    def _longer_time(self, told: str) -> pd.Timestamp:
        """Return a time that is longer than the first ones, such as 01:00 after a bare midnight."""
        before, first = self._times, self._first_times[0]
        fault = f"{told[:SHOWN]!r} is not a time in the same format as the first ones"
        try:
            self._start_times([*self._first_times, told])
        except DataError:  # its place is in terms of the first times, not of the stream's lines
            raise ValueError(fault) from None
        if self._times.read(first) != before.read(first):
            self._start_times(self._first_times[:-1])
            raise ValueError(fault)
        return self._times.read(told)

    def _start_times(self, told: list[str]) -> None:
        self._times = TimeReader(told, SOURCE, date_format=self.reading.date_format, timezone=self.reading.timezone)
        self._first_times = told

    def _say(self, columns: Columns, point: Point, dialect: Dialect) -> None:
        """Report decisions that depart from the plainest of streams."""
        if (dialect.separator, dialect.decimal) != (",", ".") and not (self.reading.separator and self.reading.decimal):
            shown = "tab" if dialect.separator == "\t" else repr(dialect.separator)
            logger.warning(
                "%s is read with the separator %s and the decimal mark %r; override with --sep and --decimal",
                SOURCE,
                shown,
                dialect.decimal,
            )
        if len(columns.times) > 1 and not self.reading.time:
            logger.warning("%s: dates and times of day in several columns are joined: %s", SOURCE, point.told)
        elif self.columns is not None and columns.times and not self.columns.named_times and not self.reading.time:
            logger.warning("%s: column %d holds the times: %s", SOURCE, columns.times[0] + 1, point.told)

    def _refuse_names(self, line: str, rows: list[list[str]]) -> None:
        """Refuse a first line that names columns, but not all channels; others may be points, or malformed."""
        cells = max(rows, key=len, default=[])
        texts = sum(map(_is_text, cells))
        some = texts == len(cells) and not set(cells).isdisjoint(self.names)
        names = self.reading.header or some or texts >= len(self.names)
        if not names or (self.reading.header is None and self._is_point(line)):
            return
        missing = [name for name in self.names if name not in cells]
        raise UserError(
            f"line 1 names columns, but not {listed(missing)} of the channels that the detector was trained on: "
            "rename the columns, name the separator with --sep or the encoding with --encoding, or leave out the line "
            "if the channels are in the order of training"
        )

    def _is_point(self, line: str) -> bool:
        try:
            self.read(line)
        except UserError:
            raise
        except (ValueError, csv.Error):
            return False
        return True

    def _refuse_time(self) -> bool:
        if self.reading.time and self.columns is None:
            raise UserError(
                f"--time {' '.join(self.reading.time)}: the first line does not name the columns: add that line, or "
                "leave the option out; the first cell is the time if there are more cells than channels"
            )
        return False


def _cells(dialect: Dialect, line: str) -> list[str] | None:
    try:
        return dialect.cells(line)
    except csv.Error:
        return None


def _empty_line(encoding: str | None) -> bytes:
    """Return a line without marks, from which only the options are decided; an unknown encoding is refused there."""
    try:
        return "x\n".encode(encoding or "utf-8")
    except LookupError:
        return b"x\n"


def _is_text(cell: str) -> bool:
    return not (is_number(cell) or is_number(cell, ",") or is_missing(cell) or is_date(cell) or is_time_of_day(cell))


def _may_be_time(told: str, decimal: str) -> bool:
    return is_date(told) or is_number(told, decimal) or is_number(told)


def _has_two_readings(told: str) -> bool:
    """Whether day and month are the same number, so that it does not matter which comes first."""
    kind, text, _ = canonical(told) or ("certain", told, False)
    numbers = text.split()[0].split("/")
    return kind != "certain" and "." not in told.split()[0] and int(numbers[0]) == int(numbers[1]) <= 12
