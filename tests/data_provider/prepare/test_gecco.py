"""GECCO from its R package's file, and any dataset from one NumPy archive."""

import sys

import numpy as np
import pandas as pd
import pytest

from data_provider import read_dataset
from data_provider.prepare import datasets
from data_provider.prepare.__main__ import main
from data_provider.prepare.gecco import CHANNELS
from tests.support.paths import REPOSITORY

SHARED = REPOSITORY.parent / "shared" / "data"


def run(name, source, out, *options):
    return main([name, "--source", str(source), "--out", str(out), *options])


def refuse(capsys, message, name, source, out, *options):
    assert run(name, source, out, *options) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert not out.exists()


def expect_sizes(monkeypatch, train, test, anomalous, channels=9):
    sizes = {"channels": channels, "train_rows": train, "test_rows": test, "anomalous": anomalous}
    monkeypatch.setitem(datasets.MULTIVARIATE, "GECCO", datasets.MULTIVARIATE["GECCO"]._replace(**sizes))


def frame(rows=9):
    """Return a data frame like the package's: nine measurements, rows 1 and 4 incomplete, two events."""
    columns = {"Time": np.arange(float(rows))}
    columns |= {name: np.arange(rows) + index / 8 for index, name in enumerate(CHANNELS)}
    table = pd.DataFrame(columns | {"EVENT": np.arange(rows) % 7 == 5})
    table.loc[1, "Tp"] = table.loc[4, "Fm_2"] = np.nan
    return table


def write_rda(path, table, name="geccoIC2018Train"):
    rdata = pytest.importorskip("rdata", reason="needs the package rdata, see requirements-dev.txt")
    if not hasattr(rdata, "write_rda"):
        pytest.skip("needs a newer rdata, which writes")
    rdata.write_rda(path, {name: table})
    return path


def test_the_packages_file_is_cut_in_half_without_its_incomplete_rows(tmp_path, monkeypatch, caplog):
    (tmp_path / "data").mkdir()
    path = write_rda(tmp_path / "data" / "geccoIC2018Train.rda", frame())
    expect_sizes(monkeypatch, 3, 4, 25.0)
    with caplog.at_level("INFO"):
        assert run("GECCO", tmp_path, tmp_path / "out") == 0
    assert f"{path}: 2 of 9 rows have a missing value and are dropped" in caplog.messages
    found = read_dataset(tmp_path / "out", "GECCO")
    assert found.channels == CHANNELS
    np.testing.assert_array_equal(found.train[:, 0], [0, 2, 3])
    np.testing.assert_array_equal(found.test[:, 8], np.array([5, 6, 7, 8]) + 1)
    np.testing.assert_array_equal(found.test_label, [1, 0, 0, 0])


def test_a_row_without_a_label_is_left_out(tmp_path, monkeypatch):
    table = frame()
    table["EVENT"] = table["EVENT"].astype("boolean")
    table.loc[8, "EVENT"] = pd.NA
    write_rda(tmp_path / "geccoIC2018Train.rda", table)
    expect_sizes(monkeypatch, 3, 3, 33.3)
    assert run("GECCO", tmp_path, tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("table", "name", "message"),
    [
        (frame().drop(columns="pH"), "geccoIC2018Train", "geccoIC2018Train has no column pH: download it again"),
        (frame(), "geccoIC2018Test", "has no data frame geccoIC2018Train: download it again"),
        (frame().assign(Cl="x"), "geccoIC2018Train", "geccoIC2018Train has a cell that is not a number: "),
        (frame().assign(Cl=np.inf), "geccoIC2018Train", "row 1, column 2 holds inf, which is not a finite number"),
        (frame().assign(EVENT=3.0), "geccoIC2018Train", "row 1 holds 3; a label must be 0 or 1"),
    ],
)
def test_a_faulty_data_frame(tmp_path, capsys, table, name, message):
    path = write_rda(tmp_path / "geccoIC2018Train.rda", table, name)
    assert run("GECCO", tmp_path, tmp_path / "out") == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {path}: {message}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"RDX3\nX\n", b"<html>not found</html>", None])
def test_a_damaged_file_of_the_package(tmp_path, capsys, content):
    path = write_rda(tmp_path / "geccoIC2018Train.rda", frame())
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    refuse(capsys, f"{path}: cannot be read as R data: ", "GECCO", tmp_path, tmp_path / "out")


def test_without_the_package_that_reads_it(tmp_path, capsys, monkeypatch):
    (tmp_path / "geccoIC2018Train.rda").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "rdata", None)
    message = f"{tmp_path / 'geccoIC2018Train.rda'}: reading it needs the package rdata: pip install rdata"
    refuse(capsys, message, "GECCO", tmp_path, tmp_path / "out")


