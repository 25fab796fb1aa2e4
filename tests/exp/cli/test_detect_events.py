"""Thresholds of saved detectors, and the form of events."""

import json

import numpy as np
import pandas as pd
import pytest

from exp.detection.estimator import AnomalyDetector
from tests.support.own_series import TRAIN, plant, run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with plant.csv and the results of training and scoring, out; only to be read."""
    folder = tmp_path_factory.mktemp("trained")
    plant().to_csv(folder / "plant.csv", index=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("exp.cli.findings.write_report", lambda path, report: path.write_text(report.title))
        assert run(folder / "plant.csv", "--out", folder / "out", *TRAIN) == 0
    return folder


@pytest.fixture
def score(trained, tmp_path, monkeypatch):
    """Score plant.csv by the saved detector with some options, and return scores, events and the record."""
    monkeypatch.setattr("exp.cli.findings.write_report", lambda path, report: path.write_text(str(report.facts)))

    def score(*options):
        out = tmp_path / "out"
        assert run(trained / "plant.csv", "--out", out, "--model", trained / "out" / "detector", *options) == 0
        lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
        record = json.loads((out / "run.json").read_text())
        return pd.read_csv(out / "scores.csv"), pd.read_csv(out / "events.csv"), lines, record

    return score


@pytest.mark.parametrize(
    ("options", "rule", "text"),
    [
        (["--threshold", "2.5"], {"threshold": 2.5}, "given"),
        (["--risk", "0.01"], {"risk": 0.01}, "SPOT with risk 0.01"),
        (["--threshold", "spot"], {"threshold": "spot"}, "SPOT with risk 0.001"),
        (
            ["--threshold", "auto"],
            {},
            "7 times as far above the median as 90% of the training scores, but at most 1.5 times as far as the "
            "highest, and no lower than 98% of them",
        ),
        (["--quantile", "0.9"], {"threshold": "quantile", "quantile": 0.9}, "quantile 0.9 of the training scores"),
        (["--threshold", "quantile"], {"threshold": "quantile"}, "quantile 0.99 of the training scores"),
        (["--contamination", "0.1"], {"contamination": 0.1}, "contamination 0.1"),
    ],
)
def test_another_threshold_without_training(trained, score, tmp_path, capsys, options, rule, text):
    before = {file.name: file.read_bytes() for file in (trained / "out" / "detector").iterdir()}
    scores, _, _, record = score(*options)
    threshold = AnomalyDetector.load(trained / "out" / "detector").set_threshold(**rule).threshold_
    assert (record["threshold"], record["threshold_rule"]) == (threshold, text)
    np.testing.assert_array_equal(scores["flag"], scores["score"] > threshold)
    assert text in (tmp_path / "out" / "report.html").read_text()
    assert f"above {threshold:.6g} ({text})" in capsys.readouterr().out
    assert {file.name: file.read_bytes() for file in (trained / "out" / "detector").iterdir()} == before
    assert not (tmp_path / "out" / "detector").exists()


def test_events_that_are_merged_and_short_ones_that_are_left_out(score):
    scores, every, _, record = score("--merge-gap", "0", "--threshold", "2.5")
    assert (record["merge_gap"], record["min_length"]) == (0, 1)
    flags = scores["flag"].to_numpy()
    assert len(every) == (np.diff(flags, prepend=0) == 1).sum()
    rows = scores.index.to_series().set_axis(scores["time"])
    points = rows[every["end"]].to_numpy() - rows[every["start"]].to_numpy() + 1
    fewer, events, lines, record = score("--merge-gap", "0", "--threshold", "2.5", "--min-length", "2")
    np.testing.assert_array_equal(fewer["flag"], flags)  # flags are of points, whatever the events are
    assert 0 < len(events) == (points >= 2).sum() < len(every)
    assert record["events"] == len(events) == len(lines)
    _, one, _, _ = score("--merge-gap", "240", "--threshold", "2.5")
    assert len(one) == 1


def test_events_as_lines_of_json(score):
    scores, events, lines, record = score("--merge-gap", "3")
    assert len(lines) == len(events) > 0
    for line, event in zip(lines, events.itertuples(), strict=True):
        assert (line["rank"], line["begin"], line["end"], line["peak"]) == event[1:5]
        assert scores["time"][[line["begin_row"], line["end_row"], line["peak_row"]]].tolist() == list(event[2:5])
        assert line["points"] == line["end_row"] - line["begin_row"] + 1
        assert line["peak_score"] == pytest.approx(event.peak_score)
        assert line["threshold"] == record["threshold"]
        named = ", ".join(f"{name} {100 * share:.0f} %" for name, share in line["channels"].items())
        assert named == event.channels


def test_events_of_a_file_without_times_have_rows(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("exp.cli.findings.write_report", lambda path, report: path.write_text(report.title))
    plant().drop(columns="time").to_csv(tmp_path / "plant.csv", index=False)
    out = tmp_path / "out"
    assert run(tmp_path / "plant.csv", "--out", out, "--model", trained / "out" / "detector") == 0
    first = json.loads((out / "events.jsonl").read_text().splitlines()[0])
    assert first["begin"] == first["begin_row"]
    assert type(first["begin"]) is int


def test_no_event_is_an_empty_file(score, tmp_path):
    *_, lines, _ = score("--threshold", "1e9")
    assert lines == []
    assert (tmp_path / "out" / "events.jsonl").read_bytes() == b""
