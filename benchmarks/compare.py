"""Compare the detectors with PCA and an isolation forest on the same series: one row per series and detector.

    python benchmarks/compare.py --data FOLDER --out FOLDER --series machine-1-6 ASD_omi-1 --seeds 2021 2022 2023

FOLDER/NAME.npz holds the arrays train (n, C), test (m, C) and test_label (m,); if NAME_interpretation_label.txt (of
SMD) is next to it, the channels of each event are known and hit rates are measured: by a channel's mean score in the
event, or by the model's own ranking. The scores are kept in --out; existing ones are not recomputed.

The models of the registry use the settings that they suggest, as in `python -m exp.detect`; in addition there is an
isolation forest.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.baselines import forest_scores
from data_provider import Series
from data_provider.read.interpretation import channels_of_events, read_interpretation
from exp.detector import AnomalyDetector
from models import DETECTORS
from ts_ad_evaluation import affiliation, hit_rate_of_rankings, random_hit_rate, spot_threshold, vus
from ts_ad_evaluation.events import find_events
from ts_ad_evaluation.files import replacing

RISKS = (0.1, 0.01, 0.001)  # of SPOT
WINDOW = 96  # of the forest; the usual window of the automatic settings


class Scored(NamedTuple):
    """Scores of a series by one detector."""

    train: np.ndarray  # (n,)
    test: np.ndarray  # (m,)
    channels: np.ndarray | None  # (m, C)


def registered(name: str):
    """Return the function that scores with a model of the registry, using the settings it suggests."""

    def score(series: Series, seed: int) -> Scored:
        detector = AnomalyDetector(name, seed=seed).fit(series.train)
        channels = detector.channel_scores(series.test)
        per_channel = channels if channels.shape[1] > 1 else None
        return Scored(detector.decision_scores_, detector.point_scores(channels), per_channel)

    return score


def forest(series: Series, seed: int) -> Scored:
    """Score with the isolation forest, which has no scores per channel."""
    return Scored(*forest_scores(series.train, series.test, WINDOW, seed), None)


METHODS = {name: registered(name) for name in DETECTORS} | {"forest": forest}


def read(folder: Path, name: str, channels: list[int] | None) -> Series:
    """Return a series of the folder, or some of its channels."""
    with np.load(folder / f"{name}.npz") as arrays:
        train, test = (arrays[part].astype(np.float64) for part in ("train", "test"))
        label = arrays["test_label"].astype(np.uint8)
    if channels:
        train, test = train[:, channels], test[:, channels]
    return Series(name, train, test, label, tuple(map(str, range(train.shape[1]))))


def measure(series: Series, scored: Scored, interpretation: Path, method: str) -> dict[str, float]:
    """Return the results of one run."""
    label = series.test_label[: len(scored.test)]
    volume = vus(label, scored.test)
    figures = {"VUS_ROC": volume.roc, "VUS_PR": volume.pr}
    for risk in RISKS:
        threshold = spot_threshold(scored.train, scored.test, risk=risk).threshold
        figures[f"Aff_F1 {risk:g}"] = affiliation(label, scored.test, threshold).f1
    if interpretation.is_file() and scored.channels is not None:
        channels = channels_of_events(read_interpretation(interpretation), label, name=interpretation.name)
        events = zip(*find_events(label), strict=True)
        rankings = [DETECTORS[method].rank_channels(scored.channels[start : end + 1]) for start, end in events]
        rates = hit_rate_of_rankings(rankings, label, channels)
        figures |= {f"hit {level} %": rate for level, rate in rates.items()}
    return figures


def score(file: Path, series: Series, method: str, seed: int) -> tuple[Scored, int]:
    """Return the scores in a file, computed first if it is missing, and the seconds they took."""
    if not file.is_file():
        start = time.perf_counter()
        scored = METHODS[method](series, seed)
        seconds = round(time.perf_counter() - start)
        kept = {name: array for name, array in scored._asdict().items() if array is not None}
        with replacing(file) as temporary, open(temporary, "wb") as target:
            np.savez(target, seconds=seconds, **kept)
    with np.load(file) as kept:
        arrays = {name: kept.get(name) for name in Scored._fields}
        return Scored(**arrays), int(kept["seconds"])


def main() -> None:
    """Do whatever is not done yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True)
    add("--out", type=Path, required=True)
    add("--series", nargs="+", required=True)
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--seeds", type=int, nargs="+", default=[2021, 2022, 2023])
    add("--channels", type=int, nargs="+", help="only these channels, from 0")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in arguments.series:
        series = read(arguments.data, name, arguments.channels)
        interpretation = arguments.data / f"{name}_interpretation_label.txt"
        for method in arguments.methods:
            for seed in arguments.seeds:
                file = arguments.out / f"{name}_{method}_{seed}.npz"
                scored, seconds = score(file, series, method, seed)
                figures = measure(series, scored, interpretation, method)
                rows.append({"series": name, "detector": method, "seed": seed, **figures, "seconds": seconds})
                print(rows[-1], flush=True)
        if interpretation.is_file():
            events = channels_of_events(read_interpretation(interpretation), series.test_label)
            chance = random_hit_rate(series.test.shape[1], series.test_label, events)
            rows.append({"series": name, "detector": "random", **{f"hit {at} %": rate for at, rate in chance.items()}})
    table = pd.DataFrame(rows).drop(columns="seed").groupby(["series", "detector"], sort=False)
    mean, deviation = table.mean(), table.std()
    print(mean.to_string(float_format="{:.3f}".format))
    print("standard deviation over the seeds")
    print(deviation.to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
