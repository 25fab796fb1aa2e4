"""Command line for a label and a score: ``ts-ad-evaluation``, or ``python -m ts_ad_evaluation`` in a clone."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation import __version__
from ts_ad_evaluation.arrays import Floats, Mask
from ts_ad_evaluation.checks import EvaluationError, check_label, check_score
from ts_ad_evaluation.curves import plot_curves, plot_histogram, plot_vus_surface
from ts_ad_evaluation.evaluator import MEASURES, THRESHOLD, WINDOW, Evaluator
from ts_ad_evaluation.events import find_events
from ts_ad_evaluation.figures import plot_scores
from ts_ad_evaluation.files import replacing, write_in_any_encoding
from ts_ad_evaluation.inputs import load_array
from ts_ad_evaluation.spot import SPOT
from ts_ad_evaluation.tables import Column, render

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

FIGURES = ("scores", "histogram", "curves", "vus_surface")
THRESHOLDED = [name for name, measure in MEASURES.items() if measure.takes == THRESHOLD]
# One is meant for a single event, one for comparison with inflated published values, one is the older VUS rule.
ON_REQUEST = ("accomplish_UCR", "best_f1_pa", "vus_2022")
RISK = 1e-3
PROGRAM = "python -m ts_ad_evaluation"
EXAMPLES = """\
examples:
  PROGRAM table.csv
  PROGRAM --label labels.npy --score scores.npz:test --json measures.json
  PROGRAM --label sensor.csv:label --score results/scores.csv:score --metrics vus affiliation --thresholds 2.5
  PROGRAM table.csv --out figures --figure curves scores"""
DEFAULTS = {"window": 100, "vus_rule": "2024", "figure_format": "png"}  # defaults of options that not every call uses


class _Layout(argparse.HelpFormatter):
    """Keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


