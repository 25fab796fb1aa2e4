"""Series and their frequencies: real and imaginary parts are stacked along the batch."""

import torch
from torch import Tensor


def to_frequencies(x: Tensor) -> Tensor:
    """Transform series along time, preserving their energy.

    Parameters
    ----------
    x : Tensor of shape (B, L, d)

    Returns
    -------
    float32 Tensor of shape (2·B, L//2 + 1, d)
        The real parts of all windows, then the imaginary parts.
    """
    spectrum = torch.fft.rfft(x.float(), dim=1, norm="ortho")
    return torch.cat([spectrum.real, spectrum.imag])


def to_series(parts: Tensor, length: int) -> Tensor:
    """Convert the result of `to_frequencies` back to float32 series of shape (B, length, d)."""
    real, imaginary = parts.float().chunk(2)
    return torch.fft.irfft(torch.complex(real, imaginary), n=length, dim=1, norm="ortho")
