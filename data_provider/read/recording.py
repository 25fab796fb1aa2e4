"""A user's own series: a CSV or Parquet file of any columns becomes checked values with their times."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types
from pandas.tseries.api import guess_datetime_format
from pyarrow import parquet

from data_provider.errors import DataError
from data_provider.read.csv_stream import check_unique

# Strict, for numbers below such a name are times: `timeouts` and `time_spent` are channels.
TIME_NAME = re.compile(
    r"(date|time|epoch|unix)([ _-]?(time|stamp))?s?([ _(\[/.-]*(utc|gmt|local|unix|index|days?|h|hours?|min|minutes?|"
    r"s|sec|seconds?|ms|us|ns)[)\]]*)?|ts",
    re.IGNORECASE,
)
ROW_NUMBER_NAME = re.compile(r"|unnamed: 0|index", re.IGNORECASE)  # as pandas writes it
DATE = re.compile(r"\d{4}|\d[-/]\d|\d\d\.\d\d\.\d\d")  # in every date, but not in a time of day
OFFSET = r":\d\d(?:[.,]\d+)?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"
LOOKED_AT = 100  # cells that tell whether a column holds dates
REGULAR = 1e-3  # of the usual step; what deviates by less is rounding


@dataclass(frozen=True, eq=False)
class Recording:
    """A series in time order, in the units of its file.

    Parameters
    ----------
    name : str
        The file's name without its extension.
    values : float64 array of shape (n, C)
        Finite.
    channels : tuple of str
    times : pandas.Index of length n, or None
        Dates or numbers; None where the file has no times.
    label : uint8 array of shape (n,), or None
        1 at anomalous points.
    notes : list of str
        What was found odd, and what was done about it.
    left_out : tuple of str
        Columns that are neither times nor labels nor among the channels that were asked for.
    """

    name: str
    values: np.ndarray
    channels: tuple[str, ...]
    times: pd.Index | None = None
    label: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    left_out: tuple[str, ...] = ()


class MissingColumnsError(DataError):
    """Columns that a file lacks, by their `names`."""

    def __init__(self, path: Path, names: list[str], columns: Sequence[str]):
        wanted = f"column {names[0]!r}" if len(names) == 1 else f"columns {', '.join(map(repr, names))}"
        super().__init__(
            f"{path}: there {'is' if len(names) == 1 else 'are'} no {wanted}: the columns are {', '.join(columns)}"
        )
        self.names = names


def read_recording(
    path: Path,
    *,
    time: str | None = None,
    channels: Sequence[str] | None = None,
    label: str | None = None,
    missing: str = "error",
    max_gap: int | None = None,
) -> Recording:
    """Read a CSV or Parquet file with a column for each channel.

    Parameters
    ----------
    path : Path
        `.parquet` or `.pq` is read as Parquet, anything else as CSV with a header.
    time : str, optional
        The column of times; by default the first one named so that holds dates or numbers, else the first one that
        holds dates, if any.
    channels : sequence of str, optional
        By default all columns of numbers that are neither times nor labels.
    label : str, optional
        The column of labels 0 and 1; by default the one named `label`, if any.
    missing : {"error", "interpolate"}
        What to do where a channel has no value: refuse, or draw a line between its neighbours.
    max_gap : int, optional
        Most points that are interpolated in a row.

    Raises
    ------
    DataError
        With one line that names the column, the row of the file (the first below the header is 1) and the remedy.
    """
    if missing not in ("error", "interpolate"):
        raise ValueError(f"missing must be 'error' or 'interpolate', got {missing!r}")
    path = Path(path)
    notes = []
    frame = _read_frame(path, notes)
    time = _time_column(path, frame, time)
    times = None
    if time is not None:
        times = _parse_times(path, frame[time], notes)
        frame, times = _in_order(frame, times, notes)
        _note_sampling(times, notes)
    label_values = None
    label = _label_column(path, frame, label)
    if label is not None:
        label_values = _labels(path, frame[label])
    names = _channel_names(path, frame, channels, {time, label}, notes)
    columns = [pd.Series(_numbers(path, frame[name]), frame.index, name=name) for name in names]
    for column in columns:
        _check_finite(path, column, missing)
    values = np.stack([_interpolate(path, column, max_gap, notes) for column in columns], axis=1)
    _note_constants(path, names, values, notes)
    others = [name for name in frame if name not in (*names, time, label) and not ROW_NUMBER_NAME.fullmatch(name)]
    left_out = tuple(others) if channels is not None else ()
    return Recording(path.stem, values, tuple(names), times, label_values, notes, left_out)


def _read_frame(path: Path, notes: list[str]) -> pd.DataFrame:
    """Return the columns of a file; the index counts its rows from 1."""
    if not path.is_file():
        raise DataError(f"{path}: no such file: give a CSV or Parquet file with a column for each channel")
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        frame = _read_parquet(path) if is_parquet else _read_csv(path, notes)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text in UTF-8 ({error}): save it as CSV in UTF-8") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty: it must begin with the names of the columns") from None
    except (ValueError, OSError, pa.ArrowException) as error:  # a ParserError of pandas is a ValueError
        kind = "Parquet" if is_parquet else "CSV"
        raise DataError(
            f"{path}: cannot be read as {kind}: {' '.join(str(error).split())}: correct it, or write it anew"
        ) from None
    if frame.empty:
        raise DataError(f"{path}: there are no rows of data below the header: complete the file")
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1))


def _read_parquet(path: Path) -> pd.DataFrame:
    check_unique(path, parquet.read_schema(path).names)
    frame = pd.read_parquet(path)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return frame.set_axis([str(name).strip() for name in frame.columns], axis=1)


def _read_csv(path: Path, notes: list[str]) -> pd.DataFrame:
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, skipinitialspace=True)
    names = [name.strip() for name in header.iloc[0]]
    check_unique(path, names)
    numbers = [name for name in names if re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", name, re.IGNORECASE)]
    if any(not name.isdecimal() for name in numbers):  # pandas names columns by whole numbers
        notes.append(f"the first line is taken as names, though it holds the numbers {', '.join(numbers)}")
    frame = pd.read_csv(
        path,
        names=names,
        header=0,
        skipinitialspace=True,
        low_memory=False,
        float_precision="round_trip",
        skip_blank_lines=len(names) > 1,  # with one column, a blank line is a row without a value
    )
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{path}: the lines have more cells than the header's {len(names)} names: correct one of them")
    return frame if len(names) > 1 else frame[: len(frame) - _blank_lines_at_end(path)]


def _blank_lines_at_end(path: Path) -> int:
    content = path.read_bytes()
    return max(0, content[len(content.rstrip()) :].count(b"\n") - 1)


def _known(path: Path, frame: pd.DataFrame, name: str) -> str:
    if name not in frame:
        raise MissingColumnsError(path, [name], frame.columns)
    return name


# Times


def _time_column(path: Path, frame: pd.DataFrame, name: str | None) -> str | None:
    if name is not None:
        return _known(path, frame, name)
    for column in frame:
        if TIME_NAME.fullmatch(column) and (_is_numeric(frame[column]) or _holds_dates(frame[column])):
            return column
    return next((column for column in frame if _holds_dates(frame[column])), None)


def _holds_dates(column: pd.Series) -> bool:
    """Whether most of the first cells are dates."""
    if types.is_datetime64_any_dtype(column):
        return True
    if _is_numeric(column):
        return False
    cells = column.dropna().head(LOOKED_AT).astype(str)
    return bool(_is_date(cells).mean() > 0.5)


def _is_date(cells: pd.Series) -> pd.Series:
    return cells.str.contains(DATE) & pd.to_datetime(cells, errors="coerce", format="mixed", utc=True).notna()


def _parse_times(path: Path, column: pd.Series, notes: list[str]) -> pd.Index:
    _refuse_times(path, column, column.isna(), "where a time must be: fill it, or remove the row")
    if types.is_datetime64_any_dtype(column):
        return pd.DatetimeIndex(column, name=None)
    if not _is_numeric(column):
        return _parse_dates(path, column.astype(str), notes)
    numbers = _numbers(path, column)
    _refuse_times(path, column, ~np.isfinite(numbers), "which is no time: correct it")
    return pd.Index(column.to_numpy() if types.is_integer_dtype(column) else numbers)


def _refuse_times(path: Path, column: pd.Series, wrong, fault: str) -> None:
    wrong = np.asarray(wrong)
    if wrong.any():
        place = int(wrong.argmax())
        cell = column.iloc[place]
        shown = repr(cell) if isinstance(cell, str) else "nothing" if pd.isna(cell) else cell
        raise DataError(f"{path}: row {column.index[place]} of column {column.name!r} holds {shown}, {fault}")


def _parse_dates(path: Path, cells: pd.Series, notes: list[str]) -> pd.DatetimeIndex:
    _refuse_times(path, cells, ~cells.str.contains(DATE), "which is no date: correct it")
    offsets = cells.str.strip().str.extract(OFFSET, expand=False)
    dates = _dates_in_utc(path, cells, notes)
    if offsets.isna().all():
        return dates.tz_localize(None)
    _refuse_times(path, cells, offsets.isna(), "without the time zone that other rows have: add it")
    if offsets.nunique() == 1:
        return dates.tz_convert(pd.Timestamp(cells.iloc[0]).tz)
    notes.append("times with different offsets from UTC: all are given in UTC")
    return dates


def _dates_in_utc(path: Path, cells: pd.Series, notes: list[str]) -> pd.DatetimeIndex:
    """Read dates all by one format, for `02/01` among `13/01` is a day and a month too; without one, one by one."""
    read = []
    for form in ("ISO8601", *_guessed_formats(cells.iloc[0])):
        try:
            read.append(pd.DatetimeIndex(pd.to_datetime(cells, format=form, utc=True), name=None))
        except ValueError:
            continue
    if not read:
        dates = pd.to_datetime(cells, errors="coerce", format="mixed", utc=True)
        _refuse_times(path, cells, dates.isna(), "which is no time: correct it")
        return pd.DatetimeIndex(dates, name=None)
    if any(not dates.equals(read[0]) for dates in read):
        read.sort(key=lambda dates: not dates.is_monotonic_increasing)
        notes.append(f"day and month can be told apart by no date: {cells.iloc[0]} is read as {read[0][0]:%d %B %Y}")
    return read[0]


def _guessed_formats(cell: str) -> list[str]:
    """Return the formats that a date may have, the likeliest first: with points the day comes first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the cell itself shows the other order
        month_first, day_first = (guess_datetime_format(cell, dayfirst=first) for first in (False, True))
    formats = [month_first, day_first if day_first and day_first.startswith("%d") else None]
    if re.match(r"\d+\.", cell):
        formats.reverse()
    return [form for form in dict.fromkeys(formats) if form]


