"""The GPU check, on the CPU with tiny sizes: what it plans, runs, stops and keeps."""

import csv
import fcntl
import json
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import yaml

from benchmarks import bench_model
from benchmarks.gpu_check import pool
from benchmarks.gpu_check.__main__ import main
from benchmarks.gpu_check.data import Prepared, find_sources
from benchmarks.gpu_check.pool import Limits, work_through
from benchmarks.gpu_check.runs import AUTO, Options, Run, plan
from data_provider import DataError
from data_provider.prepare.datasets import MULTIVARIATE
from tests.support.command_line import REPOSITORY, TRAIN_ROWS, values

SERIES = "135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt"
SMALL = [
    *("model.seq_len=24", "model.patch_len=4", "model.ms_kernels=[2]", "model.topk=3", "model.d_model=8"),
    *("model.n_heads=2", "model.e_layers=1", "model.d_layers=1", "model.m_layers=1"),
    *("train.train_epochs=1", "train.epoch_windows=64"),
]


@pytest.fixture
def data(tmp_path):
    """A folder with one server of ASD and an archive of one UCR series."""
    folder = tmp_path / "data"
    (folder / "ASD").mkdir(parents=True)
    points, label = values()
    arrays = {"train": points[:TRAIN_ROWS], "test": points[TRAIN_ROWS:], "test_label": label[TRAIN_ROWS:]}
    np.savez(folder / "ASD" / "omi-1.npz", **arrays)
    begin, end = np.flatnonzero(arrays["test_label"])[[0, -1]]
    (folder / "ASD" / "omi-1_interpretation_label.txt").write_text(f"{begin}-{end}:1,2\n")
    with zipfile.ZipFile(folder / "UCR_archive.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.write(REPOSITORY / "dataset" / "UCR_Anomaly_FullData" / SERIES, f"UCR/{SERIES}")
    return folder


def rows_of(file):
    with open(file, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_everything_on_the_cpu(data, tmp_path):
    out = tmp_path / "out"
    arguments = [
        *("--data", data, "--out", out, "--device", "cpu", "--parallel", "2", "--jobs", "1", "--seeds", "1", "2"),
        *("--steps", "speed,train", "--speed_configs", "UCR_2", "--no-compile", "--models", f"CrossAD,CrossAD{AUTO}"),
        *("--commit", "abc", "--set", *SMALL),
    ]
    assert main([str(argument) for argument in arguments]) == 0
    assert [(row["config"], row["what"], row["precision"]) for row in rows_of(out / "speed.csv")] == [
        ("UCR_2", what, precision) for precision in ("fp32", "bf16") for what in ("train", "score")
    ]
    timings = rows_of(out / "timings.csv")
    runs = {(row["dataset"], row["model"], row["seed"]) for row in timings}
    servers = {("omi-1", model, seed) for model in ("CrossAD", f"CrossAD{AUTO}") for seed in "12"}
    assert runs == servers | {("UCR", f"CrossAD_{name}", "1") for name in ("published", "config")}
    assert {(row["status"], row["commit"]) for row in timings} == {("tested", "abc")}
    assert all(0 < float(row["VUS_PR"]) <= 1 for row in timings if row["dataset"] == "omi-1")
    tables = out / "test_results"
    run = tables / "omi-1" / "seed_1"
    assert {path.name for path in run.iterdir()} >= {"run.json", "_vus.csv", "_affiliation.csv", "_hit_rate.csv"}
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["checkpoint"]) == ("evaluated", "results/omi-1/seed_1/checkpoint.pth")
    assert [row["hit_rate"] for row in rows_of(run / "_hit_rate.csv")] == ["1.0", "1.0"]
    assert (tables / "auto" / "omi-1" / "seed_2" / "_vus.csv").is_file()
    assert rows_of(tables / "omi-1" / "seeds.csv")[0].keys() >= {"mean", "1", "2"}
    assert [row["name"] for row in rows_of(tables / "UCR_published" / "ucr.csv")] == [SERIES]
    assert {path.suffix for path in tables.rglob("*.*") if path.is_file()} == {".csv", ".json"}
    with tarfile.open(out / "results.tar.gz") as package:
        assert {"timings.csv", "speed.csv", "test_results/omi-1/seed_1/run.json"} <= set(package.getnames())


def test_the_step_tests(tmp_path):
    file = tmp_path / "test_quick.py"
    file.write_text("def test_right():\n    pass\n\ndef test_wrong():\n    assert 1 == 2\n")
    out = tmp_path / "out"
    arguments = ["--steps", "tests", "--device", "cpu", "--out", str(out), "--tests"]
    assert main([*arguments, f"{file}::test_right"]) == 0
    assert "1 passed" in (out / "tests.txt").read_text()
    assert main([*arguments, str(file)]) == 1
    assert "1 failed, 1 passed" in (out / "tests.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--device", "cuda"], "--device cuda: PyTorch finds no CUDA device here"),
        (["--device", "cpu", "--data", "nowhere"], "nowhere: no such folder"),
        (["--device", "cpu", "--seeds", "1", "1"], "--seeds: seeds must be unique"),
        (["--device", "cpu", "--models", "CrossADD"], "--models: no configuration for CrossADD"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("error: " + text) == 1
    assert not (tmp_path / "out").exists()


def test_data_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="contains none of MSL, UCR"):
        find_sources(tmp_path, ["MSL", "UCR"])


