"""The detector as an estimator: arrays in, scores and flags out, following scikit-learn and PyOD conventions."""

import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from data_provider import DataError
from data_provider.errors import listed
from data_provider.series import check_range, check_training_range, fit_scaler
from exp.config import resolve
from exp.detection import storage
from exp.detection.aggregation import check_kind
from exp.detection.automatic import SEED, Source, settings_for
from exp.detection.decisions import Decisions
from exp.detection.detector import Detector
from exp.detection.saved import describe, restore
from exp.detection.thresholds import QUANTILE, RISK
from exp.detection.training_set import SERIES, Given, TrainingSet, as_several
from exp.errors import UserError
from exp.training.devices import choose_device
from exp.training.observers import Observer
from exp.training.trainer import Progress
from models import DEFAULT
from ts_ad_evaluation.spot import check_count

logger = logging.getLogger(__name__)


class AnomalyDetector(Decisions):
    """Any model of the registry on one series, without any file.

    Rows of X are points in time order, columns are channels; a one-dimensional X, or a Series, is one channel. The last
    fifth of X validates the training (`data.validation_share`); a model in closed form is then fitted to all of X.
    Labels are never used.

    Parameters
    ----------
    detector : str
        Name of the model in `models.DETECTORS`, or "auto": the one that `models.automatic` chooses.
    config : "auto", dict or path
        "auto" chooses from the length and period of X (`exp.detection.automatic`), and logs what and why.
        Otherwise a mapping with the sections `model` and `train` of a configuration file, or such a file. From the
        section `data`, `scaling` and `validation_share` are used; other settings of benchmark runs are errors in a
        mapping, and are listed in the log for a file.
    overrides : sequence of str
        Single settings that override all others, each ``section.key=value`` such as ``"model.seq_len=64"``.
    threshold : {"auto", "spot", "quantile"} or float
        How `threshold_` is found from the scores of X, or the threshold itself.
    risk : float
        For "spot": the probability that a normal point's score is above the threshold.
    quantile : float
        For "quantile": the share of X's points that are not above the threshold.
    contamination : float or None
        The share of anomalies among X's points, in (0, 0.5], as in PyOD: this share is above the threshold. It is a
        rule of its own: leave the three other parameters at their defaults.
    aggregation : {"multiscale", "published"}
        How the scores of channels become a point's score: "multiscale" weights the channels equally and averages over
        several time spans, see `exp.detection.aggregation`; "published" is the model's own way in benchmark runs.
    seed : int
        Seed of weights, order of windows, dropout and routing. If it is 2025, the default, a configuration's own
        `train.seed` takes precedence.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    bars : bool
        Show progress bars where the output is a terminal.

    Attributes
    ----------
    decision_scores_ : float32 array of shape (n,)
        Scores of X.
    causal_scores_ : float32 array
        Scores of stretches of X, about 1000 points, each as the last point of its window, as in a causal stream;
        of the whole of X for a model that always scores this way.
    labels_ : int array of shape (n,)
        1 where the score is above `threshold_`.
    threshold_ : float
    threshold_rule_ : ThresholdRule
        How it was found.
    config_ : ExperimentConfig
        All settings.
    reasons_ : list of str
        Why "auto" chose them; else empty.
    epochs_ : list of dict
        For each epoch: epoch, learning_rate, train_loss, validation_loss, seconds.
    offset_, scale_ : float64 arrays of shape (C,)
        The scaler: mean and standard deviation of X, or minimum and range, depending on `config_.data.scaling`.
    detector_ : Detector
    aggregation_, causal_aggregation_ : Aggregation
        The aggregations of channel scores into a point's score, for a series and for a causal stream.
    n_features_in_ : int
        C.
    feature_names_in_ : array of str
        Names of the channels, if X was a DataFrame.

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
        detector: str = DEFAULT,
        *,
        config: Source = "auto",
        overrides: Sequence[str] = (),
        threshold: str | float = "auto",
        risk: float = RISK,
        quantile: float = QUANTILE,
        contamination: float | None = None,
        aggregation: str = "multiscale",
        seed: int = SEED,
        device: str = "auto",
        bars: bool = False,
    ):
        self.detector = detector
        self.config = config
        self.overrides = overrides
        self.threshold = threshold
        self.risk = risk
        self.quantile = quantile
        self.contamination = contamination
        self.aggregation = aggregation
        self.seed = seed
        self.device = device
        self.bars = bars

    def fit(self, X: Given, y: object = None, *, observers: Sequence[Observer] = ()) -> "AnomalyDetector":
        """Train on X, and set the threshold by its scores.

        Parameters
        ----------
        X : array or DataFrame of shape (n, C), or array or Series of shape (n,)
            Or several series with the same channels: a list of them, or a mapping from names to two-dimensional ones.
            No window crosses from one to another; the last part of each validates, unless it is shorter than a window;
            scaler and threshold are computed from all points.
        y : ignored
        observers : sequence of exp.training.observers.Observer
            Follow the training.

        Returns
        -------
        AnomalyDetector
            Itself.

        Raises
        ------
        DataError
            When X is shorter than two windows or constant, or a value is too large, masked or a time. When one of
            several series is shorter than a window, or its channels differ from those of the first.
        ConfigError, UserError
            When a setting or the threshold's rule is wrong.
        EvaluationError
            When X is too short for the threshold's rule, or its scores do not allow it.
        ValueError
            When X has more than two dimensions, or is not finite and of real numbers.
        """
        self.threshold_rule.check()
        check_kind(self.aggregation)
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
        self._tell_constants(X)
        self.offset_, self.scale_ = fit_scaler(X, self.config_.data.scaling)
        with _own_random_numbers(choose_device(self.device)):
            self._build()
            self.epochs_ = self._learn(series, observers=observers).epochs
            self._score_training(series)
        return self

    def continue_fit(
        self, X: Given, *, overrides: Sequence[str] = (), observers: Sequence[Observer] = ()
    ) -> "AnomalyDetector":
        """Continue the training with new data, and set the threshold by the scores of X alone.

        Settings and scaler remain those of `fit`. If no epoch lowers the loss on the validation part of X, the weights
        remain unchanged.

        Parameters
        ----------
        X
            As for `fit`, with the same channels.
        overrides : sequence of str
            Settings of the section `train` to change from here on, such as ``"train.learning_rate=1e-4"``.
        observers : sequence of exp.training.observers.Observer
            Follow the training.

        Returns
        -------
        AnomalyDetector
            Itself; `epochs_` has the epochs of all training runs.

        Raises
        ------
        UserError
            When the model is fitted in closed form, or an override is of another section. Also raises the errors of
            `fit`. After any error, the detector is unchanged.
        """
        check_is_fitted(self)
        if self.detector_.model.closed_form:
            raise UserError(
                f"{self.config_.detector} is fitted in closed form, so its training cannot be continued: fit it to the "
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
                epochs = self._learn(series, trained=True, observers=observers).epochs
            done = len(self.epochs_)
            self.epochs_ = [*self.epochs_, *({**epoch, "epoch": done + epoch["epoch"]} for epoch in epochs)]
            self._score_training(series)
        except BaseException:
            self.__setstate__(before)
            raise
        return self

    def _change_training(self, overrides: Sequence[str]) -> None:
        """Change training settings for the same network."""
        other = next((override for override in overrides if not str(override).startswith("train.")), None)
        if other is not None:
            raise UserError(
                f"--set {other}: a continued training can only change settings of the section train: leave it out, or "
                "train a new detector"
            )
        if overrides:
            self.config_ = resolve(self.config_.to_dict(), list(overrides), "the detector's config")
            self._restore(self._weights())  # the settings also decide how the network scores

    def _series_of(self, X: Given, *, reset: bool = True) -> TrainingSet:
        """Check one series, or several, as `fit` takes them."""
        several = as_several(X)
        if several is None:
            return TrainingSet({"X": self._checked(cast(ArrayLike, X), ensure_min_samples=2, reset=reset)})
        checked: dict[str, np.ndarray] = {}
        for name, one in several.items():
            try:
                checked[name] = self._checked(one, ensure_min_samples=2, reset=reset and not checked)
            except ValueError as error:
                raise DataError(f"{name}: {' '.join(str(error).split())}") from None
        return TrainingSet(checked)

    def _learn(self, series: TrainingSet, *, trained: bool = False, observers: Sequence[Observer] = ()) -> Progress:
        """Train the network on the standardised series."""
        values = self.standardised(series.values)
        training, validation = series.split(values, self.config_.data.validation_share, self.window)
        several = len(series.names) > 1
        progress = self.detector_.fit(
            self.detector_.training_windows(training.values, SERIES, training.lengths if several else None),
            self.detector_.validation_windows(
                validation.values, values, SERIES, validation.lengths if several else None
            ),
            trained=trained,
            observers=observers,
        )
        if self.detector_.model.closed_form:
            whole = self.detector_.training_windows(values, SERIES, series.lengths if several else None)
            logger.info("fitted again, to the windows of the validation part too")
            self.detector_.refit(whole)
        return progress

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the score of every point of X, a float32 array of shape (n,); higher is more anomalous.

        It is the mean over the windows that contain the point, one of which starts every `stride` points; the last one
        ends with X, and counts for the points that no other window contains. Some models score a point by the windows
        that end there or shortly after. On the CPU, windows are computed in blocks of one shape, so that a stream gives
        bit-identical scores.

        Raises
        ------
        DataError
            When X is shorter than a window.
        ValueError
            When X has different channels from the series of `fit`, or is not finite.
        """
        return self.point_scores(self.channel_errors(X))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return 1 for the points of X above `threshold_`, else 0, of shape (n,); raises like `decision_function`."""
        return (self.decision_function(X) > self.threshold_).astype(int)

    def fit_predict(self, X: Given, y: object = None) -> np.ndarray:
        """Train on X and return `labels_`; raises like `fit`."""
        return self.fit(X).labels_

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted detector to a folder: `detector.json`, and `weights_….npz` with only arrays.

        An earlier detector there is replaced atomically.

        Raises
        ------
        OSError
            When the folder cannot be written.
        """
        check_is_fitted(self)
        storage.write(Path(folder), *describe(self))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto", bars: bool = False) -> "AnomalyDetector":
        """Read a saved detector; it gives the same scores as the one that was saved.

        Parameters
        ----------
        folder : path
            As for `save`.
        device, bars
            As for the detector itself.

        Raises
        ------
        UserError
            When a file is missing, damaged or altered.
        """
        return restore(cls, *storage.read(Path(folder)), device=device, bars=bars)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "_known" in state:
            state = {**state, "_known": {}}  # can be computed again
        # As arrays: the network may be needed on another device than this one.
        return {**state, "detector_": self._weights()} if "detector_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
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
            raise DataError("every channel is constant, so there is nothing to learn: choose other channels or points")

    def _tell_constants(self, X: np.ndarray) -> None:
        names = [name for name, span in zip(self._channel_names(), np.ptp(X, axis=0), strict=True) if not span]
        if names:
            logger.info("constant in the training part, so any change is an anomaly: %s", listed(names))

    def _weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.cpu().numpy().copy() for name, tensor in self.network_.state_dict().items()}

    def _build(self) -> None:
        self.detector_ = Detector(self.config_, self.n_features_in_, choose_device(self.device), bars=self.bars)

    def _restore(self, weights: dict[str, np.ndarray]) -> None:
        """Build the network with these weights."""
        with _own_random_numbers(choose_device(self.device)):
            self._build()
        self.network_.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})


def _own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Return a context that leaves PyTorch's random state as it was."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


CrossADDetector = AnomalyDetector  # the name used in the README and older programs
