"""run.py with weights trained by the published code reproduces its scores and measures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.command_line import REPOSITORY, run

SHARED = REPOSITORY.parent / "shared"


def shared(name) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs ../shared/{name}")
    return path


def load(name) -> dict:
    with np.load(shared(name)) as arrays:
        return dict(arrays)


def score(tmp_path, name, *arguments):
    """Score with published weights, check the scores, and return the results folder."""
    weights = shared(f"golden/end_to_end/{name}_checkpoint.pth")
    golden = load(f"golden/end_to_end/{name}_scores.npz")
    places = ("--save_path", str(tmp_path / "results"), "--mode", "test", "--checkpoint", str(weights))
    ended = run(*places, *map(str, arguments))
    assert ended.returncode == 0, ended.stderr
    (results,) = (tmp_path / "results").glob("*/results_0")
    energy = np.load(results / "a_test_energy.npy")
    assert np.abs(energy - golden["energy"]).max() <= 1e-4 * np.abs(golden["energy"]).max()
    np.testing.assert_array_equal(np.load(results / "a_gt.npy"), golden["label"])
    return results


def test_ucr(tmp_path):
    file = shared("data/UCR/136_UCR_Anomaly_InternalBleeding17_1600_3198_3309.txt")
    where = ("--root_path", file.parent, "--set", f"data.file={file.name}")
    score(tmp_path, "UCR_136", "--config", REPOSITORY / "configs" / "quickstart", *where)


def test_msl(tmp_path):
    """Only the telemetry, as the commands are dropped."""
    series = load("data/MSL.npz")
    train, test = series["train"][:, 0], series["test"][:, 0]
    label = np.concatenate([np.zeros(len(train), int), series["test_label"]])
    table = pd.DataFrame({"telemetry": np.concatenate([train, test]), "label": label})
    (tmp_path / "data").mkdir()
    table.to_csv(tmp_path / "data" / "MSL.csv", index=False)
    where = ("--root_path", tmp_path, "--set", f"data.train_rows={len(train)}", "data.drop_channels=[]")
    results = score(tmp_path, "MSL", "--config", REPOSITORY / "configs" / "MSL", *where)
    expected = {
        "auc": [0.78325, 0.28921],
        "r_auc": [0.80909, 0.34699],
        "vus": [0.80916, 0.31406],
    }
    for name, figures in expected.items():
        np.testing.assert_allclose(pd.read_csv(results / f"_{name}.csv").iloc[0], figures, atol=1e-5)
