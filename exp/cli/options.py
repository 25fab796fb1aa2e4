"""The options of the programs for datasets and results.

Nothing here imports PyTorch, so that --help and shell completion are immediate.
"""

import argparse
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from data_provider.shipped import CONFIGS, DEFAULT_ROOT

MODES = ("all", "train", "test", "evaluate")
FORMATS = ("text", "csv", "markdown", "latex")


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
        allow_abbrev=False,  # --mode would be taken for --model
    )


def model_names() -> list[str]:
    """Return the names of the models: the folders of the package `models`, without importing it."""
    folders = find_spec("models").submodule_search_locations
    return sorted(path.parent.name for folder in folders for path in Path(folder).glob("*/config.py"))


def complete(action: argparse.Action, names: Iterable[str]) -> None:
    """Let a shell complete an option's value with these names; other values are accepted too."""
    names = list(names)
    action.completer = lambda **_: names


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the option --device."""
    complete(
        parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (auto)"),
        ["auto", "cpu", "cuda", "mps"],
    )


def common_parser(program: str, description: str, examples: Iterable[str]) -> argparse.ArgumentParser:
    """Return a parser with the options for training on datasets."""
    parser = new_parser(program, "--config FILE [options]", description, examples)
    add = parser.add_argument
    complete(
        add(
            "--config",
            type=Path,
            required=True,
            metavar="FILE",
            help="a YAML file, a folder with config.yaml, or one of the repository's by name (MSL, SMD/MIXAD.yaml)",
        ),
        sorted(file.relative_to(CONFIGS).as_posix().removesuffix("/config.yaml") for file in CONFIGS.glob("*/*.yaml")),
    )
    complete(
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
    add_device(parser)
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
