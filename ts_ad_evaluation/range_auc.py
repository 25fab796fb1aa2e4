"""Range AUC and volume under the surface (VUS): areas that forgive a detection close to an event.

Both rest on one observation. Around an event, a buffer of width w raises the label to sqrt(1 - d / w) at distance
d <= w // 2. That is more than 1/2, so a point within reach of two events is capped at 1, and a point's label depends
on nothing but the distances to its nearest and second nearest event. Counting points by (distance, first threshold
that catches them) therefore gives every curve for every buffer, without visiting the points again.
"""

from typing import NamedTuple

import numpy as np

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


class _Surface(NamedTuple):
    """Counts at each threshold (K of them, descending), and for each buffer width (V of them)."""

    n: int
    n_anomalous: int
    predicted: np.ndarray  # (K,) points with a score >= the threshold
    hits: np.ndarray  # (K,) anomalous points among them
    buffer: np.ndarray  # (V, K) sum of the buffers' labels over the predicted points outside the events
    existence: np.ndarray  # (V, K) share of the zones that contain a predicted point


def r_auc(label, score, *, window=100, n_thresholds=250):
    """Areas under the ROC and the precision–recall curve with buffers around the events.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous. Only the order of the scores matters.
    window : int
        Buffer width: labels fall off over `window // 2` points before and after each event. 0 means no buffer.
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
    >>> r_auc([0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 2, 1, 0, 0, 0], window=4)
    """
    label, score = check_label_score(label, score)
    _check_options(window, n_thresholds)
    roc, pr = _areas_2022(_surface(label, score, [window], n_thresholds, right_lag=1))
    return RangeAUC(float(roc[0]), float(pr[0]))


def vus(label, score, *, window=100, n_thresholds=250, rule="2024"):
    """Volumes under the ROC and the precision–recall surface: mean areas over all buffers up to `window`.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous. Only the order of the scores matters.
    window : int
        Largest buffer width; the mean runs over the widths 0, 1, …, `window`.
    n_thresholds : int
        Number of thresholds, at least 2, at evenly spaced ranks of the score.
    rule : {"2024", "2022"}
        Two rules go by the name VUS, and their values differ, most for short events. "2024" is what the code of
        the authors computes since November 2024 (CrossAD and TSB-AD use it): a buffer counts as anomalous only
        where it is predicted, and the precision–recall area is a sum of right steps. "2022" is the published
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
    >>> vus(label, score, window=4)
    >>> vus(label, score, window=4, rule="2022")
    """
    label, score = check_label_score(label, score)
    _check_options(window, n_thresholds)
    if rule not in RULES:
        raise EvaluationError(f'rule must be "2024" or "2022", got {rule!r}')
    right_lag, areas = (0, _areas_2024) if rule == "2024" else (1, _areas_2022)
    roc, pr = areas(_surface(label, score, range(window + 1), n_thresholds, right_lag))
    return VUS(float(roc.mean()), float(pr.mean()))


