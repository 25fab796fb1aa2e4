"""The columns of a CSV file, checked and turned into a series."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_provider.errors import DataError
from data_provider.series import LARGEST, Series


class Table(NamedTuple):
    """Channels and labels: their names, and their values as a float64 array of shape (columns, rows)."""

    names: tuple[str, ...]
    values: np.ndarray


def check_table(path: Path, table: Table) -> None:
    """Check that there are rows, one column of labels 0 and 1, and finite values.

    Raises
    ------
    DataError
        Names the first bad row, counted from 1, and the first bad column in it.
    """
    if not table.values.size:
        raise DataError(f"{path}: has no rows of data below the header: complete the file")
    index = label_index(path, table)
    label = Table(table.names[index : index + 1], table.values[index : index + 1])
    _refuse(path, table, ~np.isfinite(table.values), "every value must be a finite number: fill or remove it")
    if max(table.values.max(), -table.values.min()) > LARGEST:
        fault = f"only values up to {LARGEST:g} can be handled: correct or remove it"
        _refuse(path, table, np.abs(table.values) > LARGEST, fault)
    _refuse(path, label, (label.values != 0) & (label.values != 1), "a label must be 0 or 1: correct it")


def _refuse(path, table, bad, remedy):
    rows = bad.any(axis=0)
    if rows.any():
        row = int(rows.argmax())
        column = int(bad[:, row].argmax())
        value = table.values[column, row]
        raise DataError(f"{path}: row {row + 1} of column '{table.names[column]}' holds {value:g}; {remedy}")


def label_index(path: Path, table: Table) -> int:
    """Position of the column named `label`, ignoring case.

    Raises
    ------
    DataError
        When there is no such column or more than one.
    """
    found = [index for index, name in enumerate(table.names) if name.lower() == "label"]
    if len(found) != 1:
        raise DataError(
            f"{path}: {len(found)} columns are named 'label', expected one (0 normal, 1 anomalous): "
            "give only the column of labels this name"
        )
    return found[0]


def series_from_table(path: Path, name: str, table: Table, train_rows: int, *, test_start: int) -> Series:
    """Split a validated table into the training part, its first rows, and the test part, from `test_start` on.

    Raises
    ------
    DataError
        When the training part is empty or reaches the end of the table, or there is no channel.
    """
    rows = table.values.shape[1]
    if not 0 < train_rows < rows:
        raise DataError(
            f"{path}: a training part of {train_rows} rows does not fit {rows} rows of data: "
            "correct train_rows, train_lens in DETECT_META.csv, or the number in the file's name"
        )
    label = label_index(path, table)
    if len(table.names) == 1:
        raise DataError(f"{path}: has no column besides 'label': add one per channel")
    # Labels come last in the benchmark's files, so the channels before them need no copy.
    at_end = label == len(table.names) - 1
    values = table.values[:label] if at_end else np.delete(table.values, label, axis=0)
    return Series(
        name,
        values[:, :train_rows].T,
        values[:, test_start:].T,
        table.values[label, test_start:].astype(np.uint8),
        table.names[:label] + table.names[label + 1 :],
        table.values[label, :train_rows].astype(np.uint8),
    )
