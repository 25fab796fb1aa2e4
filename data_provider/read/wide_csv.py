"""The wide CSV format: a column per channel and one named `label`; columns of times are not channels."""

import logging
import re
from pathlib import Path

import numpy as np

from data_provider.errors import DataError
from data_provider.read.columns import TIME_NAME, numbers_are_times
from data_provider.read.csv_stream import read_first_row, read_floats, read_header
from data_provider.read.dialect import is_missing, is_number
from data_provider.read.table import Table

logger = logging.getLogger(__name__)

_ROW_NUMBER = ""  # the unnamed column that pandas writes
_DATES = re.compile(r"(date|timestamp).*", re.IGNORECASE)


def read_wide_csv(path: Path) -> Table:
    """Read a wide CSV file.

    A column under a name of times is not a channel if it holds text, or numbers that are times by the rule for all
    readers: they rise strictly, or are Unix times or dates.

    Raises
    ------
    DataError
        When a cell is not numeric, a line has too few or too many cells, or numbers under a name of times are not
        times.
    """
    header = [name for name in read_header(path) if name != _ROW_NUMBER]
    first = read_first_row(path)
    clocks = [name for name in header if TIME_NAME.fullmatch(name) or _DATES.fullmatch(name)]
    texts = [name for name in clocks if name in first and not (is_number(first[name]) or is_missing(first[name]))]
    numeric = [name for name in clocks if name not in texts]
    names = tuple(name for name in header if name not in texts)
    values = read_floats(path, names)
    if not numeric:
        return Table(names, values)
    for name in numeric:
        if not numbers_are_times(values[names.index(name)]):
            raise DataError(
                f"{path}: column {name!r} is named like times, but its numbers do not rise from row to row: remove it "
                "if it holds times, or rename it if it is a channel (data.drop_channels leaves channels out)"
            )
    logger.info("%s: %s: rising numbers under a name of times, not channels", path, ", ".join(numeric))
    kept = [index for index, name in enumerate(names) if name not in numeric]
    return Table(tuple(names[index] for index in kept), np.ascontiguousarray(values[kept]))