# One archive NAME.npz


def arrays(**changed):
    values = {"train": np.arange(8.0).reshape(4, 2), "test": np.ones((5, 2)), "test_label": np.arange(5) == 3}
    return {name: part for name, part in (values | changed).items() if part is not None}


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize(("columns", "channels"), [(None, ("channel_0", "channel_1")), (["Tp", "Cl"], ("Tp", "Cl"))])
def test_an_archive_of_arrays(tmp_path, monkeypatch, as_folder, columns, channels):
    expect_sizes(monkeypatch, 4, 5, 20.0, channels=2)
    path = tmp_path / ("GECCO.npz" if as_folder else "any.npz")
    np.savez(path, **arrays(columns=columns))
    assert run("GECCO", tmp_path if as_folder else path, tmp_path / "out") == 0
    found = read_dataset(tmp_path / "out", "GECCO")
    assert found.channels == channels
    for name, values in arrays().items():
        np.testing.assert_array_equal(getattr(found, name), values)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_label": None}, ": has no array test_label: add what is missing"),
        ({"train": np.array(["a"])}, ": train: contains no table of numbers: download it again"),
        ({"train": np.array([[1.0, np.nan]])}, ": train: row 1, column 2 holds nan, which is not a finite number"),
        ({"test": np.ones((5, 3))}, ": test: 3 channels, the training part has 2: download both again"),
        ({"test_label": np.ones(4)}, ": test_label: 4 x 1 labels for 5 test rows"),
        ({"test_label": np.full(5, 2)}, ": test_label: row 1 holds 2; a label must be 0 or 1"),
        ({"columns": np.array(["a"])}, ": columns must be 2 unique strings"),
        ({"columns": np.array(["a", "a"])}, ": columns must be 2 unique strings"),
        ({"train": np.array([None])}, ": cannot be read as a NumPy archive: "),
        ({}, ": GECCO has 2 channels instead of 9, 4 training rows instead of "),
    ],
)
def test_a_faulty_archive_of_arrays(tmp_path, capsys, changed, message):
    path = tmp_path / "x.npz"
    np.savez(path, **arrays(**changed))
    refuse(capsys, f"{path}{message}", "GECCO", path, tmp_path / "out")


@pytest.mark.parametrize("size", [0, 10, 300])
def test_a_damaged_archive_of_arrays(tmp_path, capsys, size):
    path = tmp_path / "GECCO.npz"
    np.savez(path, **arrays())
    path.write_bytes(path.read_bytes()[:size])
    refuse(capsys, f"{path}: cannot be read as a NumPy archive: ", "GECCO", tmp_path, tmp_path / "out")


@pytest.mark.skipif(not (SHARED / "GECCO.npz").exists(), reason="needs ../shared/data/GECCO.npz")
def test_the_real_numbers(tmp_path):
    expected = np.load(SHARED / "GECCO.npz")
    assert run("GECCO", SHARED / "GECCO.npz", tmp_path) == 0
    found = read_dataset(tmp_path, "GECCO")
    assert (len(found.train), len(found.test), found.test_label.sum()) == (69_260, 69_261, 730)
    assert found.channels == CHANNELS == tuple(expected["columns"])
    for part in ("train", "test", "test_label"):
        np.testing.assert_array_equal(getattr(found, part), expected[part])


@pytest.mark.skipif(not (SHARED / "GECCO.npz").exists(), reason="needs ../shared/data/GECCO.npz")
def test_the_real_numbers_in_the_packages_form(tmp_path):
    """The complete rows with incomplete ones scattered among them, written like the package's."""
    parts = np.load(SHARED / "GECCO.npz")
    values = np.concatenate([parts["train"], parts["test"]])
    label = np.concatenate([parts["train_label"], parts["test_label"]]).astype(bool)
    places = np.sort(np.random.default_rng(0).integers(0, len(values), 1045))
    values, label = np.insert(values, places, np.nan, axis=0), np.insert(label, places, False)
    table = pd.DataFrame(values, columns=CHANNELS).assign(EVENT=label)
    write_rda(tmp_path / "geccoIC2018Train.rda", table)
    assert run("GECCO", tmp_path, tmp_path / "out") == 0
    found = read_dataset(tmp_path / "out", "GECCO")
    assert (len(found.train), len(found.test), found.test_label.sum()) == (69_260, 69_261, 730)
    for part in ("train", "test", "test_label"):
        np.testing.assert_array_equal(getattr(found, part), parts[part])
