"""Scales and patches: how a window becomes coarser series, and how these are turned into tokens and back."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .config import CrossADConfig


def downsample(x: Tensor, kernel: int, method: str) -> Tensor:
    """Shorten the last axis by `kernel`, its end padded with copies of the last value.

    Parameters
    ----------
    x : Tensor of shape (..., T)
    kernel : int
        Number of points that one point of the result represents.
    method : {"average_pooling", "interval_sampling"}
        A block's mean, or its first value.

    Returns
    -------
    Tensor of shape (..., ceil(T / kernel))
    """
    if method == "interval_sampling":
        return x[..., ::kernel]
    return cut(x, kernel).mean(-1)


def cut(x: Tensor, length: int) -> Tensor:
    """Cut the last axis into blocks, its end padded with copies of the last value.

    Parameters
    ----------
    x : Tensor of shape (..., T)
    length : int

    Returns
    -------
    Tensor of shape (..., ceil(T / length), length)
    """
    missing = -x.shape[-1] % length
    if missing:
        x = torch.cat([x, x[..., -1:].expand(*x.shape[:-1], missing)], dim=-1)
    return x.unflatten(-1, (-1, length))


def sinusoidal_positions(rows: int, width: int) -> Tensor:
    """Return the sinusoidal position table of shape (rows, width): sine on even, cosine on odd columns."""
    position = torch.arange(rows, dtype=torch.float32)[:, None]
    frequency = (torch.arange(0, width, 2, dtype=torch.float32) * -(torch.log(torch.tensor(10000.0)) / width)).exp()
    table = torch.empty(rows, width)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency)
    return table


class ScaleLayout:
    """Positions of each scale's points and patches when all scales are concatenated, coarsest first.

    Attributes
    ----------
    lengths, patches : list of int
        Points T_i and patches P_i of each scale; the last scale is the window itself.
    positions : Tensor of shape (P_0 + … + P_{m-1}, d)
        Position embedding of the encoder's tokens: that of the finest grid, downsampled like the series.
    upsample : int64 Tensor of shape (P_1 + … + P_m,)
        The encoder's token from which each of the decoder's tokens starts (nearest neighbour).
    same_scale : bool Tensor of shape (P_0 + … + P_{m-1},) * 2
        Whether an encoder's token (row) sees another (column).
    own_or_coarser : bool Tensor of shape (P_1 + … + P_m,) * 2
        Whether a decoder's token (row) sees another (column).
    kept_points : int64 Tensor of shape (T_1 + … + T_m,)
        Which points of the decoder's concatenated patches are points of their scales, not padding.
    """

    def __init__(self, config: CrossADConfig):
        window, patch, kernels = config.seq_len, config.patch_len, config.kernels
        self.lengths = [-(-window // kernel) for kernel in kernels]
        self.patches = [-(-length // patch) for length in self.lengths]

        finest = sinusoidal_positions(self.patches[-1], config.d_model).T  # (d, P_m)
        scales = [downsample(finest, kernel, config.ms_method).T for kernel in config.ms_kernels]
        self.positions = torch.cat(scales).contiguous()

        coarse, fine = self.patches[:-1], self.patches[1:]
        first = [sum(coarse[:i]) for i in range(len(coarse))]
        self.upsample = torch.cat(
            [torch.arange(n) * m // n + start for m, n, start in zip(coarse, fine, first, strict=True)]
        )
        source, target = (
            torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)) for sizes in (coarse, fine)
        )
        self.same_scale = source[:, None] == source
        self.own_or_coarser = target[:, None] >= target
        self.kept_points = torch.cat(
            [torch.arange(length) + patch * sum(fine[:i]) for i, length in enumerate(self.lengths[1:])]
        )


def stretch(x: Tensor, length: int) -> Tensor:
    """Interpolate the last axis linearly to `length` points, with the centres of blocks aligned.

    Parameters
    ----------
    x : Tensor of shape (N, T_i)

    Returns
    -------
    Tensor of shape (N, length)
    """
    return F.interpolate(x[None], size=length, mode="linear", align_corners=False)[0]
