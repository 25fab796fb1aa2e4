"""Datasets for the check: raw arrays and archives in one folder become the files that run.py reads."""

import re
import zipfile
from collections.abc import Iterable
from concurrent.futures import Executor
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from data_provider import DataError, Series, read_dataset
from data_provider.prepare.detect_meta import add_lines
from data_provider.prepare.sources import numbered
from data_provider.prepare.telemanom import read_telemanom
from data_provider.read.long_csv import write_long_csv

TABLES = ("MSL", "SMAP", "GECCO", "PSM", "SWAT", "SWAN")
SERVERS = {"SMD": "machine-*.npz", "ASD": "omi-*.npz"}  # one series for each server
UCR_FOLDER = "UCR_Anomaly_FullData"
NAMES = (*TABLES, *SERVERS, "UCR")


class Source(NamedTuple):
    """Where the arrays of one series are, or, for UCR, its archive.

    Attributes
    ----------
    dataset : str
        One of `NAMES`.
    name : str
        Name of the file that run.py reads, data/NAME.csv.
    path : Path
        An .npz with train, test and test_label, or a zip of telemanom's or UCR's files.
    """

    dataset: str
    name: str
    path: Path


class Prepared(NamedTuple):
    """A series ready for run.py: rows and channels of its training part; for UCR, the numbers of its series."""

    dataset: str
    name: str
    rows: int = 0
    channels: int = 1
    numbers: tuple[str, ...] = ()


def find_sources(folder: Path, datasets: Iterable[str]) -> list[Source]:
    """Return the datasets found in the folder; missing ones are left out.

    Raises
    ------
    DataError
        When there is no such folder, or none of the datasets is in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder: name the one with the datasets with --data")
    found = []
    for dataset in datasets:
        if dataset in SERVERS:
            paths = sorted((folder / dataset).glob(SERVERS[dataset]))
            found += [Source(dataset, path.stem, path) for path in paths]
            continue
        files = {"UCR": ["UCR_archive.zip"], "SMAP": ["SMAP.npz", "telemanom.zip"], "MSL": ["MSL.npz", "telemanom.zip"]}
        paths = [folder / name for name in files.get(dataset, [f"{dataset}.npz"]) if (folder / name).is_file()]
        found += [Source(dataset, dataset, path) for path in paths[:1]]
    if not found:
        raise DataError(f"{folder}: contains none of {', '.join(datasets)}: see --help for the file names")
    return found


def prepare(sources: Iterable[Source], root: Path, executor: Executor) -> list[Prepared]:
    """Write the sources' series below `root`, each in a separate process, in the form that run.py reads.

    Raises
    ------
    DataError
        When a source is damaged.
    """
    (root / "data").mkdir(parents=True, exist_ok=True)
    prepared = list(executor.map(_prepare, sources, repeat(root)))
    meta = root / "DETECT_META.csv"
    add_lines(meta, meta, {f"{series.name}.csv": series.rows for series in prepared if series.rows})
    return prepared


def _prepare(source: Source, root: Path) -> Prepared:
    if source.dataset == "UCR":
        return Prepared("UCR", "UCR", numbers=_unpack(source.path, root / UCR_FOLDER))
    series = _read(source)
    path = root / "data" / f"{source.name}.csv"
    if not path.is_file():
        write_long_csv(path, series)
    _copy_interpretation(source, root)
    read_dataset(root, source.name, train_rows=len(series.train))  # leaves the binary copy for all runs
    return Prepared(source.dataset, source.name, *series.train.shape)


def _read(source: Source) -> Series:
    if source.path.suffix == ".zip":
        with TemporaryDirectory() as folder, zipfile.ZipFile(source.path) as archive:
            archive.extractall(folder)
            return read_telemanom(source.name, Path(folder))
    with np.load(source.path) as arrays:
        train, test = (arrays[part].astype(np.float64) for part in ("train", "test"))
        names = arrays["columns"].tolist() if "columns" in arrays else numbered(train.shape[1])
        return Series(source.name, train, test, arrays["test_label"].astype(np.uint8), tuple(names))


def _copy_interpretation(source: Source, root: Path) -> None:
    """Copy which channels caused which event, if the source says so, in SMD's format."""
    file = source.path.with_name(f"{source.name}_interpretation_label.txt")
    if not file.is_file():
        return
    lines = file.read_text(encoding="utf-8").split()
    if source.dataset == "ASD":  # its ranges include their last point
        lines = [re.sub(r"-(\d+):", lambda end: f"-{int(end[1]) + 1}:", line) for line in lines]
    target = root / "interpretation" / f"{source.name}.txt"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _unpack(archive: Path, folder: Path) -> tuple[str, ...]:
    """Unpack UCR's series into a folder, whatever their folders in the archive, and return their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = []
    with zipfile.ZipFile(archive) as package:
        for member in package.namelist():
            name = Path(member).name
            if "_UCR_Anomaly_" in name and name.endswith(".txt"):
                (folder / name).write_bytes(package.read(member))
                numbers.append(name.partition("_")[0])
    return tuple(sorted(numbers))
