"""Time and peak memory of `python -m exp.detect` with its defaults on files of given sizes.

python benchmarks/bench_large.py [--sizes 20000x1 25000x38 1000000x1] [--format csv] [--folder FOLDER] [-- OPTIONS]

Each file holds seasonal channels with noise, dates, and a few events in its second half; it is written into a
temporary folder and scored in a process of its own. Options after -- are passed on.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 1_000_000  # rows that are written together
EVENTS, LONG = 5, 60  # events, and their points
MEASURED = """
import resource, sys
from exp.cli.detect import main
code = main(sys.argv[1:])
unit = 1 if sys.platform == "darwin" else 1024
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
sys.exit(code)
"""


def write_series(path: Path, points: int, channels: int) -> None:
    """Write a file in blocks of rows, as CSV or Parquet by its name."""
    random = np.random.default_rng(0)
    starts = random.integers(points // 2, points - LONG, EVENTS)
    writer = None
    for first in range(0, points, BLOCK):
        rows = np.arange(first, min(points, first + BLOCK))
        waves = np.stack([np.sin(2 * np.pi * rows / (50 + channel)) for channel in range(channels)], axis=1)
        values = waves + 0.1 * random.standard_normal(waves.shape)
        for start in starts:
            values[(rows >= start) & (rows < start + LONG)] += 1.5
        columns = {f"channel {channel}": values[:, channel].round(6) for channel in range(channels)}
        times = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows, unit="s")
        table = pa.table({"time": pa.array(times.to_numpy().astype("datetime64[s]")), **columns})
        if writer is None:
            kind = parquet.ParquetWriter if path.suffix == ".parquet" else csv.CSVWriter
            writer = kind(path, table.schema)
        writer.write_table(table)
    writer.close()


def measure(path: Path, out: Path, options: list[str]) -> tuple[float, int]:
    """Return the seconds of a run, from the start of its process, and its peak memory in bytes."""
    start = time.perf_counter()
    command = [sys.executable, "-c", MEASURED, str(path), "--out", str(out), *options]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, int(done.stdout.splitlines()[-1].split()[1])


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["20000x1", "25000x38", "1000000x1"], metavar="POINTSxCHANNELS")
    parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
    parser.add_argument("--folder", type=Path, help="where files and results are written (a temporary folder)")
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    options = parser.parse_args(own[:cut])
    print(f"{'points':>10s} {'channels':>8s} {'seconds':>8s} {'peak MB':>8s}")
    for size in options.sizes:
        points, channels = map(int, size.split("x"))
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / f"series.{options.format}"
            write_series(path, points, channels)
            seconds, peak = measure(path, Path(folder) / "out", own[cut + 1 :])
        print(f"{points:10d} {channels:8d} {seconds:8.1f} {peak / 1e6:8.0f}", flush=True)


if __name__ == "__main__":
    main()
