"""The F1 family against golden numbers, its definitions, and general properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_curve

from tests.support.evaluation_cases import GOLDEN, UNDEFINED, cases, expected_row, golden_case, random_cases
from ts_ad_evaluation import EvaluationError, best_f1, best_f1_pa, f1_event, f1_pa, f1_r, f1_raw

THRESHOLDED = {"f1_raw": f1_raw, "f1_pa": f1_pa, "f1_r": f1_r, "f1_event": f1_event}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_best(name):
    label, score, expected = golden_case(name)
    assert best_f1(label, score) == pytest.approx(expected_row(expected, "best_f1"), rel=1e-9, abs=0)


@pytest.mark.parametrize("measure", THRESHOLDED)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_at_thresholds(name, measure):
    label, score, expected = golden_case(name)
    for row, threshold in enumerate(expected["thresholds"]):
        got = THRESHOLDED[measure](label, score, threshold)
        assert got == pytest.approx(expected_row(expected, measure, row), rel=1e-9, abs=0)


# From here to the first test that uses them: the definitions, word by word.


def ranges_of(mask):
    ranges = []
    for t, inside in enumerate(mask):
        if inside and (t == 0 or not mask[t - 1]):
            ranges.append({t})
        elif inside:
            ranges[-1].add(t)
    return ranges


def harmonic(precision, recall, below=0):
    return 2 * precision * recall / (precision + recall + below) if precision + recall else 0


def raw_by_definition(label, predicted):
    hits = np.sum(label & predicted)
    precision = hits / predicted.sum() if predicted.any() else 0
    recall = hits / label.sum()
    return np.mean(label == predicted), precision, recall, harmonic(precision, recall)


def pa_by_definition(label, predicted, adjust_first=False):
    adjusted = predicted.copy()
    for event in ranges_of(label):
        if any(predicted[t] for t in event):
            for t in event:
                adjusted[t] = predicted[t] if t == 0 and not adjust_first else True
    return raw_by_definition(label, adjusted)


def overlap_reward(one, others, existence):
    overlapping = [other for other in others if one & other]
    if not overlapping:
        return 0
    covered = sum(len(one & other) for other in overlapping) / len(one)
    return existence + (1 - existence) * covered / len(overlapping)


def r_by_definition(label, predicted):
    events, ranges = ranges_of(label), ranges_of(predicted)
    recall = np.mean([overlap_reward(event, ranges, 0.2) for event in events])
    precision = np.mean([overlap_reward(r, events, 0) for r in ranges]) if ranges else 0
    return np.mean(label == predicted), precision, recall, harmonic(precision, recall)


def event_by_definition(label, predicted):
    accuracy, precision, _, _ = raw_by_definition(label, predicted)
    recall = np.mean([any(predicted[t] for t in event) for event in ranges_of(label)])
    return accuracy, precision, recall, harmonic(precision, recall, 1e-15)


DEFINITIONS = {
    "f1_raw": raw_by_definition,
    "f1_pa": pa_by_definition,
    "f1_r": r_by_definition,
    "f1_event": event_by_definition,
}


@pytest.mark.parametrize("measure", THRESHOLDED)
def test_agrees_with_its_definition(measure):
    rng = np.random.default_rng(3)
    for label, score in random_cases(3000):
        threshold = rng.choice(score) - rng.choice([0, 0.01])
        got = THRESHOLDED[measure](label, score, threshold)
        want = DEFINITIONS[measure](label == 1, score > threshold)
        assert got == pytest.approx((threshold, *want), rel=1e-9, abs=1e-12), (label, score, threshold)


def test_point_adjustment_of_the_first_point():
    label, score = [1, 1, 0, 0], [0, 1, 0, 0]
    assert f1_pa(label, score, 0.5).recall == 0.5
    assert f1_pa(label, score, 0.5, adjust_first=True).recall == 1
    assert f1_pa(label, score[::-1], 0.5, adjust_first=True).recall == 0
    for label, score in random_cases(1000, seed=4):
        got = f1_pa(label, score, 0.4, adjust_first=True)
        assert got[1:] == pytest.approx(pa_by_definition(label == 1, score > 0.4, adjust_first=True), rel=1e-9)


def best_by_scikit_learn(label, score):
    precision, recall, thresholds = precision_recall_curve(label, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    best = np.argmax(f1[:-1])
    accuracy = accuracy_score(label, score > thresholds[best])
    return thresholds[best], accuracy, precision[best], recall[best], f1[best]


def test_best_f1_agrees_with_scikit_learn():
    for label, score in random_cases(2000):
        assert best_f1(label, score) == pytest.approx(best_by_scikit_learn(label, score), rel=1e-9)


@given(cases())
def test_no_threshold_beats_the_best(case):
    label, score = case
    largest = max(f1_raw(label, score, threshold).f1 for threshold in (*score, score.min() - 1))
    assert best_f1(label, score).f1 == pytest.approx(largest, rel=1e-12)


@given(cases())
def test_only_the_order_of_the_scores_matters_to_the_best(case):
    label, score = case
    for measure in (best_f1, best_f1_pa):
        assert measure(label, np.exp(score / 4) - 3)[1:] == measure(label, score)[1:]


@pytest.mark.parametrize("adjust_first", [False, True])
@given(case=cases())
def test_the_best_point_adjusted_is_that_of_all_thresholds(case, adjust_first):
    label, score = case
    # Above t - 1/2 are the scores of at least t, as they are whole numbers.
    every = {t: f1_pa(label, score, t - 0.5, adjust_first=adjust_first) for t in sorted(set(score))}
    largest = max(f1.f1 for f1 in every.values())
    got = best_f1_pa(label, score, adjust_first=adjust_first)
    assert got.f1 == pytest.approx(largest, rel=1e-12)
    assert got[1:] == pytest.approx(every[got.threshold][1:], rel=1e-12)


@pytest.mark.parametrize("adjust_first", [False, True])
def test_the_best_point_adjusted_by_definition(adjust_first):
    for label, score in random_cases(1000, seed=5):
        got = best_f1_pa(label, score, adjust_first=adjust_first)
        rows = [pa_by_definition(label == 1, score >= t, adjust_first=adjust_first) for t in score]
        assert got.f1 == pytest.approx(max(row[-1] for row in rows), rel=1e-12)
        at_threshold = pa_by_definition(label == 1, score >= got.threshold, adjust_first=adjust_first)
        assert got[1:] == pytest.approx(at_threshold, rel=1e-12)


@pytest.mark.parametrize("name", GOLDEN)
def test_no_threshold_of_the_published_point_adjusted_f1_beats_the_best(name):
    label, score, expected = golden_case(name)
    best = best_f1_pa(label, score)
    assert best.f1 >= max(expected["f1_pa"]["f1_pa"]["F1_PA"]) - 1e-12
    below = np.nextafter(best.threshold, -np.inf)
    assert best[1:] == pytest.approx(f1_pa(label, score, below)[1:], rel=1e-12)


@given(cases())
def test_point_adjustment_never_lowers_the_best(case):
    assert best_f1_pa(*case).f1 >= best_f1(*case).f1 - 1e-12
    assert best_f1_pa(*case, adjust_first=True).f1 >= best_f1_pa(*case).f1 - 1e-12


@given(cases())
def test_one_point_of_each_event_above_all_normal_ones_is_enough(case):
    label, score = case
    raised = score.copy()
    raised[[max(event) for event in ranges_of(label)]] = 21
    assert best_f1_pa(label, raised, adjust_first=True) == (21, 1, 1, 1, 1)
    assert best_f1_pa(np.append(0, label), np.append(-21, raised)) == (21, 1, 1, 1, 1)


@pytest.mark.parametrize("measure", THRESHOLDED)
@given(case=cases(), threshold=st.integers(-21, 21))
def test_the_measures_lie_between_0_and_1(measure, case, threshold):
    assert all(0 <= value <= 1 for value in THRESHOLDED[measure](*case, threshold)[1:])


@pytest.mark.parametrize("measure", THRESHOLDED)
@given(case=cases(), threshold=st.integers(-20, 20), shift=st.integers(1, 30))
def test_shifting_a_series_with_a_quiet_margin_changes_nothing(measure, case, threshold, shift):
    label, score = np.pad(case[0], 31), np.pad(case[1], 31, constant_values=-21)
    got = THRESHOLDED[measure](np.roll(label, shift), np.roll(score, shift), threshold)
    assert got == pytest.approx(THRESHOLDED[measure](label, score, threshold), rel=1e-12)


@pytest.mark.parametrize("measure", THRESHOLDED)
@given(case=cases())
def test_an_exact_prediction_gives_1(measure, case):
    label, _ = case
    assert THRESHOLDED[measure](label, label, 0.5)[1:] == pytest.approx((1, 1, 1, 1), rel=1e-12)
    assert best_f1(label, label)[2:] == (1, 1, 1)


@pytest.mark.parametrize("measure", THRESHOLDED)
@pytest.mark.parametrize("threshold", [1, np.inf])
def test_a_threshold_that_predicts_nothing_gives_0(measure, threshold):
    assert THRESHOLDED[measure]([0, 0, 0, 1], [1, 0, 1, 0], threshold) == (threshold, 0.75, 0, 0, 0)


@given(cases())
def test_a_constant_score_at_best_predicts_everything(case):
    label, _ = case
    share = label.mean()
    want = (7, 1 - share, share, 1, 2 * share / (share + 1))
    assert best_f1(label, np.full(len(label), 7)) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        best_f1(label, score)
    with pytest.raises(EvaluationError, match=text):
        best_f1_pa(label, score)
    for measure in THRESHOLDED.values():
        with pytest.raises(EvaluationError, match=text):
            measure(label, score, 0.5)


@pytest.mark.parametrize("measure", THRESHOLDED)
def test_threshold_must_be_a_number(measure):
    with pytest.raises(EvaluationError, match="threshold must be a single number"):
        THRESHOLDED[measure]([0, 1], [0, 1], np.nan)
