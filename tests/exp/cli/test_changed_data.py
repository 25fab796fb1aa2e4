"""run.py on data, labels or weights that have changed since the results in its folder were made."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from data_provider import Series
from data_provider.read.long_csv import write_long_csv
from exp.benchmark.run_folder import RunFolder
from tests.exp.cli.test_run_bad_input import refuse
from tests.support.command_line import TRAIN_ROWS, values

DUAL_STF = [
    "model.name=DualSTF", "model.seq_len=24", "model.points_per_token=4", "model.d_model=8", "model.n_heads=2",
    "model.patch_sizes=[4]", "model.n_prototypes=3",
]  # fmt: skip
ONE_EPOCH = ("--set", "train.train_epochs=1")


def write(place, points, label, names=("a", "b")):
    """Write the dataset again, later, so that no copy of the parsed file is mistaken for it."""
    write_long_csv(place.csv, Series("TOY", points[:TRAIN_ROWS], points[TRAIN_ROWS:], label[TRAIN_ROWS:], tuple(names)))


def replaced(place, what):
    """Replace part of the dataset."""
    points, label = values()
    if what == "labels":
        label[:] = 0
        label[-60:-50] = 1
    elif what == "a channel":
        points = points[:, :1]
    else:
        rows = slice(0, TRAIN_ROWS) if what == "train" else slice(TRAIN_ROWS, None)
        points[rows] = points[rows][::-1] * 1.5
    write(place, points, label, names="ab"[: points.shape[1]])


def succeed(place, *more):
    ended = place.run(*more)
    assert ended.returncode == 0, ended.stderr
    return ended


def record(place):
    return json.loads((place.results / "run.json").read_text())


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("train", ["the training values have changed"]),
        ("a channel", ["the training values", "200 rows of 2 channels then, 200 rows of 1 channels now"]),
    ],
)
@pytest.mark.parametrize("interrupted", [True, False])
@pytest.mark.parametrize("option", ["--resume", "--seeds"])
def test_resuming_on_other_data_is_refused(place, what, says, interrupted, option):
    if option == "--seeds":
        place.results = place.save_path / "TOY" / "seed_1"
    options = ["--seeds", "1", "2"] if option == "--seeds" else []
    die_at = ("after", "training_state.pth", 0) if interrupted else None
    place.run("--mode", "train", *options, die_at=die_at)
    replaced(place, what)
    says = [place.results, "since training began", "--save_path", *says]
    refuse(place, *(options or ["--resume"]), says=says)


def test_one_channel_fewer_is_no_traceback_where_nothing_is_recorded(place):
    options = ("--mode", "train", "--set", "train.train_epochs=2", *DUAL_STF)
    place.results = place.save_path / "TOY" / "DualSTF" / "results_0"
    place.configure()
    config = place.config.read_text()
    place.config.write_text(config[: config.index("model:")] + "model: {}\n" + config[config.index("train:") :])
    place.run(*options, die_at=("after", "training_state.pth", 0))
    (place.results / "run.json").unlink()
    replaced(place, "a channel")
    refuse(place, *options, "--resume", says=["training_state.pth", "do not fit", "channels of the data"])


def test_a_resumed_training_may_have_another_test_part(place, tmp_path):
    place.run("--mode", "train", die_at=("after", "training_state.pth", 0))
    fresh = place.copy_to(tmp_path / "fresh")
    for one in (place, fresh):
        replaced(one, "test")
    succeed(place, "--resume")
    succeed(fresh)
    assert place.bytes() == fresh.bytes()


@pytest.mark.parametrize("what", ["labels", "test"])
def test_seeds_again(place, tmp_path, what):
    """Corrected labels are evaluated with the kept scores; changed test values are scored with the kept weights."""
    command = ("--seeds", "1", *ONE_EPOCH)
    succeed(place, *command)
    fresh = place.copy_to(tmp_path / "fresh")
    for file in fresh.save_path.rglob("*.*"):
        file.unlink()
    for one in (place, fresh):
        one.results = one.save_path / "TOY" / "seed_1"
        replaced(one, what)
    log = succeed(place, *command).stderr
    assert "training had already finished" in log
    assert ("scored" not in log) is (what == "labels")
    assert ("the labels have changed since: the scores are evaluated again" in log) is (what == "labels")
    succeed(fresh, *command)
    assert place.bytes() == fresh.bytes()
    assert (place.save_path / "TOY" / "seeds.csv").read_bytes() == (fresh.save_path / "TOY" / "seeds.csv").read_bytes()
    assert "already evaluated" in succeed(place, *command).stderr


def test_seeds_whose_weights_were_replaced(place):
    succeed(place, "--seeds", "1", "2", *ONE_EPOCH)
    one, two = (place.save_path / "TOY" / f"seed_{seed}" for seed in (1, 2))
    (one / "checkpoint.pth").write_bytes((two / "checkpoint.pth").read_bytes())
    log = succeed(place, "--seeds", "1", "2", *ONE_EPOCH).stderr
    assert log.count("already evaluated") == 1
    assert (one / "a_test_energy.npy").read_bytes() == (two / "a_test_energy.npy").read_bytes()


@pytest.mark.parametrize("what", ["labels", "train", "test"])
def test_evaluating_again(finished, copied, tmp_path, what):
    succeed(copied, "--mode", "evaluate")
    fresh = finished.copy_to(tmp_path / "fresh")
    for place in (copied, fresh):
        replaced(place, what)
    log = succeed(copied, "--mode", "evaluate").stderr
    assert ("using the scores" in log) is (what == "labels")
    assert ("the labels have changed since" if what == "labels" else f"{what}") in log
    succeed(fresh, "--mode", "evaluate")
    names = ("a_gt.npy", "a_test_energy.npy", "a_train_energy.npy", "_affiliation.csv", "_spot_thres_info.csv")
    assert copied.bytes(*names) == fresh.bytes(*names)
    assert (copied.results / "_auc.csv").exists() is False  # of the old labels or scores
    again = succeed(copied, "--mode", "evaluate").stderr
    assert "using the scores" in again
    assert "recomputed" not in again
    # The folder's weights still belong to the old data, which is reported each time.
    assert ("the training values have changed since these weights were trained" in again) is (what == "train")


def test_evaluating_scores_of_another_checkpoint(finished, copied):
    """Without --checkpoint, the folder's own weights are used, whatever produced the existing scores."""
    other = copied.path / "other.pth"
    content = torch.load(copied.results / "checkpoint.pth", weights_only=True)
    content["weights"]["decoder.projection.weight"] += 0.5
    torch.save(content, other)
    names = ("a_test_energy.npy", "a_train_energy.npy", "_affiliation.csv")
    succeed(copied, "--mode", "evaluate")
    own = copied.bytes(*names)
    assert (
        "their origin has changed (the weights)" in succeed(copied, "--mode", "evaluate", "--checkpoint", other).stderr
    )
    others = copied.bytes(*names)
    assert "using the scores" in succeed(copied, "--mode", "evaluate", "--checkpoint", other).stderr
    assert copied.bytes(*names) == others != own
    assert "their origin has changed (the weights)" in succeed(copied, "--mode", "evaluate").stderr
    assert copied.bytes(*names) == own
    succeed(copied, "--mode", "test", "--checkpoint", other)
    (copied.results / "checkpoint.pth").unlink()
    ended = copied.run("--mode", "evaluate")
    assert ended.returncode == 2
    assert "no such checkpoint" in ended.stderr


