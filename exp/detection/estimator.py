"""The detector as an estimator: arrays in, scores and flags out, by the conventions of scikit-learn and PyOD."""

import logging
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from data_provider import DataError
from data_provider.series import check_range, check_training_range, fit_scaler
from exp.config import resolve
from exp.detection import storage
from exp.detection.automatic import SEED, settings_for
from exp.detection.decisions import Decisions
from exp.detection.detector import Detector
from exp.detection.inputs import as_table
from exp.detection.looking import Looking
from exp.detection.saved import describe, restore
from exp.detection.thresholds import QUANTILE, RISK
from exp.detection.training_set import SERIES, TrainingSet, as_several
from exp.errors import UserError
from exp.training.devices import choose_device
from exp.training.trainer import Progress
from models import DEFAULT
from ts_ad_evaluation.spot import check_count

logger = logging.getLogger(__name__)

CAUSAL = 1000  # points that are scored as a stream scores a point at once, at most
ROWS = 1024  # univariate windows that are looked at together for these


class AnomalyDetector(Decisions, Looking, BaseEstimator):
    """Any model of the registry on one series, without any file.

    Rows of X are points in time order, columns are channels; a one-dimensional X, or a Series, is one channel. The last
    fifth of X validates the training (`data.validation_share`). Labels are never used.

    Parameters
    ----------
    detector : str
        Name of the model in `models.DETECTORS`.
    config : "auto", dict or path
        "auto" chooses from the length and the period of X (`exp.detection.automatic`), and logs what and why.
        Otherwise a mapping with the sections `model` and `train` of a configuration file, or such a file. Of the
        section `data`, `scaling` and `validation_share` count; the other settings of benchmark runs are errors in a
        mapping, and named in the log for a file.
    overrides : sequence of str
        Single settings that have the last word, each ``section.key=value`` such as ``"model.seq_len=64"``.
    threshold : {"spot", "quantile"} or float
        How `threshold_` is found from the scores of X, or the threshold itself.
    risk : float
        Of "spot": the probability that a normal point's score is above the threshold.
    quantile : float
        Of "quantile": the share of X's points that are not above the threshold.
    contamination : float or None
        The share of anomalies among X's points, in (0, 0.5], as in PyOD: so many are above the threshold. It is a rule
        of its own, and leaves the three others at their defaults.
    seed : int
        Of weights, order of windows, dropout and routing. Where it is 2025, as by default, a configuration's own
        `train.seed` comes first.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    bars : bool
        Show progress bars where the output is a terminal.

    Attributes
    ----------
    decision_scores_ : float32 array of shape (n,)
        Scores of X.
    causal_scores_ : float32 array of shape (at most 1000,)
        Scores of points spread over X, each as the last point of its window, as a stream scores a point at once.
    labels_ : int array of shape (n,)
        1 where they are above `threshold_`.
    threshold_ : float
    config_ : ExperimentConfig
        All settings.
    reasons_ : list of str
        Why "auto" chose them; else empty.
    epochs_ : list of dict
        Of each epoch: epoch, learning_rate, train_loss, validation_loss, seconds.
    offset_, scale_ : float64 arrays of shape (C,)
        The scaler: mean and standard deviation of X, or minimum and range, as `config_.data.scaling` says.
    detector_ : Detector
    n_features_in_ : int
        C.
    feature_names_in_ : array of str
        Names of the channels, where X was a DataFrame.

    Examples
    --------
    >>> x = np.sin(np.arange(400) / 5)[:, None]
    >>> detector = AnomalyDetector(overrides=["train.train_epochs=1", "model.d_model=16"]).fit(x)
    >>> x[200:205] += 3
    >>> bool(detector.decision_function(x)[180:225].max() > detector.threshold_)
    True
    """

    def __init__(
        self,
        detector=DEFAULT,
        *,
        config="auto",
        overrides=(),
        threshold="spot",
        risk=RISK,
        quantile=QUANTILE,
        contamination=None,
        seed=SEED,
        device="auto",
        bars=False,
    ):
        self.detector = detector
        self.config = config
        self.overrides = overrides
        self.threshold = threshold
        self.risk = risk
        self.quantile = quantile
        self.contamination = contamination
        self.seed = seed
        self.device = device
        self.bars = bars

    def fit(self, X, y=None):
        """Train on X, and set the threshold by its scores.

        Parameters
        ----------
        X : array or DataFrame of shape (n, C), or array or Series of shape (n,)
            Or several series of the same channels: a list of such, or a mapping of names to two-dimensional ones. No
            window holds points of two of them; the last share of each validates, unless that is shorter than a window;
            scaler and threshold are those of all their points.
        y : ignored

        Returns
        -------
        AnomalyDetector
            Itself.

        Raises
        ------
        DataError
            When X is shorter than two windows or constant, or a value is beyond what can be computed with. When one of
            several series is shorter than a window, or has other channels than the first.
        ConfigError, UserError
            When a setting or the threshold's rule is wrong.
        EvaluationError
            When X is too short for the threshold's rule, or its scores do not allow it.
        ValueError
            When X has more than two dimensions, or is not finite and of real numbers.
        """
        self.threshold_rule.check()
        series = self._series_of(X)
        X = series.values
        check_training_range(X, self._channel_names(), "X", series.place)
        self.config_, self.reasons_ = settings_for(
            X,
            detector=self.detector,
            config=self.config,
            overrides=self.overrides,
            seed=self.seed,
            shortest=min(series.lengths) if len(series.lengths) > 1 else None,
        )
        for reason in self.reasons_:
            logger.info("auto: %s", reason)
        self._check_series(series)
        self.offset_, self.scale_ = fit_scaler(X, self.config_.data.scaling)
        with _own_random_numbers(choose_device(self.device)):
            self._build()
            self.epochs_ = self._learn(series).epochs
        self._score_training(series)
        return self

    def continue_fit(self, X, *, overrides=()):
        """Go on training with new data, from the weights of `fit`, and set the threshold by the scores of X alone.

        The settings stay those of `fit`, and so does the scaler. Where no epoch has a lower loss on what validates of
        X, the weights stay as they were.

        Parameters
        ----------
        X
            As for `fit`, with the same channels.
        overrides : sequence of str
            Settings of the section `train` that change from here on, such as ``"train.learning_rate=1e-4"``.

        Returns
        -------
        AnomalyDetector
            Itself; `epochs_` has those of all trainings.

        Raises
        ------
        UserError
            When the model is fitted in closed form, or an override is of another section. And what `fit` raises. Then
            nothing is changed.
        """
        check_is_fitted(self)
        if self.detector_.model.closed_form:
            raise UserError(
                f"{self.config_.detector} is fitted in closed form, and has no training to go on with: fit it to the "
                "old and the new series together"
            )
        self.threshold_rule.check()
        series = self._series_of(X, reset=False)
        check_range(series.values, self.offset_, self.scale_, self._channel_names(), "X", series.place)
        self._check_series(series)
        before = self.__getstate__()
        try:
            self._change_training(overrides)
            with _own_random_numbers(choose_device(self.device)):
                epochs = self._learn(series, trained=True).epochs
            done = len(self.epochs_)
            self.epochs_ = [*self.epochs_, *({**epoch, "epoch": done + epoch["epoch"]} for epoch in epochs)]
            self._score_training(series)
        except BaseException:
            self.__setstate__(before)
            raise
        return self

    def _change_training(self, overrides) -> None:
        """Take other settings of the training for the same network."""
        other = next((override for override in overrides if not str(override).startswith("train.")), None)
        if other is not None:
            raise UserError(
                f"--set {other}: a training that goes on keeps its settings but for those of the section train: leave "
                "it out, or start afresh"
            )
        self.config_ = resolve(self.config_.to_dict(), list(overrides), "the detector's config")
        self.detector_.config = self.config_

    def _series_of(self, X, *, reset: bool = True) -> TrainingSet:
        """Check one series, or several, as `fit` takes them."""
        several = as_several(X)
        check = partial(validate_data, self, dtype=np.float64, ensure_min_samples=2)
        if several is None:
            return TrainingSet({"X": check(as_table(X), reset=reset)})
        checked = {}
        for name, one in several.items():
            try:
                checked[name] = check(as_table(one), reset=reset and not checked)
            except ValueError as error:
                raise DataError(f"{name}: {' '.join(str(error).split())}") from None
        return TrainingSet(checked)

    def _learn(self, series: TrainingSet, *, trained: bool = False) -> Progress:
        """Let the network learn from standardised series."""
        values = self.standardised(series.values)
        training, validation = series.split(values, self.config_.data.validation_share, self.window)
        several = len(series.names) > 1
        return self.detector_.fit(
            self.detector_.training_windows(training.values, SERIES, training.lengths if several else None),
            self.detector_.validation_windows(
                validation.values, values, SERIES, validation.lengths if several else None
            ),
            trained=trained,
        )

    def _score_training(self, series: TrainingSet) -> None:
        """Score the series of the training, each by itself, and set the threshold by their scores."""
        by_channel = [self._channel_scores(one) for one in series.each(series.values)]
        self.score_channels_ = by_channel[0].shape[1]
        scores = [self.point_scores(one) for one in by_channel]
        causal = [
            self._causal_scores(self.standardised(one), score, max(1, CAUSAL // len(scores)))
            for one, score in zip(series.each(series.values), scores, strict=True)
        ]
        self.decision_scores_, self.causal_scores_ = np.concatenate(scores), np.concatenate(causal)
        self._take_threshold(self.threshold_rule.find(self.decision_scores_))

    def decision_function(self, X):
        """Return the score of every point of X, a float32 array of shape (n,); higher is more anomalous.

        It is the mean over the windows that hold the point, of which one starts every `stride` points; the last ends
        with X, and counts for the points that no other one will hold. Some models score a point by the windows that end
        there or shortly behind. On the CPU windows are computed in blocks of one
        shape, so that a stream has the same bits.

        Raises
        ------
        DataError
            When X is shorter than a window.
        ValueError
            When X has other channels than the series of `fit`, or is not finite.
        """
        return self.point_scores(self.channel_scores(X))

    def channel_scores(self, X):
        """Return the score of every channel at every point of X, a float32 array of shape (n, C).

        Where the model has no scores of single channels it is (n, 1). Raises what the decision function raises.
        """
        check_is_fitted(self)
        if as_several(X) is not None:
            raise ValueError("X is a list of series: score one series at once")
        X = validate_data(self, as_table(X), dtype=np.float64, reset=False)
        check_range(X, self.offset_, self.scale_, self._channel_names(), "X")
        return self._channel_scores(X)

    def _channel_names(self) -> list[str]:
        return [str(name) for name in getattr(self, "feature_names_in_", range(self.n_features_in_))]

    def _channel_scores(self, X) -> np.ndarray:
        if len(X) < self.window:
            raise DataError(f"{len(X)} points are fewer than a window of {self.window} (seq_len): score more at once")
        return self.detector_.score(self.standardised(X), stride=self.stride, name=SERIES).astype(np.float32)

    def _causal_scores(self, values: np.ndarray, whole: np.ndarray, most: int) -> np.ndarray:
        """Return scores of points spread over a series of the training, each as the last of its window.

        Parameters
        ----------
        values : array of shape (n, C)
            Standardised.
        whole : array of shape (n,)
            The decision scores.
        most : int
            Points.
        """
        count = len(values) - self.window + 1
        starts = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
        scorer = self.detector_.scorer
        if scorer.by_sequence and not scorer.look_ahead:  # then a window's end is as good as any other place
            return whole[starts + self.window - 1]
        every = sliding_window_view(values, self.window, axis=0).swapaxes(1, 2)
        batches = np.array_split(starts, -(-len(starts) * values.shape[1] // ROWS))
        pairs = ((every[batch], every[np.maximum(batch - 1, 0)]) for batch in batches if len(batch))
        scores = [scorer.score_last(*map(torch.from_numpy, pair)) for pair in pairs]
        return self.point_scores(np.concatenate(scores)).astype(np.float32)

    def point_scores(self, channel_scores):
        """Return the scores (n,) of points with the channel scores (n, C)."""
        return self.detector_.score_points(channel_scores)

    def predict(self, X):
        """Return 1 for the points of X above `threshold_`, else 0, shape (n,); raises as `decision_function` does."""
        return (self.decision_function(X) > self.threshold_).astype(int)

    def fit_predict(self, X, y=None):
        """Train on X and return `labels_`; raises as `fit` does."""
        return self.fit(X).labels_

    def save(self, folder) -> None:
        """Write the fitted detector to a folder: `detector.json`, and `weights_….npz` with arrays alone.

        An earlier detector there is replaced, whole or not at all.

        Raises
        ------
        OSError
            When the folder cannot be written.
        """
        check_is_fitted(self)
        storage.write(Path(folder), *describe(self))

    @classmethod
    def load(cls, folder, *, device: str = "auto") -> "AnomalyDetector":
        """Read a saved detector; it scores as the one that was saved.

        Raises
        ------
        UserError
            When a file is missing, damaged or altered.
        """
        return restore(cls, *storage.read(Path(folder)), device)

    def __getstate__(self):
        state = super().__getstate__()
        # As arrays: the network may be needed on another device than this one.
        return {**state, "detector_": self._weights()} if "detector_" in state else state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "detector_" in state:
            self._restore(state["detector_"])

    def _check_series(self, series: TrainingSet) -> None:
        length, X = self.config_.model.seq_len, series.values
        if len(X) < 2 * length:
            raise DataError(
                f"{len(X)} points to train on are fewer than two windows of {length} (seq_len): use more points or a "
                "shorter window"
            )
        for name, points in zip(series.names, series.lengths, strict=True):
            if points < length:
                raise DataError(
                    f"{name}: {points} points to train on are fewer than a window of {length} (seq_len): leave it out, "
                    "or use a shorter window"
                )
        if self.threshold_rule.name == "spot":
            check_count(len(X))
        if not np.ptp(X, axis=0).any():
            raise DataError("every channel is constant, there is nothing to learn: choose other channels or points")

    def _weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.cpu().numpy().copy() for name, tensor in self.network_.state_dict().items()}

    def _build(self) -> None:
        self.detector_ = Detector(self.config_, self.n_features_in_, choose_device(self.device), bars=self.bars)

    def _restore(self, weights: dict[str, np.ndarray]) -> None:
        """Build the network with these weights."""
        with _own_random_numbers(choose_device(self.device)):
            self._build()
        self.network_.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})


def _own_random_numbers(device: torch.device):
    """Return a context that leaves PyTorch's random numbers as they were."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


CrossADDetector = AnomalyDetector  # the name that the README and older programs use
