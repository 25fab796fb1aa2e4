"""Windows judged by their most similar training windows and by their principal components."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.Nearest import Nearest
from models.PCA import PCA

from .config import NearestPCAConfig


class NearestPCAOutput(NamedTuple):
    """The result of a forward pass.

    Attributes
    ----------
    loss : Tensor of shape ()
        The geometric mean of the two losses.
    """

    loss: Tensor


class NearestPCA(nn.Module):
    """Nearest and PCA on the same windows, with an error of each for every channel.

    Nearest compares each channel by itself and knows any shape that the training part has; it does not see that
    channels no longer fit each other. PCA sees that, and takes for normal whatever its components can compose. A
    channel's score is the geometric mean of the two errors, so that neither raises an alarm alone.

    Parameters
    ----------
    config : NearestPCAConfig
    channels : int
        C, 1 or more.

    Attributes
    ----------
    nearest : Nearest
    pca : PCA
    """

    rows_by_fitting = (
        *(f"nearest.{name}" for name in Nearest.rows_by_fitting),
        *(f"pca.{name}" for name in PCA.rows_by_fitting),
    )

    smallest_block = Nearest.smallest_block

    def __init__(self, config: NearestPCAConfig, channels: int):
        super().__init__()
        self.config = config
        self.nearest = Nearest(config, channels)
        self.pca = PCA(config, channels)

    def fit_windows(self, batches: Iterable[Tensor]) -> None:
        """Learn windows, given in batches of shape (B, T, C)."""
        kept = list(batches)
        self.nearest.fit_windows(kept)
        self.pca.fit_windows(kept)

    def forward(self, x: Tensor) -> NearestPCAOutput:
        """Compare windows x of shape (B, T, C) with what both expect."""
        return NearestPCAOutput((self.nearest(x).loss * self.pca(x).loss).sqrt())

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Return the errors (B, T, 2 · C) of windows x: first those of Nearest for all channels, then those of PCA."""
        return torch.cat([self.nearest.score(x), self.pca.score(x)], dim=2)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean of what both expect in place of windows x, all of shape (B, T, C)."""
        return (self.nearest.reconstruct(x) + self.pca.reconstruct(x)) / 2
