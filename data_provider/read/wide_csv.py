"""The wide CSV format: a column per channel and one named `label`; a column of dates is not read."""

import re
from pathlib import Path

from data_provider.read.csv_stream import read_floats, read_header
from data_provider.read.table import Table

# Columns of times, and the unnamed one of row numbers that pandas writes.
NOT_A_CHANNEL = re.compile(r"|time|(date|timestamp).*", re.IGNORECASE)


def read_wide_csv(path: Path) -> Table:
    """Read a wide CSV file.

    Raises
    ------
    DataError
        When a cell is not numeric, or a line has too few or too many cells.
    """
    names = tuple(name for name in read_header(path) if not NOT_A_CHANNEL.fullmatch(name))
    return Table(names, read_floats(path, names))
