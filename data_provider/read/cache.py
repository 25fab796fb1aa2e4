"""A binary copy of a parsed CSV file next to it, so that the next start need not parse it again.

One file, NAME.csv.cache: a line of JSON with the column names, the source's state when it was read and a
checksum, padded to a multiple of 64 bytes; then the values as 8-byte floats, column after column.
"""

import json
import logging
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_provider.files import replacing
from data_provider.read.table import Table

VERSION = 1
MAX_NOTE_BYTES = 1 << 24
logger = logging.getLogger(__name__)


def read_cached(source: Path, read: Callable[[Path], Table]) -> Table:
    """Return the table of `source` from its cache, or from `read` if the cache is missing, old or damaged."""
    cache = source.with_name(source.name + ".cache")
    status = source.stat()
    state = {"version": VERSION, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    table = _load(cache, state)
    if table is None:
        table = read(source)
        _store(cache, state, table)
        table.values.flags.writeable = False  # like the cached values
    return table


def _load(cache, state):
    try:
        with open(cache, "rb") as file:
            note = json.loads(file.readline(MAX_NOTE_BYTES))
            start = file.tell()
        if note["state"] != state:
            logger.info("%s is older than its source and will be rebuilt", cache)
            return None
        names = tuple(note["names"])
        values = np.memmap(cache, "<f8", "r", start, shape=(len(names), note["rows"]))
        if note["checksum"] != _checksum(names, values):
            raise ValueError("wrong checksum")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s is damaged and will be rebuilt: %s", cache, error)
        return None
    return Table(names, np.asarray(values))


def _store(cache, state, table):
    names, values = table
    note = {"state": state, "names": names, "rows": values.shape[1], "checksum": _checksum(names, values)}
    line = json.dumps(note).encode()
    padding = b" " * (-(len(line) + 1) % 64)  # keeps the mapped values aligned
    try:
        with replacing(cache) as temporary, open(temporary, "wb") as file:
            file.write(line + padding + b"\n")
            values.astype("<f8", copy=False).tofile(file)
    except OSError as error:
        logger.warning("%s cannot be written, so the next start reads the CSV again: %s", cache, error)


def _checksum(names, values):
    return zlib.crc32(values, zlib.crc32("\n".join(names).encode()))
