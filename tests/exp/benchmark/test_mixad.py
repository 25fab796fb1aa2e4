"""MIXAD in an experiment: does it find the channel that departs from the others?"""

import json

import numpy as np
import pytest
import torch

from data_provider import Series
from exp.benchmark.experiment import Experiment
from exp.benchmark.run_folder import RunFolder
from exp.config import ExperimentConfig
from exp.training.trainer import Trainer
from models.MIXAD import rank_channels

CHANNELS, EVENT = 10, 20
STARTS = range(100, 1600, 150)


def coupled(points, begin, random):
    """Return noisy channels that repeat one rhythm, each slightly later than the previous one."""
    time = np.arange(begin, begin + points)[:, None] - np.linspace(0, 20, CHANNELS)
    rhythm = np.sin(2 * np.pi * time / 40) + 0.5 * np.sin(2 * np.pi * time / 97)
    return rhythm + 0.05 * random.standard_normal(rhythm.shape)


def series(seed):
    """Return a series in whose events one channel leaves the rhythm, within its usual range, and these channels."""
    random = np.random.default_rng(seed)
    train, test, label = coupled(1500, 0, random), coupled(1600, 5000, random), np.zeros(1600, dtype=np.uint8)
    causes = random.permutation(CHANNELS)
    for start, cause in zip(STARTS, causes, strict=True):
        test[start : start + EVENT, cause] = random.uniform(-1.5, 1.5, EVENT)
        label[start : start + EVENT] = 1
    return Series("coupled", train, test, label, tuple("abcdefghij")), causes


def experiment(folder, seed=0, decay=2000, **train):
    model = {"seq_len": 10, "rnn_units": 16, "mem_dim": 16, "mem_num": 2, "max_diffusion_step": 2}
    rates = {"train_epochs": 6, "batch_size": 64, "learning_rate": 1e-2, "grad_norm": 5.0, "seed": seed}
    config = {
        "data": {"name": "coupled", "scaling": "min-max"},
        "model": {"name": "MIXAD", **model, "cl_decay_steps": decay},
        "train": rates | train,
    }
    config = ExperimentConfig.from_dict(config)
    return Experiment(config, series(seed)[0], RunFolder(folder), torch.device("cpu"), bars=False)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_channel_that_breaks_its_coupling_is_ranked_first(tmp_path, seed):
    one = experiment(tmp_path, seed)
    one.train()
    losses = [epoch["validation_loss"] for epoch in json.loads((tmp_path / "run.json").read_text())["epochs"]]
    assert min(losses) < 0.6 * losses[0]
    score, label = one.score_test()
    assert score.shape == (1600, CHANNELS)
    _, causes = series(seed)
    first = [rank_channels(score[start : start + EVENT])[0] for start in STARTS]
    assert sum(np.array(first) == causes) >= 8
    points = one.detector.score_points(score)
    assert np.array_equal(points, score.max(1))
    near = np.convolve(label, np.ones(11))[: len(label)] > 0  # windows that end here hold a point of an event
    peaks = [points[start : start + EVENT].max() for start in STARTS]
    assert sum(peaks > np.quantile(points[~near], 0.99)) >= 8


def test_scores_do_not_depend_on_the_batches(tmp_path):
    scores = [experiment(tmp_path, batch_size=size).score_part("test") for size in (64, 37)]
    np.testing.assert_allclose(*scores, rtol=1e-3, atol=1e-7)
    # The first window ends at the tenth point.
    assert all((score[:9] == score[9]).all() for score in scores)


def test_resumed_training_gives_the_same_weights(tmp_path, monkeypatch):
    def make(name):
        return experiment(tmp_path / name, decay=5, train_epochs=3, epoch_windows=256)

    def interrupted(trainer, *windows):
        if len(trainer.progress.epochs) == 2:
            raise KeyboardInterrupt
        epoch(trainer, *windows)

    whole, killed, resumed = make("whole"), make("resumed"), make("resumed")
    whole.train()
    epoch = Trainer._epoch
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            killed.train()
    resumed.train(resume=True)
    assert int(resumed.detector.network.batches) > 0
    expected = whole.detector.network.state_dict()
    for name, tensor in resumed.detector.network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
