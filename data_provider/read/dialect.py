"""How a text file of columns is written: its encoding, its separator, its decimal mark, and whether it has a header.

One rule decides what the first line is, for files, streams and benchmark files alike: **a first line is data if
each of its cells is a number, a date, a time of day or missing, and at least one is not missing; any other first line
holds the column names.** A line of dates and other texts may be either, which is an error that `--header`
resolves, unless the texts recur below, as names do not. Every decision that departs from the plainest of
files (UTF-8, commas, decimal points, names in the first line) is reported.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from data_provider.errors import DataError
from data_provider.read.date_text import is_date, is_time_of_day
from data_provider.read.thousands import BOTH, GROUPED, check_thousands

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", r"\t": "\t"}
_SHOWN = {separator: name for name, separator in reversed(SEPARATORS.items())}
# What always stands for a missing value; other codes are named with --missing-values.
MISSING = frozenset(
    ("", "na", "nan", "-nan", "n/a", "#n/a", "<na>", "null", "none", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan")
)
_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)
_WHOLE = re.compile(r"\d+")
_MARKS = {  # UTF-32 marks begin like those of UTF-16
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
LOOKED_AT = 300  # lines
LONGEST_CODE = 20  # characters of a text that may stand for a missing value, such as "No Data"


def number_pattern(decimal: str, *, infinite: bool = False) -> str:
    """Return the pattern of a number without surrounding spaces, optionally also of an infinite one.

    An exponent has at most four digits after its zeros: pandas crashes on a text like 1e2147483648.
    """
    mark = re.escape(decimal)
    pattern = rf"[-+]?(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][-+]?0*[0-9]{{1,4}})?"
    return f"{pattern}|(?i:[-+]?inf(?:inity)?)" if infinite else pattern


_NUMBER = {mark: re.compile(number_pattern(mark)) for mark in (".", ",")}


@dataclass(frozen=True)
class Dialect:
    """How the lines of a file are written.

    Parameters
    ----------
    encoding : str
        A name that Python knows; a byte order mark at the start is not part of the text.
    separator : str
        One character; several spaces count as one.
    decimal : {".", ","}
    header : bool
        Whether the first line names the columns.
    """

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."
    header: bool = True

    def cells(self, line: str) -> list[str]:
        """Return the cells of a line, without surrounding spaces.

        Raises
        ------
        csv.Error
        """
        return next(_rows([line.removeprefix("\ufeff")], self.separator), [])


def is_missing(cell: str) -> bool:
    """Return whether a cell stands for a missing value."""
    return cell.strip().lower() in MISSING


def is_number(cell: str, decimal: str = ".") -> bool:
    """Return whether a cell is a number, perhaps infinite."""
    cell = cell.strip()
    return bool(_NUMBER[decimal].fullmatch(cell) or _INFINITE.fullmatch(cell))


def number(cell: str, dialect: Dialect) -> float:
    """Return the number in a cell.

    Raises
    ------
    DataError
        When it is not a finite number; the message has the remedy, but not the place.
    """
    if _INFINITE.fullmatch(cell.strip()):
        raise DataError(f"{cell[:40]!r} is not finite")
    if not is_number(cell, dialect.decimal):
        raise DataError(f"{cell[:40]!r} is not a number{advice(cell, dialect.decimal)}")
    value = float(cell.replace(",", ".") if dialect.decimal == "," else cell)
    if value in (float("inf"), float("-inf")):
        raise DataError(f"{cell[:40]!r} is too large for a number")
    return value


def advice(cell: str, decimal: str) -> str:
    """Return a remedy for a cell that is not a number, for the end of a message; empty if there is none."""
    cell = cell.strip()
    other = "." if decimal == "," else ","
    grouped = any(form.fullmatch(cell) and (mark == other or cell.count(mark) > 1) for mark, form in GROUPED.items())
    if grouped or any(pattern.fullmatch(cell) for pattern in BOTH) or re.search(r"\d[ '’\u00a0\u202f]\d{3}", cell):
        return f": write numbers without thousands separators, or, if it is a decimal mark, use --decimal '{other}'"
    if other in cell and is_number(cell, other):
        return f": correct it, or use --decimal '{other}'"
    if 0 < len(cell) <= LONGEST_CODE and not any(map(str.isdigit, cell)):
        code = "-" if set(cell) == {"-"} else cell
        return f": correct it, or, if it stands for a missing value, use --missing-values '{code}'"
    return ""


def decide(
    sample: bytes,
    source: str,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
) -> tuple[Dialect, list[str]]:
    """Determine how a file is written from its first bytes, or from the first lines of a stream.

    Parameters
    ----------
    sample : bytes
        An unterminated last line is ignored unless it is the only one.
    source : str
        The name used in errors.
    encoding, separator, decimal, header : optional
        What is already known. The separator may be a word: comma, semicolon, tab, pipe or space.

    Returns
    -------
    dialect : Dialect
    notes : list of str
        Decisions that depart from the plainest of files.

    Raises
    ------
    DataError
        When it is unclear, with the option that resolves it; when an option is impossible.
    """
    separator, decimal = _known(source, separator, decimal)
    encoding, notes = _encoding(sample, source, encoding)
    lines = _lines(sample, source, encoding)
    if separator is not None and decimal is None and lines and not any(separator in line for line in lines):
        raise DataError(f"{source}: --sep {_shown(separator)}: no line contains it: correct it, or leave it out")
    if lines and re.fullmatch(r'"?sep=.?"?', lines[0]):
        raise DataError(
            f"{source}: the first line {lines[0]!r} is meant for Excel: remove it, the separator is found without it"
        )
    choice = _marks(lines, source, separator, decimal)
    if (choice != (",", ".")) and (separator is None or (decimal is None and choice[1] == ",")):
        notes.append(
            f"read with the separator {_shown(choice[0])} and the decimal mark '{choice[1]}'; override with "
            "--sep and --decimal"
        )
    rows = list(_rows(lines, choice[0]))
    if header is None:
        header, note = _has_header(rows, source, choice[1])
        notes += note
    return Dialect(encoding, *choice, header), notes


def _known(source: str, separator: str | None, decimal: str | None) -> tuple[str | None, str | None]:
    if separator is not None:
        separator = SEPARATORS.get(separator, separator)
        if len(separator) != 1 or separator.isalnum() or separator in '"\n\r.':
            raise DataError(
                f"{source}: --sep {separator!r}: give one character, or comma, semicolon, tab, pipe or space"
            )
    if decimal not in (None, ".", ","):
        raise DataError(f"{source}: --decimal {decimal!r}: give '.' or ','")
    return separator, decimal


def _shown(separator: str) -> str:
    return _SHOWN.get(separator, repr(separator))


def _encoding(sample: bytes, source: str, encoding: str | None) -> tuple[str, list[str]]:
    marked = next((name for mark, name in _MARKS.items() if sample.startswith(mark)), None)
    if encoding is not None:
        try:
            "".encode(encoding)  # a codec for something other than text is also a LookupError
        except LookupError:
            raise DataError(
                f"{source}: --encoding {encoding}: unknown: give utf-8, utf-16, latin-1 or cp1252"
            ) from None
        encoding = codecs.lookup(encoding).name
        if marked is not None and not marked.startswith(encoding.removesuffix("-sig")):
            raise DataError(
                f"{source}: --encoding {encoding}: the byte order mark is that of {marked.upper()}: leave it out"
            )
        return marked if marked and encoding == "utf-16" else encoding, []
    if marked is not None:
        return marked, [f"read as {marked.upper()}, as its byte order mark says"] if marked != "utf-8" else []
    for name, blank, full in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        pairs = sample[: len(sample) // 2 * 2][:4000]
        zeros = pairs[blank::2].count(0)
        if zeros > 0.7 * len(pairs[blank::2]) and not pairs[full::2].count(0):
            return name, [f"read as {name.upper()}; override with --encoding"]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError as error:
        raise not_decoded(source, "utf-8", error) from None
    return "utf-8", []


def not_decoded(source: str, encoding: str, error: UnicodeError) -> DataError:
    """Return the error for a file that does not have the encoding it is read in."""
    return DataError(
        f"{source}: cannot be read as CSV: not text in {encoding.upper()} ({error}): name its encoding, such as "
        "--encoding latin-1, or save it in UTF-8"
    )


def _lines(sample: bytes, source: str, encoding: str) -> list[str]:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeError as error:
        raise not_decoded(source, encoding, error) from None
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise DataError(f"{source}: cannot be read as CSV, because it contains zero bytes: export it as text")
    lines = re.split(r"\r\n|\n|\r", text)
    if len(lines) > 1:
        lines.pop()  # empty, or cut off
    return [line for line in lines if line.strip()][:LOOKED_AT]


def _rows(lines: list[str], separator: str) -> Iterator[list[str]]:
    blank = separator == " "
    if blank:
        lines = [line.strip() for line in lines]
    for row in csv.reader(lines, delimiter=separator, skipinitialspace=True):
        yield [cell.strip() for cell in row]


def _marks(lines: list[str], source: str, separator: str | None, decimal: str | None) -> tuple[str, str]:
    """Return the separator and decimal mark that give a meaning to most cells of the sample."""
    candidates = [separator] if separator else [",", ";", "\t", "|", " "]
    found = []
    for sign in candidates:
        try:
            rows = list(_rows(lines, sign))
        except csv.Error:
            continue
        count = len(rows[0]) if rows else 1
        if separator is None and count == 1:
            continue
        fitting = sum(len(row) == count for row in rows) / len(rows) if rows else 1.0
        if separator is None and fitting < (1.0 if sign == " " else 0.5):
            continue
        for mark in [decimal] if decimal else [".", ","]:
            if mark == sign and decimal is None and not _quoted_commas(rows):
                continue
            meaning = _meaning(rows[1:] or rows, mark)
            if sign == " " and separator is None and (not rows[1:] or _meaning(rows[1:], mark, dates=False) < 1):
                continue
            found.append((meaning * fitting, sign, mark, rows))
    if not found:
        return _single_column(lines, source, separator, decimal)
    best = max(share for share, *_ in found)
    good = [(sign, mark, rows) for share, sign, mark, rows in found if share >= best - 1e-9]
    signs = list(dict.fromkeys(sign for sign, *_ in good))
    if len(signs) > 1 and len(lines) < 2:
        raise _doubtful(source, lines, "the separator may be " + " or ".join(map(_shown, signs)), "--sep")
    sign = signs[0]
    marks = [mark for other, mark, _ in good if other == sign]
    rows = next(rows for other, _, rows in good if other == sign)
    mark = "." if "." in marks else ","
    if decimal is None:
        check_thousands(rows, source, mark)
    if separator is None and sign == "," and mark == ".":
        _check_two_columns(rows, source)
    return sign, mark


def _single_column(lines, source, separator, decimal) -> tuple[str, str]:
    """Return the marks of a file with one column, whose lines must not look like several columns."""
    sign = separator or ","
    if decimal:
        return (sign if sign != decimal else ";"), decimal
    body = lines[1:] or lines
    commas = [line for line in body if "," in line and is_number(line, ",")]
    if commas and sum(is_number(line, ",") for line in body) == len(body):
        raise _doubtful(
            source,
            [commas[0]],
            "it may be one number with a decimal comma, or two cells",
            "--decimal ',' --sep semicolon, or --sep comma and a header with one name per cell",
        )
    for other in [separator] if separator else [",", ";", "\t", "|"]:
        first, *counts = (len(row) for row in _rows([lines[0], *body], other))
        has = "one cell" if first == 1 else f"{first} cells"
        usual = max(counts, key=counts.count, default=1)
        if usual > 1 and counts.count(usual) > 0.5 * len(counts):
            raise DataError(
                f"{source}: the first line {lines[0][:60]!r} has {has}, but the lines below have {usual}: "
                "remove what is above the column names, correct the names, or use --sep"
            )
    return sign, "."


def _quoted_commas(rows: list[list[str]]) -> bool:
    return any("," in cell and is_number(cell, ",") for row in rows for cell in row)


def _meaning(rows: list[list[str]], mark: str, *, dates: bool = True) -> float:
    """Return the share of cells that are numbers, dates or missing."""
    cells = [cell for row in rows for cell in row]
    known = sum(is_number(cell, mark) or is_missing(cell) or (dates and _is_time(cell)) for cell in cells)
    return known / len(cells) if cells else 1.0


def _is_time(cell: str) -> bool:
    return is_date(cell) or is_time_of_day(cell)


def _check_two_columns(rows: list[list[str]], source: str) -> None:
    """Refuse pairs without names above that look like one number with a decimal comma, such as 0,0189."""
    pairs = [
        row for row in rows if len(row) == 2 and _WHOLE.fullmatch(row[0].lstrip("+-")) and _WHOLE.fullmatch(row[1])
    ]
    zeros = [row for row in pairs if len(row[1]) > 1 and row[1].startswith("0")]
    if zeros and len(pairs) == len(rows):
        raise _doubtful(
            source,
            [",".join(zeros[0])],
            "it may be one number with a decimal comma, or two cells",
            "--decimal ',' --sep semicolon, or --sep comma",
        )


def _doubtful(source: str, lines: list[str], doubt: str, options: str) -> DataError:
    return DataError(f"{source}: the line {lines[0][:60]!r} is ambiguous, {doubt}: use {options}")


def _has_header(rows: list[list[str]], source: str, mark: str) -> tuple[bool, list[str]]:
    """Return whether the first line holds names, by the rule of the module, and what to report."""
    if not rows:
        return True, []
    first, body = rows[0], rows[1:]
    numbers = [cell for cell in first if is_number(cell, mark)]
    times = [cell for cell in first if _is_time(cell)]
    texts = [
        place for place, cell in enumerate(first) if not (is_number(cell, mark) or _is_time(cell) or is_missing(cell))
    ]
    if not texts and (numbers or times):
        if first[0] == "" and first[1:] == [str(place) for place in range(len(first) - 1)]:
            return True, []  # as pandas writes a table without names
        return False, [
            f"the first line ({', '.join(first)[:60]}) holds no names and is read as data; the columns are named 1, 2, "
            "…; if it holds names, use --header yes"
        ]
    again = any(place < len(row) and row[place] == first[place] for row in body for place in texts if first[place])
    if again and (numbers or times):
        return False, [
            "the first line is read as data, because its words recur below; if it holds names, use --header yes"
        ]
    if any(map(is_date, times)) and not all(map(_WHOLE.fullmatch, times)):
        raise _doubtful(source, [", ".join(first)], "it may hold names or data", "--header yes or --header no")
    if any(not _WHOLE.fullmatch(cell) for cell in numbers):
        return True, [
            f"the first line is taken as names, though it holds the numbers {', '.join(numbers)}; if it is data, use "
            "--header no"
        ]
    return True, []
