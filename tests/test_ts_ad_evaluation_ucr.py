"""UCR accuracy against golden numbers, its definition, and laws."""

import numpy as np
import pytest
from hypothesis import given

from tests.evaluation_cases import GOLDEN, UNDEFINED, cases, expected_row, golden_case
from ts_ad_evaluation import EvaluationError, ucr_accuracy


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    label, score, expected = golden_case(name)
    assert list(ucr_accuracy(label, score)) == expected_row(expected, "accomplish_UCR")


@given(cases())
def test_the_rank_lies_within_the_tie_of_the_best_anomalous_point(case):
    label, score = case
    best = score[label == 1].max()
    got = ucr_accuracy(label, score)
    assert np.sum(score > best) < got.topk <= np.sum(score > best) + np.sum((score == best) & (label == 0)) + 1
    assert got.total_len == len(label)
    assert got.alpha_quantile == got.topk / len(label)


@given(cases())
def test_only_the_order_of_the_scores_matters(case):
    label, score = case
    assert ucr_accuracy(label, np.exp(score / 4) - 3) == ucr_accuracy(label, score)


@pytest.mark.parametrize(
    ("rank", "at_3", "at_10"), [(2, True, True), (3, False, True), (9, False, True), (10, False, False)]
)
def test_correct_means_below_the_share(rank, at_3, at_10):
    label = np.zeros(100, dtype=int)
    label[rank - 1] = 1
    got = ucr_accuracy(label, -np.arange(100))
    assert got == (rank, 100, rank / 100, at_3, at_10)


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        ucr_accuracy(label, score)
