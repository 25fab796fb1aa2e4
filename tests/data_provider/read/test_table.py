from pathlib import Path

import numpy as np
import pytest

from data_provider import DataError
from data_provider.read.table import Table, check_table, series_from_table

PATH = Path("folder/X.csv")


def table(**columns):
    return Table(tuple(columns), np.array(list(columns.values()), dtype=np.float64))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [], "label": []}, "has no rows of data below the header: complete the file"),
        ({"a": [1]}, "0 columns are named 'label', expected one (0 normal, 1 anomalous): give only the"),
        ({"Label": [1], "label": [1]}, "2 columns are named 'label', expected one"),
        (
            {"a": [0, 1, np.nan], "b": [0, np.inf, 1], "c": [0, np.nan, 1], "label": [0, 0, 0]},
            "row 2 of column 'b' holds inf; every value must be a finite number: fill or remove it",
        ),
        ({"a": [-np.inf, 1], "label": [0, 0]}, "row 1 of column 'a' holds -inf; every value must be"),
        ({"a": [1, 2], "label": [0, np.nan]}, "row 2 of column 'label' holds nan; every value must be"),
        ({"a": [7, 7, 7], "label": [0, 1, 2]}, "row 3 of column 'label' holds 2; a label must be 0 or 1: correct it"),
        ({"a": [7, 7], "label": [0.5, 1]}, "row 1 of column 'label' holds 0.5; a label must be 0 or 1"),
    ],
)
def test_faults(columns, message):
    with pytest.raises(DataError) as caught:
        check_table(PATH, table(**columns))
    assert str(caught.value).startswith(f"{PATH}: {message}")


@pytest.mark.parametrize("names", ["a b label", "a label b", "label a b"])
def test_the_label_may_stand_anywhere(names):
    columns = {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8], "label": [0, 0, 1, 0]}
    ordered = {name: columns[name] for name in names.split()}
    series = series_from_table(PATH, "X", table(**ordered), 1, test_start=1)
    assert series.channels == ("a", "b")
    assert series.train.tolist() == [[1, 5]]
    assert series.test.tolist() == [[2, 6], [3, 7], [4, 8]]
    assert series.test_label.tolist() == [0, 1, 0]
    assert series.test_label.dtype == np.uint8


def test_channels_before_the_label_are_not_copied():
    source = table(a=[1, 2], label=[0, 1])
    assert np.shares_memory(series_from_table(PATH, "X", source, 1, test_start=1).train, source.values)


@pytest.mark.parametrize("train_rows", [-1, 0, 2, 3])
def test_training_rows_that_do_not_fit(train_rows):
    with pytest.raises(DataError, match=f"a training part of {train_rows} rows does not fit 2 rows of data: correct"):
        series_from_table(PATH, "X", table(a=[1, 2], label=[0, 1]), train_rows, test_start=train_rows)


def test_labels_alone():
    with pytest.raises(DataError, match="has no column besides 'label': add one per channel"):
        series_from_table(PATH, "X", table(label=[0, 1]), 1, test_start=1)
