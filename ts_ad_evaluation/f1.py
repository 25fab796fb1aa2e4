"""F1 at a threshold: point-wise, point-adjusted, range-based and event-based; and the best F1 over all thresholds.

Events and predicted ranges are counted by searching sorted positions, so the cost hardly depends on their
number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Integers, Mask, Ranges
from ts_ad_evaluation.auc import Levels, anomalous_levels
from ts_ad_evaluation.checks import check_label_score, check_threshold
from ts_ad_evaluation.events import find_events


class F1(NamedTuple):
    """A threshold with its accuracy, precision, recall and F1, the last four in [0, 1]."""

    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float


def best_f1(label: ArrayLike, score: ArrayLike) -> F1:
    """Largest point-wise F1 over all thresholds: an oracle value, since its threshold is chosen with the labels.

    It is the point of scikit-learn's `precision_recall_curve` with the largest F1; among ties, the lowest threshold.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.

    Returns
    -------
    F1
        Computed for the prediction `score >= threshold`, except the accuracy, which is for `score > threshold`, as
        published. A constant score gives the share of anomalous points as precision, and a recall of 1.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity.

    References
    ----------
    C. J. van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7.

    Examples
    --------
    >>> best_f1([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    F1(threshold=0.35, accuracy=0.5, precision=0.6666666666666666, recall=1.0, f1=0.8)
    """
    label, score = check_label_score(label, score)
    level = anomalous_levels(label, score)
    best, f1 = _at_best_level(level, len(label))
    correct = _correct(len(label), level.hits[0], level.predicted_above[best], level.hits_above[best])
    return f1._replace(accuracy=float(correct / len(label)))


def best_f1_pa(label: ArrayLike, score: ArrayLike, *, adjust_first: bool = False) -> F1:
    """Largest point-adjusted F1 over all thresholds: an oracle value that flatters twice.

    Its threshold is chosen with the labels, and an event with one predicted point counts as fully predicted: a
    random score reaches high values. It is here for comparison with values that were published this way.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    adjust_first : bool
        As for `f1_pa`.

    Returns
    -------
    F1
        All computed for the prediction `score >= threshold` after the adjustment; among ties, the lowest threshold.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity.

    References
    ----------
    H. Xu et al., "Unsupervised Anomaly Detection via Variational Auto-Encoder for Seasonal KPIs in Web
    Applications", WWW 2018. For a critique: S. Kim et al., "Towards a Rigorous Evaluation of Time-Series Anomaly
    Detection", AAAI 2022.

    Examples
    --------
    >>> best_f1_pa([0, 1, 1, 0], [0.1, 0.2, 0.8, 0.4])
    F1(threshold=0.8, accuracy=1.0, precision=1.0, recall=1.0, f1=1.0)
    """
    label, score = check_label_score(label, score)
    starts, ends = find_events(label)
    # Adjusting predictions is the same as raising the score throughout an event to its maximum there.
    largest = np.maximum.reduceat(np.where(label, score, -np.inf), starts)
    adjusted = score.copy()
    adjusted[label] = np.repeat(largest, ends - starts + 1)
    if not adjust_first:
        adjusted[0] = score[0]
    return _at_best_level(anomalous_levels(label, adjusted), len(label))[1]


def f1_raw(label: ArrayLike, score: ArrayLike, threshold: float) -> F1:
    """Point-wise F1 at a threshold.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    threshold : float
        A point is predicted when `score > threshold`.

    Returns
    -------
    F1
        Precision, recall and F1 are 0 when nothing is predicted.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity, or the threshold is not a number.

    References
    ----------
    C. J. van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7.

    Examples
    --------
    >>> f1_raw([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.3)
    F1(threshold=0.3, accuracy=0.75, precision=0.6666666666666666, recall=1.0, f1=0.8)
    """
    label, predicted, threshold = predict(label, score, threshold)
    return _point_wise(threshold, *_counts(label, predicted))


def f1_pa(label: ArrayLike, score: ArrayLike, threshold: float, *, adjust_first: bool = False) -> F1:
    """Point-adjusted F1 at a threshold: an event with one predicted point counts as fully predicted.

    It flatters: a random score reaches high values on long events.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    threshold : float
        A point is predicted when `score > threshold`.
    adjust_first : bool
        Also adjust the very first point of the series. The published code leaves it as predicted.

    Returns
    -------
    F1
        All computed after the adjustment, including the accuracy. Precision, recall and F1 are 0 when nothing is
        predicted.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity, or the threshold is not a number.

    References
    ----------
    H. Xu et al., "Unsupervised Anomaly Detection via Variational Auto-Encoder for Seasonal KPIs in Web
    Applications", WWW 2018.

    Examples
    --------
    >>> f1_pa([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.5)
    F1(threshold=0.5, accuracy=1.0, precision=1.0, recall=1.0, f1=1.0)
    """
    label, predicted, threshold = predict(label, score, threshold)
    n, n_anomalous, n_predicted, hits = _counts(label, predicted)
    starts, ends = find_events(label)
    is_hit = _count_inside(np.flatnonzero(label & predicted), starts, ends) > 0
    filled = int(np.sum((ends - starts + 1)[is_hit]))
    if starts[0] == 0 and is_hit[0] and not predicted[0] and not adjust_first:
        filled -= 1
    return _point_wise(threshold, n, n_anomalous, n_predicted - hits + filled, filled)


def f1_r(label: ArrayLike, score: ArrayLike, threshold: float) -> F1:
    """Range-based F1 at a threshold, with flat bias and a weight of 0.2 on the existence of a detection.

    Recall is the mean over the events of 0.2 if the event is hit at all, plus 0.8 times its predicted share
    divided by the number of predicted ranges that overlap it. Precision is the mean over the
    predicted ranges of their anomalous share divided by the number of events that overlap them.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    threshold : float
        A point is predicted when `score > threshold`.

    Returns
    -------
    F1
        The accuracy is point-wise. Precision, recall and F1 are 0 when nothing is predicted.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity, or the threshold is not a number.

    References
    ----------
    N. Tatbul et al., "Precision and Recall for Time Series", NeurIPS 2018.

    Examples
    --------
    >>> f1_r([0, 0, 1, 1, 1, 1], [0, 0, 1, 0, 1, 0], 0.5).recall
    0.4
    """
    label, predicted, threshold = predict(label, score, threshold)
    hits = np.flatnonzero(label & predicted)
    events, ranges = find_events(label), find_events(predicted)
    recall = float(np.mean(_overlap_rewards(events, ranges, hits, existence=0.2)))
    precision = float(np.mean(_overlap_rewards(ranges, events, hits, existence=0.0))) if predicted.any() else 0.0
    accuracy = float(np.mean(label == predicted))
    return F1(threshold, accuracy, precision, recall, harmonic_mean(precision, recall))


def f1_event(label: ArrayLike, score: ArrayLike, threshold: float) -> F1:
    """Event-based F1 at a threshold: precision by points, recall by events.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    threshold : float
        A point is predicted when `score > threshold`.

    Returns
    -------
    F1
        `recall` is the share of the events with at least one predicted point; accuracy and precision are
        point-wise; 1e-15 is added to the denominator of F1, as published. Precision, recall and F1 are 0 when
        nothing is predicted.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity, or the threshold is not a number.

    References
    ----------
    A. Garg et al., "An Evaluation of Anomaly Detection and Diagnosis in Multivariate Time Series", IEEE
    Transactions on Neural Networks and Learning Systems 33(6), 2022.

    Examples
    --------
    >>> f1_event([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0, 0.2], 0.3).recall
    0.5
    """
    label, predicted, threshold = predict(label, score, threshold)
    points = _point_wise(threshold, *_counts(label, predicted))
    recall = float(np.mean(_count_inside(np.flatnonzero(label & predicted), *find_events(label)) > 0))
    f1 = 2 * points.precision * recall / (points.precision + recall + 1e-15)
    return points._replace(recall=recall, f1=f1)


def predict(label: ArrayLike, score: ArrayLike, threshold: float) -> tuple[Mask, Mask, float]:
    """Return the checked label, the prediction (bool arrays of shape (n,)) and the threshold as float."""
    label, score = check_label_score(label, score)
    threshold = check_threshold(threshold)
    return label, score > threshold, threshold


def _counts(label: Mask, predicted: Mask) -> tuple[int, int, int, int]:
    """Numbers of all, anomalous, predicted, and both anomalous and predicted points."""
    n_anomalous, n_predicted, hits = (int(np.count_nonzero(mask)) for mask in (label, predicted, label & predicted))
    return len(label), n_anomalous, n_predicted, hits


def _correct(n: int, n_anomalous: int, n_predicted: int, hits: int) -> int:
    """Count the points that are both predicted and anomalous, or neither."""
    return n - n_anomalous - n_predicted + 2 * hits


def _point_wise(threshold: float, n: int, n_anomalous: int, n_predicted: int, hits: int) -> F1:
    precision = hits / max(n_predicted, 1)
    recall = hits / n_anomalous
    return F1(
        threshold=threshold,
        accuracy=_correct(n, n_anomalous, n_predicted, hits) / n,
        precision=precision,
        recall=recall,
        f1=harmonic_mean(precision, recall),
    )


def harmonic_mean(precision: float, recall: float) -> float:
    """Return the harmonic mean, 0 if both are 0."""
    return float(2 * precision * recall / (precision + recall)) if precision + recall > 0 else 0.0


def _at_best_level(level: Levels, n: int) -> tuple[int, F1]:
    """The index of the level with the largest F1, the lowest among ties, and the prediction `score >= level`."""
    precision, recall = level.precision, level.recall
    best = int(np.argmax(2 * precision * recall / (precision + recall)))
    counts = int(level.hits[0]), int(level.predicted[best]), int(level.hits[best])
    return best, _point_wise(float(level.score[best]), n, *counts)


def _count_inside(positions: Integers, starts: Integers, ends: Integers) -> Integers:
    """Count the sorted `positions` inside each range from `starts` to `ends`; of shape (ranges,)."""
    return np.searchsorted(positions, ends, side="right") - np.searchsorted(positions, starts, side="left")


def _overlap_rewards(ranges: Ranges, others: Ranges, hits: Integers, *, existence: float) -> Floats:
    """Tatbul's overlap reward for each range, given the positions of both kinds of range; shape (ranges,)."""
    starts, ends = ranges
    other_starts, other_ends = others
    n_overlapping = np.searchsorted(other_starts, ends, side="right") - np.searchsorted(other_ends, starts)
    covered = _count_inside(hits, starts, ends) / (ends - starts + 1)
    return existence * (n_overlapping > 0) + (1 - existence) * covered / np.maximum(n_overlapping, 1)
