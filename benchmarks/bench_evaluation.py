"""Time every measure of ts_ad_evaluation against scikit-learn's two areas on the same arrays in the same run.

    python benchmarks/bench_evaluation.py                        SMD's size, also with 18 000 short events
    python benchmarks/bench_evaluation.py --growth --out FOLDER  10^4 to 10^7 points: time, peak memory, figure
    python benchmarks/bench_evaluation.py --peers FOLDER         packages from PyPI, each in an environment in FOLDER

The label is that of SMD's test part if it is in ../shared/data, else a synthetic one of its shape; the score is
the absolute 20-point moving average of Gaussian noise, plus uniform noise on the anomalous points. One thread.
"""

import os

if __name__ == "__main__":  # before NumPy is loaded: its libraries read these once
    os.environ.update(dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"))

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environments import PEERS, run_peer
from ts_ad_evaluation.affiliation import affiliation
from ts_ad_evaluation.auc import auc
from ts_ad_evaluation.f1 import best_f1, f1_event, f1_pa, f1_r, f1_raw
from ts_ad_evaluation.figures import dress, save_figure
from ts_ad_evaluation.files import replacing
from ts_ad_evaluation.pate import pate
from ts_ad_evaluation.range_auc import r_auc, vus
from ts_ad_evaluation.spot import spot_threshold
from ts_ad_evaluation.tables import Column, render
from ts_ad_evaluation.tsb_ad import tsb_ad_metrics

SMD_LABEL = Path(__file__).resolve().parents[2] / "shared" / "data" / "SMD_test_labels.npz"
SMD_POINTS, SMD_EVENTS, SMD_SHARE = 708_420, 327, 0.0416
SPOT_INITIAL_SHARE = 200_000 / SMD_POINTS
SHORT_EVENTS_SHARE = 18_000 / SMD_POINTS
GROWTH_SIZES = [10**4, 10**5, 10**6, 10**7]


class Case(NamedTuple):
    """One pair of arrays and what some measures need in addition."""

    label: np.ndarray
    score: np.ndarray
    init_score: np.ndarray
    threshold: float


class Timed(NamedTuple):
    """A measure, the most time it may take relative to scikit-learn's two areas, and how it is run."""

    bound: float | None
    run: object  # Case -> tuple or mapping of numbers


def sklearn_areas(case):
    """Return what all times are relative to."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    return roc_auc_score(case.label, case.score), average_precision_score(case.label, case.score)


def _at_threshold(measure):
    return lambda case: measure(case.label, case.score, case.threshold)


MEASURES = {
    "sklearn": Timed(None, sklearn_areas),
    "auc": Timed(None, lambda case: auc(case.label, case.score)),
    "vus": Timed(0.6, lambda case: vus(case.label, case.score)),
    "vus_2022": Timed(None, lambda case: vus(case.label, case.score, rule="2022")),
    "r_auc": Timed(0.3, lambda case: r_auc(case.label, case.score)),
    "f1_raw": Timed(0.05, _at_threshold(f1_raw)),
    "f1_pa": Timed(0.05, _at_threshold(f1_pa)),
    "f1_event": Timed(0.05, _at_threshold(f1_event)),
    "f1_r": Timed(0.1, _at_threshold(f1_r)),
    "best_f1": Timed(0.6, lambda case: best_f1(case.label, case.score)),
    "affiliation": Timed(0.3, _at_threshold(affiliation)),
    "pate": Timed(8.0, lambda case: pate(case.label, case.score)),
    "pate_with_zero": Timed(None, lambda case: pate(case.label, case.score, include_zero=True)),
    "spot": Timed(50.0, lambda case: spot_threshold(case.init_score, case.score, risk=1e-3)),
    "tsb_ad": Timed(20.0, lambda case: tsb_ad_metrics(case.score, case.label, 100)),
}
SHORT_EVENTS_BOUND = 0.6


def synthetic_label(n, n_events, share, rng):
    """Spread `n_events` events of random lengths, `share` of the `n` points in all, evenly over the series."""
    lengths = rng.exponential(size=n_events) + 0.1
    lengths = np.maximum(1, lengths / lengths.sum() * share * n).astype(int)
    starts = np.linspace(0, n, n_events, endpoint=False).astype(int)
    label = np.zeros(n, dtype=np.int8)
    for start, length in zip(starts, np.minimum(lengths, max(1, n // n_events - 1)), strict=True):
        label[start + 1 : start + 1 + length] = 1
    return label


def noise_score(n, rng):
    """Absolute 20-point moving average of Gaussian noise, of shape (n,)."""
    total = np.concatenate(([0.0], rng.standard_normal(n + 19).cumsum()))
    return np.abs(total[20:] - total[:-20]) / 20


def make_case(label, rng):
    """Draw the scores that belong to `label`."""
    score = noise_score(len(label), rng) + label * rng.random(len(label))
    initial = noise_score(max(1_000, round(SPOT_INITIAL_SHARE * len(label))), rng)
    return Case(label, score, initial, float(np.quantile(score, 0.95)))


def smd_like_case(points):
    """SMD's own label at its own size if available, else a synthetic one with the same density of events."""
    rng = np.random.default_rng(2025)
    if points == SMD_POINTS and SMD_LABEL.exists():
        return make_case(np.load(SMD_LABEL)["label"], rng)
    return make_case(synthetic_label(points, max(2, points * SMD_EVENTS // SMD_POINTS), SMD_SHARE, rng), rng)


def short_events_case(points):
    """One event of 3 to 8 points in about every 39 points, or 18 000 in SMD's length."""
    rng = np.random.default_rng(2026)
    n_events = max(2, round(SHORT_EVENTS_SHARE * points))
    label = np.zeros(points + 8, dtype=np.int8)
    for start, length in zip(
        np.linspace(0, points - 8, n_events).astype(int), rng.integers(3, 9, n_events), strict=True
    ):
        label[start : start + length] = 1
    return make_case(label[:points], rng)


def seconds_of(run, case, repeats):
    """Shortest time of `repeats` runs, and the result of the last one; a run of over 5 s is not repeated."""
    run(smd_like_case(100))  # what is loaded at the first call
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        values = run(case)
        best = min(best, time.perf_counter() - start)
        if best > 5:
            break
    return best, values


def numbers(values):
    """The numbers of a named tuple or a mapping, without the given thresholds."""
    values = values if isinstance(values, dict) else values._asdict()
    return {name: float(value) for name, value in values.items() if isinstance(value, (float, int, np.floating))}


def row_of(name, seconds, unit, bound):
    """A row of the table: measure, seconds, times the unit, bound, verdict."""
    ratio = seconds / unit
    verdict = None if bound is None else "within" if ratio <= bound else "ABOVE"
    return [name, seconds, ratio, bound, verdict]


def main_table(measures, points, repeats):
    """Time the measures at `points` points, and vus on the same number with many short events."""
    columns = [
        Column("measure"),
        Column("seconds", ".4f"),
        Column("times sklearn", ".3f"),
        Column("at most", "g"),
        Column(""),
    ]
    case, short = smd_like_case(points), short_events_case(points)
    unit, _ = seconds_of(sklearn_areas, case, repeats)
    rows = [row_of("sklearn", unit, unit, None)]
    for name in measures:
        if name == "sklearn":
            continue
        seconds, _ = seconds_of(MEASURES[name].run, case, repeats)
        rows.append(row_of(name, seconds, unit, MEASURES[name].bound))
    short_unit, _ = seconds_of(sklearn_areas, short, repeats)
    seconds, _ = seconds_of(MEASURES["vus"].run, short, repeats)
    rows.append(row_of("vus, short events", seconds, short_unit, SHORT_EVENTS_BOUND))
    notes = [
        f"{describe(case)}; sklearn: roc_auc_score and average_precision_score",
        f"vus, short events: {describe(short)}, sklearn there {short_unit:.4f} s",
        f"shortest of {repeats} runs, one thread; vus by the rule of 2024, window 100, 250 thresholds",
        f"spot: {len(case.init_score)} initial scores, risk 0.001; tsb_ad: nine measures, 100 thresholds each",
    ]
    return render(columns, rows, notes)


def describe(case):
    """Describe the label."""
    events = int(np.count_nonzero(np.diff(case.label, prepend=0) == 1))
    return f"{len(case.label)} points, {events} events, {case.label.mean():.2%} anomalous"


def growth(measures, sizes, repeats, folder):
    """Time and peak memory of each measure at each size, each in a separate process."""
    rows = []
    for name in measures:
        for points in sizes:
            command = [sys.executable, __file__, "--child", name, "--points", str(points), "--repeats", str(repeats)]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows.append([name, points, result["seconds"], result["megabytes"]])
            sys.stderr.write(f"{name} {points}: {result['seconds']:.4f} s, {result['megabytes']} MB\n")
    columns = [Column("measure"), Column("points"), Column("seconds", ".4f"), Column("peak memory (MB)")]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "growth.csv") as temporary:
            temporary.write_text(render(columns, rows, kind="csv"))
        draw_growth(rows, folder / "growth.png")
    return render(columns, rows, ["peak memory: the whole process, with Python, its libraries and the arrays"])


def child(name, points, repeats):
    """Benchmark one measure in this process; `growth` reads what it prints."""
    seconds, _ = seconds_of(MEASURES[name].run, smd_like_case(points), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return json.dumps({"seconds": seconds, "megabytes": round(peak / 2**20)}) + "\n"


def draw_growth(rows, path):
    """Draw seconds over points, both logarithmic, one line for each measure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 6.0), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    dress(axes, "points", "seconds")
    axes.set(xscale="log", yscale="log")
    # In the order of their last points, as the lines end next to the legend.
    names = [row[0] for row in sorted(rows, key=lambda row: -row[2]) if row[1] == rows[-1][1]]
    for rank, name in enumerate(names):
        points, seconds = zip(*(row[1:3] for row in rows if row[0] == name), strict=True)
        style = {"color": f"C{rank % 10}", "marker": "osD"[rank // 10], "linestyle": ("-", "--", ":")[rank // 10]}
        if name == "sklearn":
            style = {"color": "black", "marker": "x", "linewidth": 2.5}
        axes.plot(points, seconds, label=name, markersize=4, **style)
    axes.grid(which="major", color="#d9dce1", linewidth=0.6)
    axes.margins(x=0.03)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    save_figure(figure, path)


def peer_table(measures, points, folder, limit):
    """Run each peer's measures on the same arrays; times of both, their ratio, and how far apart the values are."""
    case = smd_like_case(points)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = folder / "arrays.npz"
    np.savez(arrays, label=case.label, score=case.score, threshold=case.threshold)
    rows = []
    for peer, names in PEERS.items():
        for name in filter(measures.__contains__, names):
            seconds, values = seconds_of(MEASURES[name].run, case, repeats=3)
            theirs = run_peer(peer, name, folder, arrays, limit)
            rows.append([peer, name, seconds, *compared(numbers(values), seconds, theirs)])
            sys.stderr.write(" ".join(map(str, rows[-1])) + "\n")
    columns = [
        *[Column("peer"), Column("measure"), Column("here (s)", ".4f"), Column("peer (s)", ".4f")],
        *[Column("ratio", ".1f"), Column("values")],
    ]
    return render(columns, rows, [describe(case), "ratio: the peer's time to the time here"])


def compared(values, seconds, theirs):
    """The peer's time, its ratio to ours and how its values compare; or why there are none."""
    if isinstance(theirs, str):
        return None, None, theirs
    apart = {name: abs(value - values[name]) for name, value in theirs["values"].items()}
    worst = max(apart, key=apart.get)
    other = f"{worst} {theirs['values'][worst]:.6f}, here {values[worst]:.6f}"
    return theirs["seconds"], theirs["seconds"] / seconds, "equal" if apart[worst] < 1e-9 else other


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=SMD_POINTS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="how each measure grows with the number of points")
    parser.add_argument("--sizes", type=int, nargs="+", default=GROWTH_SIZES, help="numbers of points for --growth")
    parser.add_argument("--out", type=Path, help="folder for the table and the figure of --growth")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="compare with other packages, installed here")
    parser.add_argument("--peer-seconds", type=float, default=300, help="limit for each measure of a peer")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="NAME")
    parser.add_argument("--child", choices=MEASURES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        text = child(options.child, options.points, options.repeats)
    elif options.growth:
        text = growth(options.measures, options.sizes, options.repeats, options.out)
    elif options.peers:
        text = peer_table(options.measures, options.points, options.peers.resolve(), options.peer_seconds)
    else:
        text = main_table(options.measures, options.points, options.repeats)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
