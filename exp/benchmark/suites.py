"""The benchmarks of many univariate series: the results of one series, and the summary of the table."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_provider import Series
from ts_ad_evaluation import find_period, tsb_ad_metrics, ucr_accuracy


class Benchmark(NamedTuple):
    """A benchmark of many series.

    Attributes
    ----------
    root : Path
        Folder of its series if none is named.
    config : str
        The folder of its configuration.
    table : str
        File name of its table, in which {detector} stands for the detector's name.
    series_column : str
        The table's column that names the series.
    columns : list of str
        Columns of the table.
    measure : callable
        (series, score (n,), label (n,)) → the table's values for one series.
    figures : dict of str to str
        The summary's values: a title for each column whose mean is reported.
    running : str
        The column whose running mean the progress bar shows.
    group : callable or None
        Series name → the group whose means are also reported.
    """

    root: Path
    config: str
    table: str
    series_column: str
    columns: list[str]
    measure: Callable[[Series, np.ndarray, np.ndarray], dict]
    figures: dict[str, str]
    running: str
    group: Callable[[str], str] | None = None


def _ucr(series: Series, score: np.ndarray, label: np.ndarray) -> dict:
    figures = ucr_accuracy(label, score)
    return dict(zip(UCR.columns[1:], figures, strict=True))


def _tsb_ad(series: Series, score: np.ndarray, label: np.ndarray) -> dict:
    low, high = score.min(), score.max()
    scaled = (score - low) / (high - low) if high > low else np.zeros_like(score)
    return tsb_ad_metrics(scaled, label, window=find_period(series.test[:, 0]))


def _source(name: str) -> str:
    """Return the dataset from which a series of TSB-AD comes, the second part of its name."""
    return Path(name).name.split("_")[1]


TSB_AD_MEASURES = (
    "AUC-PR", "AUC-ROC", "VUS-PR", "VUS-ROC", "Standard-F1", "PA-F1", "Event-based-F1", "R-based-F1", "Affiliation-F",
)  # fmt: skip

UCR = Benchmark(
    root=Path("dataset/UCR_Anomaly_FullData"),
    config="configs/UCR",
    table="ucr.csv",
    series_column="name",
    columns=["name", "topk", "total_len", "alpha_quantile", "3_alpha", "10_alpha"],
    measure=_ucr,
    figures={"3_alpha": "accuracy at 3 %", "10_alpha": "accuracy at 10 %", "alpha_quantile": "mean alpha"},
    running="3_alpha",
)

TSB_AD_U = Benchmark(
    root=Path("dataset/TSB-AD-U"),
    config="configs/TSB-AD-U",
    table="{detector}.csv",
    series_column="file",
    columns=["file", "Time", *TSB_AD_MEASURES],
    measure=_tsb_ad,
    figures={name: name for name in TSB_AD_MEASURES},
    running="VUS-PR",
    group=_source,
)


def summarise(benchmark: Benchmark, table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return the means of a table's values: one row over all series, and one for each group that has values.

    Parameters
    ----------
    benchmark : Benchmark
    table : DataFrame
        A row for each series that has values.
    names : iterable of str
        All series of the benchmark.
    """
    names = pd.Series(list(names))
    parts = {"all": (table, len(names))}
    if benchmark.group is not None:
        totals = names.map(benchmark.group).value_counts()
        groups = table.groupby(table[benchmark.series_column].map(benchmark.group))
        parts |= {group: (part, totals[group]) for group, part in groups}
    rows = []
    for name, (part, total) in parts.items():
        means = part[list(benchmark.figures)].astype(float).mean().rename(benchmark.figures)
        rows.append({"series": name, "n": f"{len(part)} of {total}", **means})
    return pd.DataFrame(rows)
