"""AUC against golden numbers, scikit-learn, its definition, and general properties."""

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.support.evaluation_cases import GOLDEN, UNDEFINED, cases, expected_row, golden_case, random_cases
from ts_ad_evaluation import EvaluationError, auc


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    label, score, expected = golden_case(name)
    assert auc(label, score) == pytest.approx(expected_row(expected, "auc"), rel=1e-9, abs=0)


def auc_by_definition(label, score):
    anomalous, normal = score[label == 1], score[label == 0]
    pairs = np.sign(anomalous[:, None] - normal)
    recall, area = 0, 0
    for level in np.unique(score)[::-1]:
        hits = np.sum(anomalous >= level)
        area += (hits / len(anomalous) - recall) * hits / np.sum(score >= level)
        recall = hits / len(anomalous)
    return np.mean(pairs > 0) + np.mean(pairs == 0) / 2, area


def test_agrees_with_its_definition():
    for label, score in random_cases(3000):
        assert auc(label, score) == pytest.approx(auc_by_definition(label, score), rel=1e-9)


@given(cases())
def test_agrees_with_scikit_learn(case):
    assert auc(*case) == pytest.approx((roc_auc_score(*case), average_precision_score(*case)), rel=1e-9)


@given(cases())
def test_only_the_order_of_the_scores_matters(case):
    label, score = case
    assert auc(label, np.exp(score / 4) - 3) == auc(label, score)


@given(cases())
def test_the_order_of_the_points_does_not_matter(case):
    label, score = case
    assert auc(label[::-1], score[::-1]) == auc(label, score)


@given(cases())
def test_a_perfect_score_gives_1_and_a_constant_one_the_share_of_anomalous_points(case):
    label, _ = case
    assert auc(label, label) == (1, 1)
    assert auc(label, np.zeros(len(label))) == pytest.approx((0.5, label.mean()))


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        auc(label, score)
