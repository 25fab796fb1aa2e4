"""SMD as OmniAnomaly provides it: the folder ServerMachineDataset with a text file for each server."""

from pathlib import Path

import numpy as np

from data_provider.prepare.sources import check_label, find, locate, numbered, read_all, read_text
from data_provider.series import Series

CHANNELS = 38
# Rows of each server's training part; the test part has the same number, or one more.
TRAIN_ROWS = {
    **{"machine-1-1": 28479, "machine-1-2": 23694, "machine-1-3": 23702, "machine-1-4": 23706, "machine-1-5": 23705},
    **{"machine-1-6": 23688, "machine-1-7": 23697, "machine-1-8": 23698},
    **{"machine-2-1": 23693, "machine-2-2": 23699, "machine-2-3": 23688, "machine-2-4": 23689, "machine-2-5": 23688},
    **{"machine-2-6": 28743, "machine-2-7": 23696, "machine-2-8": 23702, "machine-2-9": 28722},
    **{"machine-3-1": 28700, "machine-3-2": 23702, "machine-3-3": 23703, "machine-3-4": 23687, "machine-3-5": 23690},
    **{"machine-3-6": 28726, "machine-3-7": 28705, "machine-3-8": 28703, "machine-3-9": 28713, "machine-3-10": 23692},
    **{"machine-3-11": 28695},
}
# Servers whose parts have the same length.
EVEN = {"1-1", "1-2", "1-7", "2-4", "2-6", "2-7", "2-9", "3-1", "3-3", "3-4", "3-6", "3-7", "3-9"}
ROWS = {server: (rows, rows + (server.removeprefix("machine-") not in EVEN)) for server, rows in TRAIN_ROWS.items()}
# In the order of sorted file names, with machine-3-10 and machine-3-11 before machine-3-2: the benchmark's order.
SERVERS = sorted(ROWS)
PARTS = ("train", "test", "test_label")


def read_smd(name: str, source: Path) -> Series:
    """Read train/, test/ and test_label/ of all servers, one after another.

    Raises
    ------
    DataError
        When a file is missing or faulty.
    """
    return _read(name, source, SERVERS)


def read_smd_server(server: str, source: Path) -> Series:
    """Read one server's file in train/, test/ and test_label/.

    Raises
    ------
    DataError
        When a file is missing or faulty.
    """
    return _read(server, source, [server])


def has_smd_server(server: str, source: Path) -> bool:
    """Whether one of the server's files exists."""
    folders = [find(source, part) for part in PARTS]
    return any(folder is not None and (folder / f"{server}.txt").is_file() for folder in folders)


def _read(name, source, servers):
    folders = locate(source, *PARTS)
    paths = [[folder / f"{server}.txt" for server in servers] for folder in folders]
    train, test, label = (read_all(read_text, files) for files in paths)
    checked = [check_label(path, values, len(rows)) for path, values, rows in zip(paths[2], label, test, strict=True)]
    return Series(
        name, np.concatenate(train), np.concatenate(test), np.concatenate(checked), numbered(train[0].shape[1])
    )
