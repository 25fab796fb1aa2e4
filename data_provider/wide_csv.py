"""The wide CSV format: a column per channel and one named `label`; a column of dates is not read."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_provider.csv_stream import read_header, stream_columns
from data_provider.table import Table

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
    chunks = [np.empty((len(names), 0))]
    for batch in stream_columns(path, {name: pa.float64() for name in names}):
        chunks.append(np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns]))
    return Table(names, np.concatenate(chunks, axis=1))
