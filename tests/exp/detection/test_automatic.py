import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_provider import DataError
from exp.config import ExperimentConfig, TrainConfig
from exp.detection.automatic import settings_for, suggest
from exp.errors import UserError
from models.CrossAD import CrossADConfig
from models.suggestion import SHORTEST_WINDOW, USUAL_WINDOW


def waves(points, channels=1, period=25.0, noise=0.1):
    """Return noisy waves of shape (points, channels)."""
    time = 2 * np.pi * np.arange(points)[:, None] / period + np.arange(channels)
    return np.sin(time) + noise * np.random.default_rng(0).standard_normal((points, channels))


def window_of(train):
    return suggest("CrossAD", train).sections["model"]["seq_len"]


@settings(max_examples=60)
@given(
    points=st.integers(16, 3000),
    channels=st.integers(1, 300),
    period=st.floats(2, 500),
    noise=st.sampled_from([0.0, 0.1, 10.0]),
)
def test_every_shape_gets_settings_that_a_network_can_have(points, channels, period, noise):
    choice = suggest("CrossAD", waves(points, channels, period, noise))
    model = CrossADConfig.from_dict(choice.sections["model"])
    train = TrainConfig.from_dict(choice.sections["train"])
    assert model.seq_len <= max(points / 10, SHORTEST_WINDOW)
    assert model.seq_len >= SHORTEST_WINDOW
    assert 2 * model.seq_len <= points
    assert model.patch_len <= model.seq_len
    training_points = int(points * 0.8)
    assert training_points >= model.seq_len  # at least one window to train on
    assert train.batch_size * channels <= max(128, channels)
    assert train.epoch_windows / train.batch_size <= 100


@pytest.mark.parametrize(
    ("points", "window"), [(5000, 100), (1000, 100), (999, 99), (500, 50), (89, 8), (80, 8), (79, 8), (16, 8)]
)
def test_the_window_is_at_most_a_tenth(points, window):
    assert window_of(waves(points)) == window


@pytest.mark.parametrize(
    ("period", "window"), [(20, 100), (32, 96), (48, 96), (75, 75), (110, 110), (200, 100), (290, 97)]
)
def test_the_window_is_a_multiple_or_a_fraction_of_the_period(period, window):
    chosen = window_of(waves(6000, period=period, noise=0.01))
    assert abs(chosen - window) <= 2
    assert 64 <= chosen <= 150


def test_the_period_is_that_of_the_channels_which_change():
    train = np.concatenate([waves(6000, 2, period=48, noise=0.01), np.ones((6000, 5))], axis=1)
    choice = suggest("CrossAD", train)
    assert choice.sections["model"]["seq_len"] == 96
    assert "period 48" in choice.reasons["model"][0]


@pytest.mark.parametrize(
    "series",
    [
        np.arange(3000.0),
        np.random.default_rng(0).standard_normal(3000),
        np.cumsum(np.random.default_rng(1).standard_normal(20_000)),
        np.repeat([0.0, 1.0], 1500),
        np.ones(3000),
    ],
    ids=["ramp", "noise", "random walk", "step", "constant"],
)
def test_where_there_is_no_period_the_window_is_the_usual_one(series):
    choice = suggest("CrossAD", series[:, None])
    assert choice.sections["model"]["seq_len"] == USUAL_WINDOW
    period, window = choice.reasons["model"][:2]
    assert period.startswith("no period found: 0 of ")
    assert window == f"model.seq_len {USUAL_WINDOW}: the usual window, as there is no period"


def test_the_period_is_that_of_most_channels():
    noise = np.random.default_rng(0).standard_normal((6000, 3))
    periodic = waves(6000, 3, period=40, noise=0.01)
    assert "period 40" in suggest("CrossAD", np.hstack([noise, periodic])).reasons["model"][0]
    assert "no period found: 2 of 5" in suggest("CrossAD", np.hstack([noise, periodic[:, 1:]])).reasons["model"][0]


@pytest.mark.parametrize("points", [0, 1, 2, 15])
def test_too_short(points):
    with pytest.raises(DataError) as caught:
        suggest("CrossAD", np.zeros((points, 2)))
    text = str(caught.value)
    assert f"{points} points" in text
    assert "two windows" in text
    assert "more points" in text
    assert "\n" not in text


@pytest.mark.parametrize(("points", "channels"), [(16, 1), (60, 3), (400, 2), (5000, 1), (5000, 40)])
def test_every_setting_has_its_reason(points, channels):
    choice = suggest("CrossAD", waves(points, channels))
    assert all("\n" not in reason for own in choice.reasons.values() for reason in own)
    for section, values in choice.sections.items():
        for key, value in values.items():
            (reason,) = [
                reason for reason in choice.reasons[section] if f"{section}.{key} " in reason.replace(",", " ")
            ]
            text = f"{value:g}" if isinstance(value, float) else str(value)
            assert text in reason


def test_a_window_is_said_to_be_a_tenth_only_where_it_is():
    for points in range(16, 200, 7):
        choice = suggest("CrossAD", waves(points))
        (reason,) = [reason for reason in choice.reasons["model"] if reason.startswith("model.seq_len")]
        if "tenth" in reason:
            assert choice.sections["model"]["seq_len"] == points // 10


def test_a_constant_series_gets_settings_too():
    """This does not report that it cannot be learned."""
    choice = suggest("CrossAD", np.ones((1000, 2)))
    CrossADConfig.from_dict(choice.sections["model"])


def test_the_same_twice():
    assert suggest("CrossAD", waves(700, 3)) == suggest("CrossAD", waves(700, 3))


def test_settings_are_plain_values_of_a_configuration():
    choice = suggest("CrossAD", waves(700, 3))
    model = {"name": "CrossAD", **choice.sections["model"]}
    config = ExperimentConfig.from_dict({"data": {"name": "X"}, "model": model, "train": choice.sections["train"]})
    for section in ("model", "train"):
        kept = config.to_dict()[section]
        assert choice.sections[section].items() <= kept.items()
    plain = (bool, int, float, str, list)
    assert all(type(value) in plain for values in choice.sections.values() for value in values.values())


def test_more_channels_make_smaller_batches():
    sizes = [
        suggest("CrossAD", waves(3000, channels)).sections["train"]["batch_size"] for channels in (1, 2, 10, 100, 200)
    ]
    assert all(later < earlier for earlier, later in itertools.pairwise(sizes[:-1]))
    assert sizes[-1] == 1


@pytest.mark.parametrize(("channels", "detector"), [(1, "Nearest"), (2, "NearestPCA"), (30, "NearestPCA")])
def test_the_automatic_model_and_why(channels, detector):
    config, reasons = settings_for(waves(400, channels), detector="auto", config="auto", overrides=(), seed=1)
    assert config.detector == detector
    assert reasons[0].startswith(f"the detector {detector}: ")


def test_settings_of_one_model_need_its_name():
    with pytest.raises(UserError, match="name the model"):
        settings_for(waves(100), detector="auto", config={"model": {}}, overrides=(), seed=1)
