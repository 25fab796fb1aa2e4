"""The options of `python -m exp.detect`, and which of them go together."""

import argparse
from pathlib import Path

from exp.detection.events import check_events
from exp.detection.explanation import check_explicable
from exp.detection.own_series import check_overrides
from exp.detection.thresholds import ThresholdRule
from exp.errors import UserError
from exp.streaming.lines import NOTES_HELP, STATE_EVERY
from exp.training.devices import choose_device
from models import DEFAULT, DETECTORS

STREAM = ("stream_mode", "state", "state_every", "drift_window", "gap", "alarms")
# What a saved detector brings.
TRAINING = ("train_until", "detector", "config", "set", "seed")
RULES = ("threshold", "risk", "quantile", "contamination")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program's options."""
    parser = argparse.ArgumentParser(
        prog="python -m exp.detect",
        description="Find anomalies in a series of your own, or in a stream.",
        epilog=NOTES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        metavar="SERIES",
        help="a CSV or Parquet file with a column for each channel; several are one training set, without a window "
        "across their borders, and each is scored into a folder of its own below --out, with summary.csv",
    )
    add(
        "--series",
        nargs="+",
        action="extend",
        metavar="PATTERN",
        help="more of them, or patterns such as 'data/*.csv' (quoted; ** goes into folders)",
    )
    add("--out", type=Path, help="folder for the results")
    add("--model", type=Path, metavar="DIR", help="a saved detector (OUT/detector): score without training")
    add(
        "--continue",
        dest="before",
        type=Path,
        metavar="DIR",
        help="go on training a saved detector with new data of the same channels, and save it as a new one; its "
        "settings and its scaler stay, but for --set train.KEY, and the threshold is that of the new data",
    )
    data = parser.add_argument_group("the file")
    data.add_argument(
        "--time", nargs="+", metavar="COLUMN", help="column of times, or those of days and of times of day (found)"
    )
    data.add_argument("--channels", nargs="+", metavar="COLUMN", help="channels (all columns of numbers)")
    data.add_argument(
        "--label", metavar="COLUMN", help="column of labels, to measure with (one named label, is_anomaly, ...)"
    )
    data.add_argument("--missing", choices=["error", "interpolate"], help="missing values (error)")
    data.add_argument("--max-gap", type=int, metavar="POINTS", help="longest gap that is interpolated")
    _add_form(parser.add_argument_group("how the file or the stream is written (found, and said if not plain)"))
    training = parser.add_argument_group("the training")
    training.add_argument(
        "--train-until",
        metavar="END",
        help="train on what is before: a row (5000), a share (0.5) or a time, of each file (all)",
    )
    training.add_argument("--detector", choices=sorted(DETECTORS), help=f"the model ({DEFAULT})")
    training.add_argument("--config", help="a configuration file, or auto: by length and period (auto)")
    training.add_argument("--set", nargs="+", metavar="SECTION.KEY=VALUE", action="extend", help="change settings")
    training.add_argument("--seed", type=int, help="of all random numbers (2025)")
    rules = parser.add_argument_group(
        "the threshold, by the scores of training; with --model in place of the saved one, for a file or a stream"
    )
    rules.add_argument("--threshold", help="spot, quantile or a number (spot)")
    rules.add_argument("--risk", type=float, help="of spot (0.001)")
    rules.add_argument("--quantile", type=float, help="of quantile (0.99)")
    rules.add_argument(
        "--contamination", type=float, metavar="SHARE", help="a rule of its own: the share of anomalies, up to 0.5"
    )
    events = parser.add_argument_group("the events, of a file or of a stream with --alarms")
    events.add_argument(
        "--merge-gap",
        type=int,
        metavar="POINTS",
        help="flagged points with no more than so many others between them are one event (a quarter of the window)",
    )
    events.add_argument(
        "--min-length", type=int, metavar="POINTS", help="leave out events that have fewer points, once merged (1)"
    )
    events.add_argument(
        "--explain",
        action="store_true",
        help="say of the channels of each event of a file where they are farthest from what the model expects: "
        "explain.csv with time, value and expected value in units of the file; "
        f"with {', '.join(name for name, model in sorted(DETECTORS.items()) if model.reconstructs)}",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (auto)")
    stream = parser.add_argument_group("a stream, CSV lines from standard input to a line of JSON for each point")
    stream.add_argument("--stream", action="store_true", help="score standard input by the detector --model")
    stream.add_argument(
        "--stream-mode",
        choices=["window", "causal"],
        help="window: whole windows, as the batch does; causal: each point at once (window)",
    )
    stream.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="go on from this state, and leave the state there; points up to its last time are then skipped",
    )
    stream.add_argument(
        "--state-every",
        type=int,
        metavar="N",
        help=f"write the state after every N points, too: a killed stream repeats N at most ({STATE_EVERY})",
    )
    stream.add_argument(
        "--gap",
        metavar="GAP",
        help="start a fresh window where a step in time is longer than so many usual ones (10), or than a duration "
        "(2h); the points before have their scores from the windows so far (windows go on across gaps)",
    )
    stream.add_argument(
        "--drift-window", type=int, metavar="POINTS", help="let alarms follow the mean of so many scores"
    )
    stream.add_argument(
        "--alarms",
        action="store_true",
        default=None,
        help="a line of JSON for each finished event, with begin, end and peak, in place of one for each point",
    )
    return parser


