import pytest

from data_provider import DataError
from data_provider.read.dialect import Dialect, decide, number


def decided(text, written="utf-8", **options):
    dialect, notes = decide(text.encode(written), "F", **options)
    return dialect.separator, dialect.decimal, dialect.header, notes


@pytest.mark.parametrize(
    ("text", "separator", "decimal", "header"),
    [
        ("a,b\n1,2\n", ",", ".", True),
        ("Zeit;Druck, bar\n2024-06-12 00:00:00;5,02\n2024-06-12 01:00:00;5,21\n", ";", ",", True),
        ("a;b\n1.5;2\n", ";", ".", True),
        ("time\tv\n1\t2,5\n", "\t", ",", True),
        ("a|b\n1|2\n", "|", ".", True),
        ("1 2  3\n4 5 6\n", " ", ".", False),
        ('time,v\n2024-01-01,"5,02"\n', ",", ",", True),
        ("a\n1\n2\n", ",", ".", True),
        ("a\n2024-01-01 00:00\n", ",", ".", True),
        ("a b,c d\n1,2\n", ",", ".", True),
        # A first line all of whose cells are numbers, dates or missing is data.
        ("0,1\n3,4\n", ",", ".", False),
        ("\ufeff0.5\n1\n", ",", ".", False),
        ("1,,3\n2,4,5\n", ",", ".", False),
        ("2024-01-01 00:00,5.1\n2024-01-01 01:00,5.2\n", ",", ".", False),
        ("NA,5\n1,2\n", ",", ".", False),
        ("2024-01-01,5.1,normal\n2024-01-02,5.2,normal\n", ",", ".", False),
        ("machine,1,2\n0,1,2\n", ",", ".", True),
        (",0,1\n0,5,6\n", ",", ".", True),  # as pandas writes a table without names
    ],
)
def test_what_is_decided(text, separator, decimal, header):
    found = decided(text)
    assert found[:3] == (separator, decimal, header)
    plain = (separator, decimal) == (",", ".")
    assert any("--sep" in note for note in found[3]) == (not plain)
    assert any("--header" in note for note in found[3]) == (not header)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("v\n5,02\n5,21\n", ["'5,02'", "--decimal", "--sep"]),
        ("0,0189\n1,0190\n", ["'0,0189'", "--decimal", "--sep"]),
        ("a;b\n1,234;5\n2,345;6\n", ["'1,234'", "thousands", "--decimal"]),
        ("a;b\n1.234,5;5\n", ["'1.234,5'", "thousands"]),
        ('time,v\n2024-01-01,"1,234"\n', ["'1,234'", "thousands", "--decimal"]),
        (
            "a;b\n" + "".join(f"{i};{i:,}\n" for i in range(990, 1010)).replace(",", "."),
            ["'1.000'", "990", "thousands"],
        ),
        ("a;b\n5.021;0,1\n5.022;0,2\n", ["'5.021'", "'0,1'", "thousands"]),
        ("2024-01-01,5.1,normal\n2024-01-02,5.2,odd\n", ["--header yes", "--header no"]),
        ("sep=;\na;b\n1;2\n", ["'sep=;'", "remove"]),
        ("Zeit;Druck, bar\n", ["comma or semicolon", "--sep"]),
    ],
)
def test_what_is_doubtful(text, says):
    with pytest.raises(DataError) as caught:
        decided(text)
    for part in ("F: ", *says):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i / 8:g}" for i in range(790, 850)],  # 99.875, 100, 100.125
        [*(f"{10 + i / 1000:.3f}" for i in range(50)), "-999", "999"],  # codes for missing values
    ],
)
def test_points_that_are_decimal_marks(cells):
    assert decided("v\n" + "\n".join(cells) + "\n")[1] == "."


def test_options_decide():
    assert decided("v\n5,02\n5,21\n", decimal=",", separator="semicolon")[:3] == (";", ",", True)
    assert decided("v\n5,02\n5,21\n", decimal=",")[:2] == (";", ",")
    assert decided("0,0189\n1,0190\n", separator="comma")[:3] == (",", ".", False)
    assert decided("a;b\n1,234;5\n", decimal=",")[:2] == (";", ",")
    assert decided("2024-01-01,5.1,normal\n2024-01-02,5.2,odd\n", header=False)[2] is False
    assert decided("1,2\n3,4\n", header=True) == (",", ".", True, [])
    for options, says in (
        ({"separator": "xx"}, "--sep 'xx'"),
        ({"separator": ";"}, "--sep semicolon"),
        ({"decimal": ";"}, "--decimal ';'"),
        ({"encoding": "utf-99"}, "--encoding utf-99"),
    ):
        with pytest.raises(DataError, match=says):
            decided("a,b\n1,2\n", **options)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
def test_encodings(encoding, found):
    dialect, notes = decide("Höhe;b\n1,5;2\n".encode(encoding), "F")
    assert dialect == Dialect(found, ";", ",", True)
    assert any("UTF-16" in note for note in notes) == encoding.startswith("utf-16")


def test_an_encoding_that_must_be_named():
    with pytest.raises(DataError, match=r"F: .*--encoding latin-1"):
        decided("Höhe,b\n1,2\n", "latin-1")
    assert decided("Höhe,b\n1,2\n", "latin-1", encoding="latin-1")[:3] == (",", ".", True)
    for encoding in ("rot13", "hex", "none"):
        with pytest.raises(DataError, match=rf"F: --encoding {encoding}: unknown: give utf-8"):
            decided("a,b\n1,2\n", encoding=encoding)
    for written in ("utf-8-sig", "utf-16", "utf-32"):
        assert decided("a,b\n1,2\n", written)[:3] == (",", ".", True)
        assert decided("a,b\n1,2\n", written, encoding=written)[:3] == (",", ".", True)
        with pytest.raises(DataError, match=r"F: --encoding iso8859-1: the byte order mark is that of UTF-.*: leave"):
            decided("a,b\n1,2\n", written, encoding="latin-1")
    with pytest.raises(DataError, match="zero bytes"):
        decide(b"\0\1\2\n\0\0\n1,2\n", "F")


def test_a_character_cut_off_at_the_end_of_the_sample_is_not_a_fault():
    assert decide("a,b\n1,2\né".encode()[:-1], "F")[0] == Dialect()


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [("1.5", ".", 1.5), (" -3e-1", ".", -0.3), ("1,5", ",", 1.5), (".5", ".", 0.5), ("5.", ".", 5), ("+7", ",", 7)],
)
def test_numbers(cell, decimal, value):
    assert number(cell, Dialect(decimal=decimal)) == value


@pytest.mark.parametrize(
    ("cell", "decimal", "says"),
    [
        ("1,5", ".", "--decimal ','"),
        ("1.5", ",", "--decimal '.'"),
        ("1.234.567", ".", "thousands"),
        ("1,234,567", ".", "thousands"),
        ("1 234", ".", "thousands"),
        ("1_000", ".", "not a number"),
        ("0x10", ".", "not a number"),
        ("x", ".", "not a number"),
        ("?", ".", "--missing-values"),
        ("inf", ".", "finite"),
        ("1e400", ".", "too large"),
    ],
)
def test_cells_that_are_not_numbers(cell, decimal, says):
    with pytest.raises(DataError, match=says):
        number(cell, Dialect(decimal=decimal))
