"""Training that is interrupted at any moment and resumed."""

import io
import json
import os
import random
import signal
import time

import pytest
import torch

from tests.support.command_line import started

SCHEDULES = ("type1", "type2", "type3", "cosine", "1cycle")
AFTER_ONE_EPOCH = ("after", "training_state.pth", 0)


def train(place, *more, **options):
    ended = place.run("--mode", "train", *more, **options)
    assert ended.returncode == (-signal.SIGKILL if options else 0), ended.stderr
    return ended


def finish(place, *more):
    ended = place.run("--resume", *more)
    assert ended.returncode == 0, ended.stderr
    return ended


def assert_loadable(place):
    """Check that a checkpoint, if there is one, is complete."""
    file = place.results / "checkpoint.pth"
    if file.exists():
        assert torch.load(io.BytesIO(file.read_bytes()), weights_only=True)["weights"]


@pytest.mark.parametrize(
    ("schedule", "optimizer"), [*((schedule, "adam") for schedule in SCHEDULES), ("cosine", "adamw")]
)
def test_resumed_training_gives_the_same_bytes(place, schedule, optimizer):
    options = ("--set", f"train.lradj={schedule}", f"train.optim={optimizer}")
    train(place, *options)
    whole = place.bytes("checkpoint.pth")
    train(place, *options, die_at=AFTER_ONE_EPOCH)
    assert place.bytes("checkpoint.pth") != whole
    assert "resumed after epoch 1" in train(place, *options, "--resume").stderr
    assert place.bytes("checkpoint.pth") == whole


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_every_change_of_a_file(finished, tmp_path, step):
    """At every one in the slow tests. The folder already holds a finished run, as when retraining."""
    for number in range(0, 100, step):
        place = finished.copy_to(tmp_path / str(number))
        killed = place.run("--mode", "train", die_at=("before", None, number)).returncode
        assert_loadable(place)
        train(place, "--resume")
        assert place.bytes("checkpoint.pth") == finished.bytes("checkpoint.pth")
        if not killed:
            break
    assert number > 10
    assert not killed


def test_killed_again_and_again_at_any_instant(finished, place):
    begin = time.monotonic()
    assert place.run().returncode == 0
    duration = time.monotonic() - begin
    instants = random.Random(0)
    for attempt in range(8):
        arguments = place.arguments(*(["--resume"] if attempt else []))
        with started(*arguments) as (process, _):
            process.join(instants.uniform(0, duration))
            process.kill()
            process.join()
        assert_loadable(place)
    finish(place)
    assert place.bytes() == finished.bytes()


def test_interrupted_from_the_keyboard(place):
    endless = ("--set", "train.train_epochs=100000", "train.patience=100000", "train.batch_size=1")
    with started(*place.arguments(*endless)) as (process, output):
        while process.is_alive() and not (place.results / "training_state.pth").exists():
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        process.join()
    assert process.exitcode == 130
    # Not always the last line: tqdm complains if a bar is interrupted while it is being created.
    assert "interrupted: --resume continues after the last completed epoch" in output()[1].splitlines()
    assert_loadable(place)


def test_files_that_a_kill_has_left_do_not_matter(finished, place):
    train(place, die_at=("before", "checkpoint.pth", 1))
    left = list(place.results.glob("*.tmp")) + list(place.results.glob(".*.tmp"))
    assert left
    for file in left:
        file.write_bytes(b"half a file")
    finish(place)
    assert place.bytes() == finished.bytes()


def test_a_finished_training_is_not_repeated(finished, copied):
    (copied.results / "a_test_energy.npy").unlink()
    before = json.loads((copied.results / "run.json").read_text())
    ended = finish(copied)
    assert "training had already finished after 3 epochs" in ended.stderr
    assert "epoch 1/3" not in ended.stderr
    assert copied.bytes() == finished.bytes()
    after = json.loads((copied.results / "run.json").read_text())
    assert [after[key] for key in ("epochs", "best_epoch")] == [before[key] for key in ("epochs", "best_epoch")]


def test_patience_that_has_run_out_stays_so(place):
    options = ("--set", "train.learning_rate=0.5", "train.patience=1", "train.train_epochs=50", "train.lradj=cosine")
    train(place, *options)
    epochs = json.loads((place.results / "run.json").read_text())["epochs"]
    assert len(epochs) < 50
    assert epochs[-1]["validation_loss"] >= epochs[-2]["validation_loss"]
    weights = place.bytes("checkpoint.pth")
    assert f"finished after {len(epochs)} epochs" in train(place, *options, "--resume").stderr
    assert place.bytes("checkpoint.pth") == weights


def test_nothing_to_resume_trains_from_the_start(finished, place):
    ended = finish(place)
    assert "nothing to resume" in ended.stderr
    assert place.bytes() == finished.bytes()


def test_a_changed_configuration_is_refused(place):
    train(place, die_at=AFTER_ONE_EPOCH)
    files = {path.name: path.read_bytes() for path in place.results.iterdir()}
    for change in ("train.learning_rate=0.5", "train.seed=1", "model.d_ff=8", "data.drop_channels=[0]"):
        key = change.split("=")[0]
        ended = place.run("--resume", "--set", change)
        assert ended.returncode == 2
        error = ended.stderr.splitlines()[-1]
        assert error.startswith(f"error: {place.results / 'training_state.pth'}: ")
        assert key in error
        assert "without --resume" in error
        assert {path.name: path.read_bytes() for path in place.results.iterdir()} == files
    finish(place, "--set", "evaluation.window=10")


def test_resuming_with_results_of_other_weights(finished, copied):
    """Scores are next to the weights that produced them, even if nothing else was left of an earlier run."""
    (copied.results / "training_state.pth").unlink()
    train(copied, "--resume", "--seed", "5")
    assert not (copied.results / "a_test_energy.npy").exists()
    assert not list(copied.results.glob("_*.csv"))


def test_a_test_in_the_middle_of_a_training_does_not_end_it(place):
    """A second run of the seeds continues what was interrupted, evaluated or not."""
    seeds = ("--seeds", "2025")
    place.run(*seeds, die_at=AFTER_ONE_EPOCH)
    assert place.run("--mode", "test", *seeds).returncode == 0
    ended = place.run(*seeds)
    assert ended.returncode == 0, ended.stderr
    assert "resumed after epoch 1" in ended.stderr
    assert "already evaluated" in place.run(*seeds).stderr
