"""Points per second and latency of streams, and the memory of one that lasts a day.

    python benchmarks/bench_stream.py [--threads 1] [--channels 1 8 38] [--series 1 16 64] [--points 2000]
    python benchmarks/bench_stream.py --day

The detector has the automatic settings for a period of one window and is trained for one epoch. First, single points
arrive one by one: points/s, and the 50th and 99th percentiles of the milliseconds of `update`. Then several series run
in parallel, one point of each at a time. With --day, a day with one point per second runs through whole windows, and
the memory that the process takes beyond that after the first 1000 points is measured.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exp.detection.estimator import CrossADDetector
from exp.streaming.stream import MODES, StreamingDetector

DAY = 86_400
BLOCK = 1000  # points generated at a time, after which memory is checked


def waves(start: int, rows: int, channels: int, period: int) -> np.ndarray:
    """Return a stretch of noisy waves of shape (rows, channels)."""
    phases = 2 * np.pi * (np.arange(start, start + rows)[:, None] / period + np.arange(channels) / channels)
    return np.sin(phases) + 0.1 * np.random.default_rng(start).standard_normal((rows, channels))


def fit(channels: int, window: int) -> CrossADDetector:
    """Return a detector for windows of this length, hardly trained."""
    overrides = ["train.train_epochs=1", "train.epoch_windows=64", f"model.seq_len={window}"]
    return CrossADDetector(overrides=overrides, device="cpu").fit(waves(0, 10 * window, channels, window))


def fit_and_save(channels: int, window: int, folder: str) -> None:
    """Write such a detector to a folder."""
    fit(channels, window).save(folder)


def latencies(stream: StreamingDetector, points: np.ndarray) -> np.ndarray:
    """Return the seconds of `update` for each of the points (n, C) or (series, n, C)."""
    seconds = np.empty(points.shape[-2])
    for index in range(len(seconds)):
        point = points[index] if points.ndim == 2 else points[:, index : index + 1]
        start = time.perf_counter()
        stream.update(point)
        seconds[index] = time.perf_counter() - start
    return seconds


def measure(detector: CrossADDetector, mode: str, points: int, series: int | None = None) -> np.ndarray:
    """Return the seconds of each update of a stream whose first window has already been scored."""
    window, channels = detector.window, detector.n_features_in_
    x = waves(0, 2 * window + points, channels, window)
    if series is not None:
        x = np.repeat(x[None], series, axis=0)
    stream = StreamingDetector(detector, mode=mode, series=series)
    latencies(stream, x[..., : 2 * window, :])
    return latencies(stream, x[..., 2 * window :, :])


def resident() -> float:
    """Return the memory in MB that the process takes now, or its peak if that is not known."""
    file = Path("/proc/self/statm")
    if file.exists():
        return int(file.read_text().split()[1]) * resource.getpagesize() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def run_day(channels: int, window: int) -> None:
    """Run a day through whole windows, and print time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        # Memory left over from training would hide what the stream takes.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(fit_and_save, channels, window, folder).result()
        stream = StreamingDetector.load(folder, device="cpu")
    memory, alarms, seconds = [], 0, 0.0
    for start in range(0, DAY, BLOCK):
        block = waves(start, min(BLOCK, DAY - start), channels, window)
        begun = time.perf_counter()
        for point in block:
            alarms += int(stream.update(point).alarm.sum())
        seconds += time.perf_counter() - begun
        memory.append(resident())
    begun = time.perf_counter()
    scores = stream.finish()
    seconds += time.perf_counter() - begun
    alarms += int(scores.alarm.sum())
    print(f"{stream.seen} points of {channels} channels in {seconds:.1f} s, {stream.seen / seconds:.0f} points/s")
    print(f"last score of row {scores.rows[-1]}, {alarms} alarms")
    growth, last = max(memory) - memory[0], memory[-1] - memory[0]
    print(f"memory {memory[0]:.1f} MB after {BLOCK} points, at most {growth:.1f} MB more, {last:.1f} MB at the end")


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--window", type=int, default=96, help="points in a window")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 8, 38])
    parser.add_argument("--points", type=int, default=2000, help="of each stream that is timed")
    parser.add_argument("--series", type=int, nargs="*", default=[1, 16, 64], help="side by side, of --series-channels")
    parser.add_argument("--series-channels", type=int, default=8)
    parser.add_argument("--series-points", type=int, default=300, help="of each of the series side by side")
    parser.add_argument("--day", action="store_true", help="run a day of --series-channels channels, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} thread(s), window {options.window}")
    if options.day:
        run_day(options.series_channels, options.window)
        return
    print(f"{'mode':<8}{'channels':>9}{'points/s':>10}{'50th ms':>9}{'99th ms':>9}")
    for channels in options.channels:
        detector = fit(channels, options.window)
        for mode in options.modes:
            seconds = measure(detector, mode, options.points)
            median, high = 1e3 * np.percentile(seconds, [50, 99])
            rate = len(seconds) / seconds.sum()
            print(f"{mode:<8}{channels:>9}{rate:>10.0f}{median:>9.3f}{high:>9.3f}", flush=True)
    if not options.series:
        return
    print(f"{'mode':<8}{'channels':>9}{'series':>8}{'points/s':>10}  (of all series together)")
    detector = fit(options.series_channels, options.window)
    for mode in options.modes:
        for series in options.series:
            seconds = measure(detector, mode, options.series_points, series)
            rate = series * len(seconds) / seconds.sum()
            print(f"{mode:<8}{options.series_channels:>9}{series:>8}{rate:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