def test_the_plan(tmp_path):
    series = [
        Prepared("SMD", "machine-1-6", 23_688, 38),
        Prepared("GECCO", "GECCO", 69_260, 9),
        Prepared("MSL", "MSL", 58_317, 55),
        Prepared("UCR", "UCR", numbers=("001", "135")),
    ]
    options = Options(tmp_path / "data", tmp_path / "results", "cuda", ("train.precision=bf16",), jobs=12)
    runs = plan(series, ["CrossAD", "MIXAD", "DualSTF"], [7, 8], options)
    assert [run.seconds for run in runs] == sorted(run.seconds for run in runs)
    assert {(run.dataset, run.model) for run in runs} == {
        ("machine-1-6", "CrossAD"),
        ("machine-1-6", "MIXAD"),
        ("machine-1-6", "DualSTF"),
        ("GECCO", "CrossAD"),
        ("MSL", "CrossAD"),
        ("MSL", "DualSTF"),
        ("UCR", "CrossAD_published"),
        ("UCR", "CrossAD_config"),
    }
    assert len(runs) == 2 * 6 + 2
    by_name = {run.name: run for run in runs}
    server = by_name["machine-1-6-MIXAD-8"]
    assert server.folder == tmp_path / "results" / "machine-1-6" / "MIXAD" / "seed_8"
    assert {"data.name=machine-1-6", "data.train_rows=23688", "train.precision=bf16"} <= set(server.command)
    assert server.evaluate[-4:] == ["--mode", "evaluate", "--metrics", "affiliation"]
    assert by_name["MSL-CrossAD-7"].evaluate == []
    assert by_name["machine-1-6-CrossAD-7"].gigabytes > 10 > by_name["GECCO-CrossAD-7"].gigabytes > 1
    sweep = by_name["UCR-CrossAD_published-7"].command
    assert sweep[sweep.index("--series") + 1] == "001,135"
    assert sweep[sweep.index("--jobs") + 1] == "12"


def fake(folder, name, script="", *, gigabytes=1.0, rescue=(), dataset="D"):
    """A run whose command is a Python script."""
    command = [sys.executable, "-c", script]
    return Run(dataset, name, 1, command, list(rescue), [], folder / name, 1.0, gigabytes)


class Started(NamedTuple):
    """What stands for a process that has begun or, with a code, has ended."""

    run: Run
    exitcode: int | None


