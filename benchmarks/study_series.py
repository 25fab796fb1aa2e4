"""The series of benchmarks/own_series.py: which ones, where they come from, and what they are used for.

own_series.csv lists them. `part` is "choose" where rules of the automatic settings were chosen by looking at the
series, and "report" where they were not; the split was made by number before anything was tried. UCR-more was added
later to choose on: the series of the archive that were in neither part, of at most 130 000 points.
"""

import json
import zipfile
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_provider import DataError, Series
from data_provider.prepare.sources import numbered
from data_provider.read.interpretation import channels_of_events, read_interpretation

LIST = Path(__file__).with_name("own_series.csv")
GROUPS = ("ASD", "SMD", "TSB-AD-M", "UCR", "UCR-more", "TSB-AD-U")
PARTS = ("choose", "report")


class Entry(NamedTuple):
    """A series of the study.

    Attributes
    ----------
    group : str
        One of `GROUPS`.
    series : str
        Its name; for TSB-AD that of its file.
    part : str
        One of `PARTS`.
    source : str
        Server, channel of telemanom, or number in the UCR archive.
    train_rows : int or None
        If given, the first rows of the test part train and all of it is scored, as in TSB-AD.
    """

    group: str
    series: str
    part: str
    source: str
    train_rows: int | None


def entries(groups: tuple[str, ...], parts: tuple[str, ...]) -> list[Entry]:
    """Return the series of some groups and parts, in the order of the list."""
    table = pd.read_csv(LIST, dtype={"series": str, "source": str, "train_rows": "Int64"})
    rows = [
        Entry(row.group, row.series, row.part, row.source, None if pd.isna(row.train_rows) else int(row.train_rows))
        for row in table.itertuples()
    ]
    return [row for row in rows if row.group in groups and row.part in parts]


def read(folder: Path, entry: Entry) -> Series:
    """Return the training part, the test part and the label of a series.

    Parameters
    ----------
    folder : Path
        Holds ASD/omi-*.npz and SMD/machine-*.npz (train, test, test_label), telemanom.zip and UCR_archive.zip.
    entry : Entry

    Raises
    ------
    DataError
        When a file or a member of an archive is missing.
    """
    try:
        train, test, label = _reader(entry)(folder, entry.source)
    except (OSError, KeyError) as error:
        raise DataError(f"{folder}: {entry.group} {entry.source} is missing: {error}") from None
    if entry.train_rows is not None:
        whole = np.concatenate([train, test]) if entry.group == "TSB-AD-U" else test
        label = np.concatenate([np.zeros(len(whole) - len(label), label.dtype), label])
        train, test = whole[: entry.train_rows], whole
    return Series(entry.series, train, test, label, numbered(train.shape[1]))


def causes(folder: Path, entry: Entry, label: np.ndarray) -> list[tuple[int, ...]] | None:
    """Return the channels of each event of the label, if they are known."""
    file = folder / entry.group / f"{entry.source}_interpretation_label.txt"
    if entry.group not in ("ASD", "SMD") or not file.is_file():
        return None
    return channels_of_events(read_interpretation(file, end_included=entry.group == "ASD"), label, name=file.name)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # train (n, C), test (m, C), label of the test part (m,)


def _reader(entry: Entry) -> Callable[[Path, str], Arrays]:
    if entry.group in ("UCR", "UCR-more", "TSB-AD-U"):
        return _read_ucr
    if entry.source.startswith("machine"):
        return lambda folder, name: _read_arrays(folder / "SMD" / f"{name}.npz")
    return _read_telemanom if entry.group == "TSB-AD-M" else _read_asd


def _read_asd(folder: Path, name: str) -> Arrays:
    return _read_arrays(folder / "ASD" / f"{name}.npz")


def _read_arrays(path: Path) -> Arrays:
    with np.load(path) as arrays:
        train, test = (arrays[part].astype(np.float64) for part in ("train", "test"))
        return train, test, arrays["test_label"].astype(np.uint8)


@cache
def _members(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as package:
        return package.namelist()


def _member(archive: Path, pattern: str) -> tuple[str, bytes]:
    """Return name and content of the member with this path, whatever folders it is in."""
    name = next((name for name in _members(archive) if PurePosixPath(name).match(pattern)), None)
    if name is None:
        raise KeyError(f"{archive} has no {pattern}")
    with zipfile.ZipFile(archive) as package:
        return name, package.read(name)


def _read_ucr(folder: Path, number: str) -> Arrays:
    name, content = _member(folder / "UCR_archive.zip", f"{number}_UCR_Anomaly_*.txt")
    values = np.array(content.split(), dtype=np.float64)[:, None]
    train_rows, begin, end = map(int, name.removesuffix(".txt").split("_")[-3:])
    label = np.zeros(len(values), np.uint8)
    label[begin : end + 1] = 1
    return values[:train_rows], values[train_rows:], label[train_rows:]


def _read_telemanom(folder: Path, channel: str) -> Arrays:
    archive = folder / "telemanom.zip"
    table = pd.read_csv(BytesIO(_member(archive, "labeled_anomalies.csv")[1])).set_index("chan_id")
    parts = [_member(archive, f"{part}/{channel}.npy")[1] for part in ("train", "test")]
    train, test = (np.load(BytesIO(part)).astype(np.float64) for part in parts)
    label = np.zeros(len(test), np.uint8)
    for first, last in json.loads(table.loc[channel, "anomaly_sequences"]):
        label[first : last + 1] = 1
    return train, test, label
