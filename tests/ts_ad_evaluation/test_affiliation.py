"""Affiliation against golden numbers, its definition, and general properties."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.evaluation_cases import GOLDEN, UNDEFINED, cases, expected_row, golden_case, random_cases
from ts_ad_evaluation import EvaluationError, affiliation


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    label, score, expected = golden_case(name)
    for row, threshold in enumerate(expected["thresholds"]):
        got = affiliation(label, score, threshold)
        assert got == pytest.approx(expected_row(expected, "affiliation", row), rel=1e-9, abs=0)


# From here to the first test that uses it: the definition, integrated over pieces on which it is linear.


def intervals_of(mask):
    edges = np.diff(np.concatenate(([0], np.asarray(mask, dtype=int), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def at_least_as_far(distances, zone, target):
    """Share of the zone whose distance to the target interval is at least each distance; 1 at distance 0."""
    left, right = zone
    before = np.maximum(target[0] - distances - left, 0)
    after = np.maximum(right - target[1] - distances, 0)
    return np.where(distances == 0, 1.0, (before + after) / (right - left))


def integral(function, low, high):
    """Trapezoids between the quarters of integers, where every function here has its corners and jumps."""
    x = np.linspace(low, high, round((high - low) * 4) + 1)
    inside = np.stack((x[:-1] + 1e-9, x[1:] - 1e-9))
    return float(np.sum(np.diff(x) * np.mean([function(y) for y in inside], axis=0)))


def by_definition(label, predicted):
    events, n = intervals_of(label), len(label)
    cuts = [0, *((one[1] + other[0]) / 2 for one, other in pairwise(events)), n]
    precisions, recalls = [], []
    for event, *zone in zip(events, cuts[:-1], cuts[1:], strict=True):
        clipped = [(max(low, zone[0]), min(high, zone[1])) for low, high in intervals_of(predicted)]
        found = [(low, high) for low, high in clipped if low < high]
        if not found:
            recalls.append(0)
            continue

        def precision_at(y, zone=zone, event=event):
            return at_least_as_far(np.maximum(np.maximum(event[0] - y, y - event[1]), 0), zone, event)

        def recall_at(y, zone=zone, found=found):
            distances = np.min([np.maximum(np.maximum(low - y, y - high), 0) for low, high in found], axis=0)
            return at_least_as_far(distances, zone, (y, y))

        time = sum(high - low for low, high in found)
        precisions.append(sum(integral(precision_at, low, high) for low, high in found) / time)
        recalls.append(integral(recall_at, *event) / (event[1] - event[0]))
    return (np.mean(precisions) if precisions else 0), np.mean(recalls)


def test_agrees_with_its_definition():
    rng = np.random.default_rng(5)
    for label, score in random_cases(3000):
        threshold = rng.choice(score) - rng.choice([0, 0.01])
        got = affiliation(label, score, threshold)
        want = by_definition(label, score > threshold)
        assert (got.precision, got.recall) == pytest.approx(want, abs=1e-7), (label, score, threshold)
        assert got.accuracy == np.mean((score > threshold) == label)
        assert got.f1 == pytest.approx(2 * got.precision * got.recall / max(got.precision + got.recall, 1e-300))


@given(cases(), st.integers(-20, 20))
def test_bounds(case, threshold):
    got = affiliation(*case, threshold)
    assert all(0 <= value <= 1 + 1e-12 for value in got[1:])


@given(cases())
def test_an_exact_prediction_is_perfect(case):
    label, _ = case
    assert affiliation(label, label, 0.5)[1:] == (1, 1, 1, 1)


@given(cases(), st.integers(-20, 20))
def test_the_same_backward_in_time(case, threshold):
    label, score = case
    assert affiliation(label[::-1], score[::-1], threshold) == pytest.approx(affiliation(label, score, threshold))


@given(cases(), st.integers(-20, 20))
def test_only_the_order_of_score_and_threshold_matters(case, threshold):
    label, score = case
    got = affiliation(label, np.exp(score / 4) - 3, np.exp(threshold / 4) - 3)
    assert got[1:] == affiliation(label, score, threshold)[1:]


@given(st.lists(st.booleans(), min_size=10, max_size=10), st.integers(0, 8), st.integers(1, 5), st.integers(10, 40))
def test_a_shift_of_one_event_in_a_wide_quiet_margin_changes_nothing(predicted, start, length, margin):
    """With several events the outermost zones would change in width."""

    def measured(margin):
        label, score = np.zeros(60), np.zeros(60)
        label[margin + start : margin + min(start + length, 10)] = 1
        score[margin : margin + 10] = predicted
        return affiliation(label, score, 0.5)

    assert measured(margin) == pytest.approx(measured(20), rel=1e-12)


def test_a_threshold_that_predicts_nothing_gives_zeros():
    assert affiliation([0, 1, 0, 0], [1, 2, 3, 3], 3) == (3, 0.75, 0, 0, 0)
    assert affiliation([0, 1, 0, 0], [1, 2, 3, 3], np.inf) == (np.inf, 0.75, 0, 0, 0)


def test_a_constant_score_predicts_nothing_or_everything():
    assert affiliation([0, 1, 0, 0], [2, 2, 2, 2], 2)[2:] == (0, 0, 0)
    # Per unit of time: left of the event (1/2 + 3/2) / 4, inside 1, right of it (1/2 + 2) / 4.
    everything = affiliation([0, 1, 0, 0], [2, 2, 2, 2], 1)
    assert everything[1:4] == pytest.approx((0.25, (0.5 + 1 + 0.625) / 4, 1))


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        affiliation(label, score, 0.5)


@pytest.mark.parametrize("threshold", [np.nan, [1.0, 2.0], "high", None])
def test_threshold_that_is_no_number(threshold):
    with pytest.raises(EvaluationError, match="threshold must be a single number"):
        affiliation([0, 1], [0, 1], threshold)
