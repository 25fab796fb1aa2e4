"""Dropout with cheap masks on the CPU."""

import numpy as np
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

    On the CPU PyTorch draws 64 random bits for each value, one after another, which takes a fifth of a training step.
    There, one number from PyTorch's generator seeds a fast generator, and 16 of its bits decide on each value.
    """
    if not training or rate == 0.0:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, rate)
    return x * _mask(x.shape, rate).to(x.dtype)


def _mask(shape: torch.Size, rate: float) -> Tensor:
    """Return zeros, a share `rate` of all (to 2⁻¹⁶), and 1 / (1 − rate) elsewhere."""
    count = shape.numel()
    generator = np.random.Generator(np.random.SFC64(int(torch.randint(2**62, ()))))
    words = generator.integers(2**64, size=-(-count // 4), dtype=np.uint64)
    bits = torch.from_numpy(words.view(np.int16)[:count]).view(shape)
    # Converted first: comparing floats in place is vectorised, a boolean result is not.
    return bits.float().ge_(round(rate * 2**16) - 2**15).mul_(1.0 / (1.0 - rate))
