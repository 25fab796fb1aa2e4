import subprocess
import sys

import numpy as np
import pytest

from data_provider import Series
from data_provider.inspect.__main__ import main
from data_provider.inspect.overview import _find_range, draw_overview
from data_provider.inspect.report import describe
from data_provider.read.long_csv import write_long_csv
from tests.support.paths import REPOSITORY

EMBEDDED = REPOSITORY / "dataset/UCR_Anomaly_FullData/135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt"
PNG = b"\x89PNG\r\n\x1a\n"


def series(**changes):
    train = np.array([[0, 1, 5, 0], [2, 1, 5, 1], [4, 1, 5, 0]], float)
    test = np.array([[-1, 1, 5, 0], [8.25, 1, 6, 0], [0, 1, 6, 0], [0, 1, 6, 0], [0, 1, 6, 0]], float)
    label = np.array([1, 0, 1, 1, 0], np.uint8)
    fields = {"name": "TOY", "train": train, "test": test, "test_label": label, "channels": ("a", "bb", "c", "d")}
    return Series(**(fields | changes))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "DETECT_META.csv").write_text("file_name,train_lens\nTOY.csv,3\n")
    write_long_csv(tmp_path / "data" / "TOY.csv", series())
    return tmp_path


def test_report():
    assert describe(series()) == (
        "TOY: 4 channels\n"
        "training: 3 points, not labelled\n"
        "test: 5 points, 3 anomalous points (60.00%) in 2 events, shortest 1, median 2, longest 2\n"
        "missing values: none (files with missing values are refused)\n"
        "constant channels: 2 (1, 2) in training, 2 (1, 3) in test\n"
        "\n"
        "index  channel  training min  max  test min   max\n"
        "    0  a                   0    4        -1  8.25\n"
        "    1  bb                  1    1         1     1  constant\n"
        "    2  c                   5    5         5     6  constant in training\n"
        "    3  d                   0    1         0     0  constant in test\n"
    )


def test_report_without_an_event():
    text = describe(series(test_label=np.zeros(5, np.uint8)))
    assert "test: 5 points, none anomalous\n" in text


def test_report_on_a_channel_constant_at_two_values():
    ramp = np.arange(3.0)[:, None]
    text = describe(series(train=0 * ramp, test=0 * ramp + 1, test_label=np.zeros(3, np.uint8), channels=("a",)))
    assert "constant in each part" in text


def test_dataset(root, capsys):
    assert main(["TOY", "--root_path", str(root)]) == 0
    picture = root / "data" / "TOY.png"
    assert capsys.readouterr().out == describe(series()) + f"overview: {picture}\n"
    first = picture.read_bytes()
    assert first.startswith(PNG)
    assert main(["TOY", "--root_path", str(root), "--out", str(root / "again.PNG")]) == 0
    assert (root / "again.PNG").read_bytes() == first
    assert {path.name for path in (root / "data").iterdir()} == {"TOY.csv", "TOY.csv.cache", "TOY.png"}


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        (EMBEDDED.name, EMBEDDED.read_text(), "12 anomalous points (0.19%) in 1 event, shortest 12"),
        ("001_X_tr_2_1st_3.csv", "Data,Label\n1,0\n2,0\n4,1\n5,0\n", "test: 4 points, 1 anomalous point (25.00%)"),
    ],
)
def test_files_of_one_series(tmp_path, capsys, name, content, line):
    path = tmp_path / name
    path.write_text(content)
    assert main([str(path)]) == 0
    assert line in capsys.readouterr().out
    assert path.with_suffix(".png").read_bytes().startswith(PNG)


def test_the_module_as_a_command(tmp_path):
    command = [sys.executable, "-m", "data_provider.inspect", str(EMBEDDED), "--out", str(tmp_path / "x.pdf")]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith(f"overview: {tmp_path / 'x.pdf'}\n")
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["TOY", "--root_path", "ROOT", "--out", "x.jpg"], "x.jpg: an overview can be saved as .png or .pdf: name"),
        (["TOY", "--root_path", "ROOT", "--out", "ROOT/no/x.png"], "[Errno 2] No such file or directory"),
        (
            ["NO", "--root_path", "ROOT"],
            "ROOT/DETECT_META.csv: column 'file_name' has no NO.csv, the nearest are TOY.csv",
        ),
        (["no.txt"], "no.txt: no such file; download the UCR Anomaly Archive"),
    ],
)
def test_faults(root, capsys, arguments, message):
    check_fault([part.replace("ROOT", str(root)) for part in arguments], message.replace("ROOT", str(root)), capsys)
    assert not list(root.rglob("*.png*"))


def test_missing_values_are_told(root, capsys):
    path = root / "data" / "TOY.csv"
    path.write_text(path.read_text().replace("8.25,", ","))
    message = f"{path}: row 5 of column 'a' holds nan; every value must be a finite number: fill or remove it"
    check_fault(["TOY", "--root_path", str(root)], message, capsys)


def check_fault(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


def test_no_peak_is_lost(tmp_path):
    """A single high point among a million changes the picture."""
    flat = np.tile(np.sin(np.arange(1_000_000.0))[:, None], 2)
    peak = flat.copy()
    peak[654_321, 1] = 2.5
    pictures = []
    for test in (flat, peak):
        toy = series(train=flat[:1000], test=test, test_label=np.zeros(len(test), np.uint8), channels=("a", "b"))
        draw_overview(toy, tmp_path / "x.png")
        pictures.append((tmp_path / "x.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_an_outlier_does_not_flatten_its_lane():
    """Everything but the outlier keeps at least a fifth of the lane's height."""
    wave = np.sin(np.arange(10_000.0))
    far = wave.copy()
    far[5000] = 1000
    low, high = _find_range(wave, far)
    assert (low, high) == pytest.approx((-1, 5), abs=0.01)
    assert _find_range(wave, wave) == (wave.min(), wave.max())
    rare = np.zeros(10_000)
    rare[7] = 1
    assert _find_range(rare, rare) == (0, 1)
    assert _find_range(np.ones(5), np.ones(5)) == (1, 1)
