"""SPOT: a threshold for a given risk from the tail of the scores, for a batch or a stream.

A generalised Pareto distribution is fitted to the scores above a high level, and the threshold is its quantile that
a normal score exceeds with the requested risk. Each further score between level and threshold refines the fit.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Mask
from ts_ad_evaluation.checks import EvaluationError, check_score
from ts_ad_evaluation.pareto import ParetoTail

RULES = ("published", "likelihood")
LEVEL = 0.98  # share of the initial scores below the level above which the tail is fitted
OTHER_RULES = "set the threshold another way, as a quantile of the scores or a number"


class SPOTThreshold(NamedTuple):
    """The result of SPOT for a batch."""

    threshold: float  # mean of the running threshold over the batch
    initial: float  # the level above which the tail is fitted
    last: float  # the running threshold after the last score
    n_alarms: int


class SPOTStep(NamedTuple):
    """The result of SPOT for one score."""

    alarm: bool
    threshold: float  # the threshold that the score was compared with


def fewest_scores(level: float = LEVEL, drift_window: int | None = None) -> int:
    """Smallest number of initial scores that SPOT can start from, if all of them differ.

    One of them must be above the level: of n sorted scores the level is the one at index int(level n), so this
    index must be at most n - 2. A drift window needs that many scores more.

    Parameters
    ----------
    level, drift_window
        As for `SPOT`.

    Returns
    -------
    int

    Examples
    --------
    >>> fewest_scores(), fewest_scores(level=0.5), fewest_scores(drift_window=10)
    (51, 3, 61)
    """
    count = max(2, int(1 / (1 - level)) - 1)
    while int(level * count) > count - 2:
        count += 1
    return count + (drift_window or 0)


def spot_threshold(
    init_score: ArrayLike, score: ArrayLike, *, risk: float = 1e-3, level: float = LEVEL, rule: str = "published"
) -> SPOTThreshold:
    """Threshold for a risk: the mean of SPOT's running threshold over a batch of scores.

    Parameters
    ----------
    init_score : array_like of shape (m,)
        Scores of normal data, the training part.
    score : array_like of shape (n,)
        Scores to run over, in time order.
    risk, level, rule
        As for `SPOT`.

    Returns
    -------
    SPOTThreshold

    Raises
    ------
    EvaluationError
        As for `SPOT`, and when `score` is empty, not one-dimensional, or holds NaN or infinity.

    References
    ----------
    A. Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017, algorithm 2.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> init_score, score = random.exponential(size=5000), random.exponential(size=2000)
    >>> round(spot_threshold(init_score, score, risk=1e-3).threshold, 1)  # the true quantile is log(1000) = 6.9
    6.9
    """
    detector = SPOT(init_score, risk=risk, level=level, rule=rule)
    initial = detector.level_score
    alarms, held_against = detector.update_many(score)
    running = np.append(held_against[1:], detector.threshold)
    return SPOTThreshold(float(running.mean()), initial, detector.threshold, int(alarms.sum()))


def check_count(count: int, level: float = LEVEL, drift_window: int | None = None) -> None:
    """Check that SPOT can start from this many scores.

    Raises
    ------
    EvaluationError
        When there are fewer than `fewest_scores`; the message says how many are needed, and how else to set a
        threshold.
    """
    needed = fewest_scores(level, drift_window)
    if count < needed:
        window = f" with a drift window of {drift_window}" if drift_window else ""
        raise EvaluationError(
            f"SPOT needs at least {needed} initial scores{window}, got {count}: use more points of normal data, or "
            f"{OTHER_RULES}"
        )


class SPOT:
    """Streaming threshold for a risk.

    Parameters
    ----------
    init_score : array_like of shape (m,)
        Scores of normal data to start from.
    risk : float
        Probability, in (0, 1), that a normal score is above the threshold. In a long run somewhat more become alarms
        (1.6 to 1.7 times as many over 100 000 exponential scores), because the tail is fitted without the alarms.
    level : float
        Share of the initial scores, in [0, 1), below the level above which the tail is fitted.
    rule : {"published", "likelihood"}
        When the exponential distribution replaces the generalised Pareto one. "likelihood": when it is the
        likelier of the two. "published": the code behind the published thresholds compares with the
        exponential's log-likelihood with the opposite sign; the choice then depends on the scale of the score, and
        is the exponential wherever the mean excess is large. The two rules can differ widely.
    drift_window : int or None
        If a number, the mean of this many previous normal scores is first subtracted from each score (DSPOT).
    max_excesses : int or None
        Fit only this many of the latest excesses, which bounds the memory. None keeps all.

    Attributes
    ----------
    threshold : float
        What the next score will be compared with.
    level_score : float
        The level above which the tail is fitted (relative to the running mean with `drift_window`).

    Raises
    ------
    EvaluationError
        When the initial scores are empty or not one-dimensional, hold NaN or infinity, are too few, or have none
        above the level; when an option is out of range.

    References
    ----------
    A. Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017.
    S. D. Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto distribution",
    Technometrics 35(2), 1993.

    Examples
    --------
    >>> detector = SPOT(np.random.default_rng(0).exponential(size=5000), risk=1e-3)
    >>> detector.update(1.0).alarm, detector.update(20.0).alarm
    (False, True)
    """

    def __init__(
        self,
        init_score: ArrayLike,
        *,
        risk: float = 1e-3,
        level: float = LEVEL,
        rule: str = "published",
        drift_window: int | None = None,
        max_excesses: int | None = None,
    ):
        score = check_score(init_score, "init_score")
        _check_options(risk, level, rule, drift_window, max_excesses)
        check_count(len(score), level, drift_window)
        self._risk = float(risk)
        self._recent = None
        if drift_window is not None:
            self._recent, score = _remove_drift(score, drift_window)
        self._n_seen = len(score)
        index = int(level * len(score))
        self.level_score = float(np.partition(score, index)[index])
        excesses = score[score > self.level_score] - self.level_score
        if len(excesses) == 0:
            raise EvaluationError(
                f"no initial score is above their {level} quantile {self.level_score}, too many are equal: "
                f"{OTHER_RULES}"
            )
        self._tail = ParetoTail(excesses, rule, None if max_excesses is None else int(max_excesses))
        self._limit = self._quantile()

    @property
    def threshold(self) -> float:
        """What the next score will be compared with."""
        return self._limit + self._drift()

    def update(self, score: float) -> SPOTStep:
        """Process the next score.

        Parameters
        ----------
        score : float

        Returns
        -------
        SPOTStep
            The fit does not learn from alarms.

        Raises
        ------
        EvaluationError
            When the score is NaN or infinite.
        """
        score = float(score)
        if not math.isfinite(score):
            raise EvaluationError(f"score must be finite, got {score}")
        drift = self._drift()
        step = SPOTStep(score - drift > self._limit, self._limit + drift)
        if not step.alarm:
            self._n_seen += 1
            self._learn(score - drift)
            if self._recent is not None:
                self._recent.append(score)
        return step

    def update_many(self, score: ArrayLike) -> tuple[Mask, Floats]:
        """Process scores in turn, as `update` does, but faster for many.

        Parameters
        ----------
        score : array_like of shape (n,)

        Returns
        -------
        alarms : bool array of shape (n,)
        thresholds : float array of shape (n,)
            The threshold that each score was compared with.

        Raises
        ------
        EvaluationError
            When the scores are empty, not one-dimensional, or hold NaN or infinity.
        """
        score = check_score(score)
        if self._recent is not None:
            steps = [self.update(value) for value in score.tolist()]
            return np.array([step.alarm for step in steps]), np.array([step.threshold for step in steps])

        thresholds = np.empty(len(score))
        done = n_alarms = 0
        n_before = self._n_seen
        above = np.flatnonzero(score > self.level_score)
        for index, value in zip(above.tolist(), score[above].tolist(), strict=True):
            if self._limit <= self.level_score:
                break  # from here on every score above the level is an alarm, so the fit no longer changes
            if value > self._limit:
                n_alarms += 1
                continue
            thresholds[done : index + 1] = self._limit
            done = index + 1
            self._n_seen = n_before + done - n_alarms
            self._learn(value)
        thresholds[done:] = self._limit
        alarms = score > thresholds
        self._n_seen = n_before + len(score) - int(alarms.sum())
        return alarms, thresholds

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue elsewhere, as a dict that JSON can hold.

        Returns
        -------
        dict
            For `from_state`; the restored detector gives bit-identical results.
        """
        return {
            "risk": self._risk,
            "n_seen": self._n_seen,
            "level_score": self.level_score,
            "limit": self._limit,
            "recent": None if self._recent is None else self._recent.get_state(),
            "tail": self._tail.get_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "SPOT":
        """Restore a detector from the result of `get_state`.

        Parameters
        ----------
        state : dict

        Returns
        -------
        SPOT
        """
        detector = cls.__new__(cls)
        detector._risk = state["risk"]
        detector._n_seen = state["n_seen"]
        detector.level_score = state["level_score"]
        detector._limit = state["limit"]
        detector._recent = None if state["recent"] is None else _Recent(**state["recent"])
        detector._tail = ParetoTail.from_state(state["tail"])
        return detector

    def _drift(self) -> float:
        return 0.0 if self._recent is None else self._recent.mean()

    def _learn(self, value: float) -> None:
        excess = value - self.level_score
        if excess > 0:
            self._tail.add(excess)
            self._limit = self._quantile()

    def _quantile(self) -> float:
        shape, scale = self._tail.shape, self._tail.scale
        log_ratio = math.log(self._n_seen * self._risk / self._tail.n_added)
        if shape == 0:
            return self.level_score - scale * log_ratio
        return self.level_score + scale * math.expm1(-shape * log_ratio) / shape


class _Recent:
    """The latest normal scores, in a ring buffer."""

    def __init__(self, values: ArrayLike, position: int = 0):
        self._values = np.array(values, dtype=np.float64)
        self._position = position

    def append(self, value: float) -> None:
        self._values[self._position] = value
        self._position = (self._position + 1) % len(self._values)

    def mean(self) -> float:
        return float(self._values.mean())

    def get_state(self) -> dict[str, Any]:
        return {"values": self._values.tolist(), "position": self._position}


def _remove_drift(score: Floats, window: int) -> tuple[_Recent, Floats]:
    """The last `window` scores, and each score after the first `window` minus the mean of those before it."""
    total = np.cumsum(np.append(0.0, score))
    return _Recent(score[-window:]), score[window:] - (total[window:-1] - total[: -window - 1]) / window


def _check_options(risk: float, level: float, rule: str, drift_window: int | None, max_excesses: int | None) -> None:
    if not 0 < risk < 1:
        raise EvaluationError(f"risk must be in (0, 1), got {risk}")
    if not 0 <= level < 1:
        raise EvaluationError(f"level must be in [0, 1), got {level}")
    if rule not in RULES:
        raise EvaluationError(f'rule must be "published" or "likelihood", got {rule!r}')
    for name, value in (("drift_window", drift_window), ("max_excesses", max_excesses)):
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise EvaluationError(f"{name} must be an integer of at least 1 or None, got {value!r}")
