"""Columns and single cells of times: dates in many forms, Unix times, dates written as numbers, and plain numbers."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as arrow_compute
from pandas.api import types

from data_provider.errors import DataError
from data_provider.read.date_text import CTIME, CTIME_IN_ORDER, LONG_FORMATS, SHORT_FORMATS, ZONE, canonical, format_of
from data_provider.read.day_order import best_order, orders
from data_provider.read.dialect import is_number, number_pattern
from data_provider.read.number_times import UNIX_UNITS, compact_format, from_compact, from_unix, unix_unit
from data_provider.read.refusals import refuse
from data_provider.read.zones import IN_UTC, both_readings, in_offsets, in_zone, known_zone, zones_ahead

LOOKED_AT = 100  # number of cells that determine whether a column holds numbers
_ISO = "ISO8601"
_CLOCK = " %H:%M:%S.%f"  # as `canonical` writes it
_DAY_S_END = re.compile(r" 24:00?:00?\.0+$")


@dataclass(frozen=True)
class _Form:
    """How the cells of a column are read.

    Parameters
    ----------
    kind : {"date", "text", "compact", "unix", "number"}
        Datetime values; text; numbers like 20240612; Unix times; numbers of an unknown unit.
    formats : tuple of str
        For text: ISO8601 or formats that `strptime` reads; the first that fits a cell counts. If empty, cells are
        read as by `canonical`. For compact numbers: their format.
    order : str
        The order of the date's numbers as left by `canonical`, if one cell cannot determine it.
    zoned : bool
        Whether the text cells name a time zone.
    unit : str
        Unit of Unix times.
    """

    kind: str
    formats: tuple[str, ...] = ()
    order: str = ""
    zoned: bool = False
    unit: str = ""


def read_times(
    cells: pd.Series, source: str, *, date_format: str | None = None, timezone: str | None = None
) -> tuple[pd.Index, list[str]]:
    """Read a column of times.

    Parameters
    ----------
    cells : pandas.Series of length n
        Text, numbers or dates; errors name its name and index as column and row.
    source : str
        The file, for errors.
    date_format : str, optional
        As for `strptime`, for all cells; by default all forms are tried, and day and month are told apart by
        the order that makes the steps regular.
    timezone : str, optional
        Such as Europe/Berlin: the zone of times without one, to which other times are converted.

    Returns
    -------
    times : pandas.Index of length n
        In the order of the cells: a DatetimeIndex, or the numbers if they are neither Unix times nor dates.
    notes : list of str
        What was decided.

    Raises
    ------
    DataError
        When a cell is not a time, or the order of day and month is ambiguous.
    """
    times, notes, _ = _read(cells, source, date_format, timezone)
    if timezone is not None:
        notes = [note for note in notes if note != IN_UTC]
        times = in_zone(times, timezone, source, notes)
    return times, notes


class TimeReader:
    """Times read one by one, in the form of the first cells.

    Parameters
    ----------
    cells : sequence of str
        The first cells.
    source, date_format, timezone
        As for `read_times`.

    Attributes
    ----------
    notes : list of str
        What was decided.

    Raises
    ------
    DataError
        As for `read_times`.
    """

    def __init__(
        self, cells: Sequence[str], source: str, *, date_format: str | None = None, timezone: str | None = None
    ):
        column = pd.Series(list(cells), index=range(1, len(cells) + 1), dtype=object, name="time")
        self.source, self.timezone = source, timezone
        _, self.notes, self._form = _read(column, source, date_format, timezone)
        self._zone = None if timezone is None else known_zone(timezone, source)
        self._last: pd.Timestamp | None = None

    def read(self, cell: str) -> pd.Timestamp | float:
        """Return the time in a cell: a Timestamp, or a number if the first cells were plain numbers.

        Raises
        ------
        DataError
            When the cell does not fit the form of the first cells.
        """
        column = pd.Series([CTIME.sub(CTIME_IN_ORDER, cell.strip())], index=[1], dtype=object)
        try:
            if self._form.kind != "text":
                column = pd.Series([_number(cell)])
            times, _ = _apply(column, self._form, self.source, [])
        except ValueError:  # includes DataError
            raise DataError(
                f"{self.source}: {cell[:40]!r} is not a time in the same format as the first ones"
            ) from None
        return times[0] if self._zone is None else self._in_zone(times)

    def _in_zone(self, times: pd.DatetimeIndex) -> pd.Timestamp:
        """Return a time in the zone; in a repeated hour, the later one if the earlier one has passed."""
        if times.tz is not None:
            return times.tz_convert(self._zone)[0]
        early, late = both_readings(times, self._zone, self.timezone, self.source)
        self._last = late[0] if self._last is not None and early[0] < self._last else early[0]
        return self._last


def _number(cell: str) -> int | float:
    text = cell.strip()
    if not is_number(text) or not np.isfinite(float(text)):
        raise ValueError(text)
    return int(text) if re.fullmatch(r"[-+]?[0-9]{1,18}", text) else float(text)


def _read(
    cells: pd.Series, source: str, date_format: str | None, zone: str | None
) -> tuple[pd.Index, list[str], _Form]:
    notes: list[str] = []
    refuse(source, cells, cells.isna(), "expected a time: fill it, or remove the row")
    cells = _typed(cells, source)
    form = _form(cells, source, date_format, notes)
    times, form = _apply(cells, form, source, notes)
    if zone is not None and not isinstance(times, pd.DatetimeIndex):
        raise DataError(f"{source}: --timezone {zone}: the times are numbers without dates: leave it out")
    return times, notes, form


def _typed(cells: pd.Series, source: str) -> pd.Series:
    """Return numbers stored as text as numbers, and objects of a Parquet file as a column of one type."""
    if types.is_datetime64_any_dtype(cells):
        return cells
    if types.is_bool_dtype(cells) or types.is_timedelta64_dtype(cells):
        refuse(source, cells, cells.notna(), "which is not a time: name another column")
    if types.is_numeric_dtype(cells):
        numbers = pd.Series(cells.to_numpy(), cells.index, name=cells.name)
        refuse(source, cells, ~np.isfinite(numbers.astype(np.float64)), "which is not a time: correct it")
        return numbers
    if not all(isinstance(cell, str) for cell in cells):
        return _from_objects(cells, source)
    text = cells.astype(object).str.strip()
    refuse(source, cells, text == "", "expected a time: fill it, or remove the row")
    if CTIME.fullmatch(text.iloc[0]):
        text = text.str.replace(CTIME, CTIME_IN_ORDER, regex=True)
    if not text.head(LOOKED_AT).str.fullmatch(number_pattern(".")).any():
        return text
    fits = text.str.fullmatch(number_pattern(".")).astype(bool)
    if fits.mean() <= 0.5:
        return text
    refuse(source, cells, ~fits, "which is not a time: correct it")
    numbers = pd.to_numeric(text, errors="coerce")
    refuse(source, cells, ~np.isfinite(numbers.astype(np.float64)), "which is not a time: correct it")
    return numbers


def _from_objects(cells: pd.Series, source: str) -> pd.Series:
    try:
        return pd.to_numeric(cells.where([not isinstance(cell, datetime) for cell in cells], "a date"))
    except (ValueError, TypeError):
        dates = pd.to_datetime(cells, errors="coerce")
        refuse(source, cells, dates.isna(), "which is not a time: correct it")
        return dates


def _form(cells: pd.Series, source: str, date_format: str | None, notes: list[str]) -> _Form:
    """Return how a column is read, to the extent that this is clear without reading all of it."""
    if date_format is not None and "%" not in date_format and date_format != _ISO:
        raise DataError(f"{source}: --date-format {date_format!r}: write it like '%d.%m.%Y %H:%M:%S'")
    try:
        pd.to_datetime("", format=date_format, errors="coerce")
    except ValueError as error:
        raise DataError(f"{source}: --date-format {date_format!r}: {error}: correct it") from None
    if types.is_datetime64_any_dtype(cells):
        if date_format is not None:
            raise DataError(f"{source}: --date-format: column {cells.name!r} holds dates, not text: leave it out")
        return _Form("date")
    if types.is_numeric_dtype(cells):
        return _form_of_numbers(cells, date_format, notes)
    zoned = _name_zones(cells)
    if date_format is None:
        return _Form("text", zoned=zoned)
    return _Form("text", _with_shorter(date_format), zoned=zoned and "%z" not in date_format.lower())


def _name_zones(cells: pd.Series) -> bool:
    """Whether a cell names a time zone. Most columns have none, and the search that confirms this is fast."""
    perhaps = arrow_compute.match_substring_regex(pa.array(cells, pa.string()), r"[:T]\d\d.*[A-Za-z+-]")
    return arrow_compute.any(perhaps).as_py() and bool(cells.str.extract(ZONE, expand=False).notna().any())


def _form_of_numbers(cells: pd.Series, date_format: str | None, notes: list[str]) -> _Form:
    if date_format is not None:
        return _Form("compact", (date_format,))
    numbers, first = cells.to_numpy(), cells.iloc[0]
    if form := compact_format(numbers):
        notes.append(
            f"the numbers of column {cells.name!r} are read as dates: {first:.0f} is "
            f"{from_compact(numbers[:1], form)[0]}; override with --date-format"
        )
        return _Form("compact", (form,))
    if unit := unix_unit(numbers):
        notes.append(
            f"the numbers of column {cells.name!r} are Unix times in {UNIX_UNITS[unit]}, shown as dates: {first} is "
            f"{from_unix(numbers[:1], unit)[0]}"
        )
        return _Form("unix", unit=unit)
    return _Form("number")


def _with_shorter(form: str) -> tuple[str, ...]:
    """Return a format, and its variants with and without a fraction, without seconds, and with the date only."""
    whole = re.sub(r"(%S)[.,]%f", r"\1", form)
    forms = [form]
    if "%S" in whole:
        forms += [whole.replace("%S", "%S.%f"), whole, re.sub(r"\W?%S", "", whole)]
    if found := re.search(r"[\sT,:]*%[HI]", form):
        forms.append(form[: found.start()])
    return tuple(dict.fromkeys(forms))


def _apply(cells: pd.Series, form: _Form, source: str, notes: list[str]) -> tuple[pd.Index, _Form]:
    """Return the times of a column, and its form, now fully known."""
    if form.kind == "date":
        return pd.DatetimeIndex(cells, name=None), form
    if form.kind == "unix":
        return from_unix(cells.to_numpy(), form.unit), form
    if form.kind == "number":
        return pd.Index(cells.to_numpy()), form
    if form.kind == "compact":
        dates = from_compact(cells.to_numpy(), form.formats[0])
        refuse(source, cells, dates.isna(), f"which does not fit --date-format '{form.formats[0]}': correct either one")
        return pd.DatetimeIndex(dates, name=None), form
    if not form.zoned:
        dates, form = _dates(cells, form, source, notes)
        return pd.DatetimeIndex(dates, name=None), form
    ahead = zones_ahead(cells, source, notes)
    bare = cells.str.replace(ZONE, lambda found: found[0][: found.start(1) - found.start()].rstrip(" (["), regex=True)
    dates, form = _dates(bare, form, source, notes)
    return in_offsets(pd.DatetimeIndex(dates, name=None), ahead, notes), form


# Text without zones


def _dates(cells: pd.Series, form: _Form, source: str, notes: list[str]) -> tuple[pd.Series, _Form]:
    words = arrow_compute.match_substring_regex(pa.array(cells, pa.string()), "^(now|today|nat)$", ignore_case=True)
    refuse(source, cells, words.to_numpy(zero_copy_only=False), "which is not a time: correct it")  # pandas knows them
    if form.formats:
        dates, midnights = _filled(cells, form.formats)
        fault = f"which does not fit the format '{form.formats[0]}': correct it, or the format"
        refuse(source, cells, dates.isna(), fault)
        _note_midnights(cells, midnights, notes)
        return dates, form
    if form.order:
        return _by_canonical(cells, form, source, notes)
    if (dates := _iso(cells)) is not None:
        if cells.str.len().nunique() > 1:
            _note_midnights(cells, ~cells.str.contains(r"[:T]").to_numpy(bool), notes)
        return dates, _Form("text", (_ISO,), zoned=form.zoned)
    longest = cells.iloc[int(cells.str.len().to_numpy().argmax())]
    read = [(way, *_filled(cells, _with_shorter(way))) for way in orders(format_of(longest))]
    read = [found for found in read if found[1].notna().all()]
    if not read:
        return _by_canonical(cells, form, source, notes)
    index, note = best_order([(way, dates) for way, dates, _ in read], cells, source)
    notes += [note] if note else []
    way, dates, midnights = read[index]
    _note_midnights(cells, midnights, notes)
    return dates, _Form("text", _with_shorter(way), zoned=form.zoned)


def _iso(cells: pd.Series) -> pd.Series | None:
    """Return the dates of text without zones, or None unless all of it is in ISO 8601."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about changing zones, which are not relevant here
            dates = pd.to_datetime(cells, format=_ISO)
    except ValueError:
        return None
    return dates if types.is_datetime64_dtype(dates) and dates.notna().all() else None  # "" and "NaT" are NaT


