"""One table of the results of many runs and the published ones.

Run as ``python -m exp.summary test_results``.
"""

import csv
import statistics
from pathlib import Path
from typing import NamedTuple

from exp.benchmark.configurations import name_differences
from exp.benchmark.runs import NOTES
from ts_ad_evaluation.tables import Column, render

PUBLISHED = Path(__file__).with_name("published_results.csv")
WIDE = 40  # characters of a configuration that its column has room for


class Row(NamedTuple):
    """A metric over all runs of one configuration of a model on a dataset; without any result, `metric` is empty."""

    dataset: str
    model: str
    configuration: str  # how it differs from the model's other configurations on the dataset
    metric: str
    mean: float | None
    std: float | None
    runs: tuple[int, int]  # used, of
    series: tuple[int, int] | None
    published: float | None
    stopped: int = 0  # runs whose training a limit of time ended


def summarise(runs):
    """Average the runs of each configuration of each model on each dataset.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    rows : list of Row
    problems : dict of (dataset, model, configuration) to list of str
        Every run that is missing from a mean, with the reason.
    """
    published = _read_published()
    order = {name: rank for rank, name in enumerate(dict.fromkeys(dataset for dataset, _ in published))}
    groups = _group(runs)
    rows, problems = [], {}
    for key in sorted(groups, key=lambda key: (order.get(key[0], len(order)), key)):
        group = groups[key]
        metrics = sorted({metric for run in group for metric in run.values}, key=_metric_order)
        rows += [_row(key, metric, group, _published_values(published, *key[:2])) for metric in metrics or [""]]
        problems[key] = [f"{run.label()}: {text}" for run in group for text in _all_problems(run, metrics)]
    return rows, {key: texts for key, texts in problems.items() if texts}


def _group(runs):
    """The runs by dataset, model and configuration."""
    by_model = {}
    for run in runs:
        by_model.setdefault((run.dataset, run.model), []).append(run)
    groups = {}
    for key, group in by_model.items():
        for run, configuration in zip(group, name_differences(run.settings for run in group), strict=True):
            groups.setdefault((*key, configuration), []).append(run)
    return groups


def _row(key, metric, group, published):
    values = [run.values[metric] for run in group if metric in run.values]
    numbers = [value.number for value in values if value.number is not None]
    series = None
    if any(run.of_series for run in group):
        series = (sum(value.used for value in values), sum(run.of_series for run in group))
    return Row(
        *key,
        metric=metric,
        mean=statistics.fmean(numbers) if numbers else None,
        std=statistics.stdev(numbers) if len(numbers) > 1 else None,
        runs=(len(numbers), len(group)),
        series=series,
        published=published.get(metric.partition(" ")[0]),
        stopped=sum(run.stopped for run in group if metric in run.values),
    )


def _metric_order(metric):
    """The evaluator's order first, then by name."""
    column = metric.partition(" ")[0]
    return (list(NOTES).index(column) if column in NOTES else len(NOTES)), metric


def _all_problems(run, metrics):
    """Why `run` is missing from means over `metrics`: its own problems, undefined and absent results."""
    # A table of series already names its undefined ones.
    values = {} if run.of_series else run.values
    undefined = [metric for metric, value in values.items() if value.number is None]
    absent = [metric for metric in metrics if metric not in run.values] if run.values else []
    return [
        *run.problems,
        *([f"undefined: {', '.join(undefined)}"] if undefined else []),
        *([f"not computed: {', '.join(absent)}"] if absent else []),
    ]


def format_summary(rows, problems, kind="text"):
    """Write the result of `summarise` as a table, with the missing runs below it (in CSV, in its last column).

    Parameters
    ----------
    rows : list of Row
    problems : dict of (dataset, model, configuration) to list of str
    kind : {"text", "csv", "markdown", "latex"}

    Returns
    -------
    str
    """
    notes = [NOTES.get(row.metric.partition(" ")[0], "") for row in rows]
    wide = [told for told in dict.fromkeys(row.configuration for row in rows) if len(told) > WIDE and kind != "csv"]
    shown = {told: f"({number})" for number, told in enumerate(wide, start=1)}
    configuration = (Column("configuration"), [shown.get(row.configuration, row.configuration) for row in rows])
    table = [
        (Column("dataset"), [row.dataset for row in rows]),
        (Column("model"), [row.model for row in rows]),
        *([configuration] if kind == "csv" or any(row.configuration for row in rows) else []),
        (Column("metric"), [row.metric for row in rows]),
        (Column("mean", ".4f"), [row.mean for row in rows]),
        (Column("std", ".4f"), [row.std for row in rows]),
        *_counts("runs", [row.runs for row in rows], kind),
        *_counts("series", [row.series for row in rows], kind),
        (Column("published", ".4f"), [row.published for row in rows]),
        (Column("difference", "+.4f"), [_difference(row) for row in rows]),
        # The column has room only for the word before the colon, the line below the table for all of it.
        (Column("note"), [_note(row, note, kind) for row, note in zip(rows, notes, strict=True)]),
    ]
    if kind == "csv":
        table.append((Column("missing"), ["; ".join(problems.get(row[:3], ())) for row in rows]))
    below = [note for note in dict.fromkeys(notes) if ":" in note]
    below += [f"configuration {number}: {told}" for told, number in shown.items()]
    for key, texts in problems.items():
        below += [f"missing in {' '.join(filter(None, key))}: {text}" for text in texts]
    columns, cells = zip(*table, strict=True)
    return render(columns, list(zip(*cells, strict=True)), below, kind=kind)


def _note(row, note, kind):
    """What a reader needs to know about a metric, and about the runs."""
    stopped = f"{row.stopped} of {row.runs[1]} runs stopped early" if row.stopped else ""
    return "; ".join(filter(None, [note if kind == "csv" else note.partition(":")[0], stopped]))


def _counts(name, pairs, kind):
    """Columns of (used, of): two numbers for a program, `3 of 5` for a reader."""
    if kind == "csv":
        used, total = zip(*(pair or (None, None) for pair in pairs), strict=True)
        return [(Column(name), used), (Column(f"{name}_total"), total)]
    return [(Column(name), [f"{pair[0]} of {pair[1]}" if pair else None for pair in pairs])]


def _difference(row):
    partial = row.series is not None and row.series[0] < row.series[1]  # the published value is over all series
    return None if partial or None in (row.mean, row.published) else row.mean - row.published


def _read_published():
    """The published values: dict of (dataset, model) to dict of metric to float."""
    values = {}
    with PUBLISHED.open(newline="") as file:
        for row in csv.DictReader(file):
            values.setdefault((row["dataset"], row["model"]), {})[row["metric"]] = float(row["value"])
    return values


def _published_values(published, dataset, model):
    """The values to compare with; those of the dataset's only published model if a run does not state its own."""
    candidates = [values for (name, own), values in published.items() if name == dataset and model in ("", own)]
    return candidates[0] if len(candidates) == 1 else {}
