"""What a fitted detector derives from scores: its threshold, the events above it, and their explanation."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from exp.detection.events import check_events, ranked_events
from exp.detection.explanation import explain_events
from exp.detection.thresholds import QUANTILE, RISK, ThresholdRule
from exp.detection.training_scores import TrainingScores


class Decisions(TrainingScores):
    """The part of `exp.detection.estimator.AnomalyDetector` that turns scores into decisions."""

    def set_threshold(
        self,
        threshold: str | float = "auto",
        *,
        risk: float = RISK,
        quantile: float = QUANTILE,
        contamination: float | None = None,
    ) -> Self:
        """Set the threshold by another rule, from the scores of the series of `fit`, without training.

        Parameters
        ----------
        threshold, risk, quantile, contamination
            As for the detector itself; they become its parameters.

        Returns
        -------
        AnomalyDetector
            Itself.

        Raises
        ------
        UserError
            When the rule is wrong; then nothing is changed.
        EvaluationError
            When the scores do not allow it; then nothing is changed.

        Examples
        --------
        ``AnomalyDetector.load("detector").set_threshold(risk=1e-4).save("detector")`` makes a saved detector raise
        fewer alarms.
        """
        check_is_fitted(self)
        rule = ThresholdRule(threshold, risk, quantile, contamination)
        rule.check()
        found = rule.find(self.decision_scores_)
        self.set_params(**rule._asdict())
        self._take_threshold(found)
        return self

    def find_events(
        self,
        X: ArrayLike,
        *,
        series: str | None = None,
        merge_gap: int | None = None,
        min_length: int | None = None,
    ) -> pd.DataFrame:
        """Return the events of X: stretches of points above `threshold_`, in descending order of their peaks.

        An event begins and ends where its score has risen a quarter of the way from the threshold to the peak.

        Parameters
        ----------
        X : array or DataFrame of shape (n, C)
        series : str, optional
            The series of `fit` with which X begins, "X" if there was one: its points have the scores that set the
            threshold, see `channel_errors_of_training`. By default X is scored as any other series.
        merge_gap : int, optional
            Flagged points with at most this many others between them are one event; by default a quarter of the window.
        min_length : int, optional
            Events with fewer points from begin to end are left out; by default none are.

        Returns
        -------
        DataFrame
            As for `exp.detection.events.ranked_events`: rank; start, end, peak (rows from 0, both ends inclusive);
            peak_score, above_threshold, channels.

        Raises
        ------
        UserError
            When a number of points is wrong. Also raises the errors of `decision_function`, and with `series` of
            `channel_errors_of_training`.
        """
        check_is_fitted(self)
        check_events(merge_gap, min_length)
        errors = self._errors_of(X, series)
        score, by_channel = self.point_scores(errors), self.combined(errors)
        return self.rank_events(score, by_channel, merge_gap=merge_gap, min_length=min_length)

    def _errors_of(self, X: ArrayLike, series: str | None) -> np.ndarray:
        """Return the channel errors (n, K · C) of X, which may begin with a series of `fit`."""
        return self.channel_errors(X) if series is None else self.channel_errors_of_training(X, series)

    def rank_events(
        self,
        score: np.ndarray,
        channel_scores: np.ndarray,
        *,
        merge_gap: int | None = None,
        min_length: int | None = None,
    ) -> pd.DataFrame:
        """Return the events of points with these scores (n,) and channel scores (n, C), as `find_events` does."""
        return ranked_events(
            score,
            self.aggregation_.by_channel(channel_scores),
            self.threshold_,
            merge_gap=self.merge_gap if merge_gap is None else merge_gap,
            min_length=min_length or 1,
            channels=self.score_names,
            rank=self.detector_.model.rank_channels,
        )

    def explain(self, X: ArrayLike, events: pd.DataFrame, *, series: str | None = None) -> pd.DataFrame:
        """Return how the values of events of X differ from those that the model expects.

        Parameters
        ----------
        X : array or DataFrame of shape (n, C)
        events : DataFrame
            As returned by `find_events`.
        series : str, optional
            As for `find_events`.

        Returns
        -------
        DataFrame
            As for `exp.detection.explanation.explain_events`, with channel names: rank, channel, share, row,
            value, expected.

        Raises
        ------
        UserError
            When the model does not reconstruct. Also raises the errors of `find_events`.
        """
        shares_of = self.aggregation_.by_channel(self.combined(self._errors_of(X, series)))
        values, held_out = self._checked(X, reset=False), [] if series is None else self.held_out(series)
        explained, names = explain_events(self, values, shares_of, events, held_out), self._channel_names()
        return explained.assign(channel=[names[index] for index in explained["channel"]])

    @property
    def merge_gap(self) -> int:
        """The default number of points that may separate two flagged points of one event."""
        return self.window // 4
