"""A results folder of run.py as a report."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from exp.benchmark.experiment import read_series
from exp.benchmark.provenance import changes, digest_series
from exp.benchmark.run_folder import RunFolder
from exp.config import DataConfig
from exp.detection.events import ranked_events
from exp.errors import USER_ERRORS, UserError
from exp.report.page import Report
from exp.report.text import duration, number
from models import DETECTORS
from ts_ad_evaluation import EvaluationError, spot_threshold
from ts_ad_evaluation.evaluator import MEASURES
from ts_ad_evaluation.figures import spaced

RISK = 1e-3  # SPOT's risk if the run's configuration has none
QUANTILE = 0.99
LOSSES = {"epoch", "train_loss", "validation_loss"}
METHODS = {"spot": "by SPOT for the risk {}", "prior_anomaly_rate": "above which a share of {} is expected"}


class Threshold(NamedTuple):
    """A threshold, and how it was found."""

    value: float
    origin: str


def read_folder(path: Path, root: Path) -> Report:
    """Read a run's folder.

    Parameters
    ----------
    path : Path
        As described by `exp.benchmark.run_folder.RunFolder`; from any detector.
    root : Path
        Folder of the datasets, for the values of the test part. If they are missing, a note says so.

    Raises
    ------
    UserError
        When there is no such folder, it is one of `exp.detect`, it holds no scores, or a file in it is damaged.
    """
    if not path.is_dir():
        raise UserError(f"{path}: no such folder: name one with results, such as test_results/MSL/results_0")
    if (path / "events.csv").is_file():
        raise UserError(f"{path}: results of exp.detect, which have their page: open {path / 'report.html'}")
    one = next(iter(sorted(path.glob("*/events.csv"))), None)
    if one is not None:
        page = one.parent / "report.html"
        raise UserError(f"{path}: results of exp.detect for several files, each with its page: open {page}")
    folder = RunFolder(path)
    if not folder.label.is_file():
        raise UserError(
            f"{path}: no scores of a benchmark run, {folder.label.name} and others: name another folder, or make them: "
            "python run.py --config FILE --mode test"
        )
    record, label = _read_record(folder), _read_label(folder)
    channel_scores = _read_scores(folder, folder.test_score)
    if len(channel_scores) != len(label):
        raise UserError(
            f"{path}: {len(channel_scores)} scores but {len(label)} labels, from different runs: "
            "run with --mode test again"
        )
    detector = DETECTORS.get(record.get("model"))
    points = detector.score_points if detector else lambda scores: scores.mean(axis=1)
    score, config = points(channel_scores), record.get("config", {})
    threshold = _find_threshold(folder, config, score, points)
    values, channels, notes = _read_values(record, root, label, channel_scores.shape[1])
    merge_gap = config.get("model", {}).get("seq_len", 0) // 4
    names = channels if channel_scores.shape[1] == len(channels) else ("all channels",)
    return Report(
        title=" · ".join(str(record[key]) for key in ("dataset", "model") if key in record) or path.name,
        facts=_facts(record) | {"threshold": f"{number(threshold.value)}, {threshold.origin}"},
        times=None,
        values=values,
        channels=channels,
        score=score,
        channel_scores=channel_scores,
        threshold=threshold.value,
        events=ranked_events(score, channel_scores, threshold.value, merge_gap=merge_gap, channels=names),
        label=label,
        measures=_read_measures(path),
        epochs=record.get("epochs", []),
        notes=notes,
        train_end=None,
    )


def _read_record(folder: RunFolder) -> dict:
    record = folder.read_record()
    epochs = record.get("epochs", [])
    if not (
        isinstance(record.get("versions", {}), dict)
        and isinstance(epochs, list)
        and all(isinstance(epoch, dict) and epoch.keys() >= LOSSES for epoch in epochs)
    ):
        raise UserError(f"{folder.record}: damaged: delete it and run again")
    return record


def _read_label(folder: RunFolder) -> np.ndarray:
    label = folder.load_array(folder.label)
    if label.ndim != 1 or len(label) == 0 or not np.isin(label, (0, 1)).all():
        raise UserError(f"{folder.label}: damaged, labels must be a row of 0 and 1: run with --mode test again")
    return label


def _read_scores(folder: RunFolder, path: Path) -> np.ndarray:
    scores = folder.load_array(path)
    if scores.dtype.kind not in "fiu" or scores.ndim not in (1, 2) or scores.size == 0 or not np.isfinite(scores).all():
        raise UserError(
            f"{path}: damaged, scores must be finite numbers (points, channels): run with --mode test again"
        )
    return scores.reshape(len(scores), -1)


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, float_precision="round_trip")
    except (ValueError, OSError):  # every pandas error for something that is not a table is a ValueError
        raise UserError(f"{path}: damaged: delete it, or run again") from None


def _read_measures(path: Path) -> dict[str, pd.DataFrame]:
    files = {file.stem.removeprefix("_"): file for file in path.glob("_*.csv") if not file.stem.endswith("_thres_info")}
    order = {name: place for place, name in enumerate(MEASURES)}
    return {name: _read_table(files[name]) for name in sorted(files, key=lambda name: (order.get(name, 99), name))}


def _find_threshold(folder: RunFolder, config: dict, score: np.ndarray, points) -> Threshold:
    """Return the threshold at which the run was evaluated, or a new one if it was not evaluated."""
    for method, origin in METHODS.items():
        path = folder.path / f"_{method}_thres_info.csv"
        if path.is_file():
            return _read_threshold(path, origin)
    if folder.train_score.is_file():
        risk = min(config.get("evaluation", {}).get("spot_risks", [RISK]))
        train_score = points(_read_scores(folder, folder.train_score))
        try:
            return Threshold(spot_threshold(train_score, score, risk=risk).threshold, METHODS["spot"].format(risk))
        except EvaluationError:  # too few scores, or too many equal ones
            pass
    quantile = float(np.quantile(score, QUANTILE))
    return Threshold(quantile, f"the {QUANTILE:.0%} quantile of these scores, as there are none of the training part")


def _read_threshold(path: Path, origin: str) -> Threshold:
    table = _read_table(path)
    try:
        smallest = table.astype(float).sort_values("hyper-parameter").iloc[0]
        value = float(smallest["threshold"])
    except (KeyError, ValueError, IndexError):
        raise UserError(f"{path}: damaged: run with --mode evaluate again") from None
    return Threshold(value, origin.format(f"{smallest['hyper-parameter']:g}"))


def _read_values(
    record: dict, root: Path, label: np.ndarray, scored_channels: int
) -> tuple[np.ndarray | None, tuple[str, ...], list[str]]:
    """Return the test part's values (n, C) or None, the channel names, and notes about them."""
    numbered = tuple(f"channel {index}" for index in range(scored_channels))
    try:
        series = read_series(DataConfig.from_dict(record.get("config", {}).get("data", {}), section="data"), root)
    except USER_ERRORS as error:
        return None, numbered, [f"The data is not available: {error}"]
    n, count = len(label), len(series.channels)
    now, origin = digest_series(series), record.get("scored_with")
    changed = changes(origin, now)
    if changed:
        text = f"The data is not available: {' and '.join(changed)} of {series.name} in {root} have changed since."
        return None, numbered, [text]
    other_labels = not np.array_equal(series.test_label[:n], label)
    if scored_channels not in (1, count) or (other_labels and origin is None):
        return None, numbered, [f"The data is not available: {series.name} in {root} is not what was scored."]
    notes = []
    if other_labels:
        notes.append(
            f"The labels of {series.name} in {root} have changed since: labels and measures here are the earlier ones. "
            "Run --mode test again."
        )
    if len(series.test) > n:
        notes.append(f"Only the first {spaced(n)} of {spaced(len(series.test))} test points were scored.")
    return series.test[:n], series.channels, notes


def _facts(record: dict) -> dict[str, str]:
    """Return the content of run.json in words."""
    facts = {key: record.get(key) for key in ("dataset", "model", "seed", "started", "device", "checkpoint")}
    if "epochs" in record:
        facts["training"] = f"{len(record['epochs'])} epoch{'s' * (len(record['epochs']) != 1)}"
        if "train_seconds" in record:
            facts["training"] += f", {duration(record['train_seconds'])}"
        facts["weights"] = f"of epoch {record['best_epoch']}" if "best_epoch" in record else None
    facts["scoring"] = duration(record["score_seconds"]) if "score_seconds" in record else None
    versions = record.get("versions", {})
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    facts["commit"] = record.get("git_commit")
    for section, settings in record.get("config", {}).items():
        facts[f"settings: {section}"] = ", ".join(f"{key} {_plain(value)}" for key, value in settings.items())
    return {key: str(value) for key, value in facts.items() if value not in (None, "")}


def _plain(value) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
