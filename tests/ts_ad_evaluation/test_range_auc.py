"""Range AUC and VUS against golden numbers, their definitions, and general properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.evaluation_cases import GOLDEN, UNDEFINED, cases, expected_row, golden_case, random_cases
from ts_ad_evaluation import EvaluationError, auc, r_auc, vus


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    label, score, expected = golden_case(name)
    few = {"window": 30, "n_thresholds": 100}
    for got, entry in [
        (r_auc(label, score), "r_auc"),
        (r_auc(label, score, window=30), "r_auc_window_30"),
        (vus(label, score), "vus"),
        (vus(label, score, **few), "vus_window_30_thre_100"),
    ]:
        assert got == pytest.approx(expected_row(expected, entry), rel=1e-9, abs=0)
    for window, volumes in expected["vus_2022"].items():
        got = vus(label, score, window=int(window), rule="2022")
        assert got == pytest.approx(list(volumes.values()), rel=1e-9, abs=0)


# From here to the first test that uses them: the definitions, word by word.


def events_of(label):
    edges = np.diff(np.concatenate(([0], label, [0])))
    return list(zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True))


def thresholds_of(score, n_thresholds):
    return np.sort(score)[::-1][np.linspace(0, len(score) - 1, n_thresholds).astype(int)]


def extended(label, width, first_after, end_after):
    """Raise the label next to each event [a, b]; after it, from b + first_after to b + end_after(width) − 1."""
    raised = label.astype(float)
    for a, b in events_of(label):
        for t in range(b + first_after, min(b + end_after(width), len(label))):
            raised[t] += np.sqrt(1 - (t - b) / width)
        for t in range(max(a - width // 2, 0), a):
            raised[t] += np.sqrt(1 - (a - t) / width)
    return np.minimum(raised, 1)


def area_under(fpr, tpr):
    fpr, tpr = [0, *fpr, 1], [0, *tpr, 1]
    return sum((fpr[i + 1] - fpr[i]) * (tpr[i + 1] + tpr[i]) / 2 for i in range(len(fpr) - 1))


def r_auc_by_definition(label, score, window, n_thresholds):
    raised = extended(label, window, 0, lambda width: width // 2)
    zones = events_of(raised > 0)
    n_anomalous = (label.sum() + raised.sum()) / 2
    fpr, tpr, precision = [], [], []
    for threshold in thresholds_of(score, n_thresholds):
        predicted = score >= threshold
        hits = np.sum(raised[predicted])
        existence = np.mean([predicted[a : b + 1].any() for a, b in zones])
        tpr.append(min(hits / n_anomalous, 1) * existence)
        fpr.append((predicted.sum() - hits) / (len(label) - n_anomalous))
        precision.append(hits / predicted.sum())
    steps, ends = np.diff([0, *tpr]), [1, *precision]
    pr = sum(step * (ends[i] + ends[i + 1]) / 2 for i, step in enumerate(steps))
    return area_under(fpr, tpr), pr


def zones_by_definition(label, half):
    """Widen events by `half` on both sides, merge those that touch or overlap, cut to the series."""
    zones = []
    for a, b in events_of(label):
        if zones and not zones[-1][1] + half < a - half:
            zones[-1][1] = b
        else:
            zones.append([a, b])
    return [(max(a - half, 0), min(b + half, len(label) - 1)) for a, b in zones]


def vus_by_definition(label, score, window, n_thresholds):
    in_largest = np.zeros(len(label), dtype=bool)
    for a, b in zones_by_definition(label, window // 2):
        in_largest[a : b + 1] = True
    areas = []
    for width in range(window + 1):
        raised = extended(label, width, 1, lambda width: width // 2 + 1)
        zones = zones_by_definition(label, width // 2)
        fpr, tpr, precision = [], [], []
        for threshold in thresholds_of(score, n_thresholds):
            predicted = score >= threshold
            counted = raised.copy()
            for a, b in zones:
                counted[a : b + 1] *= predicted[a : b + 1]
            counted[label == 1] = 1
            hits = np.sum((counted * predicted)[in_largest])
            n_anomalous = (label.sum() + counted[in_largest].sum()) / 2
            existence = np.mean([predicted[a : b + 1].any() for a, b in zones])
            tpr.append(min(hits / n_anomalous, 1) * existence)
            fpr.append((predicted.sum() - hits) / (len(label) - n_anomalous))
            precision.append(hits / predicted.sum())
        areas.append((area_under(fpr, tpr), np.dot(np.diff([0, *tpr]), precision)))
    return np.mean(areas, axis=0)


def test_r_auc_agrees_with_its_definition():
    rng = np.random.default_rng(1)
    for label, score in random_cases(3000):
        window, n_thresholds = int(rng.integers(0, 30)), int(rng.integers(2, 12))
        got = r_auc(label, score, window=window, n_thresholds=n_thresholds)
        want = r_auc_by_definition(label, score, window, n_thresholds)
        assert got == pytest.approx(want, rel=1e-9), (label, score, window, n_thresholds)


def test_vus_agrees_with_its_definition():
    rng = np.random.default_rng(2)
    for label, score in random_cases(1000):
        window, n_thresholds = int(rng.integers(0, 14)), int(rng.integers(2, 8))
        got = vus(label, score, window=window, n_thresholds=n_thresholds)
        want = vus_by_definition(label, score, window, n_thresholds)
        assert got == pytest.approx(want, rel=1e-9), (label, score, window, n_thresholds)


OPTIONS = {"window": st.integers(0, 25), "n_thresholds": st.integers(2, 20)}
RULES = st.sampled_from(["2022", "2024"])


@given(case=cases(), **OPTIONS)
def test_vus_of_2022_is_the_mean_of_the_range_aucs(case, window, n_thresholds):
    areas = [r_auc(*case, window=width, n_thresholds=n_thresholds) for width in range(window + 1)]
    got = vus(*case, window=window, n_thresholds=n_thresholds, rule="2022")
    assert got == pytest.approx(np.mean(areas, axis=0), rel=1e-9)


@given(cases(), st.integers(2, 20))
def test_without_buffer_both_rules_share_the_roc_part_of_the_range_auc(case, n_thresholds):
    area = r_auc(*case, window=0, n_thresholds=n_thresholds).roc
    assert vus(*case, window=0, n_thresholds=n_thresholds).roc == pytest.approx(area, rel=1e-9)


@given(case=cases(), rule=RULES, **OPTIONS)
def test_only_the_order_of_the_scores_matters(case, rule, window, n_thresholds):
    label, score = case
    arguments = {"window": window, "n_thresholds": n_thresholds}
    transformed = np.exp(score / 4) - 3
    assert r_auc(label, transformed, **arguments) == r_auc(label, score, **arguments)
    assert vus(label, transformed, **arguments, rule=rule) == vus(label, score, **arguments, rule=rule)


@given(case=cases(), rule=RULES, **OPTIONS)
def test_the_measures_lie_between_0_and_1(case, rule, window, n_thresholds):
    arguments = {"window": window, "n_thresholds": n_thresholds}
    for value in (*r_auc(*case, **arguments), *vus(*case, **arguments, rule=rule)):
        assert -1e-12 <= value <= 1 + 1e-12


@given(cases(max_length=30), st.integers(0, 40), RULES)
def test_shifting_a_series_with_a_quiet_margin_changes_nothing(case, shift, rule):
    label, score = np.pad(case[0], 60), np.pad(case[1], 60, constant_values=-21)
    moved = np.roll(label, shift), np.roll(score, shift)
    assert r_auc(*moved, window=20) == pytest.approx(r_auc(label, score, window=20), rel=1e-12)
    assert vus(*moved, window=20, rule=rule) == pytest.approx(vus(label, score, window=20, rule=rule), rel=1e-12)


@pytest.mark.parametrize("n_thresholds", [2, 250])
def test_a_perfect_score_reaches_1_without_buffer(n_thresholds):
    label = np.zeros(500, dtype=int)
    label[[0, 499]] = label[100:120] = label[121:140] = 1
    assert r_auc(label, label, window=0, n_thresholds=n_thresholds) == (1, 1)
    assert vus(label, label, window=0, n_thresholds=n_thresholds) == (1, 1)


def test_a_constant_score_without_buffer():
    label = np.arange(100) >= 80
    assert r_auc(label, np.ones(100), window=0) == pytest.approx((0.5, (1 + 0.2) / 2))
    assert vus(label, np.ones(100), window=0) == pytest.approx((0.5, 0.2))


def test_all_thresholds_and_no_buffer_give_the_area_over_points_when_every_event_is_one_point():
    label, score = np.zeros(50, dtype=int), np.random.default_rng(0).permutation(50)
    label[25] = 1
    assert r_auc(label, score, window=0, n_thresholds=50).roc == pytest.approx(auc(label, score).roc)


@pytest.mark.parametrize("measure", [r_auc, vus])
@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(measure, label, score, text):
    with pytest.raises(EvaluationError, match=text):
        measure(label, score)


@pytest.mark.parametrize("measure", [r_auc, vus])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"window": -1}, "window must be an integer of at least 0, got -1"),
        ({"window": 2.5}, "window must be an integer of at least 0, got 2.5"),
        ({"n_thresholds": 1}, "n_thresholds must be an integer of at least 2, got 1"),
    ],
)
def test_options_out_of_range(measure, options, text):
    with pytest.raises(EvaluationError, match=text):
        measure([0, 1], [0, 1], **options)


def test_unknown_rule():
    with pytest.raises(EvaluationError, match='rule must be "2024" or "2022", got 2022'):
        vus([0, 1], [0, 1], rule=2022)
