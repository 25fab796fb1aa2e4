import copy
import doctest
import io
import json
import logging
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import exp.detection.estimator
from data_provider import DataError
from exp.detection import storage as saved_detector
from exp.detection.estimator import CrossADDetector
from exp.errors import USER_ERRORS, UserError
from models import ConfigError
from tests.support.detector_cases import CONFIG, STRIDE, WINDOW, fitted, fitted_to_names, frame, unfitted, waves
from ts_ad_evaluation import SPOT, EvaluationError

# What scikit-learn requires of every estimator but a detector of series cannot do.
INAPPLICABLE = {
    "check_fit1d": "a one-dimensional array is one channel",
    "check_fit2d_predict1d": "such an array is refused for the number of its channels, not for its shape",
    "check_methods_sample_order_invariance": "points in another order are another series",
    "check_methods_subset_invariance": "a point has no score without the others of its window",
}


def equal_bits(first, second):
    np.testing.assert_array_equal(first, second, strict=True)


def test_the_checks_of_scikit_learn():
    # The checks have as few as 10 points, more than half of which are needed for training.
    model = CONFIG["model"] | {"seq_len": 4, "patch_len": 2, "topk": 2}
    detector = unfitted(config=CONFIG | {"model": model}, threshold="quantile")
    outcomes = check_estimator(detector, expected_failed_checks=INAPPLICABLE, on_fail=None, on_skip=None)
    outcomes = [(outcome["check_name"], outcome["status"], outcome["exception"]) for outcome in outcomes]
    expected = {(name, "xfail") for name in INAPPLICABLE}
    assert expected <= {outcome[:2] for outcome in outcomes}
    others = [outcome for outcome in outcomes if outcome[0] not in INAPPLICABLE]
    assert len(others) > 30
    assert [outcome for outcome in others if outcome[1] != "passed"] == []
    assert [outcome for outcome in outcomes if outcome[0] in INAPPLICABLE and outcome[1] != "xfail"] == []


def test_the_example_of_the_docstring():
    outcome = doctest.testmod(exp.detection.estimator)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def plain_scores(detector, x):
    """Return the scores (n, C) by a loop over points and the windows that contain them."""
    starts = list(range(0, len(x) - WINDOW + 1, STRIDE))
    scores = {start: detector.look(x[None, start : start + WINDOW])[0] for start in starts}
    waiting = starts[-1] + STRIDE  # from here on another window would follow
    last = len(x) - WINDOW
    if last > starts[-1]:
        scores[last] = detector.look(x[None, last:])[0]
    means = []
    for point in range(len(x)):
        count = [start for start in scores if start <= point < start + WINDOW and (start in starts or point >= waiting)]
        means.append(sum(scores[start][point - start].astype(np.float64) for start in count) / len(count))
    return np.array(means).astype(np.float32)


@given(rows=st.integers(WINDOW, 5 * WINDOW), channels=st.sampled_from([1, 2, 9]), seed=st.integers(0, 99))
@hypothesis_settings(max_examples=25)
def test_every_point_has_the_mean_score_of_its_windows(rows, channels, seed):
    detector, x = fitted(channels), waves(rows, channels, seed)
    by_channel = detector.channel_scores(x)
    equal_bits(by_channel, plain_scores(detector, x))
    score = detector.decision_function(x)
    assert score.shape == (rows,)
    equal_bits(score, detector.aggregation_(by_channel))
    equal_bits(detector.predict(x), (score > detector.threshold_).astype(int))


@given(shorter=st.integers(WINDOW, 3 * WINDOW), more=st.integers(1, 2 * WINDOW))
@hypothesis_settings(max_examples=30)
def test_scores_do_not_depend_on_what_else_there_is(shorter, more):
    x = waves(shorter + more, seed=1)
    last_start = (shorter - WINDOW) // STRIDE * STRIDE
    same = last_start + STRIDE  # up to here no window of the longer series is new
    detector = fitted()
    points = max(0, same - detector.aggregation_.ahead)
    equal_bits(detector.decision_function(x)[:points], detector.decision_function(x[:shorter])[:points])
    equal_bits(detector.channel_scores(x)[:same], detector.channel_scores(x[:shorter])[:same])


def test_a_point_out_of_place_has_the_highest_score():
    x = waves(200, seed=2)
    x[100, 1] += 40
    by_channel = fitted().channel_scores(x)
    assert np.unravel_index(by_channel.argmax(), by_channel.shape) == (100, 1)
    assert fitted().predict(x)[100] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.int64, object])
