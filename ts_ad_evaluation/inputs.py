"""Reads one array from a file given by the user: `.npy`, `.npz[:key]` or `.csv[:column]`."""

import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.csv_columns import load_column

T = TypeVar("T")
_PLACE = re.compile(r"(?P<path>.+\.(?P<kind>npy|npz|csv))(?::(?P<part>.+))?", re.IGNORECASE)


def load_array(place: str) -> np.ndarray:
    """Load an array.

    Parameters
    ----------
    place : str
        A file; for `.npz` and `.csv`, followed by a colon and the key or column if there are several. The
        columns of a CSV file without a header are numbered from 1.

    Returns
    -------
    array of shape (n,) or (n, C)
        One column of a CSV file, or the array of another format without dimensions of 1: (n, 1) and (1, n) become
        (n,). Numbers stored as text are read.

    Raises
    ------
    EvaluationError
        When the file is missing, damaged or of another format, or it is unclear which part is meant.
    """
    match = _PLACE.fullmatch(place)
    if match is None:
        raise EvaluationError(f"{place}: expected FILE.npy, FILE.npz, FILE.npz:KEY, FILE.csv or FILE.csv:COLUMN")
    path, part = Path(match["path"]), match["part"]
    if not path.is_file():
        raise EvaluationError(f"{path}: no such file")
    if match["kind"].lower() == "csv":
        return load_column(path, lambda names: _chosen(path, part, names, "column"))
    array = _numeric(path, _load_numpy(path, part))
    return array.reshape(-1) if array.ndim > 1 and array.size == max(array.shape) else array


def _load_numpy(path: Path, part: str | None) -> np.ndarray:
    with path.open("rb") as file:
        content = _read(path, lambda: np.load(file))
        if not isinstance(content, np.ndarray):
            key = _chosen(path, part, content.files, "array")
            return _read(path, lambda: content[key])
    if part is not None:
        raise EvaluationError(f"{path} contains a single array: leave out :{part}")
    return content


def _read(path: Path, reader: Callable[[], T]) -> T:
    try:
        return reader()
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise EvaluationError(f"{path} is not a NumPy file of numbers: {error}") from None


def _numeric(place: Path, array: np.ndarray) -> np.ndarray:
    """The array, with numbers stored as text converted."""
    if array.dtype.kind not in "US":
        return array
    try:
        return array.astype(np.float64)
    except ValueError:
        pass
    numbers = np.empty(array.size)
    for index, cell in enumerate(array.reshape(-1).tolist()):
        try:
            numbers[index] = float(cell)
        except ValueError:
            raise EvaluationError(f"{place} holds text, {cell!r} at index {index}: save numbers") from None
    return numbers.reshape(array.shape)


def _chosen(path: Path, part: str | None, names: list[str], kind: str) -> str:
    """The named part, or the only one there is."""
    names = [name for name in names if name] or names  # the unnamed index column that pandas writes
    listed = ", ".join(names)
    if not names:
        raise EvaluationError(f"{path} contains no {kind}")
    if part is None:
        if len(names) != 1:
            raise EvaluationError(f"{path} contains several {kind}s ({listed}): name one as {path}:{names[0]}")
        return names[0]
    if part not in names:
        raise EvaluationError(f"{path} has no {kind} {part}, only {listed}")
    return part
