"""PATE against golden numbers, its definition, and general properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from tests.support.evaluation_cases import GOLDEN, UNDEFINED, cases, expected_row, golden_case, random_cases
from ts_ad_evaluation import EvaluationError, pate

# What the PATE package 0.1.1 returns for these cases by default, the mean over the four pairs of buffers.
WITH_ZERO = {
    "close_events_buffers_overlap": 0.2482868194491311,
    "event_at_start": 0.06791118184403848,
    "mostly_anomalous": 0.9716495352143646,
    "shorter_than_buffer": 0.4252999073890551,
    "tied_scores": 0.1148216204238674,
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    label, score, expected = golden_case(name)
    assert pate(label, score) == pytest.approx(expected_row(expected, "pate"), rel=1e-9, abs=0)


@pytest.mark.parametrize("name", WITH_ZERO)
def test_golden_with_zero_buffers(name):
    label, score, _ = golden_case(name)
    assert pate(label, score, include_zero=True).pate == pytest.approx(WITH_ZERO[name], rel=1e-9, abs=0)


# From here to the first test that uses them: the definition, point by point.


def events_of(label):
    edges = np.diff(np.concatenate(([0], np.asarray(label, dtype=int), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))


def weight_by_definition(t, event, far_end):
    points = range(event[0], event[1] + 1)
    return 1 - sum(abs(t - y) for y in points) / sum(abs(far_end - y) for y in points)


def buffers_by_definition(events, n, early, late):
    """The weights of each event's early and late points, by position."""
    all_early, all_late, free = [], [], 0
    for i, event in enumerate(events):
        following = events[i + 1][0] if i + 1 < len(events) else n
        start = max(0, event[0] - early, free)
        end = min(event[1] + late, following - 1)
        all_early.append({t: weight_by_definition(t, event, start) for t in range(start, event[0])})
        all_late.append({t: weight_by_definition(t, event, end) for t in range(event[1] + 1, end + 1)})
        free = end + 1
    return all_early, all_late


def miss_by_definition(event, predicted):
    """False negatives of one event."""
    points = range(event[0], event[1] + 1)
    if not any(predicted[t] for t in points):
        return len(points)
    first = next(t for t in points if predicted[t])
    run = next((t for t in range(first, event[1] + 1) if not predicted[t]), event[1] + 1) - first
    total = 0
    for t in points:
        if not predicted[t]:
            near = sum(abs(t - y) for y in range(event[0], event[0] + run + 1))
            whole = sum(abs(event[1] - y) for y in points)
            total += 1 if t <= event[0] + run else 1 - near / whole
    return total


def counts_by_definition(label, predicted, early, late):
    """True positives, false positives, false negatives."""
    events = events_of(label)
    all_early, all_late = buffers_by_definition(events, len(label), early, late)
    true, false, missed = float(np.sum(label & predicted)), float(np.sum(~label & predicted)), 0.0
    for event, before, after in zip(events, all_early, all_late, strict=True):
        is_hit = predicted[event[0] : event[1] + 1].any()
        partly = sum(w for t, w in after.items() if predicted[t])
        partly += sum(w for t, w in before.items() if predicted[t]) if is_hit else 0
        true, false = true + partly, false - partly
        missed += miss_by_definition(event, predicted)
    return true, false, missed


def by_definition(label, score, early, late, n_thresholds):
    levels = precision_recall_curve(label, score, drop_intermediate=True)[2]
    recalls, precisions = [0], [1]
    for threshold in np.percentile(levels, np.linspace(100, 0, n_thresholds)):
        true, false, missed = counts_by_definition(label == 1, score >= threshold, early, late)
        if true / (true + missed) >= max(recalls):
            recalls.append(true / (true + missed))
            precisions.append(true / (true + false))
    return np.trapezoid(precisions, recalls)


def test_agrees_with_its_definition():
    rng = np.random.default_rng(6)
    for label, score in random_cases(1500):
        early, late, n_thresholds = rng.integers(0, 9), rng.integers(0, 9), rng.integers(2, 12)
        got = pate(label, score, early=early, late=late, n_thresholds=n_thresholds)
        want = by_definition(label, score, early, late, n_thresholds)
        assert got.pate == pytest.approx(want, rel=1e-9), (label, score, early, late, n_thresholds)


def test_with_zero_is_the_mean_over_four_pairs():
    for label, score in random_cases(300, seed=7):
        got = pate(label, score, early=5, late=3, include_zero=True).pate
        pairs = [pate(label, score, early=early, late=late).pate for early in (0, 5) for late in (0, 3)]
        assert got == pytest.approx(np.mean(pairs), rel=1e-12)


@given(cases(), st.integers(0, 30), st.integers(0, 30), st.integers(2, 300))
def test_bounds(case, early, late, n_thresholds):
    """Never 0: the last threshold predicts every point, and the curve starts at precision 1."""
    assert 0 < pate(*case, early=early, late=late, n_thresholds=n_thresholds).pate <= 1 + 1e-12


@given(cases(), st.integers(0, 30), st.integers(0, 30))
def test_an_exact_score_is_perfect(case, early, late):
    label, _ = case
    assert pate(label, label, early=early, late=late).pate == pytest.approx(1, rel=1e-12)


@given(cases(), st.integers(0, 30), st.integers(0, 30), st.sampled_from([0.25, 8]))
def test_the_scale_of_the_score_does_not_matter(case, early, late, scale):
    """Other monotone maps may: a percentile between two scores depends on their values."""
    label, score = case
    assert pate(label, scale * score, early=early, late=late) == pate(label, score, early=early, late=late)


@given(cases(max_length=30), st.integers(0, 10), st.integers(0, 10), st.integers(0, 30))
def test_a_shift_in_a_wide_quiet_margin_changes_nothing(case, early, late, shift):
    label, score = case

    def measured(before):
        padded = [np.full(before, fill) for fill in (0, -50)], [np.full(60 - before, fill) for fill in (0, -50)]
        moved = (np.concatenate((padded[0][i], values, padded[1][i])) for i, values in enumerate((label, score)))
        return pate(*moved, early=early, late=late)

    assert measured(15 + shift) == pytest.approx(measured(30), rel=1e-12)


def test_a_constant_score():
    assert pate([0, 1, 0, 0], [2, 2, 2, 2], early=0, late=0).pate == (1 + 1 / 4) / 2


def test_an_early_detection_counts_only_with_the_event():
    label = [0, 0, 1, 0]
    assert pate(label, [0, 1, 0, 0], early=2, late=0).pate < pate(label, [0, 1, 1, 0], early=2, late=0).pate


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        pate(label, score)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"early": -1}, "early must be an integer of at least 0, got -1"),
        ({"late": 1.5}, "late must be an integer of at least 0, got 1.5"),
        ({"n_thresholds": 1}, "n_thresholds must be an integer of at least 2, got 1"),
    ],
)
def test_options_out_of_range(options, text):
    with pytest.raises(EvaluationError, match=text):
        pate([0, 1], [0, 1], **options)