def test_kinds_of_numbers(dtype):
    x = waves(60, seed=3).astype(dtype)
    equal_bits(fitted().decision_function(x), fitted().decision_function(x.astype(np.float64)))


def test_layout_in_memory():
    x = waves(120, 9, seed=3)
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        equal_bits(fitted(9).decision_function(same), fitted(9).decision_function(x))


def test_what_fit_leaves():
    x = waves(200)
    detector = unfitted(threshold="quantile", quantile=0.9)
    assert detector.fit(x, y=np.ones(200)) is detector
    equal_bits(detector.decision_scores_, detector.decision_function(x))
    equal_bits(detector.labels_, (detector.decision_scores_ > detector.threshold_).astype(int))
    equal_bits(detector.labels_, detector.predict(x))
    assert set(detector.labels_) == {0, 1}
    equal_bits(clone(detector).fit_predict(x), detector.labels_)
    assert detector.n_features_in_ == 2
    assert not hasattr(detector, "feature_names_in_")
    np.testing.assert_allclose(detector.offset_, x.mean(axis=0))
    np.testing.assert_allclose(detector.scale_, x.std(axis=0))
    assert [epoch["epoch"] for epoch in detector.epochs_] == [1]
    assert detector.config_.model.seq_len == detector.window == WINDOW
    assert detector.reasons_ == []
    assert type(detector.threshold_) is float


def test_the_channel_scores_of_the_training():
    several = {"a": waves(60), "b": waves(80, seed=1)}
    detector = unfitted(threshold=1.0).fit(several)
    for name, x in several.items():
        equal_bits(detector.channel_errors_of_training(x, name), detector.channel_scores(x))
        equal_bits(copy.deepcopy(detector).channel_errors_of_training(x, name), detector.channel_scores(x))
    for other in (waves(90, seed=1), waves(80, seed=2)):
        equal_bits(detector.channel_errors_of_training(other, "b"), detector.channel_scores(other))


def test_a_model_in_closed_form_does_not_score_what_it_was_fitted_to():
    x = waves(100)
    detector = CrossADDetector("PCA", threshold=1.0, aggregation="published").fit(x[:80])
    scores = detector.channel_errors_of_training(x)
    equal_bits(detector.point_scores(scores)[:80], detector.decision_scores_)
    equal_bits(scores[80:], detector.channel_scores(x)[80:])
    assert (scores[:80] != detector.channel_scores(x)[:80]).any()
    with pytest.raises(ValueError, match="70 points, fewer than the 80"):
        detector.channel_errors_of_training(x[:70])
    for length in (80, 100):
        with pytest.raises(ValueError, match="X does not begin with the 80 points that the detector was fitted to"):
            detector.channel_errors_of_training(waves(length, seed=1))
    with pytest.raises(ValueError, match="read-only"):
        detector.channel_errors_of_training(x[:80])[0] = 0
    for other in (copy.deepcopy(detector), detector):
        with pytest.raises(UserError, match="scores of its fit are unknown"):
            other.channel_errors_of_training(x, "X" if other is not detector else "Y")


def test_scores_of_last_points():
    """All windows of a short series, and about a thousand of a long one, each by its last point."""
    x = waves(100)
    plain, detector = (unfitted(threshold=1.0, aggregation=kind).fit(x) for kind in ("published", "multiscale"))
    ends = np.stack([x[end - WINDOW : end] for end in range(WINDOW, 101)])
    last = detector.look(ends)[:, -1]
    np.testing.assert_allclose(plain.causal_scores_, last.mean(axis=1), rtol=1e-5)
    earlier = detector.causal_aggregation_.behind
    np.testing.assert_allclose(detector.causal_scores_, detector.causal_aggregation_(last)[earlier:], rtol=1e-5)
    assert unfitted(threshold=1.0).fit(waves(1500)).causal_scores_.shape == (1000 + 4 * (WINDOW - earlier),)


def test_the_published_aggregation():
    x = waves(100)
    detector = unfitted(aggregation="published", threshold="quantile").fit(x)
    np.testing.assert_allclose(detector.decision_function(x), detector.channel_scores(x).mean(axis=1), rtol=1e-6)
    with pytest.raises(UserError, match="aggregation is 'sum': use 'multiscale' or 'published'"):
        unfitted(aggregation="sum").fit(x)


