"""Evaluation measures for time-series anomaly detection on arrays: exact, and fast at any length.

Every measure is a function of a label (1 for anomalous points) and a score (higher is more anomalous) that
returns a named tuple; `Evaluator` computes several and writes them as CSV files. The hit rates measure how well
a detector identifies the channels that caused an event.
"""

from ts_ad_evaluation.affiliation import Affiliation, affiliation
from ts_ad_evaluation.auc import AUC, auc
from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.evaluator import Evaluator
from ts_ad_evaluation.f1 import F1, best_f1, best_f1_pa, f1_event, f1_pa, f1_r, f1_raw
from ts_ad_evaluation.interpretation import hit_rate, hit_rate_of_rankings, random_hit_rate
from ts_ad_evaluation.pate import PATE, pate
from ts_ad_evaluation.range_auc import VUS, RangeAUC, r_auc, vus
from ts_ad_evaluation.spot import SPOT, SPOTThreshold, spot_threshold
from ts_ad_evaluation.thresholds import prior_anomaly_rate
from ts_ad_evaluation.tsb_ad import find_period, tsb_ad_metrics
from ts_ad_evaluation.ucr import UCRAccuracy, ucr_accuracy

__all__ = [
    "AUC",
    "F1",
    "PATE",
    "SPOT",
    "VUS",
    "Affiliation",
    "EvaluationError",
    "Evaluator",
    "RangeAUC",
    "SPOTThreshold",
    "UCRAccuracy",
    "affiliation",
    "auc",
    "best_f1",
    "best_f1_pa",
    "f1_event",
    "f1_pa",
    "f1_r",
    "f1_raw",
    "find_period",
    "hit_rate",
    "hit_rate_of_rankings",
    "pate",
    "prior_anomaly_rate",
    "r_auc",
    "random_hit_rate",
    "spot_threshold",
    "tsb_ad_metrics",
    "ucr_accuracy",
    "vus",
]
