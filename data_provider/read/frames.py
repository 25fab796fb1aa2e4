"""CSV and Parquet files as tables of columns, before it is known what the columns mean."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types
from pyarrow import parquet

from data_provider.errors import DataError
from data_provider.read.csv_stream import check_unique
from data_provider.read.dialect import MISSING, Dialect, decide, not_decoded, number_pattern
from data_provider.read.thousands import GROUPED

_SAMPLE = 1 << 16  # bytes
_PACKED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_MISSING = sorted({form for cell in MISSING for form in (cell, cell.upper(), cell.capitalize())} | {"NaN", "-NaN"})


def read_frame(path: Path, notes: list[str], **options) -> pd.DataFrame:
    """Return the columns of a file; the index counts its rows from 1, the first below the header.

    Parameters
    ----------
    path : Path
        `.parquet` or `.pq` is read as Parquet, anything else as CSV, optionally compressed (.gz, .bz2, .xz, .zip).
    notes : list of str
        Decisions are appended.
    **options
        As for `decide`: separator, decimal, header and encoding of a CSV file.

    Raises
    ------
    DataError
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder: give its files, such as '{path}/*.csv'")
    if not path.is_file():
        raise DataError(f"{path}: no such file: give a CSV or Parquet file with a column for each channel")
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    given = [name for name, value in options.items() if value is not None]
    if is_parquet and given:
        option = {"separator": "sep"}.get(given[0], given[0])
        raise DataError(f"{path}: --{option} is for CSV files, and this is Parquet: leave it out")
    try:
        frame = _read_parquet(path) if is_parquet else _read_csv(path, notes, options)
    except DataError:
        raise
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty: it must start with the column names") from None
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException) as error:
        kind = "Parquet" if is_parquet else "CSV"
        raise DataError(
            f"{path}: cannot be read as {kind}: {' '.join(str(error).split())}: correct it, or save it again"
        ) from None
    if frame.empty:
        raise DataError(f"{path}: has no rows of data below the header: complete the file")
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1))


def _read_parquet(path: Path) -> pd.DataFrame:
    check_unique(path, parquet.read_schema(path).names)
    # As pandas reads it, without the file in memory beside its columns, and these only once.
    frame = parquet.read_table(str(path), pre_buffer=False).to_pandas(self_destruct=True)
    pa.default_memory_pool().release_unused()
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return frame.set_axis([str(name).strip() for name in frame.columns], axis=1)


def _read_csv(path: Path, notes: list[str], options: dict) -> pd.DataFrame:
    content = _unpacked(path)
    if not content.strip():
        raise pd.errors.EmptyDataError
    dialect, said = decide(content[:_SAMPLE], str(path), **options)
    notes += said
    content = _in_utf8(content, path, dialect)
    separator = {"sep": r"\s+" if dialect.separator == " " else dialect.separator, "skipinitialspace": True}
    names = _names(path, content, dialect, separator, notes)
    frame = pd.read_csv(
        io.BytesIO(content),
        names=names,
        header=0 if dialect.header else None,
        **separator,
        decimal=dialect.decimal,
        keep_default_na=False,
        na_values=_MISSING,
        low_memory=False,
        float_precision="round_trip",
        skip_blank_lines=len(names) > 1,  # in a single column, a blank line is a row without a value
    )
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"{path}: the lines have more cells than the first line's {len(names)}: correct one of them, remove what "
            "is above the column names, or name the separator with --sep"
        )
    if len(names) == 1:
        frame = frame[: len(frame) - _blank_lines_at_end(content)]
    frame = _large_whole_numbers(frame, content, separator, dialect)
    return _with_points(frame, path) if dialect.decimal == "," else frame


def _unpacked(path: Path) -> bytes:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            files = [name for name in archive.namelist() if not name.endswith("/")]
            if len(files) != 1:
                raise DataError(f"{path}: contains {len(files)} files, expected one: pack a single file")
            return archive.read(files[0])
    if suffix in _PACKED:
        with _PACKED[suffix](path) as file:
            return file.read()
    return path.read_bytes()


def _in_utf8(content: bytes, path: Path, dialect: Dialect) -> bytes:
    """Return the text in UTF-8, without a byte order mark and blank lines at its start."""
    try:
        text = codecs.decode(content, dialect.encoding)
    except (UnicodeError, ValueError) as error:
        raise not_decoded(str(path), dialect.encoding, error) from None
    if "\0" in text:
        raise DataError(f"{path}: cannot be read as CSV, because it contains zero bytes: export it as text")
    if dialect.encoding == "utf-8":
        return content.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    return text.removeprefix("\ufeff").lstrip("\r\n").encode()


