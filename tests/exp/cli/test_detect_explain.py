"""What explains the events of a file."""

import json

import numpy as np
import pandas as pd
import pytest

from exp.detection.estimator import AnomalyDetector
from exp.errors import UserError
from tests.support import toy
from tests.support.detector_cases import waves
from tests.support.own_series import files_below, plant, run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with plant.csv, a detector that can explain, PCA, and one that cannot, MIXAD."""
    folder = tmp_path_factory.mktemp("trained")
    plant().to_csv(folder / "plant.csv", index=False)
    frame = plant()[["flow", "heat"]][:144]
    for name, changes in {"PCA": ["model.seq_len=24"], "MIXAD": ["train.train_epochs=1"]}.items():
        AnomalyDetector(name, overrides=changes, threshold="quantile", device="cpu").fit(frame).save(folder / name)
    return folder


def test_a_table_and_lines_of_json_and_the_page(trained, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(trained / "plant.csv", "--out", out, "--model", trained / "PCA", "--explain") == 0
    table, events = pd.read_csv(out / "explain.csv"), pd.read_csv(out / "events.csv")
    assert list(table.columns) == ["rank", "channel", "share", "time", "value", "expected", "difference"]
    assert set(table["rank"]) == set(events["rank"])
    values = plant().astype({"time": str}).set_index("time")
    for row in table.itertuples():
        assert row.value == values.loc[row.time, row.channel]
        assert row.difference == pytest.approx(row.value - row.expected)
    first = table.iloc[0]
    assert first["channel"] == "heat"
    assert "2024-01-09 08:00:00" <= first["time"] <= "2024-01-09 13:00:00"
    assert first["value"] > 7.5 > first["expected"]  # 4 above what is usual
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    for line in lines:
        own = table[table["rank"] == line["rank"]]
        assert [told["channel"] for told in line["explanation"]] == own["channel"].tolist()
        np.testing.assert_allclose([told["expected"] for told in line["explanation"]], own["expected"])
    text = f"({first['value']:.5g}, expected {first['expected']:.5g})"
    shown = capsys.readouterr().out
    assert text in shown
    rows = shown[shown.index(" rank ") :].splitlines()
    begin = rows[0].index(" channels") + 1
    for row, told in zip(rows[1:], events["channels"], strict=False):  # long texts begin below the column's name
        assert row[begin:].startswith(told.partition(" ")[0])
    assert text in (out / "report.html").read_text(encoding="utf-8")


def test_without_times_rows_are_named(trained, tmp_path):
    plant().drop(columns="time").to_csv(tmp_path / "plant.csv", index=False)
    assert run(tmp_path / "plant.csv", "--out", tmp_path / "out", "--model", trained / "PCA", "--explain") == 0
    line = json.loads((tmp_path / "out" / "events.jsonl").read_text().splitlines()[0])
    assert type(line["explanation"][0]["time"]) is int
    assert 200 <= line["explanation"][0]["time"] <= 205


def test_without_it_there_is_none_of_another_run(trained, tmp_path):
    out = tmp_path / "out"
    assert run(trained / "plant.csv", "--out", out, "--model", trained / "PCA", "--explain") == 0
    assert run(trained / "plant.csv", "--out", out, "--model", trained / "PCA") == 0
    assert not (out / "explain.csv").exists()
    assert "explanation" not in (out / "events.jsonl").read_text()


@pytest.mark.parametrize(
    "options", [["--detector", "MIXAD"], ["--model", "MIXAD"], ["--continue", "MIXAD"], ["--model", "PCA", "--stream"]]
)
def test_where_nothing_can_be_explained(trained, tmp_path, capsys, options):
    before = files_below(tmp_path)
    named = [trained / text if options[0] != "--detector" and text in ("MIXAD", "PCA") else text for text in options]
    files = [] if "--stream" in options else [trained / "plant.csv", "--out", tmp_path / "out"]
    assert run(*files, *named, "--explain") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --explain")
    assert "leave it out" in error
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("names", [["a.csv"], ["a.csv", "b.csv"]])
def test_an_event_of_the_training_part_is_not_what_was_expected(tmp_path, names):
    for seed, name in enumerate(names):
        frame = pd.DataFrame(waves(300, 2, seed=seed), columns=["flow", "heat"])
        if name == "a.csv":
            frame.loc[150:152, "heat"] = 40
        frame.to_csv(tmp_path / name, index=False)
    out, files = tmp_path / "out", [tmp_path / name for name in names]
    changes = ["--set", "model.seq_len=16"]
    assert run(*files, "--out", out, "--detector", "Nearest", *changes, "--explain") == 0
    first = pd.read_csv((out if len(names) == 1 else out / "a") / "explain.csv").iloc[0]
    assert (first["channel"], first["value"]) == ("heat", 40)
    assert first["time"] in (150, 151, 152)
    assert first["expected"] < 20  # as usual


def test_a_model_without_reconstruction(monkeypatch):
    toy.register(monkeypatch)
    frame = plant()[["flow", "heat"]]
    detector = AnomalyDetector("Toy", overrides=["train.train_epochs=1"], threshold="quantile").fit(frame)
    with pytest.raises(UserError, match="Toy does not score by a reconstruction"):
        detector.explain(frame, detector.find_events(frame))
