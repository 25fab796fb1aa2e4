"""Alarms of single points: a threshold that never moves, or SPOT's, which follows the scores."""

import numpy as np

from exp.detection.estimator import CrossADDetector
from ts_ad_evaluation import SPOT

MAX_EXCESSES = 5000  # scores that the tail is fitted to, which bounds the memory of the alarms


class FixedThreshold:
    """Alarms above a threshold that never moves, with SPOT's interface."""

    def __init__(self, threshold: float):
        self.threshold = threshold

    def update_many(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which scores (m,) are above the threshold, and the threshold for each."""
        return score > self.threshold, np.full(len(score), self.threshold)

    def get_state(self) -> dict:
        """Return the state for `from_state`."""
        return {"threshold": self.threshold}

    @classmethod
    def from_state(cls, state: dict) -> "FixedThreshold":
        """Restore from the result of `get_state`."""
        return cls(**state)


def point_alarms(detector: CrossADDetector, mode: str, drift_window: int | None) -> SPOT | FixedThreshold:
    """Return what decides for each score of a stream whether it is an alarm, by the rule of the detector's threshold.

    Parameters
    ----------
    detector : CrossADDetector
        Fitted.
    mode : {"window", "causal"}
    drift_window : int or None
        As for `exp.streaming.stream.StreamingDetector`.

    Raises
    ------
    EvaluationError
        When SPOT cannot start from the scores of the training series.
    """
    rule = detector.threshold_rule_
    # The last point of a window is harder to reconstruct than the others, so its scores have their own tail.
    initial = detector.decision_scores_ if mode == "window" else detector.causal_scores_
    if rule.name == "auto" and mode == "causal":
        return FixedThreshold(rule.find(initial))
    if rule.name != "spot":
        return FixedThreshold(detector.threshold_)
    return SPOT(initial, risk=rule.risk, rule="likelihood", drift_window=drift_window, max_excesses=MAX_EXCESSES)
