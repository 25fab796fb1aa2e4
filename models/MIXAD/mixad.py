"""MIXAD: channels on a graph built from a memory and compared with it (ICPR 2024, arXiv 2410.22735)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.network import in_evaluation_mode
from models.settings import ConfigError

from .cells import Decoder, Encoder, truth_probability
from .config import MIXADConfig
from .graph import chebyshev_terms, draw_edges, edge_probabilities, likelier_edges, scaled_laplacian
from .loss import consistency, contrast, masked_absolute_error, unequal_use
from .memory import Memory, Read
from .official import from_official
from .score import divergences, without_season


class MIXADOutput(NamedTuple):
    """The result of a forward pass.

    Attributes
    ----------
    loss : Tensor of shape ()
        To be minimised.
    reconstruction : Tensor of shape (B, T, C)
    query, value, positive, negative : Tensors of shape (B, C, d)
        As in `memory.Read`, at each window's last point.
    attention : Tensor of shape (B, C, S)
        Attention to the memory's slots at each window's last point.
    adjacency : Tensor of shape (2, C, C)
        The two graphs, of zeros and ones.
    """

    loss: Tensor
    reconstruction: Tensor
    query: Tensor
    attention: Tensor
    value: Tensor
    positive: Tensor
    negative: Tensor
    adjacency: Tensor


class MIXAD(nn.Module):
    """The network.

    Parameters
    ----------
    config : MIXADConfig
    channels : int
        C, the nodes of the graph.

    Attributes
    ----------
    batches : Tensor of shape ()
        Number of batches trained on so far, which drives the curriculum.

    Raises
    ------
    ConfigError
        When there are fewer than two channels.
    """

    # Channels of windows that a CPU processes at once: enough for efficient matrix products, few enough for its cache.
    chunk = 1024

    batches: Tensor

    def __init__(self, config: MIXADConfig, channels: int):
        super().__init__()
        if channels < 2:
            raise ConfigError(f"MIXAD needs a graph of two channels or more, but the data has {channels}")
        self.config = config
        self.memory = Memory(config, channels)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> MIXADOutput:
        """Reconstruct windows x of shape (B, T, C).

        In training mode, the graphs are drawn first, then the true values that the decoder is fed; the batch is
        counted.
        """
        adjacency = self._graphs()
        terms = self._terms(adjacency)
        feeds_truth = self._curriculum(x)
        parts = [self._reconstruct(part, feeds_truth, terms) for part in self._parts(x)]
        reconstructions, reads = zip(*parts, strict=True)
        reconstruction = torch.cat(reconstructions, dim=1).transpose(0, 1)
        read = Read(*(torch.cat(tensors) for tensors in zip(*reads, strict=True)))
        return MIXADOutput(self._loss(x, reconstruction, read), reconstruction, *read, adjacency)

    @in_evaluation_mode
    def represent(self, x: Tensor) -> Tensor:
        """Return the attention (B, C, S) to the memory's slots at the last points of windows x of shape (B, T, C)."""
        terms = self._terms(self._graphs())
        return torch.cat([self._read(self.encoder(part, terms)).attention for part in self._parts(x)])

    def score_sequence(self, representation: Tensor) -> Tensor:
        """Return the divergence between neighbouring points from their representations; see `score.divergences`.

        Parameters
        ----------
        representation : Tensor of shape (n, C, S)
            On the CPU, from windows with stride 1.

        Returns
        -------
        float64 Tensor of shape (n, C)
        """
        return torch.from_numpy(divergences(representation.numpy()))

    def adjust_series(self, scores: np.ndarray) -> np.ndarray:
        """Return the scores (n, C) of a whole part minus their seasonal component, as published."""
        return without_season(scores)

    def load_official(self, state_dict: dict[str, Tensor]) -> None:
        """Load the weights of a published checkpoint, given as its flat state dict; the curriculum restarts.

        Raises
        ------
        ConfigError
            When its keys or shapes do not fit this model's configuration and channels.
        """
        self.load_state_dict(from_official(state_dict, self.state_dict(), self.config))

    def _graphs(self) -> Tensor:
        """Return the adjacency (2, C, C) from the channels' first to their second embeddings, and back."""
        first, second = self.memory.embeddings()
        probabilities = edge_probabilities(torch.stack([first, second]), torch.stack([second, first])).float()
        if self.training or self.config.graph == "sample":
            return draw_edges(probabilities)
        return likelier_edges(probabilities)

    def _terms(self, adjacency: Tensor) -> Sequence[Tensor]:
        """Return the Chebyshev terms of both graphs except the identity, each of shape (C, C)."""
        return chebyshev_terms(scaled_laplacian(adjacency), self.config.max_diffusion_step).flatten(0, 1).unbind()

    def _curriculum(self, x: Tensor) -> Tensor:
        """Return after which of the decoder's T steps it is fed the true value of windows x."""
        if not (self.training and self.config.use_curriculum_learning):
            return torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        probability = truth_probability(self.batches, self.config.cl_decay_steps)
        self.batches += 1
        return torch.rand(x.shape[1], device=x.device) < probability

    def _parts(self, x: Tensor) -> Sequence[Tensor]:
        """Split windows x (B, T, C) into parts (T, b, C) that are processed at once."""
        windows = x.transpose(0, 1)
        size = max(self.chunk // x.shape[2], 1) if x.device.type == "cpu" else max(len(x), 1)
        return windows.split(size, dim=1)

    def _reconstruct(self, windows: Tensor, feeds_truth: Tensor, terms: Sequence[Tensor]) -> tuple[Tensor, Read]:
        """Return the reconstruction of windows, both (T, b, C), and what they find in the memory."""
        state = self.encoder(windows, terms)  # (u, b, C)
        read = self._read(state)
        state = torch.cat([state, read.value.permute(2, 0, 1)])
        return self.decoder(state, windows, feeds_truth, terms), read

    def _read(self, state: Tensor) -> Read:
        return self.memory(state.permute(1, 2, 0))

    def _loss(self, x: Tensor, reconstruction: Tensor, read: Read) -> Tensor:
        config = self.config
        return (
            masked_absolute_error(reconstruction, x)
            + config.lamb_cont * contrast(read.query, read.positive, read.negative, config.margin)
            + config.lamb_cons * consistency(read.query, read.positive)
            + config.lamb_kl * unequal_use(read.attention)
        )
