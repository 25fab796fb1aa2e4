"""Runs side by side on one device, as processes of their own, until the time is up."""

import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.gpu_check.runs import ROOT, Run

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2


class Limits(NamedTuple):
    """How much runs side by side at once: processes, and gigabytes of the device's memory."""

    parallel: int
    gigabytes: float


class _Active(NamedTuple):
    process: subprocess.Popen
    commands: list[list[str]]  # that follow


def work_through(
    runs: Iterable[Run], limits: Limits, stop_at: float, end_at: float, logs: Path, done: Callable[[Run, str], None]
) -> None:
    """Do the runs in their order, several at once; what the time ends is measured as far as it has come.

    Parameters
    ----------
    runs : iterable of Run
    limits : Limits
    stop_at, end_at : float
        By time.monotonic(): trainings end at the first, the measuring of them at the second.
    logs : Path
        A folder; each run's output goes to a file in it.
    done : callable
        Called with a run and "tested", "stopped" or "failed" as soon as it has ended; "stopped": by the time.
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
    """Return the command that measures what an interrupted run has left, empty where there is nothing."""
    if "DONE" not in run.rescue:
        return run.rescue if (run.folder / "checkpoint.pth").is_file() else []
    ended = sorted(run.folder.glob("series/*/*/result.json"))
    names = [file.parts[-3] for file in ended if '"done"' in file.read_text(encoding="utf-8")]
    return [names[0] if word == "DONE" else word for word in run.rescue] if names else []


def _until(waiting: list[Run], limits: Limits, end: float, logs: Path, done) -> list[Run]:
    """Work until all is done or the time is up, and return the runs that were ended; `waiting` keeps the others."""
    active: dict[Run, _Active] = {}
    try:
        while (waiting or active) and time.monotonic() < end:
            while (run := _next(waiting, list(active), limits)) is not None:
                waiting.remove(run)
                logger.info("start %s", run.name)
                active[run] = _start(run, [command for command in (run.command, run.evaluate) if command], logs)
            for run in [run for run, one in active.items() if one.process.poll() is not None]:
                one = active.pop(run)
                if one.process.returncode == 0 and one.commands:
                    active[run] = _start(run, one.commands, logs)
                else:
                    done(run, "tested" if one.process.returncode == 0 else "failed")
            time.sleep(POLL_SECONDS)
        return list(active)
    finally:
        for one in active.values():
            _kill(one.process)


def _next(waiting: list[Run], active: list[Run], limits: Limits) -> Run | None:
    """Return the first run that fits beside the active ones; one alone always does."""
    if len(active) >= limits.parallel:
        return None
    sweeping = any(run.dataset == "UCR" for run in active)  # it has many workers
    free = limits.gigabytes - sum(run.gigabytes for run in active)
    fitting = (run for run in waiting if run.gigabytes <= free and not (sweeping and run.dataset == "UCR"))
    return next(fitting, None) if active else next(iter(waiting), None)


def _start(run: Run, commands: list[list[str]], logs: Path) -> _Active:
    """Start the first command in a process group of its own."""
    with open(logs / f"{run.name}.txt", "ab") as log:
        process = subprocess.Popen(
            commands[0],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return _Active(process, commands[1:])


def _kill(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
