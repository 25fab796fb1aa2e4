import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exp.report import levels as levels_module
from exp.report.levels import (
    BLOCK,
    BUDGET,
    COARSEST,
    FACTOR,
    LARGEST,
    STEPS,
    build_levels,
    count_numbers,
    pack,
    plan,
)
from tests.support.report_cases import numbers

FLOATS = st.floats(-1e12, 1e12) | st.sampled_from([np.nan, np.inf, -np.inf, 1e301, -1e301, 0.0, 1e300])
SMALLEST = 5e-324  # above 0
SERIES = arrays(np.float64, st.integers(1, 300), elements=FLOATS)


def extremes(values, size):
    """Return minimum and maximum of each bucket, by a plain loop."""
    found = []
    for start in range(0, len(values), size):
        drawn = [value for value in values[start : start + size] if abs(value) <= LARGEST]
        found.append((min(drawn), max(drawn)) if drawn else (np.nan, np.nan))
    return np.array(found).T


@given(values=SERIES, bucket=st.sampled_from([1, 2, 4, 7]))
def test_levels_are_the_exact_minima_and_maxima(values, bucket):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels_module, "FACTOR", 4)
        patch.setattr(levels_module, "COARSEST", 3)
        levels = build_levels(values, bucket)
    assert [level.bucket for level in levels] == [bucket * 4**depth for depth in range(len(levels))]
    assert len(levels[-1].low) <= 3
    for level in levels:
        np.testing.assert_array_equal([level.low, level.high], extremes(values, level.bucket))


def test_levels_of_a_long_series():
    values = np.random.default_rng(0).standard_normal(3 * COARSEST * FACTOR + 17)
    fine, middle, coarse = build_levels(values)
    assert fine.low is fine.high
    np.testing.assert_array_equal([middle.low, middle.high], extremes(values, FACTOR))
    np.testing.assert_array_equal([coarse.low, coarse.high], extremes(values, FACTOR**2))


@given(values=SERIES, bucket=st.sampled_from([1, 3]), repeats=st.integers(1, 12))
def test_packed_numbers_keep_the_precision_of_their_block(values, bucket, repeats):
    values = np.tile(values, repeats)
    levels = build_levels(values, bucket)
    description, data = pack(levels)
    for level, found in zip(levels, numbers(description, data), strict=True):
        for numbers_of_level, decoded in zip((level.low, level.high), found, strict=True):
            for start in range(0, len(decoded), BLOCK):
                kept, exact = decoded[start : start + BLOCK], numbers_of_level[start : start + BLOCK]
                np.testing.assert_array_equal(np.isnan(kept), np.isnan(exact))
                if np.isnan(exact).all():
                    continue
                span, largest = np.nanmax(exact) - np.nanmin(exact), np.nanmax(np.abs(exact))
                assert np.nanmax(np.abs(kept - exact)) <= 0.5001 * span / STEPS + 1e-14 * largest + SMALLEST
                assert np.nanmin(kept) == np.nanmin(exact)


@pytest.mark.parametrize("top", [5e-324, 7e-320, 1.4 * 65_534 * 5e-324, 2.2250738585072014e-308, 1e-300])
def test_numbers_next_to_zero(top):
    """A range with hardly any floats: its steps are subnormal, and yet its top is drawn in the right place."""
    values = np.array([0.0, top / 2, top, np.nan])
    [(kept, _)] = numbers(*pack(build_levels(values)))
    np.testing.assert_allclose(kept, values, rtol=1e-4, atol=SMALLEST)


def test_an_outlier_leaves_other_blocks_their_detail():
    values = np.sin(np.arange(4 * BLOCK))
    values[10] = 1e12
    [(kept, _)] = numbers(*pack(build_levels(values)))
    assert np.abs(kept - values)[BLOCK:].max() < 1e-4
    assert kept[10] == pytest.approx(1e12)


def test_a_constant_series_is_kept_as_it_is():
    [(kept, _)] = numbers(*pack(build_levels(np.full(2000, 0.1))))
    assert (kept == 0.1).all()


@given(n=st.integers(1, 10**9), bucket=st.integers(1, 1000))
def test_count_of_numbers_grows_with_the_series_and_shrinks_with_the_bucket(n, bucket):
    assert count_numbers(n, 2 * bucket + 1) <= count_numbers(n, bucket + 1) <= count_numbers(n + 1, bucket + 1)


@pytest.mark.parametrize(("n", "bucket"), [(1, 1), (5000, 1), (5000, 3), (300_000, 1), (300_000, 7)])
def test_count_of_numbers_is_what_is_packed(n, bucket):
    levels = build_levels(np.arange(float(n)), bucket)
    description, data = pack(levels)
    lengths = [level["count"] * (1 if level["bucket"] == 1 else 2) for level in description]
    assert sum(lengths) == count_numbers(n, bucket)
    assert len(data) <= 2 * sum(lengths) * 1.02 + 16 * len(lengths) * 2


def test_the_budget_holds_a_million_rows_of_eight_channels_entirely():
    assert plan(1_000_000, 8) == (1, 1, 0)
    assert BUDGET * 2 * 4 / 3 < 25.1e6


@given(n=st.integers(1, 10**9), channels=st.integers(0, 2000), times=st.booleans())
def test_the_budget_holds_for_series_of_any_size(n, channels, times):
    score_bucket, channel_bucket, surroundings = plan(n, channels, times=times)
    spent = count_numbers(n, score_bucket) + channels * count_numbers(n, channel_bucket)
    spent += surroundings + times * n // score_bucket
    assert spent <= 1.26 * BUDGET
    assert (surroundings == 0) == (score_bucket == channel_bucket == 1 and spent <= BUDGET)
