"""Reads the results of runs from their folders.

A run is stored in one of three ways:

- `run.json` (keys `dataset`, `model`, `seed`, `config`, `status`, `error`) next to the evaluator's `_<metric>.csv`;
- `ucr.csv`, a run over the UCR archive, one row for each series;
- `DETECTOR.csv` with the columns of TSB-AD, a run over TSB-AD-U, one row for each series.

Next to a table of series, `not_counted.csv` (the series, `status`, `reason`) lists those without results, and the
folder `series` has the `run.json` of each.
"""

import csv
import json
import math
import os
import statistics
from pathlib import Path
from typing import NamedTuple

from exp.benchmark.configurations import flatten, merge
from exp.benchmark.suites import TSB_AD_MEASURES, UCR
from models import DETECTORS
from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.evaluator import MEASURES, THRESHOLD

ORACLE = MEASURES["best_f1"].note
# UCR's columns under the names of their means over series.
UCR_NAMES = {
    "3_alpha": "accuracy_at_3_percent",
    "10_alpha": "accuracy_at_10_percent",
    "alpha_quantile": "mean_alpha_quantile",
    "aplha_quantile": "mean_alpha_quantile",  # the published spelling
}
OF_AREAS = {"AUC": "", "VUS": MEASURES["vus"].note}
TSB_AD_NOTES = {name: OF_AREAS.get(name[:3], ORACLE) for name in TSB_AD_MEASURES}
NOT_COUNTED = "not_counted.csv"
SHOWN = 3  # number of series that a message names
UCR_TABLE = UCR.table
# Ranks and thresholds of different series or runs have no mean.
UNAVERAGED = {"topk", "total_len", "thre_best", "thre_best_PA"} | {
    measure.columns.split()[0] for measure in MEASURES.values() if measure.takes == THRESHOLD
}
# What a reader needs to know about a metric; in the order of the tables.
NOTES = {
    **{column: measure.note for measure in MEASURES.values() for column in measure.columns.split()},
    **dict.fromkeys(UCR_NAMES.values(), ""),
    **TSB_AD_NOTES,
}


class Value(NamedTuple):
    """A run's result: None if undefined, else its mean over `used` of its `total` series."""

    number: float | None
    used: int = 1
    total: int = 1


class Run(NamedTuple):
    """One run. `model` and `settings` are empty if no file states them."""

    folder: str
    dataset: str
    model: str
    seed: str
    values: dict  # metric -> Value
    problems: tuple[str, ...]
    of_series: int  # number of series in a table; 0: no table
    settings: dict  # section.key -> value
    stopped: bool = False  # before the end of its training, by a limit of time

    def label(self):
        """Readable name of the run."""
        return f"{self.folder} (seed {self.seed})" if self.seed else self.folder


def find_runs(root):
    """Read every run below `root`.

    Parameters
    ----------
    root : str or Path

    Returns
    -------
    list of Run
        In the order of their paths. Anything that could not be read is among the problems of its run.

    Raises
    ------
    EvaluationError
        When `root` is not a folder or contains no run.
    """
    root = Path(root)
    if not root.is_dir():
        raise EvaluationError(f"{root} is not a folder: name the one that holds the results")
    runs = []
    for name, subfolders, files in os.walk(root):
        subfolders.sort()
        folder = Path(name)
        tables = sorted(file for file in files if _is_series_table(folder / file))
        metric_files = sorted(file for file in files if _is_metric_file(file))
        if tables:
            runs += [_read_table(root, folder / table, alone=len(tables) == 1) for table in tables]
        # With result.json it is the run of one series of many, which is already in a table.
        elif ("run.json" in files or metric_files) and "result.json" not in files:
            runs.append(_read_run(root, folder, metric_files))
    if not runs:
        raise EvaluationError(f"no run below {root}: expected run.json, _<metric>.csv, {UCR_TABLE} or DETECTOR.csv")
    return runs


def _is_series_table(path):
    """Whether a file is the table of a benchmark: by its name, or by the columns of TSB-AD."""
    if path.name == UCR_TABLE or (path.suffix == ".csv" and path.stem in DETECTORS):
        return True
    if path.suffix != ".csv" or path.name.startswith("_"):
        return False
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return "file" in header and not set(header).isdisjoint(TSB_AD_NOTES)


