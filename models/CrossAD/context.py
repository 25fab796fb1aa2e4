"""The context: a query per window, what it finds in the window, and prototypes learned over all windows."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import CrossADConfig
from .layers import ExtractorLayer


class PeriodAwareRouter(nn.Module):
    """Choose a query for each window by the window's strongest frequencies."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.topk = config.topk
        self.linear = nn.Linear(config.seq_len, config.n_query)

    def forward(self, windows: Tensor) -> Tensor:
        """Return one-hot choices of shape (N, n) for windows of shape (N, T), differentiable straight through."""
        spectrum = torch.fft.rfft(windows.float())
        strongest = spectrum.abs().topk(self.topk, dim=-1).indices
        kept = torch.zeros_like(spectrum).scatter(-1, strongest, spectrum.gather(-1, strongest))
        periodic = torch.fft.irfft(kept, n=windows.shape[-1])
        return F.gumbel_softmax(self.linear(periodic).float(), tau=1.0, hard=True)


class GlobalContext(nn.Module):
    """K prototypes of sub-series representations, moving averages over the training windows.

    Attributes
    ----------
    prototypes, sums : Tensors of shape (K, Lq, d)
    counts : Tensor of shape (K,)
    sum_over_processes : callable
        Sums a tensor over the processes that train together; in a single one the identity.
    """

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.decay, self.epsilon = config.decay, config.epsilon
        shape = (config.bank_size, config.query_len, config.d_model)
        self.register_buffer("prototypes", torch.randn(shape))
        self.register_buffer("counts", torch.ones(config.bank_size))
        self.register_buffer("sums", torch.zeros(shape))
        self.sum_over_processes: Callable[[Tensor], Tensor] = lambda own: own

    def forward(self, representations: Tensor) -> tuple[Tensor, Tensor]:
        """Move the prototypes towards the representations that are nearest to them.

        Parameters
        ----------
        representations : Tensor of shape (N, Lq, d)

        Returns
        -------
        prototypes : Tensor of shape (K, Lq, d)
            The moved prototypes; their gradient goes, unchanged, to the representations that took them.
        distance : Tensor of shape ()
            Mean squared difference between the representations and the prototypes that they took, before the move.
        """
        flat = representations.float().flatten(1)  # (N, Lq·d)
        with torch.no_grad():
            old = self.prototypes.flatten(1)
            nearest = (old.square().sum(1) - 2 * flat @ old.T).argmin(1)
            taken = F.one_hot(nearest, len(old)).to(flat.dtype)  # (N, K)
            distance = F.mse_loss(flat, old[nearest])
        sums = self.sum_over_processes((taken.T @ flat).view_as(self.sums))
        with torch.no_grad():
            self._move(self.sum_over_processes(taken.sum(0)), sums)
        # Zero in value: it only leads the gradient past the moving averages.
        return self.prototypes + (sums - sums.detach()), distance

    def _move(self, counts: Tensor, sums: Tensor) -> None:
        counts = self.counts * self.decay + counts * (1 - self.decay)
        total = counts.sum()
        values = self.sums[0].numel()
        self.counts.copy_((counts + self.epsilon) / (total + values * self.epsilon) * total)
        self.sums.mul_(self.decay).add_(sums, alpha=1 - self.decay)
        self.prototypes.copy_(self.sums / self.counts[:, None, None])


class Context(nn.Module):
    """The query library with its router, the extractor, and the global context."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.n_query, config.query_len, config.d_model))
        self.router = PeriodAwareRouter(config)
        self.bank = GlobalContext(config)
        self.extractor = nn.ModuleList(ExtractorLayer(config) for _ in range(config.m_layers))

    def forward(self, windows: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Learn from windows of shape (N, T) with their encoded tokens (N, P, d); only while training.

        Returns
        -------
        As `GlobalContext.forward`.
        """
        choice = self.router(windows)  # (N, n)
        query = (choice @ self.queries.flatten(1)).unflatten(1, self.queries.shape[1:])  # (N, Lq, d)
        for layer in self.extractor:
            query = layer(query, encoded)
        return self.bank(query)
