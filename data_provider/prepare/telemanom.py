"""MSL and SMAP as telemanom provides them: a NumPy file for each channel, and labeled_anomalies.csv."""

import csv
import json
from pathlib import Path

import numpy as np

from data_provider.errors import DataError
from data_provider.prepare.sources import locate, numbered, read_all, read_npy
from data_provider.series import Series

LEFT_OUT = ("P-2",)  # the benchmark leaves it out
COLUMNS = ("chan_id", "spacecraft", "anomaly_sequences")


def read_telemanom(name: str, source: Path) -> Series:
    """Read train/ and test/ of one spacecraft's channels, one after another in the order of their sorted ids.

    A channel in the source is a recording here: its columns are the channels.

    Raises
    ------
    DataError
        When a file is missing or faulty.
    """
    table, *folders = locate(source, "labeled_anomalies.csv", "train", "test")
    spans = _read_spans(table, name)
    train, test = (read_all(read_npy, [folder / f"{channel}.npy" for channel, _ in spans]) for folder in folders)
    label = [_label(table, *span, len(rows)) for span, rows in zip(spans, test, strict=True)]
    return Series(name, np.concatenate(train), np.concatenate(test), np.concatenate(label), numbered(train[0].shape[1]))


def _read_spans(table, spacecraft):
    """Return the ids of the spacecraft's channels, sorted, each with its events' first and last points."""
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        kept = sorted(
            (row["chan_id"], json.loads(row["anomaly_sequences"]))
            for row in rows
            if row["spacecraft"] == spacecraft and row["chan_id"] not in LEFT_OUT
        )
    except KeyError as error:
        raise DataError(f"{table}: has no column {error}: it must have {', '.join(COLUMNS)}") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"{table}: cannot be read as a list of channels and events: {error}; download it again"
        ) from error
    if not kept:
        raise DataError(f"{table}: column 'spacecraft' has no {spacecraft}: download the file again")
    return kept


def _label(table, channel, spans, rows):
    label = np.zeros(rows, np.uint8)
    try:
        for first, last in spans:
            if not 0 <= first <= last or first >= rows:
                raise ValueError(f"an event {first} to {last} does not fit {rows} test rows")
            label[first : last + 1] = 1
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{table}: column 'anomaly_sequences' of {channel} is faulty: {error}; download both again"
        ) from error
    return label
