"""The options of the programs for a user's own series and for streams, imported as quickly as `exp.cli.options`."""

import argparse
from pathlib import Path

from exp.cli.options import add_device, complete, model_names, new_parser

STREAM_NOTES = """\
Each point of a stream becomes a line of JSON: row, time (if there is one), score, threshold, alarm and channels; the
score is null for a point that never gets one. Lines with the key note come in between:
  gap       a step in time longer than three usual ones (the median of the last 31), or than --gap: row and time after
            it, last before it, step and usual (seconds for dates), and whether a fresh window starts
  skipping  points that are not later than the last one are left out from here on: time, last
  skipped   they end here: how many were repeated (equal to the last time), how many older
  restart   the previous run was killed: from row on, at_most this many points may already have been written
With --alarms, there is a line of JSON for each finished event instead of each point: event (its number from 1); begin,
end and peak (times, or rows if there are none; begin and end belong to it); begin_row, end_row, peak_row; points;
peak_score and the threshold at the peak; and channels with their shares of the score. An event is finished once more
than --merge-gap points without alarm follow it, before a fresh window, or at the end; with --state, an unfinished
event is kept there. Events with fewer than --min-length points are left out.
When clocks go back, the repeated hour is skipped as older, unless times have UTC offsets or --timezone is given.
Without a column of times, neither repeated points nor gaps can be detected. SIGINT, SIGTERM and SIGHUP end a stream
after the last line read, and keep the state. At the end, standard error reports what was skipped.
"""


def detect_parser(program: str = "python -m exp.detect", *, stream: bool = True) -> argparse.ArgumentParser:
    """Return the parser for a user's own series and, with `stream`, for streams by the option --stream."""
    parser = new_parser(
        program,
        "SERIES.csv --out DIR [options]",
        "Find anomalies in your own series: train on it, score it, rank its events and write a report."
        if not stream
        else "Find anomalies in your own series, or in a stream.",
        [
            "sensor.csv --out results",
            "sensor.csv --out results --train-until 2024-03-01",
            "new.csv --out results_new --model results/detector",
            *(["--stream --model results/detector < live.csv"] if stream else []),
        ],
        STREAM_NOTES if stream else "",
    )
    _add_files(parser)
    add_device(parser)
    _add_columns(parser)
    _add_form(parser, "how the file or the stream is written" if stream else "how the file is written")
    _add_training(parser)
    _add_threshold(parser)
    _add_events(parser).add_argument(
        "--explain",
        action="store_true",
        help="write explain.csv: for each event and channel, the value farthest from the expected one (models that "
        "reconstruct)",
    )
    if stream:
        group = parser.add_argument_group(
            "a stream: CSV lines from standard input become a line of JSON for each point"
        )
        group.add_argument("--stream", action="store_true", help="score standard input with the detector --model")
        _add_stream(group)
    else:
        parser.set_defaults(**vars(detect_parser(program).parse_args([])))  # of the options that are left out
    parser.set_defaults(program=program)
    return parser


def stream_parser(program: str) -> argparse.ArgumentParser:
    """Return the parser for streams only; its result is that of `detect_parser` with --stream."""
    parser = new_parser(
        program,
        "--model DIR [options]",
        "Score CSV lines from standard input as they arrive, with a saved detector.",
        [
            "--model results/detector < live.csv",
            "--model results/detector --stream-mode causal --state stream.state",
        ],
        STREAM_NOTES,
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", required=True, help="a saved detector (OUT/detector of detect)"
    )
    _add_time(parser)
    add_device(parser)
    _add_stream(parser.add_argument_group("the stream"))
    _add_threshold(parser)
    _add_events(parser)
    _add_form(parser, "how the lines are written")
    left_out = vars(detect_parser(program).parse_args([]))
    parser.set_defaults(**left_out | {"stream": True})
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        metavar="SERIES",
        help="a CSV or Parquet file with a column for each channel; several form one training set, "
        "each with a folder in --out",
    )
    add(
        "--series",
        nargs="+",
        action="extend",
        metavar="PATTERN",
        help="more files, or patterns such as 'data/**/*.csv', quoted",
    )
    add("--out", type=Path, metavar="DIR", help="folder for the results")
    add("--model", type=Path, metavar="DIR", help="a saved detector (OUT/detector): score without training")
    add(
        "--continue",
        dest="before",
        type=Path,
        metavar="DIR",
        help="train a saved detector further on new data; --set train.KEY alone has effect",
    )


