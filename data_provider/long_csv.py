"""The long CSV format of the TAB benchmark: columns date, data, cols; one block of rows per channel, then `label`."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as arrow_compute

from data_provider.csv_stream import stream_columns
from data_provider.errors import DataError
from data_provider.table import Table


def read_long_csv(path: Path) -> Table:
    """Read a long CSV file; the date column may be missing and is not read.

    Raises
    ------
    DataError
        When a cell is not numeric, rows of a channel do not stand together, or blocks differ in length.
    """
    chunks: list[np.ndarray] = []
    lengths: dict[str, int] = {}
    current = None
    for batch in stream_columns(path, {"data": pa.float64(), "cols": pa.string()}):
        chunks.append(batch["data"].to_numpy(zero_copy_only=False))
        runs = arrow_compute.run_end_encode(batch["cols"])
        ends = [0, *runs.run_ends.to_pylist()]
        for name, (begin, end) in zip(runs.values.to_pylist(), pairwise(ends), strict=True):
            if name != current and name in lengths:
                raise DataError(
                    f"{path}: column 'cols' has two blocks named '{name}': sort the rows by channel"
                )
            lengths[name] = lengths.get(name, 0) + end - begin
            current = name
    rows = max(lengths.values(), default=0)
    for name, length in lengths.items():
        if length != rows:
            raise DataError(
                f"{path}: block '{name}' has {length} rows where the longest has {rows}: complete it"
            )
    return Table(tuple(lengths), np.concatenate([np.empty(0), *chunks]).reshape(len(lengths), rows))
