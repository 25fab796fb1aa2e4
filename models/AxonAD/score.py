"""AxonAD's score: a window's terms on the scale of the training windows, and the point to which the score belongs."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.settings import ConfigError

from .config import AxonADConfig

LEAST_SPREAD = 1e-6  # as a share of 1 + |median|: a nearly constant term must not inflate the score


def mismatch(predicted: Tensor, true: Tensor) -> Tensor:
    """Return 1 − cos(q̂, q*), of shape (...), for predicted and true queries, both (..., D)."""
    return 1 - (F.normalize(predicted, dim=-1) * F.normalize(true, dim=-1)).sum(-1)


def divergence(query: Tensor, predicted: Tensor, key: Tensor, horizon: int, sharpness: Tensor) -> Tensor:
    """Return KL(p ‖ r) of the attention on the keys up to t − s: p from the true queries, r from the predicted ones.

    Parameters
    ----------
    query, predicted : Tensors of shape (B, H, L, D)
        For a window's last L points, each at s or later.
    key : Tensor of shape (B, H, T, D)
    horizon : int
        s.
    sharpness : Tensor of shape ()
        τ, a factor of the logits of r.

    Returns
    -------
    Tensor of shape (B, H, L)
    """
    points = key.shape[2]
    time = torch.arange(points, device=key.device)
    unseen = time > time[points - query.shape[2] :, None] - horizon  # (L, T)
    logits = torch.stack([query.float(), predicted * sharpness]) @ key.float().mT / math.sqrt(key.shape[3])
    p, r = logits.masked_fill(unseen, -torch.inf).log_softmax(-1)  # (B, H, L, T) each
    return (p.exp() * (p - r).masked_fill(unseen, 0)).sum(-1)


class RobustScale(nn.Module):
    """The sum of a score's terms, each minus its median and divided by its interquartile range over training windows.

    Parameters
    ----------
    config : AxonADConfig

    Attributes
    ----------
    median, spread : Tensors of shape (terms,)
        The spread is 0 until they are known.
    look_ahead : int
        Number of points before a window's last one at which its centre lies, to which its error belongs.
    """

    median: Tensor
    spread: Tensor

    def __init__(self, config: AxonADConfig):
        super().__init__()
        self.terms = config.terms
        self.centred = [term == "error" or config.placement == "centre" for term in self.terms]
        self.look_ahead = (config.seq_len - 1) // 2 if any(self.centred) else 0
        self.register_buffer("median", torch.zeros(len(self.terms)))
        self.register_buffer("spread", torch.zeros(len(self.terms)))

    def fit(self, represented: list[Tensor]) -> None:
        """Learn from the scored quantities of training windows, tensors (B, columns)."""
        values = [torch.stack([columns.sum(1) for columns in self._split(part)], dim=1) for part in represented]
        lower, median, upper = np.quantile(torch.cat(values).numpy(), (0.25, 0.5, 0.75), axis=0)
        spread = np.maximum(upper - lower, LEAST_SPREAD * (1 + np.abs(median)))
        self.median.copy_(torch.from_numpy(median))
        self.spread.copy_(torch.from_numpy(spread))

    def forward(self, represented: Tensor) -> Tensor:
        """Return the scores (n, C), or (n, 1) without errors, of points from the windows that end with them.

        A channel's score is that of a window in which all channels have its error, so the mean over the channels is
        the window's score. The last points of a sequence use the error of its last window.

        Raises
        ------
        ConfigError
            When median and spread are not known.
        """
        median, spread = self.median.double().cpu(), self.spread.double().cpu()
        if not spread.all():
            raise ConfigError(
                "the weights come from an unfinished training or are published ones; they lack the statistics of the "
                "training windows that a score needs: finish the training, with --resume if it was interrupted"
            )
        ends = torch.arange(len(represented))
        centres = (ends + self.look_ahead).clamp(max=len(represented) - 1)
        scores = torch.zeros((), dtype=torch.float64)
        for index, columns in enumerate(self._split(represented.double())):
            values = (columns * columns.shape[1] - median[index]) / spread[index]
            scores = scores + values[centres if self.centred[index] else ends]
        return scores

    def _split(self, represented: Tensor) -> tuple[Tensor, ...]:
        """Cut (n, columns) into terms: the error has a column for each channel, the others have one."""
        others = len(self.terms) - ("error" in self.terms)
        errors = [represented.shape[1] - others] if "error" in self.terms else []
        return represented.split([*errors, *[1] * others], dim=1)
