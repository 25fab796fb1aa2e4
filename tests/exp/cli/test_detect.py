import json
import logging
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from data_provider.read.recording import Recording
from exp.cli.detect import main, training_rows
from exp.detection.estimator import CrossADDetector
from exp.errors import UserError
from tests.support.command_line import REPOSITORY, run_program
from tests.support.own_series import ROWS, SIZES, SMALL, TRAIN, TRAIN_ROWS, files_below, plant, run
from ts_ad_evaluation import Evaluator

MEASURES = {"_auc.csv", "_r_auc.csv", "_vus.csv", "_best_f1.csv", "_f1_raw.csv"}
RESULTS = {"scores.csv", "events.csv", "events.jsonl", "epochs.csv", "run.json", "report.html"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with plant.csv and the results of training and scoring, out; only to be read or copied."""
    folder = tmp_path_factory.mktemp("trained")
    plant().to_csv(folder / "plant.csv", index=False)
    assert run(folder / "plant.csv", "--out", folder / "out", *TRAIN) == 0
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Skip drawing the report, which takes most of a run's time and has its own tests."""
    monkeypatch.setattr("exp.cli.findings.write_report", lambda path, report: path.write_text(report.title))


@pytest.fixture
def series(tmp_path):
    """Write the series with some columns replaced, and return its file."""

    def write(rows=ROWS, *, drop=(), **columns):
        path = tmp_path / "plant.csv"
        plant(rows).assign(**columns).drop(columns=list(drop)).to_csv(path, index=False)
        return path

    return write


@pytest.fixture
def refuse(capsys, tmp_path):
    """Check that the program ends with one line that contains all texts in `says`, and leaves every file as it was."""

    def check(*arguments, says):
        before = files_below(tmp_path)
        capsys.readouterr()
        code = run(*arguments)
        written = capsys.readouterr()
        errors = [line for line in written.err.splitlines() if not line[:2].isdigit()]  # log lines start with the time
        assert len(errors) == 1, written.err
        assert errors[0].startswith("error: ")
        for text in says:
            assert str(text) in errors[0]
        assert written.out == ""
        assert code == 2
        assert files_below(tmp_path) == before
        return errors[0]

    return check


# Results


def test_files(trained):
    assert {path.name for path in (trained / "out").iterdir()} == RESULTS | MEASURES | {"detector"}
    description, weights = sorted((trained / "out" / "detector").iterdir())
    assert description.name == "detector.json"
    assert weights.suffix == ".npz"


def test_scores(trained):
    scores, record = pd.read_csv(trained / "out" / "scores.csv"), json.loads((trained / "out" / "run.json").read_text())
    assert list(scores.columns) == ["time", "score", "score flow", "score heat", "flag"]
    assert pd.to_datetime(scores["time"]).tolist() == plant()["time"].tolist()
    assert np.isfinite(scores["score"]).all()
    by_channel = scores[["score flow", "score heat"]].to_numpy()
    detector = CrossADDetector.load(trained / "out" / "detector")
    np.testing.assert_allclose(scores["score"], detector.point_scores(by_channel), rtol=1e-4)
    np.testing.assert_array_equal(scores["flag"], scores["score"] > record["threshold"])
    assert 0 < scores["flag"].sum() < ROWS / 2


def test_events(trained):
    out = trained / "out"
    scores, events = pd.read_csv(out / "scores.csv", index_col="time"), pd.read_csv(out / "events.csv")
    record = json.loads((out / "run.json").read_text())
    assert list(events.columns) == ["rank", "start", "end", "peak_time", "peak_score", "above_threshold", "channels"]
    assert events["rank"].tolist() == list(range(1, len(events) + 1))
    assert events["peak_score"].is_monotonic_decreasing
    assert len(events) == record["events"]
    for event in events.itertuples():
        inside = scores.loc[event.start : event.end]
        assert inside["score"].idxmax() == event.peak_time
        assert inside["score"].max() == pytest.approx(event.peak_score)
        assert event.above_threshold == pytest.approx(event.peak_score - record["threshold"])
        assert inside["flag"].iloc[0] == inside["flag"].iloc[-1] == 1
    inside = sum(len(scores.loc[event.start : event.end]) for event in events.itertuples())
    assert inside == record["event_points"]
    assert (scores["flag"] == (scores["score"] > record["threshold"])).all()


def test_the_anomaly_is_the_first_event_and_its_channel_is_named(trained):
    first = pd.read_csv(trained / "out" / "events.csv").iloc[0]
    assert "2024-01-09 08:00:00" <= first["peak_time"] <= "2024-01-09 13:00:00"
    assert first["channels"].startswith("heat ")


def test_the_record(trained):
    record = json.loads((trained / "out" / "run.json").read_text())
    assert (record["series"], record["points"], record["channels"]) == ("plant", ROWS, ["flow", "heat"])
    assert record["trained_on"] == f"the first {TRAIN_ROWS} points"
    assert SIZES["model"].items() <= record["config"]["model"].items()
    assert SIZES["train"].items() <= record["config"]["train"].items()
    assert record["config"]["train"]["seed"] == record["parameters"]["seed"] == 2025
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1]
    assert record["reasons"]
    assert {"python", "torch", "numpy"} <= record["versions"].keys()
    assert {"device", "git_commit", "scored", "notes", "threshold"} <= record.keys()


def test_the_report(trained):
    text = (trained / "out" / "report.html").read_text(encoding="utf-8")
    assert "plant" in text
    assert "</html>" in text


