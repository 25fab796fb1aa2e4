import numpy as np
import pytest

from data_provider import DataError, read_dataset
from data_provider.read import csv_stream
from data_provider.read.wide_csv import read_wide_csv
from tests.support.paths import SHARED


@pytest.mark.parametrize("extra", ["date", "Time", "timestamp_(min)", "DateTime", ""])
def test_columns_that_are_no_channels_are_not_read(tmp_path, extra):
    path = tmp_path / "X.csv"
    path.write_text(f"{extra}, a ,label,time of day\n10:00,1,0,3\n10:01,2.5,1,4\n")
    table = read_wide_csv(path)
    assert table.names == ("a", "label", "time of day")
    assert table.values.tolist() == [[1, 2.5], [0, 1], [3, 4]]


@pytest.mark.parametrize("name", ["ts", "epoch", "TS", "time", "date_index", "timestamp_(min)"])
@pytest.mark.parametrize("numbers", [(0, 1, 2), (0.5, 0.75, 3), (1718150400, 1718150390, 1718150400)])
def test_numbers_that_are_times_are_no_channel(tmp_path, name, numbers):
    path = tmp_path / "X.csv"
    path.write_text(f"{name},a,label\n" + "".join(f"{number},{index},0\n" for index, number in enumerate(numbers)))
    table = read_wide_csv(path)
    assert table.names == ("a", "label")
    assert table.values.tolist() == [[0, 1, 2], [0, 0, 0]]


@pytest.mark.parametrize("name", ["ts", "epoch", "TS", "time"])
def test_numbers_below_a_name_of_times_that_do_not_rise_are_doubtful(tmp_path, name):
    path = tmp_path / "X.csv"
    path.write_text(f"{name},a,label\n3,1,0\n1,2,1\n2,3,0\n")
    with pytest.raises(DataError, match=rf"X.csv: column '{name}' .* do not rise .* remove it .* rename it"):
        read_wide_csv(path)


def test_rows_over_many_blocks(tmp_path, monkeypatch):
    values = np.random.default_rng(0).standard_normal((300, 3))
    path = tmp_path / "X.csv"
    lines = [",".join(repr(float(value)) for value in row) for row in values]
    path.write_text("\n".join(["a,b,c", *lines]))
    monkeypatch.setattr(csv_stream, "BLOCK_BYTES", 128)
    np.testing.assert_array_equal(read_wide_csv(path).values.T, values)


def test_a_missing_cell_is_nan_and_left_to_the_check(tmp_path):
    path = tmp_path / "X.csv"
    path.write_text("a,label\n,0\nNaN,1\n")
    assert np.isnan(read_wide_csv(path).values[0]).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,0\n2,O\n", "line 3: column 'label' holds 'O', which is not a number: correct it"),
        ("1,0\n2,0,7\n", "line 3: 3 cells, but the header has 2 columns: correct the line"),
    ],
)
def test_faults(tmp_path, rows, message):
    path = tmp_path / "X.csv"
    path.write_text("a,label\n" + rows)
    with pytest.raises(DataError) as caught:
        read_wide_csv(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_real_server_as_a_wide_file(tmp_path):
    source = SHARED / "data" / "SMD" / "machine-1-6.npz"
    if not source.exists():
        pytest.skip("needs the SMD server in ../shared")
    with np.load(source) as stored:
        arrays = {name: array[:3000] for name, array in stored.items()}
    label = np.concatenate([np.zeros(3000, np.int8), arrays["test_label"]])
    values = np.concatenate([arrays["train"], arrays["test"]])
    (tmp_path / "data").mkdir()
    with open(tmp_path / "data" / "machine-1-6.csv", "w") as file:
        file.write(",".join([*(f"channel_{index}" for index in range(38)), "label"]) + "\n")
        np.savetxt(file, np.column_stack([values, label]), delimiter=",", fmt="%.9g")
    series = read_dataset(tmp_path, "machine-1-6", train_rows=3000)
    np.testing.assert_array_equal(series.train.astype(np.float32), arrays["train"])
    np.testing.assert_array_equal(series.test.astype(np.float32), arrays["test"])
    np.testing.assert_array_equal(series.test_label, arrays["test_label"])
