"""Time and memory of reading a long CSV file of SMD's size, at the first and second start.

python benchmarks/bench_reading.py [--rows 1416825] [--channels 38] [--folder FOLDER]

Writes a synthetic file into a temporary folder, reads it in two fresh processes in turn, and removes it.
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

sys.path.insert(0, str(Path(__file__).parents[1]))
NAME = "SYNTHETIC"


def write_dataset(root, rows, channels):
    """Write random walks, scaled to [0, 1] and rounded to 6 digits as SMD's values are, and rare labels."""
    from data_provider import Series
    from data_provider.read.long_csv import write_long_csv

    random = np.random.default_rng(2025)
    values = random.standard_normal((channels, rows)).cumsum(axis=1)
    values -= values.min(axis=1, keepdims=True)
    values = np.round(values / values.max(axis=1, keepdims=True), 6).T
    train_rows = rows // 2
    label = (random.random(rows - train_rows) < 0.04).astype(np.uint8)
    names = tuple(f"channel_{index}" for index in range(channels))
    (root / "data").mkdir()
    path = root / "data" / f"{NAME}.csv"
    write_long_csv(path, Series(NAME, values[:train_rows], values[train_rows:], label, names))
    (root / "DETECT_META.csv").write_text(f"file_name,train_lens\n{NAME}.csv,{train_rows}\n")
    return path.stat().st_size


def measure_start(root):
    """Return seconds of importing, reading and standardising, and the peak memory in GB of this process."""
    times = [time.perf_counter()]
    from data_provider import read_dataset, split_series

    times.append(time.perf_counter())
    series = read_dataset(root, NAME)
    times.append(time.perf_counter())
    split_series(series)
    times.append(time.perf_counter())
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    return *np.diff(times), peak


def in_fresh_process(function, *arguments):
    """Call the function in a new process, so that the peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main():
    """Write the file, measure both starts, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_416_825)
    parser.add_argument("--channels", type=int, default=38)
    parser.add_argument("--folder", help="where the temporary folder is made (about 3 GB at SMD's size)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        size = in_fresh_process(write_dataset, Path(folder), options.rows, options.channels)
        print(f"{options.rows * (options.channels + 1) / 1e6:.1f} million lines, {size / 1e9:.2f} GB")
        print(f"{'start':<8}{'import s':>10}{'read s':>10}{'split s':>10}{'peak GB':>10}")
        for start in ("first", "second"):
            figures = in_fresh_process(measure_start, Path(folder))
            print(f"{start:<8}" + "".join(f"{figure:>10.2f}" for figure in figures))


if __name__ == "__main__":
    main()
