"""A dataset as one NumPy archive, NAME.npz with the arrays train, test and test_label."""

import zlib
from pathlib import Path

import numpy as np

from data_provider.errors import DataError
from data_provider.prepare.sources import DAMAGE, check_channels, check_label, check_table, numbered
from data_provider.series import Series

ARRAYS = ("train", "test", "test_label")


def read_npz(name: str, path: Path) -> Series:
    """Read an archive with `train` (n, C), `test` (m, C) and `test_label` (m,).

    The optional array `columns`, C strings, names the channels; other arrays are not read.

    Raises
    ------
    DataError
        When the file is damaged, an array is missing or faulty, or the parts have different channels.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [key for key in ARRAYS if key not in archive]
            if missing:
                raise DataError(f"{path}: has no array {', no '.join(missing)}: add what is missing")
            found = {key: archive[key] for key in (*ARRAYS, "columns") if key in archive}
    except DataError:
        raise
    except (*DAMAGE, OSError, KeyError, AttributeError, TypeError, zlib.error, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a NumPy archive: {reason}; create it again") from error
    train, test, label = (check_table(f"{path}: {key}", found[key]) for key in ARRAYS)
    check_channels(f"{path}: test", test, train)
    return Series(name, train, test, check_label(f"{path}: test_label", label, len(test)), _names(path, found, train))


def _names(path, found, train):
    channels = train.shape[1]
    if "columns" not in found:
        return numbered(channels)
    columns = found["columns"]
    if columns.shape != (channels,) or columns.dtype.kind != "U" or len(set(columns.tolist())) != channels:
        raise DataError(f"{path}: columns must be {channels} unique strings, the channels' names: correct it")
    return tuple(columns.tolist())
