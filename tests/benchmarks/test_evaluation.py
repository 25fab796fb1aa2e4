import csv
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from benchmarks import bench_evaluation
from benchmarks.peers import environments
from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "benchmarks"


def run_benchmark(*arguments):
    command = [sys.executable, FOLDER / "bench_evaluation.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_table_has_every_measure_with_its_bound():
    lines = run_benchmark("--points", 3_000, "--repeats", 1).splitlines()
    rows = {line[:40].split("  ")[0]: line.split() for line in lines[2:] if line}
    for name, timed in bench_evaluation.MEASURES.items():
        seconds, ratio, *rest = rows[name][1:]
        assert float(seconds) >= 0
        assert float(ratio) >= 0
        if timed.bound is not None:
            assert float(rest[0]) == timed.bound
            assert rest[1] == ("within" if float(ratio) <= timed.bound else "ABOVE")
    assert "vus, short events" in rows


def test_growth_gives_table_and_figure(tmp_path):
    text = run_benchmark(
        "--growth", "--sizes", 1_000, "--repeats", 1, "--out", tmp_path / "growth", "--measures", "sklearn", "vus"
    )
    rows = list(csv.DictReader((tmp_path / "growth" / "growth.csv").read_text().splitlines()))
    assert [row["measure"] for row in rows] == ["sklearn", "vus"]
    assert {row["points"] for row in rows} == {"1000"}
    assert all(int(row["peak memory (MB)"]) > 10 for row in rows)
    assert len(text.splitlines()) == len(rows) + 4
    assert imread(tmp_path / "growth" / "growth.png").std() > 0.01


@pytest.mark.parametrize(
    ("case", "events", "share"),
    [(bench_evaluation.smd_like_case(100_000), 46, 0.0416), (bench_evaluation.short_events_case(100_000), 2541, 0.14)],
)
def test_synthetic_labels_have_the_shape_asked_for(case, events, share):
    assert np.count_nonzero(np.diff(case.label, prepend=0) == 1) == events
    assert case.label.mean() == pytest.approx(share, rel=0.03)
    assert len(case.label) == len(case.score) == 100_000


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """A peer whose measures are what the test writes, run by this Python."""
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(environments, "_environment", lambda peer, folder: (sys.executable, ""))
    (tmp_path / "common.py").write_text((FOLDER / "peers" / "common.py").read_text())
    np.savez(tmp_path / "arrays.npz", label=[0, 1, 0], score=[0.1, 0.9, 0.2], threshold=0.5)

    def run(body, limit=300):
        lines = ["import time", "from common import main", "def measure(label, score, prediction):", f"    {body}"]
        (tmp_path / "fake_measures.py").write_text("\n".join([*lines, "main({'measure': measure})"]))
        return environments.run_peer("fake", "measure", tmp_path, tmp_path / "arrays.npz", limit=limit)

    return run


def test_peer_gives_seconds_and_values(peer):
    found = peer("return {'hits': (label * prediction).sum()}")
    assert found["values"] == {"hits": 1.0}
    assert found["seconds"] >= 0


def test_peer_that_fails_or_hangs_is_reported(peer):
    assert peer("raise ValueError('no ranges')") == "failed: ValueError: no ranges"
    assert peer("time.sleep(600)", limit=2) == "not done after 2 s"


@pytest.mark.slow
def test_peer_that_cannot_be_installed_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    (tmp_path / "fake.txt").write_text("./absent-package\n")
    outcome = environments.run_peer("fake", "measure", tmp_path / "environments", tmp_path / "arrays.npz", limit=5)
    assert outcome.startswith("not installed: ")


def test_every_peer_has_its_requirements_and_measures():
    for peer, names in environments.PEERS.items():
        script = (FOLDER / "peers" / f"{peer}_measures.py").read_text()
        assert all(f'"{name}": ' in script for name in names)
        assert all(
            "==" in line or line.startswith("#") for line in (FOLDER / "peers" / f"{peer}.txt").read_text().splitlines()
        )
        assert set(names) <= set(bench_evaluation.MEASURES)
