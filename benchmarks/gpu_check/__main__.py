"""The command line of the GPU check; `sh scripts/gpu_check.sh --help`."""

import argparse
import contextlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.bench_model import CASES
from benchmarks.gpu_check.data import NAMES, find_sources, prepare
from benchmarks.gpu_check.pool import Limits, process_context, work_through
from benchmarks.gpu_check.results import Results
from benchmarks.gpu_check.runs import AUTO, ROOT, Options, check_models, plan
from exp.errors import USER_ERRORS, UserError
from exp.training.devices import choose_device, describe_device
from exp.training.provenance import git_commit

logger = logging.getLogger("gpu_check")
STEPS = ("tests", "speed", "train")
DESCRIPTION = """\
Check the project on a machine with a CUDA device, in three steps. tests: those marked cuda; speed: training and scoring
of each configuration as a share of the device's matrix-multiply rate; train: train and test the datasets of a folder,
the shortest runs first, several at once, within the given time.
"""
EPILOG = """\
The folder --data contains any of: MSL.npz, SMAP.npz (or telemanom.zip for both), GECCO.npz, PSM.npz, SWAT.npz,
SWAN.npz, SMD/machine-*.npz, ASD/omi-*.npz (arrays train, test and test_label) and UCR_archive.zip. Nothing is written
to it. --out gets tests.txt, speed.csv, timings.csv, test_results/ (measures and run.json of each run), logs/, and
results.tar.gz with all of these in one file.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the options."""
    parser = argparse.ArgumentParser("gpu_check.sh", description=DESCRIPTION, epilog=EPILOG)
    add = parser.add_argument
    add("--data", type=Path, help="the folder of the datasets; nothing is trained without it")
    add("--out", type=Path, default=Path("gpu_check"), help="where results go (gpu_check)")
    add("--work", type=Path, help="keep prepared data and runs here, to continue later (a temporary folder)")
    add("--minutes", type=float, default=60.0, help="time for all steps together (60)")
    add("--steps", type=_listed(STEPS), default=STEPS, help="any of tests,speed,train, separated by commas (all)")
    add("--datasets", type=_listed(NAMES), default=NAMES, help=f"any of {','.join(NAMES)} (those in the folder)")
    models = ("CrossAD", f"CrossAD{AUTO}", f"PCA{AUTO}", "MIXAD", "DualSTF")
    add("--models", type=_listed(), default=models, help=f"models to train ({','.join(models)})")
    add(
        "--seeds",
        type=int,
        nargs="+",
        default=[2025, 2026, 2027],
        help="seeds; UCR only uses the first (three)",
    )
    add("--parallel", type=int, default=6, help="runs at once on the device (6)")
    add("--jobs", type=int, default=8, help="workers of the sweep over UCR, which counts as one run (8)")
    add("--set", nargs="+", default=[], metavar="SECTION.KEY=VALUE", help="override settings of all runs")
    add("--device", default="cuda", help="cuda, cuda:N or cpu (cuda)")
    add("--speed_configs", type=_listed((*CASES, "all")), default=("all",), help="configurations of the step speed")
    add("--speed_minutes", type=float, default=10.0, help="limit for the step speed (10)")
    add("--compile", action=argparse.BooleanOptionalAction, default=True, help="also time compiled networks")
    add("--tests", nargs="+", default=["tests/cuda"], help="what the step tests runs (tests/cuda)")
    add("--commit", help="recorded in the results if this copy is not a git clone")
    return parser


def _listed(valid=None):
    def split(text):
        names = tuple(text.split(","))
        for name in names:
            if valid is not None and name not in valid:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(valid)}")
        return names

    return split


