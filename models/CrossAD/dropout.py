"""Dropout with cheap masks on the CPU."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 2**16  # values of a mask made at once, few enough for the processor's cache


def joint_rate(*rates: float) -> float:
    """Rate of the one dropout that equals several independent ones in a row."""
    kept = 1.0
    for rate in rates:
        kept *= 1.0 - rate
    return 1.0 - kept


def dropout(x: Tensor, rate: float, training: bool, *, inplace: bool = False) -> Tensor:
    """Set a share `rate` of the values to zero while training, and scale the others to keep the mean."""
    if not training or rate == 0.0:
        return x
    if _is_native(x):
        return F.dropout(x, rate, inplace=inplace)
    mask = _mask(x, rate)
    return x.mul_(mask) if inplace else x * mask


def add_dropped(x: Tensor, y: Tensor, rate: float, training: bool) -> Tensor:
    """Return x + dropout(y)."""
    if not training or rate == 0.0:
        return x + y
    if _is_native(x):
        return x + F.dropout(y, rate)
    return torch.addcmul(x, y, _mask(y, rate))


def _is_native(x: Tensor) -> bool:
    """Whether PyTorch's own dropout is the faster one."""
    return x.device.type != "cpu" or torch.compiler.is_compiling()


def _mask(x: Tensor, rate: float) -> Tensor:
    """Return zeros, a share `rate` of all (to 2⁻¹⁶), and 1 / (1 − rate) elsewhere, in the shape of `x`.

    On the CPU PyTorch draws 64 random bits for each value, one after another, which takes a fifth of a training step.
    Here one number from its generator seeds a fast generator, and 16 of its bits decide on each value.
    """
    generator = np.random.Generator(np.random.SFC64(int(torch.randint(2**62, ()))))
    threshold, scale = round(rate * 2**16) - 2**15, 1.0 / (1.0 - rate)
    mask = torch.empty(x.numel(), dtype=x.dtype)
    for part in mask.split(BLOCK):
        words = generator.integers(2**64, size=-(-len(part) // 4), dtype=np.uint64)
        bits = torch.from_numpy(words.view(np.int16)[: len(part)])
        # As floats at once: comparing these in place is vectorised, a boolean result is not.
        part.copy_(bits.float().ge_(threshold).mul_(scale))
    return mask.view_as(x)
