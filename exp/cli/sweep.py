"""The programs run_UCR.py and run_TSBAD.py: a benchmark of many series, each a separate job."""

import argparse
import functools
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import joblib
import pandas as pd
import torch
from tqdm import tqdm

from data_provider.read.missing import prepare_series_command
from exp.benchmark.jobs import Job, Outcome, finished, make_jobs, select
from exp.benchmark.provenance import digest_file
from exp.benchmark.run_folder import RunFolder, results_folder
from exp.benchmark.runs import NOT_COUNTED, some
from exp.benchmark.seeds import summarise_seeds
from exp.benchmark.suites import Benchmark, summarise
from exp.benchmark.work import run_job
from exp.benchmark.workers import run_jobs
from exp.cli.common import check_resume, chosen_config, common_overrides, refuse_idle, run_program
from exp.cli.options import sweep_parser
from exp.config.schema import EvaluationConfig
from exp.errors import UserError
from exp.training.devices import check_abilities, choose_device
from exp.training.forecast import spoken
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

# The suite itself determines what is measured and which files there are.
IDLE = {
    **{f"evaluation.{key}": "on a suite, which has its own measures" for key in EvaluationConfig.model_fields},
    "data.file": "on a suite, whose table names the files",
}
del IDLE["evaluation.cover_tail"]


