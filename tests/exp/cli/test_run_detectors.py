"""Every detector of the registry except CrossAD, through the command line, as the tests of run.py do for CrossAD."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from data_provider import Series
from data_provider.read.long_csv import write_long_csv
from models import DETECTORS
from tests.support.command_line import TRAIN_ROWS, WINDOW, Place, settings, values

SMALL = {
    "AxonAD": {"seq_len": WINDOW, "d_model": 8, "heads": 2},
    "DualSTF": {"seq_len": WINDOW, "points_per_token": 4, "d_model": 8, "n_heads": 2, "patch_sizes": [4, 6]}
    | {"kernel_sizes": [3], "n_prototypes": 3},
    "Nearest": {"seq_len": WINDOW},
    "NearestPCA": {"seq_len": WINDOW},
    "PCA": {"seq_len": WINDOW},
    "MIXAD": {"seq_len": WINDOW, "rnn_units": 6, "mem_num": 3, "mem_dim": 6, "cl_decay_steps": 5},
}
TRAIN = {"train_epochs": 2, "batch_size": 64, "learning_rate": 1e-3, "lradj": "linear", "grad_norm": 5.0}
AFTER_ONE_EPOCH = ("after", "training_state.pth", 0)


class DetectorPlace(Place):
    """A place whose configuration names another detector than CrossAD."""

    def __init__(self, path, name):
        super().__init__(path)
        self.name = name
        self.results = self.save_path / "TOY" / name / "results_0"

    def configure(self, **changes):
        mapping = settings(**changes)
        mapping["model"] = {"name": self.name, **SMALL[self.name]}
        mapping["train"] = {"batch_size": 64} if DETECTORS[self.name].closed_form else TRAIN
        mapping["data"]["scaling"] = "min-max"
        self.config.write_text(yaml.safe_dump(mapping))

    def done(self, *more, **options):
        ended = self.run(*more, **options)
        assert ended.returncode == 0, ended.stderr
        return ended


@pytest.fixture(params=sorted(SMALL))
def place(request, tmp_path):
    return DetectorPlace(tmp_path, request.param).fill()


def test_every_other_detector_is_tested_here():
    assert {"CrossAD", *SMALL} == set(DETECTORS)


def test_trains_tests_and_evaluates_in_its_own_folder(place):
    place.done("--cover_tail")
    record = json.loads((place.results / "run.json").read_text())
    assert (record["model"], record["status"]) == (place.name, "tested")
    score, label = np.load(place.results / "a_test_energy.npy"), np.load(place.results / "a_gt.npy")
    assert score.shape == (130, 1 if place.name == "DualSTF" else 2)
    points = DETECTORS[place.name].score_points(score)
    measured = pd.read_csv(place.results / "_auc.csv")["AUC_ROC"][0]
    anomalous, normal = points[label == 1], points[label == 0]
    assert measured == pytest.approx((anomalous[:, None] > normal).mean() + (anomalous[:, None] == normal).mean() / 2)
    place.done("--mode", "evaluate", "--cover_tail")
    assert (place.results / "_spot_thres_info.csv").is_file()
    assert (place.results / "_affiliation.csv").is_file()
    assert (place.results / "scores.png").is_file()


def test_the_same_command_gives_the_same_bytes_and_a_resumed_one_too(place):
    place.done()
    whole = place.bytes()
    place.done()
    assert place.bytes() == whole
    place.run(die_at=AFTER_ONE_EPOCH)
    finished = DETECTORS[place.name].closed_form
    said = "training had already finished after 1 epochs" if finished else "resumed after epoch 1"
    assert said in place.done("--resume").stderr
    assert place.bytes() == whole


def test_weights_of_an_interrupted_training_are_scored_only_where_they_can_be(place):
    if DETECTORS[place.name].closed_form:
        pytest.skip("its training is one epoch")
    place.run(die_at=AFTER_ONE_EPOCH)
    ended = place.run("--mode", "test")
    if not hasattr(DETECTORS[place.name].network, "calibrate"):
        assert ended.returncode == 0, ended.stderr
        return
    assert ended.returncode == 2
    assert f"error: {place.results / 'checkpoint.pth'}: " in ended.stderr.splitlines()[-1]
    assert "finish the training, with --resume" in ended.stderr.splitlines()[-1]
    assert not (place.results / "a_test_energy.npy").exists()
    place.done("--resume")


def test_seeds(place):
    fewer = "train.batch_size=32" if DETECTORS[place.name].closed_form else "train.train_epochs=1"
    place.done("--seeds", "1", "2", "--set", fewer)
    table = pd.read_csv(place.results.parent / "seeds.csv", index_col="metric")
    assert table.loc["AUC_ROC", "seeds"] == 2


def test_thresholds_by_a_share_of_the_training_scores(place):
    place.done("--mode", "train")
    place.done("--mode", "evaluate", "--set", "evaluation.anomaly_ratio=0.05")
    table = pd.read_csv(place.results / "_prior_anomaly_rate_thres_info.csv")
    points = DETECTORS[place.name].score_points(np.load(place.results / "a_train_energy.npy"))
    assert table["threshold"][0] == pytest.approx(np.quantile(points, 0.95))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("model.seq_lenn=30", "did you mean 'seq_len'?"),
        ("model.seq_len=0", "model.seq_len"),
        ("train.lradj=step", "train.lradj"),
        ("data.scaling=minmax", "data.scaling"),
        ("evaluation.anomaly_ratio=2", "evaluation.anomaly_ratio"),
    ],
)
def test_wrong_settings_are_told_in_one_line(place, change, words):
    ended = place.run("--set", change)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not place.save_path.exists()


def test_a_checkpoint_of_another_detector_is_refused(place, tmp_path):
    other = DetectorPlace(tmp_path / "other", next(name for name in SMALL if name != place.name))
    other.path.mkdir()
    other.fill().done("--mode", "train")
    ended = place.run("--mode", "test", "--checkpoint", str(other.results / "checkpoint.pth"))
    assert ended.returncode == 2
    assert "belongs to another configuration" in ended.stderr.splitlines()[-1]


def test_data_with_another_number_of_channels_is_refused(place):
    place.done()
    points, label = values()
    points = np.repeat(points, 2, axis=1)
    names = ("a", "b", "c", "d")
    write_long_csv(place.csv, Series("TOY", points[:TRAIN_ROWS], points[TRAIN_ROWS:], label[TRAIN_ROWS:], names))
    for mode in ("test", "evaluate"):
        ended = place.run("--mode", mode)
        assert ended.returncode == 2
        assert "and the channels of the data need" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr


def test_a_graph_of_one_channel_is_refused(tmp_path):
    place = DetectorPlace(tmp_path, "MIXAD").fill()
    ended = place.run("--set", "data.drop_channels=[1]")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("error: MIXAD needs a graph of two channels or more")
