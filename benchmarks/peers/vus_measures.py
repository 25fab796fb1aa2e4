"""The measures of the package vus."""

from common import main
from vus.metrics import get_metrics


def _vus(label, score, prediction):
    values = get_metrics(score, label, metric="vus", slidingWindow=100)
    return {"roc": values["VUS_ROC"], "pr": values["VUS_PR"]}


def _r_auc(label, score, prediction):
    values = get_metrics(score, label, metric="range_auc", slidingWindow=100)
    return {"roc": values["R_AUC_ROC"], "pr": values["R_AUC_PR"]}


if __name__ == "__main__":
    main({"vus": _vus, "r_auc": _r_auc})
