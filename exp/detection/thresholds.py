"""Rules that set a threshold from the scores of the training series."""

import logging
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from exp.errors import UserError
from ts_ad_evaluation import SPOT, prior_anomaly_rate

logger = logging.getLogger(__name__)

RISK, QUANTILE = 1e-3, 0.99  # by default
USUAL = 0.9  # share of the training scores by which "auto" measures how they vary
TIMES = 7  # the threshold's distance from their median, in distances of the highest of these
MOST = 1.5  # and in distances of the highest of all, at most
LEAST = 0.98  # share of the training scores that are never above it
FAR = 10  # times the highest training score: a threshold of SPOT above it follows from a few scores far from the rest
RULES = ("auto", "spot", "quantile")
OWNERS = {"risk": "spot", "quantile": "quantile"}  # the rule that a number belongs to


class ThresholdRule(NamedTuple):
    """How a threshold is set, as given by a user; `check` refuses unusable rules.

    Attributes
    ----------
    threshold : {"auto", "spot", "quantile"} or float
        The rule, or the threshold itself. "auto": 7 times as far above the median of the training scores as 90 % of
        them reach, but at most 1.5 times as far as the highest, and no lower than 98 % of them. Anomalies that are
        fewer than 2 % of the training points hardly move it; docs/own-series.md has measurements. A risk or a quantile
        other than the default makes "auto" the rule that it belongs to.
    risk : float
        For "spot": the probability that a normal point's score is above the threshold, in (0, 1).
    quantile : float
        For "quantile": the share of the training points that are not above the threshold, in [0, 1].
    contamination : float or None
        The share of anomalies among the training points, in (0, 0.5]: this share is above the threshold. It is a rule
        of its own, instead of the others.
    """

    threshold: Any = "auto"
    risk: Any = RISK
    quantile: Any = QUANTILE
    contamination: Any = None

    @property
    def name(self) -> str:
        """The rule: auto, spot, quantile, contamination or number."""
        if self.contamination is not None:
            return "contamination"
        if not isinstance(self.threshold, str):
            return "number"
        owners = (owner for name, owner in OWNERS.items() if getattr(self, name) != self._field_defaults[name])
        return next(owners, "auto") if self.threshold == "auto" else self.threshold

    def check(self) -> None:
        """Check that the rule can be used.

        Raises
        ------
        UserError
            When one of its values is wrong, or two rules are given.
        """
        number = _is_number(self.threshold)
        if not number and not (isinstance(self.threshold, str) and self.threshold in RULES):
            raise UserError(f"threshold is {self.threshold!r}: use {', '.join(map(repr, RULES))} or a number")
        if number and not np.isfinite(self.threshold):
            raise UserError(f"threshold is {self.threshold}: use a finite number")
        if not (_is_number(self.risk) and 0 < self.risk < 1):
            raise UserError(f"risk is {self.risk!r}: use a number in (0, 1)")
        if not (_is_number(self.quantile) and 0 <= self.quantile <= 1):
            raise UserError(f"quantile is {self.quantile!r}: use a number in [0, 1]")
        if self.contamination is not None:
            self._check_contamination()
        for name, owner in OWNERS.items():
            if self.name != owner and getattr(self, name) != self._field_defaults[name]:
                raise UserError(
                    f"{name} is {getattr(self, name)!r}, but the rule is {self.name}: leave one of them out"
                )

    def _check_contamination(self) -> None:
        if not (_is_number(self.contamination) and 0 < self.contamination <= 0.5):
            raise UserError(
                f"contamination is {self.contamination!r}: use the share of anomalies, a number in (0, 0.5]"
            )
        for name, default in self._field_defaults.items():
            given = getattr(self, name)
            if name != "contamination" and given != default:
                raise UserError(
                    f"contamination is {self.contamination} and {name} is {given!r}, but each sets the threshold: "
                    "leave one of them out"
                )

    def find(self, scores: np.ndarray) -> float:
        """Return the threshold for the scores (n,) of the training series.

        Raises
        ------
        EvaluationError
            When the scores do not allow the rule.
        """
        if self.name == "auto":
            middle, usual, least, highest = np.quantile(np.asarray(scores, np.float64), [0.5, USUAL, LEAST, 1.0])
            return float(max(middle + min(TIMES * (usual - middle), MOST * (highest - middle)), least))
        if self.name == "spot":
            return self._spot(scores)
        if self.name == "number":
            return float(self.threshold)
        return prior_anomaly_rate(scores, 1 - self.quantile if self.name == "quantile" else self.contamination)

    def _spot(self, scores: np.ndarray) -> float:
        threshold, highest = float(SPOT(scores, risk=self.risk, rule="likelihood").threshold), float(np.max(scores))
        if threshold > FAR * highest > 0:
            logger.warning(
                "SPOT's threshold %.6g is far above the highest training score, %.6g, as happens with anomalies in the "
                "training part: train on a normal part (--train-until), or use the threshold auto or contamination",
                threshold, highest,
            )  # fmt: skip
        return threshold

    def __str__(self) -> str:
        if self.name == "auto":
            return (
                f"{TIMES:g} times as far above the median as {USUAL:.0%} of the training scores, but at most {MOST:g} "
                f"times as far as the highest, and no lower than {LEAST:.0%} of them"
            )
        if self.name == "spot":
            return f"SPOT with risk {self.risk:g}"
        if self.name == "quantile":
            return f"quantile {self.quantile:g} of the training scores"
        return "given" if self.name == "number" else f"contamination {self.contamination:g}"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
