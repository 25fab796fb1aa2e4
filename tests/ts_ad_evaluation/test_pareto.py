"""The fit of the generalised Pareto distribution against a plain search, over excesses of many kinds."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ts_ad_evaluation.pareto import ParetoTail, log_likelihood

KINDS = {
    "heavy": lambda rng, n: rng.pareto(1.5, n),
    "exponential": lambda rng, n: rng.exponential(2.0, n),
    "bounded": lambda rng, n: rng.beta(1, 4, n),
    "uniform": lambda rng, n: rng.uniform(0, 1, n),
    "two scales": lambda rng, n: rng.exponential(np.where(rng.uniform(size=n) < 0.9, 0.01, 30.0)),
    "ties": lambda rng, n: rng.integers(1, 6, n) / 4,
    "tiny": lambda rng, n: rng.exponential(1e-30, n),
    "huge": lambda rng, n: rng.exponential(1e30, n),
}


def plain_search(excesses):
    """Largest log-likelihood among the interior local maxima over a dense grid of theta, and the exponential one."""
    largest, mean = excesses.max(), excesses.mean()
    grid = np.concatenate(
        (
            (np.geomspace(1e-9, 1, 3000)[:-1] - 1) / largest,
            -np.geomspace(1e-6, 0.5, 1000) / largest,
            np.geomspace(1e-6, 1e9, 4000) / mean,
        )
    )
    grid.sort()
    shape = np.array([np.log1p(theta * excesses).mean() for theta in grid])
    likelihood = -len(excesses) * (np.log(shape / grid) + 1 + shape)
    inside = (likelihood[1:-1] > likelihood[:-2]) & (likelihood[1:-1] > likelihood[2:])
    exponential = -len(excesses) * (1 + np.log(mean))
    return max(np.append(likelihood[1:-1][inside], exponential))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [5, 40, 600])
def test_likelihood_is_not_below_a_plain_search_at_any_time(kind, n):
    rng = np.random.default_rng([n, len(kind)])
    excesses = KINDS[kind](rng, 2 * n)
    tail = ParetoTail(excesses[:n], "likelihood")
    for count in range(n, 2 * n):
        if count % max(1, n // 8) == 0:
            want = plain_search(excesses[:count])
            got = log_likelihood(excesses[:count], tail.shape, tail.scale)
            assert got >= want - 1e-9 * max(1, abs(want)), (count, tail.shape, tail.scale)
        tail.add(excesses[count])


def test_recovers_shape_and_scale():
    rng = np.random.default_rng(0)
    for shape in (-0.3, 0.2, 0.7):
        excesses = 3.0 * np.expm1(-shape * np.log(rng.uniform(size=100_000))) / shape
        tail = ParetoTail(excesses, "likelihood")
        assert (tail.shape, tail.scale) == pytest.approx((shape, 3.0), abs=0.05)


def test_adding_one_by_one_ends_where_fitting_at_once_does():
    rng = np.random.default_rng(1)
    excesses = rng.pareto(3.0, 3000)
    grown = ParetoTail(excesses[:100], "likelihood")
    for excess in excesses[100:]:
        grown.add(excess)
    whole = ParetoTail(excesses, "likelihood")
    assert (grown.shape, grown.scale) == pytest.approx((whole.shape, whole.scale), rel=1e-9)


def test_with_a_limit_only_the_last_excesses_count():
    rng = np.random.default_rng(2)
    excesses = np.concatenate((rng.pareto(1.0, 500), rng.exponential(2.0, 500)))
    tail = ParetoTail(excesses[:300], "likelihood", max_excesses=200)
    for excess in excesses[300:]:
        tail.add(excess)
    last = ParetoTail(excesses[-200:], "likelihood")
    assert (tail.shape, tail.scale) == pytest.approx((last.shape, last.scale), rel=1e-7)
    assert tail.n_added == 1000
    assert len(tail.get_state()["values"]) == 200


def test_published_rule_prefers_the_exponential_for_a_large_mean_excess():
    """Its log-likelihood enters with the opposite sign, so the choice depends on the unit of the scores."""
    excesses = np.random.default_rng(3).pareto(1.0, 200)
    assert ParetoTail(100 * excesses, "published").shape == 0
    assert ParetoTail(excesses / 100, "published").shape > 0.5
    small, large = (ParetoTail(unit * excesses, "likelihood") for unit in (0.01, 100))
    assert (small.shape, 1e4 * small.scale) == pytest.approx((large.shape, large.scale), rel=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(KINDS)), st.sampled_from([None, 30]))
def test_a_restored_tail_goes_on_with_the_same_bits(seed, kind, limit):
    excesses = KINDS[kind](np.random.default_rng(seed), 120)
    tail = ParetoTail(excesses[:40], "likelihood", limit)
    for excess in excesses[40:80]:
        tail.add(excess)
    restored = ParetoTail.from_state(json.loads(json.dumps(tail.get_state())))
    for excess in excesses[80:]:
        tail.add(excess)
        restored.add(excess)
        assert (tail.shape, tail.scale) == (restored.shape, restored.scale)


def test_a_single_excess_and_equal_ones_give_the_exponential():
    for excesses in ([2.0], [2.0, 2.0, 2.0]):
        tail = ParetoTail(np.array(excesses), "likelihood")
        assert (tail.shape, tail.scale) == (0, 2)
