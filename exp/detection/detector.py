"""CrossAD as an estimator: arrays in, scores and flags out, by the conventions of scikit-learn and PyOD."""

import logging
import os
import tempfile
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from data_provider import DataError, Series
from data_provider.series import scaled
from exp.benchmark.experiment import Experiment
from exp.benchmark.run_folder import RunFolder
from exp.config import ExperimentConfig, config_file, read_yaml, resolve
from exp.detection import storage as saved_detector
from exp.detection.automatic import choose_settings
from exp.detection.scorer import OverlapMean
from exp.errors import UserError
from exp.training.devices import choose_device, mixed_precision
from exp.training.versions import versions
from models import DETECTORS, ConfigError
from ts_ad_evaluation import SPOT, prior_anomaly_rate

logger = logging.getLogger(__name__)

DETECTOR = "CrossAD"
OVERLAP = 4  # windows that hold a point, in the middle of a series
CAUSAL = 1000  # points that are scored as a stream scores a point at once, at most
ROWS = 1024  # univariate windows that a device other than the CPU takes at once
QUANTILES = (0.0, 0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


class CrossADDetector(BaseEstimator):
    """CrossAD on one series, without any file.

    Rows of X are points in time order, columns are channels; the last fifth of X validates the training. Labels are
    never used.

    Parameters
    ----------
    config : "auto", dict or path
        "auto" chooses from the length and the period of X (`exp.detection.automatic`), and logs what and why.
        Otherwise a mapping with the sections `model` and `train` of a configuration file, or such a file.
    overrides : sequence of str
        Single settings that have the last word, each ``section.key=value`` such as ``"model.seq_len=64"``.
    threshold : {"spot", "quantile"} or float
        How `threshold_` is found from the scores of X, or the threshold itself.
    risk : float
        Of "spot": the probability that a normal point's score is above the threshold.
    quantile : float
        Of "quantile": the share of X's points that are not above the threshold.
    seed : int
        Of weights, order of windows, dropout and routing.
    device : str
        auto, cpu, cuda, cuda:N or mps.

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
        The scaler: mean and deviation of X.
    network_ : torch.nn.Module
    n_features_in_ : int
        C.
    feature_names_in_ : array of str
        Names of the channels, where X was a DataFrame.

    References
    ----------
    CrossAD, NeurIPS 2025, arXiv 2510.12489.

    Examples
    --------
    >>> x = np.sin(np.arange(400) / 5)[:, None]
    >>> detector = CrossADDetector(overrides=["train.train_epochs=1", "model.d_model=16"]).fit(x)
    >>> x[200:205] += 3
    >>> bool(detector.decision_function(x)[180:225].max() > detector.threshold_)
    True
    """

    def __init__(
        self, *, config="auto", overrides=(), threshold="spot", risk=1e-3, quantile=0.99, seed=2025, device="auto"
    ):
        self.config = config
        self.overrides = overrides
        self.threshold = threshold
        self.risk = risk
        self.quantile = quantile
        self.seed = seed
        self.device = device

    def fit(self, X, y=None):
        """Train on X, and set the threshold by its scores.

        Parameters
        ----------
        X : array or DataFrame of shape (n, C)
        y : ignored

        Returns
        -------
        CrossADDetector
            Itself.

        Raises
        ------
        DataError
            When X is shorter than two windows or constant.
        ConfigError, UserError
            When a setting or the threshold's rule is wrong.
        EvaluationError
            When the scores do not allow the threshold's rule.
        ValueError
            When X is not two-dimensional, finite and of real numbers.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self._check_threshold()
        self.config_, self.reasons_ = self._settings(X)
        for reason in self.reasons_:
            logger.info("auto: %s", reason)
        length = self.config_.model.seq_len
        if len(X) < 2 * length:
            raise DataError(
                f"{len(X)} points to train on are fewer than two windows of {length} (seq_len): use more points or a "
                "shorter window"
            )
        if not np.ptp(X, axis=0).any():
            raise DataError("every channel is constant, there is nothing to learn: choose other channels or points")
        device = choose_device(self.device)
        series = Series("the series", X, X, np.zeros(len(X), np.uint8), tuple(map(str, range(X.shape[1]))))
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(Path(folder))
            with _own_random_numbers(device):
                experiment = Experiment(self.config_, series, run, device, bars=False)
                experiment.train()
            self.epochs_ = run.read_record()["epochs"]
        self.network_ = experiment.network
        self.offset_, self.scale_ = experiment.parts.offset, experiment.parts.scale
        self.decision_scores_ = self.point_scores(self._channel_scores(X))
        self.causal_scores_ = self._causal_scores(X)
        self.threshold_ = self._find_threshold()
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

    def decision_function(self, X):
        """Return the score of every point of X, a float32 array of shape (n,); higher is more anomalous.

        It is the mean over the windows that hold the point, of which one starts every `stride` points; the last ends
        with X, and counts for the points that no other one will hold. On the CPU each window is computed by itself, so
        that its scores have the same bits whatever else X holds.

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

        The decision function is their mean over the channels. Raises what it raises.
        """
        check_is_fitted(self)
        return self._channel_scores(validate_data(self, X, dtype=np.float64, reset=False))

    def _causal_scores(self, X) -> np.ndarray:
        count = len(X) - self.window + 1
        starts = np.unique(np.linspace(0, count - 1, min(count, CAUSAL)).round().astype(int))
        batches = np.array_split(starts, -(-len(starts) * X.shape[1] // ROWS))
        windows = ([X[start : start + self.window] for start in batch] for batch in batches if len(batch))
        last = np.concatenate([self.window_scores(np.stack(batch))[:, -1] for batch in windows])
        return self.point_scores(last)

    @staticmethod
    def point_scores(channel_scores):
        """Return the scores (n,) of points with the channel scores (n, C)."""
        return DETECTORS[DETECTOR].score_points(channel_scores)

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
        description = {
            "detector": DETECTOR,
            "parameters": self.get_params(),
            "config": self.config_.to_dict(),
            "reasons": self.reasons_,
            "channels": list(getattr(self, "feature_names_in_", [])),
            "n_features": self.n_features_in_,
            "threshold": self.threshold_,
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
            **{f"network.{name}": array for name, array in self._weights().items()},
        }
        saved_detector.write(Path(folder), description, arrays)

    @classmethod
    def load(cls, folder, *, device: str = "auto") -> "CrossADDetector":
        """Read a saved detector; it scores as the one that was saved.

        Raises
        ------
        UserError
            When a file is missing, damaged or altered.
        """
        content, arrays = saved_detector.read(Path(folder))
        parameters = content["parameters"]
        detector = cls(**{**parameters, "overrides": tuple(parameters["overrides"]), "device": device})
        detector.config_ = ExperimentConfig.from_dict(content["config"])
        detector.reasons_, detector.epochs_ = content["reasons"], content["epochs"]
        detector.n_features_in_ = content["n_features"]
        if content["channels"]:
            detector.feature_names_in_ = np.array(content["channels"], dtype=object)
        detector.offset_, detector.scale_ = arrays.pop("offset"), arrays.pop("scale")
        detector.decision_scores_ = arrays.pop("train_score")
        detector.causal_scores_ = arrays.pop("causal_score")
        detector.threshold_ = content["threshold"]
        detector.labels_ = (detector.decision_scores_ > detector.threshold_).astype(int)
        detector._build_network({name.removeprefix("network."): array for name, array in arrays.items()})
        return detector

    def __getstate__(self):
        state = super().__getstate__()
        # As arrays: the network may be needed on another device than this one.
        return {**state, "network_": self._weights()} if "network_" in state else state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "network_" in state:
            self._build_network(state["network_"])

    def window_scores(self, windows):
        """Return the scores (B, T, C) of windows (B, T, C), each point in the units of the series of `fit`.

        Windows of one call are computed together.

        Raises
        ------
        DataError
            When a score is no longer a finite number.
        """
        check_is_fitted(self)
        with np.errstate(over="ignore"):  # the scores show it
            values = torch.from_numpy(scaled(windows, self.offset_, self.scale_))
        with mixed_precision(self._device, self.config_.train.precision):
            scores = self.network_.score(values.to(self._device)).float().cpu().numpy()
        if not np.isfinite(scores).all():
            raise DataError("a score is NaN or infinite: a value is too far from those of training, correct it")
        return scores

    @property
    def window(self) -> int:
        """Points in a window of the fitted detector."""
        return self.config_.model.seq_len

    @property
    def stride(self) -> int:
        """Points between the starts of neighbouring windows when a series is scored."""
        return max(1, self.window // OVERLAP)

    @property
    def _device(self) -> torch.device:
        return next(self.network_.parameters()).device

    def _weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.cpu().numpy() for name, tensor in self.network_.state_dict().items()}

    def _build_network(self, weights: dict[str, np.ndarray]) -> None:
        network = DETECTORS[DETECTOR].build(self.config_.model, self.n_features_in_)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        self.network_ = network.to(choose_device(self.device)).eval()

    def _settings(self, X) -> tuple[ExperimentConfig, list[str]]:
        """Return all settings for training on X, and the reasons of "auto"."""
        reasons, source = [], "the detector's config"
        if isinstance(self.config, str) and self.config == "auto":
            sections, reasons = choose_settings(X)
        elif isinstance(self.config, dict):
            sections = self.config
        elif isinstance(self.config, (str, os.PathLike)):
            source = str(config_file(self.config))
            sections = read_yaml(config_file(self.config))
        else:
            raise UserError(f"config is {self.config!r}: use 'auto', a dict or a path")
        if isinstance(self.overrides, str):
            raise UserError(f"overrides is {self.overrides!r}: use a list of such texts")
        model, train = (_section(sections, name, source) for name in ("model", "train"))
        seed = int(self.seed) if isinstance(self.seed, np.integer) else self.seed
        mapping = {
            **sections,
            "data": {"name": "series"},
            "model": {"name": DETECTOR, **model},
            "train": {**train, "seed": seed},
        }
        config = resolve(mapping, list(self.overrides), source)
        given = [override.partition("=")[0] for override in self.overrides]
        reasons = [reason for reason in reasons if not any(key in reason for key in given)]
        if config.detector != DETECTOR:
            raise ConfigError(f"{source}: model.name is {config.detector!r}, this estimator is {DETECTOR}: correct it")
        return config, reasons

    def _check_threshold(self) -> None:
        number = _is_number(self.threshold)
        if not number and self.threshold not in ("spot", "quantile"):
            raise UserError(f"threshold is {self.threshold!r}: use 'spot', 'quantile' or a number")
        if number and not np.isfinite(self.threshold):
            raise UserError(f"threshold is {self.threshold}: use a finite number")
        if not (_is_number(self.risk) and 0 < self.risk < 1):
            raise UserError(f"risk is {self.risk!r}: use a number in (0, 1)")
        if not (_is_number(self.quantile) and 0 <= self.quantile <= 1):
            raise UserError(f"quantile is {self.quantile!r}: use a number in [0, 1]")

    def _find_threshold(self) -> float:
        if self.threshold == "spot":
            return float(SPOT(self.decision_scores_, risk=self.risk, rule="likelihood").threshold)
        if self.threshold == "quantile":
            return prior_anomaly_rate(self.decision_scores_, 1 - self.quantile)
        return float(self.threshold)

    def _channel_scores(self, X) -> np.ndarray:
        length, stride = self.window, self.stride
        if len(X) < length:
            raise DataError(f"{len(X)} points are fewer than a window of {length} (seq_len): score more at once")
        starts = np.arange(0, len(X) - length + 1, stride)
        mean = OverlapMean(length, stride, (1, X.shape[1]))
        together = 1 if self._device.type == "cpu" else max(1, ROWS // X.shape[1])
        parts = []
        for batch in np.split(starts, range(together, len(starts), together)):
            scores = self.window_scores(np.stack([X[start : start + length] for start in batch]))
            parts += [mean.add(window[None])[0] for window in scores]
        last = self.window_scores(X[None, -length:])
        parts.append(mean.finish(last, len(X) - starts[-1] - length)[0])
        return np.concatenate(parts)


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _section(sections: dict, name: str, source: str) -> dict:
    """Return a section of a configuration, empty where there is none."""
    section = sections.get(name) or {}
    if not isinstance(section, dict):
        raise ConfigError(f"{source}: {name}: expected keys with values, got {section!r}")
    return section


def _own_random_numbers(device: torch.device):
    """Return a context that leaves PyTorch's random numbers as they were."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])
