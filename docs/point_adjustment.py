"""Show what point adjustment does to a random score: the values quoted in docs/evaluation.md.

python docs/point_adjustment.py
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ts_ad_evaluation import Evaluator

POINTS, EVENTS, LENGTH = 50_000, 25, 200  # a tenth of the points is anomalous, as in MSL
METRICS = {"best_f1_pa": "F1_best_PA", "best_f1": "F1_best", "auc": "AUC_PR", "vus": "VUS_PR", "r_auc": "R_AUC_PR"}


def measured(seed: int) -> dict[str, float]:
    """Return the measures of a uniform random score, which knows nothing of the label."""
    rng = np.random.default_rng(seed)
    label = np.zeros(POINTS, dtype=int)
    for start in range(1000, POINTS, POINTS // EVENTS):
        label[start : start + LENGTH] = 1
    tables = Evaluator(label, rng.random(POINTS), save_path=None).evaluate(list(METRICS))
    return {column: float(tables[metric][column].iloc[0]) for metric, column in METRICS.items()}


def table() -> pd.DataFrame:
    """Return mean and standard deviation of the measures over ten random scores."""
    values = pd.DataFrame([measured(seed) for seed in range(10)])
    return values.agg(["mean", "std"]).T


if __name__ == "__main__":
    sys.stdout.write(table().to_string(float_format="{:.3f}".format) + "\n")
