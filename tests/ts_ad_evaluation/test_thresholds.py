"""Thresholds without a fit against golden numbers, their definition, and general properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.evaluation_cases import GOLDEN, golden_case
from ts_ad_evaluation import EvaluationError, prior_anomaly_rate

SCORES = st.lists(st.integers(-50, 50), min_size=1, max_size=60)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    _, score, expected = golden_case(name)
    for rate, threshold in expected["prior_anomaly_rate"].items():
        assert prior_anomaly_rate(score, float(rate)) == pytest.approx(threshold, rel=1e-9, abs=0)


@given(SCORES, st.floats(0, 1))
def test_not_more_than_the_rate_and_one_point_are_above(score, rate):
    threshold = prior_anomaly_rate(score, rate)
    assert np.sum(np.array(score) > threshold + 1e-9) <= rate * (len(score) - 1) + 1
    assert min(score) <= threshold <= max(score)


@given(SCORES, st.floats(0, 1))
def test_agrees_with_its_definition(score, rate):
    ordered, place = sorted(score), (1 - rate) * (len(score) - 1)
    below = int(place)
    above = min(below + 1, len(score) - 1)
    want = ordered[below] + (place - below) * (ordered[above] - ordered[below])
    assert prior_anomaly_rate(score, rate) == pytest.approx(want, rel=1e-9, abs=1e-9)


def test_the_ends_and_a_constant_score():
    assert prior_anomaly_rate([3, 1, 2], 0) == 3
    assert prior_anomaly_rate([3, 1, 2], 1) == 1
    assert prior_anomaly_rate([2, 2, 2], 0.1) == 2


@pytest.mark.parametrize(
    ("score", "rate", "text"),
    [
        ([], 0.1, "init_score is empty"),
        ([1, np.nan], 0.1, "init_score holds NaN or infinity, first at index 1"),
        ([[1], [2]], 0.1, "init_score must be one-dimensional"),
        ([1, 2], 1.5, r"rate must be in \[0, 1\], got 1.5"),
        ([1, 2], np.nan, r"rate must be in \[0, 1\], got nan"),
    ],
)
def test_undefined(score, rate, text):
    with pytest.raises(EvaluationError, match=text):
        prior_anomaly_rate(score, rate)
