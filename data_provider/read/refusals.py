"""The error for an unusable cell, with its place in the file."""

import numpy as np
import pandas as pd

from data_provider.errors import DataError


def refuse(source: str, column: pd.Series, wrong: np.ndarray | pd.Series, fault: str) -> None:
    """Refuse the first cell that is wrong.

    Raises
    ------
    DataError
    """
    wrong = np.asarray(wrong)
    if wrong.any():
        place = int(wrong.argmax())
        cell = column.iloc[place]
        shown = repr(cell) if isinstance(cell, str) else "nothing" if pd.isna(cell) else cell
        raise DataError(f"{source}: row {column.index[place]} of column {column.name!r} holds {shown}, {fault}")
