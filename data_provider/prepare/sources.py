"""Finds and reads the files of a source."""

import tokenize
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_provider.errors import DataError
from data_provider.read.csv_stream import Layout, read_floats

GUIDE = "see dataset/README.md"
# What numpy.load raises for a file that is damaged or holds something else.
DAMAGE = (ValueError, EOFError, SyntaxError, MemoryError, tokenize.TokenError, zipfile.BadZipFile)
DEPTH = 2  # levels of folders below the source that are searched for its files


def locate(source: Path, *names: str) -> list[Path]:
    """Find files or folders by name in the folder `source` or up to two folders below it.

    Raises
    ------
    DataError
        When `source` is not a folder, or some names are missing or found more than once.
    """
    found = [find(source, name) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        raise DataError(
            f"{source}: there is no {', no '.join(missing)} in it: name the folder of the unpacked source ({GUIDE})"
        )
    return found


def find(source: Path, name: str) -> Path | None:
    """Find one file or folder as `locate` does, or return None."""
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; unpack the source and name its folder ({GUIDE})")
    for depth in range(DEPTH + 1):
        paths = sorted(path for path in source.glob("*/" * depth + name) if not _is_hidden(path.relative_to(source)))
        if len(paths) > 1:
            raise DataError(
                f"{source}: contains {name} twice, as {paths[0]} and {paths[1]}: name the folder of one of them"
            )
        if paths:
            return paths[0]
    return None


def _is_hidden(path):
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def read_all(read: Callable[[Path], np.ndarray], paths: Sequence[Path]) -> list[np.ndarray]:
    """Read files with the same columns as arrays of shapes (rows, columns).

    Raises
    ------
    DataError
        When files are missing or differ in their number of columns.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{missing[0]}{others}: no such file; the source is incomplete: download it again ({GUIDE})")
    folder = paths[0].parent.name
    arrays = []
    for path in tqdm(paths, f"reading {folder}", unit="file", disable=None):
        arrays.append(read(path))
        if arrays[-1].shape[1] != arrays[0].shape[1]:
            raise DataError(
                f"{path}: {arrays[-1].shape[1]} columns, but {paths[0].name} has {arrays[0].shape[1]}: replace it"
            )
    return arrays


def read_text(path: Path) -> np.ndarray:
    """Read lines of comma-separated finite numbers as a float64 array of shape (rows, columns).

    Raises
    ------
    DataError
        When a cell is empty or not a finite number, or a line has too few or too many cells.
    """
    with open(path, "rb") as file:
        columns = file.readline().count(b",") + 1
    names = [str(number) for number in range(1, columns + 1)]
    return check_finite(path, read_floats(path, names, Layout(names, lines_above=0)).T)


def read_npy(path: Path) -> np.ndarray:
    """Read a NumPy file of finite numbers as a float64 array of shape (rows, columns); a vector is one column.

    Raises
    ------
    DataError
        When the file is damaged or contains something else.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except DAMAGE as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a NumPy array: {reason}; download it again ({GUIDE})") from error
    return check_table(path, values)


def check_table(path: Path | str, values: np.ndarray) -> np.ndarray:
    """Return finite numbers as a float64 array of shape (rows, columns); a vector is one column.

    Raises
    ------
    DataError
        When `values`, read from `path`, is something else.
    """
    if not isinstance(values, np.ndarray) or values.ndim not in (1, 2) or values.dtype.kind not in "biuf":
        raise DataError(f"{path}: contains no table of numbers: download it again ({GUIDE})")
    table = values[:, None] if values.ndim == 1 else values
    return check_finite(path, table.astype(np.float64))


def check_channels(path: Path | str, test: np.ndarray, train: np.ndarray) -> None:
    """Check that the test part, read from `path`, has as many columns as the training part.

    Raises
    ------
    DataError
    """
    if test.shape[1] != train.shape[1]:
        raise DataError(
            f"{path}: {test.shape[1]} channels, the training part has {train.shape[1]}: download both again ({GUIDE})"
        )


def check_finite(path: Path | str, values: np.ndarray) -> np.ndarray:
    """Return `values`, of shape (rows, columns), if there are any and all are finite numbers.

    Raises
    ------
    DataError
    """
    if not values.size:
        raise DataError(f"{path}: contains no numbers: download it again ({GUIDE})")
    rows, columns = np.nonzero(~np.isfinite(values))
    if len(rows):
        raise DataError(
            f"{path}: row {rows[0] + 1}, column {columns[0] + 1} holds {values[rows[0], columns[0]]:g}, which is not "
            f"a finite number: download the file again ({GUIDE})"
        )
    return values


def check_label(path: Path | str, values: np.ndarray, rows: int) -> np.ndarray:
    """Return labels, read from `path` as shape (rows, 1), as a uint8 array of shape (rows,).

    Raises
    ------
    DataError
        When there are not `rows` of them, or one is neither 0 nor 1.
    """
    if values.shape != (rows, 1):
        found = " x ".join(str(size) for size in values.shape)
        raise DataError(f"{path}: {found} labels for {rows} test rows: download both files again ({GUIDE})")
    bad = np.flatnonzero((values != 0) & (values != 1))
    if len(bad):
        raise DataError(
            f"{path}: row {bad[0] + 1} holds {values[bad[0], 0]:g}; a label must be 0 or 1: download it again ({GUIDE})"
        )
    return values[:, 0].astype(np.uint8)


def numbered(count: int) -> tuple[str, ...]:
    """Return names for channels that the source does not name."""
    return tuple(f"channel_{index}" for index in range(count))
