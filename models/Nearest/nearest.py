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
        Mean error.
    difference : Tensor of shape (B, T, C)
        To the most similar training window, whose mean counts in part only.
    errors : Tensor of shape (B, T, C)
        The square of the difference, and that of the parts times how much shorter they are.
    """

    loss: Tensor
    difference: Tensor
    errors: Tensor


class Nearest(nn.Module):
    """Nearest neighbours of windows and of their parts, channel by channel.

    A window's level says less than its shape: before windows are compared, most of their mean is taken away, so that a
    squared difference of means has the weight `level_weight`. A part finds a similar one more easily than a window
    does, the shorter the more, which its weight makes up for.

    Parameters
    ----------
    config : NearestConfig
    channels : int
        C, 1 or more.

    Attributes
    ----------
    windows : Tensor of shape (M, C, T)
        Windows of the training series, as they are compared.
    pieces : Tensor of shape (M, C, P)
        The first part of each of them, as it is compared; P is T / parts, rounded up.

    References
    ----------
    C.-C. M. Yeh et al., "Matrix Profile I: All Pairs Similarity Joins for Time Series", ICDM 2016 (the join of two
    series: here test and training part, with squared differences of windows that aren't divided by their own standard
    deviations).
    """

    rows_by_fitting = ("windows", "pieces")
    smallest_block = 8  # all known windows are read for each block

    windows: Tensor
    pieces: Tensor
    window_squares: Tensor
    piece_squares: Tensor

    def __init__(self, config: NearestConfig, channels: int):
        super().__init__()
        self.config = config
        self.piece = math.ceil(config.seq_len / config.parts)
        self.register_buffer("windows", torch.zeros(1, channels, config.seq_len))
        self.register_buffer("pieces", torch.zeros(1, channels, self.piece))
        for name in ("window_squares", "piece_squares"):  # (C, M), the squared lengths of both
            self.register_buffer(name, torch.zeros(channels, 1), persistent=False)

    def fit_windows(self, batches: Iterable[Tensor]) -> None:
        """Remember windows, given in batches of shape (B, T, C)."""
        windows = torch.cat([batch.transpose(1, 2) for batch in batches])
        self.windows = self._compared(windows)
        self.pieces = self._compared(windows[:, :, : self.piece])
        self._square()

    def _square(self) -> None:
        self.window_squares = self.windows.square().sum(dim=2).T.contiguous()
        self.piece_squares = self.pieces.square().sum(dim=2).T.contiguous()

    def forward(self, x: Tensor) -> NearestOutput:
        """Compare windows x of shape (B, T, C) with the most similar ones."""
        windows = x.transpose(1, 2)
        difference = self._difference(windows, self.windows, self.window_squares)
        errors = difference.square()
        if self.config.parts > 1:
            errors = errors + windows.shape[2] / self.piece * self._errors_of_parts(windows)
        difference, errors = difference.transpose(1, 2), errors.transpose(1, 2)
        return NearestOutput(errors.mean(), difference, errors)

    def _errors_of_parts(self, windows: Tensor) -> Tensor:
        """Return the squared differences (B, C, T) of parts of windows from the most similar ones.

        If the parts do not fit, they overlap, and these points have the mean.
        """
        last = windows.shape[2] - self.piece
        starts = [round(last * part / (self.config.parts - 1)) for part in range(self.config.parts)]
        total, count = torch.zeros_like(windows), torch.zeros_like(windows[0, 0])
        for start in starts:
            inside = slice(start, start + self.piece)
            total[:, :, inside] += self._difference(windows[:, :, inside], self.pieces, self.piece_squares).square()
            count[inside] += 1
        return total / count

    def _difference(self, windows: Tensor, known: Tensor, squares: Tensor) -> Tensor:
        """Return the differences of windows (B, C, L) from the most similar known ones (M, C, L).

        `squares`, (C, M), are the squared lengths of the known ones.
        """
        compared, known = self._compared(windows).transpose(0, 1), known.transpose(0, 1)  # (C, B, L), (C, M, L)
        # The squared distances but for the squares of x, which are the same for every known window.
        distances = squares[:, None] - 2 * compared @ known.transpose(1, 2)  # (C, B, M)
        nearest = distances.argmin(dim=2)  # (C, B)
        channel = torch.arange(len(known), device=windows.device)[:, None]
        return (compared - known[channel, nearest]).transpose(0, 1)

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Return the errors (B, T, C) of windows x."""
        return self(x).errors

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return what windows x (B, T, C) would be if they were like the most similar ones."""
        return x - self(x).difference

    def _compared(self, windows: Tensor) -> Tensor:
        """Return windows (B, C, L) as they are compared."""
        kept = math.sqrt(self.config.level_weight)
        return (windows - (1 - kept) * windows.mean(dim=2, keepdim=True)).contiguous()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *arguments: Any) -> None:
        # Only the weights know how many windows there are.
        for name in self.rows_by_fitting:
            found, own = state_dict.get(f"{prefix}{name}"), getattr(self, name)
            if found is not None and found.ndim == 3 and found.shape[1:] == own.shape[1:]:
                setattr(self, name, own.new_empty(found.shape))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        self._square()
