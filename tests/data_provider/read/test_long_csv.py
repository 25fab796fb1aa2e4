import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_provider import DataError, Series, read_dataset
from data_provider.read import csv_stream
from data_provider.read.long_csv import read_long_csv, write_long_csv
from tests.support.paths import SHARED


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("date,data,cols", "2020-01-01 00:00,{value},{name}"),
        ("data,cols", "{value},{name}"),
        ('"date","data","cols"', '1,"{value}",{name}'),
        ("\ufeffcols, data ,date", "{name}, {value} ,x"),
    ],
)
def test_columns_in_any_order_and_the_date_missing(tmp_path, header, line):
    rows = [(1.5, "a"), (-2e-3, "a"), (0, '"b,c"'), (7, '"b,c"'), (0, "label"), (1, "label")]
    lines = [line.format(value=value, name=name) for value, name in rows]
    table = read_long_csv(write(tmp_path / "X.csv", "\n".join([header, *lines])))
    assert table.names == ("a", "b,c", "label")
    assert table.values.tolist() == [[1.5, -0.002], [0, 7], [0, 1]]


def test_blocks_that_end_within_and_between_the_reader_s_blocks(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    values = random.standard_normal((500, 7))
    series = Series("X", values[:300], values[300:], np.ones(200, np.uint8), tuple("abcdefg"))
    write_long_csv(tmp_path / "X.csv", series)
    for size in (64, 1000, 4096):
        monkeypatch.setattr(csv_stream, "BLOCK_BYTES", size)
        table = read_long_csv(tmp_path / "X.csv")
        assert table.names == (*"abcdefg", "label")
        np.testing.assert_array_equal(table.values[:-1].T, values)
        assert table.values[-1].tolist() == [0] * 300 + [1] * 200


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_written_values_read_back_exactly(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("long") / "X.csv"
    column = np.array(values)[:, None]
    name = 'a "quoted", name'
    write_long_csv(path, Series("X", column[:1], column[1:], np.zeros(len(values) - 1, np.uint8), (name,)))
    table = read_long_csv(path)
    assert table.names == (name, "label")
    np.testing.assert_array_equal(table.values[0], values)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write(tmp_path / "X.csv", "old")
    unequal = Series("X", np.zeros((2, 1)), np.zeros((3, 1)), np.zeros(9, np.uint8), ("a",))
    with pytest.raises(ValueError, match="length"):
        write_long_csv(path, unequal)
    assert [file.name for file in tmp_path.iterdir()] == ["X.csv"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,a\n2,a\n3,b\n0,label\n1,label", "column 'b' has 1 rows, but the longest has 2: complete it"),
        ("1,a\n2,b\n3,a\n4,b\n0,label", "column 'cols' has a second block of 'a': put its rows together"),
        ("1,a\nx1,a\n0,label", "line 3: column 'data' holds 'x1', which is not a number: correct it"),
        ("1,a\n1\n0,label\n0,label", "line 3: 1 cells, but the header has 2 columns: correct the line"),
    ],
)
def test_faults(tmp_path, rows, message):
    path = write(tmp_path / "X.csv", "data,cols\n" + rows)
    with pytest.raises(DataError) as caught:
        read_long_csv(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_fault_far_down_names_its_line(tmp_path):
    path = write(tmp_path / "X.csv", "data,cols\n" + "1.25,channel\n" * 2_000_000 + "none,channel\n")
    with pytest.raises(DataError, match="line 2000002: column 'data' holds 'none'"):
        read_long_csv(path)


def test_msl_round_trip(tmp_path):
    source = SHARED / "data" / "MSL.npz"
    if not source.exists():
        pytest.skip("needs the MSL archive in ../shared")
    with np.load(source) as stored:
        arrays = dict(stored)
    names = tuple(f"channel_{index}" for index in range(arrays["train"].shape[1]))
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "MSL.csv"
    write_long_csv(path, Series("MSL", arrays["train"], arrays["test"], arrays["test_label"], names))
    for _ in ("from the CSV", "from the cache"):
        series = read_dataset(tmp_path, "MSL", train_rows=58317)
        assert series.channels == names
        for part in ("train", "test", "test_label"):
            np.testing.assert_array_equal(getattr(series, part), arrays[part])


def test_memory_stays_near_the_size_of_the_values(tmp_path):
    """4 million lines are 32 MB of values; a reader that keeps the row names needs many times that."""
    values = np.arange(500_000.0)[:, None].repeat(7, axis=1)
    path = tmp_path / "X.csv"
    write_long_csv(path, Series("X", values[:9], values[9:], np.zeros(499_991, np.uint8), tuple("abcdefg")))
    default = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(default)
    pa.set_memory_pool(counted)
    tracemalloc.start()
    try:
        read_long_csv(path)
        _, python_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(default)
    assert 32e6 <= python_peak < 64e6
    assert counted.max_memory() < 300e6
