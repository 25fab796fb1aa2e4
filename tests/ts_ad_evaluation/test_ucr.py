"""UCR accuracy against golden numbers, its definition, and general properties."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given

from tests.support.evaluation_cases import GOLDEN, UNDEFINED, cases, expected_row, golden_case
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


def test_a_tie_counts_by_the_median_over_its_orders():
    for n_tied in range(2, 10):
        for n_anomalous in range(1, n_tied):
            ranks = sorted(1 + min(places) for places in combinations(range(n_tied), n_anomalous))
            label = np.arange(n_tied + 3) < n_anomalous
            score = np.append(np.zeros(n_tied), [1, 2, -1])
            assert ucr_accuracy(label, score).topk == 2 + ranks[(len(ranks) - 1) // 2]


def test_a_tie_of_a_million_points():
    label = np.zeros(1_000_001, dtype=int)
    label[0] = 1
    assert ucr_accuracy(label, np.zeros(1_000_001)).topk == 500_001


@given(cases())
def test_the_order_of_the_points_does_not_matter(case):
    label, score = case
    assert ucr_accuracy(label[::-1], score[::-1]) == ucr_accuracy(label, score)


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