def build_parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=program,
        usage="%(prog)s (TABLE.csv | --label FILE --score FILE) [options]",
        description="Evaluate an anomaly score against a label: TABLE.csv has both as columns label and score. "
        "FILE is .npy, .npz[:KEY] or .csv[:COLUMN]; KEY or COLUMN is needed if there are several. A CSV "
        "file has a header unless every cell of its first line is a number, true or false; its columns are then "
        "numbered from 1. Cells may be separated by semicolons or tabs, decimal commas are read, and the encoding is "
        "UTF-8 or, with a byte order mark, UTF-16. Each such decision is logged.",
        epilog=EXAMPLES.replace("PROGRAM", program),
        allow_abbrev=False,
        formatter_class=_Layout,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("table", nargs="?", metavar="TABLE.csv", help="a file with the columns label and score")
    parser.add_argument("--label", metavar="FILE", help="1 for anomalous points, 0 for normal ones")
    parser.add_argument("--score", metavar="FILE", help="higher is more anomalous; channels are averaged")
    parser.add_argument(
        "--init-score", metavar="FILE", help="score of the training part, from which SPOT derives thresholds"
    )
    parser.add_argument(
        "--risk", type=float, nargs="+", help=f"SPOT's probability that a normal point exceeds the threshold ({RISK})"
    )
    parser.add_argument("--thresholds", type=float, nargs="+", help="thresholds for the measures that need one")
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=MEASURES,
        metavar="NAME",
        help=f"any of {', '.join(MEASURES)}; by default all but {', '.join(ON_REQUEST)}; those that need "
        f"thresholds ({', '.join(THRESHOLDED)}) are computed only if there are any",
    )
    parser.add_argument("--window", type=int, help="buffer width of r_auc and largest buffer width of vus (100)")
    parser.add_argument("--vus-rule", choices=("2024", "2022"), help="which of the two VUS rules to use (2024)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the CSV files and the figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="JSON file for all values")
    parser.add_argument("--figure", nargs="+", choices=FIGURES, default=(), help="figures to save in --out")
    parser.add_argument("--figure-format", choices=("png", "pdf"), help="format of the figures (png)")
    parser.add_argument("--series", metavar="FILE", help="the series itself, plotted above the scores")
    parser.add_argument(
        "--events", type=int, nargs="+", metavar="K", help="plot the scores around these events, counted from 0"
    )
    return parser


def parse_arguments(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> argparse.Namespace:
    """Return the parsed command line; answer shell completion requests."""
    parser = build_parser(program)
    if "_ARGCOMPLETE" in os.environ:
        try:
            import argcomplete
        except ImportError:
            parser.exit(1)
        argcomplete.autocomplete(parser)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> str:
    """Compute, write and plot what the command line asks for; return the table for the terminal.

    Raises
    ------
    EvaluationError, OSError
        With a message for the user.
    """
    _check_combination(options)
    if options.table is not None:
        options.label, options.score = f"{options.table}:label", f"{options.table}:score"
    given = {name: value for name, value in vars(options).items() if value is not None}
    options = argparse.Namespace(**{**vars(options), **DEFAULTS, **given})
    label = _load("--label", options.label, check_label)
    score = _load("--score", options.score, check_score)
    if len(label) != len(score):
        raise EvaluationError(f"--label and --score differ in length: {len(label)} and {len(score)}")
    evaluator = Evaluator(label, score, options.out)
    thresholds = dict.fromkeys(options.thresholds or (), "given")
    if options.init_score:
        init_score = _load("--init-score", options.init_score, _check_init_score)
        risks = options.risk or [RISK]
        found = evaluator.find_thres(method="spot", verbose=False, init_score=init_score, q=risks)
        thresholds |= {value: f"spot {risk:g}" for value, risk in zip(found, risks, strict=True)}
    _draw(options, label, score, next(iter(thresholds), None))
    arguments: dict[str, Any] = {name: list(thresholds) for name in THRESHOLDED}
    arguments["slidingWindow"] = options.window
    tables = evaluator.evaluate(_metrics(options, thresholds), verbose=False, **arguments)
    results = [result for name in tables for result in _results(name, tables[name], thresholds, options.window)]
    about = {"points": len(label), "anomalous_points": int(label.sum()), "events": len(find_events(label)[0])}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"label": options.label, "score": options.score, **about, "results": results}, indent=2)
        with replacing(options.json) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    return _table(results, about)


def _check_combination(options: argparse.Namespace) -> None:
    places = [option for option in (options.label, options.score) if option is not None]
    if options.table is not None and places:
        raise EvaluationError("TABLE.csv has both label and score: leave out --label and --score, or the table")
    if options.table is None and len(places) < 2:
        raise EvaluationError("give TABLE.csv with the columns label and score, or both --label and --score")
    if options.risk and not options.init_score:
        raise EvaluationError("--risk is for SPOT and needs --init-score, the score of the training part")
    if options.figure and not options.out:
        raise EvaluationError("--figure needs --out, the folder for the figures")
    if (options.series or options.events) and "scores" not in options.figure:
        raise EvaluationError("--series and --events need --figure scores")
    if options.figure_format and not options.figure:
        raise EvaluationError("--figure-format has no effect without --figure")
    _check_use(options)
    for name in options.metrics or ():
        if name in THRESHOLDED and not (options.thresholds or options.init_score):
            raise EvaluationError(f"{name} needs thresholds: give --thresholds, or --init-score to derive them")


def _check_use(options: argparse.Namespace) -> None:
    """Refuse options that none of the chosen measures and figures uses."""
    if not options.metrics:
        return
    chosen, drawn = set(options.metrics), set(options.figure)
    windowed = [name for name, measure in MEASURES.items() if measure.takes == WINDOW]
    at_thresholds = not chosen.isdisjoint(THRESHOLDED) or not drawn.isdisjoint(("scores", "histogram"))
    surface = "vus_surface" in drawn
    uses = {  # option -> whether it is given, whether it is used, the measures that use it
        "--thresholds": (options.thresholds, at_thresholds, THRESHOLDED),
        "--init-score": (options.init_score, at_thresholds or options.out, THRESHOLDED),
        "--window": (options.window is not None, surface or not chosen.isdisjoint(windowed), windowed),
        "--vus-rule": (options.vus_rule, surface or "vus" in chosen, ["vus"]),
    }
    for option, (is_given, is_used, measures) in uses.items():
        if is_given and not is_used:
            raise EvaluationError(
                f"{option} has no effect: it applies to {', '.join(measures)}, none of which is in --metrics"
            )


