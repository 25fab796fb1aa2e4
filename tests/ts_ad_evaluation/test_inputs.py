import logging
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
    (tmp_path / "pandas.csv").write_text(",0\n0,0.25\n1,-1.5\n2,3\n")
    (tmp_path / "gap.csv").write_text("score\n0.25\nhigh\n3\n")
    (tmp_path / "first.csv").write_text('""\n0.25\n3\n')
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "damaged.csv").write_bytes(b"\xff\xfe\x00\x00")
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "damaged.npy").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    "place",
    [
        "one.npy",
        "column.npy",
        "one.npz",
        "one.npz:score",
        "two.npz:score",
        "one.csv",
        "two.csv:score",
        "bare.csv:2",
        "pandas.csv",
    ],
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
        ("one.npy:score", "contains a single array: leave out :score"),
        ("object.npy", "is not a NumPy file of numbers"),
        ("damaged.npy", "is not a NumPy file of numbers"),
        ("damaged.npz", "is not a NumPy file of numbers"),
        ("none.npz", "contains no array"),
        ("two.npz", "contains several arrays (score, label): name one as"),
        ("two.npz:scores", "has no array scores, only score, label"),
        ("two.csv", "contains several columns (date, score): name one as"),
        ("two.csv:value", "has no column value, only date, score"),
        ("two.csv:date", "holds '2020-01-01' on line 2, which is not a number"),
        ("gap.csv", "score holds 'high' on line 3, which is not a number"),
        ("first.csv", "is empty on line 1"),
        ("empty.csv", "is not a CSV file"),
        ("damaged.csv", "is not a CSV file"),
    ],
)
def test_wrong_input_is_named(folder, place, message):
    with pytest.raises(EvaluationError, match=re.escape(message)) as raised:
        load_array(f"{folder}/{place}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "array",
    [
        np.array([VALUES]),
        np.array(VALUES)[:, None, None],
        np.array(["0.25", "-1.5", "3"]),
        np.array([b"0.25", b"-1.5", b"3.0"]),
    ],
)
def test_arrays_that_hold_the_values_otherwise(tmp_path, array):
    np.save(tmp_path / "other.npy", array)
    np.testing.assert_array_equal(load_array(f"{tmp_path}/other.npy"), VALUES)


def test_text_that_is_not_numbers(tmp_path):
    np.save(tmp_path / "text.npy", np.array(["0", "1", "normal"]))
    with pytest.raises(EvaluationError, match=r"text\.npy holds text, 'normal' at index 2: save numbers$"):
        load_array(f"{tmp_path}/text.npy")


TELLS_NO_HEADER = "the first line, 0.25, is read as data: the file has no header"


