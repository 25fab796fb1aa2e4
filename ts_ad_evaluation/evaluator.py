"""Several measures at once, as tables with the published column names and as CSV files."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.affiliation import affiliation
from ts_ad_evaluation.auc import auc
from ts_ad_evaluation.checks import EvaluationError, check_label, check_score
from ts_ad_evaluation.f1 import best_f1, best_f1_pa, f1_event, f1_pa, f1_r, f1_raw
from ts_ad_evaluation.files import replacing
from ts_ad_evaluation.pate import pate
from ts_ad_evaluation.range_auc import r_auc, vus
from ts_ad_evaluation.spot import spot_threshold
from ts_ad_evaluation.thresholds import prior_anomaly_rate
from ts_ad_evaluation.ucr import ucr_accuracy

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

THRESHOLD = "threshold"
WINDOW = "window"


class Measure(NamedTuple):
    """A measure of the evaluator."""

    function: Callable
    columns: str  # names of the values it returns, in order
    takes: str = ""  # THRESHOLD, WINDOW (and the number of thresholds) or nothing
    note: str = ""  # what a reader of the table needs to know


MEASURES = {
    "auc": Measure(auc, "AUC_ROC AUC_PR"),
    "r_auc": Measure(r_auc, "R_AUC_ROC R_AUC_PR", WINDOW),
    "vus": Measure(vus, "VUS_ROC VUS_PR", WINDOW, "rule of 2024"),
    "vus_2022": Measure(partial(vus, rule="2022"), "VUS_2022_ROC VUS_2022_PR", WINDOW, "rule of 2022"),
    "best_f1": Measure(
        best_f1, "thre_best ACC_best P_best R_best F1_best", note="oracle: threshold chosen with the labels"
    ),
    "best_f1_pa": Measure(
        best_f1_pa,
        "thre_best_PA ACC_best_PA P_best_PA R_best_PA F1_best_PA",
        note="oracle, point-adjusted: threshold chosen with the labels, an event hit once counts in full",
    ),
    "f1_raw": Measure(f1_raw, "thre_raw ACC_raw P_raw R_raw F1_raw", THRESHOLD),
    "f1_pa": Measure(f1_pa, "thre_PA ACC_PA P_PA R_PA F1_PA", THRESHOLD),
    "f1_r": Measure(f1_r, "thre_r ACC_r P_r R_r F1_r", THRESHOLD),
    "f1_event": Measure(f1_event, "thre_event ACC_event P_event R_event F1_event", THRESHOLD),
    "affiliation": Measure(
        affiliation,
        "Affiliation_thre Affiliation_ACC Affiliation_P Affiliation_R Affiliation_F1",
        THRESHOLD,
    ),
    "pate": Measure(pate, "pate"),
    "accomplish_UCR": Measure(ucr_accuracy, "topk total_len alpha_quantile 3_alpha 10_alpha"),
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
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary, or
        the score holds NaN or infinity.

    Examples
    --------
    >>> evaluator = Evaluator([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], save_path=None)
    >>> tables = evaluator.evaluate(["auc", "f1_raw"], f1_raw=[0.2, 0.5])
    >>> tables["f1_raw"].round(3).to_dict("list")["F1_raw"]
    [0.8, 0.667]
    """

    def __init__(self, gt: ArrayLike, anomaly_score: ArrayLike, save_path: str | os.PathLike[str] | None):
        self._label = check_label(gt, both_classes=False)
        self._score = check_score(anomaly_score, "anomaly_score")
        if len(self._label) != len(self._score):
            raise EvaluationError(f"gt and anomaly_score differ in length: {len(self._label)} and {len(self._score)}")
        self._folder = None if save_path is None else Path(save_path)

    def evaluate(
        self, metrics: Sequence[str], merge: bool = False, verbose: bool = True, **metric_args: Any
    ) -> dict[str, pd.DataFrame]:
        """Compute measures; write them as CSV files once all of them have succeeded.

        Parameters
        ----------
        metrics : list of str
            Names of `MEASURES`.
        merge : bool
            Write one file `_results.csv` with the tables side by side instead of one `_<metric>.csv` each.
        verbose : bool
            Log every table.
        **metric_args
            Thresholds of each measure that needs them, by its name: ``f1_raw=[0.5, 0.7]``. For r_auc and the
            VUS, `slidingWindow` (100) is the buffer width and `thre` (250) the number of thresholds.

        Returns
        -------
        dict of str to pandas.DataFrame
            One table per measure, with one row, or one row per threshold.

        Raises
        ------
        EvaluationError
            When a name is unknown, thresholds are missing, or a measure is undefined for the label or score.
        """
        _check_names(metrics, metric_args)
        tables = {name: self._table(name, metric_args) for name in metrics}
        if verbose:
            for name, table in tables.items():
                note = MEASURES[name].note
                title = f"{name} ({note})" if note else name
                logger.info("%s\n%s", title, table.to_string(index=False))
        self._write_tables(tables, merge)
        return tables

    def find_thres(
        self,
        method: str = "spot",
        verbose: bool = True,
        *,
        init_score: ArrayLike | None = None,
        q: ArrayLike = (),
        pAR: ArrayLike = (),
    ) -> list[float]:
        """Find thresholds without the labels and write them as `_<method>_thres_info.csv`.

        Parameters
        ----------
        method : {"spot", "prior_anomaly_rate"}
            "spot" finds, for each risk in `q`, the mean threshold of a SPOT run over the score;
            "prior_anomaly_rate" finds, for each rate in `pAR`, the threshold that this share of the points exceeds.
        verbose : bool
            Log the thresholds.
        init_score : array_like of shape (m,), optional
            Score of the training part. SPOT needs it; without it, a prior rate is applied to the evaluated score,
            as published.
        q : sequence of float
            Risks: probabilities that a normal point exceeds the threshold.
        pAR : sequence of float
            Prior anomaly rates, in [0, 1].

        Returns
        -------
        list of float
            A threshold for each risk or rate.

        Raises
        ------
        EvaluationError
            When the method is unknown, its risks, rates or initial scores are missing or out of range, or an
            argument of the other method is given.
        """
        import pandas as pd

        values = _chosen_values(method, {"spot": ("q", q), "prior_anomaly_rate": ("pAR", pAR)})
        if method == "spot":
            if init_score is None:
                raise EvaluationError("spot needs the score of the training part: pass init_score=...")
            thresholds = [spot_threshold(init_score, self._score, risk=risk).threshold for risk in values]
        else:
            reference = self._score if init_score is None else init_score
            thresholds = [prior_anomaly_rate(reference, rate) for rate in values]
        table = pd.DataFrame({"hyper-parameter": values, "threshold": thresholds})
        if verbose:
            logger.info("thresholds of %s\n%s", method, table.to_string(index=False))
        self._write(f"{method}_thres_info", table)
        return thresholds

    def _table(self, name: str, metric_args: dict[str, Any]) -> pd.DataFrame:
        import pandas as pd

        measure = MEASURES[name]
        if measure.takes == THRESHOLD:
            thresholds = np.atleast_1d(metric_args[name])
            rows = [measure.function(self._label, self._score, threshold) for threshold in thresholds]
        elif measure.takes == WINDOW:
            window, n_thresholds = metric_args.get("slidingWindow", 100), metric_args.get("thre", 250)
            rows = [measure.function(self._label, self._score, window=window, n_thresholds=n_thresholds)]
        else:
            rows = [measure.function(self._label, self._score)]
        return pd.DataFrame(rows, columns=measure.columns.split())

    def _write_tables(self, tables: dict[str, pd.DataFrame], merge: bool) -> None:
        import pandas as pd

        if merge:
            tables = {"results": pd.concat(list(tables.values()), axis=1)}
        for name, table in tables.items():
            self._write(name, table)

    def _write(self, name: str, table: pd.DataFrame) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._folder / f"_{name}.csv") as temporary:
            table.to_csv(temporary, index=False)


