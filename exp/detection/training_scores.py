"""The scores of the training series, by which points are scored and the threshold is set."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from exp.detection.aggregation import Aggregation, spans_of
from exp.detection.detector import Detector
from exp.detection.looking import Looking
from exp.detection.scorer import Scorer
from exp.detection.thresholds import ThresholdRule
from exp.detection.training_set import SERIES, TrainingSet

CAUSAL = 1000  # points that are scored as a stream scores a point at once, at most
STRETCHES = 4  # of the training series, that these points are in
ROWS = 1024  # univariate windows that are looked at together for these


class Part(NamedTuple):
    """A stretch of a training series (n, C), standardised, and the detector that scores it."""

    values: np.ndarray
    detector: Detector


class TrainingScores(Looking):
    """The part of `exp.detection.estimator.AnomalyDetector` that learns from the scores of the training series.

    Attributes
    ----------
    training_channel_scores_ : list of float32 arrays (n, C), or None
        What `channel_scores` gives for each series of the last training, which need not be scored again. None where
        these are other scores, as for a model fitted in closed form, and for a loaded detector.
    """

    training_channel_scores_: list[np.ndarray] | None = None
    aggregation: str
    bars: bool
    decision_scores_: np.ndarray
    causal_scores_: np.ndarray
    labels_: np.ndarray
    threshold_: float
    threshold: str | float
    risk: float
    quantile: float
    contamination: float | None

    def _score_training(self, series: TrainingSet) -> None:
        """Score the series of the training, each by itself, and set the threshold by their scores."""
        each = [self.standardised(one) for one in series.each(series.values)]
        parts = [part for one in each for part in self._parts(one)]
        by_channel = [part.detector.score(part.values, stride=self.stride, name=SERIES) for part in parts]
        by_channel = [scores.astype(np.float32) for scores in by_channel]
        self.score_channels_ = by_channel[0].shape[1]
        self.aggregation_ = self._aggregation(by_channel)
        self.decision_scores_ = np.concatenate([self.point_scores(one) for one in by_channel])
        stretches = [
            stretch
            for part, scores in zip(parts, by_channel, strict=True)
            for stretch in self._causal_stretches(part, scores, max(1, CAUSAL // len(parts)))
        ]
        self.causal_aggregation_ = self._aggregation(stretches, causal=True)
        self.causal_scores_ = np.concatenate([self._causal_scores(stretch) for stretch in stretches])
        self._take_threshold(self.threshold_rule.find(self.decision_scores_))
        self.training_channel_scores_ = None if self.detector_.model.closed_form else by_channel

    def _parts(self, values: np.ndarray) -> list[Part]:
        """Return the stretches of a training series (n, C), standardised, with the detector that scores each.

        What is fitted in closed form knows its training windows too well for their scores to be those of others. It
        is quickly fitted, so each half is scored by a detector of the other half.
        """
        middle = len(values) // 2
        if not self.detector_.model.closed_form or middle < 2 * self.window:
            return [Part(values, self.detector_)]
        halves = values[:middle], values[middle:]
        return [Part(half, self._fitted_to(other)) for half, other in (halves, halves[::-1])]

    def _fitted_to(self, values: np.ndarray) -> Detector:
        twin = Detector(self.config_, self.n_features_in_, self.detector_.scorer.device, bars=self.bars)
        windows = twin.training_windows(values, SERIES)
        twin.fit(windows, twin.validation_windows(values[-self.window :], values, SERIES))
        return twin

    @property
    def threshold_rule(self) -> ThresholdRule:
        """How the threshold is found."""
        return ThresholdRule(self.threshold, self.risk, self.quantile, self.contamination)

    def _take_threshold(self, threshold: float) -> None:
        self.threshold_ = threshold
        self.labels_ = (self.decision_scores_ > threshold).astype(int)

    def _aggregation(self, parts: list[np.ndarray], *, causal: bool = False) -> Aggregation:
        """Return the aggregation for channel scores like those of stretches of the training series."""
        point_score = self.detector_.model.point_score
        if self.aggregation == "published":
            return Aggregation.published(self.score_channels_, causal=causal, point_score=point_score)
        return Aggregation.fit(parts, spans_of(self.window), causal=causal, point_score=point_score)

    def _causal_stretches(self, part: Part, by_channel: np.ndarray, most: int) -> list[np.ndarray]:
        """Return channel scores (k, C) of stretches of a training series, each point as the last of its window.

        Parameters
        ----------
        part : Part
        by_channel : array of shape (n, C)
            Its channel scores.
        most : int
            Points that are scored, beside those before them that a score needs.
        """
        scorer = part.detector.scorer
        if scorer.by_sequence and not scorer.look_ahead:  # then a window's end is as good as any other place
            return [by_channel]
        every = sliding_window_view(part.values, self.window, axis=0).swapaxes(1, 2)
        points = self.window + -(-most // STRETCHES)
        number = max(1, min(STRETCHES, len(every) // points))
        points = min(len(every), points if number > 1 else self.window + most)
        starts = np.linspace(0, len(every) - points, number).round().astype(int)
        return [_score_last(scorer, every, np.arange(start, start + points)) for start in starts]

    def _causal_scores(self, stretch: np.ndarray) -> np.ndarray:
        """Return the scores of the points of a stretch that have all the points before them that a score needs."""
        scores = self.causal_aggregation_(stretch)
        return scores[min(self.causal_aggregation_.behind, len(scores) // 2) :]


def _score_last(scorer: Scorer, every: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the scores of the last points of the chosen windows."""
    batches = np.array_split(chosen, -(-len(chosen) * every.shape[2] // ROWS))
    pairs = ((every[batch], every[np.maximum(batch - 1, 0)]) for batch in batches if len(batch))
    return np.concatenate([scorer.score_last(*map(torch.from_numpy, pair)) for pair in pairs]).astype(np.float32)
