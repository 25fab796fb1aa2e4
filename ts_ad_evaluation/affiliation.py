"""Affiliation precision and recall: how near predictions lie to events, compared with a random point of the zone.

Points are unit intervals: an event or a prediction of the points a … b covers the time [a, b + 1). The series is cut
midway between neighbouring events into one zone per event. The definition integrates piecewise linear functions, so
the integrals have closed forms, evaluated for all predicted pieces at once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Integers, Mask
from ts_ad_evaluation.events import find_events
from ts_ad_evaluation.f1 import harmonic_mean, predict


class Affiliation(NamedTuple):
    """A threshold, point-wise accuracy, and affiliation precision, recall and F1; all but the first in [0, 1]."""

    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float


class _Zones(NamedTuple):
    """One zone [left, right) of the series for each event [start, stop); arrays of shape (number of events,)."""

    start: np.ndarray
    stop: np.ndarray
    left: np.ndarray
    right: np.ndarray


def affiliation(label: ArrayLike, score: ArrayLike, threshold: float) -> Affiliation:
    """Affiliation precision, recall and F1 of the points with `score > threshold`.

    Precision is the mean, over the predicted time of a zone, of the probability that a random point of the zone is
    at least as far from the event; recall the mean, over the event's time, of the probability that a random point
    is at least as far from that instant as the nearest prediction is. Both are means over the zones, precision over
    those that contain a prediction.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    threshold : float
        Points with a larger score are predicted.

    Returns
    -------
    Affiliation
        Precision, recall and F1 are 0 if the threshold predicts nothing. Compare with a random score: its precision
        is about 0.5, and its recall approaches 1 as more points are predicted.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, the score holds NaN or infinity, or the threshold is not a number.

    References
    ----------
    A. Huet, J. M. Navarro, D. Rossi, "Local Evaluation of Time Series Anomaly Detection Algorithms", KDD 2022.

    Examples
    --------
    >>> affiliation([0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0, 0], threshold=0.5)
    Affiliation(threshold=0.5, accuracy=0.625, precision=0.625, recall=0.75, f1=0.6818181818181818)
    """
    label, predicted, threshold = predict(label, score, threshold)
    precision, recall = _precision_recall(_event_zones(label), predicted) if predicted.any() else (0.0, 0.0)
    accuracy = float(np.mean(predicted == label))
    return Affiliation(threshold, accuracy, precision, recall, harmonic_mean(precision, recall))


def _event_zones(label: Mask) -> _Zones:
    starts, ends = find_events(label)
    stops = ends + 1
    cuts = (stops[:-1] + starts[1:]) / 2
    return _Zones(starts, stops, np.append(0.0, cuts), np.append(cuts, float(len(label))))


def _precision_recall(zones: _Zones, predicted: Mask) -> tuple[float, float]:
    """Affiliation precision and recall of a prediction with at least one point."""
    begin, end, zone_index = _pieces(zones, predicted)
    zone = _Zones(*(column[zone_index] for column in zones))
    first = np.flatnonzero(np.diff(zone_index, prepend=-1))  # the first piece of each zone that has one
    near = np.add.reduceat(_nearness(begin, end, zone), first)
    precision = near / np.add.reduceat(end - begin, first)
    found = np.add.reduceat(_closeness(begin, end, zone, first), first)
    recall = found / (zone.stop - zone.start)[first]
    return float(precision.mean()), float(recall.sum() / len(zones.start))


def _pieces(zones: _Zones, predicted: Mask) -> tuple[Floats, Floats, Integers]:
    """Predicted intervals, cut at the zones' borders; (begin, end, index of the zone), each of shape (m,)."""
    starts, ends = find_events(predicted)
    stops = ends + 1
    cuts = zones.right[:-1]
    holder = np.searchsorted(starts, cuts, side="left") - 1  # the last interval that begins before the cut
    inside = (holder >= 0) & (cuts < stops[holder])
    holder, cuts = holder[inside], cuts[inside]
    begin = np.insert(starts.astype(np.float64), holder + 1, cuts)
    end = np.insert(stops.astype(np.float64), holder, cuts)
    return begin, end, np.searchsorted(zones.right, begin, side="right")


def _nearness(begin: Floats, end: Floats, zone: _Zones) -> Floats:
    """Integral over each piece of the probability that a random point of its zone is at least as far from the event."""
    before, after = zone.start - zone.left, zone.right - zone.stop

    def integral(nearest: Floats, farthest: Floats) -> Floats:
        """Integrate over distances from the event: the probability is (max(before-d, 0) + max(after-d, 0)) / width."""
        return sum(
            np.maximum(side - nearest, 0) ** 2 - np.maximum(side - farthest, 0) ** 2 for side in (before, after)
        ) / (2 * (zone.right - zone.left))

    left = integral(np.maximum(zone.start - end, 0), np.maximum(zone.start - begin, 0))
    right = integral(np.maximum(begin - zone.stop, 0), np.maximum(end - zone.stop, 0))
    return left + _overlap(begin, end, zone) + right


def _closeness(begin: Floats, end: Floats, zone: _Zones, first: Integers) -> Floats:
    """Integral, over the part of the event nearest to each piece, of the probability of being at least as far away.

    That part extends midway to the neighbouring piece, or to the end of the zone. `first` holds the indices of
    the zones' first pieces.
    """
    middle = (end[:-1] + begin[1:]) / 2
    reach_left, reach_right = np.append(0.0, middle), np.append(middle, 0.0)
    reach_left[first] = zone.left[first]
    last = np.append(first[1:], len(begin)) - 1
    reach_right[last] = zone.right[last]

    # Left of the piece, where the instant y has distance d = begin - y, the share of points at least as far away
    # is (max(y - d - left, 0) + right - begin) / width; right of the piece it is the mirror image.
    low, high = _clip(reach_left, begin, zone)
    left = _ramp(2 * low - zone.left - begin, 2 * high - zone.left - begin) + (zone.right - begin) * (high - low)
    low, high = _clip(end, reach_right, zone)
    right = _ramp(zone.right + end - 2 * high, zone.right + end - 2 * low) + (end - zone.left) * (high - low)
    return (left + right) / (zone.right - zone.left) + _overlap(begin, end, zone)


def _clip(low: Floats, high: Floats, zone: _Zones) -> tuple[Floats, Floats]:
    """The part of [low, high) inside the event; low == high if it is empty."""
    low = np.maximum(low, zone.start)
    return low, np.maximum(np.minimum(high, zone.stop), low)


def _ramp(low: Floats, high: Floats) -> Floats:
    """Integral of max(2 y + c, 0) over y, its argument running from `low` to `high`."""
    return (np.maximum(high, 0) ** 2 - np.maximum(low, 0) ** 2) / 4


def _overlap(begin: Floats, end: Floats, zone: _Zones) -> Floats:
    return np.maximum(np.minimum(end, zone.stop) - np.maximum(begin, zone.start), 0)
