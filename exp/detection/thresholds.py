"""Rules that set a threshold from the scores of the training series."""

from numbers import Real

import numpy as np

from exp.errors import UserError
from ts_ad_evaluation import SPOT, prior_anomaly_rate


def check_rule(threshold: str | float, risk: float, quantile: float) -> None:
    """Check that a rule and its options can be used.

    Parameters
    ----------
    threshold : {"spot", "quantile"} or float
    risk, quantile : float
        Options of the two rules.

    Raises
    ------
    UserError
        When one of them is wrong.
    """
    number = _is_number(threshold)
    if not number and threshold not in ("spot", "quantile"):
        raise UserError(f"threshold is {threshold!r}: use 'spot', 'quantile' or a number")
    if number and not np.isfinite(threshold):
        raise UserError(f"threshold is {threshold}: use a finite number")
    if not (_is_number(risk) and 0 < risk < 1):
        raise UserError(f"risk is {risk!r}: use a number in (0, 1)")
    if not (_is_number(quantile) and 0 <= quantile <= 1):
        raise UserError(f"quantile is {quantile!r}: use a number in [0, 1]")


def find_threshold(scores: np.ndarray, threshold: str | float, risk: float, quantile: float) -> float:
    """Return the threshold set by a rule from the scores (n,) of the training series, or the given number.

    Raises
    ------
    EvaluationError
        When the scores do not allow the rule.
    """
    if threshold == "spot":
        return float(SPOT(scores, risk=risk, rule="likelihood").threshold)
    if threshold == "quantile":
        return prior_anomaly_rate(scores, 1 - quantile)
    return float(threshold)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