def test_the_same_seed_gives_the_same_bits():
    x = waves(150)
    first, second, other = unfitted(seed=1).fit(x), unfitted(seed=1).fit(x), unfitted(seed=2).fit(x)
    equal_bits(first.decision_scores_, second.decision_scores_)
    assert first.threshold_ == second.threshold_
    assert (first.decision_scores_ != other.decision_scores_).any()
    first.set_params(seed=2).fit(x)
    equal_bits(first.decision_scores_, other.decision_scores_)


def test_fit_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    unfitted().fit(waves(60))
    assert torch.equal(torch.rand(3), expected)


def test_parameters_and_clones():
    given_parameters = {
        "detector": "CrossAD",
        "config": CONFIG,
        "overrides": ["model.d_model=4"],
        "threshold": "quantile",
        "risk": 1e-3,
        "quantile": 0.9,
        "contamination": None,
        "aggregation": "published",
        "seed": 3,
        "device": "cpu",
        "bars": False,
    }
    detector = CrossADDetector(**given_parameters)
    assert detector.get_params() == given_parameters
    assert clone(detector.fit(waves(60))).get_params() == given_parameters
    assert not hasattr(clone(detector), "threshold_")
    equal_bits(clone(detector).fit(waves(60)).decision_scores_, detector.decision_scores_)
    assert detector.set_params(quantile=0.5).get_params() == given_parameters | {"quantile": 0.5}
    with pytest.raises(ValueError, match="Invalid parameter 'window'"):
        detector.set_params(window=3)


@pytest.mark.parametrize("again", [lambda d: pickle.loads(pickle.dumps(d)), copy.deepcopy])
def test_copies_of_a_fitted_detector(again):
    detector, x = fitted_to_names("cpu", "disk"), frame(60, seed=4)
    copied = again(detector)
    assert copied.get_params() == detector.get_params()
    equal_bits(copied.channel_scores(x), detector.channel_scores(x))
    assert copied.network_ is not detector.network_
    assert again(unfitted(seed=5)).get_params() == unfitted(seed=5).get_params()


@pytest.mark.parametrize("method", ["decision_function", "channel_scores", "predict", "look", "save"])
def test_without_fit(method, tmp_path):
    with pytest.raises(NotFittedError):
        getattr(unfitted(), method)(tmp_path if method == "save" else waves(60))
    assert not list(tmp_path.iterdir())


def test_named_channels():
    detector, table = fitted_to_names("cpu", "disk"), frame(60, seed=5)
    assert list(detector.feature_names_in_) == ["cpu", "disk"]
    equal_bits(detector.decision_function(table), fitted().decision_function(table.to_numpy()))
    for other in (table[["disk", "cpu"]], table.rename(columns={"cpu": "memory"})):
        with pytest.raises(ValueError, match="feature names should match"):
            detector.decision_function(other)
    for other in (table[["cpu"]], table.assign(memory=1.0)):
        with pytest.raises(ValueError, match="feature names should match"):
            detector.decision_function(other)


@pytest.mark.parametrize("channels", [1, 3])
def test_another_number_of_channels_is_refused(channels):
    with pytest.raises(ValueError, match=f"X has {channels} features, but AnomalyDetector is expecting 2") as caught:
        fitted().decision_function(waves(60, channels))
    assert "\n" not in str(caught.value)


