"""The detectors. A detector is a folder here, with a settings class and a network, and one line in `DETECTORS`.

What the experiment asks of a network:

* ``network(x)`` on windows x of shape (B, T, C) returns an output whose ``loss`` is to be minimised;
* ``network.score(x)`` returns the scores (B, T, C) in evaluation mode without gradients, (B, T, 1) where the method has
  none for each channel; or, where a score compares neighbouring points, these two:
* ``network.represent(x)`` returns something of each window's last point, a tensor (B, …), in the same mode, and
  ``network.score_sequence(represented)`` turns (n, …), that of n points in a row on the CPU, into scores (n, C);
* ``network.share_statistics(total)``, where the network learns from a batch by other ways than gradients;
* ``network.load_official(state_dict)``, where checkpoints of a published implementation exist.

And of its settings: ``seq_len``, the window's length T. README.md shows how to add one.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import nn

from models.CrossAD import CrossAD, CrossADConfig
from models.DualSTF import DualSTF, DualSTFConfig
from models.MIXAD import MIXAD, MIXADConfig
from models.settings import ConfigError, Settings

__all__ = ["DETECTORS", "ConfigError", "Detector", "Settings"]


class Detector(NamedTuple):
    """What the experiment knows of a detector.

    Attributes
    ----------
    config : type
        Its settings.
    network : callable
        Builds the network from the settings and, unless `channel_independent`, the number of channels.
    channel_independent : bool
        The network treats each channel by itself, and all alike.
    point_score : {"mean", "max"}
        What a point's score is of the scores of its channels.
    """

    config: type[Settings]
    network: Callable[..., nn.Module]
    channel_independent: bool = False
    point_score: Literal["mean", "max"] = "mean"

    def build(self, config: Settings, channels: int) -> nn.Module:
        """Return a new network for windows of so many channels."""
        return self.network(config) if self.channel_independent else self.network(config, channels)

    def score_points(self, scores):
        """Return the score of each point, (n,), from the scores (n, C) of its channels."""
        return getattr(scores, self.point_score)(axis=1)


DETECTORS = {
    "CrossAD": Detector(CrossADConfig, CrossAD, channel_independent=True),
    "DualSTF": Detector(DualSTFConfig, DualSTF),
    "MIXAD": Detector(MIXADConfig, MIXAD, point_score="max"),
}
