"""Tables of results as terminal text, CSV, Markdown or LaTeX."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

FORMATS = ("text", "csv", "markdown", "latex")


Cell: TypeAlias = str | float | int | None


class Column(NamedTuple):
    """A column: its heading, and how its numbers are formatted (CSV keeps all digits)."""

    heading: str
    number: str = ""


def render(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], notes: Iterable[str] = (), *, kind: str = "text"
) -> str:
    """Write a table.

    Parameters
    ----------
    columns : sequence of Column
    rows : sequence of sequences of (str, float, int or None)
        One cell for each column; None is left empty.
    notes : sequence of str
        Lines below the table. CSV has no place for them, so the rows must hold them as well.
    kind : {"text", "csv", "markdown", "latex"}

    Returns
    -------
    str
        Ends with a newline.

    Examples
    --------
    >>> columns = [Column("metric"), Column("mean", ".3f")]
    >>> table = render(columns, [["AUC_ROC", 0.75], ["VUS_PR", None]], ["1 run"])
    >>> print(table, end="")
    metric    mean
    -------  -----
    AUC_ROC  0.750
    VUS_PR
    <BLANKLINE>
    1 run
    """
    if kind == "csv":
        return _csv(columns, rows)
    headings = [column.heading for column in columns]
    flush_right = [any(isinstance(cell, int | float) for cell in cells) for cells in zip(*rows, strict=True)]
    body = [[_written(*pair) for pair in zip(row, columns, strict=True)] for row in rows]
    writer = {"text": _text, "markdown": _markdown, "latex": _latex}[kind]
    return "\n".join(writer(headings, body, flush_right or [False] * len(columns), notes)) + "\n"


def _written(cell: Cell, column: Column) -> str:
    if isinstance(cell, str):
        return cell
    return "" if cell is None else format(cell, column.number)


def _text(headings: list[str], body: list[list[str]], flush_right: list[bool], notes: Iterable[str]) -> list[str]:
    widths = [max(map(len, texts)) for texts in zip(headings, *body, strict=True)]

    def line(texts: list[str]) -> str:
        cells = zip(texts, widths, flush_right, strict=True)
        return "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in cells).rstrip()

    rows = [headings, ["-" * width for width in widths], *body]
    return [*map(line, rows), *_apart(notes)]


def _markdown(headings: list[str], body: list[list[str]], flush_right: list[bool], notes: Iterable[str]) -> list[str]:
    def line(texts: Iterable[str]) -> str:
        return f"| {' | '.join(texts)} |"

    rule = line("---:" if right else "---" for right in flush_right)
    rows = [line(map(_markdown_escaped, texts)) for texts in [headings, *body]]
    return [rows[0], rule, *rows[1:], *_apart(f"- {_markdown_escaped(note)}" for note in notes)]


def _latex(headings: list[str], body: list[list[str]], flush_right: list[bool], notes: Iterable[str]) -> list[str]:
    first, *rest = [" & ".join(map(_latex_escaped, texts)) + r" \\" for texts in [headings, *body]]
    align = "".join("r" if right else "l" for right in flush_right)
    return [
        "% needs \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{{align}}}",
        *[r"\toprule", first, r"\midrule", *rest, r"\bottomrule"],
        r"\end{tabular}",
        *_apart(rf"\par\noindent{{\footnotesize {_latex_escaped(note)}}}" for note in notes),
    ]


def _csv(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(column.heading for column in columns)
    writer.writerows(rows)
    return buffer.getvalue()


def _apart(lines: Iterable[str]) -> list[str]:
    """Put an empty line before `lines`, if there are any."""
    lines = list(lines)
    return ["", *lines] if lines else []


def _markdown_escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


def _latex_escaped(text: str) -> str:
    special = {char: f"\\{char}" for char in "&%$#_{}"} | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "−": "$-$",
    }
    return "".join(special.get(char, char) for char in text)
