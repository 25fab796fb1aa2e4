import copy

import numpy as np
import pytest
import torch

from data_provider import DataError
from exp.detection.detector import Detector
from exp.detection.estimator import AnomalyDetector
from exp.errors import UserError
from exp.training import devices
from models import DETECTORS, ConfigError
from tests.support.detector_cases import WINDOW, fitted, frame, unfitted, waves
from ts_ad_evaluation import EvaluationError


def equal_bits(first, second):
    np.testing.assert_array_equal(first, second, strict=True)


def weights(detector):
    return {name: tensor.clone() for name, tensor in detector.network_.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_it_goes_on_from_the_weights(tmp_path):
    new = waves(200, seed=3) + 1
    detector = unfitted(overrides=["train.train_epochs=2"]).fit(waves(200))
    detector.save(tmp_path / "old")
    before, offset, scale = weights(detector), detector.offset_, detector.scale_
    assert detector.continue_fit(new) is detector
    assert not same(weights(detector), before)
    equal_bits(detector.offset_, offset)
    equal_bits(detector.scale_, scale)
    assert [epoch["epoch"] for epoch in detector.epochs_] == [1, 2, 3, 4]
    equal_bits(detector.decision_scores_, detector.decision_function(new))
    assert detector.threshold_ == detector.threshold_rule.find(detector.decision_scores_)
    equal_bits(detector.labels_, detector.predict(new))
    detector.save(tmp_path / "new")
    again = AnomalyDetector.load(tmp_path / "new", device="cpu")
    equal_bits(again.decision_function(waves(60)), detector.decision_function(waves(60)))
    assert vars(again).keys() == vars(detector).keys()
    other = AnomalyDetector.load(tmp_path / "old", device="cpu").continue_fit(new)  # the same from a saved one
    equal_bits(other.decision_scores_, detector.decision_scores_)


def test_worse_weights_are_not_kept():
    detector = unfitted().fit(waves(200))
    before = weights(detector)
    detector.continue_fit(waves(200), overrides=["train.learning_rate=10.0"])
    assert same(weights(detector), before)
    assert len(detector.epochs_) == 2


def test_settings_of_the_training_may_change():
    detector = unfitted().fit(waves(200)).continue_fit(waves(100), overrides=["train.train_epochs=3"])
    assert [epoch["epoch"] for epoch in detector.epochs_] == [1, 2, 3, 4]
    assert detector.config_.train.train_epochs == 3
    assert detector.config_.model == unfitted().fit(waves(200)).config_.model


def test_another_precision_also_scores(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_cpu_flags", lambda: None)  # as on a system that does not tell
    detector = unfitted(threshold=1.0).fit(waves(200)).continue_fit(waves(100), overrides=["train.precision=bf16"])
    detector.save(tmp_path)
    again = AnomalyDetector.load(tmp_path, device="cpu")
    equal_bits(again.decision_function(waves(60)), detector.decision_function(waves(60)))


def test_what_the_device_cannot_do_changes_nothing(monkeypatch):
    detector = unfitted(threshold=1.0).fit(waves(200))
    monkeypatch.setattr(devices, "_cpu_flags", set)
    with pytest.raises(UserError, match=r"train\.precision bf16: this CPU has no bf16 instructions"):
        detector.continue_fit(waves(100), overrides=["train.precision=bf16"])
    assert detector.config_.train.precision == detector.detector_.scorer.precision == "fp32"


def test_several_series():
    parts = [waves(100, seed=1), waves(60, seed=2)]
    detector = unfitted(threshold=1.0).fit(waves(200)).continue_fit(parts)
    equal_bits(detector.decision_scores_, np.concatenate([detector.decision_function(part) for part in parts]))


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_model_goes_on_or_says_why_not(name):
    changes = [] if DETECTORS[name].closed_form else ["train.train_epochs=1", "train.epoch_windows=32"]
    detector = AnomalyDetector(name, overrides=changes, threshold=1.0, device="cpu").fit(waves(120))
    if DETECTORS[name].closed_form:
        with pytest.raises(UserError, match=f"{name} is fitted in closed form, .*: fit it to the old"):
            detector.continue_fit(waves(120, seed=1))
    else:
        assert len(detector.continue_fit(waves(120, seed=1)).epochs_) == 2


@pytest.mark.parametrize(
    ("new", "overrides", "error", "message"),
    [
        (waves(100, 3), (), ValueError, "X has 3 features"),
        (waves(WINDOW), (), DataError, "fewer than two windows"),
        (waves(40), (), EvaluationError, "SPOT needs at least 51"),
        (1e30 * waves(100), (), DataError, "too far from the training values"),
        (waves(100), ["model.seq_len=8"], UserError, "--set model.seq_len=8: a continued training"),
        (waves(100), ["data.scaling=min-max"], UserError, "--set data.scaling=min-max: a continued training"),
        (waves(100), ["train.nothing=8"], ConfigError, "unknown key 'train.nothing'"),
    ],
)
def test_what_is_refused_changes_nothing(new, overrides, error, message):
    detector = copy.deepcopy(fitted())
    with pytest.raises(error, match=message) as caught:
        detector.continue_fit(new, overrides=overrides)
    assert "\n" not in str(caught.value)
    equal_bits(detector.decision_function(waves(60)), fitted().decision_function(waves(60)))
    assert detector.config_ == fitted().config_


def test_a_training_that_breaks_off_changes_nothing(monkeypatch):
    detector = copy.deepcopy(fitted())
    fit = Detector.fit

    def break_off(self, *arguments, **options):
        fit(self, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Detector, "fit", break_off)
    with pytest.raises(KeyboardInterrupt):
        detector.continue_fit(waves(200, seed=4), overrides=["train.train_epochs=2"])
    assert same(weights(detector), weights(fitted()))
    assert (detector.epochs_, detector.config_) == (fitted().epochs_, fitted().config_)


def test_names_of_channels():
    detector = unfitted(threshold=1.0).fit(frame(100))
    with pytest.raises(ValueError, match="feature names should match"):
        detector.continue_fit(frame(100, ("cpu", "memory")))
    detector.continue_fit(frame(100, seed=1))
