"""Time the scoring of a user's series, in blocks of windows of one shape, against run.py's for the same number.

python benchmarks/bench_scoring.py --channels 1 38
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exp.detector import AnomalyDetector
from models import DETECTORS


def main() -> None:
    """Print a ratio for each model and number of channels, the median of paired runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 38])
    parser.add_argument("--models", nargs="+", default=["CrossAD"], choices=sorted(DETECTORS))
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.models:
        for channels in options.channels:
            values = np.random.default_rng(0).standard_normal((4000, channels)).cumsum(axis=0)
            few = ["train.epoch_windows=32"]
            estimator = AnomalyDetector(name, overrides=few, threshold=1.0, device="cpu").fit(values)
            detector, part = estimator.detector_, values.astype(np.float32)
            published = len(part) // detector.length
            own = (len(part) - detector.length) // estimator.stride + 1
            pairs = []
            for _ in range(options.runs + 1):
                start = time.perf_counter()
                detector.score(part, stride=estimator.stride)
                middle = time.perf_counter()
                # Repeat the same part to score as many windows as above.
                for _ in range(max(1, own // published)):
                    detector.score_published(part, cover_tail=False, name="the series")
                end = time.perf_counter()
                pairs.append(((middle - start) / own) / ((end - middle) / (published * max(1, own // published))))
            print(f"{name}, {channels} channels: {np.median(pairs[1:]):.2f} times run.py's seconds per window")


if __name__ == "__main__":
    main()
