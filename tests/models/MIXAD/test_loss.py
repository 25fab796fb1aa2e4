import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.MIXAD.loss import consistency, contrast, masked_absolute_error, unequal_use


def test_masked_absolute_error_by_hand():
    target = torch.tensor([0.0, 1.0, 2.0, 0.0])
    reconstruction = torch.tensor([9.0, 1.5, 1.0, -9.0])
    # The mask 0, 1, 1, 0 over its mean ½: (0 + 2 · 0.5 + 2 · 1 + 0) / 4.
    assert float(masked_absolute_error(reconstruction, target)) == pytest.approx(0.75)
    assert float(masked_absolute_error(target, target)) == 0


def test_windows_of_zeros_have_no_error():
    reconstruction = torch.ones(3, requires_grad=True)
    error = masked_absolute_error(reconstruction, torch.zeros(3))
    error.backward()
    assert float(error.detach()) == 0
    assert not reconstruction.grad.any()


def test_contrast_by_hand():
    query = torch.tensor([[0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    positive = torch.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True)
    negative = torch.tensor([[0.0, 4.5], [5.0, 0.0]], requires_grad=True)
    # 5 − 4.5 + 1 = 1.5; 1 − 5 + 1 < 0.
    value = contrast(query, positive, negative, margin=1.0)
    assert float(value.detach()) == pytest.approx(0.75, abs=1e-5)
    assert float(contrast(query, positive, negative, margin=4.0).detach()) == pytest.approx(2.25, abs=1e-5)
    value.backward()
    assert query.grad[0].any()
    assert not query.grad[1].any()
    assert positive.grad is None
    assert negative.grad is None


def test_consistency_by_hand():
    query = torch.tensor([[1.0, 2.0]], requires_grad=True)
    slot = torch.tensor([[1.0, 5.0]], requires_grad=True)
    value = consistency(query, slot)
    assert float(value.detach()) == 4.5
    value.backward()
    assert query.grad.tolist() == [[0.0, -3.0]]
    assert slot.grad is None


def test_unequal_use_by_hand():
    attention = torch.tensor([[[0.9, 0.1], [0.6, 0.4]]])  # sums 1.5 and 0.5
    p = math.exp(1.5) / (math.exp(1.5) + math.exp(0.5))
    expected = 0.5 * math.log(0.5 / p) + 0.5 * math.log(0.5 / (1 - p))
    assert float(unequal_use(attention)) == pytest.approx(expected, rel=1e-5)
    assert float(unequal_use(torch.full((2, 3, 4), 0.25))) == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 1000), st.integers(2, 6))
def test_unequal_use_is_finite_and_not_negative(seed, slots):
    attention = torch.randn(2000, 3, slots, generator=torch.Generator().manual_seed(seed)).mul(5).softmax(-1)
    assert -1e-3 <= float(unequal_use(attention)) < 6000
