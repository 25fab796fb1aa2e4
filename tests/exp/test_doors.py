"""Every model of the registry, and a toy of twenty lines, in every way a model can be used."""

import json
import pickle
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.base import clone

from data_provider import Series
from exp.benchmark import jobs, suites, work
from exp.benchmark.experiment import Experiment
from exp.benchmark.run_folder import RunFolder
from exp.cli.detect import main as detect
from exp.cli.report import main as report
from exp.config import ExperimentConfig
from exp.detector import AnomalyDetector
from exp.streaming import StreamingDetector
from exp.streaming.lines import stream_lines
from models import DETECTORS
from tests.support import toy

NAMES = [*sorted(DETECTORS), "Toy"]
FEW = ["train.batch_size=32", "train.epoch_windows=64"]
STEPS = ["train.train_epochs=1"]
SMALLER = {
    "AxonAD": ["model.d_model=8", "model.heads=2"],
    "CrossAD": ["model.d_model=8", "model.n_heads=2"],
    "DualSTF": ["model.d_model=8", "model.n_heads=2", "model.n_prototypes=3"],
    "MIXAD": ["model.rnn_units=6", "model.mem_num=3", "model.mem_dim=6"],
}


@pytest.fixture(params=NAMES)
def name(request, monkeypatch):
    toy.register(monkeypatch)
    return request.param


def changes(name):
    return [*FEW, *([] if DETECTORS[name].closed_form else STEPS), *SMALLER.get(name, [])]


def waves(rows, seed=0):
    """Return two noisy waves of shape (rows, 2)."""
    time = np.arange(rows)[:, None] / (4, 7)
    return np.sin(time) + 0.2 * np.random.default_rng(seed).standard_normal((rows, 2))


def disturbed(rows, seed=1):
    """Return the same with an event in rows 120 to 129."""
    series = waves(rows, seed)
    series[120:130] += 6
    return series


def unfitted(name):
    return AnomalyDetector(name, overrides=changes(name), device="cpu")


@cache
def trained(name):
    return unfitted(name).fit(waves(400))


@pytest.fixture
def fitted(name):
    """A fitted detector; read-only."""
    return trained(name)


def test_an_array_becomes_scores_by_settings_of_its_own(fitted):
    score = fitted.decision_function(disturbed(300))
    assert score.shape == (300,)
    assert 110 <= score.argmax() <= 130 + fitted.window
    assert fitted.predict(disturbed(300)).max() == 1
    assert fitted.channel_scores(waves(300)).shape == (300, len(fitted.score_names))


def test_saved_loaded_pickled_and_cloned_it_is_the_same(fitted, tmp_path):
    expected = fitted.decision_function(disturbed(300))
    fitted.save(tmp_path / "detector")
    for other in (
        AnomalyDetector.load(tmp_path / "detector", device="cpu"),
        pickle.loads(pickle.dumps(fitted)),
        clone(fitted).fit(waves(400)),
    ):
        np.testing.assert_array_equal(other.decision_function(disturbed(300)), expected)
        assert other.threshold_ == fitted.threshold_


@pytest.mark.parametrize("mode", ["window", "causal"])
def test_a_stream_in_pieces_and_with_a_restart(fitted, mode, tmp_path):
    series = disturbed(150)
    stream = StreamingDetector(fitted, mode=mode)
    parts = [stream.update(series[:1]), stream.update(series[1:61])]
    stream.save_state(tmp_path / "state")
    again = StreamingDetector(fitted, mode=mode)
    again.load_state(tmp_path / "state")
    parts += [again.update(series[61:140]), again.update(series[140:]), again.finish()]
    rows = np.concatenate([part.rows for part in parts])
    score = np.concatenate([part.score for part in parts])
    by_channel = np.concatenate([part.channel_scores for part in parts])
    assert by_channel.shape == (len(rows), len(fitted.score_names))
    if mode == "window":
        np.testing.assert_array_equal(rows, np.arange(150))
        np.testing.assert_array_equal(by_channel, fitted.channel_scores(series))
        np.testing.assert_array_equal(score, fitted.decision_function(series))
    else:
        np.testing.assert_array_equal(rows, np.arange(fitted.window - 1, 150))
        whole = StreamingDetector(fitted, mode=mode).update(series).score
        np.testing.assert_array_equal(score, whole)


def test_a_file_becomes_the_same_scores(fitted, tmp_path):
    detector = clone(fitted).fit(pd.DataFrame(waves(400), columns=["a", "b"]))
    detector.save(tmp_path / "detector")
    series = pd.DataFrame(disturbed(200), columns=["a", "b"])
    series.to_csv(tmp_path / "series.csv", index_label="time")
    options = ["--model", tmp_path / "detector", "--out", tmp_path / "out", "--device", "cpu"]
    assert detect(list(map(str, [tmp_path / "series.csv", *options]))) == 0
    written = pd.read_csv(tmp_path / "out" / "scores.csv")
    np.testing.assert_allclose(written["score"], detector.decision_function(series), rtol=1e-6)
    columns = [f"score {name}" for name in detector.score_names]
    np.testing.assert_allclose(written[columns], detector.channel_scores(series), rtol=1e-6)