class TestThreshold:
    @pytest.mark.parametrize("risk", [1e-2, 1e-3])
    def test_spot(self, risk):
        detector = fitted(risk=risk)
        assert detector.threshold_ == SPOT(detector.decision_scores_, risk=risk, rule="likelihood").threshold
        assert fitted(risk=1e-3).threshold_ > fitted(risk=1e-2).threshold_

    @pytest.mark.parametrize("quantile", [0.0, 0.5, 0.99, 1.0])
    def test_quantile(self, quantile):
        detector = fitted(threshold="quantile", quantile=quantile)
        assert detector.threshold_ == pytest.approx(np.quantile(detector.decision_scores_.astype(float), quantile))
        above = detector.labels_.mean()
        assert above == pytest.approx(1 - quantile, abs=1.5 / len(detector.labels_))

    @pytest.mark.parametrize("number", [2, 0.25, -1.0, np.float32(0.25), np.int64(2)])
    def test_number(self, number):
        detector = fitted(threshold=number)
        assert detector.threshold_ == number
        assert type(detector.threshold_) is float

    def test_the_rule_changes_nothing_else(self):
        equal_bits(fitted(threshold="quantile").decision_scores_, fitted().decision_scores_)
        equal_bits(fitted(threshold=2.0).causal_scores_, fitted().causal_scores_)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"threshold": "mean"}, "threshold is 'mean': use 'auto', 'spot', 'quantile' or a number"),
            ({"threshold": None}, "threshold is None: use"),
            ({"threshold": True}, "threshold is True: use"),
            ({"threshold": [0.5]}, r"threshold is \[0.5\]: use"),
            ({"threshold": float("nan")}, "threshold is nan: use a finite number"),
            ({"threshold": -np.inf}, "threshold is -inf: use a finite number"),
            ({"risk": 0}, r"risk is 0: use a number in \(0, 1\)"),
            ({"risk": 1.0}, r"risk is 1.0: use a number in \(0, 1\)"),
            ({"risk": float("nan")}, "risk is nan"),
            ({"risk": "0.1"}, "risk is '0.1'"),
            ({"threshold": "quantile", "quantile": 1.01}, r"quantile is 1.01: use a number in \[0, 1\]"),
            ({"threshold": "quantile", "quantile": -0.01}, "quantile is -0.01"),
            ({"threshold": "quantile", "quantile": None}, "quantile is None"),
        ],
    )
    def test_wrong_ones_are_refused_before_the_training(self, parameters, message, monkeypatch):
        monkeypatch.setattr(exp.detection.estimator, "Detector", None)
        with pytest.raises(UserError, match=message) as caught:
            unfitted(**parameters).fit(waves(60))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("rows", [2 * WINDOW, 50])
    def test_too_few_scores_for_a_tail(self, rows, monkeypatch):
        monkeypatch.setattr(exp.detection.estimator, "Detector", None)
        with pytest.raises(EvaluationError, match=f"SPOT needs at least 51 .*, got {rows}.*quantile.*number"):
            unfitted(threshold="spot").fit(waves(rows))

    def test_another_rule_for_few_scores(self):
        assert unfitted(threshold="spot").fit(waves(51)).threshold_ > 0
        assert unfitted(threshold=1.0).fit(waves(2 * WINDOW)).labels_.shape == (2 * WINDOW,)


