"""The structural path: how far the points of a window are from prototypes, guided by semantics."""

import math

import torch
from torch import Tensor, nn

from .config import DualSTFConfig
from .dualst import Attention, DualSTBlock, FeedForward
from .spectrum import to_frequencies, to_series


class CircularEmbedding(nn.Module):
    """Map channels to features by circular convolutions along time, averaged over the kernel sizes, and a norm."""

    def __init__(self, config: DualSTFConfig, channels: int):
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, config.d_model, size, padding=size // 2, padding_mode="circular")
            for size in config.kernel_sizes
        )
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Embed windows x of shape (B, L, C) as (B, L, d)."""
        series = x.transpose(1, 2)
        mean = torch.stack([convolution(series) for convolution in self.convolutions]).mean(0)
        return self.norm(mean.transpose(1, 2))


class FeatureBlock(nn.Module):
    """A DualST block across features: a token is a feature's spectrum, mapped from and to its L//2 + 1 frequencies.

    The block, the maps and the learned semantic tokens are shared by real and imaginary parts. The resulting
    semantic tokens are not used outside the block.
    """

    def __init__(self, config: DualSTFConfig):
        super().__init__()
        frequencies = config.seq_len // 2 + 1
        self.semantics = nn.Parameter(torch.randn(1, config.n_tokens, config.d_model))
        self.from_frequencies = nn.Linear(frequencies, config.d_model)
        self.block = DualSTBlock(config)
        self.to_frequencies = nn.Linear(config.d_model, frequencies)

    def forward(self, x: Tensor) -> Tensor:
        """Refine points x of shape (B, L, d)."""
        features = self.from_frequencies(to_frequencies(x).transpose(1, 2))  # (2·B, d, d)
        features, _ = self.block(features, self.semantics)
        return to_series(self.to_frequencies(features).transpose(1, 2), x.shape[1])


class Merge(nn.Module):
    """Self-attention over points and semantic tokens together, then an FFN on the points and an MLP on the tokens.

    Each part reads its input through a norm and is added to it.
    """

    def __init__(self, config: DualSTFConfig):
        super().__init__()
        self.attention = Attention(config)
        self.points_ffn = FeedForward(config, mixes_tokens=True)
        self.semantics_mlp = FeedForward(config, mixes_tokens=False)
        self.norm = nn.LayerNorm(config.d_model)
        self.points_norm = nn.LayerNorm(config.d_model)
        self.semantics_norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Refine points x of shape (B, L, d) and semantic tokens s of shape (B, M, d)."""
        joint = torch.cat([x, s], dim=1)
        read = self.norm(joint)
        x, s = (joint + self.attention(read, read)).split([x.shape[1], s.shape[1]], dim=1)
        return x + self.points_ffn(self.points_norm(x)), s + self.semantics_mlp(self.semantics_norm(s))


class Prototypes(nn.Module):
    """K fixed prototypes P_k = cos(2π·n·k/d), n = 0 … d−1, k = 0 … K−1.

    A point x of a window with semantic tokens s is assigned to the prototype with the largest
    softmax(x·P/τ)·softmax(mean(s)·P/τ). Both denominators are the same for all prototypes, so this is the one with the
    largest (x + mean(s))·P, whatever τ: sums do not underflow where products of such softmaxes do.

    A choice has no gradient, and the semantic tokens affect only the choice. Instead, the gradient of the normalised
    product itself, softmax((x + mean(s))·P/τ), is passed on (straight-through).
    """

    prototypes: Tensor

    def __init__(self, config: DualSTFConfig):
        super().__init__()
        self.temperature = config.temperature
        self.register_buffer("prototypes", cosines(config.n_prototypes, config.d_model), persistent=False)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Return the squared distance (B, L) of points x of shape (B, L, d) to their prototypes.

        Parameters
        ----------
        x : Tensor of shape (B, L, d)
        s : Tensor of shape (B, M, d)
        """
        likeness = ((x + s.mean(1, keepdim=True)) @ self.prototypes.T).float()  # (B, L, K)
        soft = (likeness / self.temperature).softmax(-1)
        taken = self.prototypes[likeness.argmax(-1)] + (soft - soft.detach()) @ self.prototypes
        return (x - taken).square().sum(-1)


def cosines(count: int, width: int) -> Tensor:
    """Return `count` cosines of shape (count, width), of 0, 1, … periods."""
    # Angles are reduced as integers, because large ones are imprecise in float32.
    steps = torch.arange(count)[:, None] * torch.arange(width) % width
    return torch.cos(2 * math.pi / width * steps)


class StructuralPath(nn.Module):
    """Semantically guided structural deviation.

    A window is embedded by circular convolutions and refined by two DualST blocks, across features in the frequency
    domain and over time, whose points and semantic tokens are then merged. Points, with a share of the temporal path's
    semantics, are compared with prototypes.

    The semantic tokens of the block over time start at zero and are learned from there. Nothing ever distinguishes
    them, so a window's M tokens stay identical: together they are one token with M-fold weight.
    """

    def __init__(self, config: DualSTFConfig, channels: int):
        super().__init__()
        self.share = config.structural_share
        self.embedding = CircularEmbedding(config, channels)
        self.features = FeatureBlock(config)
        self.semantics = nn.Parameter(torch.zeros(1, config.n_tokens, config.d_model))
        self.times = DualSTBlock(config)
        self.merge = Merge(config)
        self.prototypes = Prototypes(config)

    def forward(self, x: Tensor, semantics: Tensor) -> Tensor:
        """Return the deviation (B, L) of windows.

        Parameters
        ----------
        x : Tensor of shape (B, L, C)
        semantics : Tensor of shape (B, L, d)
            Those of the temporal path, for each point.
        """
        points = self.features(self.embedding(x))
        points, tokens = self.merge(*self.times(points, self.semantics))
        points = self.share * points + (1 - self.share) * semantics
        return self.prototypes(points, tokens)