@pytest.fixture
def processes(monkeypatch):
    """Stand-ins for the processes of runs and for their clock: each ends at once, or only when it is stopped."""
    codes, killed, clock = {}, [], SimpleNamespace(now=0.0)

    def kill(process):
        killed.append(process.run.model)

    def sleep(seconds):
        clock.now += seconds

    monkeypatch.setattr(pool, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    monkeypatch.setattr(pool, "_start", lambda run, logs: Started(run, codes.get(run.model, 0)))
    monkeypatch.setattr(pool, "_kill", kill)
    return SimpleNamespace(codes=codes, killed=killed)


def test_runs_side_by_side_and_the_end_of_the_time(tmp_path, processes):
    for name in ("stopped", "nothing"):
        (tmp_path / name).mkdir()
    (tmp_path / "stopped" / "checkpoint.pth").touch()
    runs = [
        fake(tmp_path, "quick"),
        fake(tmp_path, "faulty"),
        fake(tmp_path, "stopped", rescue=["measure"]),
        fake(tmp_path, "nothing", rescue=["measure"]),
        fake(tmp_path, "large", gigabytes=9.0),
    ]
    processes.codes |= {"faulty": 2, "stopped": None, "nothing": None}
    ended = {}

    def done(run, status):
        ended[run.model] = status
        processes.codes["stopped"] = 0  # so that its evaluation ends

    work_through(runs, Limits(3, 10.0), 50.0, 1000.0, tmp_path / "logs", done)
    assert ended == {"quick": "tested", "faulty": "failed", "stopped": "stopped"}  # no room for the large one
    assert sorted(processes.killed) == ["nothing", "stopped"]


def test_an_evaluation_that_runs_out_of_time(tmp_path, processes):
    run = fake(tmp_path, "stopped", rescue=["measure"])
    run.folder.mkdir()
    (run.folder / "checkpoint.pth").touch()
    processes.codes["stopped"] = None
    ended = []
    work_through([run], Limits(1, 10.0), 50.0, 60.0, tmp_path / "logs", lambda *one: ended.append(one))
    assert ended == []
    assert processes.killed == ["stopped", "stopped"]


def test_a_process_writes_a_log_and_is_killed_with_what_it_started(tmp_path):
    """The child of the process that is killed holds a lock, which only its end releases."""
    lock, held = tmp_path / "lock", tmp_path / "held"
    child = (
        f"import fcntl, pathlib, time; lock = open({str(lock)!r}, 'w'); fcntl.flock(lock, fcntl.LOCK_EX); "
        f"pathlib.Path({str(held)!r}).touch(); time.sleep(600)"
    )
    logs = tmp_path / "logs"
    logs.mkdir()
    script = f"import subprocess, sys; print('begun', flush=True); subprocess.run([sys.executable, '-c', {child!r}])"
    process = pool._start(fake(tmp_path, "parent", script), logs)
    while process.is_alive() and not held.exists():
        time.sleep(0.01)
    pool._kill(process)
    assert process.exitcode == -signal.SIGKILL
    assert (logs / "D-parent-1.txt").read_text() == "begun\n"
    with open(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def test_one_run_alone_always_fits_and_one_sweep_at_a_time(tmp_path):
    large, sweep, other = (
        fake(tmp_path, "large", gigabytes=99.0),
        fake(tmp_path, "published", dataset="UCR"),
        fake(tmp_path, "config", dataset="UCR"),
    )
    limits = Limits(2, 10.0)
    assert pool._next([large], [], limits) is large
    assert pool._next([large, other], [sweep], limits) is None
    assert pool._next([sweep, other], [large, large], limits) is None


def test_the_script_takes_the_python_that_it_is_given(tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    ended = subprocess.run(
        ["sh", "scripts/gpu_check.sh", "--minutes", "1"],
        cwd=REPOSITORY, env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout == "-m benchmarks.gpu_check --minutes 1\n"


@pytest.mark.parametrize("name", bench_model.CASES)
def test_speed_is_that_of_the_configurations(name):
    """The channels are those of the dataset that the configuration keeps."""
    case = bench_model.CASES[name]
    config = bench_model.settings(case)
    mapping = yaml.safe_load(Path(REPOSITORY / "configs" / case.file).read_text())
    chosen = mapping.get("settings", {}).get(case.setting, {})
    assert config.model.seq_len == (mapping["model"] | chosen)["seq_len"]
    known = MULTIVARIATE.get(mapping["data"]["name"])
    if known:
        assert case.channels == known.channels - len(config.data.drop_channels)