def _in_order(frame: pd.DataFrame, times: pd.Index, notes: list[str]) -> tuple[pd.DataFrame, pd.Index]:
    if not times.is_monotonic_increasing:
        late = int((times[1:] < times[:-1]).sum())
        notes.append(f"times out of order: {late} of {len(times)} rows are earlier than the one before; sorted")
        order = times.argsort(kind="stable")
        frame, times = frame.iloc[order], times[order]
    repeated = times.duplicated()
    if repeated.any():
        notes.append(f"duplicated times: {int(repeated.sum())} rows, the first at {times[repeated][0]}; all are kept")
    return frame, times


def _note_sampling(times: pd.Index, notes: list[str]) -> None:
    steps = np.diff(times.asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy(np.float64))
    if not len(steps):
        return
    usual = np.median(steps)
    odd = np.abs(steps - usual) > REGULAR * usual
    if odd.any():
        first = times[int(odd.argmax()) + 1]
        step = pd.Timedelta(int(usual), times.unit) if isinstance(times, pd.DatetimeIndex) else f"{usual:g}"
        notes.append(
            f"irregular sampling: {int(odd.sum())} of {len(steps)} steps differ from the usual {step}, the first "
            f"before {first}; points are taken as evenly spaced"
        )


# Labels and channels


def _label_column(path: Path, frame: pd.DataFrame, name: str | None) -> str | None:
    if name is not None:
        return _known(path, frame, name)
    found = [column for column in frame if column.lower() == "label"]
    if len(found) > 1:
        raise DataError(f"{path}: columns {', '.join(found)}: say by --label which one holds the labels")
    return found[0] if found else None