def _filled(cells: pd.Series, formats: tuple[str, ...]) -> tuple[pd.Series, np.ndarray]:
    """Read each cell with the first format that fits; return which used the last one if that has no hours."""
    aware = "%z" in formats[0]
    dates = pd.to_datetime(cells, format=formats[0], errors="coerce", utc=aware)
    midnights = np.zeros(len(cells), bool)
    for form in formats[1:]:
        left = dates.isna()
        if not left.any():
            break
        more = pd.to_datetime(cells[left], format=form, errors="coerce", utc=aware)
        if not re.search("%[HI]", form):
            midnights = (left & more.reindex(cells.index).notna()).to_numpy()
        dates = dates.fillna(more)
    return dates, midnights


def _by_canonical(cells: pd.Series, form: _Form, source: str, notes: list[str]) -> tuple[pd.Series, _Form]:
    """Read each cell in its own form, but all with one order of day and month."""
    found = [canonical(cell) for cell in cells]
    refuse(source, cells, [cell is None for cell in found], "which is not a date: correct it, or use --date-format")
    kinds = np.array([kind for kind, _, _ in found])
    _note_midnights(cells, np.array([midnight for *_, midnight in found]), notes)
    refuse(source, cells, kinds != kinds[0], "which has a different format from the first one: correct it")
    texts = pd.Series([_DAY_S_END.sub(" 0:0:0.0", text) for _, text, _ in found], cells.index)
    later = pd.to_timedelta([int(bool(_DAY_S_END.search(text))) for _, text, _ in found], unit="D")
    known = {"certain": ("%Y/%m/%d",), "long": LONG_FORMATS, "short": SHORT_FORMATS}[kinds[0]]
    ways = (form.order,) if form.order else known
    read = [(way, pd.to_datetime(texts, format=way + _CLOCK, errors="coerce")) for way in ways]
    best = min((dates for _, dates in read), key=lambda dates: dates.isna().sum())
    refuse(source, cells, best.isna(), "which is not a date like the others: correct it, or use --date-format")
    read = [(way, dates + later) for way, dates in read if dates.notna().all()]
    written = orders(format_of(cells.iloc[0]))
    shown = [written[known.index(way)] for way, _ in read] if len(written) == len(known) else None
    index, note = best_order(read, cells, source, shown)
    notes += [note] if note else []
    return read[index][1], _Form("text", order=read[index][0], zoned=form.zoned)


def _note_midnights(cells: pd.Series, midnights: np.ndarray, notes: list[str]) -> None:
    if midnights.any() and not midnights.all():
        place = int(midnights.argmax())
        notes.append(
            f"{int(midnights.sum())} of {len(cells)} times have no time of day and are read as midnight; the first is "
            f"{cells.iloc[place]} in row {cells.index[place]}"
        )
