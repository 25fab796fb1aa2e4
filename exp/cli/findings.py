"""Detection results for a user's series: tables, record and report, and the first events on the terminal."""

import json
import logging
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider.read.recording import Recording
from exp.detection.estimator import CrossADDetector
from exp.detection.events import ranked_events
from exp.report import Report, write_report
from exp.training.devices import choose_device, describe_device
from exp.training.observers import write_epochs
from exp.training.provenance import git_commit, versions
from ts_ad_evaluation import Evaluator
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

METRICS = ("auc", "r_auc", "vus", "best_f1", "f1_raw")
SHOWN = 10  # events on the terminal


def write_findings(
    recording: Recording, detector: CrossADDetector, channel_scores: np.ndarray, train_end: int | None, out: Path
) -> None:
    """Write scores, events, measures, record and report, and show the first events.

    Parameters
    ----------
    recording : Recording
    detector : CrossADDetector
        Fitted.
    channel_scores : array of shape (n, C)
        Those of the recording, with channels in the detector's order.
    train_end : int or None
        The points before it were trained on; None: none were.
    out : Path
        A folder.
    """
    names = [str(name) for name in detector.feature_names_in_]
    scored = detector.score_names
    score, threshold = detector.point_scores(channel_scores), detector.threshold_
    events = ranked_events(
        score,
        channel_scores,
        threshold,
        merge_gap=detector.window // 4,
        channels=scored,
        rank=detector.detector_.model.rank_channels,
    )
    times = _written_times(recording)
    _write_csv(out / "scores.csv", _score_table(times, score, channel_scores, threshold, scored))
    shown = events.assign(**{column: times[events[column].to_numpy(int)] for column in ("start", "end", "peak")})
    shown = shown.rename(columns={"peak": "peak_time"})
    _write_csv(out / "events.csv", shown)
    first = train_end if train_end is not None and train_end < len(score) else 0
    measures = _measure(recording.label, score, threshold, first, out)
    record = _record(recording, detector, train_end, events)
    if measures:
        record["measured"] = f"the points from row {first} on" if first else "all points"
    with replacing(out / "run.json") as temporary:
        temporary.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
    write_epochs(out / "epochs.csv", detector.epochs_)
    report = Report(
        title=recording.name,
        facts={name: str(value) for name, value in _facts(record).items()},
        times=recording.times,
        values=recording.values[:, [recording.channels.index(name) for name in names]],
        channels=tuple(names),
        score=score,
        channel_scores=channel_scores,
        threshold=threshold,
        events=events,
        label=recording.label,
        measures=measures,
        epochs=detector.epochs_,
        notes=recording.notes,
        train_end=train_end,
    )
    write_report(out / "report.html", report)
    _show(shown, measures, record, score, out)


def _show(events: pd.DataFrame, measures: dict[str, pd.DataFrame], record: dict, score: np.ndarray, out: Path) -> None:
    """Show measures and the first events on the terminal."""
    for table in measures.values():
        for column, value in table.iloc[0].items():
            sys.stdout.write(f"{column:>16s}  {value:.6g}\n")
    if measures:
        sys.stdout.write(
            f"(measured on {record['measured']}; names ending in _best: oracle values, at the best threshold for "
            "the labels; in _raw: at the detector's own)\n"
        )
    if len(events):
        first = events.head(SHOWN).astype(dict.fromkeys(("start", "end", "peak_time"), str))  # in full digits
        sys.stdout.write(first.to_string(index=False, float_format="{:.6g}".format) + "\n")
    threshold = record["threshold"]
    sys.stdout.write(
        f"{len(events)} events above {threshold:.6g}, {(score > threshold).mean():.2%} of {len(score)} points; "
        f"all results in {out}; report: {out / 'report.html'}\n"
    )


def _written_times(recording: Recording) -> pd.Index:
    """Return the times as written in all files, or the rows from 0."""
    times = recording.times
    if times is None:
        return pd.RangeIndex(len(recording.values))
    if not isinstance(times, pd.DatetimeIndex):
        return times
    if times.tz is None:
        return times.astype(str)  # by default, a table omits the time of day if it is 0 in the whole column
    whole = not (times.microsecond | times.nanosecond).any()
    digits = "seconds" if whole else "nanoseconds" if times.nanosecond.any() else "microseconds"
    return pd.Index([time.isoformat(sep=" ", timespec=digits) for time in times])


def _score_table(times, score, channel_scores, threshold, names) -> pd.DataFrame:
    columns = {f"score {name}": channel_scores[:, index] for index, name in enumerate(names)}
    return pd.DataFrame({"time": times, "score": score, **columns, "flag": (score > threshold).astype(np.uint8)})


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8")


def _measure(
    label: np.ndarray | None, score: np.ndarray, threshold: float, first: int, out: Path
) -> dict[str, pd.DataFrame]:
    """Return the measures' tables for the points from row `first` on, and remove those of other runs.

    There are none without labels, or if these are all equal.
    """
    for name in METRICS:
        (out / f"_{name}.csv").unlink(missing_ok=True)
    if label is None:
        return {}
    label, score = label[first:], score[first:]
    if label.min() == label.max():
        logger.warning("from row %d on, all labels are %d: nothing can be evaluated", first, label[0])
        return {}
    return Evaluator(label, score, out).evaluate(list(METRICS), verbose=False, f1_raw=[threshold])


def _record(recording: Recording, detector: CrossADDetector, train_end: int | None, events: pd.DataFrame) -> dict:
    return {
        "series": recording.name,
        "points": len(recording.values),
        "channels": list(recording.channels),
        "notes": recording.notes,
        "trained_on": "an earlier run's series" if train_end is None else f"the first {train_end} points",
        "scored": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": describe_device(choose_device(detector.device)),
        "parameters": detector.get_params(),
        "config": detector.config_.to_dict(),
        "reasons": detector.reasons_,
        "epochs": detector.epochs_,
        "threshold": detector.threshold_,
        "events": len(events),
        "git_commit": git_commit(),
        "versions": versions(),
    }


def _facts(record: dict) -> dict:
    """Return what the report says about the run."""
    settings = record["config"]
    return {
        "Detector": settings["model"]["name"],
        "Trained on": record["trained_on"],
        "Model": ", ".join(f"{key} {value}" for key, value in settings["model"].items() if key != "name"),
        "Chosen because": "; ".join(record["reasons"]) or "given",
        "Threshold": f"{record['threshold']:.6g} by {record['parameters']['threshold']}",
        "Seed": settings["train"]["seed"],
        **({"Measured": record["measured"]} if "measured" in record else {}),
        "Device": record["device"],
        "Scored": record["scored"],
        "Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }
