import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.CrossAD.fast import add_dropped, dropout, joint_rate

COUNT = 300_000
rates = st.floats(0, 0.99)


def dropped(rate, *, x=None, seed=0, **options):
    torch.manual_seed(seed)
    return dropout(torch.ones(COUNT) if x is None else x, rate, True, **options)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.2, 0.5, 0.9])
def test_the_rate_is_met_and_the_mean_kept(rate):
    y = dropped(rate)
    deviation = math.sqrt(rate * (1 - rate) / COUNT)
    assert abs((y == 0).double().mean() - rate) < 5 * deviation
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / (1 - rate)]))
    assert abs(y.double().mean() - 1) < 5 * deviation / (1 - rate)


def test_neighbours_and_blocks_are_independent():
    kept = (dropped(0.3) != 0).double()
    for lag in (1, 2, 3, 4, 7, 8, 64, 2**16, 2**16 + 1):
        both = (kept[lag:] * kept[:-lag]).mean()
        assert abs(both - 0.49) < 5 * math.sqrt(0.49 * 0.51 / (COUNT - lag))


def test_the_seed_alone_decides():
    assert torch.equal(dropped(0.3), dropped(0.3))
    assert not torch.equal(dropped(0.3), dropped(0.3, seed=1))
    torch.manual_seed(0)
    first, second = (dropout(torch.ones(1000), 0.3, True) for _ in range(2))
    assert not torch.equal(first, second)


def test_without_training_or_rate_nothing_happens_and_nothing_is_drawn():
    x, y = torch.randn(5), torch.randn(5)
    before = torch.get_rng_state()
    assert dropout(x, 0.5, False) is x
    assert dropout(x, 0.0, True) is x
    assert torch.equal(add_dropped(x, y, 0.5, False), x + y)
    assert torch.equal(add_dropped(x, y, 0.0, True), x + y)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_values_types_and_shapes_stay(dtype):
    x = torch.randn(3, 5, 7, dtype=dtype).transpose(0, 2)
    y = dropped(0.4, x=x)
    assert (y.dtype, y.shape) == (dtype, x.shape)
    kept = y != 0
    torch.testing.assert_close(y[kept], (x / 0.6)[kept])
    z = x.clone()
    assert dropped(0.4, x=z, inplace=True) is z
    assert torch.equal(z, y)


def test_gradients_pass_where_values_do():
    x = torch.ones(1000, requires_grad=True)
    y = dropped(0.4, x=x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_adding_what_is_dropped():
    x, y = torch.randn(2, 1000)
    torch.manual_seed(3)
    added = add_dropped(x, y, 0.4, True)
    torch.testing.assert_close(added, x + dropped(0.4, x=y, seed=3))


@given(rates, rates, rates)
def test_rates_join(first, second, third):
    joint = joint_rate(first, second)
    assert joint == pytest.approx(1 - (1 - first) * (1 - second))
    assert max(first, second) - 1e-12 <= joint < 1
    assert joint_rate(first, second, third) == pytest.approx(joint_rate(third, joint))
    assert joint_rate(first) == pytest.approx(first)
    assert joint_rate() == joint_rate(0.0, 0.0) == 0


def test_one_dropout_at_the_joint_rate_is_like_two_in_a_row():
    first, second = 0.2, 0.3
    two = dropout(dropped(first), second, True)
    one = dropped(joint_rate(first, second), seed=5)
    torch.testing.assert_close(one[one != 0].unique(), two[two != 0].unique()[:1])
    deviation = math.sqrt(0.44 * 0.56 / COUNT)
    assert abs((one == 0).double().mean() - (two == 0).double().mean()) < 5 * math.sqrt(2) * deviation
