"""The options of all programs. Nothing here imports PyTorch, so that --help and shell completion are immediate."""

import argparse
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from data_provider.shipped import CONFIGS, DEFAULT_ROOT

MODES = ("all", "train", "test", "evaluate")
FORMATS = ("text", "csv", "markdown", "latex")
STREAM_NOTES = """\
Each point of a stream becomes a line of JSON: row, time (if there is one), score, threshold, alarm and channels; the
score is null for a point that never gets one. Lines with the key note come in between:
  gap       a step in time longer than three usual ones (the median of the last 31), or than --gap: row and time after
            it, last before it, step and usual (seconds for dates), and whether a fresh window starts
  skipping  points that are not later than the last one are left out from here on: time, last
  skipped   they end here: how many were repeated (equal to the last time), and older
  restart   the previous run was killed: from row on, at_most so many points may have been written already
With --alarms, a line of JSON for each finished event replaces those of the points: event (its number from 1), begin,
end and peak (times, or rows if there are none; begin and end are inside), begin_row, end_row, peak_row, points,
peak_score and threshold at the peak, and channels with their shares of the score. An event is finished when more than
--merge-gap points without alarm follow it, before a fresh window, or at the end; with --state, an unfinished one is
kept there. Events with fewer than --min-length points are left out.
When the clock is put back, the hour that comes twice is skipped as older, unless times have UTC offsets or --timezone
is given. Without a column of times, neither repeated points nor gaps can be detected. SIGINT, SIGTERM and SIGHUP end a
stream after the last line that it has read, and keep the state. Standard error reports at the end what was skipped.
"""


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Compact help: examples keep their line breaks, and the column of explanations starts early."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=28)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == "+":
            return f"{self._metavar_formatter(action, default_metavar)(1)[0]} ..."
        return super()._format_args(action, default_metavar)


def new_parser(
    program: str, usage: str, description: str, examples: Iterable[str], notes: str = ""
) -> argparse.ArgumentParser:
    """Return a parser whose help ends with examples.

    Parameters
    ----------
    program : str
        What the user types to start the program.
    usage : str
        What follows it, in one line.
    description : str
    examples : iterable of str
        What follows the program's name in each example.
    notes : str
        Text at the end of the help.
    """
    lines = "\n".join(f"  {program} {example}" for example in examples)
    return argparse.ArgumentParser(
        prog=program,
        usage=f"%(prog)s {usage}",
        description=description,
        epilog="\n\n".join(filter(None, [f"examples:\n{lines}", notes])),
        formatter_class=_Layout,
    )


def model_names() -> list[str]:
    """Return the names of the models: the folders of the package `models`, without importing it."""
    folders = find_spec("models").submodule_search_locations
    return sorted(path.parent.name for folder in folders for path in Path(folder).glob("*/config.py"))


def _complete(action: argparse.Action, names: Iterable[str]) -> None:
    """Let a shell complete an option's value with these names; others are not refused."""
    names = list(names)
    action.completer = lambda **_: names


