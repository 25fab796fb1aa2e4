"""Hit rate of interpretations: how many of the channels that caused an event are ranked first."""

import logging
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Integers, Ranges
from ts_ad_evaluation.checks import EvaluationError, as_array, check_label
from ts_ad_evaluation.events import find_events

logger = logging.getLogger(__name__)

LEVELS = (100, 150)


def hit_rate(
    channel_scores: ArrayLike,
    label: ArrayLike,
    channels_of_event: Sequence[ArrayLike | None],
    *,
    at: Sequence[float] = LEVELS,
) -> dict[float, float]:
    """Hit rate at P % of the channels ranked by their mean score within each event.

    For an event caused by k channels, it is the share of them found among the first P/100·k of the ranking, rounded
    down; the mean over the events is weighted by their lengths. Events whose channels are not known are left out, and
    their number is logged.

    Parameters
    ----------
    channel_scores : array_like of shape (n, C)
        Score of each channel at each point. Higher is more anomalous.
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones.
    channels_of_event : sequence of sequences of int
        For each event, in time order, the channels that caused it, counted from 0; empty or None if they are
        not known.
    at : sequence of float
        Levels P, in percent.

    Returns
    -------
    dict of float to float
        The hit rate for each level of `at`, in [0, 1]; if channels tie, its mean over all orders of the tie.

    Raises
    ------
    EvaluationError
        When an array is empty, has the wrong shape or length, or holds NaN or infinity, the label is not binary or
        has no event, the events and their channels differ in number, no event's channels are known, an event lists a
        channel twice or one that does not exist, or a level is not above 0.

    Notes
    -----
    Su et al. rank the channels at each anomalous point separately and average over the points. Here a channel that
    stands out in only part of an event is compared with the others over the whole event.

    References
    ----------
    Y. Su et al., "Robust Anomaly Detection for Multivariate Time Series through Stochastic Recurrent Neural
    Network", KDD 2019 (HitRate@P%). By events, with their lengths as weights: as in MIXAD, ICPR 2024.

    Examples
    --------
    >>> channel_scores = [[0, 0, 0, 0], [5, 1, 4, 0], [7, 1, 2, 0], [0, 0, 0, 0], [1, 0, 3, 9]]
    >>> hit_rate(channel_scores, [0, 1, 1, 0, 1], [[0, 1], [3]])
    {100: 0.6666666666666666, 150: 1.0}
    """
    scores, events = _check_channel_scores(channel_scores), _check_events(label)
    if len(scores) != np.size(label):
        raise EvaluationError(f"channel_scores and label differ in length: {len(scores)} and {np.size(label)}")
    means = [scores[start : end + 1].mean(axis=0) for start, end in zip(*events, strict=True)]
    return _hit_rates(means, events, channels_of_event, at)


def hit_rate_of_rankings(
    rankings: Sequence[ArrayLike],
    label: ArrayLike,
    channels_of_event: Sequence[ArrayLike | None],
    *,
    at: Sequence[float] = LEVELS,
) -> dict[float, float]:
    """Hit rate at P % for given rankings, for detectors that rank the channels themselves.

    Parameters
    ----------
    rankings : sequence of sequences of int
        For each event, in time order, all C channels, counted from 0, the most anomalous first.
    label, channels_of_event, at
        As for `hit_rate`.

    Returns
    -------
    dict of float to float
        The hit rate for each level of `at`, in [0, 1].

    Raises
    ------
    EvaluationError
        As for `hit_rate`, and when the events and rankings differ in number, or a ranking does not hold each
        channel once.

    References
    ----------
    As for `hit_rate`.

    Examples
    --------
    >>> hit_rate_of_rankings([[0, 2, 1, 3], [3, 0, 1, 2]], [0, 1, 1, 0, 1], [[0, 1], [3]], at=[100, 200])
    {100: 0.6666666666666666, 200: 1.0}
    """
    events = _check_events(label)
    _check_count("rankings", rankings, events)
    n_channels = np.size(rankings[0])
    places = []
    for event, ranking in enumerate(rankings):
        order = _channel_indices(f"the ranking of event {event}", ranking, n_channels)
        if len(order) != n_channels:
            raise EvaluationError(f"the ranking of event {event} holds {len(order)} of the {n_channels} channels")
        places.append(np.argsort(order))
    return _hit_rates([-place for place in places], events, channels_of_event, at)