def _is_metric_file(name):
    return name.startswith("_") and name.endswith(".csv") and not name.endswith("_thres_info.csv")


def _read_run(root, folder, metric_files):
    """Read one folder; anything wrong with it becomes a problem of the run."""
    info, problems = _read_own_info(folder)
    has_failed = bool(info and problems)
    values = {}
    for name in () if has_failed else metric_files:  # left by an earlier attempt or an incomplete run
        try:
            values |= _measure_values(folder / name, info)
        except EvaluationError as error:
            problems.append(str(error))
    if not values and not problems:
        detected = (folder / "events.csv").is_file()
        status = f"no results, status {info.get('status', 'unknown')}"
        problems.append("no measures, as exp.detect had no labels: see its report.html" if detected else status)
    dataset, model = _place_names(root, folder)
    return Run(
        folder=folder.relative_to(root).as_posix(),
        dataset=str(info.get("dataset") or dataset),
        model=str(info.get("model") or _model_of(info) or model),
        seed=str(info.get("seed", _seed_of(folder))),
        values=values,
        problems=tuple(problems),
        of_series=0,
        settings=flatten(info.get("config")),
        stopped="stopped" in info,
    )


def _read_own_info(folder):
    """The content of the folder's `run.json`, and a list of problems with it or the run."""
    try:
        info = _read_info(folder / "run.json")
    except EvaluationError as error:
        return {}, [str(error)]
    has_failed = info.get("status") == "failed" or info.get("error")
    return info, [f"failed: {info.get('error') or 'no reason given'}"] if has_failed else []


def _read_table(root, path, *, alone):
    """Read a table of series; anything wrong with it becomes a problem of the run."""
    folder = path.parent
    own_info, problems = _read_own_info(folder)
    values, count = {}, 0
    try:
        values, missing, count = _series_means(path)
        problems += missing
    except EvaluationError as error:
        problems.append(str(error))
    info = {**_series_info(folder), **own_info}
    dataset, model = _place_names(root, folder)
    own = "" if path.name == UCR_TABLE else path.stem
    return Run(
        folder=(folder if alone else path).relative_to(root).as_posix(),
        dataset=str(info.get("dataset") or dataset),
        model=own or str(info.get("model") or model),
        seed=str(info.get("seed", _seed_of(folder))),
        values=values,
        problems=tuple(problems),
        of_series=count,
        settings=flatten(own_info.get("config")) or info.get("settings", {}),
    )


def _series_info(folder):
    """What the records of the series next to a table say about the run, where they agree.

    Returns
    -------
    dict
        `dataset`, `model` and `seed`, and the `settings` of all series.
    """
    seed = _seed_of(folder)
    series = (folder.parent if seed else folder) / "series"
    records = []
    for path in sorted(series.rglob("run.json")):
        try:
            records += [_read_info(path)] if seed in ("", _seed_of(path.parent)) else []
        except EvaluationError:
            continue  # a series that is counted by its row, or is in not_counted.csv with its reason
    found = {}
    for key in ("dataset", "model", "seed"):
        values = {record[key] for record in records if isinstance(record.get(key), (str, int))}
        found |= {key: values.pop()} if len(values) == 1 else {}
    return {**found, "settings": merge(flatten(record.get("config")) for record in records)} if records else {}


def _model_of(info):
    """The model of the configuration in a record, which exp.detect states nowhere else."""
    config = info.get("config")
    model = config.get("model") if isinstance(config, dict) else None
    return model.get("name") if isinstance(model, dict) else None


def _seed_of(folder):
    return folder.name.removeprefix("seed_") if folder.name.startswith("seed_") else ""


def _place_names(root, folder):
    """The dataset and detector after which the folders are named, "" for the latter if there is none."""
    parts = folder.relative_to(root).parts or (root.resolve().name,)
    model = next((part for part in reversed(parts) if part in DETECTORS), "")
    others = [part for part in parts if part not in DETECTORS and not part.startswith("seed_")]
    return (others or [root.resolve().name])[0], model


