import pyarrow as pa
import pytest

from data_provider import DataError
from data_provider.read.csv_stream import read_header, stream_columns


def write(tmp_path, content):
    path = tmp_path / "X.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"a,b\n", b"\xef\xbb\xbfa,b\r\n1,2\r\n", b' a ,"b"', b"a,b\n\xff"])
def test_header(tmp_path, content):
    assert read_header(write(tmp_path, content)) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line must name the columns: add it"),
        (b"\n1,2\n", "the first line must name the columns: add it"),
        (b"1,2\n3,4\n", "the first line '1, 2' holds numbers instead of column names: add them"),
        (b"a;label\n3;0\n", "the first line 'a;label' has no commas: separate the columns with commas"),
        ("a,b\n".encode("utf-16"), "is written in UTF-16: save it as CSV in UTF-8"),
        (b"a,b,a\n", "column 'a' occurs in the header more than once: rename one"),
        (b"a,\xff\xfe\n", "cannot be read as a CSV file of UTF-8 text"),
        (b"a,\x00" + b"b" * 200_000, "cannot be read as a CSV file of UTF-8 text"),
    ],
)
def test_header_faults(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_header(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_without_permission(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match=r"X.csv: cannot be read .* Permission denied"):
        read_header(tmp_path / "X.csv")


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b\n\n\n"])
def test_no_rows(tmp_path, content):
    assert sum(len(batch) for batch in stream_columns(write(tmp_path, content), {"a": pa.float64()})) == 0


def test_text_that_is_not_utf8(tmp_path):
    with pytest.raises(DataError, match=r"line 2: this is not a valid CSV file, repair or replace it: .*UTF8"):
        list(stream_columns(write(tmp_path, b"a,b\n1,\xff\n"), {"a": pa.float64(), "b": pa.string()}))


def test_a_fault_is_one_line_even_where_the_cell_is_not(tmp_path):
    with pytest.raises(DataError) as caught:
        list(stream_columns(write(tmp_path, b'a,b\n"x\ny",2\n'), {"a": pa.float64()}))
    assert "\n" not in str(caught.value)
