"""CSV files read in blocks of rows with a fixed schema, with faults reported in one line."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from data_provider.errors import DataError
from data_provider.read.dialect import is_missing, is_number

BLOCK_BYTES = 4 << 20


class Layout(NamedTuple):
    """How a CSV file is laid out: its column names, the lines above the data, the delimiter and the decimal point."""

    header: list[str]
    lines_above: int = 1
    delimiter: str = ","
    decimal_point: str = "."


def read_header(path: Path) -> list[str]:
    """Column names of a CSV file, without surrounding spaces.

    Raises
    ------
    DataError
        When the file is unreadable or empty, or names a column twice.
    """
    try:
        with open(path, "rb") as file:
            line = file.readline(BLOCK_BYTES)
        if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(f"{path}: is written in UTF-16: save it as CSV in UTF-8")
        header = [name.strip() for name in next(csv.reader([line.decode("utf-8-sig")]), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV file of UTF-8 text: {error}") from error
    if len(header) == 1 and re.search(r"[;\t|]", header[0]):
        raise DataError(f"{path}: the first line {header[0][:60]!r} has no commas: separate the columns with commas")
    if header and all(is_number(name) or is_missing(name) for name in header) and any(map(is_number, header)):
        raise DataError(
            f"{path}: the first line {', '.join(header)[:60]!r} holds numbers instead of column names: add them"
        )
    if not any(header):
        raise DataError(f"{path}: the first line must name the columns: add it")
    check_unique(path, header)
    return header


def read_first_row(path: Path) -> dict[str, str]:
    """Cells of the first row below the header by column name; empty if there is none.

    Raises
    ------
    DataError
        As for `read_header`.
    """
    header = read_header(path)
    with open(path, "rb") as file:
        file.readline(BLOCK_BYTES)
        line = next((line for line in iter(lambda: file.readline(BLOCK_BYTES), b"") if line.strip()), b"")
    cells = next(csv.reader([line.decode("utf-8", errors="replace")]), [])
    return dict(zip(header, (cell.strip() for cell in cells), strict=False))


def check_unique(path: Path, names: Sequence[str]) -> None:
    """Check that no two columns have the same name.

    Raises
    ------
    DataError
    """
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"{path}: column '{repeated}' occurs in the header more than once: rename one")


def stream_columns(path: Path, types: dict[str, pa.DataType], layout: Layout | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the columns of `types` in blocks of rows, in file order; an empty cell is null.

    Without a layout, the first line names the columns.

    Raises
    ------
    DataError
        When a line has too few or too many cells, or a cell is not of its column's type.
    """
    layout = layout or Layout(read_header(path))
    try:
        yield from _open(path, layout, types, use_threads=True)
    except pa.ArrowInvalid as fault:
        raise DataError(f"{path}: {_explain(path, layout, types, fault)}") from fault


def read_floats(path: Path, names: Sequence[str], layout: Layout | None = None) -> np.ndarray:
    """Read columns of numbers as a float64 array of shape (columns, rows); an empty cell is NaN.

    Raises
    ------
    DataError
        As for `stream_columns`.
    """
    chunks = [np.empty((len(names), 0))]
    for batch in stream_columns(path, dict.fromkeys(names, pa.float64()), layout):
        chunks.append(np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns]))
    return np.concatenate(chunks, axis=1)


def _open(path, layout, types, *, use_threads):
    with arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(
            column_names=layout.header,
            skip_rows=layout.lines_above,
            block_size=BLOCK_BYTES,
            use_threads=use_threads,
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=layout.delimiter),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, include_columns=list(types), decimal_point=layout.decimal_point
        ),
    ) as reader:
        yield from reader


def _explain(path, layout, types, fault):
    """Describe a fault and its place. Only a second pass, without threads, reveals the line."""
    try:
        for _ in _open(path, layout, types, use_threads=False):
            pass
    except pa.ArrowInvalid as fault_with_line:
        fault = fault_with_line
    text = str(fault).splitlines()[0]
    line = re.search(r"Row #(\d+)", text)
    place = f"line {line[1]}: " if line else ""
    if found := re.search(r"CSV column #(\d+):.* invalid value '(.*)'", text):
        column, value = layout.header[int(found[1])], found[2]
        return f"{place}column '{column}' holds '{value}', which is not a number: correct it"
    if found := re.search(r"Expected (\d+) columns, got (\d+)", text):
        return f"{place}{found[2]} cells, but the header has {found[1]} columns: correct the line"
    return f"{place}this is not a valid CSV file, repair or replace it: {text}"
