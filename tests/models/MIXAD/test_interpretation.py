import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.MIXAD import rank_channels


def ranks(*channels):
    return rank_channels(np.array(channels, dtype=float).T).tolist()


def test_by_correlation_with_the_highest_peak():
    high = [0, 1, 9, 2]
    assert ranks([1, 1.2, 0.5, 1], high, [0, 0.1, 0.9, 0.2], [5, 0, 0, 0]) == [1, 2, 0, 3]


def test_opposite_scores_correlate_as_strongly():
    assert ranks([0, 9, 0, 1], [3, 3, 4, 3], [4, 1, 4, 3.9]) == [0, 2, 1]


def test_constant_channels_come_last_by_their_peaks():
    assert ranks([2, 2, 2], [0, 1, 5], [3, 3, 3], [1, 0, 1]) == [1, 3, 2, 0]
    assert ranks([0.1] * 7, [0, 0.2, 0, 0, 0, 0, 0], [0.3] * 7) == [2, 1, 0]


def test_one_point_by_the_score():
    assert ranks([0.2], [0.9], [-0.1], [0.5]) == [1, 3, 0, 2]


def test_two_points_by_the_peak_of_those_that_change():
    assert ranks([0.1, 0.4], [0.7, 0.1], [0.6, 0.6], [0.3, 0.6]) == [1, 3, 0, 2]


def test_equal_channels_keep_their_order():
    assert ranks([1, 1], [1, 1], [1, 1]) == [0, 1, 2]
    assert ranks([0, 1, 0], [0, 1, 0]) == [0, 1]


def test_one_channel():
    assert ranks([0, 3, 1]) == [0]


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 1000), st.sampled_from([1e-200, 1e-3, 1.0, 1e200]))
def test_by_the_definition(points, channels, seed, scale):
    scores = np.random.default_rng(seed).standard_normal((points, channels))
    order = rank_channels(scale * scores)
    assert sorted(order) == list(range(channels))
    first = scores.max(0).argmax()
    assert order[0] == first
    if points > 2:
        strength = np.abs(np.corrcoef(scores.T)).reshape(channels, channels)[first]
        assert (np.diff(strength[order]) <= 1e-8).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_scores_are_not_changed(dtype):
    scores = np.array([[1, 2], [3, 1]], dtype=dtype)
    rank_channels(scores)
    assert scores.tolist() == [[1, 2], [3, 1]]
