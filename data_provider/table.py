"""A table of channels and labels as read from a CSV file, checked and turned into a series."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_provider.errors import DataError
from data_provider.series import Series


class Table(NamedTuple):
    """Columns of a file: their names, and their values as a float64 array of shape (columns, rows)."""

    names: tuple[str, ...]
    values: np.ndarray


def check_table(path: Path, table: Table) -> None:
    """Check that the table has rows, one label column of zeros and ones, and finite values.

    Raises
    ------
    DataError
        Which names the first bad row (counted from 1, the header aside) and its column.
    """
    if not table.values.size:
        raise DataError(f"{path}: there are no rows of data below the header")
    label = table.values[label_index(path, table)]
    _refuse_first(
        path, table, ~np.isfinite(table.values), "every value must be a finite number: fill or remove it"
    )
    other = np.zeros(table.values.shape, dtype=bool)
    other[label_index(path, table)] = (label != 0) & (label != 1)
    _refuse_first(path, table, other, "labels must be 0 or 1")


def label_index(path: Path, table: Table) -> int:
    """Position of the column named `label` (in any case)."""
    found = [index for index, name in enumerate(table.names) if name.lower() == "label"]
    if len(found) != 1:
        raise DataError(
            f"{path}: one column named 'label' is needed, found {len(found)} among {', '.join(table.names[:5])}, …: "
            "add the labels (0 normal, 1 anomalous)"
        )
    return found[0]


def _refuse_first(path, table, bad, remedy):
    rows = bad.any(axis=0)
    if rows.any():
        row = int(rows.argmax())
        column = int(bad[:, row].argmax())
        value = table.values[column, row]
        raise DataError(
            f"{path}: column '{table.names[column]}' holds {value:g} in data row {row + 1}; {remedy}"
        )


def series_from_table(path: Path, name: str, table: Table, train_rows: int, *, test_start: int) -> Series:
    """Cut a checked table into the training part (the first `train_rows`) and the test part from `test_start` on.

    Raises
    ------
    DataError
        When the training part is empty or leaves no test part.
    """
    rows = table.values.shape[1]
    if not 0 < train_rows < rows:
        raise DataError(
            f"{path}: {train_rows} training rows do not fit a file of {rows} rows: correct train_rows or train_lens"
        )
    label = label_index(path, table)
    channels = [index for index in range(len(table.names)) if index != label]
    if not channels:
        raise DataError(f"{path}: there is no channel beside 'label': add a column per channel")
    first, last = channels[0], channels[-1] + 1
    # A view where the label stands at an end, as in the files of the benchmark.
    values = table.values[first:last] if last - first == len(channels) else table.values[channels]
    return Series(
        name,
        values[:, :train_rows].T,
        values[:, test_start:].T,
        table.values[label, test_start:].astype(np.uint8),
        tuple(table.names[index] for index in channels),
    )
