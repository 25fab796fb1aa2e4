"""How a fitted detector scores a series: which windows it uses, and how their output becomes scores."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from data_provider import DataError
from data_provider.series import check_range, scaled
from exp.config import ExperimentConfig
from exp.detection.aggregation import Aggregation, RunningAggregation
from exp.detection.detector import Detector
from exp.detection.inputs import as_table
from exp.detection.scorer import OverlapMean
from exp.detection.scorer import Sequence as PointSequence
from exp.detection.training_set import SERIES, as_several

OVERLAP = 4  # windows that hold a point, in the middle of a series


class Looking(BaseEstimator):
    """The part of `exp.detection.estimator.AnomalyDetector` that scores, once it is fitted."""

    config_: ExperimentConfig
    detector_: Detector
    offset_: np.ndarray
    scale_: np.ndarray
    aggregation_: Aggregation
    causal_aggregation_: Aggregation
    score_channels_: int
    n_features_in_: int

    def channel_scores(self, X: ArrayLike) -> np.ndarray:
        """Return the score of every channel at every point of X, a float32 array of shape (n, C).

        If the model has no scores for single channels, the shape is (n, 1). Raises the same errors as
        `decision_function`.
        """
        return self.combined(self.channel_errors(X))

    def combined(self, channel_errors: np.ndarray) -> np.ndarray:
        """Return channel scores (…, C) from the errors (…, K · C) of channels."""
        return self.detector_.model.score_channels(channel_errors)

    def channel_errors(self, X: ArrayLike) -> np.ndarray:
        """Return what `point_scores` takes: the errors of every channel, (n, K · C), all channels' of a kind together.

        K is 2 for NearestPCA and 1 for the others, of which these are the channel scores.
        """
        check_is_fitted(self)
        if as_several(X) is not None:
            raise ValueError("X is a list of series: score one series at a time")
        X = self._checked(X, reset=False)
        check_range(X, self.offset_, self.scale_, self._channel_names(), "X")
        return self._channel_errors(X)

    def _checked(self, X: ArrayLike, **options: Any) -> np.ndarray:
        """Return X as float64 of shape (n, C), with the names and number of its channels checked or learned."""
        return validate_data(self, as_table(X), dtype=np.float64, **options)

    def _channel_names(self) -> list[str]:
        return [str(name) for name in getattr(self, "feature_names_in_", range(self.n_features_in_))]

    def _channel_errors(self, X: np.ndarray) -> np.ndarray:
        if len(X) < self.window:
            raise DataError(f"{len(X)} points are fewer than a window of {self.window} (seq_len): score more at once")
        return self.detector_.score(self.standardised(X), stride=self.stride, name=SERIES).astype(np.float32)

    def point_scores(self, channel_errors: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of the points of a series from the result of `channel_errors`."""
        return self.aggregation_(channel_errors)

    def look(self, windows: np.ndarray, *, in_blocks: bool = True) -> np.ndarray:
        """Return the network's output for windows (B, T, C) in the units of the series of `fit`.

        Parameters
        ----------
        windows : float64 array of shape (B, T, C)
        in_blocks : bool
            In blocks of one shape, as in the decision function; otherwise all together.

        Returns
        -------
        float32 array
            As for `Scorer.look`.

        Raises
        ------
        DataError
            When it is not finite.
        """
        check_is_fitted(self)
        scorer = self.detector_.scorer
        values = torch.from_numpy(self.standardised(windows))
        found = (scorer.look_in_blocks(values) if in_blocks else scorer.look(values)).numpy()
        if not np.isfinite(found).all():
            raise DataError("a score is NaN or infinite: a value is too far from the training values, correct it")
        return found

    def assembler(self) -> OverlapMean | PointSequence:
        """Return the object that turns the output of `look` for consecutive windows into scores of points."""
        return self.detector_.scorer.assembler(self.stride)

    def running_aggregation(self, series: int, *, causal: bool) -> RunningAggregation:
        """Return the object that turns arriving errors of channels, of several parallel series, into scores."""
        aggregation = self.causal_aggregation_ if causal else self.aggregation_
        return RunningAggregation(aggregation, series)

    @property
    def by_sequence(self) -> bool:
        """Whether the model scores points by the windows that end with them or shortly after."""
        return self.detector_.scorer.by_sequence

    @property
    def window(self) -> int:
        """Points in a window of the fitted detector."""
        return self.detector_.length

    @property
    def stride(self) -> int:
        """Points between the starts of neighbouring windows when a series is scored."""
        return 1 if self.detector_.scorer.by_sequence else max(1, self.window // OVERLAP)

    @property
    def score_names(self) -> list[str]:
        """Names of the channel scores: of the channels, or "all channels" if these share one score."""
        names = self._channel_names()
        return names if self.score_channels_ == len(names) else ["all channels"]

    @property
    def network_(self) -> torch.nn.Module:
        """The fitted network."""
        return self.detector_.network

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Return values (…, C), in the units of the series of `fit`, as the network sees them."""
        with np.errstate(over="ignore"):  # the scores reveal it
            return scaled(values, self.offset_, self.scale_)
