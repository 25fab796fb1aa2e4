"""Parallel runs on one device, in separate processes, until time is up."""

import contextlib
import dataclasses
import functools
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from benchmarks.gpu_check.runs import ROOT, RUN_PY, Run
from exp.cli.run import main as run_main

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2


class Limits(NamedTuple):
    """How much runs in parallel: processes, and gigabytes of the device's memory."""

    parallel: int
    gigabytes: float


def work_through(
    runs: Iterable[Run], limits: Limits, stop_at: float, end_at: float, logs: Path, done: Callable[[Run, str], None]
) -> None:
    """Do the runs in order, several at once; runs that run out of time are evaluated as they are.

    Parameters
    ----------
    runs : iterable of Run
    limits : Limits
    stop_at, end_at : float
        By time.monotonic(): training ends at the first, its evaluation at the second.
    logs : Path
        A folder; each run's output goes to a file in it.
    done : callable
        Called with a run and "tested", "stopped" or "failed" as soon as it has ended; "stopped": out of time.
    """
    waiting = list(runs)
    logs.mkdir(parents=True, exist_ok=True)
    stopped = _until(waiting, limits, stop_at, logs, done)
    for run in waiting:
        logger.info("no time for %s", run.name)
    rescues = {}
    for run in stopped:
        command = _rescue(run)
        if command:
            rescues[dataclasses.replace(run, command=command, evaluate=[])] = run
        else:
            logger.info("%s: the time was up before there was anything to measure", run.name)

    def measured(run, status):
        done(rescues[run], "stopped" if status == "tested" else "failed")

    for run in _until(list(rescues), limits, end_at, logs, measured):
        logger.info("no time to measure %s", run.name)


def _rescue(run: Run) -> list[str]:
    """Return the command that evaluates what an interrupted run has left, empty if there is nothing."""
    if "DONE" not in run.rescue:
        return run.rescue if (run.folder / "checkpoint.pth").is_file() else []
    ended = sorted(run.folder.glob("series/*/*/result.json"))
    names = [file.parts[-3] for file in ended if '"done"' in file.read_text(encoding="utf-8")]
    return [names[0] if word == "DONE" else word for word in run.rescue] if names else []


def _until(waiting: list[Run], limits: Limits, end: float, logs: Path, done) -> list[Run]:
    """Work until everything is done or time is up, and return the runs that were stopped; `waiting` keeps the rest."""
    active: dict[Run, BaseProcess] = {}
    try:
        while (waiting or active) and time.monotonic() < end:
            while (run := _next(waiting, list(active), limits)) is not None:
                waiting.remove(run)
                logger.info("start %s", run.name)
                active[run] = _start(run, logs)
            for run in [run for run, process in active.items() if process.exitcode is not None]:
                done(run, "failed" if active.pop(run).exitcode else "tested")
            time.sleep(POLL_SECONDS)
        return list(active)
    finally:
        for process in active.values():
            _kill(process)


def _next(waiting: list[Run], active: list[Run], limits: Limits) -> Run | None:
    """Return the first run that fits next to the active ones; a single run always does."""
    if len(active) >= limits.parallel:
        return None
    sweeping = any(run.dataset == "UCR" for run in active)  # it has many workers
    free = limits.gigabytes - sum(run.gigabytes for run in active)
    fitting = (run for run in waiting if run.gigabytes <= free and not (sweeping and run.dataset == "UCR"))
    return next(fitting, None) if active else next(iter(waiting), None)


def _start(run: Run, logs: Path) -> BaseProcess:
    commands = [command for command in (run.command, run.evaluate) if command]
    process = process_context().Process(target=_child, args=(commands, logs / f"{run.name}.txt"))
    process.start()
    return process


@functools.cache
def process_context():
    """Return how processes start: as forks of one that has imported everything, which saves several seconds each.

    That one never uses a device itself: a fork could no longer use it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["benchmarks.gpu_check.pool", "exp.cli.run", "torch._dynamo", "sklearn.metrics", "matplotlib.figure"]
    )
    return context


def _child(commands: list[list[str]], log: Path) -> None:
    """Run commands one after another: run.py's in this process; a final other program replaces it."""
    os.setsid()  # so that it can be stopped together with everything it starts
    os.chdir(ROOT)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    for command in commands:
        if command[:2] != RUN_PY:
            os.execv(command[0], command)
        code = run_main(command[2:])
        if code:
            sys.exit(code)


def _kill(process: BaseProcess) -> None:
    process.kill()
    with contextlib.suppress(ProcessLookupError):  # its group exists as soon as it has started working
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
