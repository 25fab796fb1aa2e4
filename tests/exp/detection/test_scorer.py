from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data_provider import DataError
from exp.detection.scorer import OverlapMean, Scorer, Sequence


class Case(NamedTuple):
    """Scores of windows (windows, series, length, C); the last one ends `behind` points after the previous one."""

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
    """Return the means (series, points, C) by a loop over points and the windows that contain them."""
    _, series, length, channels = case.scores.shape
    means = np.empty((series, case.points, channels), np.float32)
    waiting = len(case.regular) * case.stride  # from here on another window would still follow
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


class Neighbours(torch.nn.Module):
    """A network that sees a window's last point, and compares it with the previous one and one several points later."""

    def __init__(self, look_ahead):
        super().__init__()
        self.device = torch.nn.Parameter(torch.zeros(()))
        if look_ahead:
            self.look_ahead = look_ahead
        self.ahead = look_ahead

    def represent(self, x):
        return x[:, -1]

    def score_sequence(self, represented):
        before = torch.cat([represented[:1], represented[:-1]])
        behind = torch.cat([represented[self.ahead :], represented[-1:].expand(self.ahead, -1)])[: len(represented)]
        return (represented - 2 * before + 3 * behind).double()


def neighbours_of(values, length, ahead):
    """Return the scores (n, C) of points by a loop."""
    scores = np.empty(values.shape)
    for point in range(len(values)):
        seen = [values[max(other, length - 1)] for other in (point, point - 1, min(point + ahead, len(values) - 1))]
        scores[point] = seen[0] - 2 * seen[1] + 3 * seen[2]
    return scores


@given(st.integers(1, 6), st.integers(0, 7), st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_scores_that_look_ahead_come_as_late_as_they_must(length, ahead, pieces):
    values = np.random.default_rng(0).integers(-9, 9, (sum(pieces) + length - 1, 2, 3)).astype(np.float32)
    sequence, parts, seen = Sequence(Neighbours(ahead), length), [], length - 1
    for piece in pieces:
        parts.append(sequence.add(values[seen : seen + piece]))
        seen += piece
        assert sum(part.shape[1] for part in parts) == max(0, seen - ahead)
        restored = Sequence(Neighbours(ahead), length)
        restored.set_state({name: array.copy() for name, array in sequence.get_state().items()})
        assert len(restored.known) <= max(ahead, length - 1) + 1
        sequence = restored
    parts.append(sequence.finish(None, 0))
    for series, scores in enumerate(np.concatenate(parts, axis=1)):
        np.testing.assert_array_equal(scores, neighbours_of(values[:, series], length, ahead))


@pytest.mark.parametrize("ahead", [0, 3])
def test_scores_at_once_are_those_of_a_series_that_ends(ahead):
    values = np.random.default_rng(0).integers(-9, 9, (20, 2)).astype(np.float32)
    scorer = Scorer(Neighbours(ahead), 5)
    whole = scorer.score(values, stride=5)
    assert len(whole) == 20
    at_once = [scorer.score(values[: end + 1], stride=5)[-1] for end in range(4, 20)]
    sequence = scorer.assembler(1)
    streamed = [sequence.add_last(point[None, None])[0, 0] for point in values[4:]]
    np.testing.assert_array_equal(streamed, at_once)
    windows = torch.from_numpy(np.stack([values[start : start + 5] for start in range(16)]))
    before = torch.cat([windows[:1], windows[:-1]])
    np.testing.assert_array_equal(scorer.score_last(windows, before), at_once)
