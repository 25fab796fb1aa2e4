"""Detection results for a user's series: tables, record and report, and the first events on the terminal."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_provider.read.recording import Recording
from exp.cli.tables import WrittenTimes, write_csv, write_scores
from exp.detection.estimator import CrossADDetector
from exp.detection.events import alarm_record, channel_shares
from exp.detection.explanation import HeldOut, explain_events
from exp.report import Report, write_report
from exp.training.devices import choose_device, describe_device
from exp.training.observers import write_epochs
from exp.training.provenance import git_commit, versions
from ts_ad_evaluation import Evaluator
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

METRICS = ("auc", "r_auc", "vus", "best_f1", "f1_raw")
SHOWN = 10  # events on the terminal


class Findings(NamedTuple):
    """Detection results for a series.

    Attributes
    ----------
    events : DataFrame
        As returned by `ranked_events`, with times instead of rows.
    score : array of shape (n,)
    measures : dict of str to DataFrame
    record : dict
        The content of run.json.
    out : Path
        The folder with all results.
    """

    events: pd.DataFrame
    score: np.ndarray
    measures: dict[str, pd.DataFrame]
    record: dict
    out: Path


def write_findings(
    recording: Recording,
    detector: CrossADDetector,
    channel_errors: np.ndarray,
    train_end: int | None,
    out: Path,
    *,
    trained_on: str,
    merge_gap: int | None = None,
    min_length: int | None = None,
    explain: bool = False,
    held_out: Sequence[HeldOut] = (),
) -> Findings:
    """Write scores, events, measures, record and report.

    Parameters
    ----------
    recording : Recording
        It gets a note if the detector knows its points from the training.
    detector : CrossADDetector
        Fitted.
    channel_errors : array of shape (n, K · C)
        Of the recording, as returned by `AnomalyDetector.channel_errors`.
    train_end : int or None
        The points before it were trained on; None: no points were.
    out : Path
        A folder.
    trained_on : str
        A description of what the detector was trained on.
    merge_gap, min_length : int, optional
        As for `AnomalyDetector.find_events`.
    explain : bool
        Also write how the values of events differ from the expected ones.
    held_out : sequence of HeldOut
        As for `explain_events`.
    """
    names, values = _channels_of(recording, detector)
    score, threshold = detector.point_scores(channel_errors), detector.threshold_
    _note_remembered(recording, detector, values, score)
    channel_scores = detector.combined(channel_errors)
    added = detector.aggregation_.by_channel(channel_scores)  # what each channel adds to the score
    events = detector.rank_events(score, channel_scores, merge_gap=merge_gap, min_length=min_length)
    explained = explain_events(detector, values, added, events, held_out) if explain else None
    times = WrittenTimes(recording)
    write_scores(out / "scores.csv", times, score, channel_scores, threshold, detector.score_names)
    _write_events(out, events, times, added, detector, explained)
    if explained is not None:
        events = events.assign(channels=_in_words(explained, names))
    first = train_end if train_end is not None and train_end < len(score) else 0
    measures = _measure(recording.label, score, threshold, first, out)
    record = {
        "series": recording.name,
        "trained_on": trained_on,
        **_record(recording, detector, events),
        "merge_gap": detector.merge_gap if merge_gap is None else merge_gap,
        "min_length": min_length or 1,
        **({"measured": f"the points from row {first} on" if first else "all points"} if measures else {}),
    }
    with replacing(out / "run.json") as temporary:
        temporary.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
    write_epochs(out / "epochs.csv", detector.epochs_)
    report = Report(
        title=recording.name,
        facts={name: str(value) for name, value in _facts(record).items()},
        times=recording.times,
        values=values,
        channels=tuple(names),
        score=score,
        channel_scores=added,
        threshold=threshold,
        events=events,
        label=recording.label,
        measures=measures,
        epochs=detector.epochs_,
        notes=recording.notes,
        train_end=train_end,
    )
    write_report(out / "report.html", report)
    return Findings(_with_times(events, times), score, measures, record, out)


def _channels_of(recording: Recording, detector: CrossADDetector) -> tuple[list[str], np.ndarray]:
    """Return the names of the detector's channels, and their values (n, C) in this order."""
    names = [str(name) for name in detector.feature_names_in_]
    order = [recording.channels.index(name) for name in names]
    same = order == list(range(recording.values.shape[1]))  # then nothing is copied
    return names, recording.values if same else recording.values[:, order]


def _note_remembered(recording: Recording, detector: CrossADDetector, values: np.ndarray, score: np.ndarray) -> None:
    """Add a note to the recording if the detector knows its points from the training."""
    if known := detector.known_points(values, score):
        recording.notes.append(
            f"{known} of {len(score)} points are known to the detector from its training, so that they score lower "
            "than they did there, remembered ones next to nothing: for another threshold on this series, train again"
        )


