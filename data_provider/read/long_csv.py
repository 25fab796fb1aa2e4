"""The long CSV format of the TAB benchmark: date,data,cols; a block of rows per channel, `label` last."""

from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as arrow_compute
from pyarrow import csv as arrow_csv
from tqdm import tqdm

from data_provider.errors import DataError
from data_provider.files import replacing
from data_provider.read.csv_stream import stream_columns
from data_provider.read.table import Table
from data_provider.series import Series


def read_long_csv(path: Path) -> Table:
    """Read a long CSV file; the date column may be missing and is not read.

    Raises
    ------
    DataError
        When a cell is not numeric, the rows of a channel are not contiguous, or blocks differ in length.
    """
    chunks = [np.empty(0)]
    lengths: dict[str, int] = {}
    current = None
    for batch in stream_columns(path, {"data": pa.float64(), "cols": pa.string()}):
        chunks.append(batch["data"].to_numpy(zero_copy_only=False))
        runs = arrow_compute.run_end_encode(batch["cols"])
        ends = [0, *runs.run_ends.to_pylist()]
        for name, (begin, end) in zip(runs.values.to_pylist(), pairwise(ends), strict=True):
            if name != current and name in lengths:
                raise DataError(f"{path}: column 'cols' has a second block of '{name}': put its rows together")
            lengths[name] = lengths.get(name, 0) + end - begin
            current = name
    rows = max(lengths.values(), default=0)
    for name, length in lengths.items():
        if length != rows:
            raise DataError(f"{path}: column '{name}' has {length} rows, but the longest has {rows}: complete it")
    return Table(tuple(lengths), np.concatenate(chunks).reshape(len(lengths), rows))


def write_long_csv(path: Path, series: Series) -> None:
    """Write the training part followed by the test part as a long CSV file.

    The date is the row number, the training part's label is 0, and every value reads back exactly.
    """
    label = np.concatenate([np.zeros(len(series.train)), series.test_label])
    dates = pa.array(np.arange(1, len(label) + 1))
    schema = pa.schema({"date": pa.int64(), "data": pa.float64(), "cols": pa.string()})
    values = (np.concatenate(parts) for parts in zip(series.train.T, series.test.T, strict=True))
    blocks = chain(zip(series.channels, values, strict=True), [("label", label)])
    with replacing(path) as temporary, arrow_csv.CSVWriter(temporary, schema) as writer:
        progress = tqdm(blocks, f"writing {path.name}", len(series.channels) + 1, unit="channel", disable=None)
        for name, block in progress:
            columns = [dates, pa.array(block, pa.float64()), pa.repeat(name, len(label))]
            writer.write_batch(pa.record_batch(columns, schema=schema))
