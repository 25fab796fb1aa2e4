"""A binary copy of a parsed CSV file beside it, so that the next start takes a second.

One file: the values as a NumPy array of shape (columns, rows), then a JSON note that says from which state of
the source they come. It is written under a temporary name and moved, so a reader never sees half of it.
"""

import json
import logging
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_provider.table import Table

VERSION = 1
logger = logging.getLogger(__name__)


def read_cached(source: Path, read: Callable[[Path], Table]) -> Table:
    """Return the table of `source`: from its cache where that is sound and current, else by `read`, and cache it."""
    cache = source.with_name(source.name + ".cache")
    status = source.stat()
    state = {"version": VERSION, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    table = _load(cache, state)
    if table is None:
        table = read(source)
        _store(cache, state, table)
    return table


def _load(cache, state):
    try:
        values = np.lib.format.open_memmap(cache, mode="r")
        with open(cache, "rb") as file:
            file.seek(values.offset + values.nbytes)
            note = json.load(file)
        if note["state"] != state:
            logger.info("%s is of another state of its source and will be rebuilt", cache)
            return None
        if note["crc32"] != zlib.crc32(values) or len(note["names"]) != len(values):
            raise ValueError("the checksum is wrong")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s is damaged and will be rebuilt: %s", cache, error)
        return None
    return Table(tuple(note["names"]), values)


def _store(cache, state, table):
    note = {"state": state, "names": table.names, "crc32": zlib.crc32(table.values)}
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=cache.parent, prefix=cache.name, delete=False) as file:
            temporary = file.name
            np.lib.format.write_array(file, table.values)
            file.write(json.dumps(note).encode())
        os.replace(temporary, cache)
    except OSError as error:
        logger.warning("%s cannot be written, the next start will read the CSV again: %s", cache, error)
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
