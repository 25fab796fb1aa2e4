"""PCA against its definition, and on a series with an injected event."""

import numpy as np
import pytest
import torch

from data_provider.windows import Windows
from exp.detector import AnomalyDetector
from models import DETECTORS, ConfigError
from models.PCA import PCA, PCAConfig

WINDOW = 16
EVENT = slice(300, 312)


def waves(points, seed=0):
    """Return three noisy waves and a channel that never changes, float32 of shape (points, 4)."""
    phase = np.arange(points)[:, None] * np.array([0.2, 0.31, 0.47])
    noisy = np.sin(phase) + 0.1 * np.random.default_rng(seed).standard_normal(phase.shape)
    return np.column_stack([noisy, np.ones(points)]).astype(np.float32)


def fitted(values, **settings):
    network = PCA(PCAConfig(seq_len=WINDOW, **settings), values.shape[1])
    windows = Windows(values, WINDOW)
    network.fit_windows(windows.gather(batch) for batch in windows.batches(50))
    return network, windows.gather(torch.arange(len(windows)))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_by_its_definition(share):
    network, windows = fitted(waves(150), explained_variance=share)
    flat = windows.flatten(1).double().numpy()
    mean = flat.mean(axis=0)
    _, deviations, directions = np.linalg.svd(flat - mean, full_matrices=False)
    explained = np.cumsum(deviations**2) / np.sum(deviations**2)
    kept = directions[: np.argmax(explained > share) + 1]
    assert network.components.shape == kept.shape
    errors = (flat - mean - (flat - mean) @ kept.T @ kept) ** 2
    np.testing.assert_allclose(network.score(windows).flatten(1).numpy(), errors, rtol=1e-2, atol=1e-5)
    assert float(network(windows).loss) == pytest.approx(errors.mean(), rel=1e-4)


def test_a_planted_event_and_its_channel_stand_out():
    train, test = waves(600), waves(500, seed=1)
    test[EVENT, 1] = -6
    detector = AnomalyDetector("PCA", overrides=[f"model.seq_len={WINDOW}"], device="cpu").fit(train)
    channels = detector.channel_scores(test)
    score = detector.decision_function(test)
    assert EVENT.start - 2 <= score.argmax() < EVENT.stop + 2
    assert (channels[EVENT].argmax(axis=1) == 1).all()
    assert (channels[:, 3] < 1e-6).all()


@pytest.mark.parametrize("windows", [1, 2, 300])
def test_windows_that_are_all_the_same(windows):
    network, known = fitted(np.ones((WINDOW + windows - 1, 4), np.float32))
    assert network.components.shape == (0, WINDOW * 4)
    assert not network.score(known).any()
    assert (network.score(known + 2) == 4).all()


def test_weights_of_any_number_of_components_load():
    network, windows = fitted(waves(150))
    other = PCA(network.config, 4)
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other.score(windows), network.score(windows))
    with pytest.raises(RuntimeError):
        PCA(network.config, 3).load_state_dict(network.state_dict())


def test_a_single_window_has_its_own_value_as_the_mean():
    network, windows = fitted(waves(WINDOW))
    assert not network.score(windows).any()


@pytest.mark.parametrize("channels", [1, 38, 500])
def test_suggested_windows_keep_the_decomposition_small(channels):
    sections = DETECTORS["PCA"].suggest(20_000, channels, None).sections
    assert 8 <= sections["model"]["seq_len"] <= 96
    assert sections["model"]["seq_len"] * channels <= max(4096, 8 * channels)


def test_settings_of_gradient_steps_are_refused():
    with pytest.raises(ConfigError, match=r"train\.learning_rate has no effect, PCA is trained without gradient steps"):
        AnomalyDetector("PCA", overrides=["train.learning_rate=0.1"], device="cpu").fit(waves(200))
