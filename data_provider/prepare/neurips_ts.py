"""SWAN and GECCO as the NeurIPS-TS benchmark provides them, three NumPy files each; GECCO also from its R package."""

from pathlib import Path

from data_provider.prepare.gecco import PACKAGE_FILE, read_package_file
from data_provider.prepare.sources import check_channels, check_label, find, locate, numbered, read_npy
from data_provider.series import Series

PREFIXES = {"SWAN": "NIPS_TS_Swan", "GECCO": "NIPS_TS_Water"}


def read_neurips_ts(name: str, source: Path) -> Series:
    """Read the training part, the test part and its labels.

    Raises
    ------
    DataError
        When a file is missing or faulty, or the training and test parts have different channels.
    """
    paths = locate(source, *(f"{PREFIXES[name]}_{part}.npy" for part in ("train", "test", "test_label")))
    train, test, label = (read_npy(path) for path in paths)
    check_channels(paths[1], test, train)
    return Series(name, train, test, check_label(paths[2], label, len(test)), numbered(train.shape[1]))


def read_gecco(name: str, source: Path) -> Series:
    """Read GECCO from the R package's file if it exists, else from the benchmark's three files.

    Raises
    ------
    DataError
        As for `read_neurips_ts` and `read_package_file`.
    """
    path = find(source, PACKAGE_FILE)
    return read_neurips_ts(name, source) if path is None else read_package_file(name, path)