def _add_columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the file")
    _add_time(group)
    add = group.add_argument
    add("--channels", nargs="+", metavar="COLUMN", help="channels (all numeric columns)")
    add("--label", metavar="COLUMN", help="column of labels to evaluate with (one named label, is_anomaly, ...)")
    add("--missing", choices=["error", "interpolate"], help="missing values (error)")
    add("--max-gap", type=int, metavar="POINTS", help="longest gap that is interpolated")


def _add_time(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--time",
        nargs="+",
        metavar="COLUMN",
        help="column of times, or one of dates and one of times of day (detected)",
    )


def _add_form(parser: argparse.ArgumentParser, title: str) -> None:
    """Add the options that say how the file or the stream is written; the rest is detected and reported."""
    add = parser.add_argument_group(f"{title} (detected by default)").add_argument
    add("--sep", metavar="CHAR", help="separator: a character, or comma, semicolon, tab, pipe or space")
    add("--decimal", choices=[".", ","], help="decimal mark")
    add("--header", choices=["yes", "no"], help="whether the first line holds names (yes, unless it is all data)")
    add("--date-format", metavar="FORMAT", help="format of times, such as '%%d.%%m.%%Y %%H:%%M:%%S'")
    add("--timezone", metavar="ZONE", help="zone of times that have none, such as Europe/Berlin; others are converted")
    add("--missing-values", nargs="+", metavar="CODE", help="codes for a missing value, such as -999")
    add("--encoding", help="encoding: utf-8, utf-16, latin-1, ...")


def _add_training(parser: argparse.ArgumentParser) -> None:
    names = model_names()
    add = parser.add_argument_group("the training").add_argument
    add(
        "--train-until",
        metavar="END",
        help="train on the part before it, in each file: a row (5000), a share (0.5) or a time (all)",
    )
    complete(
        add(
            "--detector",
            metavar="MODEL",
            help=f"{', '.join(names)}, or auto: see docs/own-series.md (auto; with --config or --set CrossAD)",
        ),
        [*names, "auto"],
    )
    add("--config", metavar="FILE", help="a configuration file, or auto: chosen by length and period (auto)")
    add("--set", nargs="+", metavar="SECTION.KEY=VALUE", action="extend", help="change single settings")
    add("--seed", type=int, help="random seed (2025)")
    add("--tensorboard", action="store_true", default=None, help="write the losses for TensorBoard, to OUT/tensorboard")


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(
        "the threshold, set from the training scores; with --model, it replaces the saved one"
    )
    add.add_argument("--threshold", metavar="RULE", help="auto, spot, quantile or a number (auto)")
    add.add_argument("--risk", type=float, help="for the rule spot (0.001)")
    add.add_argument("--quantile", type=float, help="for the rule quantile (0.99)")
    add.add_argument("--contamination", type=float, metavar="SHARE", help="instead: the share of anomalies, up to 0.5")


def _add_events(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("the events, in a file or a stream with --alarms")
    group.add_argument(
        "--merge-gap",
        type=int,
        metavar="POINTS",
        help="flagged points with at most this many others between them are one event (a quarter of the window)",
    )
    group.add_argument(
        "--min-length", type=int, metavar="POINTS", help="leave out events with fewer points after merging (1)"
    )
    return group


def _add_stream(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--stream-mode",
        choices=["window", "causal"],
        help="window: scores of whole windows, as for a file; causal: each point at once (window)",
    )
    add(
        "--state",
        type=Path,
        metavar="FILE",
        help="resume from this state and keep it up to date; points up to its last time are then skipped",
    )
    add(
        "--state-every",
        type=int,
        metavar="N",
        help="also write the state after every N points: a killed stream repeats at most N (100)",
    )
    add(
        "--gap",
        metavar="GAP",
        help="start a fresh window after a longer gap in time: a number of usual steps (10) or a duration (2h); by "
        "default windows run across gaps",
    )
    add("--drift-window", type=int, metavar="POINTS", help="let alarms follow the mean of the last POINTS scores")
    add(
        "--alarms",
        action="store_true",
        default=None,
        help="write a line of JSON for each finished event, instead of each point",
    )