@pytest.mark.parametrize("mode", ["window", "causal"])
def test_lines_of_text_become_lines_of_json(fitted, mode, tmp_path):
    clone(fitted).fit(pd.DataFrame(waves(400), columns=["a", "b"])).save(tmp_path / "detector")
    source, target = tmp_path / "lines.csv", tmp_path / "lines.jsonl"
    source.write_text(pd.DataFrame(disturbed(200), columns=["a", "b"]).to_csv(index_label="time"))
    with open(source) as lines, open(target, "w") as written:
        assert stream_lines(tmp_path / "detector", lines, written, mode=mode, device="cpu") == 0
    points = [json.loads(line) for line in target.read_text().splitlines()]
    assert [point["row"] for point in points] == list(range(200))
    scored = [point for point in points if point["score"] is not None]
    assert len(scored) >= 200 - fitted.window
    assert {tuple(point["channels"]) for point in scored} in ({("a", "b")}, {("all channels",)})


def test_a_stream_of_two_series_begins_again_behind_a_gap(fitted):
    series = np.stack([disturbed(150), disturbed(150, seed=2)])
    times = np.arange(150.0) + 1000 * (np.arange(150) >= 70)
    stream = StreamingDetector(fitted, series=2, gap=10.0)
    parts = [stream.update(series[:, :50], times[:50]), stream.update(series[:, 50:], times[50:]), stream.finish()]
    np.testing.assert_array_equal(np.concatenate([part.rows for part in parts]), np.arange(150))
    scores = np.concatenate([part.score for part in parts], axis=1)
    for score, one in zip(scores, series, strict=True):
        expected = [fitted.decision_function(one[:70]), fitted.decision_function(one[70:])]
        np.testing.assert_allclose(score, np.concatenate(expected), rtol=1e-4, atol=1e-5)


def test_a_file_becomes_events_and_a_page(name, tmp_path, capsys):
    pd.DataFrame(waves(400), columns=["cpu", "disk"]).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame(disturbed(200), columns=["cpu", "disk"]).to_csv(tmp_path / "new.csv", index=False)
    trained, found = tmp_path / "trained", tmp_path / "found"
    options = ["--detector", name, "--set", *changes(name), "--device", "cpu"]
    assert detect([str(tmp_path / "train.csv"), "--out", str(trained), *options]) == 0
    assert detect([str(tmp_path / "new.csv"), "--out", str(found), "--model", str(trained / "detector")]) == 0
    assert json.loads((found / "run.json").read_text())["config"]["model"]["name"] == name
    assert (found / "report.html").stat().st_size > 10_000
    event = pd.read_csv(found / "events.csv").iloc[0]
    assert event["start"] <= 130 + 16
    assert event["end"] >= 115
    assert re.search("events? above", capsys.readouterr().out)


def configuration(name):
    """Return the sections of an experiment."""
    mapping = {"data": {"name": "TOWN"}, "model": {"name": name}, "train": {}, "evaluation": {"metrics": ["auc"]}}
    rule = DETECTORS[name].suggest
    if rule is not None:
        for section, values in rule(400, 1, None).sections.items():
            mapping[section] |= values
    for change in changes(name):
        key, _, value = change.partition("=")
        section, key = key.split(".")
        mapping[section][key] = yaml.safe_load(value)
    return mapping


def labelled_file(folder):
    """Write a series of two parts in the UCR archive's format, and return its path."""
    values = np.concatenate([waves(400)[:, 0], disturbed(300)[:, 0]])
    path = folder / "001_UCR_Anomaly_toy_400_520_529.txt"
    path.write_text("\n".join(f"{value:.7e}" for value in values))
    return path


def test_an_experiment_measures_resumes_and_has_a_page(name, tmp_path):
    config = ExperimentConfig.from_dict(configuration(name))
    folder = RunFolder(tmp_path / "run")
    label = np.isin(np.arange(300), np.arange(120, 130)).astype(np.uint8)
    series = Series("TOWN", waves(400), disturbed(300), label, ("cpu", "disk"))
    experiment = Experiment(config, series, folder, torch.device("cpu"), bars=False)
    experiment.train()
    weights = folder.checkpoint.read_bytes()
    experiment.train(resume=True)
    assert folder.checkpoint.read_bytes() == weights
    experiment = Experiment(config, series, folder, torch.device("cpu"), bars=False)  # unaware of that training
    experiment.train(resume=True)
    experiment = Experiment(config, series, folder, torch.device("cpu"), bars=False)
    assert experiment.test(["auc"])["auc"]["AUC_ROC"][0] > 0.8
    assert experiment.evaluate(["f1_raw"])["f1_raw"].shape[0] == 3
    assert report([str(folder.path)]) == 0
    assert folder.report.is_file()


def test_a_sweep(name, tmp_path):
    if name == "MIXAD":
        pytest.skip("a suite has one channel, MIXAD needs two")
    file = labelled_file(tmp_path)
    (tmp_path / "series.csv").write_text(f"name,model_setting\n{file.name},\n")
    mapping = configuration(name) | {"series": "series.csv"}
    mapping["data"] = {"name": "TOWN", "format": "ucr"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(mapping))
    (job,) = jobs.make_jobs(tmp_path / "config.yaml", [], tmp_path, tmp_path / "results")
    outcome = work.run_job(job, suites.UCR, "all", "cpu", False)
    assert outcome.status == "done", outcome.reason
    assert outcome.figures["topk"] <= 60
