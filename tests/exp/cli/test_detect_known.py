"""Scoring, with a saved detector, a series that it was fitted to."""

import json

import pandas as pd
import pytest

from tests.support.own_series import ROWS, SMALL, plant, run

KNOWN = "known to the detector from its training"


@pytest.mark.parametrize(
    ("detector", "rows", "known"),
    [
        (["--detector", "Nearest"], ROWS, ROWS),
        ([], ROWS, ROWS),  # the default, which is Nearest in part
        ([], ROWS // 2, ROWS // 2),
        (
            ["--detector", "NearestPCA", "--set", "train.epoch_windows=50"],
            ROWS // 2,
            ROWS // 2,
        ),  # remembers some windows
        (["--detector", "PCA"], ROWS // 2, ROWS // 2),
        (SMALL, ROWS, 0),
    ],
)
def test_points_of_the_training_are_noted(tmp_path, caplog, detector, rows, known):
    """They score lower than in the training, so a threshold for them cannot be chosen with --model."""
    plant().to_csv(tmp_path / "plant.csv", index=False)
    assert run(tmp_path / "plant.csv", "--out", tmp_path / "out", "--train-until", rows, *detector) == 0
    assert KNOWN not in caplog.text
    arguments = ["--out", tmp_path / "again", "--model", tmp_path / "out" / "detector", "--contamination", "0.02"]
    assert run(tmp_path / "plant.csv", *arguments) == 0
    notes = [note for note in json.loads((tmp_path / "again" / "run.json").read_text())["notes"] if KNOWN in note]
    assert len(notes) == (known > 0)
    said = [message for message in caplog.messages if KNOWN in message]
    assert said == [f"{tmp_path / 'plant.csv'}: {note}" for note in notes]
    for note in notes:
        assert note.startswith(f"{known} of {ROWS} points")
        before, after = (pd.read_csv(tmp_path / name / "scores.csv")["score"][:known] for name in ("out", "again"))
        assert after.mean() < before.mean()


def test_points_of_the_training_are_noted_wherever_they_stand(tmp_path, caplog):
    """Remembered windows score next to nothing."""
    table = plant()
    table.to_csv(tmp_path / "plant.csv", index=False)
    table[5:].to_csv(tmp_path / "later.csv", index=False)
    assert run(tmp_path / "plant.csv", "--out", tmp_path / "out", "--detector", "Nearest") == 0
    assert run(tmp_path / "later.csv", "--out", tmp_path / "again", "--model", tmp_path / "out" / "detector") == 0
    assert KNOWN in caplog.text
    assert pd.read_csv(tmp_path / "again" / "scores.csv")["score"].median() < 1e-5


def test_of_several_series_the_longest_counts(tmp_path, caplog):
    table = plant()
    for name, rows in (("short", ROWS // 2), ("long", ROWS - 10)):
        table[:rows].to_csv(tmp_path / f"{name}.csv", index=False)
    table.to_csv(tmp_path / "whole.csv", index=False)
    files = [tmp_path / "short.csv", tmp_path / "long.csv"]
    assert run(*files, "--out", tmp_path / "out", "--detector", "PCA") == 0
    assert run(tmp_path / "whole.csv", "--out", tmp_path / "new", "--model", tmp_path / "out" / "detector") == 0
    assert f"{ROWS - 10} of {ROWS} points are {KNOWN}" in caplog.text


def test_another_series_is_not_known(tmp_path, caplog):
    for seed in range(2):
        plant(seed=seed).to_csv(tmp_path / f"plant_{seed}.csv", index=False)
    assert run(tmp_path / "plant_0.csv", "--out", tmp_path / "out") == 0
    assert run(tmp_path / "plant_1.csv", "--out", tmp_path / "new", "--model", tmp_path / "out" / "detector") == 0
    assert KNOWN not in caplog.text
