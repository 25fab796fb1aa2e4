"""Thresholds that need no fitted distribution."""

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.checks import EvaluationError, check_score


def prior_anomaly_rate(init_score: ArrayLike, rate: float) -> float:
    """Threshold that a given share of the scores exceeds, as closely as their number allows.

    Parameters
    ----------
    init_score : array_like of shape (m,)
        Scores to take the quantile of. For a threshold in use, take those of the training part; the published
        values take those of the test part, which needs no labels but the whole test series.
    rate : float
        Share of the points expected to be anomalous, in [0, 1].

    Returns
    -------
    float
        The quantile 1 - rate, linearly interpolated between two scores. If scores tie there, fewer are above it;
        for a constant score, none.

    Raises
    ------
    EvaluationError
        When the scores are empty, not one-dimensional, or hold NaN or infinity, or the rate is not in [0, 1].

    References
    ----------
    R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50(4), 1996,
    definition 7.

    Examples
    --------
    >>> prior_anomaly_rate([5, 1, 4, 2, 3], 0.25)
    4.0
    """
    score = check_score(init_score, "init_score")
    if not 0 <= rate <= 1:
        raise EvaluationError(f"rate must be in [0, 1], got {rate}")
    return float(np.quantile(score, 1 - rate))
