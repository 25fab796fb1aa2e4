"""The program run.py: one detector on one dataset."""

import argparse
import dataclasses
import logging
import math
import sys
from pathlib import Path

import pandas as pd
import torch

from exp.benchmark.experiment import Experiment, read_series
from exp.benchmark.run_folder import RunFolder, results_folder
from exp.benchmark.seeds import summarise_seeds
from exp.cli.common import MODES, chosen_config, common_overrides, common_parser, run_program
from exp.config import ExperimentConfig, differences, load_config
from exp.errors import UserError
from exp.training.devices import choose_device
from exp.training.processes import Processes, join

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(_run, build_parser().parse_args(arguments))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of run.py's options."""
    parser = common_parser("run.py", "Train a detector on a dataset, score its test part and measure the score.")
    add = parser.add_argument
    add(
        "--mode",
        choices=MODES,
        default="all",
        help="all: train, then test (default); evaluate: thresholds from the training part, and what needs them",
    )
    add("--root_path", type=Path, default=Path("dataset"), help="folder with DETECT_META.csv and data/ (dataset)")
    add("--metrics", nargs="+", help="measures to write (the configuration's; in --mode evaluate affiliation)")
    add("--t", nargs="+", type=float, help="SPOT's risks in --mode evaluate (the configuration's)")
    add("--thresholds", nargs="+", type=float, help="of measures that need some, in place of SPOT's")
    add("--checkpoint", type=Path, help="weights to score with: one of this project's or a published one")
    return parser


def _run(options: argparse.Namespace) -> int:
    config = _resolve(options)
    if options.checkpoint and options.mode in ("all", "train"):
        raise UserError("--checkpoint names weights to score with: add --mode test or --mode evaluate")
    if options.thresholds and any(map(math.isnan, options.thresholds)):
        raise UserError("--thresholds: nan is no threshold: give numbers")
    if options.checkpoint and not options.checkpoint.is_file():
        raise UserError(f"{options.checkpoint}: no such checkpoint: correct --checkpoint")
    if options.t and options.mode != "evaluate":
        raise UserError("--t gives SPOT's risks, which only --mode evaluate uses: add it, or leave --t out")
    device = choose_device(options.device)
    with join(device.type) as processes:
        if device.type == "cuda" and processes.size > 1:
            device = torch.device("cuda", processes.local_rank)
        if not processes.first:
            logging.disable(logging.INFO)
        folder = results_folder(options.save_path, config)
        if not options.seeds:
            _one_seed(config, folder / "results_0", device, processes, options)
            return 0
        figures = {}
        for seed in options.seeds:
            seeded = dataclasses.replace(config, train=config.train.model_copy(update={"seed": seed}))
            logger.info("seed %d", seed)
            path = folder / f"seed_{seed}"
            tables = _measured(RunFolder(path), seeded, options) or _one_seed(seeded, path, device, processes, options)
            figures[seed] = _single_figures(tables)
        if processes.first and any(figures.values()):
            sys.stdout.write(summarise_seeds(figures, folder / "seeds.csv"))
    return 0


def _one_seed(
    config: ExperimentConfig, path: Path, device: torch.device, processes: Processes, options: argparse.Namespace
) -> dict:
    """Do what the mode asks for, show the measures, and return their tables."""
    series = read_series(config.data, options.root_path)
    folder = RunFolder(path)
    experiment = Experiment(config, series, folder, device, processes)
    metrics = config.evaluation.metrics
    if options.mode == "evaluate":
        metrics = options.metrics or ["affiliation"]
    if options.mode != "train":
        experiment.check_measures(metrics, with_thresholds=bool(options.thresholds) or options.mode == "evaluate")
    if options.mode in ("all", "train"):
        experiment.train(resume=options.resume or bool(options.seeds and _same_training(folder, config)))
    if options.mode == "train" or not processes.first:  # training is shared, scoring is quick enough for one
        return {}
    measure = experiment.evaluate if options.mode == "evaluate" else experiment.test
    tables = measure(metrics, thresholds=options.thresholds, weights=options.checkpoint)
    sys.stdout.write(_format(tables) + f"results in {path}\n")
    return tables


def _measured(folder: RunFolder, config: ExperimentConfig, options: argparse.Namespace) -> dict | None:
    """Return the tables of a run that has been tested with exactly these settings and its own weights, or None."""
    if options.mode not in ("all", "test") or options.thresholds or options.checkpoint:
        return None
    files = {name: folder.path / f"_{name}.csv" for name in config.evaluation.metrics}
    tested = {"status": "tested", "config": config.to_dict(), "checkpoint": str(folder.checkpoint)}
    if not tested.items() <= folder.read_record().items() or not all(file.is_file() for file in files.values()):
        return None
    logger.info("measured already: %s", folder.path)
    return {name: pd.read_csv(file, float_precision="round_trip") for name, file in files.items()}


def _same_training(folder: RunFolder, config: ExperimentConfig) -> bool:
    """Whether what the folder holds was trained, or begun to be, with the same settings."""
    differing = differences(folder.read_record().get("config", {}), config.to_dict())
    return all(row.startswith("evaluation.") for row in differing)


def _single_figures(tables: dict) -> dict[str, float]:
    """Return every figure that is one number for the run."""
    return {name: value for table in tables.values() if len(table) == 1 for name, value in table.iloc[0].items()}


def _resolve(options: argparse.Namespace) -> ExperimentConfig:
    overrides = common_overrides(options)
    if options.metrics:
        overrides.append(f"evaluation.metrics=[{', '.join(options.metrics)}]")
    if options.t:
        overrides.append(f"evaluation.spot_risks={options.t}")
    return load_config(chosen_config(options), overrides)


def _format(tables: dict) -> str:
    """Lay out tables for the terminal: one row as a line for each figure, several rows as they are."""
    lines = []
    for table in tables.values():
        if len(table) == 1:
            lines += [f"{column:>16s}  {value:.6g}\n" for column, value in table.iloc[0].items()]
        else:
            lines.append(table.to_string(index=False, float_format="{:.6g}".format) + "\n")
    if "best_f1" in tables:
        lines.append("(…_best: at the threshold that is best for the test labels, an oracle's figure)\n")
    if "best_f1_pa" in tables:
        lines.append("(…_best_PA: the oracle's figure, point-adjusted: an event counts whole once it is hit)\n")
    if "accomplish_UCR" in tables:
        ranked = tables["accomplish_UCR"].iloc[0]
        lines.append(f"the anomaly's first point is ranked {ranked['topk']:.0f} of {ranked['total_len']:.0f}\n")
    return "".join(lines)
