"""Sweeps on series that have changed, are missing, or share a name; and options that have no effect."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from exp.cli import sweep
from tests.support.command_line import TRAIN_ROWS, values
from tests.support.many_series import BEGIN, ManySeries


@pytest.fixture
def many(tmp_path):
    return ManySeries(tmp_path / "here", tsb_ad=True)


@pytest.fixture
def ucr(tmp_path):
    return ManySeries(tmp_path / "here")


def change(many, number, *, points=None, label=None):
    """Change points (a slice, shifted) or labels (a slice, the only event) of a series of TSB-AD-U."""
    file = many.root / many.names[number - 1]
    table = pd.read_csv(file, float_precision="round_trip")
    if points is not None:
        table.loc[points, "Data"] += 0.5
    if label is not None:
        table["Label"] = 0
        table.loc[label.start : label.stop - 1, "Label"] = 1
    table.to_csv(file, index=False)


def of_fresh(many, path, *more):
    """Return the table of a sweep on the same files in a new folder."""
    fresh = ManySeries(path / "fresh", tsb_ad=many.tsb_ad)
    for name in many.names:
        (fresh.root / name).write_bytes((many.root / name).read_bytes())
    assert fresh.run("--series", "1,2", *more) == 0
    return fresh.table()


def refuse(*_, **__):
    raise AssertionError("this has been done already")


@pytest.mark.parametrize("options", [(), ("--resume",), ("--mode", "test"), ("--mode", "evaluate")])
def test_corrected_labels_are_measured_from_the_kept_scores(many, tmp_path, monkeypatch, caplog, options):
    assert many.run("--series", "1,2") == 0
    before = many.table()
    change(many, 1, label=slice(BEGIN - 20, BEGIN - 10))
    expected = of_fresh(many, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("exp.benchmark.experiment.Experiment.__init__", refuse)
        assert many.run("--series", "1,2", *options) == 0
    assert "1 job: the labels changed: evaluated again from the kept scores" in caplog.text
    pd.testing.assert_frame_equal(many.table(), expected)
    assert not many.table().equals(before)
    label = np.load(many.folder(1) / "a_gt.npy")
    assert np.flatnonzero(label)[[0, -1]].tolist() == [BEGIN - 20, BEGIN - 11]
    monkeypatch.setattr(sweep, "run_job", refuse)
    assert many.run("--series", "1,2") == 0


@pytest.mark.parametrize(("points", "retrained"), [(slice(0, 50), True), (slice(250, 260), False)])
def test_other_values_are_scored_or_trained_again(many, tmp_path, caplog, points, retrained):
    caplog.set_level("INFO")
    assert many.run("--series", "1,2") == 0
    change(many, 1, points=points)
    expected = of_fresh(many, tmp_path)
    assert many.run("--series", "1,2") == 0
    pd.testing.assert_frame_equal(many.table(), expected)
    assert ("retrained" in caplog.text) is retrained
    assert ("1 job: the test values changed: scored again" in caplog.text) is not retrained


def test_resuming_on_other_values_is_refused_and_nothing_is_lost(many, capsys):
    assert many.run("--series", "1,2") == 0
    before = {path: path.read_bytes() for path in many.folder(1).iterdir() if path.name != "log.txt"}
    change(many, 1, points=slice(0, 50))
    assert many.run("--series", "1,2", "--resume") == 1
    assert "the training values, the test values changed since it was trained" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before
    assert many.run("--series", "1,2", "--mode", "test") == 1
    assert "there is no finished training of this data" in capsys.readouterr().out
    assert many.run("--series", "1,2", "--mode", "evaluate") == 1
    assert "there are no scores of this data" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before


def test_an_interrupted_training_on_other_values(many, tmp_path):
    """Without --resume it starts over; with --resume it is refused."""
    assert many.run_until("after", "training_state.pth", 0) != 0
    change(many, 1, points=slice(0, 50))
    assert many.run("--series", "1,2", "--resume") == 1
    assert "training values" in many.not_counted()[many.names[0]][1]
    assert many.run("--series", "1,2") == 0
    pd.testing.assert_frame_equal(many.table(), of_fresh(many, tmp_path))


def test_a_file_written_in_another_way_costs_no_training(many, monkeypatch, caplog):
    assert many.run("--series", "1,2") == 0
    before = many.table()
    file = many.root / many.names[0]
    file.write_text(file.read_text().replace("\n", "\r\n"))
    monkeypatch.setattr("exp.benchmark.experiment.Experiment.__init__", refuse)
    assert many.run("--series", "1,2") == 0
    pd.testing.assert_frame_equal(many.table(), before)
    assert "changed" not in caplog.text


def test_results_of_an_earlier_version_are_measured_once_more(many, monkeypatch, caplog):
    assert many.run("--series", "1,2") == 0
    before = many.table()
    for number in (1, 2):
        file = many.folder(number) / "result.json"
        entries = {key: value for key, value in json.loads(file.read_text()).items()}
        for key in ("data", "weights", "note"):
            del entries[key]
        file.write_text(json.dumps(entries))
    with monkeypatch.context() as patch:
        patch.setattr("exp.benchmark.experiment.Experiment.__init__", refuse)
        assert many.run("--series", "1,2") == 0
    assert "2 jobs: made by an earlier version, which does not record the data: evaluated again" in caplog.text
    pd.testing.assert_frame_equal(many.table(), before)
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "run_job", refuse)
        assert many.run("--series", "1,2") == 0
    change(many, 1, label=slice(BEGIN, BEGIN + 3))
    assert many.run("--series", "1,2") == 0
    assert "1 job: the data changed: retrained" in caplog.text  # whether only the labels changed is not known


@pytest.mark.parametrize("seeds", [(), ("--seeds", "1", "2")])
def test_missing_series_are_told_once(ucr, caplog, capsys, seeds):
    names = [*ucr.names, *(f"{k:03}_UCR_Anomaly_C_200_250_260.txt" for k in range(5, 25))]
    ucr.list(*((name, 1) for name in names))
    for name in ucr.names[1:]:
        (ucr.root / name).unlink()
    assert ucr.run(*seeds) == 1
    lines = [message for message in caplog.messages if "are not" in message]
    assert lines == [
        f"1 of 24 series are in {ucr.root}, 23 are not: {', '.join(names[1:4])} and 20 more",
    ]
    assert "missing: " not in capsys.readouterr().out
    folder = "seed_1/not_counted.csv" if seeds else "not_counted.csv"
    missing = pd.read_csv(ucr.results / folder)
    assert missing["status"].tolist() == ["missing"] * 23
    assert len(list((ucr.results / "series").iterdir())) == 1


def test_results_of_series_that_are_gone_stay(ucr, caplog):
    assert ucr.run("--series", "1,2") == 0
    before = ucr.table()
    (ucr.root / ucr.names[0]).unlink()
    assert ucr.run("--series", "1,2") == 0
    pd.testing.assert_frame_equal(ucr.table(), before)
    assert "1 of these already have results, which are kept as they are" in caplog.text


def test_a_folder_with_none_of_the_series(ucr, tmp_path, capsys):
    assert ucr.run("--root_path", tmp_path) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}: has none of the 4 series" in error
    assert "--root_path" in error
    assert not ucr.save_path.exists()


def test_the_same_name_in_two_folders(many, tmp_path):
    """Each has its own results folder, named by its relative path."""
    alone = many.run("--series", "1,2")
    assert alone == 0
    expected = many.table()
    names = [f"{site}/{many.names[0]}" for site in ("siteA", "siteB")]
    for number, name in enumerate(names):
        (many.root / name).parent.mkdir()
        (many.root / name).write_bytes((many.root / many.names[number]).read_bytes())
    many.list(*((name, 1) for name in names), (many.names[0], 1))
    assert many.run("--save_path", tmp_path / "other") == 0
    table = pd.read_csv(tmp_path / "other" / "MANY" / "CrossAD.csv").drop(columns=["Time", "file"])
    alike = expected.drop(columns="file")
    pd.testing.assert_frame_equal(table.iloc[:2], alike)
    pd.testing.assert_frame_equal(table.iloc[2:].reset_index(drop=True), alike.iloc[:1])
    stem = many.names[0].removesuffix(".csv")
    assert {
        path.parent.relative_to(tmp_path / "other" / "MANY" / "series").as_posix()
        for path in (tmp_path / "other").rglob("result.json")
    } == {f"{part}{stem}/seed_2025" for part in ("siteA/", "siteB/", "")}


def test_an_event_in_the_unscored_tail(many):
    """330 points are 13 windows of 24 and a tail of 18."""
    change(many, 1, label=slice(329, 330))
    change(many, 2, label=slice(315, 321))
    assert many.run("--series", "1,2") == 0
    reasons = [many.not_counted()[name] for name in many.names[:2]]
    assert [status for status, _ in reasons] == ["undefined"] * 2
    assert "test point 329, in the unscored tail of 18 points" in reasons[0][1]
    assert "test points 315 to 320" in reasons[1][1]
    assert all("--cover_tail" in reason for _, reason in reasons)
    assert many.run("--series", "1,2", "--cover_tail") == 0
    assert len(many.table()) == 2


def test_an_event_in_the_training_part(ucr):
    name = f"005_UCR_Anomaly_X_{TRAIN_ROWS}_{120}_{140}.txt"
    np.savetxt(ucr.root / name, values()[0][:, 0])
    ucr.list((name, 1))
    assert ucr.run() == 0
    status, reason = ucr.not_counted()[name]
    assert status == "undefined"
    assert "points 120 to 139 of the series, in the training part, which is its first 200 points" in reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "--mode", "test"], "--resume continues training, but --mode test trains nothing"),
        (["--resume", "--mode", "evaluate"], "--mode evaluate trains nothing"),
        (["--jobs-per-device", "2"], "--jobs and --jobs-per-device"),
        (["--set", "train.precision=bf16"], "train.precision bf16: this CPU has no bf16 instructions"),
    ],
)
def test_options_without_effect(ucr, capsys, monkeypatch, arguments, message, tmp_path):
    monkeypatch.setattr("exp.training.devices.CPU_INFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx2 avx512f\n")
    assert ucr.run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not ucr.save_path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "cpu", "--jobs-per-device", "2"], "--jobs-per-device has no effect on --device cpu"),
        (["--jobs-per-device", "0"], "--jobs-per-device 0: give at least 1"),
        (["--backend", "dask", "--scheduler", "x:1", "--jobs-per-device", "2"], "workers on this machine"),
    ],
)
def test_options_of_workers_without_effect(ucr, capsys, arguments, message):
    places = ("--config", ucr.config, "--root_path", ucr.root, "--save_path", ucr.save_path)
    assert sweep.main(ucr.benchmark, "program", [str(argument) for argument in (*places, *arguments)]) == 2
    assert message in capsys.readouterr().err


def test_workers_for_each_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert sweep.default_workers("cuda", 4) == 12
    assert sweep.default_workers("cuda:1", 4) == 4
