"""Reads one array from a file that the user names: `.npy`, `.npz[:key]` or `.csv[:column]`."""

import re
import zipfile
from pathlib import Path

import numpy as np

from ts_ad_evaluation.checks import EvaluationError

_PLACE = re.compile(r"(?P<path>.+\.(?P<kind>npy|npz|csv))(?::(?P<part>.+))?", re.IGNORECASE)


def load_array(place):
    """Load an array.

    Parameters
    ----------
    place : str
        A file, and for `.npz` and `.csv` the key or the column behind a colon where there are several. The
        columns of a CSV file without a header are counted from 1.

    Returns
    -------
    array of shape (n,) or (n, C)
        One column of a CSV file, an array of the other kinds as it is but for a last dimension of 1.

    Raises
    ------
    EvaluationError
        When the file is missing, damaged or of another kind, or does not say which part is meant.
    """
    match = _PLACE.fullmatch(place)
    if match is None:
        raise EvaluationError(f"{place}: expected FILE.npy, FILE.npz, FILE.npz:KEY, FILE.csv or FILE.csv:COLUMN")
    path, part = Path(match["path"]), match["part"]
    if not path.is_file():
        raise EvaluationError(f"{path}: no such file")
    array = _load_csv(path, part) if match["kind"].lower() == "csv" else _load_numpy(path, part)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _load_numpy(path, part):
    with path.open("rb") as file:
        content = _read(path, lambda: np.load(file))
        if not isinstance(content, np.ndarray):
            key = _chosen(path, part, content.files, "array")
            return _read(path, lambda: content[key])
    if part is not None:
        raise EvaluationError(f"{path} holds a single array: leave out :{part}")
    return content


def _read(path, reader):
    try:
        return reader()
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{path} is not a NumPy file of numbers: {error}") from None


def _load_csv(path, part):
    import pandas as pd

    try:
        header = None if _starts_with_numbers(path) else 0
        table = pd.read_csv(path, header=header, low_memory=False)
    except ValueError as error:  # so are those of pandas and of the encoding
        raise EvaluationError(f"{path} is not a CSV file: {str(error).strip()}") from None
    table.columns = [str(name + 1 if header is None else name).strip() for name in table.columns]
    column = _chosen(path, part, list(table.columns), "column")
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.isnan(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        line = row + (1 if header is None else 2)
        raise EvaluationError(f"{path}:{column} holds {table[column][row]!r} on line {line}, which is no number")
    return values


def _starts_with_numbers(path):
    """Tell whether the first line is already data."""
    with path.open(encoding="utf-8") as file:
        cells = file.readline().split(",")
    try:
        return [float(cell) for cell in cells] != []
    except ValueError:
        return False


def _chosen(path, part, names, kind):
    """The part that is meant: the one named, or the only one there is."""
    listed = ", ".join(names)
    if not names:
        raise EvaluationError(f"{path} holds no {kind}")
    if part is None:
        if len(names) != 1:
            raise EvaluationError(f"{path} holds several {kind}s ({listed}): name one as {path}:{names[0]}")
        return names[0]
    if part not in names:
        raise EvaluationError(f"{path} has no {kind} {part}, only {listed}")
    return part
