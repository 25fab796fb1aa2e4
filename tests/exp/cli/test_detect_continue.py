"""Continuing a training with new data."""

import json

import numpy as np
import pandas as pd
import pytest

from exp.detection.estimator import AnomalyDetector
from tests.support.own_series import SMALL, files_below, plant, run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("exp.cli.findings.write_report", lambda path, report: path.write_text(report.title))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with old.csv, new.csv, a detector of the old one, model, and one in closed form, PCA."""
    folder = tmp_path_factory.mktemp("trained")
    for seed, name in enumerate(("old", "new")):
        plant(seed=seed).to_csv(folder / f"{name}.csv", index=False)
    frame = plant()[["flow", "heat"]]
    AnomalyDetector(overrides=tuple(SMALL[1:]), device="cpu").fit(frame).save(folder / "model")
    AnomalyDetector("PCA", device="cpu").fit(frame).save(folder / "PCA")
    return folder


def test_a_new_detector(trained, tmp_path):
    before = files_below(trained)
    out = tmp_path / "out"
    options = ["--train-until", "0.5", "--set", "train.train_epochs=2", "--quantile", "0.9"]
    assert run(trained / "new.csv", "--out", out, "--continue", trained / "model", *options) == 0
    assert files_below(trained) == before
    expected = AnomalyDetector.load(trained / "model", device="cpu").set_threshold("quantile", quantile=0.9)
    expected.continue_fit(plant(seed=1)[["flow", "heat"]][:120], overrides=["train.train_epochs=2"])
    saved = AnomalyDetector.load(out / "detector", device="cpu")
    np.testing.assert_array_equal(saved.decision_scores_, expected.decision_scores_)
    assert (saved.threshold_, saved.threshold_rule) == (expected.threshold_, expected.threshold_rule)
    assert len(pd.read_csv(out / "scores.csv")) == 240
    record = json.loads((out / "run.json").read_text())
    assert record["trained_on"] == f"the first 120 points, continuing {trained / 'model'}"
    assert len(record["epochs"]) == 3


def test_several_files(trained, tmp_path):
    out = tmp_path / "out"
    assert run(trained / "new.csv", trained / "old.csv", "--out", out, "--continue", trained / "model") == 0
    assert len(pd.read_csv(out / "summary.csv")) == 2
    assert len(AnomalyDetector.load(out / "detector").decision_scores_) == 480


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--continue", "PCA"], "PCA is fitted in closed form"),
        (["--continue", "nowhere"], "detector.json: no such file"),
        (["--continue", "model", "--model", "model"], "--continue trains, and --model does not"),
        (["--continue", "model", "--model", "model", "--stream"], "--continue trains, and --stream does not"),
        (["--continue", "model", "--seed", "3"], "--seed is set by the detector of --continue"),
        (["--continue", "model", "--detector", "MIXAD"], "--detector is set by the detector of --continue"),
        (["--continue", "model", "--config", "auto"], "--config is set by the detector of --continue"),
        (["--continue", "model", "--set", "model.seq_len=8"], "--set model.seq_len=8: a continued training"),
        (["--continue", "model", "--set", "train.nothing=8"], "unknown key 'train.nothing'"),
        (["--continue", "model", "--channels", "flow"], "--channels: the detector also needs 'heat'"),
        (["--continue", "model", "--train-until", "30"], "30 points to train on are fewer than two windows"),
        (["--continue", "model", "--risk", "3"], "risk is 3.0"),
        (["--continue", "out/detector"], "would replace the one given to --continue"),
    ],
)
def test_options(trained, tmp_path, capsys, options, says):
    before = files_below(tmp_path)
    named = [trained / text if (trained / text).exists() else text for text in options]
    named = [tmp_path / text if text == "out/detector" else text for text in named]
    files = [] if "--stream" in options else [trained / "new.csv", "--out", tmp_path / "out"]
    assert run(*files, *named) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert says in error
    assert files_below(tmp_path) == before


def test_other_channels(trained, tmp_path, capsys):
    plant().drop(columns="heat").to_csv(tmp_path / "lacks.csv", index=False)
    options = ["--out", tmp_path / "out", "--continue", trained / "model"]
    for files in ([tmp_path / "lacks.csv"], [trained / "new.csv", tmp_path / "lacks.csv"]):
        assert run(*files, *options) == 2
        assert f"{tmp_path / 'lacks.csv'}: lacks 'heat' of the channels" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