def main(arguments: list[str] | None = None) -> int:
    """Run the check and return its exit code: 1 when a test or a run failed, 2 for what the user can correct."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the runs end with this process
    try:
        return _check(options)
    except (*USER_ERRORS, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: finished results are in --out\n")
        return 130


def _check(options: argparse.Namespace) -> int:
    end = time.monotonic() + 60 * options.minutes
    device = choose_device(options.device)
    if len(set(options.seeds)) < len(options.seeds):
        raise UserError(f"--seeds: seeds must be unique, got {' '.join(map(str, options.seeds))}")
    check_models(options.models)
    sources = find_sources(options.data, options.datasets) if options.data and "train" in options.steps else []
    options.out.mkdir(parents=True, exist_ok=True)
    logger.info("torch %s, %s", torch.__version__, describe_device(device))
    failed = False
    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // (options.parallel + options.jobs))))
    executor = ProcessPoolExecutor(min(8, cores), process_context())
    with _work_folder(options) as work, executor:
        results = Results(options.out.absolute(), work / "results", options.commit or git_commit())
        try:
            if "tests" in options.steps:
                failed |= not _run_tests(options, end)
            if "speed" in options.steps:
                failed |= not _measure_speed(options, min(end, time.monotonic() + 60 * options.speed_minutes))
            if sources:
                series = prepare(sources, work / "dataset", executor)
                failed |= not _train(series, options, results, device, end)
            elif "train" in options.steps:
                logger.info("no --data: nothing is trained")
        finally:
            logger.info("all results in one file: %s", results.pack())
    return int(failed)


@contextlib.contextmanager
def _work_folder(options: argparse.Namespace) -> Iterator[Path]:
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        yield options.work.absolute()
    else:
        with TemporaryDirectory(prefix="gpu_check_") as folder:
            yield Path(folder)


def _run_tests(options: argparse.Namespace, end: float) -> bool:
    """Run the tests marked cuda, or their counterparts on the CPU, and return whether all passed."""
    if importlib.util.find_spec("pytest") is None or importlib.util.find_spec("hypothesis") is None:
        logger.warning("tests: pytest and hypothesis are not installed: install requirements-dev.txt for this step")
        return False
    which = "cuda" if options.device.startswith("cuda") else "not cuda"
    # Warnings from versions other than the pinned ones are not failures here.
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-W", "default", "-m", which, *options.tests]
    if which == "cuda" and importlib.util.find_spec("xdist") is not None:
        command += ["-n", "8"]
    with open(options.out / "tests.txt", "w", encoding="utf-8") as log:
        ended = _timed_run(command, log, end)
    lines = (options.out / "tests.txt").read_text(encoding="utf-8").splitlines()
    logger.info("tests: %s", lines[-1] if lines and ended is not None else "time was up")
    return ended == 0


def _measure_speed(options: argparse.Namespace, end: float) -> bool:
    """Time all configurations, first uncompiled, then compiled; each row is written as soon as it is measured."""
    codes = []
    for extra in ([], ["--compile"])[: 1 + options.compile]:
        command = [
            *(sys.executable, "benchmarks/bench_model.py", "--device", options.device, "--csv"),
            *(str(options.out.absolute() / "speed.csv"), "--precision", "fp32", "bf16"),
            *("--configs", *options.speed_configs, *extra),
            *(["--batch", "2", "--runs", "1", "--product_size", "64"] if options.device == "cpu" else []),
        ]
        with open(options.out / "speed.txt", "a", encoding="utf-8") as log:
            codes.append(_timed_run(command, log, end))
    logger.info("speed: %s", "done" if codes[-1] == 0 else "see speed.txt" if codes[-1] else "time was up")
    return all(code in (0, None) for code in codes)


def _timed_run(command: list[str], log, end: float) -> int | None:
    """Run a command from the top folder and return its exit code, or None if it ran out of time."""
    with subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            return process.wait(timeout=max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _train(series, options: argparse.Namespace, results: Results, device: torch.device, end: float) -> bool:
    """Train and test as much as time allows, and return whether nothing failed."""
    work = results.work.parent
    shared = Options(work / "dataset", results.work, options.device, tuple(options.set), options.jobs)
    finished = results.finished()
    runs = plan(series, options.models, options.seeds, shared)
    runs = [run for run in runs if (run.dataset, run.model, str(run.seed)) not in finished]
    for run in runs:
        logger.info("planned %s: about %.0f s and %.1f GB on a large GPU", run.name, run.seconds, run.gigabytes)
    failed = []

    def done(run, status):
        row = results.keep(run, status)
        logger.info("%s: %s, VUS_PR %s, %s epochs", run.name, status, row.get("VUS_PR"), row.get("epochs"))
        if status == "failed":
            failed.append(run)

    now = time.monotonic()
    reserve = min(60.0, 0.2 * max(0.0, end - now))  # to evaluate runs that run out of time
    gigabytes = torch.cuda.get_device_properties(device).total_memory / 1e9 if device.type == "cuda" else 1e9
    limits = Limits(options.parallel, 0.9 * gigabytes)
    work_through(runs, limits, end - reserve, end, options.out.absolute() / "logs", done)
    return not failed


if __name__ == "__main__":
    sys.exit(main())
