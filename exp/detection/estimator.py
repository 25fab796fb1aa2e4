"""The detector as an estimator: arrays in, scores and flags out, following scikit-learn and PyOD conventions."""

import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from data_provider import DataError
from data_provider.series import check_range, check_training_range, fit_scaler, scaled, training_points
from exp.config import ExperimentConfig
from exp.detection import storage
from exp.detection.aggregation import Aggregation, RunningAggregation, check_kind, spans_of
from exp.detection.automatic import SEED, Source, settings_for
from exp.detection.detector import Detector
from exp.detection.inputs import as_table
from exp.detection.scorer import OverlapMean
from exp.detection.scorer import Sequence as PointSequence
from exp.detection.thresholds import check_rule, find_threshold
from exp.training.devices import choose_device
from exp.training.provenance import versions
from models import DEFAULT
from ts_ad_evaluation.spot import check_count

logger = logging.getLogger(__name__)

SERIES = "the series"
OVERLAP = 4  # windows that contain a point, in the middle of a series
CAUSAL = 1000  # most points that are scored as a causal stream scores them
STRETCHES = 4  # number of stretches of the training series that contain these points
ROWS = 1024  # univariate windows that are processed together for these
AGGREGATIONS, LEARNED = ("aggregation_", "causal_aggregation_"), ("scale", "levels")
QUANTILES = (0.0, 0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


class AnomalyDetector(BaseEstimator):
    """Any model of the registry on one series, without files.

    Rows of X are points in time order, columns are channels; a one-dimensional X, or a Series, is one channel. The last
    fifth of X validates the training (`data.validation_share`). Labels are never used.

    Parameters
    ----------
    detector : str
        Name of the model in `models.DETECTORS`.
    config : "auto", dict or path
        "auto" chooses from the length and period of X (`exp.detection.automatic`), and logs what and why.
        Otherwise a mapping with the sections `model` and `train` of a configuration file, or such a file. From the
        section `data`, `scaling` and `validation_share` are used; other settings of benchmark runs are errors in a
        mapping, and are listed in the log for a file.
    overrides : sequence of str
        Single settings that override all others, each ``section.key=value`` such as ``"model.seq_len=64"``.
    threshold : {"spot", "quantile"} or float
        How `threshold_` is found from the scores of X, or the threshold itself.
    risk : float
        For "spot": the probability that a normal point's score is above the threshold.
    quantile : float
        For "quantile": the share of X's points that are not above the threshold.
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
        threshold: str | float = "spot",
        risk: float = 1e-3,
        quantile: float = 0.99,
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
        self.aggregation = aggregation
        self.seed = seed
        self.device = device
        self.bars = bars

    def fit(self, X: ArrayLike, y: object = None) -> "AnomalyDetector":
        """Train on X, and set the threshold by its scores.

        Parameters
        ----------
        X : array or DataFrame of shape (n, C), or array or Series of shape (n,)
        y : ignored

        Returns
        -------
        AnomalyDetector
            Itself.

        Raises
        ------
        DataError
            When X is shorter than two windows or constant, or a value is too large to compute with.
        ConfigError, UserError
            When a setting or the threshold's rule is wrong.
        EvaluationError
            When X is too short for the threshold's rule, or its scores do not allow it.
        ValueError
            When X has more than two dimensions, or is not finite and of real numbers.
        """
        X = self._checked(X, ensure_min_samples=2)
        check_rule(self.threshold, self.risk, self.quantile)
        check_kind(self.aggregation)
        check_training_range(X, self._channel_names(), "X")
        self.config_, self.reasons_ = settings_for(
            X, detector=self.detector, config=self.config, overrides=self.overrides, seed=self.seed
        )
        for reason in self.reasons_:
            logger.info("auto: %s", reason)
        self._check_series(X)
        self.offset_, self.scale_ = fit_scaler(X, self.config_.data.scaling)
        values = self._scaled(X)
        cut = training_points(len(X), self.config_.data.validation_share, SERIES)
        with _own_random_numbers(choose_device(self.device)):
            self._build()
            fitted = self.detector_.fit(
                self.detector_.training_windows(values[:cut], SERIES),
                self.detector_.validation_windows(values[cut:], values, SERIES),
            )
        self.epochs_ = fitted.epochs
        by_channel = self._channel_scores(X)
        self.score_channels_ = by_channel.shape[1]
        self.aggregation_ = self._aggregation([by_channel])
        self.decision_scores_ = self.point_scores(by_channel)
        stretches = self._causal_stretches(values, by_channel)
        self.causal_aggregation_ = self._aggregation(stretches, causal=True)
        self.causal_scores_ = np.concatenate([self._causal_scores(stretch) for stretch in stretches])
        self.threshold_ = find_threshold(self.decision_scores_, self.threshold, self.risk, self.quantile)
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

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
        return self.point_scores(self.channel_scores(X))

    def channel_scores(self, X: ArrayLike) -> np.ndarray:
        """Return the score of every channel at every point of X, a float32 array of shape (n, C).

        If the model has no scores for single channels, the shape is (n, 1). Raises the same errors as
        `decision_function`.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        check_range(X, self.offset_, self.scale_, self._channel_names(), "X")
        return self._channel_scores(X)

    def _checked(self, X: ArrayLike, **options: Any) -> np.ndarray:
        """Return X as float64 of shape (n, C), with the names and number of its channels checked or learned."""
        return validate_data(self, as_table(X), dtype=np.float64, **options)

    def _channel_names(self) -> list[str]:
        return [str(name) for name in getattr(self, "feature_names_in_", range(self.n_features_in_))]

    def _channel_scores(self, X: np.ndarray) -> np.ndarray:
        if len(X) < self.window:
            raise DataError(f"{len(X)} points are fewer than a window of {self.window} (seq_len): score more at once")
        return self.detector_.score(self._scaled(X), stride=self.stride, name=SERIES).astype(np.float32)

    def _aggregation(self, parts: list[np.ndarray], *, causal: bool = False) -> Aggregation:
        """Return the aggregation for channel scores like those of stretches of the training series."""
        point_score = self.detector_.model.point_score
        if self.aggregation == "published":
            return Aggregation.published(self.score_channels_, causal=causal, point_score=point_score)
        return Aggregation.fit(parts, spans_of(self.window), causal=causal, point_score=point_score)

    def _causal_stretches(self, values: np.ndarray, by_channel: np.ndarray) -> list[np.ndarray]:
        """Return channel scores (k, C) of stretches of the training series, each point as the last of its window."""
        scorer = self.detector_.scorer
        if scorer.by_sequence and not scorer.look_ahead:  # then the end of a window is as good as any other place
            return [by_channel]
        every = sliding_window_view(values, self.window, axis=0).swapaxes(1, 2)
        points = self.window + CAUSAL // STRETCHES
        number = max(1, min(STRETCHES, len(every) // points))
        points = min(len(every), points if number > 1 else self.window + CAUSAL)
        starts = np.linspace(0, len(every) - points, number).round().astype(int)
        return [self._score_last(every, np.arange(start, start + points)) for start in starts]

    def _score_last(self, every: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        batches = np.array_split(chosen, -(-len(chosen) * every.shape[2] // ROWS))
        pairs = ((every[batch], every[np.maximum(batch - 1, 0)]) for batch in batches if len(batch))
        score_last = self.detector_.scorer.score_last
        return np.concatenate([score_last(*map(torch.from_numpy, pair)) for pair in pairs]).astype(np.float32)

    def _causal_scores(self, stretch: np.ndarray) -> np.ndarray:
        """Return the scores of those points of a stretch that have all the earlier points that a score needs."""
        scores = self.causal_aggregation_(stretch)
        return scores[min(self.causal_aggregation_.behind, len(scores) // 2) :]

    def point_scores(self, channel_scores: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of the points of a series with the channel scores (n, C)."""
        return self.aggregation_(channel_scores)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return 1 for the points of X above `threshold_`, else 0, of shape (n,); raises like `decision_function`."""
        return (self.decision_function(X) > self.threshold_).astype(int)

    def fit_predict(self, X: ArrayLike, y: object = None) -> np.ndarray:
        """Train on X and return `labels_`; raises like `fit`."""
        return self.fit(X).labels_

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
        values = torch.from_numpy(self._scaled(windows))
        found = (scorer.look_in_blocks(values) if in_blocks else scorer.look(values)).numpy()
        if not np.isfinite(found).all():
            raise DataError("a score is NaN or infinite: a value is too far from the training values, correct it")
        return found

    def assembler(self) -> OverlapMean | PointSequence:
        """Return the object that turns the output of `look` for consecutive windows into scores of points."""
        return self.detector_.scorer.assembler(self.stride)

    def running_aggregation(self, series: int, *, causal: bool) -> RunningAggregation:
        """Return the object that turns arriving channel scores of several parallel series into scores of points."""
        aggregation = self.causal_aggregation_ if causal else self.aggregation_
        return RunningAggregation(aggregation, series, self.score_channels_)

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

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted detector to a folder: `detector.json`, and `weights_….npz` with only arrays.

        An earlier detector there is replaced atomically.

        Raises
        ------
        OSError
            When the folder cannot be written.
        """
        check_is_fitted(self)
        description = {
            "detector": self.config_.detector,
            "parameters": self.get_params(),
            "config": self.config_.to_dict(),
            "reasons": self.reasons_,
            "channels": list(getattr(self, "feature_names_in_", [])),
            "n_features": self.n_features_in_,
            "score_channels": self.score_channels_,
            "threshold": self.threshold_,
            "spans": self.aggregation_.spans,
            "train_score_quantiles": dict(
                zip(map(str, QUANTILES), np.quantile(self.decision_scores_, QUANTILES).tolist(), strict=True)
            ),
            "epochs": self.epochs_,
            "versions": versions(),
        }
        arrays = {
            "offset": self.offset_,
            "scale": self.scale_,
            "train_score": self.decision_scores_,
            "causal_score": self.causal_scores_,
            **{f"{name}.{part}": getattr(getattr(self, name), part) for name in AGGREGATIONS for part in LEARNED},
            **{f"network.{name}": array for name, array in self._weights().items()},
        }
        storage.write(Path(folder), description, arrays)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "AnomalyDetector":
        """Read a saved detector; it gives the same scores as the one that was saved.

        Raises
        ------
        UserError
            When a file is missing, damaged or altered.
        """
        content, arrays = storage.read(Path(folder))
        parameters = {"detector": content["detector"], "aggregation": "published", **content["parameters"]}
        parameters["device"] = device
        loaded = cls(**{**parameters, "overrides": tuple(parameters["overrides"])})
        loaded.config_ = ExperimentConfig.from_dict(content["config"])
        loaded.reasons_, loaded.epochs_ = content["reasons"], content["epochs"]
        loaded.n_features_in_ = content["n_features"]
        loaded.score_channels_ = content.get("score_channels", loaded.n_features_in_)
        if content["channels"]:
            loaded.feature_names_in_ = np.array(content["channels"], dtype=object)
        loaded.offset_, loaded.scale_ = arrays.pop("offset"), arrays.pop("scale")
        loaded.decision_scores_ = arrays.pop("train_score")
        loaded.causal_scores_ = arrays.pop("causal_score")
        loaded.threshold_ = content["threshold"]
        loaded.labels_ = (loaded.decision_scores_ > loaded.threshold_).astype(int)
        learned = {name: arrays.pop(name) for name in list(arrays) if name.startswith(AGGREGATIONS)}
        loaded._restore({name.removeprefix("network."): array for name, array in arrays.items()})
        for name in AGGREGATIONS:
            setattr(loaded, name, loaded._stored_aggregation(name, learned, tuple(content.get("spans", ()))))
        return loaded

    def _stored_aggregation(self, name: str, arrays: dict[str, np.ndarray], spans: tuple[int, ...]) -> Aggregation:
        """Return an aggregation of a saved detector; one saved without it has the published one."""
        causal = name == "causal_aggregation_"
        if not spans:
            return self._aggregation([], causal=causal)
        scale, levels = (arrays[f"{name}.{part}"] for part in LEARNED)
        return Aggregation(scale, levels, spans, causal=causal, point_score=self.detector_.model.point_score)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        # As arrays: the network may be needed on another device than this one.
        return {**state, "detector_": self._weights()} if "detector_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "detector_" in state:
            self._restore(state["detector_"])

    def _check_series(self, X: np.ndarray) -> None:
        length = self.config_.model.seq_len
        if len(X) < 2 * length:
            raise DataError(
                f"{len(X)} points to train on are fewer than two windows of {length} (seq_len): use more points or a "
                "shorter window"
            )
        if self.threshold == "spot":
            check_count(len(X))
        if not np.ptp(X, axis=0).any():
            raise DataError("every channel is constant, so there is nothing to learn: choose other channels or points")

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # the scores reveal it
            return scaled(values, self.offset_, self.scale_)

    def _weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.cpu().numpy() for name, tensor in self.network_.state_dict().items()}

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
