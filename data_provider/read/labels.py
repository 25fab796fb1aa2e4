"""The column of labels: its usual names and its possible values."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from data_provider.errors import DataError
from data_provider.read.refusals import refuse

_NAME = re.compile(
    r"((gt|true)[ _-]?)?labels?|(is[ _-]?)?(anom|anomal(y|ies|ous)|abnormal|outliers?|att|attacks?)"
    r"([ _-]?(labels?|flag))?|is[ _-]?(fault|faulty|failure)|label[ _-]?anomaly|"
    r"change[ _-]?points?|ground[ _-]?truth|gt|y[ _-]?true|normal[ _/-]attack",
    re.IGNORECASE,
)
_WORDS = {
    **dict.fromkeys(("0", "0.0", "normal", "false", "no", "benign", "f", "n", "nominal", "inlier"), 0),
    **dict.fromkeys(("1", "1.0", "anomaly", "anomalous", "abnormal", "true", "yes", "attack", "a ttack"), 1),
    **dict.fromkeys(("t", "y", "outlier", "fault", "faulty"), 1),
}


def is_label_name(name: str) -> bool:
    """Return whether the name is usual for a column of labels."""
    return _NAME.fullmatch(name) is not None


def choose_label(
    path: Path,
    frame: pd.DataFrame,
    wanted: str | None,
    times: Collection[str],
    channels: Collection[str],
    notes: list[str],
) -> tuple[str | None, list[str]]:
    """Return the column of labels, and other columns that hold labels.

    Parameters
    ----------
    path : Path
    frame : DataFrame
    wanted : str or None
        The user's choice of column.
    times : collection of str
        Columns of times.
    channels : collection of str
        Columns that the user names as channels are not labels, unless named `label`.
    notes : list of str

    Raises
    ------
    DataError
        When there are several candidates, or one has such a name but holds something else.
    """
    free = [name for name in frame if name not in times and (name not in channels or name.lower() == "label")]
    found = [name for name in free if is_label_name(name) and name != wanted]
    if wanted is not None:
        others = [name for name in found if _values(frame[name]) is not None]
        if others:
            notes.append(f"other columns of labels, left out: {', '.join(others)}")
        return wanted, others
    if len(found) > 1:
        raise DataError(f"{path}: columns {', '.join(found)}: say which one holds the labels with --label")
    if not found:
        return None, []
    (name,) = found
    if name.lower() != "label":
        if _values(frame[name]) is None:
            raise DataError(
                f"{path}: column {name!r} is named like labels but holds other values: name the labels with --label, "
                "or all channels with --channels"
            )
        notes.append(f"column {name!r} is taken as the labels; to make it a channel, use --channels")
    return name, []


def note_possible_labels(frame: pd.DataFrame, channels: list[str], notes: list[str]) -> None:
    """Point out the one channel, among others, that holds only 0 and at most as many 1, as labels do."""
    found = [name for name in channels if types.is_numeric_dtype(frame[name]) and _is_binary(frame[name])]
    if len(found) == 1 < len(channels):
        notes.append(f"channel {found[0]!r} holds only 0 and 1: if these are labels, use --label {found[0]}")


def _is_binary(column: pd.Series) -> bool:
    return bool(column.isin([0, 1]).all()) and 0 < column.mean() <= 0.5


def read_labels(path: Path, column: pd.Series) -> np.ndarray:
    """Return labels, uint8 (n,).

    Raises
    ------
    DataError
        When a cell is not a label.
    """
    values = _mapped(column)
    fault = "but a label is 0 or 1, or a word such as normal and anomaly: correct it, or name the labels with --label"
    refuse(str(path), column, values.isna(), fault)
    return values.to_numpy(np.uint8)


def _mapped(column: pd.Series) -> pd.Series:
    if types.is_numeric_dtype(column):
        values = column.astype("Float64") if types.is_extension_array_dtype(column) else column.astype(np.float64)
        return values.where(values.isin([0, 1]))
    return column.astype(str).str.strip().str.lower().map(_WORDS).where(column.notna())


def _values(column: pd.Series) -> pd.Series | None:
    values = _mapped(column)
    return None if values.isna().any() else values
