import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.AxonAD.score import RobustScale, divergence, mismatch
from models.settings import ConfigError
from tests.support.axonad_cases import SCORES, small


def test_mismatch_is_one_less_the_cosine():
    first = torch.tensor([[1.0, 0], [2, 0], [1, 1], [0, 0]])
    second = torch.tensor([[3.0, 0], [-1, 0], [0, 7], [1, 0]])
    torch.testing.assert_close(mismatch(first, second), torch.tensor([0, 2, 1 - 0.5**0.5, 1]))


@pytest.mark.parametrize("horizon", [1, 3])
def test_divergence_by_a_loop(horizon):
    torch.manual_seed(0)
    query, predicted, key = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5), torch.randn(2, 3, 9, 5)
    found = divergence(query, predicted, key, horizon, torch.tensor(1.7))
    for place in range(4):
        seen = key[:, :, : 5 + place - horizon + 1]
        p, r = (
            ((row[:, :, None] * seen).sum(-1) * factor / 5**0.5).softmax(-1)
            for row, factor in ((query[:, :, place], 1), (predicted[:, :, place], 1.7))
        )
        torch.testing.assert_close(found[:, :, place], (p * (p / r).log()).sum(-1))
    assert divergence(query, query, key, horizon, torch.tensor(1.0)).abs().max() < 1e-5


def scale_of(represented, **changes):
    scale = RobustScale(small(**changes))
    scale.fit([torch.from_numpy(part) for part in np.array_split(represented, 3)])
    return scale


def test_median_and_interquartile_range_of_each_term():
    error = np.arange(101.0)
    represented = np.stack([0.25 * error, 0.75 * error, 3 * error + 1], axis=1)
    scale = scale_of(represented)
    assert scale.median.tolist() == [50, 151]
    assert scale.spread.tolist() == [50, 150]


def test_a_term_without_spread_does_not_blow_up():
    scale = scale_of(np.tile([0.5, 2.5, 0.25], (30, 1)))
    assert scale.spread.tolist() == pytest.approx([4e-6, 1.25e-6])


def test_the_mean_over_the_channels_is_the_sum_of_the_terms():
    represented = np.random.default_rng(0).random((50, 5))
    scale = scale_of(represented, placement="centre")
    scores = scale(torch.from_numpy(represented))
    assert scores.shape == (50, 4)
    median, spread = scale.median.double().numpy(), scale.spread.double().numpy()
    expected = (represented[:, :4].sum(1) - median[0]) / spread[0] + (represented[:, 4] - median[1]) / spread[1]
    np.testing.assert_allclose(scores.mean(1)[:-5], expected[5:])
    np.testing.assert_allclose(scores.mean(1)[-5:], expected[-1:].repeat(5))


@given(st.integers(1, 30), st.sampled_from(SCORES), st.booleans())
def test_a_score_is_of_its_point_and_of_those_it_looks_ahead_to(points, score, centre):
    placement = "centre" if centre and score != "error" else "separate"
    represented = np.random.default_rng(0).random((points, 4 if "error" in score else 1))
    scale = scale_of(
        np.random.default_rng(1).random((40, 4 if "error" in score else 1)), score=score, placement=placement
    )
    assert scale.look_ahead == (0 if score == "mismatch" and not centre else 5)
    scores = scale(torch.from_numpy(represented))
    cut = max(1, points // 2)
    some = scale(torch.from_numpy(represented[:cut]))
    np.testing.assert_array_equal(some[: max(0, cut - scale.look_ahead)], scores[: max(0, cut - scale.look_ahead)])


def test_without_statistics_there_is_no_score():
    with pytest.raises(ConfigError, match=r"unfinished training.*--resume"):
        RobustScale(small())(torch.zeros(3, 4))
