"""The program run.py: one detector on one dataset."""

import argparse
import dataclasses
import logging
import math
import sys
from pathlib import Path

import pandas as pd
import torch

from data_provider import Series
from exp.benchmark.experiment import Experiment, read_series
from exp.benchmark.provenance import (
    check_training_data,
    digest_series,
    other_origin,
    own_weights_digest,
    scoring_origin,
)
from exp.benchmark.run_folder import RunFolder, results_folder
from exp.benchmark.seeds import summarise_seeds
from exp.cli.common import check_resume, chosen_config, common_overrides, refuse_idle, run_program
from exp.cli.options import run_parser
from exp.config import ExperimentConfig, differences, load_config
from exp.errors import UserError
from exp.training.devices import check_abilities, choose_device
from exp.training.observers import check_tensorboard, write_scalars
from exp.training.processes import Processes, join
from ts_ad_evaluation.evaluator import MEASURES, THRESHOLD

logger = logging.getLogger(__name__)

THRESHOLD_SETTINGS = ("evaluation.spot_risks", "evaluation.anomaly_ratio")
CURVE_SETTINGS = ("evaluation.window", "evaluation.n_thresholds")  # of r_auc and vus
SCORING_SETTINGS = {"batch_size", "precision"}  # keys of `train` that scoring also uses


def main(arguments: list[str] | None = None, program: str = "run.py") -> int:
    """Run the program and return its exit code."""
    return run_program(_run, run_parser(program), arguments)


def _run(options: argparse.Namespace) -> int:
    config = _resolve(options)
    _check(options, config)
    device = choose_device(options.device)
    check_abilities(device, precision=config.train.precision, compiled=config.train.compile)
    with join(device.type) as processes:
        if device.type == "cuda" and processes.size > 1:
            device = torch.device("cuda", processes.local_rank)
        if not processes.first:
            logging.disable(logging.INFO)
        folder = results_folder(options.save_path, config)
        series = read_series(config.data, options.root_path)
        if options.seeds:
            return _several_seeds(config, series, folder, device, processes, options)
        _one_seed(config, series, folder / "results_0", device, processes, options)
    return 0


def _check(options: argparse.Namespace, config: ExperimentConfig) -> None:
    """Refuse options that conflict or would have no effect."""
    mode = options.mode
    if options.checkpoint and mode in ("all", "train"):
        raise UserError("--checkpoint names weights to score with: add --mode test or --mode evaluate")
    if options.checkpoint and options.seeds:
        raise UserError("--checkpoint gives all --seeds the same weights: leave one of them out")
    if options.checkpoint and not options.checkpoint.is_file():
        inside = options.checkpoint / "checkpoint.pth"
        remedy = f"name {inside}" if inside.is_file() else "correct --checkpoint"
        raise UserError(f"{options.checkpoint}: no such checkpoint: {remedy}")
    if mode == "train":
        for option in ("metrics", "thresholds", "cover_tail"):
            if getattr(options, option):
                raise UserError(f"--{option} has no effect in --mode train, which scores nothing: leave it out")
    if options.resume:
        check_resume(mode)
    if options.tensorboard:
        if mode in ("test", "evaluate"):
            raise UserError(f"--tensorboard follows a training, and --mode {mode} trains nothing: leave it out")
        check_tensorboard()
    if options.t and mode != "evaluate":
        raise UserError("--t gives SPOT's risks, which only --mode evaluate uses: add it, or leave --t out")
    if options.t and options.thresholds:
        raise UserError("--thresholds are used instead of SPOT's, whose risks --t gives: leave one of them out")
    if options.t and config.evaluation.anomaly_ratio is not None:
        raise UserError(
            "--t gives SPOT's risks, but evaluation.anomaly_ratio sets the thresholds: leave one of them out"
        )
    _check_thresholds(options, config)
    refuse_idle(options.set, _idle_settings(options, config))


