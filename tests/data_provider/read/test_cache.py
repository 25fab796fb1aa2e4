import logging
import os

import numpy as np
import pytest

from data_provider.read.cache import read_cached
from data_provider.read.wide_csv import read_wide_csv


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "X.csv"
    path.write_text("a,label\n1.5,0\n2.5,1\n")
    return path


@pytest.fixture
def cache(source):
    return source.with_name("X.csv.cache")


def read(path):
    """Return the values, and whether the CSV was parsed for them."""
    parsed = []
    table = read_cached(path, lambda source: parsed.append(source) or read_wide_csv(source))
    assert table.names == ("a", "label")
    return table.values, bool(parsed)


def test_second_start_reads_the_cache(source, cache, caplog):
    first, parsed = read(source)
    assert parsed
    second, parsed = read(source)
    assert not parsed
    np.testing.assert_array_equal(first, second)
    assert sorted(file.name for file in source.parent.iterdir()) == ["X.csv", "X.csv.cache"]
    assert not caplog.records


@pytest.mark.parametrize("start", ["first", "second"])
def test_values_are_read_only_at_every_start(source, start):
    if start == "second":
        read(source)
    values, _ = read(source)
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 1


@pytest.mark.parametrize("text", ["a,label\n9.5,0\n2.5,1\n", "a,label\n9.5,0\n2.5,1\n3,0\n"])
def test_rebuilt_when_the_source_changes(source, text):
    read(source)
    before = source.stat().st_mtime_ns
    source.write_text(text)
    os.utime(source, ns=(before + 1, before + 1))
    values, parsed = read(source)
    assert parsed
    assert values[0, 0] == 9.5
    assert not read(source)[1]


def test_rebuilt_when_only_the_size_changes(source):
    read(source)
    status = source.stat()
    source.write_text("a,label\n1.5,0\n2.5,1\n3,0\n")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(source)[1]


def test_rebuilt_by_a_newer_layout(source, monkeypatch):
    read(source)
    monkeypatch.setattr("data_provider.read.cache.VERSION", 2)
    assert read(source)[1]


DAMAGES = {
    "empty": lambda content: b"",
    "garbage": lambda content: b"garbage" * 100,
    "truncated note": lambda content: content[:50],
    "no values": lambda content: content[: content.index(b"\n") + 1],
    "truncated values": lambda content: content[:-1],
    "another note": lambda content: b"[1]" + content[content.index(b"\n") :],
    "a changed value": lambda content: content.replace(np.float64(2.5).tobytes(), np.float64(3.5).tobytes()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_rebuilt_when_damaged(source, cache, caplog, damage):
    values, _ = read(source)
    sound = cache.read_bytes()
    assert damage(sound) != sound
    cache.write_bytes(damage(sound))
    again, parsed = read(source)
    assert parsed
    np.testing.assert_array_equal(again, values)
    assert "is damaged and will be rebuilt" in caplog.text
    assert cache.read_bytes() == sound


def test_no_flipped_byte_changes_the_table(source, cache):
    values, _ = read(source)
    sound = cache.read_bytes()
    for position in range(len(sound)):
        cache.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        np.testing.assert_array_equal(read(source)[0], values, err_msg=str(position))


def test_cached_values_are_aligned(source):
    read(source)
    assert read(source)[0].flags.aligned


def test_a_folder_that_cannot_be_written_is_a_warning(source, cache, caplog, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    values, parsed = read(source)
    assert parsed
    assert values[0].tolist() == [1.5, 2.5]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "X.csv.cache cannot be written, so the next start reads the CSV again" in record.message
    assert [file.name for file in source.parent.iterdir()] == ["X.csv"]


def test_a_folder_in_the_cache_s_place_is_a_warning(source, cache, caplog):
    cache.mkdir()
    values, _ = read(source)
    assert values[0].tolist() == [1.5, 2.5]
    assert "cannot be written" in caplog.text
    assert sorted(file.name for file in source.parent.iterdir()) == ["X.csv", "X.csv.cache"]


def test_values_stay_when_the_cache_is_replaced(source, cache):
    read(source)
    values, _ = read(source)
    cache.unlink()
    source.write_text("a,label\n7,0\n7,1\n7,1\n")
    read(source)
    assert values.tolist() == [[1.5, 2.5], [0, 1]]
