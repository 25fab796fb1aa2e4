"""run.py from data and configuration to results, through its command line."""

import json
import platform
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from exp.config import load_config
from exp.training import devices
from models.CrossAD import CrossAD, CrossADConfig
from tests.support.command_line import (
    REPOSITORY,
    SETTINGS,
    TEST_ROWS,
    TRAIN_ROWS,
    WINDOW,
    run_command,
    settings,
    values,
)

TABLES = {
    "_auc.csv": ["AUC_ROC", "AUC_PR"],
    "_r_auc.csv": ["R_AUC_ROC", "R_AUC_PR"],
    "_vus.csv": ["VUS_ROC", "VUS_PR"],
    "_best_f1.csv": ["thre_best", "ACC_best", "P_best", "R_best", "F1_best"],
}
COVERED = TEST_ROWS // WINDOW * WINDOW


def network_of(place):
    """Return the trained network of a place, built without the experiment."""
    model = {key: value for key, value in SETTINGS["model"].items() if key != "name"}
    network = CrossAD(CrossADConfig.from_dict(model))
    network.load_state_dict(torch.load(place.results / "checkpoint.pth", weights_only=True)["weights"])
    return network


def score_of(place):
    return np.load(place.results / "a_test_energy.npy")


def succeed(place, *more):
    """Run run.py in a place and return what it wrote to stdout."""
    ended = place.run(*more)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_same_command_again_gives_the_same_bytes(finished, place, tmp_path):
    """Also in another folder, and in a process that has imported everything itself."""
    ended = run_command(*place.arguments(), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert place.bytes() == finished.bytes()
    assert all(name in ended.stdout for columns in TABLES.values() for name in columns)
    assert str(place.results) in ended.stdout
    log = ended.stderr.splitlines()
    assert "device: cpu" in log[0]
    assert "2 channels, 160 training and 40 validation points, 130 to score" in log[1]
    epochs = [line.split(": ")[0].split(maxsplit=1)[1] for line in log if "/3:" in line]
    assert epochs == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert len(log) <= 10
    assert f"scored {COVERED} of {TEST_ROWS} test points" in log[-1]


def test_results_are_the_published_files(finished):
    names = {"checkpoint.pth", "training_state.pth", "a_gt.npy", "a_test_energy.npy", "run.json", "scores.png"}
    assert {path.name for path in finished.results.iterdir()} == names | set(TABLES)
    assert [path.name for path in finished.save_path.rglob("*") if path.is_dir()] == ["TOY", "results_0"]
    for name, columns in TABLES.items():
        table = pd.read_csv(finished.results / name)
        assert list(table.columns) == columns
        assert table.shape == (1, len(columns))
        assert np.isfinite(table.to_numpy()).all()
    assert (finished.results / "scores.png").read_bytes().startswith(b"\x89PNG\r\n")
    torch.load(finished.results / "checkpoint.pth", weights_only=True)
    torch.load(finished.results / "training_state.pth", weights_only=True)


def test_scores_and_labels(finished):
    score, label = score_of(finished), np.load(finished.results / "a_gt.npy")
    points, expected_label = values()
    assert (score.shape, score.dtype) == ((COVERED, 2), np.float32)
    np.testing.assert_array_equal(label, expected_label[TRAIN_ROWS : TRAIN_ROWS + COVERED])
    test = StandardScaler().fit(points[:TRAIN_ROWS]).transform(points[TRAIN_ROWS:]).astype(np.float32)
    windows = torch.from_numpy(test[:COVERED].reshape(-1, WINDOW, 2))
    np.testing.assert_allclose(score, network_of(finished).score(windows).reshape(-1, 2), rtol=1e-5, atol=1e-6)


def test_tables_measure_the_mean_over_channels(finished):
    score, label = score_of(finished).mean(axis=1), np.load(finished.results / "a_gt.npy")
    row = pd.read_csv(finished.results / "_auc.csv").iloc[0]
    np.testing.assert_allclose(row["AUC_ROC"], roc_auc_score(label, score), rtol=1e-9)
    np.testing.assert_allclose(row["AUC_PR"], average_precision_score(label, score), rtol=1e-9)
    best = pd.read_csv(finished.results / "_best_f1.csv", float_precision="round_trip").iloc[0]
    np.testing.assert_allclose(best["ACC_best"], ((score > best["thre_best"]) == label).mean())


def test_record(finished):
    record = json.loads((finished.results / "run.json").read_text())
    assert record["config"] == load_config(finished.config).to_dict()
    assert (record["dataset"], record["model"], record["seed"], record["status"]) == ("TOY", "CrossAD", 2025, "tested")
    assert record["device"].startswith("cpu")
    assert record["versions"] == {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    command = ["git", "cat-file", "-e", f"{record['git_commit'] or 'HEAD'}^{{commit}}"]
    known = subprocess.run(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert known is (record["git_commit"] is not None)
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2, 3]
    assert [epoch["learning_rate"] for epoch in record["epochs"]] == [1e-3, 1e-3, 5e-4]
    losses = [epoch["validation_loss"] for epoch in record["epochs"]]
    assert record["best_epoch"] == 1 + int(np.argmin(losses))
    assert record["train_seconds"] > 0
    assert record["score_seconds"] > 0


def test_train_then_test_equals_both_at_once(finished, place):
    assert succeed(place, "--mode", "train") == ""
    kept = {"checkpoint.pth", "training_state.pth", "run.json"}
    assert {path.name for path in place.results.iterdir()} == kept
    assert json.loads((place.results / "run.json").read_text())["status"] == "trained"
    weights = place.bytes("checkpoint.pth")
    succeed(place, "--mode", "test")
    assert place.bytes("checkpoint.pth") == weights
    assert place.bytes() == finished.bytes()
    assert len(json.loads((place.results / "run.json").read_text())["epochs"]) == 3


def test_training_anew_removes_what_belongs_to_the_old_weights(copied):
    succeed(copied, "--mode", "train", "--seed", "1", "--set", "train.train_epochs=1")
    kept = {"checkpoint.pth", "training_state.pth", "run.json"}
    assert {path.name for path in copied.results.iterdir()} == kept
    assert len(json.loads((copied.results / "run.json").read_text())["epochs"]) == 1


def test_seeds(finished, place):
    succeed(place, "--seed", "7", "--set", "train.train_epochs=2")
    seven = place.bytes()
    assert json.loads((place.results / "run.json").read_text())["seed"] == 7
    succeed(place, "--set", "train.seed=7", "train.train_epochs=2")
    assert place.bytes() == seven
    succeed(place, "--set", "train.train_epochs=2")
    assert place.bytes()["checkpoint.pth"] != seven["checkpoint.pth"]
    assert place.bytes()["a_test_energy.npy"] != seven["a_test_energy.npy"]


def test_the_record_of_a_training_outlives_other_settings_of_a_test(copied):
    record = json.loads((copied.results / "run.json").read_text())
    copied.configure(train__seed=7, train__learning_rate=0.5)
    succeed(copied, "--mode", "test", "--set", "evaluation.window=5")
    tested = json.loads((copied.results / "run.json").read_text())
    assert (tested["seed"], tested["config"]["train"]) == (record["seed"], record["config"]["train"])
    assert tested["config"]["evaluation"]["window"] == 5


def test_evaluating_other_settings_scores_anew(copied):
    succeed(copied, "--mode", "evaluate")
    covered = len(score_of(copied))
    succeed(copied, "--mode", "evaluate", "--cover_tail")
    assert len(score_of(copied)) > covered


def test_settings_on_the_command_line(place):
    changes = ["model.ms_kernels=[6, 3]", "train.lradj=1cycle", "train.learning_rate=2e-3", "evaluation.window=20"]
    succeed(place, "--set", *changes, "train.train_epochs=1", "--set", "model.d_ff=null", "data.drop_channels=[0]")
    record = json.loads((place.results / "run.json").read_text())["config"]
    assert record["model"]["ms_kernels"] == [6, 3]
    assert record["model"]["d_ff"] is None
    assert record["data"]["drop_channels"] == [0]
    assert record["train"] | {"lradj": "1cycle", "learning_rate": 2e-3, "train_epochs": 1} == record["train"]
    assert record["evaluation"]["window"] == 20
    assert score_of(place).shape == (COVERED, 1)


def test_metrics(copied):
    for name in TABLES:
        (copied.results / name).unlink()
    assert "VUS_ROC" in succeed(copied, "--mode", "test", "--metrics", "vus", "accomplish_UCR")
    assert {path.name for path in copied.results.glob("_*.csv")} == {"_vus.csv", "_accomplish_UCR.csv"}
    columns = ["topk", "total_len", "alpha_quantile", "3_alpha", "10_alpha"]
    assert list(pd.read_csv(copied.results / "_accomplish_UCR.csv").columns) == columns


def test_cover_tail_scores_every_point(finished, copied):
    succeed(copied, "--mode", "test", "--cover_tail")
    score, label = score_of(copied), np.load(copied.results / "a_gt.npy")
    points, expected_label = values()
    assert score.shape == (TEST_ROWS, 2)
    np.testing.assert_array_equal(label, expected_label[TRAIN_ROWS:])
    np.testing.assert_allclose(score[:COVERED], score_of(finished), rtol=1e-5, atol=1e-6)
    test = StandardScaler().fit(points[:TRAIN_ROWS]).transform(points[TRAIN_ROWS:]).astype(np.float32)
    last = network_of(copied).score(torch.from_numpy(test[-WINDOW:])[None])[0]
    np.testing.assert_allclose(score[COVERED:], last[COVERED - TEST_ROWS :], rtol=1e-5, atol=1e-6)


def test_a_wide_file_gives_the_same_bytes(finished, place):
    points, label = values()
    columns = {"date": np.arange(len(label)), "a": points[:, 0], "b": points[:, 1], "label": label}
    pd.DataFrame(columns).to_csv(place.csv, index=False)
    succeed(place)
    assert place.bytes() == finished.bytes()


@pytest.mark.parametrize(
    ("kind", "covered"), [("ucr", COVERED), ("tsb-ad", (TRAIN_ROWS + TEST_ROWS) // WINDOW * WINDOW)]
)
def test_files_of_one_series(place, kind, covered):
    points, label = values()
    begin, end = np.flatnonzero(label)[0], np.flatnonzero(label)[-1] + 1
    if kind == "ucr":
        name = f"001_UCR_Anomaly_TOY_{TRAIN_ROWS}_{begin}_{end}.txt"
        np.savetxt(place.root / name, points[:, 0])
    else:
        name = f"001_TOY_tr_{TRAIN_ROWS}_1st_{begin}.csv"
        pd.DataFrame({"Data": points[:, 0], "Label": label}).to_csv(place.root / name, index=False)
    standardise = "train" if kind == "ucr" else "each"
    place.configure(data__file=name, data__format=kind, data__standardise=standardise, train__train_epochs=1)
    succeed(place)
    assert score_of(place).shape == (covered, 1)
    expected = label[TRAIN_ROWS : TRAIN_ROWS + covered] if kind == "ucr" else label[:covered]
    np.testing.assert_array_equal(np.load(place.results / "a_gt.npy"), expected)


def test_weights_from_elsewhere(finished, place):
    torch.save(network_of(finished).official_state_dict(), place.path / "published.pth")
    for file in (finished.results / "checkpoint.pth", place.path / "published.pth"):
        succeed(place, "--mode", "test", "--checkpoint", file)
        assert place.bytes("a_test_energy.npy", *TABLES) == finished.bytes("a_test_energy.npy", *TABLES)
        assert json.loads((place.results / "run.json").read_text())["checkpoint"] == str(file)
        assert not (place.results / "checkpoint.pth").exists()


def test_evaluating(finished, copied):
    assert "Affiliation_F1" in succeed(copied, "--mode", "evaluate")
    assert copied.bytes("a_test_energy.npy", *TABLES) == finished.bytes("a_test_energy.npy", *TABLES)
    train = np.load(copied.results / "a_train_energy.npy")
    assert train.shape == (TRAIN_ROWS // WINDOW * WINDOW, 2)
    thresholds = pd.read_csv(copied.results / "_spot_thres_info.csv")
    assert list(thresholds.columns) == ["hyper-parameter", "threshold"]
    table = pd.read_csv(copied.results / "_affiliation.csv")
    names = ("thre", "ACC", "P", "R", "F1")
    assert list(table.columns) == [f"Affiliation_{name}" for name in names]
    np.testing.assert_allclose(table["Affiliation_thre"], thresholds["threshold"])
    risks = ("--t", "0.05", "0.02", "--metrics", "f1_raw", "pate")
    succeed(copied, "--mode", "evaluate", *risks)
    assert pd.read_csv(copied.results / "_spot_thres_info.csv")["hyper-parameter"].tolist() == [0.05, 0.02]
    assert len(pd.read_csv(copied.results / "_f1_raw.csv")) == 2
    assert len(pd.read_csv(copied.results / "_pate.csv")) == 1
    succeed(copied, "--mode", "test", "--metrics", "f1_pa", "--thresholds", "1.5")
    assert pd.read_csv(copied.results / "_f1_pa.csv")["thre_PA"].tolist() == [1.5]


def test_results_go_with_the_weights(finished, copied):
    succeed(copied, "--mode", "evaluate")
    torch.manual_seed(1)
    torch.save(CrossAD(network_of(finished).config).official_state_dict(), copied.path / "other.pth")
    own = np.load(copied.results / "a_train_energy.npy")
    succeed(copied, "--mode", "test", "--checkpoint", copied.path / "other.pth", "--metrics", "auc")
    assert not (copied.results / "a_train_energy.npy").exists()
    assert [path.name for path in copied.results.glob("_*.csv")] == ["_auc.csv"]
    succeed(copied, "--mode", "evaluate", "--checkpoint", copied.path / "other.pth")
    assert not np.array_equal(np.load(copied.results / "a_train_energy.npy"), own)
    assert not np.array_equal(score_of(copied), score_of(finished))


def test_a_folder_as_configuration_and_its_own_name(place):
    place.config.write_text(yaml.safe_dump(settings(data__name="OTHER", train__train_epochs=1)))
    place.csv.rename(place.csv.with_name("OTHER.csv"))
    place.meta.write_text(place.meta.read_text().replace("TOY", "OTHER"))
    succeed(place, "--config", place.path, "--mode", "train")
    assert (place.save_path / "OTHER" / "results_0" / "checkpoint.pth").exists()


def test_a_short_validation_part(place):
    """Twenty rows are too few for a window: the training part's last window validates."""
    succeed(place, "--set", "data.validation_share=0.1", "train.train_epochs=1", "--mode", "train")
    (epoch,) = json.loads((place.results / "run.json").read_text())["epochs"]
    train = StandardScaler().fit_transform(values()[0][:TRAIN_ROWS]).astype(np.float32)
    with torch.no_grad():
        loss = network_of(place).eval()(torch.from_numpy(train[-WINDOW:])[None]).loss
    assert epoch["validation_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.skipif(devices._lack_of_bf16(torch.device("cpu")) is not None, reason="this CPU has no bf16 instructions")
def test_bf16(finished, place):
    succeed(place, "--set", "train.precision=bf16")
    first = place.bytes()
    succeed(place, "--set", "train.precision=bf16")
    assert place.bytes() == first
    assert first["a_test_energy.npy"] != finished.bytes()["a_test_energy.npy"]
    difference = np.abs(score_of(place) - score_of(finished)).max()
    assert difference < 0.05 * score_of(finished).max()


@pytest.mark.slow
def test_compiled(place):
    without_dropout = ["model.attn_dropout=0", "model.proj_dropout=0", "model.ff_dropout=0", "train.train_epochs=2"]
    succeed(place, "--set", "train.compile=true", *without_dropout)
    compiled = score_of(place)
    succeed(place, "--set", *without_dropout)
    # The router's noise is drawn differently, and barely matters after so few steps.
    assert np.abs(compiled - score_of(place)).max() < 0.01 * compiled.max()


def test_scores_alone_for_a_test_part_without_events(place):
    points, _ = values()
    columns = {"a": points[:, 0], "b": points[:, 1], "label": 0}
    pd.DataFrame(columns).to_csv(place.csv, index=False)
    succeed(place, "--set", "evaluation.metrics=[]", "train.train_epochs=1")
    assert score_of(place).shape == (COVERED, 2)
    assert (place.results / "scores.png").exists()
    assert not list(place.results.glob("_*.csv"))


def test_help_tells_every_option(place):
    options = "config mode root_path save_path device seed metrics t set checkpoint cover_tail resume"
    shown = succeed(place, "--help")
    assert all(f"--{option}" in shown for option in options.split())
