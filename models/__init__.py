"""The detectors. A detector is a folder here, with a settings class and a network, and one line in `DETECTORS`.

What the experiment asks of a network:

* ``network(x)`` on windows x of shape (B, T, C) returns an output whose ``loss`` is to be minimised;
* ``network.score(x)`` returns the scores (B, T, C) in evaluation mode without gradients;
* ``network.share_statistics(total)``, where the network learns from a batch by other ways than gradients;
* ``network.load_official(state_dict)``, where checkpoints of a published implementation exist.

And of its settings: ``seq_len``, the window's length T.
"""

from typing import NamedTuple

from torch import nn

from models.CrossAD import CrossAD, CrossADConfig
from models.settings import ConfigError, Settings

__all__ = ["DETECTORS", "ConfigError", "Detector", "Settings"]


class Detector(NamedTuple):
    """A detector's settings class and its network, which is built from the settings."""

    config: type[Settings]
    network: type[nn.Module]


DETECTORS = {
    "CrossAD": Detector(CrossADConfig, CrossAD),
}
