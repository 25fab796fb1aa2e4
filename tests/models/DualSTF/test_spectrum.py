import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.DualSTF.spectrum import to_frequencies, to_series


def series(length, seed=0):
    return torch.randn(3, length, 2, generator=torch.Generator().manual_seed(seed))


@given(length=st.integers(1, 120))
def test_series_come_back(length):
    x = series(length)
    parts = to_frequencies(x)
    assert parts.shape == (6, length // 2 + 1, 2)
    torch.testing.assert_close(to_series(parts, length), x, rtol=1e-4, atol=1e-5)


@given(length=st.integers(1, 120))
def test_energy_stays(length):
    """Parseval: every frequency counts twice, except the first and, for an even length, the last."""
    x = series(length)
    twice = torch.full((length // 2 + 1, 1), 2.0)
    twice[0] = 1
    if length % 2 == 0:
        twice[-1] = 1
    energy = (to_frequencies(x).square() * twice).sum(1)  # (6, 2)
    torch.testing.assert_close(energy[:3] + energy[3:], x.square().sum(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [24, 25])
def test_a_constant_has_one_frequency(length):
    real, imaginary = to_frequencies(torch.full((1, length, 1), 3.0)).flatten(1)
    assert real[0] == pytest.approx(3 * math.sqrt(length))
    assert real[1:].abs().max() < 1e-5
    assert imaginary.abs().max() < 1e-5


def test_cosines_are_real_and_sines_imaginary():
    angle = 2 * math.pi * 3 * torch.arange(24) / 24
    parts = to_frequencies(torch.stack([angle.cos(), angle.sin()], dim=1)[None])
    expected = torch.zeros(2, 13, 2)
    expected[0, 3, 0] = math.sqrt(24) / 2
    expected[1, 3, 1] = -math.sqrt(24) / 2
    torch.testing.assert_close(parts, expected, rtol=1e-5, atol=1e-5)


def test_transforms_are_in_single_precision():
    x = series(24).bfloat16()
    parts = to_frequencies(x)
    assert parts.dtype == torch.float32
    torch.testing.assert_close(parts, to_frequencies(x.float()))
    assert to_series(parts.bfloat16(), 24).dtype == torch.float32
