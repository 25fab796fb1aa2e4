"""Dropout with cheap masks on the CPU."""

import torch
from torch import Tensor
from torch.nn import functional as F


def joint_rate(*rates: float) -> float:
    """Rate of the one dropout that equals several independent ones in a row."""
    kept = 1.0
    for rate in rates:
        kept *= 1.0 - rate
    return 1.0 - kept


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Set a share `rate` of the values to zero while training, and scale the others to keep the mean.

    On the CPU the mask costs four values a random number: PyTorch draws 64 bits for each value there, one after
    another, which takes a fifth of a training step. The rate is met to 2⁻¹⁶.
    """
    if not training or rate == 0.0:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, rate)
    return x * _mask(x.shape, rate).to(x.dtype)


def _mask(shape: torch.Size, rate: float) -> Tensor:
    """Return zeros, a share `rate` of all, and 1 / (1 − rate) elsewhere."""
    count = shape.numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    threshold = round(rate * 2**16) - 2**15
    return (bits.view(torch.int16)[:count].view(shape) >= threshold) * (1.0 / (1.0 - rate))
