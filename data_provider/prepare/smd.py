"""SMD as OmniAnomaly hands it out: the folder ServerMachineDataset with a text file for each server."""

from pathlib import Path

import numpy as np

from data_provider.prepare.sources import check_label, locate, numbered, read_all, read_text
from data_provider.series import Series

# As sorted file names stand, machine-3-10 and machine-3-11 before machine-3-2: the benchmark's order.
SERVERS = sorted(
    f"machine-{group}-{number}" for group, count in ((1, 8), (2, 9), (3, 11)) for number in range(1, count + 1)
)


def read_smd(name: str, source: Path) -> Series:
    """Read train/, test/ and test_label/ of all servers, one after another.

    Raises
    ------
    DataError
        When a file is missing or faulty.
    """
    folders = locate(source, "train", "test", "test_label")
    paths = [[folder / f"{server}.txt" for server in SERVERS] for folder in folders]
    train, test, label = (read_all(read_text, files) for files in paths)
    checked = [check_label(path, values, len(rows)) for path, values, rows in zip(paths[2], label, test, strict=True)]
    return Series(
        name, np.concatenate(train), np.concatenate(test), np.concatenate(checked), numbered(train[0].shape[1])
    )
