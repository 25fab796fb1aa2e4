"""SMD's interpretation labels: which channels made which event."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_provider.errors import DataError
from data_provider.inspect.events import find_events

FORM = re.compile(r"\s*([0-9]{1,9})\s*-\s*([0-9]{1,9})\s*:\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*)\s*")


class Interpretation(NamedTuple):
    """The channels, counted from 0, that made what happened at the points start … end−1 of the test part."""

    start: int
    end: int
    channels: tuple[int, ...]


def read_interpretation(path: Path) -> list[Interpretation]:
    """Read a file interpretation_label/machine-….txt of SMD: lines START-END:CHANNEL,CHANNEL,….

    The file counts points from 0, END is the point behind the last, and it counts channels from 1. It may list
    the events in any order, as that of machine-2-1 does.

    Returns
    -------
    list of Interpretation
        In the order of time.

    Raises
    ------
    DataError
        When the file is missing or empty, or a line has another form, no points, or a channel 0.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}; correct it") from error
    entries = [_parse(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not entries:
        raise DataError(f"{path}: there are no lines START-END:CHANNEL,CHANNEL,… in it: get it again")
    return sorted(entries)


def _parse(path, number, line):
    found = FORM.fullmatch(line)
    if not found:
        raise DataError(f"{path}: line {number} is no START-END:CHANNEL,CHANNEL,…, as in 653-658:1,2,15: correct it")
    start, end = int(found[1]), int(found[2])
    if start >= end:
        raise DataError(f"{path}: line {number}: {start}-{end} has no points, as END is behind the last: correct it")
    channels = {int(channel) for channel in found[3].split(",")}
    if 0 in channels:
        raise DataError(f"{path}: line {number} holds channel 0, where they are counted from 1: correct it")
    return Interpretation(start, end, tuple(channel - 1 for channel in sorted(channels)))


def channels_of_events(
    entries: list[Interpretation], label: np.ndarray, *, name: str = "the interpretation"
) -> list[tuple[int, ...]]:
    """Find the channels of each event of a label: those of all entries that share a point with it.

    Parameters
    ----------
    entries : list of Interpretation
        Those that share no point with any event are left out.
    label : array of shape (n,)
        1 at anomalous points of the test part that the entries belong to.
    name : str
        What errors call the entries, such as their file.

    Returns
    -------
    list of tuples of int
        For each event, in the order of time, its channels, ascending, counted from 0.

    Raises
    ------
    DataError
        When no entry belongs to an event.
    """
    found = []
    for start, end in zip(*find_events(np.asarray(label)), strict=True):
        channels = {c for entry in entries if entry.start < end and start < entry.end for c in entry.channels}
        if not channels:
            raise DataError(
                f"{name}: there is no line for the event at the points {start} to {end - 1} of the label: "
                "see that both are of the same series"
            )
        found.append(tuple(sorted(channels)))
    return found
