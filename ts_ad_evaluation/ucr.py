"""Accuracy on the UCR anomaly archive: how early the anomaly appears in the ranking of the points."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.checks import check_label_score


class UCRAccuracy(NamedTuple):
    """Rank of the first anomalous point, and whether it lies in the top 3 % and 10 %."""

    topk: int
    total_len: int
    alpha_quantile: float
    correct_at_3: bool
    correct_at_10: bool


def ucr_accuracy(label: ArrayLike, score: ArrayLike) -> UCRAccuracy:
    """Rank the points by descending score and find the rank of the first anomalous one.

    Parameters
    ----------
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.

    Returns
    -------
    UCRAccuracy
        `topk`, the rank (from 1) of the first anomalous point; `total_len`, n; `alpha_quantile`, their
        ratio; `correct_at_3` and `correct_at_10`, whether that is below 0.03 and 0.10.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, or the score holds NaN or infinity.

    Notes
    -----
    If normal points tie with the best anomalous one, its rank is the median over all orders of the tie; for a
    constant score, over all orders of the series. The published code leaves it to the sort, which differs between
    processors.

    References
    ----------
    R. Wu and E. Keogh, "Current Time Series Anomaly Detection Benchmarks are Flawed and are Creating the
    Illusion of Progress", TKDE 2021.

    Examples
    --------
    >>> ucr_accuracy([0, 0, 1, 0], [0.1, 0.9, 0.5, 0.2])
    UCRAccuracy(topk=2, total_len=4, alpha_quantile=0.5, correct_at_3=False, correct_at_10=False)
    """
    label, score = check_label_score(label, score)
    best = score[label].max()
    tied = score == best
    n_anomalous = int(np.count_nonzero(tied & label))
    n_normal = int(np.count_nonzero(tied)) - n_anomalous
    topk = 1 + int(np.count_nonzero(score > best)) + _median_normal_first(n_normal, n_anomalous)
    alpha = topk / len(score)
    return UCRAccuracy(topk, len(score), alpha, alpha < 0.03, alpha < 0.10)


def _median_normal_first(n_normal: int, n_anomalous: int) -> int:
    """Median, over all orders, of the number of normal points that come before the first anomalous one."""
    drawn = np.arange(n_normal + 1)
    more_than = np.cumprod((n_normal - drawn) / (n_normal + n_anomalous - drawn))  # probability of more than `drawn`
    return int(np.argmax(more_than <= 0.5 + 1e-9))  # rounding must not miss an exact half