def _load(option: str, place: str, check: Callable[[ArrayLike], np.ndarray]) -> np.ndarray:
    """Load the array given by `option`, average it over its channels if there are several, and check it."""
    array = load_array(place)
    if array.ndim == 2 and check is not check_label:
        logger.info("%s %s: averaged over %d channels", option, place, array.shape[1])
        array = array.mean(axis=1)
    try:
        return check(array)
    except EvaluationError as error:
        raise EvaluationError(f"{option} {place}: {error}") from None


def _check_init_score(array: ArrayLike) -> Floats:
    """Return the array as scores that SPOT can start from."""
    score = check_score(array)
    try:
        SPOT(score)
    except EvaluationError as error:
        raise EvaluationError(f"{error} with --thresholds") from None
    return score


def _metrics(options: argparse.Namespace, thresholds: Mapping[float, str]) -> list[str]:
    left_out = ON_REQUEST if thresholds else (*ON_REQUEST, *THRESHOLDED)
    metrics = options.metrics or [name for name in MEASURES if name not in left_out]
    return ["vus_2022" if name == "vus" and options.vus_rule == "2022" else name for name in metrics]


def _results(name: str, table: pd.DataFrame, thresholds: Mapping[float, str], window: int) -> Iterator[dict[str, Any]]:
    """The values of one measure's table, each with a note for the reader."""
    measure = MEASURES[name]
    note = [measure.note] if measure.note else []
    note += [f"window {window}"] if measure.takes == WINDOW else []
    threshold_column = next((column for column in table.columns if "thre" in column), None)
    for row in table.to_dict("records"):
        threshold = row.pop(threshold_column, None)
        for column, value in row.items():
            yield {
                "measure": name,
                "column": column,
                "value": value,
                "threshold": threshold,
                "note": ", ".join([*note, *filter(None, [thresholds.get(threshold)])]),
            }


def _table(results: Iterable[dict[str, Any]], about: Mapping[str, int]) -> str:
    columns = [Column("measure"), Column("column"), Column("value", ".6g"), Column("threshold", ".6g"), Column("note")]
    rows = [
        [value if isinstance(value, float) or value is None else str(value) for value in result.values()]
        for result in results
    ]
    events = "1 event" if about["events"] == 1 else f"{about['events']} events"
    counts = f"{about['points']} points, {about['anomalous_points']} of them anomalous, in {events}"
    return render(columns, rows, [counts])


def _draw(options: argparse.Namespace, label: Mask, score: Floats, threshold: float | None) -> None:
    series = load_array(options.series) if options.series else None
    drawings = {
        "scores": lambda path: plot_scores(series, score, label, threshold=threshold, events=options.events, path=path),
        "histogram": lambda path: plot_histogram(label, score, threshold=threshold, path=path),
        "curves": lambda path: plot_curves(label, score, path=path),
        "vus_surface": lambda path: plot_vus_surface(
            label, score, window=options.window, rule=options.vus_rule, path=path
        ),
    }
    if options.figure:
        options.out.mkdir(parents=True, exist_ok=True)
    for name in options.figure:
        drawings[name](options.out / f"{name}.{options.figure_format}")


def command(arguments: Sequence[str] | None = None) -> int:
    """Run the command line under its installed name; return its exit code."""
    return main(arguments, "ts-ad-evaluation")


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run the command line; return its exit code."""
    write_in_any_encoding()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # on its first run it logs the fonts it has found
    options = parse_arguments(arguments, program)
    try:
        sys.stdout.write(run(options))
    except (EvaluationError, OSError) as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
