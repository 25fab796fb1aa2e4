"""Events: stretches of points above the threshold, ranked by their highest score, and the channels behind them."""

from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from exp.errors import UserError
from ts_ad_evaluation.events import find_events

LISTED = 5  # channels of an event
LARGEST = 1e290  # limit of a channel's score, so that their sum is finite
SHOWN = 0.005  # smallest share that does not round to nothing
RISE = 0.25  # of the way from the threshold to an event's peak: where it begins and ends
COLUMNS = {
    "rank": int,
    "start": int,
    "end": int,
    "peak": int,
    "peak_score": float,
    "above_threshold": float,
    "channels": object,
}


def check_events(
    merge_gap: int | None, min_length: int | None, *, names: tuple[str, str] = ("merge_gap", "min_length")
) -> None:
    """Check the numbers of points that define events; None is the default.

    Parameters
    ----------
    merge_gap, min_length : int or None
        As for `event_spans`.
    names : pair of str
        Their names in errors.

    Raises
    ------
    UserError
        When one of them is wrong.
    """
    for value, least, name in zip((merge_gap, min_length), (0, 1), names, strict=True):
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise UserError(f"{name} {value}: give a whole number of points of at least {least}")


def flagged_spans(flags: np.ndarray, *, merge_gap: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last row of each stretch of flagged points, as int arrays (k,).

    Parameters
    ----------
    flags : bool array of shape (n,)
        Whether a point is above the threshold.
    merge_gap : int
        Flagged points with at most this many others between them belong to one stretch.

    Examples
    --------
    >>> starts, ends = flagged_spans(np.array([1, 0, 1, 0, 0, 0, 1]) > 0, merge_gap=1)
    >>> starts.tolist(), ends.tolist()
    ([0, 6], [2, 6])
    """
    starts, ends = find_events(flags)
    if len(starts):
        apart = starts[1:] - ends[:-1] - 1 > merge_gap
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    return starts, ends


def rise(peak: float, threshold: float) -> float:
    """Return the score from which on a point can be the first or the last one of an event with this peak.

    Windows and spans of time spread what is very unlike the training series over its neighbours, so points far around
    a high peak are above the threshold, too.
    """
    return float(threshold) + RISE * (float(peak) - float(threshold))


def event_spans(
    score: np.ndarray, threshold: float, *, merge_gap: int = 0, min_length: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first, the last and the highest row of each event of a score (n,), as int arrays (k,).

    Each stretch of points above the threshold has one event, which begins and ends with the first and the last point
    that rises at least a quarter of the way from the threshold to the peak.

    Parameters
    ----------
    score : array of shape (n,)
    threshold : float
        Points above it are flagged.
    merge_gap : int
        Flagged points with at most this many others between them belong to one event.
    min_length : int
        Events with fewer points, from the first row to the last, are left out.

    Examples
    --------
    >>> starts, ends, peaks = event_spans(np.array([0, 2, 2, 9, 8, 2, 0]), 1)
    >>> starts.tolist(), ends.tolist(), peaks.tolist()
    ([3], [4], [3])
    """
    spans = []
    for start, end in zip(*flagged_spans(score > threshold, merge_gap=merge_gap), strict=True):
        inside = score[start : end + 1].astype(np.float64)
        peak = int(np.nanargmax(inside))
        high = np.flatnonzero(inside >= rise(inside[peak], threshold))
        if high[-1] - high[0] + 1 >= min_length:
            spans.append(start + np.array([high[0], high[-1], peak]))
    starts, ends, peaks = np.array(spans, int).reshape(-1, 3).T
    return starts, ends, peaks


def ranked_events(
    score: ArrayLike,
    channel_scores: ArrayLike,
    threshold: float,
    *,
    merge_gap: int,
    min_length: int = 1,
    channels: Sequence[str],
    rank: Callable | None = None,
) -> pd.DataFrame:
    """Return the events of a score, the one with the highest peak first; on ties, the earlier one.

    Parameters
    ----------
    score : array of shape (n,)
    channel_scores : array of shape (n, C)
    threshold : float
    merge_gap, min_length : int
        As for `event_spans`.
    channels : sequence of str
        Names of the C channels.
    rank : callable, optional
        Scores (k, C) of an event → indices (C,) of its channels, the likeliest cause first; by default by their shares.

    Returns
    -------
    DataFrame
        rank, from 1; start, end and peak, rows from 0, both ends inclusive; peak_score; above_threshold, the difference
        from the threshold; channels, the first ones with their shares of the event's score.
    """
    score, channel_scores = np.asarray(score), np.asarray(channel_scores)
    spans = event_spans(score, threshold, merge_gap=merge_gap, min_length=min_length)
    rows = []
    for start, end, peak in np.stack(spans, axis=1).tolist():
        inside = channel_scores[start : end + 1]
        shares = channel_shares(inside)
        order = None if rank is None else rank(inside)
        above = float(score[peak]) - threshold
        rows.append([0, start, end, peak, float(score[peak]), above, describe_shares(shares, channels, order)])
    rows.sort(key=lambda row: -row[4])
    events = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    events["rank"] = np.arange(1, len(events) + 1)
    return events


def channel_shares(channel_scores: np.ndarray) -> np.ndarray:
    """Return each channel's share (C,) of the score of a stretch of points (k, C); equal shares if there is no score.

    Negative or missing scores have no share.
    """
    scores = np.clip(np.nan_to_num(channel_scores.astype(np.float64), nan=0.0), 0, LARGEST)
    total = scores.sum(axis=0)
    return total / total.sum() if total.sum() > 0 else np.full(len(total), 1 / len(total))


def describe_shares(shares: np.ndarray, channels: Sequence[str], order: np.ndarray | None = None) -> str:
    """Name the first channels with their shares, such as `cpu 61 %, disk 22 %`; at least one.

    The channels are ordered (C,) by their shares, unless another order is given.
    """
    shown = listed_channels(shares, order)
    return ", ".join(f"{channels[index]} {100 * shares[index]:.0f} %" for index in shown)


def listed_channels(shares: np.ndarray, order: np.ndarray | None = None) -> list[int]:
    """Return the indexes of the channels that are named of an event, by their shares (C,) or in a given order (C,)."""
    first, *others = (np.argsort(-shares, kind="stable") if order is None else order)[:LISTED]
    return [int(first), *(int(index) for index in others if shares[index] >= SHOWN)]


def alarm_record(
    rows: tuple[int, int, int],
    times: Sequence,
    peak_score: float,
    threshold: float,
    shares: np.ndarray,
    channels: Sequence[str],
    order: np.ndarray | None = None,
) -> dict:
    """Return an event as plain values, for a line of JSON that another program takes.

    Parameters
    ----------
    rows : (int, int, int)
        First, last and highest point, from 0.
    times : sequence of 3
        Of these points, as they are written; the rows where there are no times.
    peak_score, threshold : float
        At the highest point.
    shares : array of shape (C,)
        Of the channels, of the event's score.
    channels : sequence of str
    order : array of shape (C,), optional
        Of the channels, the likeliest cause first.

    Returns
    -------
    dict
        begin, end and peak, both ends inside, as times; begin_row, end_row, peak_row; points; peak_score; threshold;
        channels, the shares of the first ones by name, the likeliest cause first.
    """
    begin, end, peak = rows
    plain = [time.item() if isinstance(time, np.generic) else time for time in times]
    return {
        **dict(zip(("begin", "end", "peak"), plain, strict=True)),
        **{"begin_row": begin, "end_row": end, "peak_row": peak, "points": end - begin + 1},
        **{"peak_score": float(peak_score), "threshold": float(threshold)},
        "channels": {channels[index]: round(float(shares[index]), 4) for index in listed_channels(shares, order)},
    }
