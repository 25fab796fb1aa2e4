"""The command line of run.py."""

import argparse
import logging
import sys
from pathlib import Path

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

from exp.config import ExperimentConfig, load_config
from exp.devices import choose_device
from exp.errors import USER_ERRORS, UserError
from exp.experiment import Experiment, read_series
from exp.processes import join
from exp.results import RunFolder
from models.settings import nearest
from ts_ad_evaluation.evaluator import MEASURES

MODES = ("all", "train", "test", "evaluate")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of run.py's options."""
    parser = argparse.ArgumentParser(
        prog="run.py", description="Train a detector on a dataset, score its test part and measure the score."
    )
    parser.add_argument("--config", type=Path, required=True, help="a YAML file, or a folder with config.yaml")
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="all",
        help="all: train, then test (default); evaluate: thresholds from the training part, and what needs them",
    )
    parser.add_argument(
        "--root_path",
        type=Path,
        default=Path("dataset"),
        help="folder with DETECT_META.csv and data/ (dataset)",
    )
    parser.add_argument("--save_path", type=Path, default=Path("test_results"), help="where results go (test_results)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (auto)")
    parser.add_argument("--seed", type=int, help="of weights, order and dropout (the configuration's)")
    parser.add_argument("--metrics", nargs="+", help="measures to write (the configuration's)")
    parser.add_argument("--t", nargs="+", type=float, help="SPOT's risks in --mode evaluate (the configuration's)")
    parser.add_argument("--thresholds", nargs="+", type=float, help="of measures that need some, in place of SPOT's")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="SECTION.KEY=VALUE",
        action="extend",
        help="change single settings",
    )
    parser.add_argument("--checkpoint", type=Path, help="weights to test: one of this project's or a published one")
    parser.add_argument("--cover_tail", action="store_true", help="also score the points behind the last whole window")
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for what the user can mend, 130 when interrupted."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        with logging_redirect_tqdm():
            run(options)
    except USER_ERRORS as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: --resume goes on after the last finished epoch\n")
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Do what the options ask for."""
    config = resolve_config(options)
    check_metrics(config.evaluation.metrics)
    if options.checkpoint and options.mode in ("all", "train"):
        raise UserError("--checkpoint names weights to score with: add --mode test or --mode evaluate")
    folder = RunFolder(options.save_path / config.data.name / "results_0")
    device = choose_device(options.device)
    with join(device.type) as processes:
        if device.type == "cuda" and processes.size > 1:
            device = torch.device("cuda", processes.local_rank)
        if not processes.first:
            logging.disable(logging.INFO)
        series = read_series(config.data, options.root_path)
        experiment = Experiment(config, series, folder, device, processes)
        if options.mode in ("all", "train"):
            experiment.train(resume=options.resume)
        if processes.first:  # training is shared, scoring is quick enough for one
            score_and_measure(experiment, options)


def score_and_measure(experiment: Experiment, options: argparse.Namespace) -> None:
    """Do what the modes but `train` ask for, and show the measures."""
    given = {"thresholds": options.thresholds, "weights": options.checkpoint}
    folder = experiment.folder
    if options.mode in ("all", "test"):
        tables = experiment.test(experiment.config.evaluation.metrics, **given)
        sys.stdout.write(format_tables(tables) + f"results in {folder.path}, figure {folder.figure.name}\n")
    if options.mode == "evaluate":
        tables = experiment.evaluate(options.metrics or ["affiliation"], **given)
        sys.stdout.write(format_tables(tables) + f"results in {folder.path}\n")


def resolve_config(options: argparse.Namespace) -> ExperimentConfig:
    """Read the configuration file and apply the options that change settings."""
    overrides = list(options.set)
    if options.seed is not None:
        overrides.append(f"train.seed={options.seed}")
    if options.metrics:
        overrides.append(f"evaluation.metrics=[{', '.join(options.metrics)}]")
    if options.t:
        overrides.append(f"evaluation.spot_risks={options.t}")
    if options.cover_tail:
        overrides.append("evaluation.cover_tail=true")
    return load_config(options.config, overrides)


def check_metrics(names) -> None:
    """Refuse names that are no measures, before any work is done.

    Raises
    ------
    UserError
        With the nearest valid name.
    """
    for name in names:
        if name not in MEASURES:
            raise UserError(f"unknown metric {name!r}: {nearest(name, MEASURES)}")


def format_tables(tables: dict) -> str:
    """Lay out tables for the terminal: one row as a line for each figure, several rows as they are."""
    lines = []
    for table in tables.values():
        if len(table) == 1:
            lines += [f"{column:>16s}  {value:.6g}\n" for column, value in table.iloc[0].items()]
        else:
            lines.append(table.to_string(index=False, float_format="{:.6g}".format) + "\n")
    if "best_f1" in tables:
        lines.append("(…_best: at the threshold that is best for the test labels, an oracle's figure)\n")
    if "accomplish_UCR" in tables:
        ranked = tables["accomplish_UCR"].iloc[0]
        lines.append(f"the anomaly's first point is ranked {ranked['topk']:.0f} of {ranked['total_len']:.0f}\n")
    return "".join(lines)
