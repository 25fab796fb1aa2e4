"""The programs for many series, in this process or, if they must die, in a separate one."""

import shutil
import signal

import joblib
import pandas as pd
import pytest
import torch
import yaml

from exp.benchmark.runs import find_runs
from exp.benchmark.suites import TSB_AD_U, UCR
from exp.cli import sweep
from tests.support.command_line import SETTINGS
from tests.support.many_series import ManySeries

DUAL_STF = {"seq_len": 24, "points_per_token": 4, "d_model": 8, "n_heads": 2, "patch_sizes": [4], "n_prototypes": 3}


@pytest.fixture
def many(tmp_path):
    return ManySeries(tmp_path / "here")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A benchmark that has been run with one worker; only to be read."""
    many = ManySeries(tmp_path_factory.mktemp("finished") / "here")
    assert many.run() == 0
    return many


def refuse(*_, **__):
    raise AssertionError("there is nothing to do")


def test_table_and_summary(finished, capsys, monkeypatch):
    monkeypatch.setattr(sweep, "run_job", refuse)
    assert finished.run() == 0
    table = finished.table()
    assert list(table["name"]) == finished.names
    assert list(table.columns) == UCR.columns
    assert table["3_alpha"].dtype == bool
    shown = capsys.readouterr().out.split()
    assert " ".join(shown[shown.index("all") :]).startswith(
        f"all 4 of 4 {table['3_alpha'].mean():.4f} {table['10_alpha'].mean():.4f} {table['alpha_quantile'].mean():.4f}"
    )
    assert finished.not_counted() == {}
    assert {path.name for path in finished.results.iterdir()} == {"series", "ucr.csv", "not_counted.csv"}


def test_tsb_ad(tmp_path):
    many = ManySeries(tmp_path / "here", tsb_ad=True)
    file = many.root / many.names[1]
    series = pd.read_csv(file)
    series.assign(Label=0).to_csv(file, index=False)
    assert many.run() == 0
    written = pd.read_csv(many.results / "CrossAD.csv")
    assert list(written.columns) == TSB_AD_U.columns
    assert (written["Time"] > 0).all()
    assert list(written["file"]) == [many.names[0], *many.names[2:]]
    assert many.not_counted() == {
        many.names[1]: (
            "undefined",
            "label has no anomalous point among the 312 scored test points (all are labelled 0), so nothing can be "
            "evaluated: correct the labels",
        )
    }
    (run,) = find_runs(many.save_path)
    assert (run.dataset, run.model, run.seed) == ("MANY", "CrossAD", str(SETTINGS["train"].get("seed", 2025)))
    assert run.settings["model.seq_len"] == str(SETTINGS["model"]["seq_len"])


def test_workers_give_the_same_table_and_a_killed_program_goes_on(finished, many, caplog):
    """Kill the program, which ends its workers, when its first job has ended, and restart it."""
    caplog.set_level("INFO")
    places = ("--root_path", finished.root, "--config", finished.config)
    assert many.run_until_said("1 of 4", *places, "--jobs", 2) == -signal.SIGKILL
    assert not (many.results / "ucr.csv").exists()
    assert many.run(*places, "--jobs", 2) == 0
    assert "4 jobs" in caplog.text
    assert "0 of them already done" not in caplog.text
    assert (many.results / "ucr.csv").read_bytes() == (finished.results / "ucr.csv").read_bytes()


@pytest.mark.parametrize(
    "moments",
    [
        [("before", "training_state.pth", 0), ("after", "result.json", 1), ("before", "ucr.csv", 0)],
        [("after", "a_test_energy.npy", 1), ("after", "checkpoint.pth", 0), ("before", "result.json", 2)],
    ],
)
def test_killed_at_three_moments(finished, many, moments):
    for moment in moments:
        assert many.run_until(*moment) == -signal.SIGKILL
    assert many.run() == 0
    assert (many.results / "ucr.csv").read_bytes() == (finished.results / "ucr.csv").read_bytes()


def test_a_corrupt_an_empty_and_a_missing_series(many, capsys, finished):
    (many.root / many.names[0]).write_text("1.0\ntwo\n")
    (many.root / many.names[1]).write_text("")
    (many.root / many.names[2]).unlink()
    assert many.run() == 1
    shown = capsys.readouterr().out
    not_counted = many.not_counted()
    assert [status for status, _ in not_counted.values()] == ["failed", "failed", "missing"]
    reasons = [reason for _, reason in not_counted.values()]
    assert reasons.pop() == f"not in {many.root}"
    for name, reason, part in zip(many.names, reasons, ("two", "no rows of data"), strict=False):
        assert name in reason
        assert part in reason
        assert f"failed: {name}, seed 2025: {reason}\n" in shown
    pd.testing.assert_frame_equal(many.table(), finished.table().tail(1).reset_index(drop=True))
    assert many.run("--series", "4") == 0
    assert "1 of 4" in capsys.readouterr().out
    (many.root / many.names[1]).write_text((finished.root / many.names[1]).read_text())
    assert many.run("--series", "2") == 0
    assert len(many.table()) == 2


def test_series_of_several_starts_stay_in_the_table(many, finished):
    assert many.run("--series", "2") == 0
    assert list(many.table()["name"]) == [many.names[1]]
    assert set(many.not_counted().values()) == {("not run", "")}
    assert many.run("--series", "001,*_B_*") == 0
    pd.testing.assert_frame_equal(many.table(), finished.table())


@pytest.mark.parametrize("seeds", [(), (1, 2)])
def test_a_table_that_alone_has_results_is_not_replaced(many, capsys, seeds):
    options = ["--seeds", *map(str, seeds)] if seeds else []
    assert many.run(*options) == 0
    table = many.results / ("seed_2" if seeds else "") / "ucr.csv"
    before = table.read_bytes()
    shutil.rmtree(many.results / "series")
    capsys.readouterr()
    assert many.run(*options, "--series", "1") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "the only place with results of 3 series (" in message
    assert "another --save_path" in message
    assert table.read_bytes() == before
    assert many.run(*options) == 0  # all of them again


@pytest.mark.parametrize("content", ["", 'file,"score\n', "\udcff"])
def test_a_damaged_table_is_refused_before_the_work(many, capsys, content):
    table = many.results / "ucr.csv"
    table.parent.mkdir(parents=True)
    table.write_text(content, encoding="utf-8", errors="surrogateescape")
    assert many.run() == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"{table}: is empty or damaged" in message
    assert "delete it" in message
    assert not (many.results / "series").exists()


def test_stages(many, finished, capsys, monkeypatch):
    assert many.run("--mode", "test", "--series", "1") == 1
    assert "run with --mode train first" in capsys.readouterr().out
    assert many.run("--mode", "train") == 0
    assert "trained 4 of 4" in capsys.readouterr().out
    (many.root / many.names[3]).unlink()
    assert many.run("--mode", "test") == 1
    assert many.not_counted() == {many.names[3]: ("missing", f"not in {many.root}")}
    assert many.run("--mode", "train", "--series", "4") == 0  # has been trained, and stays so
    pd.testing.assert_frame_equal(many.table(), finished.table().head(3))
    monkeypatch.setattr("exp.benchmark.experiment.Experiment.__init__", refuse)
    (many.results / "ucr.csv").unlink()
    many.configure(evaluation={"window": 7})  # does not affect scores
    assert many.run("--mode", "evaluate", "--series", "1,2,3") == 0
    pd.testing.assert_frame_equal(many.table(), finished.table().head(3))


def test_seeds(many, capsys, monkeypatch):
    assert many.run("--seeds", 1, 2, "--series", "1,2") == 0
    assert "seed 2\n" in capsys.readouterr().out
    tables = [many.table("seed_1"), many.table("seed_2")]
    assert not tables[0].equals(tables[1])
    seeds = pd.read_csv(many.results / "seeds.csv", index_col="metric")
    alphas = [table["alpha_quantile"].mean() for table in tables]
    assert list(seeds.loc["mean alpha", ["1", "2"]]) == pytest.approx(alphas)
    assert seeds.loc["mean alpha", "mean"] == pytest.approx(sum(alphas) / 2)
    assert seeds.loc["mean alpha", "std"] == pytest.approx(abs(alphas[0] - alphas[1]) / 2**0.5)
    assert list(seeds.loc["n", ["1", "2"]]) == [2, 2]
    monkeypatch.setattr(sweep, "run_job", refuse)
    assert many.run("--seed", 2, "--series", "1,2") == 0
    pd.testing.assert_frame_equal(many.table(), tables[1])


def test_running_accuracy(finished, many, caplog):
    caplog.set_level("INFO")
    (many.root / many.names[0]).write_text("")
    assert many.run() == 1
    right = finished.table()["3_alpha"][1:]
    means = [record.message.rsplit("3_alpha ", 1)[1] for record in caplog.records if "3_alpha" in record.message]
    assert means == [f"{right[:count].mean():.3f} over {count}" for count in (1, 2, 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "--jobs 0: give at least 1"),
        (["--series", "9"], "--series 9: matches none of the 4 series"),
        (["--root_path", "nowhere"], "nowhere: no such folder"),
        (["--root_path", __file__], "is a file: unpack the series: python -m data_provider.prepare UCR --source"),
        (["--config", "nowhere"], "nowhere: no such file"),
        (["--set", "train.sead=1"], "did you mean 'seed'?"),
        (["--device", "tpu"], "--device tpu"),
        (["--seeds", "1", "1"], "seeds must be unique"),
        (["--seeds", "1", "-1"], "--seeds -1: a seed is a whole number"),
        (["--set", "evaluation.metrics=[auc]"], "--set evaluation.metrics has no effect on a suite"),
        (["--set", "evaluation.window=5"], "--set evaluation.window has no effect on a suite"),
        (["--set", "data.file=x"], "--set data.file has no effect on a suite"),
        (["--backend", "dask"], "--backend dask and --scheduler ADDRESS need each other"),
        (["--address", "here:1"], "--backend ray and --address ADDRESS need each other"),
        (["--backend", "dask", "--scheduler", "here:1"], "--jobs is for workers on this machine"),
        (["--save_path", "/dev/null/x"], "cannot write there"),
    ],
)
def test_wrong_options(finished, capsys, arguments, message):
    assert finished.run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_as_many_workers_as_cores_or_devices(monkeypatch):
    assert sweep.default_workers("cpu") == joblib.cpu_count()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert sweep.default_workers("cuda") == 3
    assert sweep.default_workers("cuda:2") == 1


def test_an_unknown_option_exits_with_two(finished):
    with pytest.raises(SystemExit) as ended:
        finished.run("--workers", "2")
    assert ended.value.code == 2


def test_another_detectors_configuration_for_all_series_alike(many):
    mapping = yaml.safe_load(many.config.read_text())
    del mapping["settings"]
    mapping["model"] = {"name": "DualSTF", **DUAL_STF}
    (many.path / "DualSTF.yaml").write_text(yaml.safe_dump(mapping))
    assert many.run("--config", many.path, "--model", "DualSTF", "--series", "1,2", "--jobs", 1) == 0
    assert len(pd.read_csv(many.results / "DualSTF" / many.benchmark.table.format(detector="DualSTF"))) == 2
    assert not (many.results / "series").exists()


def test_model_needs_a_folder(finished, capsys):
    assert finished.run("--model", "DualSTF") == 2
    assert "--model DualSTF chooses a file of a folder: let --config name the folder" in capsys.readouterr().err


def test_results_that_are_replaced_are_told(many, caplog):
    assert many.run("--series", "1", "--jobs", 1) == 0
    assert "replaced" not in caplog.text
    assert many.run("--series", "1", "--jobs", 1, "--set", "train.train_epochs=1") == 0
    assert "results of another configuration to be replaced: 1" in caplog.text
