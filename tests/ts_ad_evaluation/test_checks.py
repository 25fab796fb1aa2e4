"""The checks return the arrays that the measures use, and their errors name the fault."""

import numpy as np
import pytest

from tests.support.evaluation_cases import UNDEFINED
from ts_ad_evaluation.checks import EvaluationError, check_label, check_label_score, check_score, check_threshold


@pytest.mark.parametrize("label", [[0, 1, 1], [False, True, True], [0.0, 1.0, 1.0], np.array([0, 1, 1], np.uint8)])
def test_label_becomes_bool(label):
    got = check_label(label)
    assert got.dtype == bool
    assert got.tolist() == [False, True, True]


@pytest.mark.parametrize("score", [[1, 2], [1.0, 2.0], np.array([1, 2], np.float32), np.array([1, 2], np.uint8)])
def test_score_becomes_float64(score):
    got = check_score(score)
    assert got.dtype == np.float64
    assert got.tolist() == [1, 2]


def test_one_class_is_allowed_on_request():
    assert not check_label([0, 0], both_classes=False).any()
    assert check_label([1, 1], both_classes=False).all()


def test_score_error_names_the_array():
    with pytest.raises(EvaluationError, match="init_score is empty"):
        check_score([], "init_score")


@pytest.mark.parametrize("threshold", [1, 1.0, np.float32(1), np.int64(1), np.array(1)])
def test_threshold_becomes_float(threshold):
    got = check_threshold(threshold)
    assert (type(got), got) == (float, 1)
    assert check_threshold(np.inf) == np.inf


@pytest.mark.parametrize("threshold", [np.nan, [0.5, 0.7], "high", None])
def test_threshold_must_be_a_number(threshold):
    with pytest.raises(EvaluationError, match="threshold must be a single number, got "):
        check_threshold(threshold)


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        check_label_score(label, score)


def test_the_error_is_a_value_error():
    assert issubclass(EvaluationError, ValueError)
