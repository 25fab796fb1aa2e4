"""Windows reconstructed by the most similar windows of the training series."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .config import NearestConfig


class NearestOutput(NamedTuple):
    """What a forward pass gives.

    Attributes
    ----------
    loss : Tensor of shape ()
        Mean squared difference.
    difference : Tensor of shape (B, T, C)
        To the most similar training window, whose mean counts in part only.
    """

    loss: Tensor
    difference: Tensor


class Nearest(nn.Module):
    """Nearest neighbours of windows, channel by channel.

    A window's level says less than its shape: before windows are compared, most of their mean is taken away, so that a
    squared difference of means has the weight `level_weight`.

    Parameters
    ----------
    config : NearestConfig
    channels : int
        C, 1 or more.

    Attributes
    ----------
    windows : Tensor of shape (M, C, T)
        Windows of the training series, as they are compared.

    References
    ----------
    C.-C. M. Yeh et al., "Matrix Profile I: All Pairs Similarity Joins for Time Series", ICDM 2016 (the join of two
    series: here test and training part, with squared differences of windows that aren't divided by their own standard
    deviations).
    """

    rows_by_fitting = ("windows",)

    windows: Tensor

    def __init__(self, config: NearestConfig, channels: int):
        super().__init__()
        self.config = config
        self.register_buffer("windows", torch.zeros(1, channels, config.seq_len))

    def fit_windows(self, batches: Iterable[Tensor]) -> None:
        """Remember windows, given in batches of shape (B, T, C)."""
        self.windows = torch.cat([self._compared(batch) for batch in batches])

    def forward(self, x: Tensor) -> NearestOutput:
        """Compare windows x of shape (B, T, C) with the most similar ones."""
        compared = self._compared(x).transpose(0, 1)  # (C, B, T)
        known = self.windows.transpose(0, 1)  # (C, M, T)
        # The squared distances but for the squares of x, which are the same for every known window.
        distances = known.square().sum(dim=2)[:, None] - 2 * compared @ known.transpose(1, 2)  # (C, B, M)
        nearest = distances.argmin(dim=2)  # (C, B)
        channel = torch.arange(len(known), device=x.device)[:, None]
        difference = (compared - known[channel, nearest]).permute(1, 2, 0)  # (B, T, C)
        return NearestOutput(difference.square().mean(), difference)

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Return the squared differences (B, T, C) of windows x from the most similar ones."""
        return self(x).difference.square()

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return what windows x (B, T, C) would be if they were like the most similar ones."""
        return x - self(x).difference

    def _compared(self, x: Tensor) -> Tensor:
        """Return windows (B, T, C) as they are compared, (B, C, T)."""
        kept = math.sqrt(self.config.level_weight)
        return (x - (1 - kept) * x.mean(dim=1, keepdim=True)).transpose(1, 2).contiguous()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *arguments: Any) -> None:
        # Only the weights know how many windows there are.
        found = state_dict.get(f"{prefix}windows")
        if found is not None and found.ndim == 3 and found.shape[1:] == self.windows.shape[1:]:
            self.windows = self.windows.new_empty(found.shape)
        super()._load_from_state_dict(state_dict, prefix, *arguments)
