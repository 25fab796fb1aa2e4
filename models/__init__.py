"""The models. A model is a folder here with a settings class and a network, plus one line in `DETECTORS`.

`network` describes a network's abilities, `settings` its settings. README.md shows how to add a model.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from torch import nn

from models.AxonAD import AxonAD, AxonADConfig
from models.AxonAD import suggest as suggest_axonad
from models.CrossAD import CrossAD, CrossADConfig
from models.CrossAD import suggest as suggest_crossad
from models.DualSTF import DualSTF, DualSTFConfig
from models.DualSTF import suggest as suggest_dualstf
from models.MIXAD import MIXAD, MIXADConfig, rank_channels
from models.MIXAD import suggest as suggest_mixad
from models.Nearest import Nearest, NearestConfig
from models.Nearest import suggest as suggest_nearest
from models.NearestPCA import NearestPCA, NearestPCAConfig
from models.PCA import PCA, PCAConfig
from models.PCA import suggest as suggest_pca
from models.scores import geometric_mean
from models.settings import ConfigError, ModelSettings, Settings
from models.suggestion import Suggestion

__all__ = [
    "AUTO",
    "DEFAULT",
    "DETECTORS",
    "ONE_CHANNEL",
    "SEVERAL_CHANNELS",
    "ConfigError",
    "Model",
    "ModelSettings",
    "Settings",
    "Suggestion",
    "automatic",
]


def _by_mean(scores: np.ndarray) -> np.ndarray:
    """Rank the channels of an event by their mean score (points, C), the highest first."""
    return np.argsort(-scores.mean(axis=0), kind="stable")


class Model(NamedTuple):
    """What the rest of the project knows about a model.

    Attributes
    ----------
    config : type
        Its settings.
    network : callable
        Builds the network from the settings and, unless `channel_independent`, the number of channels.
    channel_independent : bool
        The network treats each channel separately and all in the same way.
    point_score : {"mean", "max"}
        How a point's score is computed from the scores of its channels.
    errors : int
        How many errors of each channel the network's `score` has: (B, T, errors · C). A channel's score is their
        geometric mean.
    suggest : callable or None
        (length, channels, period or None) → `Suggestion` for a training series with that many points and channels.
        None: the settings' defaults.
    rank_channels : callable
        Scores (points, C) of an event → the channels' indices (C,), the likeliest cause first.
    """

    config: type[ModelSettings]
    network: Callable[..., nn.Module]
    channel_independent: bool = False
    point_score: Literal["mean", "max"] = "mean"
    errors: int = 1
    suggest: Callable[[int, int, int | None], Suggestion] | None = None
    rank_channels: Callable[[np.ndarray], np.ndarray] = _by_mean

    @property
    def closed_form(self) -> bool:
        """Whether training takes no gradient steps."""
        return hasattr(self.network, "fit_windows")

    @property
    def reconstructs(self) -> bool:
        """Whether a value can be compared with one that the network expects."""
        return hasattr(self.network, "reconstruct")

    def build(self, config: ModelSettings, channels: int) -> nn.Module:
        """Return a new network for windows with this many channels."""
        return self.network(config) if self.channel_independent else self.network(config, channels)

    def score_channels(self, scores: np.ndarray) -> np.ndarray:
        """Return the scores of channels, (…, C), from the network's scores (…, errors · C)."""
        channels = scores.shape[-1] // self.errors
        return geometric_mean(scores.reshape(*scores.shape[:-1], self.errors, channels), axis=-2)

    def score_points(self, scores: np.ndarray) -> np.ndarray:
        """Return the score of each point, (n,), from the scores (n, C) of its channels."""
        return getattr(scores, self.point_score)(axis=1)


DETECTORS = {
    "AxonAD": Model(AxonADConfig, AxonAD, suggest=suggest_axonad),
    "CrossAD": Model(CrossADConfig, CrossAD, channel_independent=True, suggest=suggest_crossad),
    "DualSTF": Model(DualSTFConfig, DualSTF, suggest=suggest_dualstf),
    "MIXAD": Model(MIXADConfig, MIXAD, point_score="max", suggest=suggest_mixad, rank_channels=rank_channels),
    "Nearest": Model(NearestConfig, Nearest, suggest=suggest_nearest),
    "NearestPCA": Model(NearestPCAConfig, NearestPCA, errors=2, suggest=suggest_nearest),
    "PCA": Model(PCAConfig, PCA, suggest=suggest_pca),
}
DEFAULT = "CrossAD"
AUTO = "auto"  # in place of a model's name, for a series of a user
# The models that AUTO stands for, with the reason.
ONE_CHANNEL = (
    "Nearest",
    "far ahead of a trained network on a single channel, and it takes seconds (docs/own-series.md)",
)
SEVERAL_CHANNELS = (
    "NearestPCA",
    "with several channels as good as the better of its two parts, or nearly so, and ahead of a trained network, in a "
    "fraction of the time (docs/own-series.md)",
)


def automatic(channels: int) -> tuple[str, str]:
    """Return the name of the model that AUTO stands for on a series with this many channels, and the reason."""
    return SEVERAL_CHANNELS if channels > 1 else ONE_CHANNEL
