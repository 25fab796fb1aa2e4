"""What the programs leave of a training's epochs: epochs.csv always, scalars for TensorBoard on request."""

import json

import pandas as pd
import pytest

from tests.exp.cli.test_detect import SMALL, plant
from tests.support.command_line import run_program
from tests.support.scalars import expected, scalars

AFTER_TWO_EPOCHS = ("after", "training_state.pth", 1)


def recorded(folder):
    return json.loads((folder / "run.json").read_text())["epochs"]


def tabled(folder):
    return pd.read_csv(folder / "epochs.csv", float_precision="round_trip").to_dict("records")


def succeed(place, *more):
    ended = place.run(*more)
    assert ended.returncode == 0, ended.stderr
    return ended


def detect(*more):
    return run_program("-m", "exp.detect", *more)


def test_run_writes_the_epochs_and_no_scalars_unasked(finished):
    assert tabled(finished.results) == recorded(finished.results)
    assert len(tabled(finished.results)) == 3
    assert not (finished.results / "tensorboard").exists()


@pytest.mark.parametrize("die_at", [AFTER_TWO_EPOCHS, ("before", "training_state.pth", 1), ("after", "epochs.csv", 1)])
def test_resuming_continues_both_without_duplicates(place, die_at):
    place.run("--mode", "train", "--tensorboard", die_at=die_at)
    assert "resumed after epoch" in succeed(place, "--mode", "train", "--tensorboard", "--resume").stderr
    epochs = recorded(place.results)
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert tabled(place.results) == epochs
    assert scalars(place.results / "tensorboard") == expected(epochs)


def test_scalars_of_a_training_that_has_finished(copied):
    succeed(copied, "--mode", "train", "--tensorboard", "--resume")
    assert scalars(copied.results / "tensorboard") == expected(recorded(copied.results))


def test_scalars_of_seeds_that_were_measured_already(place):
    seeds = ("--seeds", "1", "2", "--set", "train.train_epochs=1")
    succeed(place, *seeds)
    ended = succeed(place, *seeds, "--tensorboard")
    assert ended.stderr.count("already evaluated") == 2
    for seed in ("seed_1", "seed_2"):
        folder = place.save_path / "TOY" / seed
        assert scalars(folder / "tensorboard") == expected(recorded(folder))


def test_a_new_training_leaves_nothing_of_the_old_scalars(place):
    succeed(place, "--mode", "train", "--tensorboard")
    succeed(place, "--mode", "train")
    assert not (place.results / "tensorboard").exists()
    assert tabled(place.results) == recorded(place.results)


@pytest.mark.parametrize("mode", ["test", "evaluate"])
def test_scalars_of_no_training_are_refused(copied, mode):
    ended = copied.run("--mode", mode, "--tensorboard")
    assert ended.returncode == 2
    assert ended.stderr == f"error: --tensorboard follows a training, and --mode {mode} trains nothing: leave it out\n"


def test_detect(tmp_path):
    series, out = tmp_path / "plant.csv", tmp_path / "out"
    plant().to_csv(series, index=False)
    small = ["--set", *(setting for setting in SMALL[1:] if "train_epochs" not in setting), "train.train_epochs=2"]
    ended = detect(series, "--out", out, *small, "--tensorboard")
    assert ended.returncode == 0, ended.stderr
    epochs = recorded(out)
    assert len(epochs) == 2
    assert tabled(out) == epochs
    assert scalars(out / "tensorboard") == expected(epochs)
    ended = detect(series, "--out", out, "--model", out / "detector", "--tensorboard")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: --tensorboard is for training, which --model replaces")
    ended = detect(series, "--out", out, "--model", out / "detector")
    assert ended.returncode == 0, ended.stderr
    assert tabled(out) == epochs  # of the weights that scored
    assert not (out / "tensorboard").exists()
