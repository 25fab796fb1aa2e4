"""PATE: the area under a precision–recall curve that weights a detection by its proximity to an event.

Points in an early buffer before an event and a late buffer after it count as partial detections, the less so the
farther they are from the event. The weights do not depend on the threshold, so cumulative sums over the index of the
first threshold that catches a point give the true positives of every threshold at once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Integers, Mask
from ts_ad_evaluation.checks import EvaluationError, check_label_score
from ts_ad_evaluation.events import find_events


class PATE(NamedTuple):
    """Proximity-aware area under the precision–recall curve, in [0, 1]."""

    pate: float


class _Buffers(NamedTuple):
    """The points of all early or all late buffers; arrays of shape (number of points,)."""

    position: np.ndarray
    event: np.ndarray
    weight: np.ndarray


def pate(
    label: ArrayLike,
    score: ArrayLike,
    *,
    early: int = 100,
    late: int = 100,
    n_thresholds: int = 250,
    include_zero: bool = False,
) -> PATE:
    """Proximity-aware time-series anomaly evaluation.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    early, late : int
        Lengths in points of the buffers before and after an event, cut short by the neighbouring events' buffers and
        by the ends of the series.
    n_thresholds : int
        Number of thresholds, at least 2: evenly spaced percentiles of the distinct scores between which the number of
        detected anomalous points changes.
    include_zero : bool
        False uses this one pair of buffers. True gives the mean over the four pairs of 0 or `early` with 0 or `late`,
        the default of the PATE package; its values are lower, so state which form a table reports.

    Returns
    -------
    PATE
        A constant score gives the mean of 1 and the precision of predicting every point.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, the score holds NaN or infinity, or an option is out of range.

    References
    ----------
    R. Ghorbani, M. J. T. Reinders, D. M. J. Tax, "PATE: Proximity-Aware Time Series Anomaly Evaluation", KDD 2024.

    Examples
    --------
    >>> pate([0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 2, 1, 0, 0, 0], early=2, late=2)
    PATE(pate=0.95)
    """
    label, score = check_label_score(label, score)
    for name, value, least in (("early", early, 0), ("late", late, 0), ("n_thresholds", n_thresholds, 2)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise EvaluationError(f"{name} must be an integer of at least {least}, got {value!r}")

    ascending = np.sort(score)
    thresholds = _thresholds(ascending, np.unique(score[label]), n_thresholds)
    predicted = len(score) - np.searchsorted(ascending, thresholds, side="left")
    starts, ends = find_events(label)
    length = ends - starts + 1
    caught = _first_threshold(thresholds, score[label])
    first_hit = np.minimum.reduceat(caught, np.cumsum(length) - length)
    hits = _running_sum(caught, n_thresholds)
    misses = _misses(length, caught, n_thresholds)

    pairs = [(x, y) for x in (0, early) for y in (0, late)] if include_zero else [(early, late)]
    areas = []
    for early_, late_ in pairs:
        before, after = _buffers(starts, ends, len(label), early_, late_)
        detected = hits + _running_sum(_first_threshold(thresholds, score[after.position]), n_thresholds, after.weight)
        # An early detection counts only once the event itself is detected.
        since = np.maximum(_first_threshold(thresholds, score[before.position]), first_hit[before.event])
        detected = detected + _running_sum(since, n_thresholds, before.weight)
        areas.append(_area(detected / (detected + misses), detected / predicted))
    return PATE(float(np.mean(areas)))


def _thresholds(ascending: Floats, anomalous: Floats, n_thresholds: int) -> Floats:
    """Percentiles, descending, of the scores at and just above those of anomalous points, and of both extremes."""
    above = np.searchsorted(ascending, anomalous, side="right")
    levels = np.concatenate((ascending[[0, -1]], anomalous, ascending[above[above < len(ascending)]]))
    return np.percentile(np.unique(levels), np.linspace(100, 0, n_thresholds))


def _first_threshold(thresholds: Floats, score: Floats) -> Integers:
    """Index of the first of the descending thresholds that is not above each score."""
    return len(thresholds) - np.searchsorted(thresholds[::-1], score, side="right")


def _running_sum(since: Integers, n_thresholds: int, weight: Floats | None = None) -> np.ndarray:
    """For each threshold, the weight (or number) of all points that count from that threshold or an earlier one on."""
    return np.bincount(since, weights=weight, minlength=n_thresholds).cumsum()


def _misses(length: Integers, caught: Integers, n_thresholds: int) -> Floats:
    """False negatives at each threshold.

    A missed point counts as one. In a detected event, a missed point farther from the start than the first
    detected run is long counts as less than one, and the less so the farther it is from the start.

    Parameters
    ----------
    length : int array of shape (number of events,)
    caught : int array of shape (number of anomalous points,)
        Index of the first threshold that catches each.
    n_thresholds : int

    Returns
    -------
    float array of shape (n_thresholds,)
    """
    stop = np.cumsum(length)
    event = np.repeat(np.arange(len(length)), length)
    offset = np.arange(len(event)) - (stop - length)[event]
    steps = np.unique(caught)  # nothing changes between these
    after_step = [_misses_at(caught <= k, length, stop, event, offset) for k in steps]
    return np.repeat([len(caught), *after_step], np.diff(np.concatenate(([0], steps, [n_thresholds]))))


def _misses_at(is_detected: Mask, length: Integers, stop: Integers, event: Integers, offset: Integers) -> float:
    """False negatives of one prediction with at least one detected point."""
    detected, missed = np.flatnonzero(is_detected), np.flatnonzero(~is_detected)
    if len(missed) == 0:
        return 0.0
    first = detected[np.flatnonzero(np.diff(event[detected], prepend=-1))]
    hit = event[first]
    length, stop = length[hit], stop[hit]
    next_missed = np.append(missed, len(event))[np.searchsorted(missed, first)]
    run = np.minimum(next_missed, stop) - first

    # In an event of L points, each one missed at an offset d > run loses (run + 1)(d - run / 2) of L (L - 1) / 2.
    low = np.searchsorted(missed, stop - length + run, side="right")
    high = np.searchsorted(missed, stop)
    total_offset = np.append(0, np.cumsum(offset[missed]))
    loss = (run + 1) * (total_offset[high] - total_offset[low] - (high - low) * run / 2)
    some = high > low
    return len(missed) - np.sum(2 * loss[some] / (length * (length - 1))[some])


def _buffers(starts: Integers, ends: Integers, n: int, early: int, late: int) -> tuple[_Buffers, _Buffers]:
    """The early and late buffers of all events; the weight is 1 at the event's middle and 0 at the buffer's far end."""
    middle = (starts + ends) / 2
    late_end = np.minimum(ends + late, np.append(starts[1:], n) - 1)
    early_start = np.maximum(starts - early, np.append(0, late_end[:-1] + 1))
    after = _points(ends + 1, late_end - ends, middle, late_end)
    before = _points(early_start, starts - early_start, middle, early_start)
    return before, after


def _points(start: Integers, length: Integers, middle: Floats, far_end: np.ndarray) -> _Buffers:
    event = np.repeat(np.arange(len(start)), length)
    position = np.arange(len(event)) - np.repeat(np.cumsum(length) - length, length) + start[event]
    weight = 1 - (position - middle[event]) / (far_end - middle)[event]
    return _Buffers(position, event, weight)


def _area(recall: Floats, precision: Floats) -> float:
    """Area by trapezoids from (0, 1) over the points at which recall does not drop."""
    recall = np.append(0.0, recall)
    precision = np.append(1.0, precision)
    ahead = recall >= np.maximum.accumulate(recall)
    recall, precision = recall[ahead], precision[ahead]
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))