def _add_form(data: argparse._ArgumentGroup) -> None:
    """Add the options that say how the file or the stream is written; what they leave open is decided, and said."""
    data.add_argument("--sep", metavar="SIGN", help="separator: a sign, or comma, semicolon, tab, pipe or space")
    data.add_argument("--decimal", choices=[".", ","], help="decimal mark")
    data.add_argument(
        "--header", choices=["yes", "no"], help="whether the first line holds names (yes, unless all of it is data)"
    )
    data.add_argument("--date-format", metavar="FORMAT", help="of times, like '%%d.%%m.%%Y %%H:%%M:%%S'")
    data.add_argument("--timezone", metavar="ZONE", help="of times without one, like Europe/Berlin; others are moved")
    data.add_argument("--missing-values", nargs="+", metavar="CODE", help="what stands for a missing value, like -999")
    data.add_argument("--encoding", help="of the text: utf-8, utf-16, latin-1, ... (UTF-8, or UTF-16 where it is seen)")


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    choose_device(options.device)
    if options.stream and options.model is None:
        raise UserError("--stream needs a saved detector: give --model DIR")
    _check_training(options)
    if options.stream:
        _check_stream(options)
        return
    if not given_texts(options) and len(options.time or ()) > 1:
        raise UserError(f"--time {' '.join(options.time)}: holds the file, if it is there: put the file before --time")
    if not given_texts(options) or options.out is None:
        raise UserError("give a file and where to write: python -m exp.detect SERIES.csv --out DIR")
    stream_alone = _given(options, STREAM)
    if stream_alone:
        raise UserError(f"{' and '.join(stream_alone)} belong to a stream: add --stream, or leave them out")
    if options.max_gap is not None and options.missing != "interpolate":
        raise UserError("--max-gap limits what is interpolated: add --missing interpolate")
    if options.max_gap is not None and options.max_gap < 1:
        raise UserError(f"--max-gap {options.max_gap}: give a number of points from 1 on")


def given_texts(options: argparse.Namespace) -> list[str]:
    """Return the files and patterns that are given, in their order."""
    return [*options.files, *(options.series or ())]


def _check_stream(options: argparse.Namespace) -> None:
    """Refuse options that a stream does not have."""
    if given_texts(options) or options.out is not None:
        raise UserError("--stream reads standard input and writes standard output: leave out the file and --out")
    given = _given(options, ("merge_gap", "min_length"))
    if given and not options.alarms:
        raise UserError(f"{given[0]} makes events of alarms: add --alarms, or leave it out")
    if options.explain:
        raise UserError("--explain belongs to a file: leave it out")
    if _given(options, ("channels", "label", "missing", "max_gap")):
        raise UserError(
            "--channels, --label, --missing and --max-gap belong to a file: leave them out, the stream's first line "
            "may name its columns"
        )
    if options.time is not None and len(options.time) > 2:
        raise UserError(f"--time {' '.join(options.time)}: name one column, or that of dates and that of times of day")
    if options.state_every is not None and options.state is None:
        raise UserError("--state-every belongs to --state FILE: name the file, or leave it out")
    if options.state_every is not None and options.state_every < 1:
        raise UserError(f"--state-every {options.state_every}: give a number of points from 1 on")


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None]


def _check_training(options: argparse.Namespace) -> None:
    """Refuse options of the training that would have no effect."""
    given = _given(options, TRAINING)
    if options.model is not None and given:
        raise UserError(f"{given[0]} is for training, which --model replaces: leave one of them out")
    if options.before is not None:
        _check_continuation(options)
    ThresholdRule(**rule_options(options)).check()
    if options.explain and options.model is None and options.before is None:
        check_explicable(options.detector or DEFAULT)
    check_events(options.merge_gap, options.min_length, names=("--merge-gap", "--min-length"))
    keys = [setting.partition("=")[0] for setting in options.set or ()]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise UserError(f"--set {twice}: given twice: leave one of them out")
    if options.seed is not None and "train.seed" in keys:
        raise UserError("--seed and --set train.seed exclude each other: use one of them")
    check_overrides(options.set or ())


def _check_continuation(options: argparse.Namespace) -> None:
    """Refuse what a training that goes on does not have."""
    if options.model is not None or options.stream:
        other = "--stream" if options.stream else "--model"
        raise UserError(f"--continue trains, and {other} does not: leave one of them out")
    given = _given(options, ("detector", "config", "seed"))
    if given:
        raise UserError(f"{given[0]} is what the detector of --continue brings: leave it out, or start afresh")
    if options.out is not None and (options.out / "detector").resolve() == options.before.resolve():
        raise UserError(
            f"--out {options.out}: its detector would replace the one that the training goes on from: choose another "
            "folder"
        )


def rule_options(options: argparse.Namespace) -> dict:
    """Return how the threshold is to be set, as `ThresholdRule` takes it; empty where nothing is said of it.

    Raises
    ------
    UserError
        When the options contradict each other.
    """
    given = {name: getattr(options, name) for name in RULES if getattr(options, name) is not None}
    others = [name for name in given if name != "contamination"]
    if "contamination" in given and others:
        raise UserError(
            f"--contamination and --{others[0]} exclude each other, each sets the threshold: use one of them"
        )
    if "risk" in given and "quantile" in given:
        raise UserError("--risk and --quantile exclude each other, each is of another threshold: use one of them")
    if "quantile" in given and (options.model or options.before) is not None:
        given.setdefault("threshold", "quantile")  # there is no default that it could contradict
    rule = given.get("threshold", "spot")
    for name, owner in (("risk", "spot"), ("quantile", "quantile")):
        if name in given and rule != owner:
            raise UserError(f"--{name} belongs to --threshold {owner}: leave it out, or use that threshold")
    if is_float(rule):
        given["threshold"] = float(rule)
    return given


def is_float(text: str) -> bool:
    """Return whether a text is a number, or nan or infinite."""
    try:
        float(text)
    except ValueError:
        return False
    return True
