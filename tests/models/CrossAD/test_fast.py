"""The optimised computations give the same results as the plain ones."""

import pytest
import torch
from torch.nn import functional as F

from models.CrossAD.fast import SCORE_CHUNK, DroppedActivation, DroppedSum, _softmax, in_parts, nearest, take


@pytest.mark.parametrize(("rows", "others", "width"), [(1, 1, 1), (7, 3, 5), (200, 32, 640)])
def test_nearest_is_that_of_all_distances(rows, others, width):
    torch.manual_seed(0)
    x, y = torch.randn(rows, width).double(), torch.randn(others, width).double()
    assert torch.equal(nearest(x, y), torch.cdist(x, y).argmin(1))


@pytest.mark.parametrize("columns", [[0], [1, 3], [0, 1, 2]])
def test_taking_some_columns(columns):
    x = torch.arange(8.0).view(2, 4)
    assert torch.equal(take(x, torch.tensor(columns)), x[:, columns])


def test_taking_all_columns_copies_nothing():
    x = torch.randn(2, 4)
    assert take(x, torch.arange(4)) is x


@pytest.mark.parametrize("count", [1, SCORE_CHUNK, SCORE_CHUNK + 1, 3 * SCORE_CHUNK])
def test_parts_give_the_whole(count):
    windows, sizes = torch.randn(count, 5), []

    def double(part):
        sizes.append(len(part))
        return 2 * part

    assert torch.equal(in_parts(double, windows), 2 * windows)
    assert max(sizes) <= SCORE_CHUNK


@pytest.mark.parametrize(("name", "activation"), [("relu", F.relu), ("gelu", F.gelu)])
def test_a_dropped_activation_is_the_activation_where_it_is_kept(name, activation):
    x = torch.randn(4, 1000)
    dropped = DroppedActivation(name, 0.25)(x)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], activation(x)[kept] / 0.75)
    assert torch.equal(DroppedActivation(name, 0.25).eval()(x), activation(x))


def test_a_dropped_sum_adds_what_all_its_rates_keep():
    x, y = torch.randn(4, 5000), torch.randn(4, 5000)
    difference = DroppedSum(0.2, 0.5)(x, y) - x
    kept = difference != 0
    assert abs(float(kept.float().mean()) - 0.4) < 0.02
    torch.testing.assert_close(difference[kept], (y / 0.4)[kept], rtol=1e-4, atol=1e-5)
    assert torch.equal(DroppedSum(0.2, 0.5).eval()(x, y), x + y)


@pytest.mark.parametrize("width", [1, 4, 15, 16, 17, 30])
def test_softmax_of_narrow_and_wide_rows(width):
    scores = torch.randn(3, 5, width, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(_softmax(scores), scores.softmax(-1))
    assert torch.autograd.gradcheck(_softmax, scores)
