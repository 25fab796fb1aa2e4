import csv
import io

import pytest

from ts_ad_evaluation.tables import Column, render

COLUMNS = [Column("data_set"), Column("mean", ".3f"), Column("difference", "+.2f")]
ROWS = [["A&B", 0.12345, -0.5], ["x|y*", None, 0.25]]


def test_text_is_aligned_with_numbers_to_the_right():
    lines = render(COLUMNS, ROWS, ["a note"]).split("\n")
    assert lines == [
        "data_set   mean  difference",
        "--------  -----  ----------",
        "A&B       0.123       -0.50",
        "x|y*                  +0.25",
        "",
        "a note",
        "",
    ]


def test_csv_keeps_every_digit():
    rows = list(csv.reader(io.StringIO(render(COLUMNS, ROWS, ["a note"], kind="csv"))))
    assert rows == [["data_set", "mean", "difference"], ["A&B", "0.12345", "-0.5"], ["x|y*", "", "0.25"]]


def test_markdown_escapes_what_would_break_the_table():
    lines = render(COLUMNS, ROWS, ["a note"], kind="markdown").split("\n")
    assert lines[:2] == ["| data_set | mean | difference |", "| --- | ---: | ---: |"]
    assert lines[3] == r"| x\|y\* |  | +0.25 |"
    assert lines[4:] == ["", "- a note", ""]


def test_latex_escapes_its_own_characters():
    text = render(COLUMNS, [*ROWS, ["1 ± 2_3", 0.0, 0.0]], ["50 %"], kind="latex")
    assert r"\begin{tabular}{lrr}" in text
    assert r"A\&B & 0.123 & -0.50 \\" in text
    assert r"1 $\pm$ 2\_3 & 0.000 & +0.00 \\" in text
    assert r"\par\noindent{\footnotesize 50 \%}" in text


@pytest.mark.parametrize("kind", ["text", "csv", "markdown", "latex"])
def test_table_without_rows_has_its_headings(kind):
    assert "mean" in render(COLUMNS, [], kind=kind)
