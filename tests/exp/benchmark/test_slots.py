"""Jobs on several devices: each gets the least busy one, in this process, in others, and after a death."""

import os
import signal
from contextlib import ExitStack

import pytest
import torch

from exp.benchmark import slots
from exp.benchmark.slots import least_busy, own_device
from tests.support import command_line

GUARD = 120  # seconds after which a process gives up on the others


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


def hold(folder, all_hold, devices):
    """Hold a device, three times, until all the processes hold theirs."""
    for _ in range(3):
        with least_busy(["0", "1"], folder) as device:
            devices.put(device)
            all_hold.wait(GUARD)
        all_hold.wait(GUARD)


def test_processes_never_crowd_one_device(tmp_path):
    context = command_line._context()
    all_hold, devices = context.Barrier(4), context.SimpleQueue()
    processes = [context.Process(target=hold, args=(tmp_path, all_hold, devices)) for _ in range(4)]
    for process in processes:
        process.start()
    taken = [devices.get() for _ in range(12)]
    for process in processes:
        process.join()
    assert [sorted(taken[begin : begin + 4]) for begin in (0, 4, 8)] == [[0, 0, 1, 1]] * 3


def die(folder):
    """Die with a device."""
    with least_busy(["0", "1"], folder):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_gives_its_device_back(tmp_path):
    process = command_line._context().Process(target=die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with least_busy(["0", "1"], tmp_path) as first, least_busy(["0", "1"], tmp_path) as second:
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
