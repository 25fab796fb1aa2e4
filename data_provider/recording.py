"""A user's own series: a CSV or Parquet file of any columns becomes checked values with their times."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider.errors import DataError

TIME_NAME = re.compile(r"time.*|date.*|timestamp.*|ts", re.IGNORECASE)
ROW_NUMBER_NAME = re.compile(r"|unnamed: 0|index", re.IGNORECASE)  # as pandas writes it
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
    """

    name: str
    values: np.ndarray
    channels: tuple[str, ...]
    times: pd.Index | None = None
    label: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


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
        The column of times; by default the first one with such a name or with dates in it, if any.
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
        With one line that names the column, the line and the remedy.
    """
    path = Path(path)
    frame, notes = _read_frame(path), []
    time = _time_column(path, frame, time)
    times = None
    if time is not None:
        times = _parse_times(path, frame[time])
        frame, times = _in_order(frame, times, notes)
        _note_sampling(times, notes)
    label_values = None
    label = _label_column(path, frame, label)
    if label is not None:
        label_values = _labels(path, frame[label])
    names = _channel_names(path, frame, channels, {time, label}, notes)
    values = np.stack([_numbers(path, frame[name]) for name in names], axis=1)
    _fill(path, names, values, missing, max_gap, notes)
    constant = [name for name, extent in zip(names, np.ptp(values, axis=0), strict=True) if extent == 0]
    if constant:
        if len(constant) == len(names):
            raise DataError(f"{path}: every channel is constant, there is nothing to learn: choose other channels")
        notes.append(f"constant: {', '.join(constant)}")
    return Recording(path.stem, values, tuple(names), times, label_values, notes)


def _read_frame(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file: give a CSV or Parquet file with a column for each channel")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
            if not isinstance(frame.index, pd.RangeIndex):
                frame = frame.reset_index()
        else:
            frame = pd.read_csv(path, skipinitialspace=True, low_memory=False)
    except (ValueError, OSError) as error:  # so are those of pandas, pyarrow and the encoding
        raise DataError(f"{path}: cannot be read: {' '.join(str(error).split())}: correct it") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.columns.has_duplicates:
        raise DataError(f"{path}: column {frame.columns[frame.columns.duplicated()][0]!r} stands twice: rename one")
    if frame.empty:
        raise DataError(f"{path}: there are no rows of data below the header: complete the file")
    return frame


def _known(path: Path, frame: pd.DataFrame, name: str) -> str:
    if name not in frame:
        raise DataError(f"{path}: there is no column {name!r}: the columns are {', '.join(frame.columns)}")
    return name


def _time_column(path: Path, frame: pd.DataFrame, name: str | None) -> str | None:
    if name is not None:
        return _known(path, frame, name)
    for column in frame:
        values = frame[column]
        if pd.api.types.is_datetime64_any_dtype(values) or TIME_NAME.fullmatch(column):
            return column
        if not pd.api.types.is_numeric_dtype(values) and _is_date(values.iloc[0]):
            return column
    return None


def _is_date(value) -> bool:
    try:
        return not pd.isna(pd.to_datetime(value))
    except (ValueError, TypeError):
        return False


def _parse_times(path: Path, column: pd.Series) -> pd.Index:
    if column.isna().any():
        row = int(column.isna().argmax())
        raise DataError(f"{path}: row {row + 1} of column {column.name!r} holds no time: fill or remove it")
    if pd.api.types.is_numeric_dtype(column):
        return pd.Index(column)
    try:
        return pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601"))
    except ValueError:
        parsed = pd.to_datetime(column, errors="coerce", format="mixed")
    if parsed.isna().any():
        row = int(parsed.isna().argmax())
        raise DataError(
            f"{path}: row {row + 1} of column {column.name!r} holds {column.iloc[row]!r}, which is no time: correct it"
        )
    return pd.DatetimeIndex(parsed)


def _in_order(frame: pd.DataFrame, times: pd.Index, notes: list[str]) -> tuple[pd.DataFrame, pd.Index]:
    if not times.is_monotonic_increasing:
        late = int((np.diff(times.asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy()) < 0).sum())
        notes.append(f"times out of order: {late} of {len(times)} rows are earlier than the one before; sorted")
        order = times.argsort(kind="stable")
        frame, times = frame.iloc[order].reset_index(drop=True), times[order]
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


def _label_column(path: Path, frame: pd.DataFrame, name: str | None) -> str | None:
    if name is not None:
        return _known(path, frame, name)
    found = [column for column in frame if column.lower() == "label"]
    return found[0] if len(found) == 1 else None


def _labels(path: Path, column: pd.Series) -> np.ndarray:
    values = _numbers(path, column)
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{path}: row {row + 1} of column {column.name!r} holds {column.iloc[row]}; a label must be 0 or 1: "
            "correct it, or name the labels' column"
        )
    return values.astype(np.uint8)


def _channel_names(path, frame, wanted, others, notes) -> list[str]:
    if wanted is not None:
        names = [_known(path, frame, name) for name in wanted]
        if len(set(names)) < len(names) or others & set(names):
            raise DataError(f"{path}: channels {', '.join(names)}: each may stand once, and be neither time nor label")
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
    if pd.api.types.is_numeric_dtype(column) or column.isna().all():
        return not pd.api.types.is_complex_dtype(column)
    return bool(pd.to_numeric(column, errors="coerce").notna().sum() * 2 > column.notna().sum())


def _numbers(path: Path, column: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.isnan(numbers) & column.notna().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{path}: row {row + 1} of column {column.name!r} holds {column.iloc[row]!r}, which is no number: "
            "correct it"
        )
    return numbers.copy()


def _fill(path, names, values, missing, max_gap, notes) -> None:
    """Refuse what is infinite, and refuse or interpolate, in place, what is missing."""
    for index, name in enumerate(names):
        column = values[:, index]
        if np.isinf(column).any():
            row = int(np.isinf(column).argmax())
            raise DataError(
                f"{path}: row {row + 1} of column {name!r} holds {column[row]}; it must be finite: correct it"
            )
        gap = np.isnan(column)
        if not gap.any():
            continue
        row = int(gap.argmax())
        if gap.all():
            raise DataError(f"{path}: column {name!r} holds no value at all: leave it out by naming the channels")
        if missing == "error":
            raise DataError(
                f"{path}: row {row + 1} of column {name!r} is missing ({int(gap.sum())} in all): fill them, or use "
                "--missing interpolate"
            )
        edges = np.flatnonzero(np.diff(gap.astype(np.int8), prepend=0, append=0))
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        if max_gap is not None and lengths.max() > max_gap:
            start = starts[lengths.argmax()]
            raise DataError(
                f"{path}: column {name!r} has a gap of {lengths.max()} points from row {start + 1}, more than "
                f"{max_gap}: fill it, or allow longer gaps with --max-gap"
            )
        rows = np.arange(len(column))
        column[gap] = np.interp(rows[gap], rows[~gap], column[~gap])
        notes.append(
            f"{name}: {int(gap.sum())} missing values interpolated, the longest gap has {lengths.max()} points"
        )
