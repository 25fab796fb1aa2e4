"""The study of own-series detection: each detector on each series of the list, as a user's series.

    python benchmarks/own_series.py --data FOLDER --out FOLDER --groups ASD SMD --detectors CrossAD PCA forest
    python benchmarks/own_series.py                          # the tables of the committed results

Every detector has the settings that it suggests for the training part, a point's score is made from its errors in the
same way (`exp.detection.aggregation`), and the threshold is the default one; labels are only measured with. --data is
described in study_series.py. A run leaves its scores and measures in --out and is not repeated; several commands can
work side by side, on different groups, in one --out. All results in --out are written to
benchmarks/results/own_series.csv, in place of earlier ones of the same runs.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.baselines import forest_scores
from benchmarks.study_series import GROUPS, PARTS, Entry, causes, entries, read
from data_provider import Series
from exp.detection.aggregation import Aggregation, spans_of
from exp.detection.events import event_spans
from exp.detection.thresholds import ThresholdRule
from exp.detector import AnomalyDetector
from models import DETECTORS
from models.suggestion import USUAL_WINDOW
from ts_ad_evaluation import affiliation, f1_event, hit_rate_of_rankings, vus
from ts_ad_evaluation.events import find_events
from ts_ad_evaluation.files import replacing

FOREST = "forest"
RESULTS = Path(__file__).with_name("results") / "own_series.csv"
KEYS = ["group", "series", "part", "detector", "seed"]
SHOWN = {  # measures of the tables, and their titles
    "VUS_ROC": "VUS_ROC",
    "VUS_PR": "VUS_PR",
    "VUS_PR_plain": "VUS_PR, plain",
    "best_F1": "F1, best",
    "F1": "F1",
    "false_alarms": "false alarms",
    "first": "first",
    "top_3": "top 3",
    "seconds": "s",
}
NEAR = 100  # points from the anomaly within which a peak counts as found; by the UCR archive's rule, or its length


class Scored(NamedTuple):
    """Scores of a series by one detector."""

    train: np.ndarray  # (n,), by which the threshold is set
    test: np.ndarray  # (m,)
    channels: np.ndarray  # (m, C), the model's own scores
    plain: np.ndarray  # (m,), made from them as in benchmark runs
    merge_gap: np.ndarray  # ()
    seconds: np.ndarray  # ()


def main(argv: list[str] | None = None) -> None:
    """Do whatever is not done yet, write the results, and print their tables."""
    arguments = _parse(argv)
    torch.set_num_threads(1)
    if arguments.data:
        for entry in entries(tuple(arguments.groups), tuple(arguments.parts)):
            for detector in arguments.detectors:
                for seed in arguments.seeds:
                    _run(arguments, entry, detector, seed)
        _collect(arguments.out, arguments.results)
    if not arguments.results.is_file():
        sys.exit(f"{arguments.results}: no results yet: give --data and --out")
    print_tables(pd.read_csv(arguments.results, dtype={"series": str}), arguments.tables)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    names = [*DETECTORS, FOREST]
    add("--data", type=Path, help="folder of the data; without it, only the tables are printed")
    add("--out", type=Path, help="folder for scores and measures of single runs")
    add("--results", type=Path, default=RESULTS, help="CSV file of all runs")
    add("--tables", type=Path, help="folder of TSB-AD's uni_/multi_mergedTable_VUS-PR.csv, to compare with")
    add("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--detectors", nargs="+", choices=names, default=["CrossAD", "Nearest", "NearestPCA", "PCA", FOREST])
    add("--seeds", type=int, nargs="+", default=[2021])
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings to try; take another --out and --results")
    arguments = parser.parse_args(argv)
    if (arguments.data is None) != (arguments.out is None):
        parser.error("--data and --out belong together: give both or neither")
    if arguments.set and (arguments.results == RESULTS or FOREST in arguments.detectors):
        parser.error(f"--set is for trials: take another --results, and --detectors without {FOREST}")
    return arguments


def _run(arguments: argparse.Namespace, entry: Entry, detector: str, seed: int) -> None:
    """Score and measure a series, unless both was done before."""
    stem = "__".join([entry.group, entry.series, detector, str(seed)])
    scores, results = (arguments.out / f"{stem}.{kind}" for kind in ("npz", "json"))
    if results.is_file():
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    series = read(arguments.data, entry)
    if not scores.is_file():
        start = time.perf_counter()
        scored = _forest(series, seed) if detector == FOREST else _registered(detector, series, seed, arguments.set)
        scored = scored._replace(seconds=time.perf_counter() - start)
        with replacing(scores) as temporary, open(temporary, "wb") as target:
            np.savez(target, **scored._asdict())
    with np.load(scores) as kept:
        scored = Scored(*(kept[name] for name in Scored._fields))
    row = dict(zip(KEYS, [entry.group, entry.series, entry.part, detector, seed], strict=True))
    row |= measure(scored, series.test_label) | _hit_rates(scored, series, entry, arguments.data, detector)
    with replacing(results) as temporary:
        temporary.write_text(json.dumps(row), encoding="utf-8")
    print({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}, flush=True)


def _registered(name: str, series: Series, seed: int, overrides: list[str]) -> Scored:
    """Score with a model of the registry."""
    detector = AnomalyDetector(name, seed=seed, overrides=overrides).fit(series.train)
    errors = detector.channel_errors(series.test)
    channels = detector.combined(errors)
    plain = DETECTORS[name].score_points(channels)
    own = detector.decision_scores_, detector.point_scores(errors)
    return Scored(*own, channels, plain, detector.merge_gap, 0)


def _forest(series: Series, seed: int) -> Scored:
    """Score with the isolation forest, whose channels have no scores of their own."""
    window = min(USUAL_WINDOW, len(series.train) // 10)
    train, test = (part.astype(np.float32)[:, None] for part in forest_scores(series.train, series.test, window, seed))
    read_errors = Aggregation.fit([train], spans_of(window))
    scored = [read_errors(part) for part in (train, test)]
    return Scored(*scored, test, test[:, 0], window // 4, 0)


def measure(scored: Scored, label: np.ndarray) -> dict[str, float]:
    """Return the measures of one run.

    VUS_ROC, VUS_PR; VUS_PR_plain, of the plain score; best_F1, the event-based F1 at the best threshold; F1 and
    affiliation_F1, those of the events that were found without labels; false_alarms, events without an anomalous point
    for each 1000 points; rank, that of the first event whose peak is at or near an anomaly (0: there is none); seconds.
    """
    volume = vus(label, scored.test)
    threshold = ThresholdRule().find(scored.train)
    starts, ends, peaks = event_spans(scored.test, threshold, merge_gap=int(scored.merge_gap))
    inside, false = np.zeros(len(label)), 0
    for start, end in zip(starts, ends, strict=True):
        inside[start : end + 1] = 1
        false += not label[start : end + 1].any()
    return {
        "VUS_ROC": volume.roc,
        "VUS_PR": volume.pr,
        "VUS_PR_plain": vus(label, scored.plain).pr,
        "best_F1": best_event_f1(label, scored.test),
        "F1": f1_event(label, inside, 0.5).f1 if inside.any() else 0.0,
        "affiliation_F1": affiliation(label, inside, 0.5).f1 if inside.any() else 0.0,
        "false_alarms": 1000 * false / len(label),
        "rank": _rank_of_first(label, sorted(peaks, key=lambda peak: -scored.test[peak])),
        "seconds": float(scored.seconds),
    }


def best_event_f1(label: np.ndarray, score: np.ndarray) -> float:
    """Return the highest event-based F1 (`ts_ad_evaluation.f1_event`) that any threshold has."""
    values, counts = np.unique(score, return_counts=True)
    flagged = counts[::-1].cumsum()  # points at or above each value, the highest first
    found = np.searchsorted(-values[::-1], -np.sort(score[label > 0])[::-1], side="left")
    true = np.bincount(found, minlength=len(values)).cumsum()
    highest = [score[start : end + 1].max() for start, end in zip(*find_events(label), strict=True)]
    events = np.bincount(np.searchsorted(-values[::-1], -np.array(highest)), minlength=len(values)).cumsum()
    precision, recall = true / flagged, events / len(highest)
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-15)).max())


def _rank_of_first(label: np.ndarray, peaks: list[int]) -> int:
    near = np.zeros(len(label), bool)
    for start, end in zip(*find_events(label), strict=True):
        margin = max(NEAR, end - start + 1)
        near[max(0, start - margin) : end + 1 + margin] = True
    return next((rank for rank, peak in enumerate(peaks, start=1) if near[peak]), 0)


def _hit_rates(scored: Scored, series: Series, entry: Entry, data: Path, detector: str) -> dict[str, float]:
    """Return how well the ranking of channels names those behind an event, where they are known."""
    channels = causes(data, entry, series.test_label)
    if channels is None or scored.channels.shape[1] == 1:
        return {}
    events = zip(*find_events(series.test_label), strict=True)
    rankings = [DETECTORS[detector].rank_channels(scored.channels[start : end + 1]) for start, end in events]
    rates = hit_rate_of_rankings(rankings, series.test_label, channels)
    return {f"hit_{level}": rate for level, rate in rates.items()}


def _collect(out: Path, results: Path) -> None:
    """Write the results of all runs in --out, and the earlier ones of other runs, to one file."""
    rows = [pd.DataFrame([json.loads(file.read_text(encoding="utf-8"))]) for file in sorted(out.glob("*.json"))]
    earlier = [pd.read_csv(results, dtype={"series": str})] if results.is_file() else []
    table = pd.concat([*earlier, *rows]).drop_duplicates(KEYS, keep="last").sort_values(KEYS)
    results.parent.mkdir(parents=True, exist_ok=True)
    with replacing(results) as temporary:
        table.round(4).to_csv(temporary, index=False)


def print_tables(results: pd.DataFrame, tables: Path | None) -> None:
    """Print the means over the series of each group, and the best published detectors on the same series."""
    for part in PARTS[::-1]:
        for line in table_lines(results[results.part == part]):
            print(line)
        print()
    if tables is None:
        return
    for group, file in (("TSB-AD-M", "multi_mergedTable_VUS-PR.csv"), ("TSB-AD-U", "uni_mergedTable_VUS-PR.csv")):
        published = pd.read_csv(tables / file).set_index("file").loc[:, :"ts_len"].iloc[:, :-1]
        for part, rows in results[results.group == group].groupby("part"):
            best = published.loc[[f"{name}.csv" for name in rows.series.unique()]].mean().nlargest(3)
            print(f"{part} {group}, published: " + ", ".join(f"{name} {value:.3f}" for name, value in best.items()))


def table_lines(results: pd.DataFrame) -> list[str]:
    """Return the lines of a Markdown table: means over the series, of which each is first the mean over its seeds."""
    results = results.assign(first=results["rank"] == 1, top_3=results["rank"].between(1, 3))
    by_series = results.groupby(["group", "detector", "series"])[list(SHOWN)].mean()
    grouped = by_series.groupby(level=["group", "detector"])
    means, counts = grouped.mean(), grouped.size()
    lines = ["| Series | n | Detector | " + " | ".join(SHOWN.values()) + " |", "|" + "---|" * (3 + len(SHOWN))]
    for (group, detector), row in means.sort_index(key=lambda level: level.str.lower()).iterrows():
        values = [f"{row[name]:.0f}" if name == "seconds" else f"{row[name]:.3f}" for name in SHOWN]
        lines.append(f"| {group} | {counts[group, detector]} | {detector} | " + " | ".join(values) + " |")
    return lines


if __name__ == "__main__":
    main()
