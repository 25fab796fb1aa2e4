"""The report on a series."""

from collections.abc import Sequence

import numpy as np

from data_provider.events import find_events
from data_provider.series import Series


def describe(series: Series) -> str:
    """Return the parts, events, constant channels and range of every channel as lines of text."""
    ranges = np.stack([limit(part, axis=0) for part in (series.train, series.test) for limit in (np.min, np.max)])
    train_constant, test_constant = ranges[0] == ranges[1], ranges[2] == ranges[3]
    both = train_constant & test_constant
    remarks = np.select(
        [both & (ranges[0] == ranges[2]), both, train_constant, test_constant],
        ["constant", "constant in each part", "constant in training", "constant in test"],
        "",
    )
    head = ("index", "channel", "training min", "max", "test min", "max", "")
    rows = [
        (str(index), name, *(f"{value:.6g}" for value in ranges[:, index]), remarks[index])
        for index, name in enumerate(series.channels)
    ]
    return "\n".join(
        [
            f"{series.name}: {_count(len(series.channels), 'channel')}",
            f"training: {_count(len(series.train), 'point')}, not labelled",
            f"test: {_count(len(series.test), 'point')}, {_describe_events(series.test_label)}",
            "missing values: none (files with missing values are refused)",
            f"constant channels: {_list(train_constant)} in training, {_list(test_constant)} in test",
            "",
            *_table([head, *rows]),
            "",
        ]
    )


def _describe_events(label):
    starts, ends = find_events(label)
    lengths = ends - starts
    if not len(lengths):
        return "none anomalous"
    share = f"{_count(label.sum(), 'anomalous point')} ({label.mean():.2%}) in {_count(len(lengths), 'event')}"
    return f"{share}, shortest {lengths.min():,}, median {np.median(lengths):,.0f}, longest {lengths.max():,}"


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _list(marks):
    return f"{marks.sum()} ({', '.join(map(str, np.flatnonzero(marks)))})" if marks.any() else "none"


def _table(rows: Sequence[tuple[str, ...]]):
    """Return lines with aligned columns, names and remarks to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if column in (1, len(row) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