class TestConfig:
    def test_auto(self, caplog):
        caplog.set_level(logging.INFO)
        x = np.sin(np.arange(300) * 2 * np.pi / 20)[:, None]
        overrides = ["train.train_epochs=1", "model.d_model=8", "model.n_heads=2"]
        detector = CrossADDetector(overrides=overrides, threshold=1.0).fit(x)
        assert detector.window % 20 == 0 or detector.window == 30
        assert detector.reasons_
        assert {f"auto: {reason}" for reason in detector.reasons_} <= set(caplog.messages)

    def test_files_and_folders_are_as_good_as_a_dict(self, tmp_path):
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump({"data": {"name": "OTHER"}, **CONFIG, "evaluation": {"window": 7}}))
        x = waves(60)
        expected = unfitted(threshold=1.0).fit(x).decision_scores_
        for config in (tmp_path, file, str(file)):
            detector = unfitted(config=config, threshold=1.0).fit(x)
            equal_bits(detector.decision_scores_, expected)
            assert detector.get_params()["config"] is config

    @pytest.mark.parametrize(
        ("name", "given", "says"),
        [
            ("PCA", [], ["fitted to", "fitted again", "for the threshold"]),
            ("CrossAD", ["train.train_epochs=1", "train.epoch_windows=32"], ["epoch 1/1", "epochs trained: 1"]),
        ],
    )
    def test_what_is_fitted_at_once_reports_no_epochs(self, name, given, says, caplog):
        caplog.set_level(logging.INFO)
        CrossADDetector(name, overrides=given).fit(waves(600))
        told = [message for message in caplog.messages if not message.startswith("auto")]
        assert [message[: len(text)] for message, text in zip(told, says, strict=True)] == says

    def test_a_channel_that_is_constant_in_the_training_part_is_said(self, caplog):
        caplog.set_level(logging.INFO)
        x = pd.DataFrame({"still": np.ones(200), "moving": waves(200)[:, 0]})
        CrossADDetector("PCA").fit(x)
        assert "constant in the training part, so any change is an anomaly: 'still'" in caplog.messages
        caplog.clear()
        CrossADDetector("PCA").fit(waves(200))
        assert not [message for message in caplog.messages if message.startswith("constant")]

    def test_what_has_no_effect_in_a_file_is_said(self, tmp_path, caplog):
        caplog.set_level(logging.INFO)
        file = tmp_path / "config.yaml"
        data = {"name": "OTHER", "drop_channels": [1], "scaling": "min-max", "validation_share": 0.4}
        file.write_text(yaml.safe_dump({"data": data, **CONFIG, "evaluation": {"window": 7}}))
        x = waves(60)
        detector = unfitted(config=file, threshold=1.0).fit(x)
        (said,) = [line for line in caplog.messages if "no effect" in line]
        assert said.startswith(f"{file}: ")
        assert said.endswith(": data.drop_channels, data.name, evaluation.window")
        assert detector.config_.data.validation_share == 0.4
        equal_bits(detector.offset_, x.min(axis=0))

    @pytest.mark.parametrize(
        "parameters",
        [
            {"overrides": ["data.scaling=min-max", "data.validation_share=0.4"]},
            {"config": CONFIG | {"data": {"scaling": "min-max", "validation_share": 0.4}}},
        ],
    )
    def test_settings_of_the_data_that_count(self, parameters):
        x = waves(60)
        detector = unfitted(threshold=1.0, **parameters).fit(x)
        equal_bits(detector.offset_, x.min(axis=0))
        equal_bits(detector.scale_, np.ptp(x, axis=0))
        assert detector.config_.data.validation_share == 0.4
        assert (detector.decision_scores_ != unfitted(threshold=1.0).fit(x).decision_scores_).any()

    def test_the_seed_of_a_configuration(self):
        config = CONFIG | {"train": CONFIG["train"] | {"seed": 7}}
        assert unfitted(config=config, threshold=1.0).fit(waves(60)).config_.train.seed == 7
        assert unfitted(config=config, threshold=1.0, seed=8).fit(waves(60)).config_.train.seed == 8

    def test_the_last_word(self):
        before = copy.deepcopy(CONFIG)
        overrides = ("model.d_model=4", "train.seed=9", "model.seq_len=8")
        detector = unfitted(overrides=overrides, threshold=1.0).fit(waves(60))
        assert (detector.config_.model.d_model, detector.config_.train.seed, detector.window) == (4, 9, 8)
        assert before == CONFIG
        expected = unfitted(overrides=overrides[::2], seed=9, threshold=1.0).fit(waves(60))
        equal_bits(detector.decision_scores_, expected.decision_scores_)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"overrides": ["model.d_modle=8"]}, "unknown key 'model.d_modle': did you mean 'd_model'"),
            ({"overrides": ["seq_len=8"]}, "seq_len=8: expected section.key=value"),
            ({"overrides": ["model.topk=many"]}, "model.topk: .*got 'many'"),
            ({"overrides": ["model.name=DualSTF"]}, r"model.name=DualSTF: has no effect .* leave it out"),
            ({"overrides": "model.d_model=8"}, "overrides is 'model.d_model=8': use a list"),
            ({"config": CONFIG | {"modle": {}}}, "unknown section 'modle': did you mean 'model'"),
            ({"config": CONFIG | {"model": 3}}, "model: expected keys with values, got 3"),
            ({"config": CONFIG | {"train": [1]}}, r"train: expected keys with values, got \[1\]"),
            ({"config": {"model": {"seq_len": 8}}}, "key 'model.patch_len' is missing"),
            ({"config": {"model": {"name": "DualSTF"}}}, "model.name is 'DualSTF', but the detector is CrossAD"),
            ({"overrides": ["data.name=x"]}, "data.name=x: has no effect .*: leave it out"),
            ({"overrides": ["data.format=ucr"]}, "data.format=ucr: has no effect .*: leave it out"),
            ({"overrides": ["data.file=x.txt"]}, "data.file=x.txt: has no effect .*: leave it out"),
            ({"overrides": ["data.train_rows=50"]}, "data.train_rows=50: has no effect .*--train-until"),
            ({"overrides": ["data.drop_channels=[0]"]}, "data.drop_channels=.*has no effect .*--channels"),
            ({"overrides": ["data.standardise=each"]}, "data.standardise=each: has no effect .*leave it out"),
            ({"overrides": ["evaluation.window=7"]}, "evaluation.window=7: has no effect .*leave it out"),
            ({"overrides": ["data.scalling=x"]}, "unknown key 'data.scalling': did you mean 'scaling'"),
            ({"overrides": ["data.scaling=log"]}, "data.scaling"),
            ({"config": CONFIG | {"data": {"train_rows": 50}}}, "config: data.train_rows has no effect"),
            ({"config": CONFIG | {"data": {"scalling": "min-max"}}}, "unknown key 'data.scalling'"),
            ({"config": CONFIG | {"evaluation": {"window": 7}}}, "config: evaluation.window has no effect"),
            ({"config": CONFIG | {"data": 3}}, "data: expected keys with values, got 3"),
            ({"config": None}, "config is None: use 'auto', a dict or a path"),
            ({"config": 3}, "config is 3: use 'auto', a dict or a path"),
            ({"config": "no/such/file.yaml"}, "file.yaml: no such file"),
            ({"seed": -1}, "train.seed"),
            ({"seed": None}, "train.seed"),
            ({"device": "tpu"}, "tpu: use auto, cpu"),
        ],
    )
    def test_wrong_ones_are_refused_in_a_line(self, parameters, message, monkeypatch):
        monkeypatch.setattr(exp.detection.estimator.Detector, "fit", None)
        with pytest.raises(USER_ERRORS, match=message) as caught:
            unfitted(**parameters).fit(waves(60))
        assert "\n" not in str(caught.value)

    def test_numbers_of_numpy(self):
        detector = unfitted(seed=np.int64(4), risk=np.float32(0.01)).fit(waves(100))
        equal_bits(detector.decision_scores_, unfitted(seed=4).fit(waves(100)).decision_scores_)