def _labels(path: Path, column: pd.Series) -> np.ndarray:
    values = _numbers(path, column)
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        place = int(wrong.argmax())
        raise DataError(
            f"{path}: row {column.index[place]} of column {column.name!r} holds {column.iloc[place]}; a label must be "
            "0 or 1: correct it, or name the labels' column"
        )
    return values.astype(np.uint8)


def _channel_names(path, frame, wanted, others, notes) -> list[str]:
    if wanted is not None:
        names, missing = list(wanted), [name for name in wanted if name not in frame]
        if missing:
            raise MissingColumnsError(path, missing, frame.columns)
        if len(set(names)) < len(names) or others & set(names):
            raise DataError(f"{path}: channels {', '.join(names)}: each may stand once, and be neither time nor label")
        for name in names:
            if not _is_numeric(frame[name]):
                raise DataError(f"{path}: column {name!r} holds no numbers: choose other channels")
        return names
    names, left_out = [], []
    for name in frame:
        if name not in others and not ROW_NUMBER_NAME.fullmatch(name):
            (names if _is_numeric(frame[name]) else left_out).append(name)
    if left_out:
        notes.append(f"not numeric, left out: {', '.join(left_out)}")
    if not names:
        raise DataError(f"{path}: there is no column of numbers beside times and labels: add one for each channel")
    return names


