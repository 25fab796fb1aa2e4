import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from statsmodels.tsa.seasonal import STL

from models.MIXAD.score import divergences, dominant_period, jensen_shannon, seasonal_part, without_season


def attention(points, channels=2, slots=3, seed=0, spread=1.0):
    """Return random attentions of shape (points, channels, slots)."""
    weights = np.exp(spread * np.random.default_rng(seed).standard_normal((points, channels, slots)))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def score_attention(given):
    """Return the published scores of a whole part."""
    return without_season(divergences(given))


@given(st.integers(0, 1000), st.sampled_from([0.0, 1e-3, 1.0, 30.0]))
def test_divergence_is_that_of_the_definition(seed, spread):
    p, q = attention(2, 5, 4, seed, spread).astype(float)
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    own = jensen_shannon(p, q)
    np.testing.assert_allclose(own, jensenshannon(p, q, axis=-1) ** 2, atol=1e-12)
    np.testing.assert_allclose(own, jensen_shannon(q, p), atol=1e-15)
    assert (own >= 0).all()
    assert (own <= np.log(2) + 1e-12).all()
    assert not jensen_shannon(p, p).any()


@pytest.mark.parametrize(("points", "period"), [(1000, 25), (1003, 24), (100, 2), (50, 25), (23_040, 1440)])
def test_the_period_of_pulses_and_waves(points, period):
    time = np.arange(points)
    assert dominant_period(3 + np.cos(2 * np.pi * time / period)) == period
    assert dominant_period(5e-4 * time / points + np.cos(2 * np.pi * time / period) ** 3) == period


def test_a_wave_that_comes_round_once_is_no_season():
    time = np.arange(400)
    series = 5 * np.cos(2 * np.pi * time / 400) + np.cos(2 * np.pi * time / 20)
    assert dominant_period(series) == 20


@given(st.integers(0, 60), st.integers(0, 1000))
def test_periods_fit_twice(points, seed):
    series = np.random.default_rng(seed).random(points)
    period = dominant_period(series)
    if points < 4:
        assert period is None
    else:
        assert 2 <= period <= points // 2
    assert dominant_period(np.full(points, 0.3)) is None


def test_scores_without_a_season_are_the_divergences():
    given = attention(3)
    scores = score_attention(given)
    assert not scores[0].any()
    np.testing.assert_allclose(scores[1:], jensen_shannon(given[1:], given[:-1]), rtol=1e-6)


@pytest.mark.parametrize("points", [0, 1, 2, 3])
def test_few_points(points):
    assert score_attention(attention(points)).shape == (points, 2)


def test_attention_that_never_changes_scores_zero():
    assert not score_attention(np.repeat(attention(1), 100, axis=0)).any()


def test_what_is_no_number_stays_where_it_is():
    given = attention(100)
    given[20, 0] = np.nan
    assert np.argwhere(np.isnan(score_attention(given))).tolist() == [[20, 0], [21, 0]]


@hypothesis_settings(max_examples=40)
@given(st.integers(4, 80), st.integers(0, 1000))
def test_every_length_can_be_scored(points, seed):
    given = attention(points, seed=seed)
    scores = score_attention(given)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(score_attention(given), scores)
    # Channels are independent of each other.
    np.testing.assert_array_equal(score_attention(given[:, ::-1]), scores[:, ::-1])
    steps = np.vstack([np.zeros(2), jensen_shannon(given[1:], given[:-1])])
    for channel in range(2):
        series = steps[:, channel]
        expected = series - STL(series, period=dominant_period(series)).fit().seasonal
        np.testing.assert_allclose(scores[:, channel], expected, atol=0.02)


def seasonal(points, period):
    """Return attention that changes at every period's start and changes back at the next point."""
    weights = np.full((points, 1, 2), 0.5)
    weights[::period] = [[0.9, 0.1]]
    return weights


def test_what_returns_with_the_season_is_removed():
    given = seasonal(1200, 24)
    raw = jensen_shannon(given[1:], given[:-1])
    inner = slice(100, -100)
    assert raw[inner].max() > 0.1
    assert np.abs(score_attention(given)[inner]).max() < 0.02
    given[612:614] = [[0.15, 0.85]]  # a smaller change than the season's, at another time
    raw = jensen_shannon(given[1:], given[:-1])
    assert raw[611] < 0.8 * raw.max()
    assert score_attention(given)[inner].argmax() in (512, 514)


@pytest.mark.parametrize("period", [2, 7, 60, 400])
def test_interpolated_smoothing_stays_near_to_the_full_one(period):
    rng = np.random.default_rng(0)
    series = rng.gamma(0.3, 1, 2000) + 2.0 * (np.arange(2000) % period < 1 + period // 10)
    full = STL(series, period=period).fit().seasonal
    assert np.abs(seasonal_part(series, period) - full).max() < 0.01 * np.ptp(full)
