"""SWAN and GECCO as the NeurIPS-TS benchmark hands them out: three NumPy files each."""

from pathlib import Path

from data_provider.errors import DataError
from data_provider.prepare.sources import GUIDE, check_label, locate, numbered, read_npy
from data_provider.series import Series

PREFIXES = {"SWAN": "NIPS_TS_Swan", "GECCO": "NIPS_TS_Water"}


def read_neurips_ts(name: str, source: Path) -> Series:
    """Read the training part, the test part and its labels.

    Raises
    ------
    DataError
        When a file is missing or faulty, or the training and the test part differ in their channels.
    """
    paths = locate(source, *(f"{PREFIXES[name]}_{part}.npy" for part in ("train", "test", "test_label")))
    train, test, label = (read_npy(path) for path in paths)
    channels = train.shape[1]
    if test.shape[1] != channels:
        raise DataError(
            f"{paths[1]}: {test.shape[1]} channels, the training part has {channels}: get both again ({GUIDE})"
        )
    return Series(name, train, test, check_label(paths[2], label, len(test)), numbered(channels))
