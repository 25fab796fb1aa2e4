"""SPOT against golden numbers, its definition, and general properties."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from tests.support.evaluation_cases import GOLDEN, golden_arrays, golden_case
from ts_ad_evaluation import SPOT, EvaluationError, spot_threshold
from ts_ad_evaluation.pareto import ParetoTail, log_likelihood
from ts_ad_evaluation.spot import fewest_scores

RISKS = ("0.1", "0.01", "0.001")


def golden_spot(name):
    _, score, expected = golden_case(name)
    return golden_arrays(name)["spot_init_score"], score, expected["spot"]


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name, risk):
    """Within 0.1 %: the published code stops its search for the likeliest fit early."""
    init_score, score, expected = golden_spot(name)
    got = spot_threshold(init_score, score, risk=float(risk))
    assert got.initial == expected[risk]["init_threshold"]
    assert got.threshold == pytest.approx(expected[risk]["mean_threshold"], rel=1e-3)
    assert got.last == pytest.approx(expected[risk]["last_threshold"], rel=2e-3)
    assert got.n_alarms == pytest.approx(expected[risk]["n_alarms"], rel=2e-3, abs=1)


@pytest.mark.parametrize("name", ["shorter_than_buffer", "perfect_scores"])
def test_likelihood_is_not_below_the_golden_one(name):
    """If no test score is above the level, the three thresholds determine the golden shape and scale."""
    init_score, score, expected = golden_spot(name)
    level = expected["0.1"]["init_threshold"]
    assert not np.any(score > level)
    excesses = init_score[init_score > level] - level
    ratio = [len(init_score) * float(risk) / len(excesses) for risk in RISKS]
    above = [expected[risk]["mean_threshold"] - level for risk in RISKS]

    def mismatch(shape):
        return above[2] * math.expm1(-shape * math.log(ratio[0])) - above[0] * math.expm1(-shape * math.log(ratio[2]))

    shape = brentq(mismatch, -0.9, -0.01)
    scale = above[0] * shape / math.expm1(-shape * math.log(ratio[0]))
    assert level + scale * math.expm1(-shape * math.log(ratio[1])) / shape == pytest.approx(level + above[1])
    tail = ParetoTail(excesses, "published")
    assert log_likelihood(excesses, tail.shape, tail.scale) >= log_likelihood(excesses, shape, scale)


def by_definition(init_score, score, risk, level, rule, drift_window=None):
    """Alarms and the threshold that each score is compared with, with a fit from scratch after each excess."""
    normal = list(init_score)
    values = list(init_score)
    if drift_window is not None:
        values = [x - np.mean(normal[i : i + drift_window]) for i, x in enumerate(normal[drift_window:])]
    t = sorted(values)[int(level * len(values))]
    n, excesses = len(values), [x - t for x in values if x > t]

    def quantile():
        tail = ParetoTail(np.array(excesses), rule)
        r = n * risk / len(excesses)
        if tail.shape == 0:
            return t - tail.scale * math.log(r)
        return t + tail.scale / tail.shape * (r**-tail.shape - 1)

    z = quantile()
    for x in score:
        drift = 0 if drift_window is None else np.mean(normal[-drift_window:])
        yield x - drift > z, z + drift
        if x - drift > z:
            continue
        n += 1
        normal.append(x)
        if x - drift > t:
            excesses.append(x - drift - t)
            z = quantile()


@pytest.mark.parametrize("rule", ["published", "likelihood"])
@pytest.mark.parametrize("risk", [0.2, 0.02, 0.001])
@pytest.mark.parametrize("drift_window", [None, 1, 30])
def test_agrees_with_its_definition(risk, rule, drift_window):
    rng = np.random.default_rng(8)
    init_score, score = rng.gamma(2.0, size=400), np.append(rng.gamma(2.0, size=300), rng.gamma(3.0, size=100))
    want = list(by_definition(init_score, score, risk, 0.9, rule, drift_window))
    detector = SPOT(init_score, risk=risk, level=0.9, rule=rule, drift_window=drift_window)
    alarms, thresholds = detector.update_many(score)
    assert alarms.tolist() == [alarm for alarm, _ in want]
    assert thresholds == pytest.approx([threshold for _, threshold in want], rel=1e-6)


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.3, 0.02, 0.001]),
    st.sampled_from([None, 20]),
    st.sampled_from([None, 15]),
    st.lists(st.integers(0, 150), max_size=3).map(sorted),
)
def test_batch_stream_and_restored_stream_are_the_same(seed, risk, drift_window, max_excesses, cuts):
    rng = np.random.default_rng(seed)
    init_score, score = rng.gamma(2.0, size=300), rng.gamma(2.2, size=150)
    options = {"risk": risk, "level": 0.9, "drift_window": drift_window, "max_excesses": max_excesses}
    batch = SPOT(init_score, **options)
    alarms, thresholds = batch.update_many(score)

    stream = SPOT(init_score, **options)
    steps = []
    for part in np.split(score, cuts):
        stream = SPOT.from_state(json.loads(json.dumps(stream.get_state())))
        steps += [stream.update(value) for value in part.tolist()]
    assert [step.alarm for step in steps] == alarms.tolist()
    assert [step.threshold for step in steps] == thresholds.tolist()
    assert stream.threshold == batch.threshold
    assert stream.get_state() == batch.get_state()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2.0**-40, 0.5, 2.0**40]), st.integers(-8, 8))
def test_by_likelihood_the_unit_of_the_scores_does_not_matter(seed, unit, offset):
    rng = np.random.default_rng(seed)
    init_score, score = rng.exponential(size=1000), rng.exponential(size=300)
    plain = spot_threshold(init_score, score, risk=0.01, rule="likelihood")
    other = spot_threshold(unit * (init_score + offset), unit * (score + offset), risk=0.01, rule="likelihood")
    assert other.threshold == pytest.approx(unit * (plain.threshold + offset), rel=1e-6, abs=1e-6 * unit)
    assert other.n_alarms == plain.n_alarms


def test_batch_reports_the_mean_of_the_running_threshold():
    rng = np.random.default_rng(9)
    init_score, score = rng.exponential(size=1000), rng.exponential(size=500)
    detector = SPOT(init_score, risk=0.005)
    running, n_alarms = [], 0
    for value in score.tolist():
        n_alarms += detector.update(value).alarm
        running.append(detector.threshold)
    got = spot_threshold(init_score, score, risk=0.005)
    assert got == (pytest.approx(np.mean(running), rel=1e-12), detector.level_score, detector.threshold, n_alarms)
    assert min(running) < got.threshold < max(running)


@pytest.mark.parametrize("risk", [1e-2, 1e-3])
def test_about_the_risk_of_normal_scores_are_alarms(risk):
    rng = np.random.default_rng(10)
    got = spot_threshold(rng.exponential(size=20_000), rng.exponential(size=100_000), risk=risk)
    assert risk < got.n_alarms / 100_000 < 2 * risk
    assert got.last == pytest.approx(-math.log(risk), rel=0.15)


def test_drift_is_followed():
    rng = np.random.default_rng(11)
    detector = SPOT(rng.normal(size=1000), drift_window=50)
    alarms, thresholds = detector.update_many(rng.normal(size=5000) + np.linspace(0, 100, 5000))
    assert alarms.mean() < 0.01
    assert thresholds[0] == pytest.approx(3.5, abs=1)
    assert thresholds[-1] == pytest.approx(103.5, abs=2)


def test_memory_is_bounded_with_a_limit():
    rng = np.random.default_rng(12)
    detector = SPOT(rng.exponential(size=500), risk=1e-4, level=0.8, max_excesses=50, drift_window=100)
    sizes = []
    for _ in range(4):
        detector.update_many(rng.exponential(size=500))
        state = detector.get_state()
        sizes.append((len(state["tail"]["values"]), len(state["recent"]["values"])))
    assert set(sizes) == {(50, 100)}


@pytest.mark.parametrize("init_score", [[2.0] * 60, [0.0] * 10 + [1.0] * 90])
def test_no_initial_score_above_the_level(init_score):
    with pytest.raises(
        EvaluationError,
        match=r"no initial score is above their 0.98 quantile [12].0, too many are equal: set .* quantile .* number",
    ):
        SPOT(init_score)


@pytest.mark.parametrize("level", [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999])
@pytest.mark.parametrize("drift_window", [None, 1, 30])
def test_the_fewest_scores_are_enough_and_one_less_is_not(level, drift_window):
    needed = fewest_scores(level, drift_window)
    scores = np.random.default_rng(0).exponential(size=needed)
    SPOT(scores, level=level, drift_window=drift_window)
    with pytest.raises(EvaluationError, match=f"SPOT needs at least {needed} .*, got {needed - 1}: .*quantile.*number"):
        SPOT(scores[1:], level=level, drift_window=drift_window)


@pytest.mark.parametrize(
    ("init_score", "options", "text"),
    [
        ([], {}, "init_score is empty"),
        ([[1.0, 2.0]], {}, "init_score must be one-dimensional"),
        ([1.0, math.nan], {}, "init_score holds NaN or infinity, first at index 1"),
        ([1.0, 2.0], {"risk": 0}, r"risk must be in \(0, 1\), got 0"),
        ([1.0, 2.0], {"risk": math.nan}, r"risk must be in \(0, 1\), got nan"),
        ([1.0, 2.0], {"level": 1}, r"level must be in \[0, 1\), got 1"),
        ([1.0, 2.0], {"rule": "best"}, 'rule must be "published" or "likelihood", got \'best\''),
        ([1.0, 2.0], {"drift_window": 0}, "drift_window must be an integer of at least 1 or None, got 0"),
        ([1.0, 2.0], {"drift_window": 2}, "at least 53 initial scores with a drift window of 2, got 2"),
        ([1.0, 2.0], {"max_excesses": 1.5}, "max_excesses must be an integer of at least 1 or None, got 1.5"),
    ],
)
def test_undefined(init_score, options, text):
    with pytest.raises(EvaluationError, match=text):
        SPOT(init_score, **options)


def test_scores_that_are_no_numbers():
    detector = SPOT(np.arange(100.0))
    for value in (math.nan, math.inf):
        with pytest.raises(EvaluationError, match="score must be finite"):
            detector.update(value)
        with pytest.raises(EvaluationError, match="score holds NaN or infinity, first at index 1"):
            detector.update_many([1.0, value])
        with pytest.raises(EvaluationError, match="score holds NaN or infinity, first at index 0"):
            spot_threshold(np.arange(100.0), [value])
