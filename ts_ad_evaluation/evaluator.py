"""Several measures at once, as tables with the published column names and as CSV files."""

import difflib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ts_ad_evaluation.auc import auc
from ts_ad_evaluation.checks import EvaluationError, check_label, check_score
from ts_ad_evaluation.f1 import best_f1
from ts_ad_evaluation.files import replacing
from ts_ad_evaluation.range_auc import r_auc, vus
from ts_ad_evaluation.ucr import ucr_accuracy

logger = logging.getLogger(__name__)


class Measure(NamedTuple):
    """A measure of the evaluator: its function, the names of what it returns, and what it takes."""

    function: Callable
    columns: tuple[str, ...]
    note: str = ""
    takes_window: bool = False
    takes_threshold: bool = False


ORACLE = "oracle: threshold chosen with the labels"

MEASURES = {
    "auc": Measure(auc, ("AUC_ROC", "AUC_PR")),
    "r_auc": Measure(r_auc, ("R_AUC_ROC", "R_AUC_PR"), takes_window=True),
    "vus": Measure(partial(vus, rule="2024"), ("VUS_ROC", "VUS_PR"), "rule of 2024", takes_window=True),
    "vus_2022": Measure(
        partial(vus, rule="2022"), ("VUS_2022_ROC", "VUS_2022_PR"), "rule of 2022", takes_window=True
    ),
    "best_f1": Measure(best_f1, ("thre_best", "ACC_best", "P_best", "R_best", "F1_best"), ORACLE),
    "accomplish_UCR": Measure(ucr_accuracy, ("topk", "total_len", "alpha_quantile", "3_alpha", "10_alpha")),
}


class Evaluator:
    """The measures of one anomaly score against one label.

    Parameters
    ----------
    gt : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones.
    anomaly_score : array_like of shape (n,)
        Higher is more anomalous.
    save_path : str or Path or None
        Folder for the CSV files, made when missing. None writes nothing.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary, or the
        score holds NaN or infinity.

    Examples
    --------
    >>> evaluator = Evaluator([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], save_path=None)
    >>> evaluator.evaluate(["auc"])["auc"].round(3).to_dict("list")
    {'AUC_ROC': [0.75], 'AUC_PR': [0.833]}
    """

    def __init__(self, gt, anomaly_score, save_path):
        self._label = check_label(gt, both_classes=False)
        self._score = check_score(anomaly_score, "anomaly_score")
        if len(self._label) != len(self._score):
            raise EvaluationError(
                f"gt and anomaly_score differ in length: {len(self._label)} and {len(self._score)}"
            )
        self._folder = None if save_path is None else Path(save_path)

    def evaluate(self, metrics, merge=False, verbose=True, **metric_args):
        """Compute measures and write them as CSV files, once all of them succeeded.

        Parameters
        ----------
        metrics : list of str
            Names of `MEASURES`.
        merge : bool
            Write one file `_results.csv`, the tables side by side, in place of one `_<metric>.csv` for each.
        verbose : bool
            Log every table.
        **metric_args
            `slidingWindow` (100), the buffer width, and `thre` (250), the number of thresholds, of r_auc and vus.
            For every thresholded measure its thresholds, under its own name: ``f1_raw=[0.5, 0.7]``.

        Returns
        -------
        dict of str to pandas.DataFrame
            Per measure one row, or one for each threshold.

        Raises
        ------
        EvaluationError
            When a name is unknown, thresholds are missing, or a measure is undefined for the label or score.
        """
        window_args = {
            "window": metric_args.pop("slidingWindow", 100),
            "n_thresholds": metric_args.pop("thre", 250),
        }
        _check_names(metrics, metric_args)
        tables = {name: self._table(name, window_args, metric_args.get(name)) for name in metrics}
        if verbose:
            for name, table in tables.items():
                note = MEASURES[name].note
                title = f"{name} ({note})" if note else name
                logger.info("%s\n%s", title, table.to_string(index=False))
        self._write(tables, merge)
        return tables

    def _table(self, name, window_args, thresholds):
        import pandas as pd

        measure = MEASURES[name]
        arguments = window_args if measure.takes_window else {}
        if measure.takes_threshold:
            rows = [measure.function(self._label, self._score, threshold) for threshold in thresholds]
        else:
            rows = [measure.function(self._label, self._score, **arguments)]
        return pd.DataFrame(rows, columns=list(measure.columns))

    def _write(self, tables, merge):
        import pandas as pd

        if self._folder is None:
            return
        if merge:
            tables = {"results": pd.concat(list(tables.values()), axis=1)}
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            with replacing(self._folder / f"_{name}.csv") as temporary:
                table.to_csv(temporary, index=False)


def _check_names(metrics, metric_args):
    for name in metrics:
        if name not in MEASURES:
            nearest = difflib.get_close_matches(name, MEASURES, n=1)
            hint = f", did you mean {nearest[0]}?" if nearest else f", choose from {', '.join(MEASURES)}"
            raise EvaluationError(f"unknown metric {name}{hint}")
        if MEASURES[name].takes_threshold and not metric_args.get(name):
            raise EvaluationError(f"{name} needs thresholds: pass {name}=[...]")
    for name in metric_args:
        if name not in metrics or not MEASURES[name].takes_threshold:
            raise EvaluationError(
                f"unknown argument {name}: only slidingWindow, thre and thresholds by metric"
            )
