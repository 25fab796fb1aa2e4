from pathlib import Path

import numpy as np
import pytest

from data_provider import DataError, read_dataset, read_tsb_ad, read_ucr, split_series
from data_provider.prepare import NAMES, publishers
from data_provider.prepare.archives import ARCHIVES
from data_provider.prepare.servers import FAMILIES
from data_provider.read.missing import FOLDERS, ON_REQUEST, SERVERS, TABLES, prepare_series_command
from tests.support.paths import REPOSITORY

SHARED = REPOSITORY.parent / "shared"
EMBEDDED = REPOSITORY / "dataset/UCR_Anomaly_FullData/135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt"
PREPARE = "python -m data_provider.prepare"
LONG = "data,cols\n1,a\n2,a\n3,a\n4,b\n5,b\n6,b\n0,label\n0,label\n1,label\n"
WIDE = "date,a,b,label\nx,1,4,0\ny,2,5,0\nz,3,6,1\n"


def shared(*names):
    path = SHARED.joinpath(*names)
    if not path.exists():
        pytest.skip(f"needs ../shared/{'/'.join(names)}")
    return path


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "DETECT_META.csv").write_text("file_name,trend,train_lens\nTOY.csv,,2\nMSL.csv,,58317\nBAD.csv,,x\n")
    return tmp_path


def expect(message, read, *arguments, **options):
    """Check that the call fails with one line with this start."""
    with pytest.raises(DataError) as caught:
        read(*arguments, **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [LONG, WIDE, WIDE.replace("label", "Label")])
@pytest.mark.parametrize(("options", "cut"), [({}, 2), ({"train_rows": 1}, 1)])
def test_long_and_wide_files_give_the_same_series(root, text, options, cut):
    (root / "data" / "TOY.csv").write_text(text)
    for _ in ("from the CSV", "from the cache"):
        series = read_dataset(root, "TOY", **options)
        assert (series.name, series.channels) == ("TOY", ("a", "b"))
        assert series.train.tolist() == [[1, 4], [2, 5], [3, 6]][:cut]
        assert series.test.tolist() == [[1, 4], [2, 5], [3, 6]][cut:]
        assert series.test_label.tolist() == [0, 0, 1][cut:]
        assert {series.train.dtype, series.test.dtype} == {np.dtype(np.float64)}


def test_a_cached_series_goes_through_the_split(root):
    (root / "data" / "TOY.csv").write_text(LONG)
    first, second = (split_series(read_dataset(root, "TOY")) for _ in range(2))
    np.testing.assert_array_equal(first.test, second.test)
    assert type(second.test) is np.ndarray


def test_missing_folder_or_file(root):
    nowhere = root / "nowhere"
    expect(f"{nowhere}: no such folder; name the one with DETECT_META.csv and data/ (see", read_dataset, nowhere, "TOY")
    path = root / "data" / "TOY.csv"
    message = f"{path}: no such file; download TOY.csv of the TAB benchmark and put it there (see dataset/README.md)"
    expect(message, read_dataset, root, "TOY")
    (root / "data").rmdir()
    expect(message, read_dataset, root, "TOY")
    expect(
        f"{path}: no such file; download the UCR Anomaly Archive and put its files there: {PREPARE} UCR", read_ucr, path
    )
    expect(f"{path}: no such file; download TSB-AD-U and put its files there: {PREPARE} TSB", read_tsb_ad, path)
    meta = root / "DETECT_META.csv"
    meta.unlink()
    expect(f"{meta}: no such file; copy it from the repository's dataset folder", read_dataset, root, "TOY")
    expect(message, read_dataset, root, "TOY", train_rows=1)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        *((name, f"{name} --download") for name in ("SMD", "MSL", "SMAP", "PSM", "GECCO", "SWAN")),
        ("SWAT", "SWAT --source DIR"),
        ("machine-1-6", "SMD --server machine-1-6 --download"),
        ("omi-12", "ASD --server omi-12 --download"),
    ],
)
def test_a_missing_dataset_names_the_command_that_makes_it(root, name, command):
    for folder in (root, root / "nowhere"):
        path = folder / "data" / f"{name}.csv"
        ready = f", or download {name}.csv of the TAB benchmark" if name in TABLES else ""
        message = f"{path}: no such file; create it: {PREPARE} {command} --out {folder}{ready} (see dataset/README.md)"
        expect(message, read_dataset, folder, name)
        expect(message, read_dataset, folder, name, train_rows=3)


def test_the_folder_of_the_tables_in_place_of_the_one_above(root):
    (root / "data" / "MSL.csv").write_text("a,label\n1,0\n")
    folder = root / "data"
    expect(f"{folder / 'data' / 'MSL.csv'}: no such file; name the folder above: {root}", read_dataset, folder, "MSL")


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        (Path("dataset/UCR_Anomaly_FullData"), f"{PREPARE} UCR --download"),
        (Path("dataset/TSB-AD-U"), f"{PREPARE} TSB-AD-U --download"),
        (Path("/data/TSB-AD-U"), f"{PREPARE} TSB-AD-U --download --out /data"),
        (Path("/data/mine"), None),
    ],
)
def test_a_missing_folder_of_series_names_the_command_that_fills_it(folder, command):
    assert prepare_series_command(folder) == command


def test_the_commands_are_those_of_the_preparation():
    assert list(SERVERS) == list(FAMILIES)
    for name, form in SERVERS.items():
        assert all(form.fullmatch(server) for server in FAMILIES[name].rows)
    assert {*TABLES, *SERVERS, *FOLDERS.values()} == set(NAMES)
    assert {archive.folder: name for name, archive in ARCHIVES.items()} == FOLDERS
    assert set(publishers.ON_REQUEST) == set(ON_REQUEST)
    assert all(publishers.mirrors(name) for name in NAMES if name not in ON_REQUEST)


def test_a_dataset_that_the_list_does_not_know(root):
    meta = root / "DETECT_META.csv"
    message = f"{meta}: column 'file_name' has no msl2.csv, the nearest are MSL.csv, "
    expect(message, read_dataset, root, "msl2")
    expect(f"{meta}: column 'train_lens' of BAD.csv must be a whole number: correct it", read_dataset, root, "BAD")
    meta.write_text("name\nTOY.csv\n")
    expect(f"{meta}: column 'file_name' has no TOY.csv", read_dataset, root, "TOY")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must name the columns"),
        ("a,b\n1,2\n", "has no column named 'label' (0 normal, 1 anomalous): add it"),
        ("data,cols\n1,a\n2,a\n", "0 columns are named 'label'"),
        ("data,cols\n", "has no rows of data below the header"),
        ("data,cols\n1,a\n2,a\n0,label\n", "column 'label' has 1 rows, but the longest has 2: complete it"),
        ("data,cols\n1,a\n,a\n3,a\n0,label\n0,label\n0,label\n", "row 2 of column 'a' holds nan; every value"),
        (WIDE.replace("z,3", "z,inf"), "row 3 of column 'a' holds inf; every value must be a finite number"),
        (WIDE.replace("6,1", "6,3"), "row 3 of column 'label' holds 3; a label must be 0 or 1"),
        (WIDE.replace("5", "five"), "line 3: column 'b' holds 'five', which is not a number"),
    ],
)
def test_faults_leave_no_cache(root, text, message):
    path = root / "data" / "TOY.csv"
    path.write_text(text)
    expect(f"{path}: {message}", read_dataset, root, "TOY")
    assert [file.name for file in path.parent.iterdir()] == ["TOY.csv"]


def test_training_rows_beyond_the_file(root):
    path = root / "data" / "TOY.csv"
    path.write_text(WIDE)
    expect(f"{path}: a training part of 4 rows does not fit 3 rows", read_dataset, root, "TOY", train_rows=4)


def test_the_list_of_datasets():
    expected = {
        "SMD": 708405,
        "MSL": 58317,
        "SMAP": 135183,
        "SWAT": 495000,
        "PSM": 132481,
        "GECCO": 69260,
        "SWAN": 60000,
    }
    lines = (REPOSITORY / "dataset" / "DETECT_META.csv").read_text().splitlines()
    column = lines[0].split(",").index("train_lens")
    assert {line.split(",")[0]: int(line.split(",")[column]) for line in lines[1:]} == {
        f"{name}.csv": rows for name, rows in expected.items()
    }