def test_evaluating_with_weights_that_have_been_removed(copied):
    succeed(copied, "--mode", "evaluate")
    (copied.results / "checkpoint.pth").unlink()
    assert "using the scores" in succeed(copied, "--mode", "evaluate", "--metrics", "f1_raw").stderr


def test_testing_again_leaves_no_measure_of_other_labels(copied):
    replaced(copied, "labels")
    succeed(copied, "--mode", "test", "--metrics", "auc")
    assert [file.name for file in copied.results.glob("_*.csv")] == ["_auc.csv"]
    fresh = np.load(copied.results / "a_gt.npy")
    assert fresh[-50:].sum() == 10


def test_the_record_says_what_made_the_results(finished):
    made = record(finished)
    assert made["trained_on"]["train"] == made["scored_with"]["train"]
    assert made["trained_on"]["train"].keys() == {"rows", "channels", "sha256"}
    assert made["weights"] == made["scored_with"]["weights"]
    assert (made["labels"]["rows"], made["scored_with"]["test"]["rows"]) == (130, 130)
    assert made["scored_with"]["settings"]["cover_tail"] is False


def of_an_earlier_version(place, path):
    """Turn the folder into one left by an earlier version."""
    folder = RunFolder(path)
    entries = {key: value for key, value in folder.read_record().items() if key not in NEW_ENTRIES}
    folder.record.write_text(json.dumps(entries))


NEW_ENTRIES = {"trained_on", "scored_with", "labels", "weights"}


def test_folders_of_an_earlier_version(finished, copied):
    succeed(copied, "--mode", "evaluate")
    of_an_earlier_version(copied, copied.results)
    log = succeed(copied, "--mode", "evaluate").stderr
    assert "recomputed: they were made by an earlier version" in log
    assert copied.bytes("a_test_energy.npy") == finished.bytes("a_test_energy.npy")
    of_an_earlier_version(copied, copied.results)
    log = succeed(copied, "--resume").stderr
    assert "made by an earlier version, which does not record the data" in log
    assert copied.bytes() == finished.bytes()


def test_seeds_of_an_earlier_version(place):
    succeed(place, "--seeds", "1", *ONE_EPOCH)
    of_an_earlier_version(place, place.save_path / "TOY" / "seed_1")
    tables = pd.read_csv(place.save_path / "TOY" / "seeds.csv")
    log = succeed(place, "--seeds", "1", *ONE_EPOCH).stderr
    assert "earlier version" in log
    assert "training had already finished" in log
    assert "scored" in log
    pd.testing.assert_frame_equal(pd.read_csv(place.save_path / "TOY" / "seeds.csv"), tables)
