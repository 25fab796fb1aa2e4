"""Every registered model through the programs on a device, and CrossAD's detector and streams."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from exp.detector import AnomalyDetector, CrossADDetector
from exp.streaming.stream import StreamingDetector
from models import DETECTORS
from tests.exp.training.test_processes import free_port
from tests.support.command_line import REPOSITORY, WINDOW, Place, settings
from tests.support.detector_cases import fitted, unfitted, waves
from tests.support.many_series import ManySeries
from tests.support.network_cases import SMALL_NETWORKS

LISTS = {"ms_kernels", "patch_sizes", "kernel_sizes"}


def place_of(path, name):
    """Return a place whose configuration names a registered model."""
    place = Place(path).fill()
    model = {key: list(value) if key in LISTS else value for key, value in SMALL_NETWORKS[name].items()}
    mapping = settings() | {"model": {"name": name, **model, "seq_len": WINDOW}}
    if DETECTORS[name].closed_form:
        mapping["train"] = {"batch_size": 20}
    place.config.write_text(yaml.safe_dump(mapping))
    if name != "CrossAD":
        place.results = place.save_path / "TOY" / name / "results_0"
    return place


def record(place):
    return json.loads((place.results / "run.json").read_text())


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_trains_resumes_scores_and_evaluates(device, tmp_path, name):
    whole, broken = (place_of(tmp_path / which, name) for which in ("whole", "broken"))
    ended = whole.run("--device", device)
    assert ended.returncode == 0, ended.stderr
    broken.run("--device", device, die_at=("after", "training_state.pth", 0))
    ended = broken.run("--device", device, "--resume")
    assert ended.returncode == 0, ended.stderr
    losses = [
        [(epoch["train_loss"], epoch["validation_loss"]) for epoch in record(one)["epochs"]] for one in (whole, broken)
    ]
    assert len(losses[0]) == (1 if DETECTORS[name].closed_form else 3)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-2)
    assert record(whole)["device"].startswith(device)
    assert np.isfinite(np.load(whole.results / "a_test_energy.npy")).all()
    ended = whole.run("--device", device, "--mode", "evaluate")
    assert ended.returncode == 0, ended.stderr
    assert (whole.results / "_affiliation.csv").is_file()


@pytest.mark.parametrize("changes", [["train.precision=bf16"], ["train.compile=true"]])
def test_settings_of_speed(device, tmp_path, changes):
    if device == "cpu" and "compile" in changes[0]:
        pytest.skip("compiling for the CPU takes long, and is tested elsewhere")
    place = place_of(tmp_path, "CrossAD")
    ended = place.run("--device", device, "--set", *changes)
    assert ended.returncode == 0, ended.stderr
    assert "VUS_ROC" in ended.stdout


def test_a_sweep_with_two_workers(device, tmp_path):
    many = ManySeries(tmp_path)
    assert many.run("--device", device, "--jobs", "2") == 0
    assert len(many.table()) == 4
    assert device in json.loads((many.folder(1) / "run.json").read_text())["device"]


def test_the_detector_scores_as_on_the_cpu(device, tmp_path):
    series = waves(500, seed=5)
    fitted().save(tmp_path)
    expected = fitted().decision_function(series)
    score = CrossADDetector.load(tmp_path, device=device).decision_function(series)
    np.testing.assert_allclose(score, expected, rtol=1e-3, atol=1e-4 * expected.max())


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_every_detector_trains_and_streams(device, name):
    steps = [] if DETECTORS[name].closed_form else ["train.train_epochs=1"]
    overrides = ["train.batch_size=32", "train.epoch_windows=64", *steps]
    detector = AnomalyDetector(name, overrides=overrides, device=device).fit(waves(400))
    assert detector.detector_.scorer.device.type == device
    score = detector.decision_function(waves(200, seed=3))
    stream = StreamingDetector(detector)
    streamed = np.concatenate([stream.update(waves(200, seed=3)).score, stream.finish().score])
    np.testing.assert_allclose(streamed, score, rtol=1e-3, atol=1e-4 * np.abs(score).max())


def test_the_detector_finds_what_is_out_of_place(device):
    detector = unfitted(device=device).fit(waves(400))
    series = waves(300, seed=6)
    series[150:155] += 30
    assert detector.decision_function(series).argmax() in range(130, 175)


@pytest.mark.parametrize("mode", ["window", "causal"])
def test_streams_score_as_the_detector(device, tmp_path, mode):
    series = waves(300, seed=7)
    fitted().save(tmp_path)
    parts, expected = [], []
    for place, blocks in ((device, (1, 2, 50, 247)), ("cpu", (300,))):
        stream = StreamingDetector.load(tmp_path, device=place, mode=mode)
        got = [stream.update(series[end - size : end]) for size, end in zip(blocks, np.cumsum(blocks), strict=True)]
        got.append(stream.finish())
        (parts if place == device and not parts else expected).append(np.concatenate([one.score for one in got]))
    np.testing.assert_allclose(parts[0], expected[0], rtol=1e-3, atol=1e-4 * expected[0].max())


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_processes_on_two_devices(place):
    launch = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master-port", free_port(), "run.py"]
    command = [sys.executable, *launch, *place.arguments("--device", "cuda")]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("VUS_ROC") == 1
    alone = Place(place.path / "alone").fill()
    assert alone.run("--device", "cuda").returncode == 0
    losses = [[epoch["validation_loss"] for epoch in record(one)["epochs"]] for one in (place, alone)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.2)