def test_the_embedded_series():
    series = read_ucr(EMBEDDED)
    assert series.name == EMBEDDED.stem
    assert (series.train.shape, series.test.shape) == ((1200, 1), (6301, 1))
    assert np.flatnonzero(series.test_label).tolist() == list(range(4187 - 1200, 4199 - 1200))
    assert series.train[0, 0] == 63.73215


@pytest.mark.parametrize("separator", ["\n", "  ", "\r\n   "])
def test_ucr_values_in_lines_or_in_one(tmp_path, separator):
    path = tmp_path / "001_UCR_Anomaly_DISTORTED_toy_2_4_6.txt"
    path.write_text("  " + separator.join(["1", "2e0", "-3.5", "4", "5", "6", "7"]) + "\n")
    series = read_ucr(path)
    assert series.train.tolist() == [[1], [2]]
    assert series.test.tolist() == [[-3.5], [4], [5], [6], [7]]
    assert series.test_label.tolist() == [0, 0, 1, 1, 0]


def test_ucr_event_without_points(tmp_path):
    path = tmp_path / "079_UCR_Anomaly_toy_1_2_2.txt"
    path.write_text("1 2 3")
    assert read_ucr(path).test_label.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "001_UCR_Anomaly_toy_2_4.txt",
            "1 2 3",
            "the name must end like _UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt: rename",
        ),
        ("toy.csv", "1 2 3", "the name must end like _UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt"),
        ("1_UCR_Anomaly_toy_1_2_3.txt", "1 2 three", "cannot be read as a list of numbers: could not convert string"),
        ("1_UCR_Anomaly_toy_1_2_3.txt", "1 2 nan", "row 3 of column 'value' holds nan"),
        ("1_UCR_Anomaly_toy_1_2_4.txt", "1 2 3", "the event 2-4 in the name does not fit 3 values"),
        ("1_UCR_Anomaly_toy_1_3_2.txt", "1 2 3", "the event 3-2 in the name does not fit 3 values"),
        ("1_UCR_Anomaly_toy_3_2_3.txt", "1 2 3", "a training part of 3 rows does not fit 3 rows of data"),
        ("1_UCR_Anomaly_toy_0_0_0.txt", "", "has no rows of data"),
    ],
)
def test_ucr_faults(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    expect(f"{path}: {message}", read_ucr, path)


def test_ucr_label_equals_the_published_one():
    with np.load(shared("golden", "end_to_end", "UCR_136_scores.npz")) as stored:
        scores = dict(stored)
    (path,) = shared("data", "UCR").glob("136_*")
    label = read_ucr(path).test_label
    np.testing.assert_array_equal(label[: len(scores["label"])], scores["label"])


def test_tsb_ad(tmp_path):
    path = tmp_path / "001_X_id_1_Facility_tr_2_1st_3.csv"
    path.write_text("Data,Label\n1.5,0\n2,0\n3,0\n4,1\n")
    series = read_tsb_ad(path)
    assert (series.name, series.channels) == (path.stem, ("Data",))
    assert series.train.tolist() == [[1.5], [2]]
    assert series.test.tolist() == [[1.5], [2], [3], [4]]
    assert series.test_label.tolist() == [0, 0, 0, 1]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_tsb_ad_holds_ucr_135():
    (path,) = shared("data", "TSB-AD-U").glob("326_*")
    tsb, ucr = read_tsb_ad(path), read_ucr(EMBEDDED)
    np.testing.assert_array_equal(tsb.test, np.concatenate([ucr.train, ucr.test]))
    np.testing.assert_array_equal(tsb.test_label[1200:], ucr.test_label)
    assert not tsb.test_label[:1200].any()
    assert len(tsb.train) == 1875


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("001_tr_2.csv", "Data,Label\n1,0\n", "the name must end like _tr_TRAIN_1st_FIRST.csv: rename the file"),
        ("001_tr_2_1st_3.csv", "Data\n1\n", "has no column named 'label'"),
        ("001_tr_2_1st_3.csv", "Data,Label\n1,0\n2,1\n", "a training part of 2 rows does not fit 2 rows of data"),
        ("001_tr_1_1st_3.csv", "Data,Label\n1,0\n2,1\nx,0\n", "line 4: column 'Data' holds 'x'"),
    ],
)
def test_tsb_ad_faults(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    expect(f"{path}: {message}", read_tsb_ad, path)
