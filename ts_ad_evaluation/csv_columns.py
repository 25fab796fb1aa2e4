"""Reads one column of numbers from a CSV file.

One rule decides whether there is a header: if every cell of the first line is a number, true or false (or empty), the
line is data; otherwise it names the columns. So does an empty cell before 0, 1, …, as pandas writes a table without
names. If the first line holds any such cell, the decision is logged, as are separators other than commas, decimal
commas and encodings other than UTF-8.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ts_ad_evaluation.arrays import Floats
from ts_ad_evaluation.checks import EvaluationError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas"}
TRUTHS = {"true": "1", "false": "0"}
CRASHING = re.compile(r".*[eE][-+]?0*[0-9]{5,}")  # pandas crashes on a text like 1e2147483648
LOOKED_AT = 50  # lines from which the separator is determined
MARKS = {  # UTF-32 marks begin like those of UTF-16
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def load_column(path: Path, choose: Callable[[list[str]], str]) -> Floats:
    """Load a column.

    Parameters
    ----------
    path : Path
    choose : callable
        Takes the names of the columns (numbers from 1 if the file has no header) and returns one of them.

    Returns
    -------
    float64 array of shape (n,)

    Raises
    ------
    EvaluationError
        When the file is not text or is empty, its lines differ in their number of cells, or a cell of the column is
        empty or not a number.
    """
    text = _decode(path).rstrip("\n")
    lines = text.lstrip("\n").split("\n")
    table = _split(path, lines)
    table.index += len(text) - len(text.lstrip("\n"))  # blank lines above
    first = [str(cell).strip() for cell in table.iloc[0]]
    counted = len(first) > 1 and first[0] == "" and first[1:] == [str(place) for place in range(len(first) - 1)]
    has_header = counted or not all(_is_number(cell) or not cell for cell in first)
    if any(_is_number(cell) for cell in first):
        kept = "taken as the column names" if has_header else "read as data: the file has no header"
        logger.info("%s: the first line, %s, is %s", path, lines[0], kept)
    names = first if has_header else [str(number) for number in range(1, len(first) + 1)]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise EvaluationError(f"{path} has more than one column {repeated!r}: rename them")
    try:
        name = choose(names)
    except EvaluationError as error:
        may_be_decimal = not has_header and len(names) == 2
        hint = "; if its commas are decimal commas, use decimal points" if may_be_decimal else ""
        raise EvaluationError(f"{error}{hint}") from None
    cells = table.iloc[int(has_header) :, names.index(name)].str.strip()
    if len(cells) == 0:
        raise EvaluationError(f"{path}:{name} has no values, only a header")
    return _numbers(f"{path}:{name}", cells)


def _decode(path: Path) -> str:
    """The text of a file, with plain line endings."""
    content = path.read_bytes()
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if encoding is None and b"\0" in content:
        raise EvaluationError(
            f"{path} is not a CSV file: it is binary, or UTF-16 without a byte order mark: save it as UTF-8"
        )
    try:
        text = content.decode("utf-8-sig" if encoding in (None, "UTF-8") else encoding)
    except UnicodeDecodeError as error:
        raise EvaluationError(
            f"{path} is not a CSV file in {encoding or 'UTF-8'}: byte {error.start + 1} is invalid "
            f"({error.reason}); save it as UTF-8"
        ) from None
    if encoding not in (None, "UTF-8"):
        logger.info("%s: read as %s", path, encoding)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise EvaluationError(f"{path} is not a CSV file: it is empty")
    return text


def _split(path: Path, lines: list[str]) -> pd.DataFrame:
    """The cells of all lines as a table of text."""
    import pandas as pd

    separator = _find_separator(lines)
    try:
        table = pd.read_csv(
            io.StringIO("\n".join(lines)),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except ValueError as error:  # pandas wraps its messages
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found is None:
            raise EvaluationError(f"{path} is not a CSV file: {' '.join(str(error).split())}") from None
        raise EvaluationError(
            f"{path}: line {found[2]} has {found[3]} cells, the first line {found[1]}: give each line as many; if "
            "it has decimal commas, separate the cells by semicolons"
        ) from None
    if separator != ",":
        logger.info("%s: cells separated by %s", path, SEPARATORS[separator])
    return table.fillna("")


def _find_separator(lines: list[str]) -> str:
    """The first separator that occurs equally often, outside quotes, in every line."""
    looked_at = [re.sub('"[^"]*"', "", line) for line in lines[:LOOKED_AT]]
    for separator in SEPARATORS:
        counts = {line.count(separator) for line in looked_at if line.strip()}
        if len(counts) == 1 and counts != {0}:
            return separator
    return ","


def _is_number(cell: str) -> bool:
    if cell.lower() in TRUTHS:
        return True
    try:
        float(cell.replace(",", ".", 1))
    except ValueError:
        return False
    return "_" not in cell  # Python accepts it as a digit separator


def _numbers(place: str, cells: pd.Series[str]) -> Floats:
    """The numbers in the cells: true is 1, and commas are decimal commas if there are no points."""
    import pandas as pd

    plain = cells
    if cells.str.contains(",", regex=False).any() and not cells.str.contains(".", regex=False).any():
        plain = cells.str.replace(",", ".", n=1, regex=False)
        logger.info("%s: read with decimal commas", place)
    truths = plain.str.lower().map(TRUTHS)
    plain = plain.mask(plain.str.fullmatch(CRASHING), "")
    values = pd.to_numeric(truths.fillna(plain), errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.isnan(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        cell, line = cells.iloc[row], cells.index[row] + 1
        fault = f"holds {cell!r} on line {line}, which is not a number" if cell else f"is empty on line {line}"
        raise EvaluationError(f"{place} {fault}")
    return values