def main(benchmark: Benchmark, program: str, arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code: 1 when a series failed."""
    parser = sweep_parser(program, benchmark.root, benchmark.config)
    return run_program(functools.partial(_run, benchmark), parser, arguments)


def _run(benchmark: Benchmark, options: argparse.Namespace) -> int:
    config = chosen_config(options)
    jobs = make_jobs(config, common_overrides(options), options.root_path, options.save_path, options.seeds or [])
    _check(benchmark, options, jobs)
    chosen = select(jobs, options.series)
    folder = results_folder(options.save_path, jobs[0].config)
    if options.mode != "train":
        _check_tables(benchmark, jobs, chosen, folder, seeds=bool(options.seeds))
    RunFolder(folder).make()
    new = _do(benchmark, chosen, options)
    outcomes = {job: new.get(job) or job.outcome() for job in jobs}
    if options.mode == "train":
        _show_trained(outcomes)
    elif options.seeds:
        _gather_seeds(benchmark, outcomes, folder)
    else:
        _gather(benchmark, outcomes, folder)
    return int(any(outcomes[job].status in ("failed", "missing") for job in chosen))


def _check(benchmark: Benchmark, options: argparse.Namespace, jobs: list[Job]) -> None:
    """Refuse options that conflict or have no effect, and a folder without the series."""
    if options.resume:
        check_resume(options.mode)
    refuse_idle(options.set, IDLE)
    _check_workers(options)
    if options.backend == "loky":
        device, train = choose_device(options.device), jobs[0].config.train
        if options.mode != "evaluate":
            check_abilities(device, precision=train.precision, compiled=train.compile)
    root = options.root_path
    command = prepare_series_command(root) or prepare_series_command(benchmark.root)
    if root.is_file():
        source = command.partition(" --download")[0] + f" --source {root}"
        raise UserError(f"{root}: is a file: unpack the series: {source} (see dataset/README.md)")
    if not root.is_dir():
        raise UserError(f"{root}: no such folder: create it: {command} (see dataset/README.md)")
    if not any(job.file.is_file() or job.has_result for job in jobs):
        raise UserError(
            f"{root}: has none of the {_n_series(jobs)} series ({jobs[0].series}, ...): name their folder with "
            f"--root_path, or create it: {command} (see dataset/README.md)"
        )


def _check_tables(benchmark: Benchmark, jobs: list[Job], chosen: list[Job], folder: Path, *, seeds: bool) -> None:
    """Refuse to replace a table that is the only place with the results of some series."""
    column, kept = benchmark.series_column, {}
    for job in jobs:
        own = folder / f"seed_{job.config.train.seed}" if seeds else folder
        series = kept.setdefault(own / _table_name(benchmark, job), set())
        if job.has_result or (job in chosen and job.file.is_file()):
            series.add(job.series)
    for table, series in kept.items():
        if not table.is_file():
            continue
        lost = _series_in(table, column) - series
        if lost:
            raise UserError(
                f"{table}: is the only place with results of {len(lost)} series ({some(sorted(lost))}), and would "
                "be replaced: name another --save_path, or delete it"
            )


def _series_in(table: Path, column: str) -> set[str]:
    try:
        return set(pd.read_csv(table, usecols=lambda name: name == column, dtype=str).get(column, ()))
    except ValueError as error:
        raise UserError(
            f"{table}: is empty or damaged, and would be replaced ({' '.join(str(error).split())}): delete it, or name "
            "another --save_path"
        ) from None


def _table_name(benchmark: Benchmark, job: Job) -> str:
    return benchmark.table.format(detector=job.config.detector)


def _n_series(jobs: Iterable[Job]) -> int:
    return len({job.series for job in jobs})


def _check_workers(options: argparse.Namespace) -> None:
    """Refuse options of the workers that conflict or have no effect."""
    for backend, option in {"dask": "scheduler", "ray": "address"}.items():
        if (options.backend == backend) != bool(getattr(options, option)):
            raise UserError(f"--backend {backend} and --{option} ADDRESS need each other: give both or neither")
    if options.backend != "loky" and options.jobs is not None:
        raise UserError(f"--jobs is for workers on this machine: leave it out, --backend {options.backend} uses all")
    per_device = options.jobs_per_device
    if per_device is not None and options.backend != "loky":
        raise UserError(
            f"--jobs-per-device is for workers on this machine: start as many with {options.backend} itself"
        )
    if per_device is not None and options.jobs is not None:
        raise UserError("--jobs and --jobs-per-device both set the number of workers: leave one of them out")
    for name, number in (("--jobs", options.jobs), ("--jobs-per-device", per_device)):
        if number is not None and number < 1:
            raise UserError(f"{name} {number}: give at least 1")
    if per_device is not None and choose_device(options.device).type != "cuda":
        raise UserError(f"--jobs-per-device has no effect on --device {options.device}, which is not CUDA: use --jobs")


def _do(benchmark: Benchmark, jobs: list[Job], options: argparse.Namespace) -> dict[Job, Outcome]:
    """Do what is left of the jobs, with a progress bar over all of them, and return how they ended."""
    outcomes = {job: job.outcome() for job in jobs}
    files = {path: digest_file(path) for path in {job.file for job in jobs}}
    unfinished = [job for job in jobs if not finished(outcomes[job], options.mode, files[job.file])]
    waiting = [job for job in unfinished if job.file.is_file()]
    missing = [job for job in unfinished if not job.file.is_file()]
    outcomes |= {job: Outcome(job.key, "missing", f"not in {options.root_path}") for job in missing}
    _say_what_is_missing(jobs, missing, options.root_path)
    work = functools.partial(
        run_job, benchmark=benchmark, mode=options.mode, device=options.device, resume=options.resume
    )
    n_workers = 0  # a cluster's own
    if options.backend == "loky":
        n_workers = options.jobs or default_workers(options.device, options.jobs_per_device or 1)
    results = run_jobs(waiting, work, n_workers, options.backend, options.scheduler or options.address)
    done = len(jobs) - len(waiting) - len(missing)
    logger.info("%d jobs, %d of them already done", len(jobs), done)
    replaced = sum(outcomes[job] is None and job.has_result for job in waiting)
    if replaced:
        logger.warning("results of another configuration to be replaced: %d", replaced)
    total = len(jobs) - len(missing)
    with tqdm(total=total, initial=done, unit="series", disable=None) as bar:
        for number, (job, outcome) in enumerate(results, start=done + 1):
            outcomes[job] = outcome
            mean = _running_mean(benchmark, outcomes)
            bar.set_postfix_str(mean, refresh=False)
            bar.update()
            if number == done + 1:
                _say_how_long(outcome, total - number, n_workers)
            if outcome.status in ("failed", "undefined"):
                logger.warning("%s: %s: %s", job.name, outcome.status, outcome.reason)
            elif bar.disable:  # not a terminal
                logger.info("%d of %d: %s: %s %s", number, total, job.name, outcome.status, mean)
    _say_what_was_done_again(outcomes[job] for job in waiting)
    return outcomes


def _say_how_long(first: Outcome, left: int, n_workers: int) -> None:
    """Estimate, from the first series, how long the others will take on this machine's workers."""
    if left and n_workers and first.seconds:
        whole = first.seconds * left / min(n_workers, left)
        logger.info("the first took %s: about %s for the other %d", spoken(first.seconds), spoken(whole), left)


def _say_what_is_missing(jobs: list[Job], missing: list[Job], root: Path) -> None:
    """Report once how many of the series exist, and which do not."""
    absent = {job.series: None for job in jobs if not job.file.is_file()}
    if not absent:
        return
    total = _n_series(jobs)
    logger.warning(
        "%d of %d series are in %s, %d are not: %s",
        total - len(absent), total, root, len(absent), some(list(absent)),
    )  # fmt: skip
    kept = len(absent) - _n_series(missing)
    if kept:
        logger.warning("%d of these already have results, which are kept as they are", kept)


def _say_what_was_done_again(outcomes: Iterable[Outcome]) -> None:
    """Report for how many series something has changed."""
    for note, count in Counter(outcome.note for outcome in outcomes if outcome.note).items():
        logger.warning("%d %s: %s", count, "job" if count == 1 else "jobs", note)


def default_workers(device: str, per_device: int = 1) -> int:
    """Return the number of workers for this machine: one per core, or `per_device` for each device in `device`."""
    chosen = choose_device(device)
    if chosen.type == "cpu":
        return joblib.cpu_count()
    return per_device * (torch.cuda.device_count() if chosen == torch.device("cuda") else 1)


def _running_mean(benchmark: Benchmark, outcomes: dict[Job, Outcome | None]) -> str:
    """Return the mean of the benchmark's running value over finished jobs."""
    values = [outcome.figures[benchmark.running] for outcome in outcomes.values() if outcome and outcome.figures]
    return f"{benchmark.running} {sum(values) / len(values):.3f} over {len(values)}" if values else ""


def _show_trained(outcomes: dict[Job, Outcome | None]) -> None:
    """Report how many are trained, and which have failed."""
    for job, outcome in outcomes.items():
        if outcome and outcome.status == "failed":
            sys.stdout.write(f"failed: {job.name}: {outcome.reason}\n")
    trained = sum(outcome is not None and outcome.train_seconds is not None for outcome in outcomes.values())
    sys.stdout.write(f"trained {trained} of {len(outcomes)}\n")


def _gather(benchmark: Benchmark, outcomes: dict[Job, Outcome | None], folder: Path) -> dict[str, float]:
    """Write and show the table of one seed and what is missing from it, and return the means over all series."""
    rows, missing = [], []
    for job, outcome in outcomes.items():
        if outcome and outcome.status == "done":
            row = {benchmark.series_column: job.series, "Time": round(outcome.seconds, 3), **outcome.figures}
            rows.append({column: row[column] for column in benchmark.columns})
            continue
        status, reason = (outcome.status, outcome.reason) if outcome else ("not run", "")
        missing.append({benchmark.series_column: job.series, "status": status, "reason": reason})
        if reason and status != "missing":  # these may be hundreds, and have been reported in one line
            sys.stdout.write(f"{status}: {job.name}: {reason}\n")
    table = pd.DataFrame(rows, columns=benchmark.columns)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _table_name(benchmark, next(iter(outcomes)))
    not_counted = pd.DataFrame(missing, columns=[benchmark.series_column, "status", "reason"])
    for path, content in ((file, table), (folder / NOT_COUNTED, not_counted)):
        with replacing(path) as temporary:
            content.to_csv(temporary, index=False)
    RunFolder(folder).record.unlink(missing_ok=True)  # one made for an earlier table has other settings
    summary = summarise(benchmark, table, [job.series for job in outcomes])
    sys.stdout.write(summary.to_string(index=False, float_format="{:.4f}".format) + "\n")
    sys.stdout.write(f"table in {file}\n")
    return {"n": len(table), **summary.iloc[0][list(benchmark.figures.values())]}


def _gather_seeds(benchmark: Benchmark, outcomes: dict[Job, Outcome | None], folder: Path) -> None:
    """Do the same for each of several seeds, and show their mean and standard deviation."""
    by_seed = {}
    for job, outcome in outcomes.items():
        by_seed.setdefault(job.config.train.seed, {})[job] = outcome
    means = {}
    for seed, own in by_seed.items():
        sys.stdout.write(f"seed {seed}\n")
        means[seed] = _gather(benchmark, own, folder / f"seed_{seed}")
    sys.stdout.write(summarise_seeds(means, folder / "seeds.csv"))