class TestInput:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_values_that_are_no_numbers(self, value):
        x = waves(60)
        x[30, 1] = value
        for method in (unfitted().fit, fitted().decision_function, fitted().predict):
            with pytest.raises(ValueError, match=r"NaN|infinity"):
                method(x)

    def test_missing_values_of_a_frame(self):
        table = frame(60).astype({"cpu": "Float64"})
        table.loc[3, "cpu"] = pd.NA
        with pytest.raises(ValueError, match="NaN"):
            unfitted().fit(table)

    @pytest.mark.parametrize("value", [1e30, -1e300])
    def test_values_too_far_from_training(self, value):
        x = waves(60)
        x[30, 1] = value
        with pytest.raises(DataError, match=r"X: channel '1' holds .* at row 30, counted from 0, (too far|beyond)"):
            fitted().decision_function(x)
        with pytest.raises(DataError, match="a score is NaN or infinite: a value is too far from the training values"):
            fitted().look(x[None, 25 : 25 + WINDOW])

    @pytest.mark.parametrize("value", [1e200, -1e308, 1e39])
    def test_values_beyond_the_range_are_refused_before_the_training(self, value, monkeypatch):
        monkeypatch.setattr(exp.detection.estimator, "Detector", None)
        table = frame(100)
        table.loc[60, "disk"] = value
        with pytest.raises(DataError, match=r"X: channel 'disk' holds .* at row 60, counted from 0") as caught:
            unfitted().fit(table)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("kind", [np.array, list, tuple, pd.Series, lambda x: pd.Series(x, name=3)])
    def test_one_dimension_is_one_channel(self, kind):
        x = waves(100, 1)
        expected = unfitted(threshold="quantile").fit(x)
        detector = unfitted(threshold="quantile").fit(kind(x[:, 0]))
        assert detector.n_features_in_ == 1
        for method in ("decision_function", "channel_scores", "predict"):
            equal_bits(getattr(detector, method)(kind(x[:, 0])), getattr(expected, method)(x))
        equal_bits(unfitted(threshold="quantile").fit_predict(kind(x[:, 0])), expected.labels_)

    def test_the_name_of_a_series_is_the_channels(self):
        named = pd.Series(waves(100, 1)[:, 0], name="cpu")
        detector = unfitted(threshold=1.0).fit(named)
        assert list(detector.feature_names_in_) == ["cpu"]
        equal_bits(detector.decision_function(named), detector.decision_function(named.to_frame()))
        with pytest.raises(ValueError, match="feature names should match"):
            detector.decision_function(named.rename("disk"))

    def test_one_dimension_is_not_enough_for_two_channels(self):
        with pytest.raises(ValueError, match="X has 1 features, but AnomalyDetector is expecting 2"):
            fitted().decision_function(waves(60, 1)[:, 0])

    def test_two_columns_of_one_name(self):
        with pytest.raises(DataError, match="column 'cpu' occurs twice: rename one"):
            unfitted().fit(frame(100, ("cpu", "cpu")))

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (np.ma.masked_greater(waves(100), 2), "some values are masked"),
            (pd.Series(pd.date_range("2024", periods=100)), "the values are times"),
            (np.arange(100).astype("m8[s]")[:, None], "the values are times"),
            (frame(100).assign(at=pd.date_range("2024", periods=100, tz="UTC")), "column 'at' holds times"),
            (frame(100).assign(at=["1.5", "at 9"] * 50), "column 'at' holds text, such as 'at 9': leave it out"),
        ],
    )
    def test_what_is_not_numbers(self, x, message):
        for method in (unfitted().fit, fitted().decision_function, lambda x: unfitted().fit([x])):
            with pytest.raises(DataError, match=message):
                method(x)

    def test_a_large_offset(self):
        x = np.round(50 * np.sin(np.arange(200) / 5))[:, None]
        plain, far = (unfitted(threshold=1.0).fit(x + offset) for offset in (0, 1e15))
        assert far.scale_[0] == pytest.approx(plain.scale_[0])
        np.testing.assert_allclose(far.decision_scores_, plain.decision_scores_, rtol=0.1, atol=0.02)

    @pytest.mark.parametrize("shape", [(0,), (60, 2, 1), (0, 2), (60, 0), ()])
    def test_shapes(self, shape):
        for method in (unfitted().fit, fitted().decision_function):
            with pytest.raises(ValueError, match=r"array|sample|feature"):
                method(np.zeros(shape))

    @pytest.mark.parametrize("rows", [2, WINDOW, 2 * WINDOW - 1])
    def test_too_short_to_train(self, rows):
        with pytest.raises(DataError, match=f"{rows} points .* fewer than two windows of {WINDOW}") as caught:
            unfitted().fit(waves(rows))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("rows", [2, 15])
    def test_too_short_for_auto(self, rows):
        with pytest.raises(DataError, match=f"{rows} points, fewer than two windows") as caught:
            CrossADDetector().fit(waves(rows))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("rows", [1, WINDOW - 1])
    def test_too_short_to_score(self, rows):
        with pytest.raises(DataError, match=f"{rows} points are fewer than a window of {WINDOW}") as caught:
            fitted().decision_function(waves(rows))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("config", ["auto", CONFIG])
    def test_constant(self, config):
        with pytest.raises(DataError, match="every channel is constant") as caught:
            CrossADDetector(config=config).fit(np.tile([1.0, 2.5], (100, 1)))
        assert "\n" not in str(caught.value)

    def test_one_constant_channel(self):
        x = waves(100)
        x[:, 0] = 7
        detector = unfitted(threshold=1.0).fit(x)
        assert np.isfinite(detector.decision_scores_).all()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a saved detector; only to be read or copied."""
    folder = tmp_path_factory.mktemp("saved") / "detector"
    fitted_to_names("cpu", "disk").save(folder)
    return folder


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of it."""
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def file_of(folder, suffix):
    (file,) = folder.glob(f"*{suffix}")
    return file


