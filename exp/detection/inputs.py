"""Arrays as accepted by a detector: one-dimensional ones and pandas Series are one channel."""

from typing import Any

import numpy as np
import pandas as pd

from data_provider import DataError

TIMES = ("M", "m")  # kinds of dtype: dates, and durations


def as_table(X: Any) -> Any:
    """Return X with its channels as columns.

    Parameters
    ----------
    X : array, sequence, Series or DataFrame
        If one-dimensional, of shape (n,), it is one channel; a Series' name is that channel's.

    Returns
    -------
    array or DataFrame of shape (n, 1), or X itself if it is not one-dimensional

    Raises
    ------
    DataError
        When two columns of a DataFrame have the same name. Also raises the errors of `check_numbers`.
    """
    check_numbers(X)
    if isinstance(X, pd.Series):
        return X.to_frame() if isinstance(X.name, str) else X.to_numpy()[:, None]
    if isinstance(X, pd.DataFrame):
        twice = X.columns[X.columns.duplicated()]
        if len(twice):
            raise DataError(f"column {twice[0]!r} occurs twice: rename one")
        return X
    if isinstance(X, (list, tuple)) and all(np.ndim(value) == 0 for value in X):
        X = np.asarray(X)
    return X[:, None] if getattr(X, "ndim", None) == 1 and len(X) else X


def check_numbers(X: Any) -> None:
    """Refuse masked values and times, which would silently become other numbers, and columns of text.

    Raises
    ------
    DataError
        One line that says which they are.
    """
    if np.ma.is_masked(X):
        raise DataError("some values are masked: fill them, or leave their rows out")
    if isinstance(X, pd.DataFrame):
        for name, column in X.items():
            text = _first_text(column) if column.dtype.kind == "O" else None
            if text is not None or column.dtype.kind in TIMES:
                held = "times" if text is None else f"text, such as {text!r}"
                raise DataError(f"column {name!r} holds {held}: leave it out, or make it the index")
    elif getattr(getattr(X, "dtype", None), "kind", None) in TIMES:
        raise DataError("the values are times: give those of the channels")


def _first_text(column: pd.Series) -> Any:
    """Return the first cell that is not a number, or None."""
    text = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
    return text.iloc[0] if len(text) else None
