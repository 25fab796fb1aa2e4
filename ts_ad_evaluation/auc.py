"""Area under the ROC curve and average precision, point by point."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Mask
from ts_ad_evaluation.checks import check_label_score


class AUC(NamedTuple):
    """Areas under the ROC curve and under the precision–recall curve, each in [0, 1]."""

    roc: float
    pr: float


class Levels(NamedTuple):
    """The distinct scores of the anomalous points, ascending, and what a threshold at each of them predicts.

    All arrays have shape (m,). Between two levels, lowering the threshold only adds false alarms, so the levels
    alone determine both areas and the best F1.
    """

    score: np.ndarray
    hits: np.ndarray  # anomalous points with a score >= the level
    predicted: np.ndarray  # all points with a score >= the level
    hits_above: np.ndarray  # anomalous points with a score > the level
    predicted_above: np.ndarray  # all points with a score > the level

    @property
    def precision(self) -> Floats:
        """Precision of the points with a score >= the level."""
        return self.hits / self.predicted

    @property
    def recall(self) -> Floats:
        """Recall of the points with a score >= the level."""
        return self.hits / self.hits[0]


def anomalous_levels(label: Mask, score: Floats) -> Levels:
    """Count hits and predicted points at each distinct score of an anomalous point.

    Parameters
    ----------
    label : bool array of shape (n,)
        With at least one true value.
    score : float array of shape (n,)

    Returns
    -------
    Levels
    """
    anomalous = np.sort(score[label])
    first = np.flatnonzero(np.concatenate(([True], anomalous[1:] != anomalous[:-1])))
    level = anomalous[first]
    hits = len(anomalous) - first
    ascending = np.sort(score)
    return Levels(
        score=level,
        hits=hits,
        predicted=len(score) - np.searchsorted(ascending, level, side="left"),
        hits_above=np.append(hits[1:], 0),
        predicted_above=len(score) - np.searchsorted(ascending, level, side="right"),
    )


def auc(label: ArrayLike, score: ArrayLike) -> AUC:
    """Areas under the ROC curve and the precision–recall curve over all points.

    The same numbers as scikit-learn's `roc_auc_score` and `average_precision_score`.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.

    Returns
    -------
    AUC
        `roc` and `pr`, each in [0, 1]. A constant score gives 0.5 and the share of anomalous points.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity.

    References
    ----------
    J. Davis and M. Goadrich, "The relationship between Precision-Recall and ROC curves", ICML 2006.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    AUC(roc=0.75, pr=0.8333333333333333)
    """
    label, score = check_label_score(label, score)
    level = anomalous_levels(label, score)
    n_anomalous = int(level.hits[0])
    n_normal = len(label) - n_anomalous

    hits_at = level.hits - level.hits_above
    normal_beside = (level.predicted - level.hits) + (level.predicted_above - level.hits_above)
    lost_pairs = int(np.dot(hits_at, normal_beside))  # twice the wrongly ranked pairs, plus the ties
    roc = 1 - lost_pairs / (2 * n_anomalous * n_normal)
    pr = np.dot(hits_at, level.precision) / n_anomalous
    return AUC(roc, float(pr))
