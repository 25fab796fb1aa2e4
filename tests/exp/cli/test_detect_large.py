"""Long files: blocks give the same tables as a whole, and the memory that a point takes."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from data_provider.read.recording import Recording
from exp.cli.tables import WrittenTimes, write_csv, write_scores
from tests.support.own_series import plant, run
from tests.support.paths import REPOSITORY

LIMIT, POINTS = 2e9, 10_000_000  # bytes of memory for this many points of one channel
PEAK = """
import re, sys
from exp.cli.detect import main
code = main(sys.argv[1:])
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
sys.exit(code)
"""
SECONDS = pd.date_range("2024-03-30 22:00", periods=20, freq="s")
NAIVE = {
    "midnights": pd.date_range("2024-03-01", periods=20, freq="D"),
    "one is not a midnight": pd.date_range("2024-03-01", periods=19, freq="D").append(SECONDS[:1]),
    "seconds": SECONDS,
    "a millisecond": SECONDS + pd.to_timedelta([0] * 19 + [1], unit="ms"),
    "a microsecond": SECONDS + pd.to_timedelta([0] * 19 + [1], unit="us"),
    "a nanosecond": SECONDS + pd.to_timedelta([0] * 7 + [1] + [0] * 12, unit="ns"),
    "stored in seconds": SECONDS.as_unit("s"),
    "stored in milliseconds": (SECONDS + pd.to_timedelta([0] * 19 + [1], unit="ms")).as_unit("ms"),
    "midnights stored in microseconds": pd.date_range("2024-03-01", periods=20, freq="D").as_unit("us"),
    "before 1970": SECONDS - pd.Timedelta(days=40_000),
}


def recording(times, points=20):
    return Recording("plant", np.zeros((points, 1)), ("flow",), times)


@pytest.mark.parametrize("times", NAIVE.values(), ids=NAIVE)
@pytest.mark.parametrize("block", [1, 3, 20])
def test_times_in_blocks_have_the_text_of_the_whole(times, block):
    written = WrittenTimes(recording(times))
    found = [text for first in range(0, 20, block) for text in written[first : first + block]]
    assert found == times.astype(str).tolist()
    assert written[np.array([19, 0])].tolist() == [found[19], found[0]]


@pytest.mark.parametrize(
    ("times", "first", "last"),
    [
        (None, 0, 19),
        (pd.Index(np.arange(20) / 4), 0.0, 4.75),
        (SECONDS.tz_localize("Europe/Berlin"), "2024-03-30 22:00:00+01:00", "2024-03-30 22:00:19+01:00"),
        (
            SECONDS.tz_localize("UTC") + pd.to_timedelta([0] * 19 + [1], unit="us"),
            "2024-03-30 22:00:00.000000+00:00",
            "2024-03-30 22:00:19.000001+00:00",
        ),
    ],
)
def test_other_times(times, first, last):
    written = WrittenTimes(recording(times))
    assert len(written) == 20
    assert written[np.array([0, 19])].tolist() == [first, last]


@pytest.mark.parametrize("block", [1, 7, 20])
def test_scores_are_written_as_one_table(tmp_path, monkeypatch, block):
    random = np.random.default_rng(0)
    score, channel_scores = (random.gamma(1, 1, shape).astype(np.float32) for shape in (20, (20, 2)))
    columns = {"score a": channel_scores[:, 0], "score b": channel_scores[:, 1]}
    flag = (score > 1).astype(np.uint8)
    write_csv(tmp_path / "whole.csv", pd.DataFrame({"time": SECONDS, "score": score, **columns, "flag": flag}))
    monkeypatch.setattr("exp.cli.tables.BLOCK", block)
    write_scores(tmp_path / "scores.csv", WrittenTimes(recording(SECONDS)), score, channel_scores, 1.0, ["a", "b"])
    assert (tmp_path / "scores.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_run_in_blocks_gives_the_same_files(tmp_path, monkeypatch):
    plant().to_parquet(tmp_path / "plant.parquet", index=False)
    options = ["--detector", "PCA", "--train-until", "0.5"]
    assert run(tmp_path / "plant.parquet", "--out", tmp_path / "whole", *options) == 0
    monkeypatch.setattr("exp.cli.tables.BLOCK", 13)
    monkeypatch.setattr("exp.detection.aggregation.BLOCK", 17)
    assert run(tmp_path / "plant.parquet", "--out", tmp_path / "blocks", *options) == 0
    for name in ("scores.csv", "events.csv", "events.jsonl"):
        assert (tmp_path / "blocks" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory of a process as Linux tells it")
def test_memory_of_long_parquet_files(tmp_path):
    few, many = 500_000, 4_000_000
    small, large = (peak_memory(tmp_path, points) for points in (few, many))
    of_a_point = (large - small) / (many - few)
    assert small + of_a_point * (POINTS - few) < LIMIT, f"{of_a_point:.0f} bytes for each point"


def peak_memory(folder, points):
    """Return the peak memory in bytes of scoring a file with this many points; the model is as small as it can be."""
    path, rows = folder / f"{points}.parquet", np.arange(points)
    values = np.sin(rows / 8) + np.random.default_rng(0).normal(0, 0.1, points)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows, unit="s")
    parquet.write_table(pa.table({"time": pa.array(times), "flow": values}), path)
    arguments = [path, "--out", folder / "out", "--detector", "Nearest", "--set", "train.epoch_windows=50"]
    command = [sys.executable, "-c", PEAK, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])