class TestSavedDetector:
    def test_scores_and_all_else_come_back(self, saved):
        detector, loaded = fitted_to_names("cpu", "disk"), CrossADDetector.load(saved, device="cpu")
        x = frame(100, seed=6)
        equal_bits(loaded.channel_scores(x), detector.channel_scores(x))
        equal_bits(loaded.decision_function(x), detector.decision_function(x))
        equal_bits(loaded.predict(x), detector.predict(x))
        assert loaded.get_params() == detector.get_params()
        missing = set(vars(detector)) ^ set(vars(loaded))
        assert not missing
        for name in ("decision_scores_", "causal_scores_", "labels_", "offset_", "scale_"):
            equal_bits(getattr(loaded, name), getattr(detector, name))
        for name in ("threshold_", "config_", "reasons_", "epochs_", "n_features_in_"):
            assert getattr(loaded, name) == getattr(detector, name)
        equal_bits(loaded.feature_names_in_, detector.feature_names_in_)
        refitted = clone(loaded).fit(frame(400))
        equal_bits(refitted.decision_scores_, detector.decision_scores_)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"overrides": ("model.d_model=4",), "threshold": "quantile", "quantile": 0.9},
            {"threshold": np.float32(0.1), "seed": np.int64(7)},
            {"config": {"model": CONFIG["model"] | {"ms_kernels": (2,)}, "train": {"train_epochs": 1}}},
        ],
    )
    def test_parameters_of_any_kind(self, parameters, tmp_path):
        detector = unfitted(**parameters).fit(waves(100))
        detector.save(tmp_path / "new" / "folder")
        loaded = CrossADDetector.load(tmp_path / "new" / "folder", device="cpu")
        assert loaded.threshold_ == detector.threshold_
        assert not hasattr(loaded, "feature_names_in_")
        equal_bits(loaded.decision_function(waves(60)), detector.decision_function(waves(60)))
        equal_bits(clone(loaded).fit(waves(100)).decision_scores_, detector.decision_scores_)

    def test_without_pickle(self, saved):
        assert sorted(file.suffix for file in saved.iterdir()) == [".json", ".npz"]
        with np.load(file_of(saved, "npz"), allow_pickle=False) as arrays:
            assert all(arrays[name].dtype.kind in "fiub" for name in arrays)
        with zipfile.ZipFile(file_of(saved, "npz")) as archive:
            assert {Path(name).suffix for name in archive.namelist()} == {".npy"}
        json.loads(file_of(saved, "json").read_text())

    @pytest.mark.parametrize("suffix", ["json", "npz"])
    def test_a_missing_file(self, copied, suffix):
        file = file_of(copied, suffix)
        file.unlink()
        refused(copied, f"{file}: no such file")

    @pytest.mark.parametrize("suffix", ["json", "npz"])
    @hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_a_flipped_bit(self, copied, saved, suffix, data):
        file, stored = file_of(copied, suffix), bytearray(file_of(saved, suffix).read_bytes())
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(stored)
        if suffix == "json" and same_content(bytes(stored), file_of(saved, suffix).read_bytes()):
            CrossADDetector.load(copied)  # the last digits of a number can mean the same
        else:
            refused(copied, f"{file}: ")

    @pytest.mark.parametrize("suffix", ["json", "npz"])
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
    def test_a_file_cut_short(self, copied, suffix, share):
        file = file_of(copied, suffix)
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
        refused(copied, f"{file}: (damaged|altered)")

    @pytest.mark.parametrize(
        "content",
        [
            "{}",
            "[]",
            "[1]",
            "null",
            "3",
            '"checksum"',
            "{",
            '{"checksum": "0"}',
            '{"format": 1, "checksum": null}',
            "é",
        ],
    )
    def test_json_of_others(self, copied, content):
        file = copied / "detector.json"
        file.write_text(content, encoding="latin-1")
        refused(copied, f"{file}: (damaged|altered)")

    def test_another_format(self, copied, monkeypatch):
        monkeypatch.setattr(saved_detector, "FORMAT", saved_detector.FORMAT + 1)
        refused(copied, r"detector\.json: has the format 1, but this version reads 2: save it again")

    def test_weights_of_another_detector(self, copied):
        file = file_of(copied, "npz")
        buffer = io.BytesIO()
        np.savez(buffer, a=np.zeros(3))
        file.write_bytes(buffer.getvalue())
        refused(copied, f"{file}: altered since it was saved")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
    def test_a_device_that_is_not_there(self, saved):
        with pytest.raises(UserError, match="finds no CUDA device"):
            CrossADDetector.load(saved, device="cuda")

    def test_a_folder_that_cannot_be(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="file"):
            fitted().save(tmp_path / "file")