def _idle_settings(options: argparse.Namespace, config: ExperimentConfig) -> dict[str, str]:
    """Return the settings that have no effect with these options, and where."""
    if options.mode == "train":
        return {"evaluation": "in --mode train, which scores nothing"}
    idle = {}
    if options.mode != "evaluate":
        idle |= dict.fromkeys(THRESHOLD_SETTINGS, f"in --mode {options.mode}, only --mode evaluate sets thresholds")
    else:
        idle["evaluation.metrics"] = "in --mode evaluate, where --metrics names the measures"
        if options.thresholds:
            idle |= dict.fromkeys(THRESHOLD_SETTINGS, "beside --thresholds")
        elif config.evaluation.anomaly_ratio is not None:
            idle["evaluation.spot_risks"] = "beside evaluation.anomaly_ratio"
    metrics = _metrics(options, config)
    if not {"r_auc", "vus"} & set(metrics):
        idle |= dict.fromkeys(CURVE_SETTINGS, f"on {', '.join(metrics) or 'no measures'}, only on r_auc and vus")
    return idle


def _check_training_settings(options: argparse.Namespace, config: ExperimentConfig, folder: RunFolder) -> None:
    """Refuse given training settings that differ from those of the weights to score with; report others that do."""
    keys = {change.partition("=")[0].strip().removeprefix("train.") for change in options.set}
    keys |= {"seed"} if options.seed is not None else set()
    now = config.to_dict()["train"]
    then = folder.read_record().get("config", {}).get("train", {})
    for key in sorted(keys & now.keys() - SCORING_SETTINGS):
        if options.checkpoint:
            raise UserError(f"train.{key} has no effect on the weights of --checkpoint: leave it out")
        if key in then and then[key] != now[key]:
            raise UserError(
                f"{folder.path}: its weights were trained with train.{key} {then[key]}, not {now[key]}: leave it out, "
                "or retrain with it"
            )
    other = [key for key in then if now.get(key, then[key]) != then[key] and key not in {*SCORING_SETTINGS, "compile"}]
    if other and not options.checkpoint:
        differing = ", ".join(f"train.{key} {then[key]}, not {now[key]}" for key in other)
        logger.warning("%s: its weights were trained with %s", folder.path, differing)


def _check_thresholds(options: argparse.Namespace, config: ExperimentConfig) -> None:
    if not options.thresholds:
        return
    if any(map(math.isnan, options.thresholds)):
        raise UserError("--thresholds: nan is not a threshold: give numbers")
    metrics = _metrics(options, config)
    if not any(MEASURES[name].takes == THRESHOLD for name in metrics):
        needing = ", ".join(name for name, measure in MEASURES.items() if measure.takes == THRESHOLD)
        raise UserError(
            f"--thresholds has no effect on {', '.join(metrics) or 'no measures'}: leave it out, or add one of "
            f"{needing} to --metrics"
        )


def _metrics(options: argparse.Namespace, config: ExperimentConfig) -> list[str]:
    """Return the measures to write."""
    if options.mode == "evaluate":
        return options.metrics or ["affiliation"]
    return list(config.evaluation.metrics)


def _several_seeds(
    config: ExperimentConfig,
    series: Series,
    folder: Path,
    device: torch.device,
    processes: Processes,
    options: argparse.Namespace,
) -> int:
    """Do the same for each seed, except what is already done, and show mean and standard deviation."""
    runs = {
        seed: (
            dataclasses.replace(config, train=config.train.model_copy(update={"seed": seed})),
            RunFolder(folder / f"seed_{seed}"),
        )
        for seed in options.seeds
    }
    if options.mode in ("all", "train"):
        for seeded, run in runs.values():  # before any work
            if run.state.is_file() and _same_training(run, seeded):
                check_training_data(run.read_record(), digest_series(series), run.path)
    values = {}
    for seed, (seeded, run) in runs.items():
        logger.info("seed %d", seed)
        tables = _measured(run, seeded, series, options)
        if tables is None:
            tables = _one_seed(seeded, series, run.path, device, processes, options)
        elif options.tensorboard and processes.first:
            write_scalars(run.tensorboard, run.read_record().get("epochs", []))
        values[seed] = _single_values(tables)
    if processes.first and any(values.values()):
        sys.stdout.write(summarise_seeds(values, folder / "seeds.csv"))
    return 0


