"""Interpretation labels of SMD and ASD: which channels caused which event."""

import logging
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_provider.errors import DataError
from data_provider.events import find_events

logger = logging.getLogger(__name__)

FORM = re.compile(r"\s*([0-9]{1,9})\s*-\s*([0-9]{1,9})\s*:\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*)\s*")


class Interpretation(NamedTuple):
    """The channels, counted from 0, that caused what happened at the points start … end−1 of the test part."""

    start: int
    end: int
    channels: tuple[int, ...]


def read_interpretation(path: Path, *, end_included: bool = False) -> list[Interpretation]:
    """Read a file interpretation_label/machine-….txt of SMD, or one of ASD: lines START-END:CHANNEL,CHANNEL,….

    The file counts points from 0 and channels from 1. The events may be in any order, as for machine-2-1.

    Parameters
    ----------
    path : Path
    end_included : bool
        Whether END is the event's last point, as in ASD. Otherwise it is the point after the last, as in SMD.

    Returns
    -------
    list of Interpretation
        In time order.

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
    entries = [_parse(path, number, line, end_included) for number, line in enumerate(lines, start=1) if line.strip()]
    if not entries:
        raise DataError(f"{path}: has no lines START-END:CHANNEL,CHANNEL,…: download it again")
    return sorted(entries)


def _parse(path, number, line, end_included):
    found = FORM.fullmatch(line)
    if not found:
        raise DataError(f"{path}: line {number} is not START-END:CHANNEL,CHANNEL,…, as in 653-658:1,2,15: correct it")
    start, end = int(found[1]), int(found[2]) + end_included
    if start >= end:
        rule = "END is the last" if end_included else "END is after the last"
        raise DataError(f"{path}: line {number}: {found[1]}-{found[2]} has no points, as {rule}: correct it")
    channels = {int(channel) for channel in found[3].split(",")}
    if 0 in channels:
        raise DataError(f"{path}: line {number} holds channel 0, but they are counted from 1: correct it")
    return Interpretation(start, end, tuple(channel - 1 for channel in sorted(channels)))


def channels_of_events(
    entries: list[Interpretation], label: np.ndarray, *, name: str = "the interpretation"
) -> list[tuple[int, ...]]:
    """Find the channels of each event of a label.

    An entry may begin or end somewhat earlier or later than its event: it belongs to the event with which it shares
    the most points, and to every other event at least half of whose points it covers. The numbers of events without
    an entry and of entries that share no point with any event are logged.

    Parameters
    ----------
    entries : list of Interpretation
    label : array of shape (n,)
        1 at anomalous points of the test part to which the entries belong.
    name : str
        Name of the entries in errors and the log, such as their file.

    Returns
    -------
    list of tuples of int
        For each event, in time order, its channels, ascending, counted from 0; empty if it has no entry.

    Raises
    ------
    DataError
        When there are events, but no entry shares a point with any.
    """
    starts, ends = find_events(np.asarray(label))
    found = [set() for _ in starts]
    n_outside = 0
    for entry in entries:
        events = _events_of(entry, starts, ends)
        n_outside += len(events) == 0
        for event in events:
            found[event].update(entry.channels)
    n_without = sum(not channels for channels in found)
    if found and n_without == len(found):
        raise DataError(
            f"{name}: no line shares a point with any of the {len(found)} events of the label: check that both belong "
            "to the same series"
        )
    if n_without:
        logger.warning("%s: %d of %d events have no line and are left out of hit rates", name, n_without, len(found))
    if n_outside:
        logger.warning("%s: %d of %d lines share no point with an event", name, n_outside, len(entries))
    return [tuple(sorted(channels)) for channels in found]


def _events_of(entry, starts, ends) -> np.ndarray:
    """Return the indices of the events to which an entry belongs."""
    shared = np.minimum(ends, entry.end) - np.maximum(starts, entry.start)
    if len(shared) == 0 or shared.max() <= 0:
        return np.array([], dtype=int)
    belongs = 2 * shared >= ends - starts
    belongs[np.argmax(shared)] = True
    return np.flatnonzero(belongs)
