"""Jobs on several devices: each gets the least busy one, in this process, in workers, and after a death."""

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack

import pytest
import torch

from exp.benchmark import slots
from exp.benchmark.slots import least_busy, own_device
from exp.benchmark.workers import run_jobs


@pytest.mark.parametrize(("devices", "jobs"), [(1, 3), (2, 2), (3, 7), (4, 8)])
def test_jobs_are_spread_evenly(tmp_path, devices, jobs):
    names = [str(index) for index in range(devices)]
    with ExitStack() as held:
        taken = [held.enter_context(least_busy(names, tmp_path)) for _ in range(jobs)]
    assert taken == [number % devices for number in range(jobs)]


def test_the_next_job_goes_where_the_fewest_are(tmp_path):
    held = [ExitStack() for _ in range(5)]
    taken = [stack.enter_context(least_busy("ab", tmp_path)) for stack in held]
    assert taken == [0, 1, 0, 1, 0]
    for number in (1, 3):
        held[number].close()
    assert held[1].enter_context(least_busy("ab", tmp_path)) == 1
    assert held[3].enter_context(least_busy("ab", tmp_path)) == 1
    held[0].close()
    held[2].close()
    assert held[0].enter_context(least_busy("ab", tmp_path)) == 0
    for stack in held:
        stack.close()
    assert len(list(tmp_path.glob("a.*"))) == 3


class Job:
    """A job that holds a device for a while, or dies with it."""

    def __init__(self, number, folder, deadly=False):
        self.number, self.folder, self.deadly = number, folder, deadly

    def fail(self, reason):
        """Return the outcome of a failure."""
        return reason


def hold(job):
    """Return the device and when it was held."""
    with least_busy(["0", "1"], job.folder / "locks") as device:
        begin = time.monotonic()
        if job.deadly and not (job.folder / "died").exists():
            (job.folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.3 if job.number % 2 else 0.05)
        return device, begin, time.monotonic()


def test_workers_never_crowd_one_device(tmp_path):
    held = [outcome for _, outcome in run_jobs([Job(number, tmp_path) for number in range(12)], hold, 4)]
    for device, begin, end in held:
        together = sum(other == device and first < end and begin < last for other, first, last in held)
        at_once = [
            sum(other == device and first <= moment < last for other, first, last in held) for moment in (begin, end)
        ]
        assert max(at_once) <= 2
        assert together >= 1
    assert set(Counter(device for device, _, _ in held)) == {0, 1}


def test_a_worker_that_dies_gives_its_device_back(tmp_path):
    jobs = [Job(number, tmp_path, deadly=number == 0) for number in range(3)]
    assert len(list(run_jobs(jobs, hold, 2))) == 3
    with least_busy(["0", "1"], tmp_path / "locks") as first, least_busy(["0", "1"], tmp_path / "locks") as second:
        assert (first, second) == (0, 1)


def test_the_device_of_a_job(monkeypatch, tmp_path):
    monkeypatch.setattr(slots.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with own_device("cuda") as first, own_device("auto") as second, own_device("cuda:1") as named:
        assert (str(first), str(second), str(named)) == ("cuda:0", "cuda:1", "cuda:1")
    with own_device("cpu") as device:
        assert device == torch.device("cpu")


def test_programs_that_see_other_devices_do_not_share_their_locks(monkeypatch, tmp_path):
    monkeypatch.setattr(slots.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with own_device("cuda") as first:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
        with own_device("cuda") as second:  # the device that the first calls 1
            assert (first.index, second.index) == (0, 0)