def _one_seed(
    config: ExperimentConfig,
    series: Series,
    path: Path,
    device: torch.device,
    processes: Processes,
    options: argparse.Namespace,
) -> dict:
    """Do what the mode requires, show the measures, and return their tables."""
    folder = RunFolder(path)
    if options.mode in ("test", "evaluate"):
        _check_training_settings(options, config, folder)
    experiment = Experiment(config, series, folder, device, processes)
    metrics = _metrics(options, config)
    if options.mode != "train":
        experiment.check_measures(metrics, with_thresholds=bool(options.thresholds) or options.mode == "evaluate")
    if options.mode in ("all", "train"):
        resume = options.resume or bool(options.seeds and _same_training(folder, config))
        experiment.train(resume=resume, tensorboard=options.tensorboard)
    if options.mode == "train" or not processes.first:  # training is shared, scoring is fast enough for one process
        return {}
    if options.mode == "evaluate":
        tables = experiment.evaluate(metrics, thresholds=options.thresholds, weights=options.checkpoint)
    else:
        keep = bool(options.seeds)
        tables = experiment.test(metrics, thresholds=options.thresholds, weights=options.checkpoint, keep_scores=keep)
    sys.stdout.write(_format(tables) + f"results in {path}\n")
    return tables


def _measured(folder: RunFolder, config: ExperimentConfig, series: Series, options: argparse.Namespace) -> dict | None:
    """Return the tables of a run that was tested with these settings, weights, values and labels, or None."""
    if options.mode not in ("all", "test") or options.thresholds:
        return None
    files = {name: folder.path / f"_{name}.csv" for name in config.evaluation.metrics}
    record, data = folder.read_record(), digest_series(series)
    tested = {"status": "tested", "config": config.to_dict(), "labels": data["labels"]}
    if not tested.items() <= record.items() or not all(file.is_file() for file in files.values()):
        return None
    if options.mode == "all" and folder.state.is_file() and "epochs" not in record:
        return None  # tested with the weights of an interrupted training run, which is continued first
    if other_origin(record.get("scored_with"), scoring_origin(config, data, own_weights_digest(folder))):
        return None
    logger.info("already evaluated: %s", folder.path)
    return {name: pd.read_csv(file, float_precision="round_trip") for name, file in files.items()}


def _same_training(folder: RunFolder, config: ExperimentConfig) -> bool:
    """Whether the folder's training run, finished or not, has the same settings."""
    differing = differences(folder.read_record().get("config", {}), config.to_dict())
    return all(row.startswith("evaluation.") for row in differing)


def _single_values(tables: dict) -> dict[str, float]:
    """Return every value that is a single number for the run."""
    return {name: value for table in tables.values() if len(table) == 1 for name, value in table.iloc[0].items()}


def _resolve(options: argparse.Namespace) -> ExperimentConfig:
    overrides = common_overrides(options)
    if options.metrics:
        overrides.append(f"evaluation.metrics=[{', '.join(options.metrics)}]")
    if options.t:
        overrides.append(f"evaluation.spot_risks={options.t}")
    return load_config(chosen_config(options), overrides)


def _format(tables: dict) -> str:
    """Lay out tables for the terminal: a single row as one line per value, several rows as they are."""
    lines = []
    for table in tables.values():
        if len(table) == 1:
            lines += [f"{column:>16s}  {value:.6g}\n" for column, value in table.iloc[0].items()]
        else:
            lines.append(table.to_string(index=False, float_format="{:.6g}".format) + "\n")
    if "best_f1" in tables:
        lines.append("(*_best: oracle values, at the best threshold for the test labels)\n")
    if "best_f1_pa" in tables:
        lines.append("(*_best_PA: oracle values, point-adjusted: an event hit once counts in full)\n")
    if "accomplish_UCR" in tables:
        ranked = tables["accomplish_UCR"].iloc[0]
        lines.append(f"the first point of the anomaly has rank {ranked['topk']:.0f} of {ranked['total_len']:.0f}\n")
    return "".join(lines)
