"""Which columns of a table are its channels."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider.errors import DataError, listed
from data_provider.read.columns import MissingColumnsError, exact, is_numeric, is_row_number
from data_provider.read.dialect import advice
from data_provider.read.number_times import unix_unit


def choose_channels(
    path: Path, frame: pd.DataFrame, wanted: Sequence[str] | None, others: Collection[str], notes: list[str]
) -> list[str]:
    """Return the channels: the user's, or all columns of numbers that serve no other purpose.

    Raises
    ------
    DataError
        When one cannot be a channel, or there is none.
    """
    if wanted is not None:
        names, absent = list(wanted), [name for name in wanted if name not in frame]
        if absent:
            raise MissingColumnsError(path, absent, frame.columns)
        if len(set(names)) < len(names) or set(others) & set(names):
            raise DataError(
                f"{path}: --channels {' '.join(names)}: channels must be unique and neither times nor labels: correct "
                "the list"
            )
        for name in names:
            if not is_numeric(frame[name]):
                cell = next((f" but {str(cell)[:40]!r}" for cell in frame[name].dropna().head(1)), "")
                raise DataError(f"{path}: column {name!r} holds no numbers{cell}: correct it, or choose other channels")
        return names
    names, left_out = [], []
    for name in frame:
        if name not in others and not is_row_number(name):
            (names if is_numeric(frame[name]) else left_out).append(name)
    rising = [name for name in names if unix_unit(numbers := exact(frame[name])) and (np.diff(numbers) > 0).all()]
    if rising:
        notes.append(
            f"channels that rise like Unix times: {listed(rising)}: use --time {rising[0]} if one holds the times"
        )
    if left_out:
        notes.append(f"not numeric, left out: {listed(left_out)}")
    if not names:
        cells = [(name, cell) for name in left_out for cell in frame[name].dropna().head(1)]
        shown = "".join(f"; {name!r} holds {cell!r}{advice(str(cell), '.')}" for name, cell in cells[:1])
        raise DataError(
            f"{path}: has no column of numbers apart from times and labels: add one for each channel{shown}"
        )
    return names
