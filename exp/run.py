"""The program run.py: one detector on one dataset."""

import argparse
import dataclasses
import logging
import sys
from pathlib import Path

import pandas as pd
import torch

from exp.command_line import MODES, common_overrides, common_parser, run_program
from exp.config import ExperimentConfig, load_config
from exp.devices import choose_device
from exp.errors import UserError
from exp.experiment import Experiment, read_series
from exp.processes import Processes, join
from exp.results import RunFolder
from models.settings import nearest
from ts_ad_evaluation.evaluator import MEASURES
from ts_ad_evaluation.files import replacing

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
    _check_metrics(config.evaluation.metrics)
    if options.checkpoint and options.mode in ("all", "train"):
        raise UserError("--checkpoint names weights to score with: add --mode test or --mode evaluate")
    device = choose_device(options.device)
    with join(device.type) as processes:
        if device.type == "cuda" and processes.size > 1:
            device = torch.device("cuda", processes.local_rank)
        if not processes.first:
            logging.disable(logging.INFO)
        folder = options.save_path / config.data.name
        if not options.seeds:
            _one_seed(config, folder / "results_0", device, processes, options)
            return 0
        tables = {}
        for seed in options.seeds:
            seeded = dataclasses.replace(config, train=config.train.model_copy(update={"seed": seed}))
            logger.info("seed %d", seed)
            tables[seed] = _one_seed(seeded, folder / f"seed_{seed}", device, processes, options)
        if processes.first:
            _summarise(tables, folder / "seeds.csv")
    return 0


def _one_seed(
    config: ExperimentConfig, path: Path, device: torch.device, processes: Processes, options: argparse.Namespace
) -> dict:
    """Do what the mode asks for, show the measures, and return their tables."""
    series = read_series(config.data, options.root_path)
    experiment = Experiment(config, series, RunFolder(path), device, processes)
    metrics = config.evaluation.metrics
    if options.mode == "evaluate":
        metrics = options.metrics or ["affiliation"]
    if options.mode != "train":
        experiment.check_measures(metrics, with_thresholds=bool(options.thresholds) or options.mode == "evaluate")
    if options.mode in ("all", "train"):
        experiment.train(resume=options.resume or bool(options.seeds))
    if options.mode == "train" or not processes.first:  # training is shared, scoring is quick enough for one
        return {}
    measure = experiment.evaluate if options.mode == "evaluate" else experiment.test
    tables = measure(metrics, thresholds=options.thresholds, weights=options.checkpoint)
    sys.stdout.write(_format(tables) + f"results in {path}\n")
    return tables


def _summarise(tables: dict, file: Path) -> None:
    """Write and show mean and deviation over the seeds of every figure that is one number for each seed."""
    rows = {
        seed: {name: value for table in of_seed.values() if len(table) == 1 for name, value in table.iloc[0].items()}
        for seed, of_seed in tables.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").astype(float)
    if frame.empty:
        return
    summary = pd.DataFrame({"mean": frame.mean(), "deviation": frame.std(), "seeds": frame.count()})
    with replacing(file) as temporary:
        summary.rename_axis("figure").to_csv(temporary)
    sys.stdout.write(f"over seeds {', '.join(map(str, rows))}:\n{summary.to_string(float_format='{:.6g}'.format)}\n")


def _resolve(options: argparse.Namespace) -> ExperimentConfig:
    overrides = common_overrides(options)
    if options.metrics:
        overrides.append(f"evaluation.metrics=[{', '.join(options.metrics)}]")
    if options.t:
        overrides.append(f"evaluation.spot_risks={options.t}")
    return load_config(options.config, overrides)


def _check_metrics(names) -> None:
    """Refuse names that are no measures, before any work is done."""
    for name in names:
        if name not in MEASURES:
            raise UserError(f"unknown metric {name!r}: {nearest(name, MEASURES)}")


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
    if "accomplish_UCR" in tables:
        ranked = tables["accomplish_UCR"].iloc[0]
        lines.append(f"the anomaly's first point is ranked {ranked['topk']:.0f} of {ranked['total_len']:.0f}\n")
    return "".join(lines)
