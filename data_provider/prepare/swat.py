"""SWaT as iTrust provides it: the sheets of normal operation and of attacks, saved as CSV files."""

from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_provider.errors import DataError
from data_provider.prepare.sources import check_finite, find, locate
from data_provider.read.csv_stream import Layout, check_unique, read_floats, stream_columns
from data_provider.series import Series

# Version 0 of the normal operation starts with the half hour in which the plant fills up; version 1 omits it.
NORMAL, NORMAL_WITH_START = "SWaT_Dataset_Normal_v1.csv", "SWaT_Dataset_Normal_v0.csv"
ATTACK = "SWaT_Dataset_Attack_v0.csv"
START_ROWS = 1800
TIME, LABEL = "Timestamp", "Normal/Attack"
LABELS = {"normal": 0, "attack": 1}
SAMPLE_LINES = 100


def read_swat(name: str, source: Path) -> Series:
    """Read the two files.

    Columns are separated by commas or semicolons, the latter also with decimal commas; lines above the header are
    skipped, and spaces inside names and labels ("A ttack") are ignored.

    Raises
    ------
    DataError
        When a file is missing or faulty, or the two have different channels.
    """
    with_start = find(source, NORMAL) is None and find(source, NORMAL_WITH_START) is not None
    train_path, test_path = locate(source, NORMAL_WITH_START if with_start else NORMAL, ATTACK)
    channels, train, train_label = _read(train_path)
    test_channels, test, test_label = _read(test_path)
    if test_channels != channels:
        raise DataError(f"{test_path}: its columns differ from those of {train_path.name}: save both sheets again")
    if train_label.any():
        raise DataError(
            f"{train_path}: row {train_label.argmax() + 1} is an attack during normal operation: save it again"
        )
    return Series(name, train[START_ROWS if with_start else 0 :], test, test_label, channels)


def _read(path):
    """Return the channels' names, their values (n, C), and the labels (n,)."""
    layout = _find_layout(path)
    channels = tuple(name for name in layout.header if name not in ("", TIME, LABEL))
    check_unique(path, channels)
    values = check_finite(path, read_floats(path, channels, layout).T)
    label = [_label(path, batch[0].to_pylist()) for batch in stream_columns(path, {LABEL: pa.string()}, layout)]
    return channels, values, np.concatenate(label)


def _find_layout(path):
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = list(islice(file, SAMPLE_LINES))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file: save the sheet as CSV") from error
    for number, line in enumerate(lines, start=1):
        for delimiter in ",;":
            header = [cell.strip() for cell in line.split(delimiter)]
            if TIME in header and LABEL in header:
                with_comma = delimiter == ";" and any("," in below for below in lines[number:])
                return Layout(header, number, delimiter, "," if with_comma else ".")
    raise DataError(f"{path}: no line names the columns {TIME} … {LABEL}: save the sheet as CSV with its header")


def _label(path, cells):
    try:
        return np.array([LABELS["".join((cell or "").split()).lower()] for cell in cells], np.uint8)
    except KeyError as error:
        raise DataError(f"{path}: column '{LABEL}' holds {error}, neither Normal nor Attack: save it again") from error
