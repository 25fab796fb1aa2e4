"""The scores of the training series, by which points are scored and the threshold is set."""

import logging
from collections.abc import Iterator, Set
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from exp.detection.aggregation import Aggregation, spans_of
from exp.detection.detector import Detector
from exp.detection.explanation import HeldOut
from exp.detection.looking import Looking
from exp.detection.scorer import Scorer
from exp.detection.thresholds import ThresholdRule
from exp.detection.training_set import SERIES, Folds, TrainingSet
from exp.errors import UserError
from exp.training.provenance import digest_values

logger = logging.getLogger(__name__)

CAUSAL = 1000  # points that are scored as a stream scores a point at once, at most
STRETCHES = 4  # of the training series, that these points are in
ROWS = 1024  # univariate windows that are looked at together for these
NOTHING = 1e-3  # of the median training score: what points of a window that is remembered stay below
UNUSUAL = 0.1  # share of points with such a score, beyond that of the training scores, which is not chance


class Part(NamedTuple):
    """Rows of a training series, their values (n, C), standardised, and the detector that scores them."""

    rows: slice
    values: np.ndarray
    detector: Detector


class Fingerprint(NamedTuple):
    """By which a series of `fit` is recognised: its number of points, and the digest of its values."""

    points: int
    sha256: str

    @classmethod
    def of(cls, values: np.ndarray) -> "Fingerprint":
        """Return that of a series (n, C)."""
        return cls(len(values), digest_values(values))


class Known(NamedTuple):
    """What is known of a series of `fit`, until the detector is saved or copied.

    Attributes
    ----------
    errors : float32 array of shape (n, K · C)
        Of its channels; read-only, as they are given away.
    held_out : list of HeldOut
        Which scorer they are from in which rows.
    """

    errors: np.ndarray
    held_out: list[HeldOut]


class TrainingScores(Looking):
    """The part of `exp.detection.estimator.AnomalyDetector` that learns from the scores of the training series."""

    aggregation: str
    bars: bool
    decision_scores_: np.ndarray
    causal_scores_: np.ndarray
    labels_: np.ndarray
    threshold_: float
    threshold_rule_: ThresholdRule
    threshold: str | float
    risk: float
    quantile: float
    contamination: float | None
    _series: dict[str, Fingerprint]  # the series of `fit`, by their names
    _known: dict[str, Known]  # the same

    def _score_training(self, series: TrainingSet) -> None:
        """Score the series of the training, each by itself, and set the threshold by their scores."""
        by_series = self._parts(series)
        parts = [part for parts in by_series for part in parts]
        by_channel = [part.detector.score(part.values, stride=self.stride, name=SERIES) for part in parts]
        by_channel = [scores.astype(np.float32) for scores in by_channel]
        each = zip(series.names, series.each(series.values), strict=True)
        self._series = {name: Fingerprint.of(values) for name, values in each}
        self._known = dict(zip(series.names, _known(by_series, iter(by_channel)), strict=True))
        self.score_channels_ = by_channel[0].shape[1] // self.detector_.model.errors
        self.aggregation_ = self._aggregation(by_channel)
        self.decision_scores_ = np.concatenate([self.point_scores(one) for one in by_channel])
        stretches = [
            stretch
            for part, scores in zip(parts, by_channel, strict=True)
            for stretch in self._causal_stretches(part, scores, share=len(parts))
        ]
        self.causal_aggregation_ = self._aggregation(stretches, causal=True)
        self.causal_scores_ = np.concatenate([self._causal_scores(stretch) for stretch in stretches])
        self._take_threshold(self.threshold_rule.find(self.decision_scores_))

    def _parts(self, series: TrainingSet) -> list[list[Part]]:
        """Return the stretches of each training series, standardised, with the detectors that score them.

        What is fitted in closed form knows its training windows too well for their scores to be those of others. It
        is quickly fitted, so each stretch is scored by a detector that was fitted to all but its fold.
        """
        values = [self.standardised(one) for one in series.each(series.values)]
        if not self.detector_.model.closed_form:
            return [[Part(slice(len(one)), one, self.detector_)] for one in values]
        folds = Folds(series.lengths, self.window)
        logger.info(
            "for the threshold, each of %d folds of the training part is scored by a detector of the others",
            folds.number,
        )
        detectors = [self._fitted_to(folds.others(values, fold)) for fold in range(folds.number)]
        return [
            [Part(rows, one[rows], detectors[fold]) for rows, fold in stretches]
            for one, stretches in zip(values, folds.stretches, strict=True)
        ]

    def _fitted_to(self, series: list[np.ndarray]) -> Detector:
        """Return a detector that is fitted to series (n, C), standardised."""
        twin = Detector(self.config_, self.n_features_in_, self.detector_.scorer.device, bars=self.bars)
        twin.refit(twin.training_windows(np.concatenate(series), SERIES, [len(one) for one in series]))
        return twin

    def channel_errors_of_training(self, X: ArrayLike, series: str = "X") -> np.ndarray:
        """Return the channel errors (n, K · C) of a series that begins with the one of `fit`, which may be all of it.

        A model that is fitted in closed form knows its training windows by heart: a point that it was fitted to has the
        error by which the threshold was set, from a detector of the other folds. Otherwise these are the usual errors.

        Parameters
        ----------
        X : array or DataFrame of shape (n, C)
        series : str
            Its name, if `fit` was given several.

        Raises
        ------
        ValueError
            When X is shorter than the series of `fit`, or begins with other values, and the model is fitted in closed
            form.
        UserError
            When the model is fitted in closed form, and the series is not one of the fit, or the detector was loaded or
            copied: these scores are not saved. Also raises the errors of `channel_errors`.
        """
        check_is_fitted(self)
        values, known = self._checked(X, reset=False), self._known.get(series)
        begins = series in self._series and self._begins_with({self._series[series]}, values) > 0
        if known is not None and begins and len(known.errors) == len(values):
            return known.errors
        scores = self.channel_errors(X)
        if not self.detector_.model.closed_form:
            return scores
        known = self._known_as(series)
        if len(known.errors) > len(scores):
            raise ValueError(
                f"X has {len(scores)} points, fewer than the {len(known.errors)} that the detector was fitted to"
            )
        if not begins:
            raise ValueError(f"X does not begin with the {len(known.errors)} points that the detector was fitted to")
        return np.concatenate([known.errors, scores[len(known.errors) :]])

    def held_out(self, series: str = "X") -> list[HeldOut]:
        """Return the stretches of a series of `fit` that have the errors of a detector which was not fitted to them.

        There are none unless the model is fitted in closed form; else they are all of the series.

        Parameters
        ----------
        series : str
            As for `channel_errors_of_training`, which has these errors.

        Raises
        ------
        UserError
            As `channel_errors_of_training` does.
        """
        return self._known_as(series).held_out if self.detector_.model.closed_form else []

    def _known_as(self, series: str) -> Known:
        if series not in self._known:
            raise UserError(
                f"{series}: the scores of its fit are unknown: name one of the series of the fit, and fit the detector "
                "again if it was loaded or copied"
            )
        return self._known[series]

    def known_points(self, values: np.ndarray, score: np.ndarray) -> int:
        """Return how many points of a series a model in closed form was fitted to, as far as that can be seen.

        They score lower than in the training, where detectors of the other folds scored them (see
        `channel_errors_of_training`). A detector that was saved or copied recognises a series that begins with one of
        the fit; else next to nothing is the score of a point whose windows are remembered.

        Parameters
        ----------
        values : array of shape (n, C)
            In the units of the series of `fit`.
        score : array of shape (n,)
            From `point_scores`.
        """
        if not self.detector_.model.closed_form:
            return 0
        loaded = {one for name, one in self._series.items() if name not in self._known}
        if begun := self._begins_with(loaded, values):
            return begun
        bound = NOTHING * np.median(self.decision_scores_)
        known, usual = int((score <= bound).sum()), float((self.decision_scores_ <= bound).mean())
        return known if known > (usual + UNUSUAL) * len(score) else 0

    @staticmethod
    def _begins_with(series: Set[Fingerprint], values: np.ndarray) -> int:
        """Return the number of points of the longest of the series with which values (n, C) begin, 0 if with none."""
        lengths = sorted({one.points for one in series if one.points <= len(values)}, reverse=True)
        return next((points for points in lengths if Fingerprint.of(values[:points]) in series), 0)

    @property
    def threshold_rule(self) -> ThresholdRule:
        """How a fit finds the threshold: as the parameters say."""
        return ThresholdRule(self.threshold, self.risk, self.quantile, self.contamination)

    def _take_threshold(self, threshold: float) -> None:
        self.threshold_, self.threshold_rule_ = threshold, self.threshold_rule
        self.labels_ = (self.decision_scores_ > threshold).astype(int)

    def _aggregation(self, parts: list[np.ndarray], *, causal: bool = False) -> Aggregation:
        """Return the aggregation for errors of channels like those of stretches of the training series."""
        model = self.detector_.model
        kinds: dict[str, Any] = {"errors": model.errors, "causal": causal, "point_score": model.point_score}
        if self.aggregation == "published":
            return Aggregation.published(self.score_channels_ * model.errors, **kinds)
        return Aggregation.fit(parts, spans_of(self.window), **kinds)

    def _causal_stretches(self, part: Part, by_channel: np.ndarray, *, share: int) -> list[np.ndarray]:
        """Return errors (k, K · C) in stretches of a training series, each point as the last of its window.

        Parameters
        ----------
        part : Part
        by_channel : array of shape (n, K · C)
            The errors of its channels.
        share : int
            How many parts there are, which share the points that are scored, beside those before them that a score
            needs.
        """
        scorer = part.detector.scorer
        if scorer.by_sequence and not scorer.look_ahead:  # then a window's end is as good as any other place
            return [by_channel]
        every = sliding_window_view(part.values, self.window, axis=0).swapaxes(1, 2)
        most, stretches = max(1, CAUSAL // share), max(1, STRETCHES // share)
        points = self.window + -(-most // stretches)
        number = max(1, min(stretches, len(every) // points))
        points = min(len(every), points if number > 1 else self.window + most)
        starts = np.linspace(0, len(every) - points, number).round().astype(int)
        return [_score_last(scorer, every, np.arange(start, start + points)) for start in starts]

    def _causal_scores(self, stretch: np.ndarray) -> np.ndarray:
        """Return the scores of the points of a stretch that have all the points before them that a score needs."""
        scores = self.causal_aggregation_(stretch)
        return scores[min(self.causal_aggregation_.behind, len(scores) // 2) :]


def _known(parts: list[list[Part]], scores: Iterator[np.ndarray]) -> Iterator[Known]:
    """Yield what is known of each training series, from its parts and the scores of all parts in their order."""
    for own in parts:
        errors = np.concatenate([next(scores) for _ in own]) if len(own) > 1 else next(scores)
        errors.flags.writeable = False
        yield Known(errors, [HeldOut(part.rows, part.detector.scorer) for part in own])


def _score_last(scorer: Scorer, every: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the scores of the last points of the chosen windows."""
    batches = np.array_split(chosen, -(-len(chosen) * every.shape[2] // ROWS))
    pairs = ((every[batch], every[np.maximum(batch - 1, 0)]) for batch in batches if len(batch))
    return np.concatenate([scorer.score_last(*map(torch.from_numpy, pair)) for pair in pairs]).astype(np.float32)
