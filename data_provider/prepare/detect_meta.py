"""DETECT_META.csv, the list that says how many rows of each dataset are training rows."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from data_provider.errors import DataError

# The benchmark's columns; those that no reader needs stay empty.
HEADER = (
    "file_name,trend,seasonal,stationary,pattern,shifting,dataset_name,type_value,train_lens,time_steps,"
    "if_univariate,size\n"
)


def add_lines(meta: Path, copy: Path, train_rows: Mapping[str, int]) -> None:
    """Write a `copy` of the list `meta` with the missing lines added; write nothing if none is missing.

    Parameters
    ----------
    meta, copy : Path
    train_rows : mapping
        File name → training rows.

    Raises
    ------
    DataError
        When the list has a different number of training rows for a file, or lacks a column.
    """
    try:
        text = meta.read_bytes().decode() if meta.exists() else HEADER
    except UnicodeDecodeError as error:
        raise DataError(f"{meta}: not a text file: copy it from the repository's dataset folder") from error
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    columns = rows.fieldnames or []
    for column in ("file_name", "train_lens"):
        if column not in columns:
            raise DataError(f"{meta}: has no column '{column}': copy the file from the repository's dataset folder")
    listed = {row["file_name"]: row["train_lens"] for row in rows}
    added = io.StringIO()
    writer = csv.DictWriter(added, columns, restval="", extrasaction="ignore", lineterminator="\n")
    for file_name, count in train_rows.items():
        if file_name not in listed:
            line = {"file_name": file_name, "dataset_name": "Multi", "train_lens": count, "if_univariate": "FALSE"}
            writer.writerow(line)
        elif listed[file_name] != str(count):
            raise DataError(
                f"{meta}: column 'train_lens' of {file_name} holds {listed[file_name]}, the dataset has "
                f"{count} training rows: correct it"
            )
    if added.getvalue():
        end = "" if text.endswith("\n") else "\n"
        copy.write_bytes((text + end + added.getvalue()).encode())