def test_labels_add_measures_of_the_points_that_were_not_trained_on(trained):
    scores = pd.read_csv(trained / "out" / "scores.csv")["score"].to_numpy()[TRAIN_ROWS:]
    label = plant()["label"].to_numpy()[TRAIN_ROWS:]
    threshold = json.loads((trained / "out" / "run.json").read_text())["threshold"]
    metrics = ["auc", "r_auc", "vus", "best_f1", "f1_raw"]
    expected = Evaluator(label, scores, None).evaluate(metrics, verbose=False, f1_raw=[threshold])
    for name, table in expected.items():
        written = pd.read_csv(trained / "out" / f"_{name}.csv")
        np.testing.assert_allclose(written.to_numpy(float), table.to_numpy(float), rtol=1e-6)


def test_what_is_shown(trained, tmp_path, capsys, quick):
    assert run(trained / "plant.csv", "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    shown = capsys.readouterr().out
    for text in ("AUC_ROC", "VUS_PR", "F1_best", "peak_time", "1 event above", tmp_path / "out" / "report.html"):
        assert str(text) in shown
    first = pd.read_csv(tmp_path / "out" / "events.csv").iloc[0]
    assert f"{first['peak_time']} " in shown
    assert first["channels"] in shown


def test_a_saved_detector_gives_the_very_same_scores(trained, tmp_path, quick):
    before = files_below(trained)
    assert run(trained / "plant.csv", "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    for name in ("scores.csv", "events.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (trained / "out" / name).read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS | MEASURES
    assert files_below(trained) == before
    assert "the first" not in json.loads((tmp_path / "out" / "run.json").read_text())["trained_on"]


def test_a_saved_detector_may_be_in_the_folder_of_the_results(trained, tmp_path, quick):
    out = shutil.copytree(trained / "out", tmp_path / "out")
    assert run(trained / "plant.csv", "--out", out, "--model", out / "detector") == 0
    assert (out / "scores.csv").read_bytes() == (trained / "out" / "scores.csv").read_bytes()
    assert (out / "detector" / "detector.json").is_file()


def test_columns_in_another_order(trained, tmp_path, quick):
    plant()[["label", "heat", "flow", "time"]].to_csv(tmp_path / "other.csv", index=False)
    assert run(tmp_path / "other.csv", "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (trained / "out" / "scores.csv").read_bytes()


def test_rows_in_another_order(trained, tmp_path, quick):
    plant().sample(frac=1, random_state=0).to_csv(tmp_path / "other.csv", index=False)
    assert run(tmp_path / "other.csv", "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (trained / "out" / "scores.csv").read_bytes()
    (note,) = json.loads((tmp_path / "out" / "run.json").read_text())["notes"]
    assert "order" in note


def test_the_real_command_gives_the_same_bytes(trained, tmp_path):
    ended = run_program("-m", "exp.detect", trained / "plant.csv", "--out", tmp_path / "out", *TRAIN)
    assert ended.returncode == 0, ended.stderr
    assert all(line[:2].isdigit() for line in ended.stderr.splitlines()), ended.stderr
    for name in ("scores.csv", "events.csv", *MEASURES):
        assert (tmp_path / "out" / name).read_bytes() == (trained / "out" / name).read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS | MEASURES | {"detector"}


def test_parquet_gives_the_same_bytes(trained, tmp_path, quick):
    plant().set_index("time").to_parquet(tmp_path / "plant.parquet")
    assert run(tmp_path / "plant.parquet", "--out", tmp_path / "out", *TRAIN) == 0
    for name in ("scores.csv", "events.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (trained / "out" / name).read_bytes()


def test_no_labels_no_measures(trained, tmp_path, series, quick, capsys):
    out = shutil.copytree(trained / "out", tmp_path / "out")
    model = shutil.move(out / "detector", tmp_path / "model")
    for path in (series(drop=["label"]), series(label=0)):
        shutil.copytree(trained / "out", out, dirs_exist_ok=True)  # measures of an earlier run with labels
        assert run(path, "--out", out, "--model", model) == 0
        assert {path.name for path in out.iterdir()} - {"detector"} == RESULTS
        assert (out / "scores.csv").read_bytes() == (trained / "out" / "scores.csv").read_bytes()
        assert "AUC_ROC" not in capsys.readouterr().out


@pytest.mark.parametrize("times", ["none", "numbers"])
def test_times_that_are_no_dates(trained, tmp_path, series, quick, times):
    path = series(drop=["time"]) if times == "none" else series(time=np.arange(ROWS) * 0.5)
    assert run(path, "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    scores, events = pd.read_csv(tmp_path / "out" / "scores.csv"), pd.read_csv(tmp_path / "out" / "events.csv")
    step = 1 if times == "none" else 0.5
    assert scores["time"].tolist() == [step * row for row in range(ROWS)]
    assert 200 * step <= events["peak_time"][0] <= 205 * step
    pd.testing.assert_frame_equal(scores.drop(columns="time"), expected_scores(trained).drop(columns="time"))


def expected_scores(trained):
    return pd.read_csv(trained / "out" / "scores.csv")


SEVEN = 1718150400  # in June 2024


@pytest.mark.parametrize(
    "times",
    [
        7 + 10 * np.arange(ROWS),
        10**12 * np.arange(ROWS) + 7,
        0.1 * np.arange(ROWS),
        pd.Timestamp(SEVEN, unit="s") + pd.to_timedelta(100 * np.arange(ROWS), unit="us"),
        pd.Timestamp(SEVEN, unit="s") + pd.to_timedelta(np.arange(ROWS), unit="ns"),
        pd.Timestamp(SEVEN, unit="s", tz="Europe/Berlin") + pd.to_timedelta(np.arange(ROWS), unit="ns"),
        pd.Timestamp(SEVEN, unit="s", tz="UTC") + pd.to_timedelta(250 * np.arange(ROWS), unit="ms"),
    ],
)
def test_times_are_written_in_full_digits(trained, tmp_path, capsys, monkeypatch, times):
    path, reports = tmp_path / "plant.parquet", []
    monkeypatch.setattr("exp.cli.findings.write_report", lambda path, report: reports.append(report))
    plant().assign(time=times).to_parquet(path)
    detector = trained / "out" / "detector"
    assert run(path, "--out", tmp_path / "out", "--model", detector, "--time", "time") == 0
    scores, events = (pd.read_csv(tmp_path / "out" / f"{name}.csv", dtype=str) for name in ("scores", "events"))
    if isinstance(times, pd.DatetimeIndex):
        assert pd.to_datetime(scores["time"]).tolist() == times.tolist()  # all in one format
    else:
        assert scores["time"].tolist() == [repr(time) for time in times.tolist()]
    assert set(events[["start", "end", "peak_time"]].to_numpy().ravel()) <= set(scores["time"])
    shown = capsys.readouterr().out
    for time in events.iloc[0][["start", "end", "peak_time"]]:
        assert f" {time} " in shown
    (report,) = reports
    assert list(report.times) == list(times)


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        (SEVEN + 10 * np.arange(ROWS), "s"),
        (1000 * SEVEN + 10 * np.arange(ROWS), "ms"),
        (10**9 * SEVEN + np.arange(ROWS), "ns"),
    ],
)
def test_unix_times_are_written_as_dates(trained, tmp_path, quick, times, unit):
    path = tmp_path / "plant.parquet"
    plant().assign(time=times).to_parquet(path)
    assert run(path, "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    written = pd.to_datetime(pd.read_csv(tmp_path / "out" / "scores.csv")["time"])
    assert written.tolist() == pd.to_datetime(times, unit=unit, utc=True).tolist()


def test_time_zones_come_back(trained, tmp_path, quick):
    times = pd.date_range("2024-03-30", periods=ROWS, freq="h", tz="Europe/Berlin")  # summer time begins
    plant().assign(time=times).to_csv(tmp_path / "plant.csv", index=False)
    assert run(tmp_path / "plant.csv", "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert pd.to_datetime(scores["time"]).tolist() == times.tolist()


def test_times_of_events_are_written_as_those_of_scores(trained, tmp_path, series, quick):
    """Also if all times in a column are midnight."""
    expected = expected_scores(trained)["score"]
    peak = int(expected.idxmax())
    threshold = float(expected.nlargest(2).mean())
    times = pd.Timestamp("2024-01-10") + pd.to_timedelta(np.arange(ROWS) - peak, unit="h")
    assert run(series(time=times), "--out", tmp_path / "out", *TRAIN, "--threshold", threshold) == 0
    scores, (event,) = (
        pd.read_csv(tmp_path / "out" / "scores.csv"),
        pd.read_csv(tmp_path / "out" / "events.csv").itertuples(),
    )
    assert event.start == event.end == event.peak_time == scores["time"][peak]


def test_no_event(tmp_path, series, capsys):
    assert run(series(), "--out", tmp_path / "out", *TRAIN, "--threshold", "1e9") == 0
    events, scores = pd.read_csv(tmp_path / "out" / "events.csv"), pd.read_csv(tmp_path / "out" / "scores.csv")
    assert len(events) == 0
    assert list(events.columns)[:3] == ["rank", "start", "end"]
    assert not scores["flag"].any()
    assert "0 events" in capsys.readouterr().out
    assert "plant" in (tmp_path / "out" / "report.html").read_text()


def test_all_points_an_event(tmp_path, series, quick):
    assert run(series(), "--out", tmp_path / "out", *TRAIN, "--threshold", "-1") == 0
    (event,) = pd.read_csv(tmp_path / "out" / "events.csv").itertuples()
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert (event.start, event.end) == (scores["time"].iloc[0], scores["time"].iloc[-1])
    assert event.peak_score == pytest.approx(scores["score"].max())
    assert scores["flag"].all()


def test_the_options_of_the_training_reach_it(tmp_path, series, quick):
    options = [
        "--seed",
        "7",
        "--threshold",
        "quantile",
        "--quantile",
        "0.75",
        "--channels",
        "heat",
        "flow",
        "--device",
        "cpu",
    ]
    assert run(series(), "--out", tmp_path / "out", *SMALL, *options) == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["config"]["train"]["seed"] == 7
    assert record["trained_on"] == f"the first {ROWS} points"
    assert record["channels"] == ["heat", "flow"]
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert list(scores.columns) == ["time", "score", "score heat", "score flow", "flag"]
    assert scores["flag"].mean() == pytest.approx(0.25, abs=0.01)


def test_a_configuration_file(tmp_path, series, quick):
    (tmp_path / "own.yaml").write_text(
        json.dumps({**SIZES, "model": {"name": "CrossAD", "ms_kernels": [4, 2], **SIZES["model"]}})
    )
    assert run(series(), "--out", tmp_path / "out", "--config", tmp_path / "own.yaml") == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["config"]["model"]["ms_kernels"] == [4, 2]
    assert record["reasons"] == []


def test_a_configuration_of_benchmark_runs(tmp_path, series, quick, caplog):
    caplog.set_level("INFO")
    data = {"name": "MSL", "drop_channels": [1, 2], "scaling": "min-max", "validation_share": 0.3}
    contents = {**SIZES, "data": data, "evaluation": {"window": 9}, "train": {**SIZES["train"], "seed": 7}}
    (tmp_path / "own.yaml").write_text(json.dumps({**contents, "model": {"ms_kernels": [4, 2], **SIZES["model"]}}))
    for seed, options in ((7, []), (2025, ["--seed", "2025"])):
        assert run(series(), "--out", tmp_path / "out", "--config", tmp_path / "own.yaml", *options) == 0
        config = json.loads((tmp_path / "out" / "run.json").read_text())["config"]
        assert (config["data"]["scaling"], config["data"]["validation_share"]) == ("min-max", 0.3)
        assert config["train"]["seed"] == seed
    (said, _) = [line for line in caplog.messages if "no effect" in line]
    assert said.endswith(": data.name, data.drop_channels, evaluation.window")


def test_settings_of_the_data_that_count(tmp_path, series, quick):
    options = ["--train-until", str(TRAIN_ROWS), *SMALL, "data.scaling=min-max", "data.validation_share=0.3"]
    assert run(series(), "--out", tmp_path / "out", *options) == 0
    (file,) = (tmp_path / "out" / "detector").glob("*.npz")
    with np.load(file) as arrays:
        np.testing.assert_array_equal(arrays["offset"], plant()[["flow", "heat"]][:TRAIN_ROWS].min())


def test_missing_values_are_interpolated_and_noted(trained, tmp_path, series, quick):
    flow = plant()["flow"].mask(lambda column: column.index.isin([50, 51, 90]))
    options = ["--model", trained / "out" / "detector", "--missing", "interpolate"]
    assert run(series(flow=flow), "--out", tmp_path / "out", *options, "--max-gap", "2") == 0
    (note,) = json.loads((tmp_path / "out" / "run.json").read_text())["notes"]
    assert "flow" in note
    assert "3 missing" in note


# The training part


def recording(times=None, points=100):
    return Recording("X", np.arange(float(points))[:, None], ("a",), times)


HOURS = pd.date_range("2024-01-01", periods=100, freq="h")


@pytest.mark.parametrize(
    ("until", "rows"),
    [(None, 100), ("60", 60), ("2", 2), ("100", 100), ("0.6", 60), ("1.0", 100), ("0.305", 30), ("6e-1", 60)],
)
def test_training_rows_by_row_and_share(until, rows):
    assert training_rows(recording(), until) == rows
    assert training_rows(recording(HOURS), until) == rows


@pytest.mark.parametrize(
    ("until", "rows"),
    [
        ("2024-01-02", 24),
        ("2024-01-02 00:30", 25),
        ("2024-01-02T01:00:00", 25),
        ("2024-01-05T03:00", 99),
    ],
)
def test_training_rows_by_time(until, rows):
    assert training_rows(recording(HOURS), until) == rows
    repeated = HOURS.repeat(2)[:100]
    assert training_rows(recording(repeated), "2024-01-01 10:00") == 20  # before the first of the equal times


def test_training_rows_by_time_in_a_time_zone():
    berlin = HOURS.tz_localize("Europe/Berlin")
    for until in ("2024-01-02", "2024-01-02T00:00+01:00", "2024-01-01T23:00Z"):
        assert training_rows(recording(berlin), until) == 24
    march = pd.date_range("2024-03-30", periods=100, freq="h", tz="Europe/Berlin")
    assert training_rows(recording(march), "2024-03-31 02:30") == 26  # an hour that clocks skip
    october = pd.date_range("2024-10-26", periods=100, freq="h", tz="Europe/Berlin")
    assert training_rows(recording(october), "2024-10-27 02:00") == 26  # and one that they show twice


NO_ROWS = [
    "0",
    "1",
    "101",
    "0.0",
    "0.001",
    "0.01",
    "1.5",
    "-0.5",
    "-5",
    "nan",
    "inf",
    "2023-01-01",
    "2025-01-01",
    "99999-01-01",
]
NO_TIMES = ["yesterday", "", "NaT", "5 %", "2024-13-45", "01/02/2024", "2024-01-02T00:00Z", "now", "today"]


@pytest.mark.parametrize("until", NO_ROWS + NO_TIMES)
def test_training_parts_that_there_are_not(until):
    with pytest.raises(UserError) as caught:
        training_rows(recording(HOURS), until)
    text = str(caught.value)
    assert text.startswith(f"--train-until {until}: ")
    assert "\n" not in text


@pytest.mark.parametrize("times", [None, pd.Index(np.arange(100.0))])
def test_training_until_a_time_in_a_file_without_dates(times):
    with pytest.raises(UserError, match=r"--train-until 2024-01-02: the file has no dates: .*row.*share"):
        training_rows(recording(times), "2024-01-02")


@pytest.mark.parametrize("until", ["0.6", "2024-01-07"])
def test_only_the_training_part_trains(trained, tmp_path, series, quick, until):
    """What comes after it changes neither the detector nor its threshold, however the end is given."""
    behind = plant()["heat"].where(lambda column: column.index < TRAIN_ROWS, 7)
    assert run(series(heat=behind), "--out", tmp_path / "out", "--train-until", until, *SMALL) == 0
    for name in ("channels", "threshold", "train_score_quantiles", "weights"):
        first, second = (
            json.loads((folder / "out" / "detector" / "detector.json").read_text())[name]
            for folder in (trained, tmp_path)
        )
        assert first == second
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert (scores["score"] != expected_scores(trained)["score"]).any()


# Wrong input


def test_a_series_too_short(trained, tmp_path, series, refuse):
    out = tmp_path / "out"
    path = series(40)
    refuse(path, "--out", out, *SMALL, says=[path, "40 points", "two windows", "24"])
    refuse(path, "--out", out, "--train-until", "15", says=[path, "15 points", "two windows", "more points"])
    refuse(path, "--out", out, "--train-until", "0.05", says=[path, "2 points", "two windows", "more points"])
    path = series(20)
    refuse(path, "--out", out, "--model", trained / "out" / "detector", says=[path, "20 points", "window of 24"])
    path = series(1)
    refuse(path, "--out", out, says=[path, "constant"])


@pytest.mark.parametrize("until", ["0", "1", "0.001", "300", "2.5", "2023-01-01", "nan", "soon"])
def test_training_parts_that_are_refused(tmp_path, series, refuse, until):
    refuse(series(), "--out", tmp_path / "out", *SMALL, "--train-until", until, says=[f"--train-until {until}: "])


def test_a_constant_training_part(tmp_path, series, refuse):
    constant = {name: plant()[name].where(plant().index >= 100, 3) for name in ("flow", "heat")}
    path = series(**constant)
    refuse(path, "--out", tmp_path / "out", *SMALL, "--train-until", "90", says=[path, "constant", "choose"])


def test_unknown_columns(tmp_path, series, refuse):
    path = series()
    for option in ("--channels", "--time", "--label"):
        refuse(path, "--out", tmp_path / "out", option, "presure", says=[path, "'presure'", "'time', 'flow', 'heat'"])


def test_other_channels_than_in_training(trained, tmp_path, series, refuse):
    model = ["--out", tmp_path / "out", "--model", trained / "out" / "detector"]
    path = series(drop=["heat"])
    refuse(path, *model, says=[path, "lacks 'heat'", "train"])
    path = series(drop=["flow", "heat"], x=range(ROWS))
    refuse(path, *model, says=[path, "lacks 'flow', 'heat'"])
    path = series(extra=range(ROWS))
    refuse(path, *model, "--channels", "flow", "heat", "extra", says=["not trained on 'extra'", "leave the option out"])
    refuse(path, *model, "--channels", "flow", says=["also needs 'heat'", "leave the option out"])


@pytest.mark.parametrize("named", [[], ["--channels", "heat", "flow"]])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_more_columns_than_the_detector_needs_are_left_out_and_said(trained, tmp_path, quick, caplog, named, form):
    frame = plant().assign(extra=np.nan, comment="as is", more=range(ROWS))
    path = tmp_path / f"plant.{form}"
    frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
    assert run(path, "--out", tmp_path / "out", "--model", trained / "out" / "detector", *named) == 0
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (trained / "out" / "scores.csv").read_bytes()
    assert f"{path}: left out, as the detector was not trained on them: 'extra', 'comment', 'more'" in caplog.messages
    (note,) = json.loads((tmp_path / "out" / "run.json").read_text())["notes"]
    assert note.endswith("'extra', 'comment', 'more'")


@pytest.mark.parametrize(("cell", "says"), [("inf", "finite"), ("", "--missing interpolate"), ("high", "not a number")])
def test_cells_that_are_not_finite_numbers(trained, tmp_path, series, refuse, cell, says):
    heat = plant()["heat"].astype(object)
    heat[60] = cell
    path = series(heat=heat)
    for options in (SMALL, ["--model", trained / "out" / "detector"]):
        refuse(path, "--out", tmp_path / "out", *options, says=[path, "row 61", "'heat'", says])


@pytest.mark.parametrize(("row", "value"), [(220, 1e30), (220, -1e300), (220, 1e200), (60, 1e200), (60, 1e39)])
def test_values_that_cannot_be_computed_with(trained, tmp_path, series, refuse, monkeypatch, row, value):
    monkeypatch.setattr(CrossADDetector, "fit", None)  # nothing is trained
    time, heat = plant()["time"][row], plant()["heat"].where(plant().index != row, value)
    path = series(heat=heat)
    for options in (TRAIN, ["--model", trained / "out" / "detector"]):
        found = (
            f"row {row + 1} of column 'heat' holds" if abs(value) > 1e150 else f"'heat' holds {value:g} at time {time}"
        )
        refuse(path, "--out", tmp_path / "out", *options, says=[path, found, f"{value:g}"])
    path = series(heat=heat, drop=["time"])
    refuse(path, "--out", tmp_path / "out", *TRAIN, says=[path, "'heat'", f"holds {value:g}", f"row {row + 1}"])


@pytest.mark.parametrize("points", [16, 30, 50])
def test_too_few_points_for_spot_are_refused_before_the_training(tmp_path, series, refuse, monkeypatch, points):
    monkeypatch.setattr("exp.detection.estimator.Detector", None)
    says = ["SPOT needs at least 51", f"got {points}", "quantile", "--threshold quantile", "--threshold NUMBER"]
    path = series(points)
    refuse(path, "--out", tmp_path / "out", "--threshold", "spot", says=[path, *says])
    refuse(series(), "--out", tmp_path / "out", "--train-until", points, "--threshold", "spot", says=says)


@pytest.mark.parametrize(("points", "rule"), [(51, "spot"), (20, "quantile"), (20, "1.5"), (20, "auto")])
def test_few_points_that_suffice(tmp_path, series, quick, points, rule):
    options = ["--threshold", rule, "--set", "train.train_epochs=1", "model.d_model=8", "model.n_heads=2"]
    assert run(series(points), "--out", tmp_path / "out", *options) == 0


def test_files_that_cannot_be_read(tmp_path, refuse):
    path = tmp_path / "nowhere.csv"
    refuse(path, "--out", tmp_path / "out", says=[path, "no such file"])
    path.write_bytes(bytes(range(256)))
    refuse(path, "--out", tmp_path / "out", says=[path, "UTF-8"])
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1")
    refuse(path, "--out", tmp_path / "out", says=[path, "Parquet"])


# Saved detectors


@pytest.fixture
def model(trained, tmp_path):
    """A copy of the saved detector."""
    return shutil.copytree(trained / "out" / "detector", tmp_path / "model")


def test_a_file_of_the_saved_detector_is_missing(trained, tmp_path, model, refuse):
    arguments = [trained / "plant.csv", "--out", tmp_path / "out", "--model", model]
    description, weights = sorted(model.iterdir())
    weights.rename(tmp_path / "elsewhere")
    refuse(*arguments, says=[weights, "no such file"])
    description.unlink()
    refuse(*arguments, says=[description, "no such file"])
    model.rmdir()
    refuse(*arguments, says=[description, "no such file"])
    refuse(*arguments[:-1], trained / "plant.csv", says=[trained / "plant.csv", "no such file"])


@pytest.mark.parametrize("option", ["--model", "--continue"])
def test_the_results_of_a_run_in_place_of_its_detector(trained, tmp_path, refuse, option):
    says = ["no such file: name a folder with a saved detector: ", trained / "out" / "detector"]
    refuse(trained / "plant.csv", "--out", tmp_path / "out", option, trained / "out", says=says)


def test_a_byte_of_the_weights_is_flipped(trained, tmp_path, model, refuse):
    (weights,) = model.glob("*.npz")
    stored = weights.read_bytes()
    for place in np.linspace(0, len(stored) - 1, 25).astype(int):
        weights.write_bytes(flipped(stored, place))
        refuse(trained / "plant.csv", "--out", tmp_path / "out", "--model", model, says=[weights, "altered"])
    for kept in (0, 1, len(stored) // 2, len(stored) - 1):
        weights.write_bytes(stored[:kept])
        refuse(trained / "plant.csv", "--out", tmp_path / "out", "--model", model, says=[weights, "altered"])


def flipped(stored, place):
    return stored[:place] + bytes([stored[place] ^ 1]) + stored[place + 1 :]


def test_a_byte_of_the_description_is_flipped(trained, tmp_path, model, refuse):
    description = model / "detector.json"
    stored = description.read_bytes()
    for place in np.linspace(0, len(stored) - 2, 60).astype(int):
        description.write_bytes(flipped(stored, place))
        if is_the_same(description.read_bytes(), stored):
            continue  # the last of a number's many digits
        refuse(trained / "plant.csv", "--out", tmp_path / "out", "--model", model, says=[description, "save"])
    for kept in (0, 1, len(stored) // 2, len(stored) - 3):
        description.write_bytes(stored[:kept])
        refuse(trained / "plant.csv", "--out", tmp_path / "out", "--model", model, says=[description, "save"])


def is_the_same(first, second):
    try:
        return json.loads(first) == json.loads(second)
    except ValueError:
        return False


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '{"checksum": 1}', "\xff"])
def test_a_description_that_is_none(trained, tmp_path, model, refuse, text):
    (model / "detector.json").write_bytes(text.encode("latin-1"))
    refuse(trained / "plant.csv", "--out", tmp_path / "out", "--model", model, says=[model / "detector.json", "save"])


def test_an_altered_threshold_is_found(trained, tmp_path, model, refuse):
    content = json.loads((model / "detector.json").read_text())
    (model / "detector.json").write_text(json.dumps({**content, "threshold": content["threshold"] * 2}))
    refuse(
        trained / "plant.csv", "--out", tmp_path / "out", "--model", model, says=[model / "detector.json", "altered"]
    )


# Options


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--threshold", "high"], ["threshold", "'high'", "'spot', 'quantile' or a number"]),
        (["--threshold", "nan"], ["threshold", "nan", "finite"]),
        (["--threshold", "inf"], ["threshold", "inf", "finite"]),
        (["--risk", "2"], ["risk", "2"]),
        (["--threshold", "quantile", "--quantile", "1.5"], ["quantile", "1.5"]),
        (["--threshold", "spot", "--quantile", "0.9"], ["--quantile", "--threshold quantile"]),
        (["--threshold", "3", "--quantile", "0.9"], ["--quantile", "--threshold quantile"]),
        (["--threshold", "quantile", "--risk", "0.1"], ["--risk", "--threshold spot"]),
        (["--max-gap", "3"], ["--max-gap", "--missing interpolate"]),
        (["--missing", "interpolate", "--max-gap", "0"], ["--max-gap 0"]),
        (["--missing", "interpolate", "--max-gap", "-2"], ["--max-gap -2"]),
        (["--state", "x"], ["--state", "--stream"]),
        (["--drift-window", "9"], ["--drift-window", "--stream"]),
        (["--stream-mode", "causal"], ["--stream-mode", "--stream"]),
        (["--gap", "10"], ["--gap", "--stream"]),
        (["--state-every", "9"], ["--state-every", "--stream"]),
        (["--alarms"], ["--alarms", "--stream"]),
        (["--stream"], ["--stream", "--model DIR"]),
        (["--stream", "--model", "x"], ["--stream", "leave out the file and --out"]),
        (["--model", "nowhere"], ["nowhere", "no such file"]),
        (["--model", "x", "--train-until", "0.5"], ["--train-until", "--model"]),
        (["--model", "x", "--config", "auto"], ["--config", "--model"]),
        (["--model", "x", "--set", "model.seq_len=8"], ["--set", "--model"]),
        (["--model", "x", "--threshold", "high"], ["threshold", "'high'"]),
        (["--model", "x", "--threshold", "3", "--risk", "0.1"], ["--risk", "--threshold spot"]),
        (["--model", "x", "--threshold", "spot", "--quantile", "0.1"], ["--quantile", "--threshold quantile"]),
        (["--model", "x", "--risk", "0.1", "--quantile", "0.1"], ["--risk and --quantile exclude each other"]),
        (["--model", "x", "--risk", "0"], ["risk is 0.0", "(0, 1)"]),
        (["--risk", "0.1", "--quantile", "0.1"], ["--risk and --quantile exclude each other"]),
        (["--contamination", "0.1", "--risk", "0.1"], ["--contamination and --risk exclude each other"]),
        (["--contamination", "0.1", "--quantile", "0.9"], ["--contamination and --quantile exclude each other"]),
        (["--contamination", "0.1", "--threshold", "spot"], ["--contamination and --threshold exclude each other"]),
        (["--model", "x", "--contamination", "0.1", "--threshold", "1"], ["--contamination and --threshold exclude"]),
        (["--contamination", "0"], ["contamination is 0.0", "(0, 0.5]"]),
        (["--contamination", "0.51"], ["contamination is 0.51", "(0, 0.5]"]),
        (["--contamination", "nan"], ["contamination is nan", "(0, 0.5]"]),
        (["--model", "x", "--contamination", "-0.1"], ["contamination is -0.1", "(0, 0.5]"]),
        (["--merge-gap", "-1"], ["--merge-gap -1", "at least 0"]),
        (["--min-length", "0"], ["--min-length 0", "at least 1"]),
        (["--min-length", "-3"], ["--min-length -3", "at least 1"]),
        (["--model", "x", "--seed", "1"], ["--seed", "--model"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml", "no such file"]),
        (["--set", "model.seq_len"], ["--set model.seq_len", "section.key=value"]),
        (["--set", "model.seqlen=8"], ["model.seqlen=8", "seq_len"]),
        (["--set", "model.patch_len=999"], ["patch_len 999"]),
        (["--set", "data.name=x"], ["--set data.name=x", "no effect", "leave it out"]),
        (["--set", "data.format=ucr"], ["--set data.format=ucr", "no effect", "leave it out"]),
        (["--set", "data.file=a.txt"], ["--set data.file=a.txt", "no effect", "leave it out"]),
        (["--set", "data.standardise=each"], ["--set data.standardise=each", "no effect", "leave it out"]),
        (["--set", "data.train_rows=100"], ["--set data.train_rows=100", "no effect", "--train-until"]),
        (["--set", "data.drop_channels=[0]"], ["--set data.drop_channels=[0]", "no effect", "--channels"]),
        (["--set", "evaluation.window=9"], ["--set evaluation.window=9", "no effect", "leave it out"]),
        (["--set", "data.scaling=log"], ["data.scaling"]),
        (["--set", "data.validation_share=2"], ["data.validation_share"]),
        (["--set", "train.seed=1", "--seed", "2"], ["--seed", "--set train.seed"]),
        (["--set", "train.seed=1", "train.seed=2"], ["--set train.seed", "twice"]),
        (["--seed", "-1"], ["seed"]),
        (["--device", "gpu"], ["--device gpu"]),
        (["--device", ""], ["--device"]),
        (["--device", "cuda:99"], ["--device cuda:99"]),
        (["--channels", "flow", "flow"], ["flow flow", "unique"]),
        (["--channels", "flow", "label"], ["flow label", "neither times nor labels"]),
    ],
)
def test_options(tmp_path, series, refuse, options, says):
    refuse(series(), "--out", tmp_path / "out", *options, says=says)


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps"])
@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="needs a machine without")
def test_a_device_that_is_not_there(trained, tmp_path, series, refuse, name):
    path, model = series(), trained / "out" / "detector"
    for options in ([], ["--model", model]):
        refuse(path, "--out", tmp_path / "out", "--device", name, *options, says=[f"--device {name}", "cpu"])
    refuse("--stream", "--model", model, "--device", name, says=[f"--device {name}", "cpu"])


@pytest.mark.parametrize(
    "options",
    [["--channels", "a"], ["--label", "l"], ["--missing", "error"], ["--max-gap", "3"]],
)
def test_options_of_a_file_beside_a_stream(trained, refuse, options):
    refuse("--stream", "--model", trained / "out" / "detector", *options, says=[options[0], "are for files"])


@pytest.mark.parametrize("options", [["--merge-gap", "3"], ["--min-length", "3"]])
def test_events_of_a_stream_need_alarms(trained, refuse, options):
    refuse("--stream", "--model", trained / "out" / "detector", *options, says=[options[0], "add --alarms"])


def test_a_folder_and_a_name_in_other_letters(tmp_path, series, refuse):
    out = ["--out", tmp_path / "out"]
    refuse(tmp_path, *out, says=[f"{tmp_path}: is a folder", f"'{tmp_path}/*.csv'"])
    refuse(series(), *out, "--detector", "nearestpca", says=["--detector nearestpca", "did you mean 'NearestPCA'?"])


def test_settings_are_those_of_a_model_that_is_said(tmp_path, series, caplog):
    caplog.set_level(logging.INFO)
    options = ["--set", "train.train_epochs=1", "train.epoch_windows=32", "model.d_model=8", "--device", "cpu"]
    assert main([str(series()), "--out", str(tmp_path / "out"), *options]) == 0
    assert (
        "the detector is CrossAD, as --set and --config apply to a single model: choose another with --detector"
        in caplog.messages
    )


def test_what_is_needed(tmp_path, series, refuse):
    says = ["SERIES.csv --out DIR"]
    refuse(says=says)
    refuse(series(), says=says)
    refuse("--out", tmp_path / "out", says=says)
    refuse("--stream", says=["--stream", "--model DIR"])


@pytest.mark.parametrize(
    "options", [["--missing", "drop"], ["--seed", "x"], ["--modle", "x"], ["--mode", "causal"], ["--max-gap", "1.5"]]
)
def test_options_that_the_parser_refuses(tmp_path, series, capsys, options):
    with pytest.raises(SystemExit) as ended:
        run(series(), "--out", tmp_path / "out", *options)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("python -m exp.detect: error: ")
    assert not (tmp_path / "out").exists()


def test_folders_that_cannot_be_written(tmp_path, series, refuse):
    (tmp_path / "file").write_text("")
    refuse(series(), "--out", tmp_path / "file", says=[tmp_path / "file", "cannot write", "--out"])
    refuse(series(), "--out", tmp_path / "file" / "a" / "b", says=["file", "cannot write", "--out"])


def test_earlier_results_stay_when_input_is_refused(trained, tmp_path, series, refuse):
    out = shutil.copytree(trained / "out", tmp_path / "out")
    refuse(series(20), "--out", out, "--train-until", "10", says=["10 points"])
    refuse(series(), "--out", out, "--threshold", "high", says=["'high'"])
    refuse(series(heat=plant()["heat"].where(plant().index != 220, 1e30)), "--out", out, *TRAIN, says=["too far"])


def test_folders_that_were_made_go_again_when_nothing_comes_into_them(tmp_path, series, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(CrossADDetector, "fit", interrupt)
    (tmp_path / "there").mkdir()
    assert run(series(), "--out", tmp_path / "there" / "a" / "b") == 130
    assert list((tmp_path / "there").iterdir()) == []


def test_through_the_real_command(tmp_path, series):
    path = series(heat=plant()["heat"].where(plant().index != 60))
    ended = run_program("-m", "exp.detect", path, "--out", tmp_path / "out")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"error: {path}: row 61 of column 'heat' is missing (1 in this column): fill them, or use "
        "--missing interpolate\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_detector_without_names_of_channels(trained, tmp_path, series, refuse):
    detector = CrossADDetector.load(trained / "out" / "detector")
    del detector.feature_names_in_
    detector.save(tmp_path / "detector")
    refuse(series(), "--out", tmp_path / "out", "--model", tmp_path / "detector", says=["--model", "DataFrame"])


def test_files_are_utf_8_whatever_the_terminal_is(trained, tmp_path):
    table = plant().rename(columns={"flow": "Durchfluß m³", "heat": "温度 °C"})
    path = tmp_path / "plant.csv"
    table.to_csv(path, index=False)
    plain = {"PYTHONIOENCODING": "ascii:replace", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "exp.detect", path, "--out", tmp_path / "out", *TRAIN]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False, env={**os.environ, **plain})
    assert ended.returncode == 0, ended.stderr
    assert b"Error" not in ended.stderr
    expected = (trained / "out" / "scores.csv").read_text(encoding="utf-8")
    scores = (tmp_path / "out" / "scores.csv").read_text(encoding="utf-8")
    assert scores == expected.replace("score flow", "score Durchfluß m³").replace("score heat", "score 温度 °C")
    assert "温度 °C" in (tmp_path / "out" / "events.csv").read_text(encoding="utf-8")
    assert "温度 °C" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))


def test_what_is_shown_is_ascii_where_the_names_are(trained, tmp_path, capsys, quick):
    assert run(trained / "plant.csv", "--out", tmp_path / "out", "--model", trained / "out" / "detector") == 0
    assert capsys.readouterr().out.isascii()


@pytest.mark.parametrize("share", ["-1", "1e9"])
def test_constant_scores(trained, tmp_path, series, monkeypatch, share):
    def constant(self, frame):
        return np.ones((len(frame), 2), np.float32)

    monkeypatch.setattr(CrossADDetector, "channel_scores", constant)
    assert run(series(), "--out", tmp_path / "out", *TRAIN, "--threshold", share) == 0
    assert len(pd.read_csv(tmp_path / "out" / "events.csv")) == (share == "-1")