def _check_options(window, n_thresholds):
    for name, value, least in (("window", window, 0), ("n_thresholds", n_thresholds, 2)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise EvaluationError(f"{name} must be an integer of at least {least}, got {value!r}")


def _areas_2022(surface):
    """Areas where every buffer counts as anomalous throughout; both by trapezoids. Two arrays of shape (V,)."""
    anomalous = surface.n_anomalous + surface.buffer[:, -1:] / 2
    fpr, tpr, precision = _curves(surface, anomalous)
    return _roc_area(fpr, tpr), np.sum(np.diff(tpr) * (precision[:, 1:] + precision[:, :-1]) / 2, axis=1)


def _areas_2024(surface):
    """Areas where a buffer counts as anomalous where predicted; PR by right steps. Two arrays of shape (V,)."""
    anomalous = surface.n_anomalous + surface.buffer / 2
    fpr, tpr, precision = _curves(surface, anomalous)
    return _roc_area(fpr, tpr), np.sum(np.diff(tpr) * precision[:, 1:], axis=1)


def _curves(surface, anomalous):
    """False and true positive rate and precision, from (0, 0, 1) on. Three arrays of shape (V, K + 1)."""
    hits = surface.hits + surface.buffer
    tpr = np.minimum(hits / anomalous, 1) * surface.existence
    fpr = (surface.predicted - hits) / (surface.n - anomalous)
    precision = hits / surface.predicted
    start = ((0, 0), (1, 0))
    return np.pad(fpr, start), np.pad(tpr, start), np.pad(precision, start, constant_values=1)


def _roc_area(fpr, tpr):
    """Trapezoid areas up to the point (1, 1), of shape (V,)."""
    end = ((0, 0), (0, 1))
    fpr, tpr = np.pad(fpr, end, constant_values=1), np.pad(tpr, end, constant_values=1)
    return np.sum(np.diff(fpr) * (tpr[:, 1:] + tpr[:, :-1]) / 2, axis=1)


def _surface(label, score, windows, n_thresholds, right_lag):
    """Count everything the areas need, for the consecutive buffer widths `windows`.

    `right_lag` is the number of points by which the buffer after an event is shorter than the one before it.
    """
    n = len(label)
    ascending = np.sort(score)
    thresholds = ascending[n - 1 - np.linspace(0, n - 1, n_thresholds).astype(int)]
    predicted = n - np.searchsorted(ascending, thresholds, side="left")
    starts, ends = find_events(label)
    reach = windows[-1] // 2
    near = _near_points(starts, ends, n, reach, right_lag)

    caught = np.empty(
        n, dtype=np.int64
    )  # index of the first threshold that catches a point; only filled in zones
    for points in (np.flatnonzero(label), near.position):
        caught[points] = n_thresholds - np.searchsorted(thresholds[::-1], score[points], side="right")

    hits = np.bincount(caught[label], minlength=n_thresholds).cumsum()
    shares = _zone_shares(starts, ends, caught, reach, n_thresholds, right_lag)
    return _Surface(
        n=n,
        n_anomalous=int(hits[-1]),
        predicted=predicted,
        hits=hits,
        buffer=_buffer_sums(near, caught[near.position], windows, n_thresholds),
        existence=shares[[window // 2 for window in windows]],
    )


class _Near(NamedTuple):
    """The normal points within reach of an event; arrays of shape (points,)."""

    position: np.ndarray
    distance: np.ndarray  # to the event whose buffer comes first to the point
    alone_from: np.ndarray  # half-width from which on that buffer holds the point
    shared_from: np.ndarray  # half-width from which on a second buffer holds it


def _near_points(starts, ends, n, reach, right_lag):
    """Find the normal points at most `reach` away from an event."""
    far = n + reach + 1
    previous_end = np.concatenate(([-far, -far], ends))
    next_start = np.concatenate((starts, [n + far, n + far]))
    gap_start = np.append(0, ends + 1)
    gap_length = np.append(starts, n) - gap_start

    # Two stretches in each gap between events: after the event before it, and what is left before the next one.
    after = np.minimum(gap_length, reach)
    after[0] = 0
    before = np.minimum(gap_length - after, reach)
    before[-1] = 0
    length = np.concatenate((after, before))
    gap = np.repeat(np.tile(np.arange(len(gap_length)), 2), length)
    first = np.concatenate((gap_start, gap_start + gap_length - before))
    position = np.arange(len(gap)) + np.repeat(first - (np.cumsum(length) - length), length)

    from_left = position - previous_end[gap + 1] + right_lag
    from_right = next_start[gap] - position
    second_left = position - previous_end[gap] + right_lag
    second_right = next_start[gap + 1] - position
    left_first = from_left < from_right
    return _Near(
        position=position,
        distance=np.where(left_first, from_left - right_lag, from_right),
        alone_from=np.minimum(from_left, from_right),
        shared_from=np.minimum(np.maximum(from_left, from_right), np.minimum(second_left, second_right)),
    )


def _buffer_sums(near, caught, windows, n_thresholds):
    """Sum the labels of the buffers over the points that each threshold catches, of shape (V, K)."""
    reach = windows[-1] // 2
    cell = near.distance * n_thresholds + caught
    arriving = _grouped(cell, near.alone_from, reach)
    leaving = _grouped(cell, near.shared_from, reach)
    alone = np.zeros((reach + 1, n_thresholds))  # points in one buffer, by distance and first threshold
    shared = np.zeros(n_thresholds)  # points in two buffers or more
    sums = []
    for half in range(reach + 1):
        np.add.at(alone.ravel(), arriving[half], 1)
        np.subtract.at(alone.ravel(), leaving[half], 1)
        shared += np.bincount(leaving[half] % n_thresholds, minlength=n_thresholds)
        for window in (2 * half, 2 * half + 1):
            if window in windows:
                weight = np.sqrt(1 - np.arange(half + 1) / max(window, 1))
                sums.append(weight @ alone[: half + 1] + shared)
    return np.cumsum(sums, axis=1)


def _grouped(values, group, last):
    """Split `values` into a list by their group 0, 1, …, `last`, leaving out those of higher groups."""
    values, group = values[group <= last], group[group <= last]
    order = np.argsort(group.astype(np.uint16 if last < 2**16 else np.int64), kind="stable")
    return np.split(values[order], np.cumsum(np.bincount(group, minlength=last + 1))[:-1])


def _zone_shares(starts, ends, caught, reach, n_thresholds, right_lag):
    """Share of the zones that each threshold catches, for the half-widths 0 to `reach`; (reach + 1, K)."""
    sizes = ends - starts + 1
    inside = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    best = np.minimum.reduceat(caught[inside], np.cumsum(sizes) - sizes)
    counts = [np.bincount(best, minlength=n_thresholds)]
    for half in range(1, reach + 1):
        first = np.maximum(starts - half, 0)
        last = np.minimum(ends + half - right_lag, len(caught) - 1)
        best = np.minimum(best, np.minimum(caught[first], caught[last]))
        apart = starts[1:] - ends[:-1] > 2 * half
        opens = np.flatnonzero(np.append(True, apart))
        best = np.minimum.reduceat(best, opens)
        starts, ends = starts[opens], ends[np.append(apart, True)]
        counts.append(np.bincount(best, minlength=n_thresholds))
    counts = np.array(counts)
    return np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
