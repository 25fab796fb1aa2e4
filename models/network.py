"""What a network offers, ability by ability: it scores windows or sequences, all else is optional.

``network(x)`` on windows x of shape (B, T, C) returns an output whose ``loss`` (a tensor of shape ()) is to be
minimised, or, where training is closed-form, only compared.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor


@runtime_checkable
class ScoresWindows(Protocol):
    """Scores each point of a window."""

    def score(self, x: Tensor, /) -> Tensor:
        """Return the scores (B, T, C) of windows x in evaluation mode without gradients.

        They are (B, T, 1) where the method has none for each channel.
        """


@runtime_checkable
class ScoresSequences(Protocol):
    """Scores windows' last points, where a score compares neighbouring ones.

    ``network.look_ahead``, where there is one, is the number of points behind a point that its score needs as well, as
    far as there are any.
    """

    def represent(self, x: Tensor, /) -> Tensor:
        """Return something of the last point of each window x, (B, …), in evaluation mode without gradients."""

    def score_sequence(self, represented: Tensor, /) -> Tensor:
        """Return the scores (n, C) of n points in a row, each from its representation (n, …) and the one before.

        It works on the CPU.
        """


@runtime_checkable
class FitsWindows(Protocol):
    """Trains in closed form; `network.rows_by_fitting` names the weights whose number of rows that decides on."""

    def fit_windows(self, batches: Iterable[Tensor], /) -> None:
        """Learn from batches of windows (B, T, C) at once."""


@runtime_checkable
class FollowsSteps(Protocol):
    """Has something that follows the weights."""

    def after_step(self) -> None:
        """Do what follows a gradient step."""


@runtime_checkable
class Calibrates(Protocol):
    """Measures scores by those of the training windows."""

    def calibrate(self, batches: Iterable[Tensor], /) -> None:
        """Learn from batches of windows (B, T, C), with the best weights at the end of the training.

        What is learned is in the state dict.
        """


@runtime_checkable
class Reconstructs(Protocol):
    """Compares windows with what it makes of them."""

    def reconstruct(self, x: Tensor, /) -> Tensor:
        """Return the reconstruction (B, T, C) of windows x in evaluation mode without gradients."""


@runtime_checkable
class AdjustsSeries(Protocol):
    """Changes the scores of a whole part afterwards, by the published protocol."""

    def adjust_series(self, scores: np.ndarray, /) -> np.ndarray:
        """Return the adjusted scores (n, C)."""


@runtime_checkable
class SharesStatistics(Protocol):
    """Learns from a batch by other ways than gradients."""

    def share_statistics(self, total: Callable[[Tensor], Tensor], /) -> None:
        """Sum what is learned so over all processes by `total`."""


@runtime_checkable
class LoadsOfficial(Protocol):
    """Has checkpoints of a published implementation."""

    def load_official(self, state_dict: dict[str, Tensor], /) -> None:
        """Take over published weights."""
