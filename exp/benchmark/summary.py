"""One table of the results of many runs beside the published figures.

Run as ``python -m exp.summary test_results``.
"""

import csv
import statistics
from pathlib import Path
from typing import NamedTuple

from exp.benchmark.runs import NOTES
from ts_ad_evaluation.tables import Column, render

PUBLISHED = Path(__file__).with_name("published_results.csv")
PUBLISHED_MODEL = "CrossAD"


class Row(NamedTuple):
    """A metric over all runs of one model on one dataset; without any figure, `metric` is empty."""

    dataset: str
    model: str
    metric: str
    mean: float | None
    deviation: float | None
    runs: tuple[int, int]  # used, of
    series: tuple[int, int] | None
    published: float | None


def summarise(runs):
    """Average the runs of each model on each dataset.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    rows : list of Row
    problems : dict of (dataset, model) to list of str
        Every run that is missing from a mean, with the reason.
    """
    published = _published_figures()
    order = {name: rank for rank, name in enumerate(dict.fromkeys(dataset for dataset, _ in published))}
    groups = {}
    for run in runs:
        groups.setdefault((run.dataset, run.model), []).append(run)
    rows, problems = [], {}
    for key in sorted(groups, key=lambda key: (order.get(key[0], len(order)), key)):
        group = groups[key]
        metrics = sorted({metric for run in group for metric in run.values}, key=_metric_order)
        figures = published if key[1] in ("", PUBLISHED_MODEL) else {}
        rows += [_row(key, metric, group, figures) for metric in metrics or [""]]
        problems[key] = [f"{run.label()}: {text}" for run in group for text in _all_problems(run, metrics)]
    return rows, {key: texts for key, texts in problems.items() if texts}


def _row(key, metric, group, published):
    values = [run.values[metric] for run in group if metric in run.values]
    numbers = [value.number for value in values if value.number is not None]
    series = None
    if any(run.of_series for run in group):
        series = (sum(value.used for value in values), sum(value.total for value in values))
    return Row(
        *key,
        metric=metric,
        mean=statistics.fmean(numbers) if numbers else None,
        deviation=statistics.stdev(numbers) if len(numbers) > 1 else None,
        runs=(len(numbers), len(group)),
        series=series,
        published=published.get((key[0], metric.partition(" ")[0])),
    )


def _metric_order(metric):
    """The evaluator's order first, then by name."""
    column = metric.partition(" ")[0]
    return (list(NOTES).index(column) if column in NOTES else len(NOTES)), metric


def _all_problems(run, metrics):
    """Why `run` is missing from means over `metrics`: its own problems, undefined figures, absent ones."""
    # A table of series names its undefined ones itself.
    values = {} if run.of_series else run.values
    undefined = [metric for metric, value in values.items() if value.number is None]
    absent = [metric for metric in metrics if metric not in run.values] if run.values else []
    return [
        *run.problems,
        *([f"undefined: {', '.join(undefined)}"] if undefined else []),
        *([f"not computed: {', '.join(absent)}"] if absent else []),
    ]


def format_summary(rows, problems, kind="text"):
    """Write what `summarise` returns as a table, the missing runs below it (in CSV in its last column).

    Parameters
    ----------
    rows : list of Row
    problems : dict of (dataset, model) to list of str
    kind : {"text", "csv", "markdown", "latex"}

    Returns
    -------
    str
    """
    notes = [NOTES.get(row.metric.partition(" ")[0], "") for row in rows]
    table = [
        (Column("dataset"), [row.dataset for row in rows]),
        (Column("model"), [row.model for row in rows]),
        (Column("metric"), [row.metric for row in rows]),
        (Column("mean", ".4f"), [row.mean for row in rows]),
        (Column("deviation", ".4f"), [row.deviation for row in rows]),
        *_counts("runs", [row.runs for row in rows], kind),
        *_counts("series", [row.series for row in rows], kind),
        (Column("published", ".4f"), [row.published for row in rows]),
        (Column("difference", "+.4f"), [_difference(row) for row in rows]),
        # The column has room for the word before the colon, the line below the table for all of it.
        (Column("note"), notes if kind == "csv" else [note.partition(":")[0] for note in notes]),
    ]
    if kind == "csv":
        table.append((Column("missing"), ["; ".join(problems.get((row.dataset, row.model), ())) for row in rows]))
    below = [note for note in dict.fromkeys(notes) if ":" in note]
    for (dataset, model), texts in problems.items():
        below += [f"missing in {dataset} {model}".rstrip() + f": {text}" for text in texts]
    columns, cells = zip(*table, strict=True)
    return render(columns, list(zip(*cells, strict=True)), below, kind=kind)


def _counts(name, pairs, kind):
    """Columns of (used, of): two numbers for a program, `3 of 5` for a reader."""
    if kind == "csv":
        used, total = zip(*(pair or (None, None) for pair in pairs), strict=True)
        return [(Column(name), used), (Column(f"{name}_total"), total)]
    return [(Column(name), [f"{pair[0]} of {pair[1]}" if pair else None for pair in pairs])]


def _difference(row):
    partial = row.series is not None and row.series[0] < row.series[1]  # the published figure is over all series
    return None if partial or None in (row.mean, row.published) else row.mean - row.published


def _published_figures():
    with PUBLISHED.open(newline="") as file:
        return {(row["dataset"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}
