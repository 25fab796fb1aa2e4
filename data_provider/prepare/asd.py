"""ASD, the Application Server Dataset, as InterFusion provides it: three pickled NumPy arrays for each server."""

import io
import pickle
from pathlib import Path

import numpy as np

from data_provider.errors import DataError
from data_provider.prepare.sources import GUIDE, check_channels, check_label, check_table, find, numbered
from data_provider.series import Series

CHANNELS = 19
TEST_ROWS = 4320
SERVERS = [f"omi-{number}" for number in range(1, 13)]
# Their training parts differ in length; lengths that are not listed here are not checked.
ROWS = {server: (8640 if number <= 8 else None, TEST_ROWS) for number, server in enumerate(SERVERS, start=1)}
PARTS = ("train", "test", "test_label")
# Everything that the pickle of an array refers to; module names of NumPy 1 and NumPy 2.
ALLOWED = {
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    ("_codecs", "encode"),
}


def read_asd_server(server: str, source: Path) -> Series:
    """Read one server's training part, test part and its labels.

    Raises
    ------
    DataError
        When a file is missing or faulty, or the training and test parts have different channels.
    """
    paths = [find(source, _file(server, part)) for part in PARTS]
    missing = [_file(server, part) for part, path in zip(PARTS, paths, strict=True) if path is None]
    if missing:
        raise DataError(f"{source}: there is no {', no '.join(missing)} in it: download the source again ({GUIDE})")
    train, test, label = (check_table(path, _read_pickle(path)) for path in paths)
    check_channels(paths[1], test, train)
    return Series(server, train, test, check_label(paths[2], label, len(test)), numbered(train.shape[1]))


def has_asd_server(server: str, source: Path) -> bool:
    """Whether one of the server's files exists."""
    return any(find(source, _file(server, part)) is not None for part in PARTS)


def _file(server, part):
    return f"{server}_{part}.pkl"


class _ArrayUnpickler(pickle.Unpickler):
    """Loads arrays and nothing else: an unrestricted pickle can run any code."""

    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name} where an array is expected")
        return super().find_class(module, name)


def _read_pickle(path):
    try:
        return np.asarray(_ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load())
    except Exception as error:  # a damaged pickle can raise any error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read as a pickled array: {reason}; download it again ({GUIDE})") from error
