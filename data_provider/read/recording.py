"""A user's own series: a CSV or Parquet file with any columns becomes validated values with their times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider.errors import DataError
from data_provider.read.channels import choose_channels
from data_provider.read.columns import MissingColumnsError, Times, choose_times, is_row_number, known
from data_provider.read.frames import read_frame, without_missing_codes
from data_provider.read.labels import choose_label, note_possible_labels, read_labels
from data_provider.read.long_frame import as_wide
from data_provider.read.order import in_order, note_sampling
from data_provider.read.times import read_times
from data_provider.read.values import channel_values, check_constants, note_gaps

__all__ = ["MissingColumnsError", "Recording", "read_recording"]


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
        Dates (also if the file has Unix times) or numbers; None if the file has no times.
    label : uint8 array of shape (n,), or None
        1 at anomalous points.
    notes : list of str
        What was decided, what looked odd, and what was done about it.
    left_out : tuple of str
        Columns that are neither times nor labels nor among the requested channels.
    """

    name: str
    values: np.ndarray
    channels: tuple[str, ...]
    times: pd.Index | None = None
    label: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    left_out: tuple[str, ...] = ()


def read_recording(
    path: Path,
    *,
    time: str | Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    label: str | None = None,
    missing: str = "error",
    max_gap: int | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
    date_format: str | None = None,
    timezone: str | None = None,
    missing_values: Sequence[str] = (),
    encoding: str | None = None,
) -> Recording:
    """Read a CSV or Parquet file with a column for each channel, or a long one with a row for each value.

    Options that are not given are inferred from the file, and each decision is reported in the notes.

    Parameters
    ----------
    path : Path
        `.parquet` or `.pq` is read as Parquet, anything else as CSV.
    time : str or sequence of str, optional
        The column of times, or one of dates and one of times of day; by default the first one with such a name that
        holds dates or rising numbers, else the first one that holds dates, if any.
    channels : sequence of str, optional
        By default all columns of numbers that are neither times nor labels.
    label : str, optional
        The column of labels 0 and 1, or words such as normal and anomaly; by default one with a usual name.
    missing : {"error", "interpolate"}
        What to do if a channel has no value: refuse, or interpolate linearly between its neighbours.
    max_gap : int, optional
        Largest number of consecutive points to interpolate.
    separator, decimal, header, encoding : optional
        For a CSV file, as for `data_provider.read.dialect.decide`, which has the rule for the first line.
    date_format, timezone : str, optional
        As for `data_provider.read.times.read_times`.
    missing_values : sequence of str
        What else stands for a missing value, such as -999 or ?.

    Raises
    ------
    DataError
        One line that names the column, the row of the file (the first below the header is 1) and the remedy.
    """
    if missing not in ("error", "interpolate"):
        raise ValueError(f"missing must be 'error' or 'interpolate', got {missing!r}")
    path, notes = Path(path), []
    frame = read_frame(path, notes, separator=separator, decimal=decimal, header=header, encoding=encoding)
    frame = without_missing_codes(frame, missing_values, notes)
    if channels is None:
        frame = as_wide(path, frame, notes)
    wanted = [time] if isinstance(time, str) else list(time or ())
    if label is not None:
        known(path, frame, label)
    found = choose_times(path, frame, wanted, channels, notes, any_text=date_format is not None)
    frame, times = _in_time(path, frame, found, date_format, timezone, notes)
    label, others = choose_label(path, frame, label, found.names, channels or (), notes)
    label_values = None if label is None else read_labels(path, frame[label])
    taken = {*found.names, label} if channels else {*found.names, *found.clocks, label, *others}
    names = choose_channels(path, frame, channels, taken, notes)
    if label is None and channels is None:
        note_possible_labels(frame, names, notes)
    values, gaps = np.empty((len(frame), len(names))), {}
    for index, name in enumerate(names):
        values[:, index] = channel_values(path, frame[name], missing, max_gap, notes, gaps)
    note_gaps(gaps, len(names), notes)
    check_constants(path, names, values, notes)
    asked = () if channels is None else (*found.names, label, *names)
    left_out = tuple(name for name in frame if asked and name not in asked and not is_row_number(name))
    return Recording(path.stem, values, tuple(names), times, label_values, notes, left_out)


def _in_time(
    path: Path, frame: pd.DataFrame, found: Times, date_format: str | None, timezone: str | None, notes: list[str]
) -> tuple[pd.DataFrame, pd.Index | None]:
    """Return the rows in time order, and their times."""
    if found.cells is None:
        for option, value in (("--date-format", date_format), ("--timezone", timezone)):
            if value is not None:
                raise DataError(f"{path}: {option}: no column of times was found: name it with --time")
        return frame, None
    times, said = read_times(found.cells, str(path), date_format=date_format, timezone=timezone)
    notes += said
    frame, times = in_order(frame, times, notes)
    note_sampling(times, notes)
    return frame, times
