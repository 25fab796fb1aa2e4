"""Output on a terminal that is not UTF-8: missing characters become question marks, and no result is lost."""

import numpy as np
import pytest

from tests.support.command_line import TEST_ROWS, TRAIN_ROWS, run_program, values
from tests.support.many_series import ManySeries

ENCODINGS = ["ascii", "latin-1"]


def run(encoding, *command):
    ended = run_program(*command, encoding=encoding)
    assert "UnicodeEncodeError" not in ended.stderr, ended.stderr
    return ended


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_run(copied, encoding):
    ended = run(encoding, "run.py", *copied.arguments("--mode", "test"))
    assert ended.returncode == 0, ended.stderr
    assert "AUC_ROC" in ended.stdout
    assert "(*_best: oracle values" in ended.stdout


def test_run_in_a_folder_of_another_alphabet(copied):
    folder = copied.path / "результаты"
    ended = run("ascii", "run.py", *copied.arguments("--mode", "test", "--save_path", folder))
    assert ended.returncode == 2
    assert "????" in ended.stderr
    copied.save_path.rename(folder)
    ended = run("ascii", "run.py", *copied.arguments("--mode", "test", "--save_path", folder))
    assert ended.returncode == 0, ended.stderr
    assert "results in " in ended.stdout


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_sweep(tmp_path, encoding):
    many = ManySeries(tmp_path / "日本")
    name = f"005_UCR_Anomaly_é…_{TRAIN_ROWS}_{TRAIN_ROWS + TEST_ROWS}_{TRAIN_ROWS + TEST_ROWS}.txt"
    np.savetxt(many.root / name, values()[0][:, 0])
    many.list((name, 1), ("日本.txt", 1))
    arguments = many.arguments("--set", "train.train_epochs=1", "--device", "cpu")
    ended = run(encoding, "run_UCR.py", *arguments)
    assert ended.returncode == 1, ended.stderr
    assert "undefined" in ended.stdout
    assert "1 of 2 series are in" in ended.stderr
    assert (many.results / "ucr.csv").exists()


@pytest.mark.parametrize(
    "program",
    [
        ["run.py"], ["run_UCR.py"], ["run_TSBAD.py"], ["-m", "exp.detect"], ["-m", "exp.summary"], ["-m", "exp.report"],
        ["-m", "ts_ad_evaluation"], ["-m", "data_provider.inspect"], ["-m", "data_provider.prepare"],
    ],
)  # fmt: skip
def test_help(program):
    ended = run("ascii:strict", *program, "--help")
    assert ended.returncode == 0, ended.stderr
    assert "usage: " in ended.stdout


def test_the_other_programs(copied, tmp_path):
    label, score = tmp_path / "labels.csv", tmp_path / "écarts.csv"
    label.write_text("label\n0\n1\n0\n")
    score.write_text("score\n.1\n.9\n.2\n")
    for command in (
        ["-m", "exp.summary", copied.save_path],
        ["-m", "exp.report", copied.results, "--root_path", copied.root, "--out", tmp_path / "…страница.html"],
        ["-m", "data_provider.inspect", "TOY", "--root_path", copied.root, "--out", tmp_path / "…обзор.png"],
        ["-m", "ts_ad_evaluation", "--label", label, "--score", score],
    ):
        ended = run("ascii:strict", *command)
        assert "Traceback" not in ended.stderr, ended.stderr
        assert ended.returncode == 0, ended.stderr
