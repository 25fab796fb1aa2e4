"""NearestPCA: the errors of both, and what each of them alone does not see."""

import numpy as np
import pytest
import torch

from data_provider.windows import Windows
from exp.config import ExperimentConfig
from exp.detection.detector import Detector
from exp.detector import AnomalyDetector
from models.Nearest import Nearest
from models.NearestPCA import NearestPCA, NearestPCAConfig
from models.PCA import PCA

WINDOW = 16
EVENT = slice(300, 330)


def waves(points, seed=0):
    """Return two waves that rise and fall together, with noise, float32 of shape (points, 2)."""
    phase = np.arange(points)[:, None] * np.array([0.2, 0.2])
    return (np.sin(phase) + 0.1 * np.random.default_rng(seed).standard_normal(phase.shape)).astype(np.float32)


def windows_of(values):
    windows = Windows(values, WINDOW)
    return windows.gather(torch.arange(len(windows)))


def test_the_errors_are_those_of_both():
    config = NearestPCAConfig(seq_len=WINDOW)
    both, nearest, pca = NearestPCA(config, 2), Nearest(config, 2), PCA(config, 2)
    for network in (both, nearest, pca):
        network.fit_windows(iter(windows_of(waves(200)).split(50)))
    x = windows_of(waves(100, seed=1))
    assert both.score(x).shape == (len(x), WINDOW, 4)
    torch.testing.assert_close(both.score(x)[..., :2], nearest.score(x), rtol=0, atol=0)
    torch.testing.assert_close(both.score(x)[..., 2:], pca.score(x), rtol=0, atol=0)
    torch.testing.assert_close(both.reconstruct(x), (nearest.reconstruct(x) + pca.reconstruct(x)) / 2)
    torch.testing.assert_close(both(x).loss ** 2, nearest(x).loss * pca(x).loss)


def broken_apart(test):
    """One channel is ahead of the other: each has a shape that it had before."""
    test[EVENT, 1] = test[EVENT.start + 15 : EVENT.stop + 15, 1]


def of_another_shape(test):
    """Both fall silent together."""
    test[EVENT] = test[EVENT] * 0.1


@pytest.mark.parametrize("change", [broken_apart, of_another_shape])
def test_what_one_of_them_sees_is_found(change):
    train, test = waves(600), waves(500, seed=1)
    change(test)
    detector = AnomalyDetector("NearestPCA", overrides=[f"model.seq_len={WINDOW}"], device="cpu").fit(train)
    first = detector.find_events(test).iloc[0]
    assert first["start"] < EVENT.stop
    assert first["end"] >= EVENT.start
    assert detector.channel_scores(test).shape == (500, 2)
    assert set(detector.score_names) == {"0", "1"}


def test_benchmark_runs_have_a_score_for_each_channel():
    config = ExperimentConfig.from_dict({"model": {"name": "NearestPCA", "seq_len": WINDOW}, "data": {"name": "two"}})
    detector = Detector(config, 2, torch.device("cpu"), bars=False)
    values = waves(320)
    detector.fit(detector.training_windows(values, "train"), detector.validation_windows(values, values, "validation"))
    errors = detector.score(values, stride=WINDOW, batch_size=config.train.batch_size)
    found = detector.score_published(values, cover_tail=True, name="test")
    np.testing.assert_allclose(found, np.sqrt(errors[:, :2] * errors[:, 2:]), rtol=1e-6)


def test_a_detector_that_was_saved_gives_the_same_scores(tmp_path):
    detector = AnomalyDetector("NearestPCA", overrides=[f"model.seq_len={WINDOW}"], device="cpu").fit(waves(400))
    detector.save(tmp_path)
    test = waves(200, seed=1)
    again = AnomalyDetector.load(tmp_path, device="cpu")
    np.testing.assert_array_equal(again.decision_function(test), detector.decision_function(test))
