"""How often `python -m exp.detect` with automatic settings ranks a known anomaly first.

    python benchmarks/own_series.py FILE … --seeds 2021 2022 2023 2024 2025

Files of the UCR archive or of TSB-AD-U; each is passed as a plain CSV, with the number of rows to train on.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_provider import read_tsb_ad, read_ucr
from exp.cli.detect import main as detect


def read(path: Path) -> tuple[pd.DataFrame, np.ndarray, int]:
    """Return all points of a file, their label, and how many are for training."""
    if path.suffix == ".txt":
        series = read_ucr(path)
        values, label = np.concatenate([series.train, series.test]), series.test_label
        label = np.concatenate([np.zeros(len(series.train), label.dtype), label])
    else:
        series = read_tsb_ad(path)  # its test part is the whole series
        values, label = series.test, series.test_label
    return pd.DataFrame(values, columns=list(series.channels)), label, len(series.train)


def main() -> None:
    """Run the benchmark and write a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2025])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ranks = []
    for path in arguments.files:
        values, label, train_rows = read(path)
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                file, out = Path(folder) / f"{path.stem}.csv", Path(folder) / "out"
                values.to_csv(file, index=False)
                options = ["--out", str(out), "--train-until", str(train_rows), "--seed", str(seed)]
                if detect([str(file), *options]):
                    sys.exit(f"{path}: failed")
                events = pd.read_csv(out / "events.csv")
            found = [label[event.start : event.end + 1].any() for event in events.itertuples()]
            ranks.append(found.index(True) + 1 if True in found else None)
            print(f"{path.stem}, seed {seed}: the anomaly is event {ranks[-1]} of {len(events)}", flush=True)
    print(f"first in {ranks.count(1)} of {len(ranks)} runs, among the events in {len(ranks) - ranks.count(None)}")


if __name__ == "__main__":
    main()