def _is_numeric(column: pd.Series) -> bool:
    """Whether most cells are numbers, or all are missing; a wrong cell among numbers is an error, not another kind."""
    if types.is_numeric_dtype(column) or column.isna().all():
        return True
    return bool(_as_numbers(column).notna().sum() * 2 > column.notna().sum())


def _as_numbers(column: pd.Series) -> pd.Series:
    """Return the numbers of a column, NaN where a cell is none; pandas takes dates for numbers, and stops at lists."""
    if not types.is_numeric_dtype(column):
        column = column.astype(object).where([isinstance(cell, (str, Number)) for cell in column])
    return pd.to_numeric(column, errors="coerce")


def _numbers(path: Path, column: pd.Series) -> np.ndarray:
    numbers = _as_numbers(column).to_numpy(np.float64, na_value=np.nan)
    wrong = np.isnan(numbers) & column.notna().to_numpy()
    if wrong.any():
        place = int(wrong.argmax())
        raise DataError(
            f"{path}: row {column.index[place]} of column {column.name!r} holds {column.iloc[place]!r}, which is no "
            "number: correct it"
        )
    return numbers.copy()


def _check_finite(path: Path, column: pd.Series, missing: str) -> None:
    """Refuse what is infinite, a column without any value, and, unless it is interpolated, what is missing."""
    infinite, gap = np.isinf(column).to_numpy(), column.isna().to_numpy()
    if infinite.any():
        place = int(infinite.argmax())
        raise DataError(
            f"{path}: row {column.index[place]} of column {column.name!r} holds {column.iloc[place]}; it must be "
            "finite: correct it"
        )
    if gap.all():
        raise DataError(f"{path}: column {column.name!r} holds no value at all: leave it out by naming the channels")
    if missing == "error" and gap.any():
        raise DataError(
            f"{path}: row {column.index[int(gap.argmax())]} of column {column.name!r} is missing ({int(gap.sum())} in "
            "all): fill them, or use --missing interpolate"
        )


def _interpolate(path: Path, column: pd.Series, max_gap: int | None, notes: list[str]) -> np.ndarray:
    """Return the values of a column, those that are missing on a line between their neighbours."""
    values, gap = column.to_numpy(), column.isna().to_numpy()
    if not gap.any():
        return values
    edges = np.flatnonzero(np.diff(gap.astype(np.int8), prepend=0, append=0))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = int(lengths.max())
    if max_gap is not None and longest > max_gap:
        raise DataError(
            f"{path}: column {column.name!r} has a gap of {longest} points from row "
            f"{column.index[starts[lengths.argmax()]]}, more than {max_gap}: fill it, or allow it with --max-gap"
        )
    notes.append(f"{column.name}: {gap.sum()} missing values interpolated, the longest gap has {longest} points")
    places = np.arange(len(values))
    return np.where(gap, np.interp(places, places[~gap], values[~gap]), values)


def _note_constants(path: Path, names: list[str], values: np.ndarray, notes: list[str]) -> None:
    constant = [name for name, column in zip(names, values.T, strict=True) if column.min() == column.max()]
    if len(constant) == len(names):
        raise DataError(f"{path}: every channel is constant, there is nothing to learn: choose other channels")
    if constant:
        notes.append(f"constant: {', '.join(constant)}")
