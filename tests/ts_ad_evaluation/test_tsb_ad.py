"""TSB-AD's nine measures and its period against golden numbers, their definition, and general properties."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import argrelmax
from sklearn.metrics import precision_recall_curve
from statsmodels.tsa.stattools import acf

from tests.support.evaluation_cases import COPIES, GOLDEN, UNDEFINED, cases, golden_case, random_cases
from ts_ad_evaluation import EvaluationError, affiliation, f1_event, f1_pa, f1_r, find_period, tsb_ad_metrics, vus

FOUND_BY_THRESHOLD = {"PA-F1": f1_pa, "Event-based-F1": f1_event, "R-based-F1": f1_r, "Affiliation-F": affiliation}


def golden_tsb_ad(name):
    label, score, _ = golden_case(name)
    return label, score, json.loads((COPIES / "expected_tsb_ad.json").read_text())[name]


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "GECCO"])
def test_golden(name):
    label, score, expected = golden_tsb_ad(name)
    period = find_period(score)
    assert period == expected["period_of_score_series"]
    assert tsb_ad_metrics(score, label, period) == pytest.approx(expected["metrics"], rel=1e-9, abs=0)


def test_agrees_with_its_definition():
    for label, score in random_cases(25):
        got = tsb_ad_metrics(score, label, 5)
        assert (got["VUS-ROC"], got["VUS-PR"]) == vus(label, score, window=5)
        precision, recall, _ = precision_recall_curve(label, score)
        assert got["Standard-F1"] == pytest.approx(np.max(2 * precision * recall / (precision + recall + 1e-5)))
        for name, measure in FOUND_BY_THRESHOLD.items():
            thresholds = [score.min() + k / 99 * (score.max() - score.min()) for k in range(100)]
            want = max(measure(label, score, threshold).f1 for threshold in thresholds)
            assert got[name] == pytest.approx(want, rel=1e-9), name


@settings(max_examples=15)
@given(cases())
def test_bounds(case):
    label, score = case
    assert all(0 <= value <= 1 + 1e-12 for value in tsb_ad_metrics(score, label, 4).values())


@settings(max_examples=15)
@given(cases())
def test_an_exact_score_is_perfect_point_by_point(case):
    label, _ = case
    got = tsb_ad_metrics(label, label, 0)
    assert all(got[name] == pytest.approx(1, abs=1e-5) for name in ("AUC-PR", "AUC-ROC", "Standard-F1"))
    assert all(got[name] == pytest.approx(1) for name in FOUND_BY_THRESHOLD if name != "PA-F1" or not label[0])


def test_a_constant_score_is_predicted_at_no_threshold():
    got = tsb_ad_metrics([2, 2, 2, 2], [0, 1, 1, 0], 2)
    assert all(got[name] == 0 for name in FOUND_BY_THRESHOLD)
    assert got["AUC-ROC"] == got["AUC-PR"] == 0.5


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        tsb_ad_metrics(score, label, 10)


def test_window_out_of_range():
    with pytest.raises(EvaluationError, match="window must be an integer"):
        tsb_ad_metrics([0, 1], [0, 1], -1)


def period_by_definition(series):
    correlation = acf(series[:20_000], nlags=400, fft=True)[3:]
    peaks = argrelmax(correlation)[0]
    if len(peaks) == 0:
        return 125
    highest = peaks[np.argmax(correlation[peaks])]
    return highest + 3 if 3 <= highest <= 300 else 125


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 30, 400, 900, 25_000]), st.integers(1, 420))
def test_period_agrees_with_its_definition(seed, n, period):
    rng = np.random.default_rng(seed)
    noisy = np.tile(rng.normal(size=period).cumsum(), n // period + 1)[:n] + 0.3 * rng.normal(size=n)
    assert find_period(noisy) == period_by_definition(noisy)


@given(st.integers(8, 290))
def test_period_of_a_sine(period):
    assert find_period(np.sin(2 * np.pi * np.arange(10_000) / period)) == period


def test_period_where_there_is_none():
    assert find_period([1.0]) == 125
    assert find_period(np.full(1000, 0.1)) == 125
    assert find_period(np.arange(1000)) == 125
    assert find_period(np.sin(2 * np.pi * np.arange(10_000) / 350)) == 125


@pytest.mark.parametrize("default", [None, 0, 96])
def test_period_of_the_callers_choice_where_there_is_none(default):
    assert find_period([1.0], default=default) is default
    assert find_period(np.arange(1000), default=default) is default
    assert find_period(np.sin(2 * np.pi * np.arange(10_000) / 350), default=default) is default
    assert find_period(np.sin(2 * np.pi * np.arange(1000) / 25), default=default) == 25


def test_a_peak_of_noise_counts_only_where_any_does():
    noise = np.random.default_rng(2).standard_normal(1000)
    assert find_period(noise, default=None) is not None
    assert find_period(noise, default=None, least=4 / np.sqrt(1000)) is None
    wave = np.sin(2 * np.pi * np.arange(1000) / 25)
    assert find_period(wave + noise, default=None, least=4 / np.sqrt(1000)) in range(24, 400)


@pytest.mark.parametrize(
    ("series", "text"), [([], "series is empty"), ([[1, 2]], "one-dimensional"), ([1, np.nan], "NaN or infinity")]
)
def test_period_undefined(series, text):
    with pytest.raises(EvaluationError, match=text):
        find_period(series)