def _chosen_values(method: str, parameters: dict[str, tuple[str, ArrayLike]]) -> list[float]:
    """The values for the chosen method, given those of all methods by name; a single number becomes a list."""
    if method not in parameters:
        raise EvaluationError(f"unknown method {method!r}, choose from {', '.join(parameters)}")
    for other, (name, values) in parameters.items():
        if other != method and np.size(values):
            raise EvaluationError(f"{name} belongs to the method {other}: leave it out for {method}")
    name, values = parameters[method]
    array = np.atleast_1d(np.asarray(values))
    if array.size == 0:
        raise EvaluationError(f"{method} needs at least one value: pass {name}=[...]")
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise EvaluationError(f"{name} must be a list of numbers, got {values!r}")
    return array.tolist()


def _check_names(metrics: Sequence[str], metric_args: dict[str, Any]) -> None:
    thresholded = [name for name, measure in MEASURES.items() if measure.takes == THRESHOLD]
    are_names = not isinstance(metrics, str) and np.iterable(metrics) and all(isinstance(name, str) for name in metrics)
    if not are_names or len(metrics) == 0:
        raise EvaluationError(f"metrics must be a list of names, got {metrics!r}")
    for name in metrics:
        if name not in MEASURES:
            raise EvaluationError(f"unknown metric {name!r}, {_nearest(name, MEASURES)}")
        if name in thresholded and np.size(metric_args.get(name, ())) == 0:
            raise EvaluationError(f"{name} needs thresholds: pass {name}=[...]")
    known = ["slidingWindow", "thre", *thresholded]
    for name in metric_args:
        if name not in known:
            raise EvaluationError(f"unknown argument {name!r}, {_nearest(name, known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"choose from {', '.join(known)}"
