"""Long tables, with a row for each value and the name of its channel, turned into one column per channel."""

import re
from pathlib import Path

import pandas as pd
from pandas.api import types

from data_provider.errors import DataError
from data_provider.read.columns import TIME_NAME, holds_dates, holds_times_of_day, is_numeric, is_row_number
from data_provider.read.labels import is_label_name

_KEY_NAME = re.compile(
    r"(sensor|channel|tag|variable|metric|parameter|device|machine|item|series|signal|unique|station|node|asset)s?"
    r"([ _-]?(id|name|no|nr|number))?|cols?|id|name|key",
    re.IGNORECASE,
)


def as_wide(path: Path, frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return a table with a column for each channel; a table that already has this form is returned as it is.

    Two forms are long: the project's own format (date, data, cols; a block of rows for each channel), and a table with
    times, a column that names the channel, and a column of values, in which all channels have the same times. Other
    columns of text may describe the channel, as its unit does.

    Raises
    ------
    DataError
        When it is long in another way; the message lists the accepted forms.
    """
    if {"data", "cols"} <= set(frame) <= {"date", "data", "cols", ""}:
        return _from_blocks(path, frame, notes)
    columns = [name for name in frame if not is_row_number(name)]
    times = [name for name in columns if holds_dates(frame[name]) or TIME_NAME.fullmatch(name)]
    keys = [
        name
        for name in columns
        if name not in times and _is_key(frame[name], name) and not holds_times_of_day(frame[name])
    ]
    keys = _naming(frame, keys)
    if not keys:
        return frame
    key, time = keys[0], next(iter(times), None)
    values = [
        name for name in columns if name not in (*times, *keys) and is_numeric(frame[name]) and not is_label_name(name)
    ]
    labels = [name for name in columns if name not in (*times, *keys) and is_label_name(name)]
    apart = time is None or frame[time].nunique() * 2 > len(frame) or frame.duplicated([time, *keys]).any()
    if apart and not (len(keys) == len(values) == 1 and _KEY_NAME.fullmatch(key)):
        return frame
    complete = not apart and frame[time].nunique() * frame[key].nunique() == len(frame)
    if len(keys) > 1 or len(values) != 1 or len(times) > 1 or len(labels) > 1 or not complete:
        raise DataError(
            f"{path}: this looks like a long file, whose rows belong to the series named in "
            f"column{'s' * (len(keys) > 1)} {' and '.join(map(repr, keys))}: use one column per series (in pandas: "
            "pivot), keep the rows of one of them, or name the columns to read as they are with --channels"
        )
    return _pivoted(frame, time, key, values[0], labels, notes)


def _naming(frame: pd.DataFrame, keys: list[str]) -> list[str]:
    """Return the key that determines all others, such as a sensor beside its unit; all keys if there is none."""
    if len(keys) < 2:
        return keys
    for key in sorted(keys, key=lambda name: _KEY_NAME.fullmatch(name) is None):
        if len(frame[keys].drop_duplicates()) == frame[key].nunique():
            return [key]
    return keys


def _is_key(column: pd.Series, name: str) -> bool:
    """Whether a column identifies series: a few texts, or numbers under such a name, each in several rows."""
    if not (types.is_integer_dtype(column) and _KEY_NAME.fullmatch(name)) and not _is_text(column):
        return False
    if types.is_float_dtype(column) or not 2 <= column.nunique() <= len(column) / 2 or is_label_name(name):
        return False
    return bool(column.notna().all() and column.value_counts().min() >= 2)


def _is_text(column: pd.Series) -> bool:
    if is_numeric(column) or not (types.is_object_dtype(column) or types.is_string_dtype(column)):
        return False
    return all(isinstance(cell, str) for cell in column)


def _pivoted(frame, time, key, value, labels, notes) -> pd.DataFrame:
    frame = frame.assign(**{key: frame[key].astype(str).str.strip()})
    order = frame[key].unique()
    wide = frame.pivot(index=time, columns=key, values=value).reindex(frame[time].unique())[order]
    if labels:
        wide[labels[0]] = frame.groupby(time, sort=False)[labels[0]].max().reindex(wide.index)
    notes.append(
        f"a long file, read with a column for each of the {len(order)} channels named in column {key!r}; the values "
        f"are those of column {value!r}"
    )
    wide = wide.reset_index()
    return wide.set_axis([str(name) for name in wide.columns], axis=1).set_axis(pd.RangeIndex(1, len(wide) + 1))


def _from_blocks(path: Path, frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Read the project's own long format, in which the rows of a channel are contiguous."""
    if frame["cols"].isna().any():
        row = frame.index[int(frame["cols"].isna().to_numpy().argmax())]
        raise DataError(f"{path}: row {row} of column 'cols' names no channel: complete it")
    names = frame["cols"].astype(str).str.strip()
    blocks = {name: rows for name, rows in frame.groupby(names, sort=False)}
    if (names != names.shift()).sum() != len(blocks):
        raise DataError(f"{path}: column 'cols' has a second block of a channel: keep the rows of each together")
    first = next(iter(blocks))
    for name, rows in blocks.items():
        if len(rows) != len(blocks[first]):
            raise DataError(
                f"{path}: {name!r} has {len(rows)} rows, but {first!r} has {len(blocks[first])}: complete it"
            )
        if "date" in frame and rows["date"].tolist() != blocks[first]["date"].tolist():
            raise DataError(f"{path}: {name!r} and {first!r} have different dates: give all channels the same ones")
    index = pd.RangeIndex(1, len(blocks[first]) + 1)
    columns = {"date": blocks[first]["date"].set_axis(index)} if "date" in frame else {}
    columns |= {name: rows["data"].set_axis(index) for name, rows in blocks.items()}
    notes.append(f"a long file (date, data, cols), read with a column for each of its {len(blocks)} blocks of rows")
    return pd.DataFrame(columns)