@pytest.mark.parametrize(
    ("content", "column", "told"),
    [
        ("0.25\n-1.5\n3\n", None, [TELLS_NO_HEADER]),
        ("\ufeff0.25\n-1.5\n3\n", None, [TELLS_NO_HEADER]),
        ("\ufeff0.25\r\n-1.5\r\n3", None, [TELLS_NO_HEADER]),
        ("0.25\r-1.5\r3\r", None, [TELLS_NO_HEADER]),
        ("\ufeffscore\n0.25\n-1.5\n3\n\n\n", None, []),
        ("\ufeffscore,label\n0.25,0\n-1.5,0\n3,1\n", "score", []),
        ("0.25,0\n-1.5,\n3,1\n", "1", ["is read as data"]),
        (",0.25\n0,-1.5\n1,3\n", "2", ["is read as data"]),
        ("0,1,score\n7,8,0.25\n7,8,-1.5\n7,8,3\n", "score", ["0,1,score, is taken as the column names"]),
        ("date;score\n2024;0,25\n2025;-1,5\n2026;3\n", "score", ["semicolons", "decimal commas"]),
        ("time;score, bar\n1;0,25\n2;-1,5\n3;3\n", "score, bar", ["semicolons", "decimal commas"]),
        ("time;score\n1,5;0.25\n2,5;-1.5\n3,5;3\n", "score", ["semicolons"]),
        ("7;0,25\n8;-1,5\n9;3,0\n", "2", ["semicolons", "is read as data", "decimal commas"]),
        ("time\tscore\n1\t0.25\n2\t-1.5\n3\t3\n", "score", ["tabs"]),
        ('time,score\n1,"0,25"\n2,"-1,5"\n3,3\n', "score", ["decimal commas"]),
        ('"a;b",score\n1,0.25\n2,-1.5\n3,3\n', "score", []),
        ("score\n 0.25\n-1.5 \n3e0\n", None, []),
        ("\ufeff\n\nscore\n0.25\n-1.5\n3\n", None, []),
        (",score\n0,0.25\n1,-1.5\n2,3\n", None, []),
    ],
)
def test_csv_files_as_people_write_them(tmp_path, caplog, content, column, told):
    path = tmp_path / "file.csv"
    path.write_bytes(content.encode())
    with caplog.at_level(logging.INFO):
        found = load_array(f"{path}:{column}" if column else str(path))
    np.testing.assert_array_equal(found, VALUES)
    assert len(caplog.messages) == len(told)
    assert all(text in message for text, message in zip(told, caplog.messages, strict=True))


def test_truths_are_ones(tmp_path):
    (tmp_path / "file.csv").write_text("label\nTrue\nfalse\nFALSE\n1\n")
    np.testing.assert_array_equal(load_array(f"{tmp_path}/file.csv"), [1, 0, 0, 1])
    (tmp_path / "file.csv").write_text("True\nfalse\nFALSE\n")
    np.testing.assert_array_equal(load_array(f"{tmp_path}/file.csv"), [1, 0, 0])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_marked_encodings_are_read_and_told(tmp_path, caplog, encoding):
    (tmp_path / "file.csv").write_bytes("score\n0.25\n-1.5\n3\n".encode(encoding))
    with caplog.at_level(logging.INFO):
        np.testing.assert_array_equal(load_array(f"{tmp_path}/file.csv"), VALUES)
    assert caplog.messages == [f"{tmp_path}/file.csv: read as {encoding.upper()}"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", " is not a CSV file: it is empty"),
        (b"\xef\xbb\xbf\n", " is not a CSV file: it is empty"),
        (b"score\n", ":score has no values, only a header"),
        (
            "score\n1\n".encode("utf-16-le"),
            " is not a CSV file: it is binary, or UTF-16 without a byte order mark: save it",
        ),
        ("größe\n1\n".encode("latin-1"), " is not a CSV file in UTF-8: byte 3 is invalid"),
        (b"score\n1\n\n2\n", ":score is empty on line 3"),
        (b"score\n1\nnan\n2\n", ":score holds 'nan' on line 3, which is not a number"),
        (b"score\n0,1\n0,2\n", ": line 2 has 2 cells, the first line 1: "),
        (
            b"0,1\n0,2\n",
            " contains several columns (1, 2): name one as FILE:1; if its commas are decimal commas, use",
        ),
        (b"score\n1.000,5\n", ": line 2 has 2 cells, the first line 1: "),
        (b"score\n1\n1e2147483648\n", ":score holds '1e2147483648' on line 3, which is not a number"),
        (b"a;score\n1;1.000,5\n", ":score holds '1.000,5' on line 2, which is not a number"),
        (b"score,score\n1,2\n", " has more than one column 'score': rename them"),
        (b'score\n"1\n', " is not a CSV file: "),
    ],
)
def test_faulty_csv_files(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(EvaluationError) as raised:
        load_array(f"{path}:score" if b"a;score" in content else str(path))
    assert str(raised.value).replace(f" as {path}", " as FILE").startswith(f"{path}{message}")
    assert "\n" not in str(raised.value)