def random_hit_rate(
    n_channels: int, label: ArrayLike, channels_of_event: Sequence[ArrayLike | None], *, at: Sequence[float] = LEVELS
) -> dict[float, float]:
    """Exact expected hit rate at P % of random rankings: the baseline a detector has to beat.

    Parameters
    ----------
    n_channels : int
        Number of channels of the series, C.
    label, channels_of_event, at
        As for `hit_rate`.

    Returns
    -------
    dict of float to float
        The mean hit rate over all rankings for each level of `at`, in [0, 1].

    Raises
    ------
    EvaluationError
        As for `hit_rate`, and when there is no channel.

    References
    ----------
    As for `hit_rate`; a random ranking has each channel among its first m of C with probability m/C.

    Examples
    --------
    >>> random_hit_rate(38, [0, 1, 1, 0], [[0, 1]])
    {100: 0.05263157894736842, 150: 0.07894736842105263}
    """
    if n_channels < 1:
        raise EvaluationError(f"there must be at least one channel, got n_channels={n_channels}")
    events = _check_events(label)
    # If all channels tie, the mean over the orders of the tie is the mean over all rankings.
    return _hit_rates([np.zeros(n_channels)] * len(events[0]), events, channels_of_event, at)


def _hit_rates(
    event_scores: Sequence[np.ndarray],
    events: Ranges,
    channels_of_event: Sequence[ArrayLike | None],
    at: Sequence[float],
) -> dict[float, float]:
    """Mean over the events, weighted by length; `event_scores` has the channel scores of each event, of shape (C,)."""
    _check_levels(at)
    _check_count("channels_of_event", channels_of_event, events)
    known = [event for event, channels in enumerate(channels_of_event) if channels is not None and np.size(channels)]
    if not known:
        raise EvaluationError("channels_of_event has no channels for any event: the hit rate is undefined")
    if len(known) < len(channels_of_event):
        logger.info("hit rate over %d of %d events: unknown channels in the others", len(known), len(channels_of_event))
    rates = []
    for event in known:
        scores = event_scores[event]
        rates.append(
            _event_rates(scores, _channel_indices(f"event {event}", channels_of_event[event], len(scores)), at)
        )
    starts, ends = events
    averages = np.average(rates, axis=0, weights=(ends - starts + 1)[known])
    return dict(zip(at, averages.tolist(), strict=True))


def _event_rates(scores: np.ndarray, channels: Integers, at: Sequence[float]) -> list[float]:
    """The hit rate of one event at each level, averaged over the orders of a tie."""
    ascending, true_scores = np.sort(scores), scores[channels]
    rates = []
    for level in at:
        depth = min(len(scores), math.floor(level * len(channels) / 100))
        if depth == 0:
            rates.append(0.0)
            continue
        last = ascending[-depth]  # the score of the last rank that counts
        n_above, n_tied = np.count_nonzero(scores > last), np.count_nonzero(scores == last)
        share_of_tie = (depth - n_above) / n_tied
        hits = np.count_nonzero(true_scores > last) + share_of_tie * np.count_nonzero(true_scores == last)
        rates.append(hits / len(channels))
    return rates


def _check_channel_scores(channel_scores: ArrayLike) -> Floats:
    """Return `channel_scores` as float64, of shape (n, C)."""
    array = as_array(channel_scores, "channel_scores")
    if array.ndim != 2 or array.size == 0:
        raise EvaluationError(f"channel_scores must have the shape (points, channels), got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise EvaluationError(f"channel_scores must be numeric, got dtype {array.dtype}")
    finite = np.isfinite(array)
    if not finite.all():
        point, channel = np.argwhere(~finite)[0]
        raise EvaluationError(f"channel_scores holds NaN or infinity, first at point {point}, channel {channel}")
    return array.astype(np.float64, copy=False)


def _check_events(label: ArrayLike) -> Ranges:
    """Return the first and last points of the label's events, at least one."""
    starts, ends = find_events(check_label(label, both_classes=False))
    if len(starts) == 0:
        raise EvaluationError("label has no anomalous point: the hit rate is undefined")
    return starts, ends


def _check_levels(at: Sequence[float]) -> None:
    if np.ndim(at) != 1 or len(at) == 0 or not all(0 < level < math.inf for level in at):
        raise EvaluationError(f"at must be a list of levels in percent above 0, got {at!r}")


def _check_count(name: str, entries: Sequence[object], events: Ranges) -> None:
    if len(entries) != len(events[0]):
        raise EvaluationError(f"{name} has {len(entries)} entries, the label {len(events[0])} events")


def _channel_indices(name: str, channels: object, n_channels: int) -> Integers:
    """Return distinct channels as an array of indices, at least one."""
    array = as_array(channels, name)
    if array.ndim != 1 or array.size == 0:
        raise EvaluationError(f"{name} must be a list of at least one channel, got {channels!r}")
    if array.dtype.kind not in "iu":
        raise EvaluationError(f"{name}: channels must be whole numbers, got dtype {array.dtype}")
    outside = (array < 0) | (array >= n_channels)
    if outside.any():
        raise EvaluationError(
            f"{name}: there is no channel {array[outside][0]}, the channels are 0 to {n_channels - 1}"
        )
    distinct, counts = np.unique(array, return_counts=True)
    if len(distinct) < len(array):
        raise EvaluationError(f"{name} holds channel {distinct[counts > 1][0]} more than once")
    return array