def _as_text(events: pd.DataFrame) -> str:
    """Return a table in which the long texts of the channels begin at the left."""
    if "channels" in events:
        width = max(len("channels"), int(events["channels"].str.len().max()))
        events = events.assign(channels=events["channels"].str.ljust(width))
        events = events.rename(columns={"channels": "channels".ljust(width)})
    text = events.to_string(index=False, float_format="{:.6g}".format)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def show(findings: Findings) -> None:
    """Print measures and the first events."""
    events, score, measures, record, out = findings
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
        sys.stdout.write(_as_text(first))
    threshold = record["threshold"]
    shortest = f" of at least {record['min_length']} points" if record["min_length"] > 1 else ""
    sys.stdout.write(
        f"{len(events)} event{'s' * (len(events) != 1)}{shortest} above {threshold:.6g} ({record['threshold_rule']}), "
        f"{record['event_points'] / len(score):.2%} of {len(score)} points; all results in {out}; "
        f"report: {out / 'report.html'}\n"
    )


def _in_words(explained: pd.DataFrame, names: list[str]) -> list[str]:
    """Return for each event its channels with their actual and expected values, as text."""
    texts: dict[int, list[str]] = {}
    for row in explained.itertuples():
        share = "" if np.isnan(row.share) else f" {100 * row.share:.0f} %"
        text = f"{names[row.channel]}{share} ({row.value:.5g}, expected {row.expected:.5g})"
        texts.setdefault(row.rank, []).append(text)
    return [", ".join(texts[rank]) for rank in sorted(texts)]


def _with_times(events: pd.DataFrame, times: WrittenTimes) -> pd.DataFrame:
    """Return the events as they are written to files, with times instead of rows."""
    shown = events.assign(**{column: times[events[column].to_numpy(int)] for column in ("start", "end", "peak")})
    return shown.rename(columns={"peak": "peak_time"})


def _write_events(
    out: Path,
    events: pd.DataFrame,
    times: WrittenTimes,
    channel_scores: np.ndarray,
    detector: CrossADDetector,
    explained: pd.DataFrame | None,
) -> None:
    """Write the events as a table and as lines of JSON, and their explanation, if there is one."""
    write_csv(out / "events.csv", _with_times(events, times))
    (out / "explain.csv").unlink(missing_ok=True)  # from an earlier run
    if explained is not None:
        names = [str(name) for name in detector.feature_names_in_]
        named = {
            "channel": [names[index] for index in explained["channel"]],
            "time": times[explained["row"].to_numpy(int)],
        }
        explained = explained.assign(**named, difference=explained["value"] - explained["expected"])
        columns = ["rank", "channel", "share", "time", "value", "expected", "difference"]
        write_csv(out / "explain.csv", explained[columns])
        explained = explained[["rank", "channel", "time", "value", "expected"]]
    with replacing(out / "events.jsonl") as temporary:
        lines = _alarms(events, times, channel_scores, detector, explained)
        temporary.write_text("".join(json.dumps(line, default=str) + "\n" for line in lines), encoding="utf-8")


def _alarms(events, times, channel_scores, detector, explained: pd.DataFrame | None) -> Iterator[dict]:
    """Yield the events as records for JSON, in order of rank."""
    for event in events.itertuples():
        rows = int(event.start), int(event.end), int(event.peak)
        inside = channel_scores[rows[0] : rows[1] + 1]
        shares, order = channel_shares(inside), detector.detector_.model.rank_channels(inside)
        own_times = list(times[np.array(rows)])
        threshold, names = detector.threshold_, detector.score_names
        record = alarm_record(rows, own_times, event.peak_score, threshold, shares, names, order)
        if explained is not None:
            own = explained[explained["rank"] == event.rank].drop(columns="rank")
            record["explanation"] = own.to_dict(orient="records")
        yield {"rank": int(event.rank), **record}


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


def _record(recording: Recording, detector: CrossADDetector, events: pd.DataFrame) -> dict:
    return {
        "points": len(recording.values),
        "channels": list(recording.channels),
        "notes": recording.notes,
        "scored": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": describe_device(choose_device(detector.device)),
        "parameters": detector.get_params(),
        "config": detector.config_.to_dict(),
        "reasons": detector.reasons_,
        "epochs": detector.epochs_,
        "threshold": detector.threshold_,
        "threshold_rule": str(detector.threshold_rule_),
        "events": len(events),
        "event_points": int((events["end"] - events["start"] + 1).sum()),
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
        "Threshold": f"{record['threshold']:.6g}, {record['threshold_rule']}",
        "Seed": settings["train"]["seed"],
        **({"Measured": record["measured"]} if "measured" in record else {}),
        "Device": record["device"],
        "Scored": record["scored"],
        "Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }
