"""A wheel, installed in an environment of its own outside the clone: its commands find all that they need."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exp.cli import __version__
from exp.cli.crossad import COMMANDS
from tests.support.paths import REPOSITORY

ALLOWED = {"pyproject.toml", "README.md", "LICENSE", ".gitignore"}
QUICK = ["train.train_epochs=1", "train.epoch_windows=64", "model.d_model=8", "model.n_heads=2", "model.bank_size=4"]


class Installed:
    """An environment with the wheel.

    Its other packages are those of the environment that runs the tests, which saves a gigabyte.
    """

    def __init__(self, folder):
        pytest.importorskip("hatchling", reason="needs the package hatchling, see requirements-dev.txt")
        self.environment, self.place = folder / "environment", folder / "elsewhere"
        self.place.mkdir()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
        _run([*wheel, str(_copy(folder / "source"))], folder)
        _run([sys.executable, "-m", "venv", "--without-pip", str(self.environment)], folder)
        (self.wheel,) = folder.glob("crossad-*.whl")
        python = self.environment / "bin" / "python"
        _run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(self.wheel)], folder)
        (packages,) = self.environment.glob("lib/python*/site-packages")
        (packages / "other_packages.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, command, *arguments, text=None, code=0):
        """Run a command in a folder outside the clone, and return its standard output."""
        program = self.environment / "bin" / command
        return _run([str(program), *map(str, arguments)], self.place, text, code)


def _copy(target):
    """Copy what a clone holds, without data and results that are not part of it."""
    names = [*ALLOWED, "exp", "models", "data_provider", "ts_ad_evaluation", "configs"]
    names += [path.name for path in REPOSITORY.glob("requirements*.txt")]
    target.mkdir()
    for name in names:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, target / name)
    series = "dataset/UCR_Anomaly_FullData/135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt"
    for name in ("dataset/DETECT_META.csv", series):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, target / name)
    return target


def _run(command, place, text=None, code=0):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        command, cwd=place, input=text, capture_output=True, text=True, env=variables | {"OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout if code == 0 else ended.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


def write_series(path, labelled=True):
    """Write two noisy waves with an event."""
    rng, time = np.random.default_rng(0), np.arange(600)
    waves = np.sin(time[:, None] / (4, 7)) + 0.1 * rng.standard_normal((600, 2))
    waves[450:460] += 5
    frame = pd.DataFrame(waves, columns=["flow", "pressure"])
    if labelled:
        frame["label"] = ((time >= 450) & (time < 460)).astype(int)
    frame.to_csv(path, index=False)
    return path


def test_the_wheel_holds_everything_and_says_what_it_needs(installed):
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
        about = wheel.read(f"crossad-{__version__}.dist-info/METADATA").decode()
    for package in ("exp", "models", "data_provider", "ts_ad_evaluation"):
        for path in (REPOSITORY / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert path.relative_to(REPOSITORY).as_posix() in names
    for path in (REPOSITORY / "configs").glob("*/*"):
        assert f"data_provider/{path.relative_to(REPOSITORY).as_posix()}" in names
    assert {name.partition("/")[0] for name in names} == {
        "exp", "models", "data_provider", "ts_ad_evaluation", f"crossad-{__version__}.dist-info",
    }  # fmt: skip
    for line in ("Requires-Dist: torch==", "Requires-Dist: bokeh==", "Requires-Dist: jinja2=="):
        assert f"\n{line}" in about
    assert [line for line in about.splitlines() if line.startswith("Provides-Extra")] == [
        f"Provides-Extra: {extra}" for extra in ("cluster", "dev", "report")
    ]
    assert "License-Expression: MIT" in about


def test_commands_say_what_they_are(installed):
    place = installed.run("python", "-c", "import exp.cli; print(exp.cli.__file__)")
    assert Path(place.strip()).is_relative_to(installed.environment)
    assert installed.run("crossad", "--version") == f"crossad {__version__}\n"
    assert installed.run("ts-ad-evaluation", "--version") == f"ts-ad-evaluation {__version__}\n"
    text = installed.run("crossad", "--help")
    assert all(name in text for name in COMMANDS)
    assert installed.run("crossad", "detct", code=2) == "crossad: detct: no such command: did you mean detect?\n"


def test_a_table_is_measured(installed):
    frame = pd.DataFrame({"label": [0, 0, 1, 1, 0, 0] * 20, "score": [0.1, 0.2, 0.9, 0.8, 0.3, 0.1] * 20})
    frame.to_csv(installed.place / "table.csv", index=False)
    text = installed.run("ts-ad-evaluation", "table.csv", "--metrics", "auc", "best_f1")
    assert ["auc", "AUC_ROC", "1"] in [line.split()[:3] for line in text.splitlines()]
    assert "120 points, 40 of them anomalous, in 20 events" in text


@pytest.mark.slow
def test_a_series_and_a_stream_of_ones_own(installed):
    write_series(installed.place / "plant.csv")
    live = write_series(installed.place / "live.csv", labelled=False).read_text()
    installed.run("crossad", "detect", "plant.csv", "--out", "out", "--train-until", 400, "--set", *QUICK)
    events = pd.read_csv(installed.place / "out" / "events.csv")
    assert 430 <= events["peak_time"].iloc[0] <= 480
    for name in ("report.html", "scores.csv", "run.json", "_vus.csv", "detector/detector.json"):
        assert (installed.place / "out" / name).is_file()
    lines = installed.run("crossad", "stream", "--model", "out/detector", text=live).splitlines()
    assert len(lines) == 600


@pytest.mark.slow
def test_installed_configurations_and_the_embedded_series(installed):
    quick = ("--set", *QUICK)
    text = installed.run("crossad", "run", "--config", "configs/quickstart", *quick)
    assert "results in test_results/quickstart/results_0" in text
    assert installed.run("crossad", "run", "--config", "quickstart", *quick, "--mode", "test") == text
    page = installed.run("crossad", "report", "test_results/quickstart/results_0").strip()
    assert "The data is not available" not in (installed.place / page).read_text(encoding="utf-8")
    assert "quickstart" in installed.run("crossad", "summary", "test_results")
    error = installed.run("crossad", "run", "--config", "quickstar", code=2).splitlines()[-1]
    assert error == "error: quickstar: no such file: did you mean quickstart?"
    series = installed.environment.glob("lib/python*/site-packages/data_provider/dataset/UCR_Anomaly_FullData")
    sweep = ("ucr", "--config", "UCR", "--series", "135", "--root_path", next(series), "--jobs", 1)
    text = installed.run("crossad", *sweep, *quick)
    assert "table in test_results/UCR/ucr.csv" in text


@pytest.mark.slow
def test_an_editable_installation_is_the_clone(installed, tmp_path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    environment, source = tmp_path / "environment", _copy(tmp_path / "source")
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], tmp_path)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "other_packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(environment / "bin" / "python")
    install = [*pip, "--python", python, "install", "--no-deps", "--no-index", "--no-build-isolation"]
    _run([*install, "--editable", str(source)], tmp_path)
    place = _run([python, "-c", "import data_provider.shipped as shipped; print(shipped.CONFIGS)"], tmp_path)
    assert Path(place.strip()) == source / "configs"
    assert _run([str(environment / "bin" / "crossad"), "--version"], tmp_path) == f"crossad {__version__}\n"