def detect_parser(program: str = "python -m exp.detect", *, stream: bool = True) -> argparse.ArgumentParser:
    """Return the parser for a user's own series and, with `stream`, for streams by the option --stream."""
    parser = new_parser(
        program,
        "SERIES.csv --out DIR [options]",
        "Find anomalies in a series of your own: train on it, score it, rank its events and write a report."
        if not stream
        else "Find anomalies in a series of your own, or in a stream.",
        [
            "sensor.csv --out results",
            "sensor.csv --out results --train-until 2024-03-01",
            "new.csv --out results_new --model results/detector",
            *(["--stream --model results/detector < live.csv"] if stream else []),
        ],
        STREAM_NOTES if stream else "",
    )
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        metavar="SERIES",
        help="a CSV or Parquet file with a column for each channel; several are one training set, without a window "
        "across their borders, and each is scored into its own folder below --out, with summary.csv",
    )
    add(
        "--series",
        nargs="+",
        action="extend",
        metavar="PATTERN",
        help="more of them, or patterns such as 'data/*.csv' (quoted; ** goes into folders)",
    )
    add("--out", type=Path, metavar="DIR", help="folder for the results")
    add("--model", type=Path, metavar="DIR", help="a saved detector (OUT/detector): score without training")
    add(
        "--continue",
        dest="before",
        type=Path,
        metavar="DIR",
        help="continue the training of a saved detector with new data of the same channels, and save it as a new one; "
        "settings and scaler stay (except --set train.KEY), the threshold is set by the new data",
    )
    _add_device(parser)
    data = parser.add_argument_group("the file").add_argument
    data(
        "--time",
        nargs="+",
        metavar="COLUMN",
        help="column of times, or one of dates and one of times of day (detected)",
    )
    data("--channels", nargs="+", metavar="COLUMN", help="channels (all numeric columns)")
    data("--label", metavar="COLUMN", help="column of labels to evaluate with (one named label, is_anomaly, ...)")
    data("--missing", choices=["error", "interpolate"], help="missing values (error)")
    data("--max-gap", type=int, metavar="POINTS", help="longest gap that is interpolated")
    _add_form(parser, "how the file or the stream is written" if stream else "how the file is written")
    _add_training(parser)
    _add_threshold(parser)
    _add_events(parser).add_argument(
        "--explain",
        action="store_true",
        help="for the channels of each event, where they are farthest from what the model expects: explain.csv with "
        "time, value and expected value in units of the file (for models that reconstruct)",
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
    add = parser.add_argument
    add("--model", type=Path, metavar="DIR", required=True, help="a saved detector (OUT/detector of detect)")
    add(
        "--time",
        nargs="+",
        metavar="COLUMN",
        help="column of times, or one of dates and one of times of day (detected)",
    )
    _add_device(parser)
    _add_stream(parser.add_argument_group("the stream"))
    _add_threshold(parser)
    _add_events(parser)
    _add_form(parser, "how the lines are written")
    left_out = vars(detect_parser(program).parse_args([]))
    parser.set_defaults(**left_out | {"stream": True})
    return parser


def _add_device(parser: argparse.ArgumentParser) -> None:
    _complete(
        parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (auto)"),
        ["auto", "cpu", "cuda", "mps"],
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
        help="train on the part before it: a row (5000), a share (0.5) or a time, of each file (all)",
    )
    _complete(add("--detector", metavar="MODEL", help=f"{', '.join(names)} (CrossAD)"), names)
    add("--config", metavar="FILE", help="a configuration file, or auto: chosen by length and period (auto)")
    add("--set", nargs="+", metavar="SECTION.KEY=VALUE", action="extend", help="change single settings")
    add("--seed", type=int, help="random seed (2025)")
    add("--tensorboard", action="store_true", default=None, help="write the losses for TensorBoard, to OUT/tensorboard")


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the threshold, by the scores of training; with --model in place of the saved one")
    add.add_argument("--threshold", metavar="RULE", help="spot, quantile or a number (spot)")
    add.add_argument("--risk", type=float, help="of the rule spot (0.001)")
    add.add_argument("--quantile", type=float, help="of the rule quantile (0.99)")
    add.add_argument(
        "--contamination", type=float, metavar="SHARE", help="a rule of its own: the share of anomalies, up to 0.5"
    )


def _add_events(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("the events, of a file or of a stream with --alarms")
    group.add_argument(
        "--merge-gap",
        type=int,
        metavar="POINTS",
        help="flagged points with at most so many others between them are one event (a quarter of the window)",
    )
    group.add_argument(
        "--min-length", type=int, metavar="POINTS", help="leave out events with fewer points, once merged (1)"
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
        help="a line of JSON for each finished event, with begin, end and peak, in place of one for each point",
    )


def common_parser(program: str, description: str, examples: Iterable[str]) -> argparse.ArgumentParser:
    """Return a parser with the options for training on datasets."""
    parser = new_parser(program, "--config FILE [options]", description, examples)
    add = parser.add_argument
    _complete(
        add(
            "--config",
            type=Path,
            required=True,
            metavar="FILE",
            help="a YAML file, a folder with config.yaml, or one of the repository's by name (MSL, SMD/MIXAD.yaml)",
        ),
        sorted(file.relative_to(CONFIGS).as_posix().removesuffix("/config.yaml") for file in CONFIGS.glob("*/*.yaml")),
    )
    _complete(
        add("--model", metavar="NAME", help="another detector: use NAME.yaml of the folder --config"),
        model_names(),
    )
    add(
        "--save_path",
        type=Path,
        default=Path("test_results"),
        metavar="DIR",
        help="folder for the results (test_results)",
    )
    _add_device(parser)
    add("--seed", type=int, help="random seed (the configuration's)")
    add(
        "--seeds",
        type=int,
        nargs="+",
        metavar="SEED",
        help="one run for each seed; runs already made with the same settings, data and weights are skipped",
    )
    add("--set", nargs="+", default=[], metavar="SECTION.KEY=VALUE", action="extend", help="change single settings")
    add("--cover_tail", action="store_true", help="also score the points after the last whole window")
    add(
        "--resume",
        action="store_true",
        help="continue after the last finished epoch; refused if the training data has changed",
    )
    return parser


def run_parser(program: str = "run.py") -> argparse.ArgumentParser:
    """Return the parser for training on one dataset."""
    parser = common_parser(
        program,
        "Train a detector on a dataset, score its test part and measure the score.",
        [
            "--config configs/quickstart",
            "--config configs/MSL --seeds 2021 2022 2023",
            "--config configs/SMD --model MIXAD --mode train",
            "--config configs/MSL --set train.batch_size=64 train.train_epochs=3",
        ],
    )
    add = parser.add_argument
    add(
        "--mode",
        choices=MODES,
        default="all",
        help="all: train, then test (default); evaluate: thresholds from the training part, and measures at them",
    )
    add(
        "--root_path",
        type=Path,
        default=DEFAULT_ROOT,
        metavar="DIR",
        help="folder with DETECT_META.csv and data/ (dataset)",
    )
    add(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help="measures to write (the configuration's; affiliation in --mode evaluate)",
    )
    add("--t", nargs="+", type=float, metavar="RISK", help="SPOT's risks in --mode evaluate (the configuration's)")
    add("--thresholds", nargs="+", type=float, metavar="X", help="for measures at thresholds, instead of SPOT's")
    add("--tensorboard", action="store_true", help="write the losses by epoch for TensorBoard too, beside epochs.csv")
    add(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="weights to score with: a checkpoint of this project or of the published code",
    )
    return parser


def sweep_parser(program: str, root: Path, example: str) -> argparse.ArgumentParser:
    """Return the parser for a benchmark of many series, in `root` unless another folder is named."""
    parser = common_parser(
        program,
        "Train and test a detector on all series of a benchmark; finished series are skipped.",
        [f"--config {example}", f"--config {example} --series 1,2 --jobs 2", f"--config {example} --mode evaluate"],
    )
    add = parser.add_argument
    add(
        "--mode",
        choices=MODES,
        default="all",
        help="all: train, then test (default); evaluate: measure existing scores again",
    )
    add("--root_path", type=Path, default=root, metavar="DIR", help=f"folder of the series ({root})")
    add("--series", help="only these: numbers, names or globs, separated by commas (135,136 or '*ECG*')")
    add(
        "--jobs",
        type=int,
        metavar="N",
        help="workers on this machine, one thread each (one for each core or CUDA device)",
    )
    add("--jobs-per-device", type=int, metavar="N", help="workers for each CUDA device, instead of --jobs (1)")
    add(
        "--backend",
        choices=["loky", "dask", "ray"],
        default="loky",
        help="workers on this machine (loky), or all workers of a cluster, which must see the same files under the "
        "same paths and import this project (installed, or started in the clone with PYTHONPATH=.)",
    )
    add("--scheduler", metavar="ADDRESS", help="address of the Dask scheduler")
    add("--address", help="address of the Ray cluster")
    return parser


def summary_parser(program: str = "python -m exp.summary") -> argparse.ArgumentParser:
    """Return the parser for the table of results."""
    parser = new_parser(
        program,
        "FOLDER [options]",
        "One table of all results below a folder, with the published values: a row for each dataset, detector, "
        "configuration and metric, averaged over the seeds.",
        ["test_results", "test_results --format latex --out table.tex"],
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="folder with results, such as test_results")
    add("--format", choices=FORMATS, default="text", help="format of the table (text)")
    add("--out", type=Path, metavar="FILE", help="write here instead of to the terminal")
    return parser


def report_parser(program: str = "python -m exp.report") -> argparse.ArgumentParser:
    """Return the parser for the page of a run."""
    parser = new_parser(
        program,
        "FOLDER [options]",
        "Write an interactive page of a run's scores, events and measures.",
        ["test_results/MSL/results_0", "test_results/MSL/results_0 --out page.html"],
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="folder with results, such as test_results/MSL/results_0")
    add("--root_path", type=Path, default=DEFAULT_ROOT, metavar="DIR", help="folder of the datasets (dataset)")
    add("--out", type=Path, metavar="FILE", help="file to write (report.html in the folder)")
    return parser
