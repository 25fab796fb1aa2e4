"""Measures of time-series anomaly detection on arrays: exact, and fast at any length.

Every measure is a function of a label (1 for anomalous points) and a score (higher is more anomalous) that
returns a named tuple; `Evaluator` computes several and writes them as CSV files.
"""

from ts_ad_evaluation.auc import AUC, auc
from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.evaluator import Evaluator
from ts_ad_evaluation.f1 import F1, best_f1, f1_event, f1_pa, f1_r, f1_raw
from ts_ad_evaluation.range_auc import VUS, RangeAUC, r_auc, vus
from ts_ad_evaluation.ucr import UCRAccuracy, ucr_accuracy

__all__ = [
    "AUC",
    "F1",
    "VUS",
    "EvaluationError",
    "Evaluator",
    "RangeAUC",
    "UCRAccuracy",
    "auc",
    "best_f1",
    "f1_event",
    "f1_pa",
    "f1_r",
    "f1_raw",
    "r_auc",
    "ucr_accuracy",
    "vus",
]
