"""Several seeds of run.py, with their mean and standard deviation."""

import json

import numpy as np
import pandas as pd
import pytest

from exp.benchmark.seeds import summarise_seeds


def test_mean_and_deviation(tmp_path):
    text = summarise_seeds({1: {"a": 0.5, "b": 1.0}, 7: {"a": 0.75}}, tmp_path / "seeds.csv")
    table = pd.read_csv(tmp_path / "seeds.csv", index_col="metric")
    assert list(table.columns) == ["mean", "std", "seeds", "1", "7"]
    assert list(table.loc["a"]) == pytest.approx([0.625, np.std([0.5, 0.75], ddof=1), 2, 0.5, 0.75])
    assert table.loc["b", "seeds"] == 1
    assert np.isnan(table.loc["b", "std"])
    assert "0.625" in text


def run(place, *more):
    ended = place.run("--seeds", "1", "2", *more)
    assert ended.returncode == 0, ended.stderr
    return ended


def files_of(place):
    return {
        path: path.read_bytes() for path in place.save_path.rglob("*") if path.is_file() and path.name != "run.json"
    }


def test_what_is_measured_is_skipped(place):
    train = ("--set", "train.train_epochs=1")
    first = run(place, *train)
    written = files_of(place)
    seeds = pd.read_csv(place.save_path / "TOY" / "seeds.csv", index_col="metric")
    for seed in ("1", "2"):
        own = pd.read_csv(place.save_path / "TOY" / f"seed_{seed}" / "_r_auc.csv").iloc[0]
        assert seeds.loc["R_AUC_ROC", seed] == own["R_AUC_ROC"]
    (place.save_path / "TOY" / "seed_2" / "_vus.csv").unlink()
    again = run(place, *train)
    assert again.stderr.count("already evaluated") == 1
    assert again.stderr.count("training had already finished") == 1
    assert files_of(place) == written
    assert again.stdout[again.stdout.index("over the seeds") :] == first.stdout[first.stdout.index("over the seeds") :]


def test_other_measures_keep_the_training_and_other_settings_do_not(place):
    run(place, "--set", "train.train_epochs=1")
    measured = run(place, "--set", "train.train_epochs=1", "evaluation.window=20")
    assert measured.stderr.count("training had already finished") == 2
    trained = run(place, "--set", "train.train_epochs=2", "--mode", "train")
    assert trained.stderr.count("epoch 2/2") == 2
    record = json.loads((place.save_path / "TOY" / "seed_1" / "run.json").read_text())
    assert record["config"]["train"]["train_epochs"] == 2
    assert (record["seed"], record["status"]) == (1, "trained")
