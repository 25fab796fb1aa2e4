"""The temporal path: a window's reconstruction from its frequencies and patches."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import DualSTFConfig
from .dualst import Attention, DualSTBlock
from .spectrum import to_frequencies, to_series


class FrequencyEmbedding(nn.Module):
    """Map channels to features frequency by frequency, with separate maps for real and imaginary parts."""

    def __init__(self, config: DualSTFConfig, channels: int):
        super().__init__()
        self.real = nn.Linear(channels, config.d_model, bias=False)
        self.imaginary = nn.Linear(channels, config.d_model, bias=False)
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Embed windows x of shape (B, L, C) as (B, L, d)."""
        real, imaginary = to_frequencies(x).chunk(2)
        parts = torch.cat([self.real(real), self.imaginary(imaginary)])
        return self.norm(to_series(parts, x.shape[1]))


class FrequencyBlock(nn.Module):
    """A DualST block over the frequencies, shared by real and imaginary parts, with learned semantic tokens."""

    def __init__(self, config: DualSTFConfig):
        super().__init__()
        self.semantics = nn.Parameter(torch.randn(1, config.n_tokens, config.d_model))
        self.block = DualSTBlock(config)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return refined points (B, L, d) and semantic tokens (B, M, d) of points x of shape (B, L, d)."""
        parts, semantics = self.block(to_frequencies(x), self.semantics)
        return to_series(parts, x.shape[1]), semantics.unflatten(0, (2, -1)).mean(0)


class SemanticGate(nn.Module):
    """Mix each point with its semantics, feature by feature: g·x + (1−g)·s, g = sigmoid(linear(LN(x·Wx + s·Ws)))."""

    def __init__(self, config: DualSTFConfig):
        super().__init__()
        self.points = nn.Linear(config.d_model, config.d_model, bias=False)
        self.semantics = nn.Linear(config.d_model, config.d_model, bias=False)
        self.norm = nn.LayerNorm(config.d_model)
        self.gate = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Mix points x with semantics s, both of shape (B, L, d)."""
        gate = torch.sigmoid(self.gate(self.norm(self.points(x) + self.semantics(s))))
        return s + gate * (x - s)


class TemporalPath(nn.Module):
    """Frequency-enhanced reconstruction.

    Channels become features frequency by frequency; a DualST block refines the frequencies and finds semantic tokens;
    points, gated with their semantics, attend to each other patch by patch, with patches of several sizes; the mean
    over the sizes is mapped back to channels. There are no skip connections: a patch is rebuilt from similar patches.
    """

    stretch: Tensor

    def __init__(self, config: DualSTFConfig, channels: int):
        super().__init__()
        self.embedding = FrequencyEmbedding(config, channels)
        self.frequencies = FrequencyBlock(config)
        self.gate = SemanticGate(config)
        self.patches = nn.ModuleList(Attention(config, size) for size in config.patch_sizes)
        self.projection = nn.Linear(config.d_model, channels)
        self.register_buffer("stretch", stretching(config.n_tokens, config.seq_len), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruct windows.

        Parameters
        ----------
        x : Tensor of shape (B, L, C)

        Returns
        -------
        reconstruction : Tensor of shape (B, L, C)
        semantics : Tensor of shape (B, L, d)
            The semantic tokens, interpolated to one per point.
        """
        points, semantics = self.frequencies(self.embedding(x))
        semantics = self.stretch @ semantics  # (B, L, d)
        points = self.gate(points, semantics)
        mixed = torch.stack([attention(points, points) for attention in self.patches]).mean(0)
        return self.projection(mixed), semantics


def stretching(tokens: int, length: int) -> Tensor:
    """Return the matrix (length, tokens) that interpolates tokens linearly, each at the centre of its share.

    The gradient of a product with it is reproducible to the last bit on every device; that of `interpolate` is not.
    """
    return F.interpolate(torch.eye(tokens)[None], size=length, mode="linear", align_corners=False)[0].T.contiguous()
