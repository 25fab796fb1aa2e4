"""Series and their frequencies: real and imaginary parts lie one after the other in the batch."""

import torch
from torch import Tensor


def to_frequencies(x: Tensor) -> Tensor:
    """Transform series along time, keeping their energy.

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
    """Turn what `to_frequencies` returns back into float32 series of shape (B, length, d)."""
    real, imaginary = parts.float().chunk(2)
    return torch.fft.irfft(torch.complex(real, imaginary), n=length, dim=1, norm="ortho")
