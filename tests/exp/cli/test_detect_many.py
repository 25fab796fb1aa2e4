"""Several files as one training set, and many scored in one call."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from exp.detection.estimator import AnomalyDetector
from tests.support.own_series import SIZES, SMALL, files_below, plant, run

RESULTS = {"scores.csv", "events.csv", "events.jsonl", "epochs.csv", "run.json", "report.html"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("exp.cli.findings.write_report", lambda path, report: path.write_text(report.title))


def write(folder, *, drop=(), **rows):
    """Write a file for each name, with the given number of rows, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, count) in enumerate(rows.items()):
        plant(max(count, 210), seed)[:count].drop(columns=["label", *drop]).to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the files data/a.csv to data/c.csv and the results of training on all of them, out."""
    folder = tmp_path_factory.mktemp("trained")
    write(folder / "data", a=240, b=120, c=200)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("exp.cli.findings.write_report", lambda path, report: path.write_text(report.title))
        assert run("--series", folder / "data" / "*.csv", "--out", folder / "out", *SMALL) == 0
    return folder


def error_of(capsys, *arguments):
    """Return the one line that the program ends with, behind its log."""
    capsys.readouterr()
    assert run(*arguments) == 2
    *log, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert not [line for line in log if "error: " in line]
    return error


def test_a_folder_for_each_file_and_a_summary(trained):
    out = trained / "out"
    assert {path.name for path in out.iterdir()} == {"a", "b", "c", "detector", "summary.csv"}
    summary = pd.read_csv(out / "summary.csv")
    assert [*summary] == [
        *("file", "folder", "points", "flagged_share", "events", "begin", "end", "peak_score", "error"),
    ]
    assert summary["points"].tolist() == [240, 120, 200]
    assert summary["error"].isna().all()
    for row in summary.itertuples():
        assert {path.name for path in (out / row.folder).iterdir()} == RESULTS
        scores, events = (pd.read_csv(out / row.folder / f"{name}.csv") for name in ("scores", "events"))
        assert (len(scores), len(events)) == (row.points, row.events)
        times = pd.Index(scores["time"])
        lengths = times.get_indexer(events["end"]) - times.get_indexer(events["start"]) + 1
        assert row.flagged_share == pytest.approx(lengths.sum() / row.points)
        if row.events:
            first = events.iloc[0]
            assert (row.begin, row.end, row.peak_score) == (first["start"], first["end"], first["peak_score"])
    assert summary["events"][0] > 0
    record = json.loads((out / "b" / "run.json").read_text())
    assert record["trained_on"] == "the first 120 points, and 2 other files"


def test_they_are_one_training_set(trained):
    frames = [pd.read_csv(trained / "data" / f"{name}.csv")[["flow", "heat"]] for name in "abc"]
    config = {section: dict(keys) for section, keys in SIZES.items()}
    overrides = [f"{section}.{key}={value}" for section, keys in config.items() for key, value in keys.items()]
    expected = AnomalyDetector(overrides=overrides, device="cpu").fit(frames)
    loaded = AnomalyDetector.load(trained / "out" / "detector", device="cpu")
    np.testing.assert_array_equal(loaded.decision_scores_, expected.decision_scores_)
    assert loaded.threshold_ == expected.threshold_


@pytest.mark.parametrize("form", ["positional", "repeated", "mixed"])
def test_ways_to_give_them(trained, tmp_path, form):
    a, b, c = (trained / "data" / f"{name}.csv" for name in "abc")
    given = {
        "positional": [a, b, c],
        "repeated": ["--series", a, "--series", b, c],
        "mixed": [a, "--series", trained / "data" / "[bc].csv"],
    }[form]
    assert run(*given, "--out", tmp_path / "out", *SMALL) == 0
    for name in "abc":
        expected = (trained / "out" / name / "scores.csv").read_bytes()
        assert (tmp_path / "out" / name / "scores.csv").read_bytes() == expected


def test_a_saved_detector_scores_many(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(AnomalyDetector, "fit", None)
    options = ["--model", trained / "out" / "detector", "--min-length", "2", "--risk", "0.01"]
    assert run("--series", trained / "data" / "?.csv", "--out", tmp_path / "out", *options) == 0
    assert not (tmp_path / "out" / "detector").exists()
    assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) == 3
    assert json.loads((tmp_path / "out" / "c" / "run.json").read_text())["threshold_rule"] == "SPOT with risk 0.01"


def test_channels_in_another_order(trained, tmp_path):
    folder = shutil.copytree(trained / "data", tmp_path / "data")
    pd.read_csv(folder / "b.csv")[["heat", "time", "flow"]].to_csv(folder / "b.csv", index=False)
    assert run("--series", folder / "*.csv", "--out", tmp_path / "out", *SMALL) == 0
    for name in "abc":
        expected = (trained / "out" / name / "scores.csv").read_bytes()
        assert (tmp_path / "out" / name / "scores.csv").read_bytes() == expected


def test_a_pattern_that_fits_one_file(trained, tmp_path):
    options = ["--out", tmp_path / "out", "--model", trained / "out" / "detector"]
    assert run("--series", trained / "data" / "a*.csv", *options) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "summary.csv"}


def test_files_of_one_name(trained, tmp_path):
    write(tmp_path / "x", a=210, detector=210)
    write(tmp_path / "y", a=220)
    model = ["--model", trained / "out" / "detector"]
    assert run("--series", tmp_path / "**" / "*.csv", "--out", tmp_path / "out", *model) == 0
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary["folder"].tolist() == ["x__a.csv", "detector.csv", "y__a.csv"]
    assert summary["points"].tolist() == [210, 210, 220]


def test_a_file_that_cannot_be_scored_does_not_keep_the_others(trained, tmp_path, capsys):
    data = shutil.copytree(trained / "data", tmp_path / "data")
    (data / "bad.csv").write_text("time,flow,heat\n2024-01-01,1,x\n")
    write(data, drop=["heat"], lacks=210)
    write(data, short=10)
    far = pd.read_csv(data / "a.csv")
    far.loc[7, "flow"] = 1e30
    far.to_csv(data / "far.csv", index=False)
    options = ["--out", tmp_path / "out", "--model", trained / "out" / "detector"]
    error = error_of(capsys, "--series", data / "*.csv", data / "nowhere.csv", *options)
    names = [data / f"{name}.csv" for name in ("bad", "far", "lacks", "short", "nowhere")]
    assert f"5 of 8 files could not be scored, {', '.join(map(str, names))}: " in error
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("file")
    assert summary["points"].dropna().tolist() == [240, 120, 200]
    for name, reason in zip(names, ["heat", "too far", "lacks 'heat'", "10 points", "no such file"], strict=True):
        assert str(name) in summary.loc[str(name), "error"]
        assert reason in summary.loc[str(name), "error"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "b", "c", "summary.csv"}
    for name in "abc":
        expected = pd.read_csv(trained / "out" / name / "scores.csv")
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / name / "scores.csv"), expected)


def test_results_are_there_as_soon_as_a_file_is_done(trained, tmp_path, monkeypatch):
    done = []
    score = AnomalyDetector.channel_errors

    def watched(self, frame):
        if len(done) == 1:
            assert (tmp_path / "out" / "a" / "report.html").is_file()
            assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) == 1
            raise KeyboardInterrupt
        done.append(frame)
        return score(self, frame)

    monkeypatch.setattr(AnomalyDetector, "channel_errors", watched)
    options = ["--out", tmp_path / "out", "--model", trained / "out" / "detector"]
    assert run("--series", trained / "data" / "*.csv", *options) == 130
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "summary.csv"}


@pytest.mark.parametrize(
    ("until", "rows"),
    [
        ("0.5", [120, 60, 100]),
        ("100", [100, 100, 100]),
        ("2024-01-06", [120, 120, 120]),
        ("2024-01-07", [144, 120, 144]),
    ],
)
def test_how_much_of_each_trains(trained, tmp_path, until, rows):
    assert run("--series", trained / "data" / "*.csv", "--out", tmp_path / "out", "--train-until", until, *SMALL) == 0
    told = [json.loads((tmp_path / "out" / name / "run.json").read_text())["trained_on"] for name in "abc"]
    assert told == [f"the first {count} points, and 2 other files" for count in rows]
    assert len(AnomalyDetector.load(tmp_path / "out" / "detector").decision_scores_) == sum(rows)


def test_files_behind_the_time_only_have_scores(trained, tmp_path):
    data = shutil.copytree(trained / "data", tmp_path / "data")
    later = pd.read_csv(data / "c.csv")
    later["time"] = pd.date_range("2025-01-01", periods=len(later), freq="h")
    later.to_csv(data / "c.csv", index=False)
    options = ["--out", tmp_path / "out", "--train-until", "2024-12-31", *SMALL]
    assert run("--series", data / "*.csv", *options) == 0
    record = json.loads((tmp_path / "out" / "c" / "run.json").read_text())
    assert record["trained_on"] == "the first 0 points, and 2 other files"
    assert len(AnomalyDetector.load(tmp_path / "out" / "detector").decision_scores_) == 360


class TestRefused:
    """Nothing is written."""

    def test_other_channels(self, tmp_path, capsys):
        data = write(tmp_path / "data", a=210)
        for name, change in {
            "lacks": {"drop": ["heat"]},
            "more": {},
        }.items():
            write(data, **change, **{name: 210})
        table = pd.read_csv(data / "more.csv").assign(level=1.0 * np.arange(210))
        table.to_csv(data / "more.csv", index=False)
        before = files_below(tmp_path)
        for name, fault in (("lacks", "lacks 'heat'"), ("more", "has 'level'")):
            files = [data / "a.csv", data / f"{name}.csv"]
            error = error_of(capsys, *files, "--out", tmp_path / "out", *SMALL)
            assert f"{files[1]}: {fault}, which {files[0]}" in error
            assert "--channels" in error
        assert files_below(tmp_path) == before

    @pytest.mark.parametrize(
        ("files", "says"),
        [
            (["a.csv", "a.csv"], "a.csv: given twice"),
            (["a.csv", "./x/../a.csv"], "given twice"),
            (["a.csv", "q*.csv"], "q*.csv: no file matches the pattern"),
            (["a.csv", "nowhere.csv"], "nowhere.csv: no such file"),
            (["a.csv", "short.csv"], "short.csv: 10 points to train on are fewer than a window of 24"),
            (["a.csv", "far.csv"], "far.csv: channel 'flow' holds 1e+30 at time 2024-01-01 07:00:00"),
            (["a.csv", "text.csv"], "text.csv: lacks 'heat', which"),
        ],
    )
    def test_files(self, tmp_path, capsys, files, says):
        (tmp_path / "x").mkdir()
        write(tmp_path, a=210, short=10, far=210, text=210)
        for name, value, row in (("far", 1e30, 7), ("text", "much", slice(None))):
            table = pd.read_csv(tmp_path / f"{name}.csv").astype({"heat": object})
            table.loc[row, "flow" if name == "far" else "heat"] = value
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        before = files_below(tmp_path)
        error = error_of(capsys, *(tmp_path / file for file in files), "--out", tmp_path / "out", *SMALL)
        assert says in error
        assert files_below(tmp_path) == before

    @pytest.mark.parametrize(
        ("until", "says"),
        [
            ("150", "b.csv: --train-until 150: means 150 of the 120 rows"),
            ("2020-01-01", "--train-until 2020-01-01: no file has a row before it"),
            ("soon", "a.csv: --train-until soon: neither a row"),
            ("1.5", "a.csv: --train-until 1.5: a share"),
        ],
    )
    def test_training_parts(self, trained, tmp_path, capsys, until, says):
        files = ["--series", trained / "data" / "*.csv"]
        error = error_of(capsys, *files, "--out", tmp_path / "out", "--train-until", until, *SMALL)
        assert says in error
        assert not (tmp_path / "out").exists()

    def test_a_stream_has_none(self, trained, capsys):
        model = ["--model", trained / "out" / "detector"]
        assert "leave out the file" in error_of(capsys, "--stream", *model, "--series", "*.csv")
