"""Digests: equal for equal content, different otherwise; and what they report as changed."""

import dataclasses

import numpy as np
import pytest
import torch

from data_provider import Series
from exp.benchmark import provenance
from exp.benchmark.provenance import changes, check_training_data, digest_series, digest_weights, other_origin
from exp.errors import UserError


def series(**changed):
    points = np.arange(60.0).reshape(20, 3)
    label = np.zeros(8, np.uint8)
    return dataclasses.replace(Series("x", points[:12], points[12:], label, ("a", "b", "c")), **changed)


def test_the_same_values_in_another_layout_have_the_same_digests():
    other = series(train=np.asfortranarray(series().train), name="y", channels=("d", "e", "f"))
    assert digest_series(series()) == digest_series(other)


@pytest.mark.parametrize(
    ("part", "values", "says"),
    [
        ("train", np.zeros((12, 3)), "the training values"),
        ("train", np.arange(36.0).reshape(12, 3)[:, ::-1], "the training values"),
        ("train", np.zeros((12, 2)), "the training values (12 rows of 3 channels then, 12 rows of 2 channels now)"),
        ("test", np.zeros((9, 3)), "the test values (8 rows of 3 channels then, 9 rows of 3 channels now)"),
        ("test_label", np.ones(8, np.uint8), "the labels"),
    ],
)
def test_what_has_changed_is_named(part, values, says):
    then, now = digest_series(series()), digest_series(series(**{part: values}))
    assert changes(then, now, ("train", "test", "labels")) == [says]


def test_a_series_is_hashed_once(monkeypatch):
    one = series()
    first = digest_series(one)
    monkeypatch.setattr(provenance, "_digest", None)
    assert digest_series(one) is first


def test_what_is_unknown_has_not_changed():
    now = digest_series(series())
    for then in (None, {}, {"train": None}):
        assert changes(then, now) == []


def test_a_training_on_other_values_is_refused(tmp_path, caplog):
    now = digest_series(series())
    check_training_data({"trained_on": {"train": now["train"]}}, now, tmp_path)
    other = digest_series(series(train=np.zeros((12, 2))))
    with pytest.raises(UserError, match=r"the training values \(12 rows of 2 channels then, .* have changed since"):
        check_training_data({"trained_on": {"train": other["train"]}}, now, tmp_path)
    assert not caplog.messages
    check_training_data({"status": "training"}, now, tmp_path)
    assert "earlier version" in caplog.text


@pytest.mark.parametrize(
    "tensor", [torch.zeros(3), torch.zeros(2, dtype=torch.bfloat16), torch.tensor(1), torch.ones(0)]
)
def test_digest_of_weights(tensor):
    digest = digest_weights({"a": tensor, "b": torch.ones(2)})
    assert digest == digest_weights({"b": torch.ones(2), "a": tensor.clone()})
    assert digest != digest_weights({"a": tensor, "c": torch.ones(2)})
    assert digest != digest_weights({"a": tensor, "b": torch.tensor([1.0, 2.0])})


def test_the_origin_of_scores():
    then = {**digest_series(series()), "weights": "w", "settings": {"model": {"topk": 3}}}
    assert other_origin(then, then) is None
    assert "earlier version" in other_origin(None, then)
    now = {**then, "weights": "v", "settings": {"model": {"topk": 2}}}
    assert other_origin(then, now) == "their origin has changed (the weights, model.topk 3 vs. 2)"