def _read_info(path):
    """The content of `run.json`, or an empty dict if there is none."""
    if not path.exists():
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EvaluationError(f"{path.name} is not valid JSON: {error}") from None
    if not isinstance(info, dict):
        raise EvaluationError(f"{path.name} must hold an object")
    return info


def _read_rows(path, *, least=1):
    """The rows of a CSV file with a header, as dicts of str; an error if there are fewer than `least`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{path.name} is not a CSV file: {error}") from None
    if len(rows) < least:
        raise EvaluationError(f"{path.name} has no rows")
    if any(None in row for row in rows):
        raise EvaluationError(f"{path.name} has rows with more cells than its header")
    return rows


def _number(path, column, text):
    """A cell as a number; None when it is empty or NaN."""
    text = {"True": "1", "False": "0", "": "nan"}.get(text.strip(), text)
    try:
        number = float(text)
    except ValueError:
        raise EvaluationError(f"{path.name}: {column} holds {text!r}, which is not a number") from None
    return number if math.isfinite(number) else None


def _threshold_labels(folder, info):
    """Map each threshold found without labels to what to call it: a detector's own, or `spot 0.01`."""
    labels = {str(info["threshold"]): "own threshold"} if "threshold" in info else {}
    for path in sorted(folder.glob("_*_thres_info.csv")):
        method = path.name.removeprefix("_").removesuffix("_thres_info.csv")
        labels |= {row.get("threshold"): f"{method} {row.get('hyper-parameter')}" for row in _read_rows(path)}
    return labels


def _measure_values(path, info):
    """The values in an evaluator's file: from metric, or `metric at threshold` for several rows, to Value."""
    rows = _read_rows(path)
    labels = _threshold_labels(path.parent, info)
    values = {}
    for measure in MEASURES.values():
        columns = [column for column in measure.columns.split() if column in rows[0]]
        # In a merged file, shorter tables end in empty cells.
        filled = [row for row in rows if any(row[column] for column in columns)]
        for row in filled or rows[:1]:
            threshold = row[columns[0]] if columns and measure.takes == THRESHOLD else ""
            suffix = f" at {labels.get(threshold, threshold)}" if threshold else ""
            for column in columns:
                if column not in UNAVERAGED:
                    metric = UCR_NAMES.get(column, column) + suffix
                    values[metric] = Value(_number(path, column, row[column]))
    return values


def some(names):
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _by_reason(*reasons):
    """A line for each reason, with the series that have it, from pairs of a series and a reason."""
    series = {}
    for name, reason in reasons:
        series.setdefault(reason, []).append(str(name))
    return [f"{some(names)}: {reason}" for reason, names in series.items()]


def _series_means(path):
    """The means of a table of series (metric to Value), a line for each reason to miss in one, and their number."""
    is_ucr = path.name == UCR_TABLE
    identifier, known = ("name", tuple(UCR_NAMES)) if is_ucr else ("file", tuple(TSB_AD_NOTES))
    left_out = path.with_name(NOT_COUNTED)
    others = _read_rows(left_out, least=0) if left_out.exists() else []
    rows = _read_rows(path, least=0 if others else 1)
    columns = [column for column in known if rows and column in rows[0]]
    if rows and (identifier not in rows[0] or not columns):
        raise EvaluationError(f"{path.name} needs the column {identifier} and at least one measure")
    values = {}
    undefined = {row[identifier]: [] for row in rows}
    for column in columns:
        numbers = [_number(path, column, row[column]) for row in rows]
        defined = [number for number in numbers if number is not None]
        mean = statistics.fmean(defined) if defined else None
        values[UCR_NAMES.get(column, column)] = Value(mean, len(defined), len(rows) + len(others))
        for row, number in zip(rows, numbers, strict=True):
            undefined[row[identifier]] += [column] if number is None else []
    explained = [row for row in others if row.get("reason")]
    missing = _by_reason(
        *((name, f"undefined: {', '.join(names)}") for name, names in undefined.items() if names),
        *((row.get(identifier), f"{row.get('status')}: {row['reason']}") for row in explained),
    )
    if len(others) > len(explained):
        missing.append(f"{len(others) - len(explained)} series not finished")
    return values, missing, len(rows) + len(others)