def _names(path: Path, content: bytes, dialect: Dialect, separator: dict, notes: list[str]) -> list[str]:
    first = pd.read_csv(io.BytesIO(content), header=None, nrows=1, dtype=str, keep_default_na=False, **separator)
    if not dialect.header:
        return [str(place) for place in range(1, first.shape[1] + 1)]
    names = [name.strip() for name in first.iloc[0]]
    if names[0].startswith("#") and len(names) > 1:
        names[0] = names[0].lstrip("# ")
        notes.append("the first line starts with # and is taken as the column names")
    check_unique(path, names)
    return names


def _blank_lines_at_end(content: bytes) -> int:
    return max(0, content[len(content.rstrip()) :].count(b"\n") - 1)


def _large_whole_numbers(frame: pd.DataFrame, content: bytes, separator: dict, dialect: Dialect) -> pd.DataFrame:
    """Reread exactly the columns of large integers that are floats because a cell is missing or ends with .0."""
    floats = frame.select_dtypes(np.float64)
    large = [name for name in floats if 2**53 < floats[name].abs().max() < 1e18]
    if not large:
        return frame
    texts = pd.read_csv(
        io.BytesIO(content),
        names=list(frame),
        header=0 if dialect.header else None,
        usecols=large,
        dtype=str,
        keep_default_na=False,
        na_values=_MISSING,
        skip_blank_lines=frame.shape[1] > 1,
        **separator,
    )[: len(frame)]
    for name in large:
        cells = texts[name].str.strip().str.replace(rf"{re.escape(dialect.decimal)}0*$", "", regex=True)
        if cells.dropna().str.fullmatch(r"[-+]?[0-9]{1,18}").all():
            frame[name] = cells.astype("Int64")
    return frame


def _with_points(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the text columns of numbers with decimal commas, with decimal points instead."""
    for name in frame:
        cells = frame[name]
        if types.is_numeric_dtype(cells) or not cells.notna().any():
            continue
        text = cells.astype(str).str.strip()
        fits = text.str.fullmatch(number_pattern(",")) & cells.notna()
        if fits.sum() * 2 <= cells.notna().sum():
            _refuse_grouped(text, path)
            continue
        wrong = ~fits & text.str.fullmatch(number_pattern("."))
        if wrong.any():
            place = int(wrong.to_numpy().argmax())
            raise DataError(
                f"{path}: row {place + 1} of column {name!r} holds {text.iloc[place]!r}, but other numbers have a "
                "decimal comma: correct it, or use --decimal"
            )
        frame[name] = cells.mask(fits, text.str.replace(",", ".", regex=False))
    return frame


def _refuse_grouped(text: pd.Series, path: Path) -> None:
    """Refuse a column in which most cells have points between groups of three digits and none a decimal comma."""
    grouped = text.str.fullmatch(GROUPED["."])
    if grouped.sum() * 2 > len(text):
        place = int(grouped.to_numpy().argmax())
        raise DataError(
            f"{path}: row {place + 1} of column {text.name!r} holds {text.iloc[place]!r}, but the decimal mark is a "
            "comma: write the numbers without thousands separators, or use --decimal"
        )


def without_missing_codes(frame: pd.DataFrame, codes: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """Return the table without the cells that the user declares missing values.

    Parameters
    ----------
    frame : DataFrame
    codes : sequence of str
        A number stands for all ways of writing it, - for any number of dashes.
    notes : list of str
        Says how many were found, for each code.
    """
    frame = frame.copy() if codes else frame
    for code in codes:
        value = float(code) if re.fullmatch(number_pattern("."), code) else None
        count = 0
        for name in frame:
            cells = frame[name]
            if types.is_numeric_dtype(cells) and not types.is_bool_dtype(cells):
                found = (cells == value).fillna(False) if value is not None else pd.Series(False, cells.index)
            else:
                text = cells.astype(str).str.strip()
                found = text.str.fullmatch("-+") if code == "-" else text == code
                if value is not None:
                    found |= (
                        pd.to_numeric(text.where(text.str.fullmatch(number_pattern("."))), errors="coerce") == value
                    )
            if found.any():
                frame[name] = cells.mask(found.to_numpy(bool))
                count += int(found.sum())
        held = "cell holds it and is treated" if count == 1 else "cells hold it and are treated"
        notes.append(f"--missing-values {code}: {count} {held} as missing")
    return frame
