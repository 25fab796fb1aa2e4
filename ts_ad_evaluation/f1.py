"""F1 scores of a threshold: point-wise, point-adjusted, range-based, event-based, and the best over all thresholds."""

from typing import NamedTuple

import numpy as np

from ts_ad_evaluation.auc import anomalous_levels
from ts_ad_evaluation.checks import check_label_score


class F1(NamedTuple):
    """A threshold, what it gives, and the harmonic mean of precision and recall; all but the first in [0, 1]."""

    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float


def best_f1(label, score):
    """Largest point-wise F1 over all thresholds: an oracle figure, its threshold is chosen with the labels.

    The point of scikit-learn's `precision_recall_curve` with the largest F1, the lowest threshold among equals.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.

    Returns
    -------
    F1
        At `score >= threshold`, but for the accuracy, which is that of `score > threshold`, as published. A
        constant score gives the share of anomalous points as precision, and recall 1.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity.

    Examples
    --------
    >>> best_f1([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    """
    label, score = check_label_score(label, score)
    level = anomalous_levels(label, score)
    n_anomalous = level.hits[0]
    precision = level.hits / level.predicted
    recall = level.hits / n_anomalous
    f1 = 2 * precision * recall / (precision + recall)
    best = int(np.argmax(f1))
    false_alarms = level.predicted_above[best] - level.hits_above[best]
    wrong = false_alarms + n_anomalous - level.hits_above[best]
    return F1(
        threshold=float(level.score[best]),
        accuracy=float(1 - wrong / len(label)),
        precision=float(precision[best]),
        recall=float(recall[best]),
        f1=float(f1[best]),
    )
