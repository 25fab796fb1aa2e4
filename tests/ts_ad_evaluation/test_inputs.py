import re

import numpy as np
import pytest

from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.inputs import load_array

VALUES = [0.25, -1.5, 3.0]


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "one.npy", np.array(VALUES))
    np.save(tmp_path / "column.npy", np.array(VALUES)[:, None])
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object))
    np.savez(tmp_path / "one.npz", score=VALUES)
    np.savez(tmp_path / "two.npz", score=VALUES, label=[0, 1, 0])
    np.savez(tmp_path / "none.npz")
    (tmp_path / "one.csv").write_text("score\n0.25\n-1.5\n3\n")
    (tmp_path / "two.csv").write_text("date, score\n2020-01-01,0.25\n2020-01-02,-1.5\n2020-01-03,3\n")
    (tmp_path / "bare.csv").write_text("7,0.25\n8,-1.5\n9,3\n")
    (tmp_path / "gap.csv").write_text("score\n0.25\nhigh\n3\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "damaged.csv").write_bytes(b"\xff\xfe\x00\x00")
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "damaged.npy").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    "place",
    ["one.npy", "column.npy", "one.npz", "one.npz:score", "two.npz:score", "one.csv", "two.csv:score", "bare.csv:2"],
)
def test_reads_each_kind(folder, place):
    np.testing.assert_array_equal(load_array(f"{folder}/{place}"), VALUES)


def test_keeps_several_channels(folder):
    np.save(folder / "wide.npy", np.ones((4, 3)))
    assert load_array(f"{folder}/wide.npy").shape == (4, 3)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("absent.npy", "absent.npy: no such file"),
        ("one.txt", "expected FILE.npy, FILE.npz, FILE.npz:KEY, FILE.csv or FILE.csv:COLUMN"),
        ("one.npy:score", "holds a single array: leave out :score"),
        ("object.npy", "is not a NumPy file of numbers"),
        ("damaged.npy", "is not a NumPy file of numbers"),
        ("damaged.npz", "is not a NumPy file of numbers"),
        ("none.npz", "holds no array"),
        ("two.npz", "holds several arrays (score, label): name one as"),
        ("two.npz:scores", "has no array scores, only score, label"),
        ("two.csv", "holds several columns (date, score): name one as"),
        ("two.csv:value", "has no column value, only date, score"),
        ("two.csv:date", "holds '2020-01-01' on line 2, which is no number"),
        ("gap.csv", "score holds 'high' on line 3, which is no number"),
        ("empty.csv", "is not a CSV file"),
        ("damaged.csv", "is not a CSV file"),
    ],
)
def test_wrong_input_is_named(folder, place, message):
    with pytest.raises(EvaluationError, match=re.escape(message)) as raised:
        load_array(f"{folder}/{place}")
    assert "\n" not in str(raised.value)
