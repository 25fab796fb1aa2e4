"""The recurrent graph convolutions: encoder and decoder.

Internally, features come first, then windows and channels: (f, B, N). The products with the graph, over channels, and
with the weights, over features, are then both single large matrix products, with nothing to rearrange in between.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .config import MIXADConfig


def merge_identities(weights: Tensor, terms: int) -> Tensor:
    """Convert the published weights of a graph convolution to this network's.

    The first Chebyshev term of both graphs is the identity, so the maps of these two terms can be added.

    Parameters
    ----------
    weights : Tensor of shape (2 · terms · f, o)
        Stacked: the terms of the first graph, then those of the second.
    terms : int

    Returns
    -------
    Tensor of shape (o, (2 · terms − 1) · f)
    """
    first, second = weights.T.unflatten(1, (2, terms, -1)).unbind(1)  # (o, terms, f)
    merged = torch.cat([first[:, :1] + second[:, :1], first[:, 1:], second[:, 1:]], dim=1)
    return merged.flatten(1)


class GraphConvolution(nn.Module):
    """Mix the features of each channel and, through the Chebyshev terms of two graphs, of its neighbours.

    Parameters
    ----------
    inputs, outputs : int
        Features of a channel before and after.
    terms : int
        Chebyshev terms of each graph.
    """

    def __init__(self, inputs: int, outputs: int, terms: int):
        super().__init__()
        published = nn.init.xavier_normal_(torch.empty(2 * terms * inputs, outputs))
        self.weight = nn.Parameter(merge_identities(published, terms))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, features: Tensor, terms: Sequence[Tensor]) -> Tensor:
        """Map features (f, B, N), given all Chebyshev terms (N, N) but the identity, to (o, B, N)."""
        mixed = torch.cat([features, *(features @ term.mT for term in terms)]).flatten(1)  # (terms · f, B · N)
        output = torch.addmm(self.bias[:, None], self.weight, mixed)
        # In mixed precision the products are narrower; the state, which passes through all steps, keeps its precision.
        return output.unflatten(1, features.shape[1:]).to(features.dtype)


class RecurrentCell(nn.Module):
    """A gated recurrent unit whose linear maps are graph convolutions.

    Parameters
    ----------
    inputs, units : int
        Features of a channel in the input and in the state.
    terms : int
        Chebyshev terms of each graph.
    """

    def __init__(self, inputs: int, units: int, terms: int):
        super().__init__()
        self.gates = GraphConvolution(inputs + units, 2 * units, terms)
        self.candidate = GraphConvolution(inputs + units, units, terms)

    def forward(self, x: Tensor, state: Tensor, terms: Sequence[Tensor]) -> Tensor:
        """Return the next state (u, B, N) for an input x (f, B, N) and a state (u, B, N)."""
        used, kept = self.gates(torch.cat([x, state]), terms).sigmoid().chunk(2)
        candidate = self.candidate(torch.cat([x, used * state]), terms).tanh()
        return torch.lerp(candidate, state, kept)


class Encoder(nn.Module):
    """Read a window point by point."""

    def __init__(self, config: MIXADConfig):
        super().__init__()
        self.units = config.rnn_units
        inputs = [1] + [self.units] * (config.num_rnn_layers - 1)
        self.cells = nn.ModuleList(RecurrentCell(width, self.units, config.max_diffusion_step) for width in inputs)

    def forward(self, windows: Tensor, terms: Sequence[Tensor]) -> Tensor:
        """Return the last layer's state (u, B, N) at the end of windows (T, B, N)."""
        states = [windows.new_zeros(self.units, *windows.shape[1:])] * len(self.cells)
        for point in windows[:, None]:  # (1, B, N)
            states = _step(self.cells, point, states, terms)
        return states[-1]


class Decoder(nn.Module):
    """Write a window from its last point to its first."""

    def __init__(self, config: MIXADConfig):
        super().__init__()
        units = config.rnn_units + config.mem_dim
        inputs = [1] + [units] * (config.num_rnn_layers - 1)
        self.cells = nn.ModuleList(RecurrentCell(width, units, config.max_diffusion_step) for width in inputs)
        self.projection = nn.Linear(units, 1)

    def forward(self, state: Tensor, windows: Tensor, feeds_truth: Tensor, terms: Sequence[Tensor]) -> Tensor:
        """Reconstruct windows.

        Parameters
        ----------
        state : Tensor of shape (u, B, N)
            That of every layer before the first step.
        windows : Tensor of shape (T, B, N)
        feeds_truth : bool Tensor of shape (T,)
            For each step, whether the next one is fed the true value instead of the one just written.
        terms : sequence of Tensors of shape (N, N)

        Returns
        -------
        Tensor of shape (T, B, N)
        """
        states = [state] * len(self.cells)
        point = torch.zeros_like(windows[:1])
        written = []
        for truth, is_fed in zip(windows.flip(0)[:, None], feeds_truth, strict=True):
            states = _step(self.cells, point, states, terms)
            point = torch.addmm(self.projection.bias[:, None], self.projection.weight, states[-1].flatten(1))
            point = point.view_as(truth).to(truth.dtype)
            written.append(point)
            point = torch.where(is_fed, truth, point)
        return torch.cat(written[::-1])


def truth_probability(batches: Tensor, decay: int) -> Tensor:
    """Return the probability of feeding a true value after `batches`: decay / (decay + exp(batches / decay))."""
    # In this form the exponential does not overflow.
    return torch.sigmoid(math.log(decay) - batches / decay)


def _step(cells: nn.ModuleList, x: Tensor, states: list[Tensor], terms: Sequence[Tensor]) -> list[Tensor]:
    """Return the next states of stacked cells."""
    after = []
    for cell, state in zip(cells, states, strict=True):
        x = cell(x, state, terms)
        after.append(x)
    return after
