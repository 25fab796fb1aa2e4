"""Nearest against plain loops, and on series with planted events."""

import numpy as np
import pytest
import torch

from data_provider.windows import Windows
from exp.detector import AnomalyDetector
from models import DETECTORS, ConfigError
from models.Nearest import Nearest, NearestConfig

WINDOW = 16
EVENT = slice(300, 312)


def waves(points, seed=0):
    """Return three noisy waves and a channel that never changes, float32 of shape (points, 4)."""
    phase = np.arange(points)[:, None] * np.array([0.2, 0.31, 0.47])
    noisy = np.sin(phase) + 0.1 * np.random.default_rng(seed).standard_normal(phase.shape)
    return np.column_stack([noisy, np.ones(points)]).astype(np.float32)


def fitted(values, **settings):
    network = Nearest(NearestConfig(seq_len=WINDOW, **settings), values.shape[1])
    windows = Windows(values, WINDOW)
    network.fit_windows(windows.gather(batch) for batch in windows.batches(50))
    return network, windows.gather(torch.arange(len(windows)))


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(("parts", "starts", "length"), [(1, [], 16), (2, [0, 8], 8), (3, [0, 5, 10], 6)])
def test_against_plain_loops(weight, parts, starts, length):
    network, known = fitted(waves(60), level_weight=weight, parts=parts)
    x = torch.from_numpy(np.stack([waves(200, seed=1)[start : start + WINDOW] for start in (0, 40, 99)]))

    def compared(window):  # of one channel
        mean = window.mean()
        return window - mean + np.sqrt(weight) * mean

    def errors(window, others):
        return min([(compared(window) - compared(other)) ** 2 for other in others], key=np.sum)

    found = network.score(x).numpy()
    for index, window in enumerate(x.numpy()):
        for channel in range(4):
            own, others = window[:, channel], known.numpy()[:, :, channel]
            in_parts, count = np.zeros(WINDOW), np.full(WINDOW, 1e-9)
            for start in starts:
                inside = slice(start, start + length)
                in_parts[inside] += errors(own[inside], others[:, :length])
                count[inside] += 1
            expected = errors(own, others) + WINDOW / length * in_parts / count
            np.testing.assert_allclose(found[index, :, channel], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(network.reconstruct(x).numpy(), x.numpy() - network(x).difference.numpy())


def test_windows_of_training_are_their_own_nearest():
    network, windows = fitted(waves(60))
    assert float(network.score(windows[:-WINDOW]).max()) < 1e-10  # the last ones have parts that start none
    torch.testing.assert_close(network.reconstruct(windows), windows)


def test_a_planted_event_and_its_channel_stand_out():
    train, test = waves(600), waves(500, seed=1)
    test[EVENT, 1] = -test[EVENT, 1] - 2
    detector = AnomalyDetector("Nearest", overrides=[f"model.seq_len={WINDOW}"], device="cpu").fit(train)
    channels, score = detector.channel_scores(test), detector.decision_function(test)
    assert EVENT.start - 2 <= score.argmax() < EVENT.stop + 2
    assert channels[EVENT].mean(axis=0).argmax() == 1
    assert (channels[:, 3] < 1e-6).all()
    assert score[EVENT].min() > detector.threshold_


def test_another_level_is_seen():
    train, test = waves(600), waves(500, seed=1)
    test[250:, 0] += 10
    detector = AnomalyDetector("Nearest", overrides=[f"model.seq_len={WINDOW}"], device="cpu").fit(train)
    assert (detector.decision_function(test)[250:] > detector.threshold_).all()


def test_weights_of_any_number_of_windows_load():
    network, windows = fitted(waves(60))
    other = Nearest(network.config, 4)
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other.score(windows), network.score(windows))
    with pytest.raises(RuntimeError):
        Nearest(network.config, 3).load_state_dict(network.state_dict())


@pytest.mark.parametrize(("key", "value"), [("level_weight", -0.1), ("level_weight", 1.5), ("parts", 0), ("parts", 9)])
def test_wrong_settings(key, value):
    with pytest.raises(ConfigError, match=key):
        NearestConfig.from_dict({"seq_len": 8, key: value}, section="model")


def test_suggestions():
    rule = DETECTORS["Nearest"].suggest
    assert rule(10_000, 1, 24).sections == {
        "model": {"seq_len": 96},
        "train": {"epoch_windows": 9905, "batch_size": 256},
    }
    assert rule(25_000, 38, None).sections["train"]["epoch_windows"] == 1096
    assert rule(10_000_000, 1, None).sections["train"]["epoch_windows"] == 20_000
    assert rule(200, 1, None).sections["model"]["seq_len"] == 20
