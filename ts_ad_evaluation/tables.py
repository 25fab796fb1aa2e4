"""Tables of results as terminal text, CSV, Markdown or LaTeX."""

import csv
import io
from typing import NamedTuple

FORMATS = ("text", "csv", "markdown", "latex")


class Column(NamedTuple):
    """A column: its heading, and how its numbers are formatted (CSV keeps all digits)."""

    heading: str
    number: str = ""


def render(columns, rows, notes=(), *, kind="text"):
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


def _written(cell, column):
    if isinstance(cell, str):
        return cell
    return "" if cell is None else format(cell, column.number)


def _text(headings, body, flush_right, notes):
    widths = [max(map(len, texts)) for texts in zip(headings, *body, strict=True)]

    def line(texts):
        cells = zip(texts, widths, flush_right, strict=True)
        return "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in cells).rstrip()

    rows = [headings, ["-" * width for width in widths], *body]
    return [*map(line, rows), *_apart(notes)]


def _markdown(headings, body, flush_right, notes):
    def line(texts):
        return f"| {' | '.join(texts)} |"

    rule = line("---:" if right else "---" for right in flush_right)
    rows = [line(map(_markdown_escaped, texts)) for texts in [headings, *body]]
    return [rows[0], rule, *rows[1:], *_apart(f"- {_markdown_escaped(note)}" for note in notes)]


def _latex(headings, body, flush_right, notes):
    first, *rest = [" & ".join(map(_latex_escaped, texts)) + r" \\" for texts in [headings, *body]]
    align = "".join("r" if right else "l" for right in flush_right)
    return [
        "% needs \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{{align}}}",
        *[r"\toprule", first, r"\midrule", *rest, r"\bottomrule"],
        r"\end{tabular}",
        *_apart(rf"\par\noindent{{\footnotesize {_latex_escaped(note)}}}" for note in notes),
    ]


def _csv(columns, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(column.heading for column in columns)
    writer.writerows(rows)
    return buffer.getvalue()


def _apart(lines):
    """Put an empty line before `lines`, if there are any."""
    lines = list(lines)
    return ["", *lines] if lines else []


def _markdown_escaped(text):
    return text.replace("|", r"\|").replace("*", r"\*")


def _latex_escaped(text):
    special = {char: f"\\{char}" for char in "&%$#_{}"} | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "−": "$-$",
    }
    return "".join(special.get(char, char) for char in text)
