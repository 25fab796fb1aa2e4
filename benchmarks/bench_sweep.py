"""What a sweep costs beyond training and scoring, and how much faster two workers are than one.

python benchmarks/bench_sweep.py [--seeds 8] [--epochs 20] [--jobs 2]

Runs the included series with several seeds, once with one worker and once with several, each in a fresh process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def sweep(folder, seeds, epochs, jobs):
    """Return the seconds of a whole program, and those of its training and scoring."""
    arguments = [
        *("--config", "configs/UCR", "--series", "135", "--seeds", *map(str, range(seeds))),
        *("--set", f"train.train_epochs={epochs}", f"train.patience={epochs}", "--device", "cpu"),
        *("--save_path", str(folder), "--jobs", str(jobs)),
    ]
    start = time.perf_counter()
    subprocess.run([sys.executable, "run_UCR.py", *arguments], cwd=ROOT, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    results = [json.loads(file.read_text()) for file in folder.rglob("result.json")]
    return seconds, sum(result["train_seconds"] + result["score_seconds"] for result in results)


def main():
    """Run both and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone, work = sweep(Path(folder) / "alone", options.seeds, options.epochs, 1)
        first, first_work = sweep(Path(folder) / "start", 1, 1, 1)
        together, _ = sweep(Path(folder) / "together", options.seeds, options.epochs, options.jobs)
    print(f"one worker: {alone:.1f} s, including training and scoring {work:.1f} s")
    start = first - first_work
    overhead, own = 100 * (alone - work) / work, 100 * (alone - start - work) / work
    print(f"overhead: {overhead:.1f} %, and {own:.1f} % without the start of the program ({start:.1f} s)")
    print(f"{options.jobs} workers: {together:.1f} s, {alone / together:.2f} times as fast")


if __name__ == "__main__":
    main()
