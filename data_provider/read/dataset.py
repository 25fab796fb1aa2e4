"""Readers of the datasets: a dataset's name or a file → a validated series."""

import csv
import difflib
import re
from pathlib import Path

import numpy as np

from data_provider.errors import DataError
from data_provider.read.cache import read_cached
from data_provider.read.csv_stream import read_header
from data_provider.read.long_csv import read_long_csv
from data_provider.read.missing import COMMAND, TABLES, prepare_command, prepare_series_command
from data_provider.read.table import Table, check_table, series_from_table
from data_provider.read.wide_csv import read_wide_csv
from data_provider.series import Series

# Columns that identify a CSV format, and its reader; the first match counts. A new format is one line.
CSV_FORMATS = {
    ("data", "cols"): read_long_csv,
    ("label",): read_wide_csv,
    ("Label",): read_wide_csv,
}
GUIDE = "see dataset/README.md"


def read_dataset(root: Path, name: str, *, train_rows: int | None = None) -> Series:
    """Read the multivariate dataset root/data/NAME.csv, in the long or the wide format.

    Parameters
    ----------
    root : Path
        Folder with DETECT_META.csv and data/.
    name : str
    train_rows : int, optional
        Rows of the training part; by default those given in DETECT_META.csv (`train_lens`).

    Raises
    ------
    DataError
        When the dataset is missing, unknown or faulty.
    """
    root = Path(root)
    path = root / "data" / f"{name}.csv"
    command = prepare_command(name, root)
    if root.name == "data" and (root / path.name).is_file():
        _check_file(path, f"name the folder above: {root.parent}")
    if command is not None:
        ready = f", or download {name}.csv of the TAB benchmark" if name in TABLES else ""
        _check_file(path, f"create it: {command}{ready} ({GUIDE})")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; name the one with DETECT_META.csv and data/ ({GUIDE})")
    if train_rows is None:
        train_rows = _train_rows(root / "DETECT_META.csv", name)
    _check_file(path, f"download {name}.csv of the TAB benchmark and put it there ({GUIDE})")
    return series_from_table(path, name, read_cached(path, _read_csv), train_rows, test_start=train_rows)


def read_ucr(path: Path) -> Series:
    """Read a file of the UCR anomaly archive, NNN_UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt.

    The first TRAIN points train, the others test. The points BEGIN … END−1, counted from 0 over the whole series, are
    anomalous; if END equals BEGIN, as in three files of the archive, none is.

    Raises
    ------
    DataError
        When the file is missing, its name lacks the numbers, or a value is not a finite number.
    """
    path = Path(path)
    _check_series_file(path, "the UCR Anomaly Archive", "UCR")
    pattern = r"_UCR_Anomaly_.*_(\d+)_(\d+)_(\d+)\.txt"
    train, begin, end = _numbers_in_name(path, pattern, "_UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt")
    try:
        values = np.array([float(number) for number in path.read_text().split()])
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a list of numbers: {error}; correct it") from error
    if not len(values):
        raise DataError(f"{path}: has no rows of data: download it again")
    if not begin <= end <= len(values):
        raise DataError(
            f"{path}: the event {begin}-{end} in the name does not fit {len(values)} values: rename the file"
        )
    label = np.zeros(len(values))
    label[begin:end] = 1
    table = Table(("value", "label"), np.stack([values, label]))
    check_table(path, table)
    return series_from_table(path, path.stem, table, train, test_start=train)


def read_tsb_ad(path: Path) -> Series:
    """Read a file of TSB-AD-U, …_tr_TRAIN_1st_FIRST.csv with the columns Data and Label.

    The first TRAIN points train; the whole series is the test part.

    Raises
    ------
    DataError
        When the file is missing, its name lacks the numbers, or its content is faulty.
    """
    path = Path(path)
    _check_series_file(path, "TSB-AD-U", "TSB-AD-U")
    train, _ = _numbers_in_name(path, r"_tr_(\d+)_1st_(\d+)\.csv", "_tr_TRAIN_1st_FIRST.csv")
    return series_from_table(path, path.stem, _read_csv(path), train, test_start=0)


def _read_csv(path):
    header = set(read_header(path))
    for marks, read in CSV_FORMATS.items():
        if header.issuperset(marks):
            table = read(path)
            check_table(path, table)
            return table
    raise DataError(f"{path}: has no column named 'label' (0 normal, 1 anomalous): add it")


def _check_file(path, remedy):
    if not path.is_file():
        raise DataError(f"{path}: no such file; {remedy}")


def _check_series_file(path, archive, name):
    command = prepare_series_command(path.parent) or f"{COMMAND} {name} --download"
    _check_file(path, f"download {archive} and put its files there: {command} ({GUIDE})")


def _numbers_in_name(path, pattern, form):
    found = re.search(pattern + "$", path.name)
    if not found:
        raise DataError(f"{path}: the name must end like {form}: rename the file")
    return [int(number) for number in found.groups()]


def _train_rows(meta, name):
    """Rows of the training part, from the column `train_lens` of DETECT_META.csv."""
    _check_file(meta, "copy it from the repository's dataset folder, or set train_rows")
    try:
        with open(meta, encoding="utf-8-sig", newline="") as file:
            rows = {row.get("file_name"): row.get("train_lens") for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{meta}: cannot be read as a CSV file of UTF-8 text: {error}; correct it") from error
    if f"{name}.csv" not in rows:
        known = {file_name.lower(): file_name for file_name in rows if file_name}
        near = [known[key] for key in difflib.get_close_matches(f"{name}.csv".lower(), known, cutoff=0)]
        raise DataError(
            f"{meta}: column 'file_name' has no {name}.csv, the nearest are {', '.join(near)}: "
            "correct the dataset's name, add a line for it, or set train_rows"
        )
    try:
        return int(rows[f"{name}.csv"])
    except (TypeError, ValueError):
        raise DataError(f"{meta}: column 'train_lens' of {name}.csv must be a whole number: correct it") from None