class TestOverwrite:
    def scores(self, folder):
        return CrossADDetector.load(folder, device="cpu").decision_function(waves(60))

    def test_one_detector_is_left(self, tmp_path):
        fitted(seed=1).save(tmp_path)
        fitted(seed=2).save(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        equal_bits(self.scores(tmp_path), fitted(seed=2).decision_function(waves(60)))
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        fitted(seed=2).save(tmp_path)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_save_that_breaks_off_leaves_the_old_one(self, tmp_path, monkeypatch, number):
        fitted(seed=1).save(tmp_path)
        replace, calls = os.replace, iter(range(9))

        def fail(*paths):
            if next(calls) == number:
                raise OSError(28, "No space left on device")
            replace(*paths)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", fail)
            with pytest.raises(OSError, match="No space"):
                fitted(seed=2).save(tmp_path)
        assert not list(tmp_path.glob("*.tmp"))
        equal_bits(self.scores(tmp_path), fitted(seed=1).decision_function(waves(60)))
        fitted(seed=3).save(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        equal_bits(self.scores(tmp_path), fitted(seed=3).decision_function(waves(60)))

    def test_a_save_that_is_killed_before_it_tidies_up(self, tmp_path, monkeypatch):
        fitted(seed=1).save(tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(exp.detection.estimator.Path, "unlink", lambda *_, **__: None)
            fitted(seed=2).save(tmp_path)
        assert len(list(tmp_path.glob("*.npz"))) == 2
        equal_bits(self.scores(tmp_path), fitted(seed=2).decision_function(waves(60)))


def refused(folder, message):
    with pytest.raises(UserError, match=message) as caught:
        CrossADDetector.load(folder)
    assert "\n" not in str(caught.value)


def same_content(first, second):
    try:
        return json.loads(first) == json.loads(second)
    except ValueError:
        return False


def test_wrong_settings_have_the_error_of_settings():
    with pytest.raises(ConfigError):
        unfitted(overrides=["train.nothing=1"]).fit(waves(60))
