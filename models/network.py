"""The abilities of a network: it scores windows or sequences; everything else is optional.

``network(x)`` on windows x of shape (B, T, C) returns an output whose ``loss`` (a tensor of shape ()) is to be
minimised, or, where training is closed-form, only compared.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor


@runtime_checkable
class ScoresWindows(Protocol):
    """Scores each point of a window.

    ``network.smallest_block``, if there is one: scoring fewer windows than this at once does not pay.
    """

    def score(self, x: Tensor, /) -> Tensor:
        """Return the scores (B, T, C) of windows x in evaluation mode without gradients (see `in_evaluation_mode`).

        They are (B, T, 1) if the method has none per channel, and (B, T, K · C) if it has K errors of each (see
        `Model.errors`), all channels' of the first kind first.
        """


@runtime_checkable
class ScoresSequences(Protocol):
    """Scores the last points of windows, if a score compares neighbouring points.

    ``network.look_ahead``, if there is one, is the number of later points that a score also needs, if they exist.
    """

    def represent(self, x: Tensor, /) -> Tensor:
        """Return a representation of the last point of each window x, (B, …), in evaluation mode without gradients."""

    def score_sequence(self, represented: Tensor, /) -> Tensor:
        """Return the scores (n, C) of n consecutive points, each from its representation (n, …) and the previous one.

        It runs on the CPU.
        """


@runtime_checkable
class FitsWindows(Protocol):
    """Trains in closed form; `network.rows_by_fitting` names the weights whose number of rows fitting determines."""

    def fit_windows(self, batches: Iterable[Tensor], /) -> None:
        """Learn from batches of windows (B, T, C) at once."""


@runtime_checkable
class FollowsSteps(Protocol):
    """Has something that follows the weights."""

    def after_step(self) -> None:
        """Do what follows a gradient step."""


@runtime_checkable
class Calibrates(Protocol):
    """Relates scores to those of the training windows."""

    def calibrate(self, batches: Iterable[Tensor], /) -> None:
        """Learn from batches of windows (B, T, C), with the best weights at the end of training.

        What is learned is in the state dict.
        """


@runtime_checkable
class Reconstructs(Protocol):
    """Compares windows with what it makes of them."""

    def reconstruct(self, x: Tensor, /) -> Tensor:
        """Return the reconstruction (B, T, C) of windows x in evaluation mode without gradients."""


@runtime_checkable
class AdjustsSeries(Protocol):
    """Adjusts the scores of a whole part afterwards, as in the published protocol."""

    def adjust_series(self, scores: np.ndarray, /) -> np.ndarray:
        """Return the adjusted scores (n, C)."""


@runtime_checkable
class SharesStatistics(Protocol):
    """Learns from a batch by means other than gradients."""

    def share_statistics(self, total: Callable[[Tensor], Tensor], /) -> None:
        """Sum what is learned in this way over all processes with `total`."""


@runtime_checkable
class LoadsOfficial(Protocol):
    """Has checkpoints of a published implementation."""

    def load_official(self, state_dict: dict[str, Tensor], /) -> None:
        """Load published weights."""


def in_evaluation_mode(method: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    """Make a network's method run in evaluation mode without gradients; afterwards its mode is what it was."""

    @wraps(method)
    @torch.no_grad()
    def evaluate(network: Any, x: Tensor) -> Tensor:
        was_training = network.training
        network.eval()
        result = method(network, x)
        network.train(was_training)
        return result

    return evaluate
