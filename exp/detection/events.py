"""Events: stretches of points above the threshold, ranked by their highest score, and the channels behind them."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ts_ad_evaluation.events import find_events

LISTED = 5  # channels of an event
LARGEST = 1e290  # limit of a channel's score, so that their sum is finite
SHOWN = 0.005  # smallest share that does not round to nothing
COLUMNS = {
    "rank": int,
    "start": int,
    "end": int,
    "peak": int,
    "peak_score": float,
    "above_threshold": float,
    "channels": object,
}


def ranked_events(
    score: ArrayLike,
    channel_scores: ArrayLike,
    threshold: float,
    *,
    merge_gap: int,
    channels: Sequence[str],
    rank: Callable | None = None,
) -> pd.DataFrame:
    """Return the events of a score, the one with the highest peak first; on ties, the earlier one.

    Parameters
    ----------
    score : array of shape (n,)
    channel_scores : array of shape (n, C)
    threshold : float
        Points above it are flagged.
    merge_gap : int
        Flagged points with at most this many others between them belong to one event.
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
    starts, ends = find_events(score > threshold)
    if len(starts):
        apart = starts[1:] - ends[:-1] - 1 > merge_gap
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    rows = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        peak = start + int(np.nanargmax(score[start : end + 1]))
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
    first, *others = (np.argsort(-shares, kind="stable") if order is None else order)[:LISTED]
    shown = [first, *(index for index in others if shares[index] >= SHOWN)]
    return ", ".join(f"{channels[index]} {100 * shares[index]:.0f} %" for index in shown)
