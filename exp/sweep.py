"""The programs run_UCR.py and run_TSBAD.py: a benchmark of many series, each a job of its own."""

import argparse
import functools
import logging
import os
import sys
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from exp.benchmarks import Benchmark, summarise
from exp.command_line import MODES, common_overrides, common_parser, run_program
from exp.devices import choose_device
from exp.errors import UserError
from exp.jobs import Job, finished, make_jobs, run_job, select
from exp.workers import run_jobs
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)


def main(benchmark: Benchmark, program: str, arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code: 1 when a series failed."""
    options = build_parser(benchmark, program).parse_args(arguments)
    return run_program(functools.partial(_run, benchmark), options)


def build_parser(benchmark: Benchmark, program: str) -> argparse.ArgumentParser:
    """Return the parser of the program's options."""
    parser = common_parser(program, "Train and test a detector on all series of a benchmark; what is done is skipped.")
    add = parser.add_argument
    add(
        "--mode",
        choices=MODES,
        default="all",
        help="all: train, then test (default); evaluate: measure the scores that are there",
    )
    add("--root_path", type=Path, default=benchmark.root, help=f"the folder of the series ({benchmark.root})")
    add("--series", help="only these: numbers, names or globs, separated by commas (135,136 or '*ECG*')")
    add("--jobs", type=int, default=os.cpu_count(), help="workers, each with one thread (one for each core)")
    add("--backend", choices=["loky", "dask", "ray"], default="loky", help="workers here, or of a cluster (loky)")
    add("--scheduler", help="address of the Dask scheduler")
    add("--address", help="address of the Ray cluster")
    return parser


def _run(benchmark: Benchmark, options: argparse.Namespace) -> int:
    if options.jobs < 1:
        raise UserError(f"--jobs {options.jobs}: at least 1")
    jobs = make_jobs(
        benchmark, options.config, common_overrides(options), options.root_path, options.save_path, options.seeds or []
    )
    chosen = select(jobs, options.series)
    if not options.root_path.is_dir():
        raise UserError(f"{options.root_path}: no such folder: dataset/README.md says what to put there")
    folder = options.save_path / jobs[0].config.data.name
    waiting = [job for job in chosen if not finished(job, options.mode)]
    logger.info("%d of %d jobs chosen, %d done already", len(chosen), len(jobs), len(chosen) - len(waiting))
    _do(benchmark, chosen, waiting, options)
    if options.mode == "train":
        failed = [job for job in chosen if not finished(job, "train")]
        for job in failed:
            sys.stdout.write(f"failed: {job.series}, seed {job.config.train.seed}: {job.outcome().reason}\n")
        return int(bool(failed))
    by_seed = {}
    for job in jobs:
        by_seed.setdefault(job.config.train.seed, []).append(job)
    several = len(by_seed) > 1
    means = {
        seed: _gather(benchmark, own, folder / f"seed_{seed}" if several else folder) for seed, own in by_seed.items()
    }
    if several:
        _summarise_seeds(means, folder / "seeds.csv")
    return int(any(outcome.status == "failed" for job in chosen if (outcome := job.outcome())))


def _do(benchmark: Benchmark, chosen: list[Job], waiting: list[Job], options: argparse.Namespace) -> None:
    """Do the jobs that wait, with a progress bar over all that were chosen."""
    device = choose_device(options.device)
    threads = 1 if device.type == "cpu" else None
    values = [job.outcome().figures.get(benchmark.running) for job in chosen if job not in waiting]
    values = [value for value in values if value is not None]
    work = functools.partial(_work, benchmark, options.mode, _device_names(device), threads, options.resume)
    results = run_jobs(waiting, work, options.jobs, options.backend, options.scheduler or options.address)
    with tqdm(total=len(chosen), initial=len(chosen) - len(waiting), unit="series", disable=None) as bar:
        for job, outcome in results:
            if outcome.status in ("failed", "undefined"):
                logger.warning("%s: %s: %s", outcome.status, job.series, outcome.reason)
            elif benchmark.running in outcome.figures:
                values.append(outcome.figures[benchmark.running])
                bar.set_postfix({benchmark.running: f"{sum(values) / len(values):.3f}"})
            bar.update()


def _work(benchmark, mode, devices, threads, resume, job):
    # Series are spread over the CUDA devices by their own names: any worker comes to the same choice.
    device = devices[int(job.key, 16) % len(devices)]
    return run_job(job, benchmark, mode, device, threads, resume)


def _device_names(device: torch.device) -> list[str]:
    if device.type == "cuda" and device.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]


def _gather(benchmark: Benchmark, jobs: list[Job], folder: Path) -> pd.Series:
    """Write the table of one seed and what could not be counted, show the means, and return those over all series."""
    rows, missing = [], []
    for job in jobs:
        outcome = job.outcome()
        if outcome is None:
            continue
        if outcome.status == "done":
            row = {benchmark.series_column: job.series, "Time": round(outcome.seconds, 3), **outcome.figures}
            rows.append({column: row[column] for column in benchmark.columns})
        else:
            missing.append({benchmark.series_column: job.series, "status": outcome.status, "reason": outcome.reason})
    table = pd.DataFrame(rows, columns=benchmark.columns)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((benchmark.table, table), ("not_counted.csv", pd.DataFrame(missing))):
        with replacing(folder / name) as temporary:
            content.to_csv(temporary, index=False)
    for row in missing:
        sys.stdout.write(f"{row['status']}: {row[benchmark.series_column]}: {row['reason']}\n")
    summary = summarise(benchmark, table, len(jobs))
    sys.stdout.write(summary.to_string(index=False, float_format="{:.4f}".format) + "\n")
    sys.stdout.write(f"table in {folder / benchmark.table}\n")
    return summary.iloc[0]


def _summarise_seeds(means: dict[int, pd.Series], file: Path) -> None:
    """Write and show mean and deviation, over the seeds, of the means over all series."""
    frame = pd.DataFrame(means).T.drop(columns=["series", "n"]).astype(float)
    summary = pd.DataFrame({"mean": frame.mean(), "deviation": frame.std(), "seeds": frame.count()})
    with replacing(file) as temporary:
        summary.rename_axis("figure").to_csv(temporary)
    sys.stdout.write(f"over seeds {', '.join(map(str, means))}:\n{summary.to_string(float_format='{:.4f}'.format)}\n")
