"""Thousands separators in numbers: which marks may be some, and which certainly are."""

import re
from itertools import zip_longest

from data_provider.errors import DataError

# Digits in groups of three after what may be a thousands separator, and numbers that have both marks.
GROUPED = {mark: re.compile(rf"[-+]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+") for mark in (".", ",")}
BOTH = (re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+,\d*"), re.compile(r"[-+]?\d{1,3}(?:,\d{3})+\.\d*"))
_MARKED = {mark: re.compile(rf"[-+]?(?=.*\d)\d*{re.escape(mark)}\d*(?:[eE][-+]?\d+)?") for mark in (".", ",")}
_SHORT = re.compile(r"[-+]?\d{1,3}")
_LEAST = 5  # different short whole numbers beside grouped ones; codes for missing values such as -999 are fewer


def check_thousands(rows: list[list[str]], source: str, mark: str) -> None:
    """Refuse numbers that have, or may have, thousands separators.

    Parameters
    ----------
    rows : list of list of str
        Cells of a sample, with the names in the first row if there are any.
    source : str
        The file, for errors.
    mark : {".", ","}
        The decimal mark that is assumed.

    Raises
    ------
    DataError
    """
    body = rows[1:] or rows
    commas = [cell for row in body for cell in row if "," in cell]
    both = next((cell for cell in commas if any(pattern.fullmatch(cell) for pattern in BOTH)), None)
    if both is not None:
        raise DataError(f"{source}: {both!r} has a thousands separator: write the numbers without it")
    numbers = [cell for cell in commas if _MARKED[","].fullmatch(cell)]
    if mark == "," and numbers and all(map(GROUPED[","].fullmatch, numbers)):
        raise DataError(
            f"{source}: {numbers[0]!r} may have a decimal comma or a thousands separator: use --decimal ',', or write "
            "the numbers without thousands separators"
        )
    if mark == ",":
        return
    points = [cell for row in body for cell in row if _MARKED["."].fullmatch(cell)]
    decimal = next((cell for cell in numbers if not GROUPED[","].fullmatch(cell)), None)
    if decimal is not None and points and all(map(GROUPED["."].fullmatch, points)):
        raise DataError(
            f"{source}: {points[0]!r} has a thousands separator, if {decimal!r} has a decimal comma: write the numbers "
            "without it, or, if it is a decimal mark, use --decimal '.'"
        )
    for column in zip_longest(*body, fillvalue=""):
        _check_points(column, source)


def _check_points(column: tuple[str, ...], source: str) -> None:
    """Refuse a column like 998, 1.001, 1.003, in which only numbers from a thousand on have a point."""
    points = [cell for cell in column if _MARKED["."].fullmatch(cell)]
    if not points or not all(map(GROUPED["."].fullmatch, points)):
        return
    whole = list(dict.fromkeys(cell for cell in column if cell.lstrip("+-").isdecimal()))
    hundreds = [cell for cell in whole if len(cell.lstrip("+-")) == 3]
    if len(whole) >= _LEAST and all(map(_SHORT.fullmatch, whole)) and hundreds:
        raise DataError(
            f"{source}: {points[0]!r} seems to have a thousands separator, because numbers such as "
            f"{hundreds[0]} have no point: write the numbers without it, or, if it is a decimal mark, use "
            "--decimal '.'"
        )
