"""Range AUC and volume under the surface (VUS): areas that tolerate a detection close to an event.

Both rest on one observation. Around an event, a buffer of width w raises the label to sqrt(1 - d / w) at
distance d <= w // 2. That is more than 1/2 and labels are capped at 1, so a point in two buffers has label 1.
All that matters is which buffer reaches a point first, and the width from which a second one does. Counting
points by distance and by the first threshold that catches them therefore gives every curve.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Integers, Mask
from ts_ad_evaluation.checks import EvaluationError, check_label_score
from ts_ad_evaluation.events import find_events

RULES = ("2024", "2022")


class RangeAUC(NamedTuple):
    """Areas under the range ROC curve and the range precision–recall curve, each in [0, 1]."""

    roc: float
    pr: float


class VUS(NamedTuple):
    """Volumes under the range ROC surface and the range precision–recall surface, each in [0, 1]."""

    roc: float
    pr: float


class RangeCurves(NamedTuple):
    """Curves from (0, 0, 1) to (1, 1, 0), one row for each buffer width; arrays of shape (V, K + 2)."""

    fpr: np.ndarray
    tpr: np.ndarray
    precision: np.ndarray


class _Surface(NamedTuple):
    """Counts at each threshold (K of them, descending), and for each buffer width (V of them)."""

    n: int
    n_anomalous: int
    predicted: np.ndarray  # (K,) points with a score >= the threshold
    hits: np.ndarray  # (K,) anomalous points among them
    buffer: np.ndarray  # (V, K) sum of the buffers' labels over the predicted points outside the events
    existence: np.ndarray  # (V, K) share of the zones that contain a predicted point


def r_auc(label: ArrayLike, score: ArrayLike, *, window: int = 100, n_thresholds: int = 250) -> RangeAUC:
    """Areas under the ROC and precision–recall curves with buffers around the events.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous. Only the order of the scores matters.
    window : int
        Buffer width: labels fall off over `window // 2` points on either side of each event. 0 means no buffer.
    n_thresholds : int
        Number of thresholds, at least 2, at evenly spaced ranks of the score.

    Returns
    -------
    RangeAUC
        `roc` and `pr`, each in [0, 1].

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, the score holds NaN or infinity, or an option is out of range.

    References
    ----------
    J. Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly
    Detection", PVLDB 15(11), 2022.

    Examples
    --------
    >>> label, score = [0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 2, 1, 0, 0, 0]
    >>> np.round(r_auc(label, score, window=4), 4).tolist()
    [0.9494, 0.9602]
    """
    label, score = check_label_score(label, score)
    _check_options(window, n_thresholds)
    roc, pr = _areas(_curves(_surface(label, score, [window], n_thresholds, "2022"), "2022"), "2022")
    return RangeAUC(float(roc[0]), float(pr[0]))


def vus(label: ArrayLike, score: ArrayLike, *, window: int = 100, n_thresholds: int = 250, rule: str = "2024") -> VUS:
    """Volumes under the ROC and precision–recall surfaces: mean areas over all buffers up to `window`.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous. Only the order of the scores matters.
    window : int
        Largest buffer width; the mean is over the widths 0, 1, …, `window`.
    n_thresholds : int
        Number of thresholds, at least 2, at evenly spaced ranks of the score.
    rule : {"2024", "2022"}
        Two rules go by the name VUS, and their values differ, most for short events. "2024" is what the
        authors' code has computed since November 2024 (CrossAD and TSB-AD use it): a buffer counts as anomalous
        only where it is predicted, and the precision–recall area is a sum of right steps. "2022" is the earlier
        one: the mean of `r_auc` over the widths (TAB, aeon and TimeEval use it).

    Returns
    -------
    VUS
        `roc` and `pr`, each in [0, 1].

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, the score holds NaN or infinity, or an option is out of range.

    References
    ----------
    J. Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly
    Detection", PVLDB 15(11), 2022.

    Examples
    --------
    >>> label, score = [0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 2, 1, 0, 0, 0]
    >>> np.round(vus(label, score, window=4), 4).tolist()
    [0.9779, 0.913]
    >>> np.round(vus(label, score, window=4, rule="2022"), 4).tolist()
    [0.9683, 0.9495]
    """
    curves = range_curves(label, score, window=window, n_thresholds=n_thresholds, rule=rule)
    roc, pr = _areas(curves, rule)
    return VUS(float(roc.mean()), float(pr.mean()))


def range_curves(
    label: ArrayLike, score: ArrayLike, *, window: int = 100, n_thresholds: int = 250, rule: str = "2024"
) -> RangeCurves:
    """Range ROC and precision–recall curves at every buffer width: the surfaces whose volumes VUS measures.

    Parameters
    ----------
    label, score, window, n_thresholds, rule
        As for `vus`.

    Returns
    -------
    RangeCurves
        False positive rates, true positive rates and precisions, each of shape (window + 1, n_thresholds + 2). The
        last point, (1, 1, 0), belongs to the ROC curve alone.

    Raises
    ------
    EvaluationError
        As for `vus`.

    Examples
    --------
    >>> range_curves([0, 0, 1, 0], [0, 1, 2, 0], window=2, n_thresholds=4).tpr.shape
    (3, 6)
    """
    label, score = check_label_score(label, score)
    _check_options(window, n_thresholds)
    if rule not in RULES:
        raise EvaluationError(f'rule must be "2024" or "2022", got {rule!r}')
    return _curves(_surface(label, score, range(window + 1), n_thresholds, rule), rule)


def _check_options(window: int, n_thresholds: int) -> None:
    for name, value, least in (("window", window, 0), ("n_thresholds", n_thresholds, 2)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise EvaluationError(f"{name} must be an integer of at least {least}, got {value!r}")


def _curves(surface: _Surface, rule: str) -> RangeCurves:
    # Under the 2022 rule the whole buffer is anomalous, under the 2024 rule only its predicted points.
    buffer = surface.buffer if rule == "2024" else surface.buffer[:, -1:]
    anomalous = surface.n_anomalous + buffer / 2
    hits = surface.hits + surface.buffer
    tpr = np.minimum(hits / anomalous, 1) * surface.existence
    fpr = (surface.predicted - hits) / (surface.n - anomalous)
    precision = hits / surface.predicted
    ends = ((0, 0), (1, 1))
    return RangeCurves(
        np.pad(fpr, ends, constant_values=(0, 1)),
        np.pad(tpr, ends, constant_values=(0, 1)),
        np.pad(precision, ends, constant_values=(1, 0)),
    )


def _areas(curves: RangeCurves, rule: str) -> tuple[Floats, Floats]:
    """ROC areas by trapezoids; PR areas by right steps (2024) or trapezoids (2022). Two arrays of shape (V,)."""
    tpr, precision = curves.tpr[:, :-1], curves.precision[:, :-1]
    pr = np.sum(np.diff(tpr) * precision[:, 1:], axis=1) if rule == "2024" else _trapezoids(tpr, precision)
    return _trapezoids(curves.fpr, curves.tpr), pr


def _trapezoids(x: Floats, y: Floats) -> Floats:
    return np.sum(np.diff(x) * (y[:, 1:] + y[:, :-1]) / 2, axis=1)


def _surface(label: Mask, score: Floats, windows: Sequence[int], n_thresholds: int, rule: str) -> _Surface:
    """Count everything the curves need for the consecutive buffer widths `windows`."""
    right_lag = 0 if rule == "2024" else 1  # points by which the buffer after an event is shorter than the one before
    n = len(label)
    ascending = np.sort(score)
    thresholds = ascending[n - 1 - np.linspace(0, n - 1, n_thresholds).astype(int)]
    starts, ends = find_events(label)
    widths = np.asarray(windows)
    half_widths = np.minimum(widths // 2, n)  # wider buffers hold the same points
    reach = half_widths[-1]
    near = _near_points(starts, ends, n, reach, right_lag)

    # Index of the first threshold that catches each point, filled in only where it is needed.
    caught = np.empty(n, dtype=np.int64)
    for points in (np.flatnonzero(label), near.position):
        caught[points] = n_thresholds - np.searchsorted(thresholds[::-1], score[points], side="right")

    hits = np.bincount(caught[label], minlength=n_thresholds).cumsum()
    shares = _zone_shares(starts, ends, caught, reach, n_thresholds, right_lag)
    return _Surface(
        n=n,
        n_anomalous=int(hits[-1]),
        predicted=n - np.searchsorted(ascending, thresholds, side="left"),
        hits=hits,
        buffer=_buffer_sums(near, caught[near.position], widths, half_widths, n_thresholds),
        existence=shares[half_widths],
    )


class _Near(NamedTuple):
    """The normal points within reach of an event; arrays of shape (points,)."""

    position: np.ndarray
    distance: np.ndarray  # to the event whose buffer reaches the point first
    alone_from: np.ndarray  # half-width from which that buffer holds it
    shared_from: np.ndarray  # half-width from which a second buffer holds it


def _near_points(starts: Integers, ends: Integers, n: int, reach: int, right_lag: int) -> _Near:
    """Find all normal points at most `reach` away from an event, and a few more at the ends of the series."""
    far = reach + right_lag + 1
    dtype = np.int32 if n + far < 2**31 else np.int64
    previous_end = np.concatenate(([-far, -far], ends)).astype(dtype)
    next_start = np.concatenate((starts, [n + far, n + far])).astype(dtype)
    gap_start = np.append(0, ends + 1)
    gap_length = np.append(starts, n) - gap_start

    # Two stretches of each gap: what the event before it reaches, then what the event after it reaches of the rest.
    after = np.minimum(gap_length, reach)
    before = np.minimum(gap_length - after, reach)
    length = np.concatenate((after, before))
    gap = np.tile(np.arange(len(gap_length)), 2)
    position = _ranges(np.concatenate((gap_start, gap_start + gap_length - before)), length).astype(dtype)

    left = position - np.repeat(previous_end[gap + 1], length)
    right = np.repeat(next_start[gap], length) - position
    second_left = position - np.repeat(previous_end[gap], length)
    second_right = np.repeat(next_start[gap + 1], length) - position
    left_from = left + right_lag
    return _Near(
        position=position,
        distance=np.where(left_from < right, left, right),
        alone_from=np.minimum(left_from, right),
        shared_from=np.minimum(np.maximum(left_from, right), np.minimum(second_left + right_lag, second_right)),
    )


def _ranges(first: Integers, length: Integers) -> Integers:
    """Concatenate integer ranges with the given first elements and lengths."""
    offset = np.cumsum(length) - length
    return np.repeat(first - offset, length) + np.arange(length.sum())


def _buffer_sums(near: _Near, caught: Integers, windows: Integers, half_widths: Integers, n_thresholds: int) -> Floats:
    """Sum the labels of the buffers over the points that each threshold catches; of shape (V, K)."""
    halves = range(half_widths[0], half_widths[-1] + 1)
    cell = near.distance.astype(np.int64) * n_thresholds + caught
    arriving = _grouped(cell, near.alone_from, halves)
    leaving = _grouped(cell, near.shared_from, halves)
    alone = np.zeros((halves[-1] + 1, n_thresholds))  # points in one buffer, by distance and first threshold
    shared = np.zeros(n_thresholds)  # points in at least two buffers
    sums = []
    for half, come, go in zip(halves, arriving, leaving, strict=True):
        np.add.at(alone.reshape(-1), come, 1.0)  # an integer 1 would be 30 times slower
        np.add.at(alone.reshape(-1), go, -1.0)
        np.add.at(shared, go % n_thresholds, 1.0)
        for window in windows[half_widths == half]:
            weight = np.sqrt(1 - np.arange(half + 1) / max(window, 1))
            sums.append(weight @ alone[: half + 1] + shared)
    return np.cumsum(sums, axis=1)


def _grouped(values: Integers, since: Integers, halves: range) -> list[Integers]:
    """Split `values` by the half-width `since` which they count; the first group also has all earlier ones."""
    within = since <= halves[-1]
    group = np.maximum(since[within] - halves[0], 0)
    order = np.argsort(group.astype(np.uint16 if len(halves) < 2**16 else np.int64), kind="stable")
    return np.split(values[within][order], np.cumsum(np.bincount(group, minlength=len(halves)))[:-1])


def _zone_shares(
    starts: Integers, ends: Integers, caught: Integers, reach: int, n_thresholds: int, right_lag: int
) -> Floats:
    """Share of the zones that each threshold catches, for the half-widths 0 to `reach`; (reach + 1, K)."""
    length = ends - starts + 1
    best = np.minimum.reduceat(caught[_ranges(starts, length)], np.cumsum(length) - length)
    counts = [np.bincount(best, minlength=n_thresholds)]
    for half in range(1, reach + 1):
        first = np.maximum(starts - half, 0)
        last = np.minimum(ends + half - right_lag, len(caught) - 1)
        best = np.minimum(best, np.minimum(caught[first], caught[last]))
        apart = starts[1:] - ends[:-1] > 2 * half
        opening = np.flatnonzero(np.append(True, apart))
        best = np.minimum.reduceat(best, opening)
        starts, ends = starts[opening], ends[np.append(apart, True)]
        counts.append(np.bincount(best, minlength=n_thresholds))
    zones = np.array(counts)
    return np.cumsum(zones, axis=1) / zones.sum(axis=1, keepdims=True)
