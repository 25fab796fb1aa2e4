"""The models. A model is a folder here with a settings class and a network, plus one line in `DETECTORS`.

What a network offers:

* ``network(x)`` on windows x of shape (B, T, C) returns an output whose ``loss`` (a tensor of shape ()) is to be
  minimised, or, if training is closed-form, only compared; in that case also
* ``network.fit_windows(batches)``, which learns from an iterator of batches (B, T, C) at once;
* ``network.score(x)`` returns the scores (B, T, C) in evaluation mode without gradients, (B, T, 1) if the method has
  none for single channels; or, if a score compares neighbouring points, these two:
* ``network.represent(x)`` returns a representation of each window's last point, a tensor (B, …), in the same mode, and
  ``network.score_sequence(represented)`` turns those of n consecutive points, (n, …) on the CPU, into scores (n, C),
  each from its point and the previous one, and, with
* ``network.look_ahead``, from up to this many points after it, if they exist;
* ``network.adjust_series(scores)``, if the published protocol changes the scores (n, C) of a whole part afterwards;
* ``network.rows_by_fitting``, the names of weights whose number of rows is determined by fitting;
* ``network.after_step()``, called after each gradient step, if something follows the weights;
* ``network.calibrate(batches)``, if scores are relative to those of the training windows: called with the best
  weights at the end of training, with an iterator of batches (B, T, C); what it learns is in the state dict;
* ``network.share_statistics(total)``, if the network learns from a batch by means other than gradients;
* ``network.load_official(state_dict)``, if checkpoints of a published implementation exist.

And its settings: ``seq_len``, the window's length T. README.md shows how to add a model.
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
from models.PCA import PCA, PCAConfig
from models.PCA import suggest as suggest_pca
from models.settings import ConfigError, Settings
from models.suggestion import Suggestion

__all__ = ["DEFAULT", "DETECTORS", "ConfigError", "Model", "Settings", "Suggestion"]


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
    suggest : callable or None
        (length, channels, period or None) → `Suggestion` for a training series with that many points and channels.
        None: the settings' defaults.
    rank_channels : callable
        Scores (points, C) of an event → the channels' indices (C,), the likeliest cause first.
    """

    config: type[Settings]
    network: Callable[..., nn.Module]
    channel_independent: bool = False
    point_score: Literal["mean", "max"] = "mean"
    suggest: Callable[[int, int, int | None], Suggestion] | None = None
    rank_channels: Callable[[np.ndarray], np.ndarray] = _by_mean

    @property
    def closed_form(self) -> bool:
        """Whether training takes no gradient steps."""
        return hasattr(self.network, "fit_windows")

    def build(self, config: Settings, channels: int) -> nn.Module:
        """Return a new network for windows with this many channels."""
        return self.network(config) if self.channel_independent else self.network(config, channels)

    def score_points(self, scores):
        """Return the score of each point, (n,), from the scores (n, C) of its channels."""
        return getattr(scores, self.point_score)(axis=1)


DETECTORS = {
    "AxonAD": Model(AxonADConfig, AxonAD, suggest=suggest_axonad),
    "CrossAD": Model(CrossADConfig, CrossAD, channel_independent=True, suggest=suggest_crossad),
    "DualSTF": Model(DualSTFConfig, DualSTF, suggest=suggest_dualstf),
    "MIXAD": Model(MIXADConfig, MIXAD, point_score="max", suggest=suggest_mixad, rank_channels=rank_channels),
    "PCA": Model(PCAConfig, PCA, suggest=suggest_pca),
}
DEFAULT = "CrossAD"
