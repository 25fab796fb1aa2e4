from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data_provider import DataError
from exp.detection.scorer import OverlapMean, Scorer


class Case(NamedTuple):
    """Scores of windows (windows, series, length, C), the last of which ends `behind` points after the one before."""

    scores: np.ndarray
    stride: int
    behind: int

    def mean(self):
        return OverlapMean(self.scores.shape[2], self.stride)

    @property
    def regular(self):
        """The windows whose starts are `stride` points apart."""
        return self.scores[:-1] if self.behind else self.scores

    @property
    def points(self):
        return (len(self.regular) - 1) * self.stride + self.scores.shape[2] + self.behind


@st.composite
def cases(draw):
    length = draw(st.integers(1, 12))
    stride = draw(st.integers(1, length))
    behind = draw(st.integers(0, stride - 1))
    shape = (draw(st.integers(1, 9)) + (behind > 0), draw(st.integers(1, 3)), length, draw(st.integers(1, 3)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = (random.standard_normal(shape) * 10.0 ** random.integers(-6, 6, shape)).astype(np.float32)
    return Case(scores, stride, behind)


def plain_means(case):
    """Return the means (series, points, C) by a loop over points and the windows that hold them."""
    _, series, length, channels = case.scores.shape
    means = np.empty((series, case.points, channels), np.float32)
    waiting = len(case.regular) * case.stride  # from here on another window was still to come
    for point in range(case.points):
        places = [point - number * case.stride for number in range(len(case.regular))]
        held = [window[:, place] for window, place in zip(case.regular, places, strict=True) if 0 <= place < length]
        if case.behind and point >= waiting:
            held.append(case.scores[-1][:, point - case.points + length])
        means[:, point] = sum(score.astype(np.float64) for score in held) / len(held)
    return means


@given(cases())
def test_means_over_the_windows_that_hold_a_point(case):
    mean = case.mean()
    parts = [mean.add(window[None]) for window in case.regular]
    assert all(part.shape[1] == case.stride for part in parts)
    means = np.concatenate([*parts, mean.finish(case.scores[-1], case.behind)], axis=1)
    assert means.dtype == np.float32
    np.testing.assert_array_equal(means, plain_means(case))


@given(cases())
def test_what_was_given_and_taken_is_not_written_to(case):
    mean, scores = case.mean(), case.scores.copy()
    means = [mean.add(window[None]) for window in case.regular]
    before = [part.copy() for part in means]
    mean.finish(case.scores[-1], case.behind)
    np.testing.assert_array_equal(means, before)
    np.testing.assert_array_equal(case.scores, scores)


@given(cases())
def test_sums_and_counts_are_all_that_the_windows_to_come_need(case):
    first, second = case.mean(), case.mean()
    for window in case.regular:
        first.add(window[None])
    second.set_state({name: array.copy() for name, array in first.get_state().items()})
    np.testing.assert_array_equal(first.add(case.scores[:1]), second.add(case.scores[:1]))
    ends = [mean.finish(case.scores[-1], case.behind) for mean in (first, second)]
    np.testing.assert_array_equal(*ends)


class Squares(torch.nn.Module):
    """A network whose scores are the squares of the points."""

    def __init__(self):
        super().__init__()
        self.device = torch.nn.Parameter(torch.zeros(()))

    def score(self, x):
        return x.square()


def test_a_score_that_is_no_number_names_its_point():
    values = np.zeros((20, 2), np.float32)
    values[13, 1] = 1e30
    with pytest.raises(DataError, match=r"the part: the score of point 13 .* is NaN or infinity"):
        Scorer(Squares(), 5).score(values, stride=5, name="the part", batch_size=2)
