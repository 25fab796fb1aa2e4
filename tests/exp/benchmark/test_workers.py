"""Jobs on several workers, some of which are killed.

The tests of Dask and Ray need `pip install -r requirements-cluster.txt`; each starts a local cluster of two workers.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from exp.benchmark import workers
from exp.benchmark.workers import ATTEMPTS, run_jobs
from exp.errors import UserError
from tests.support.paths import REPOSITORY


class Toy:
    """A job that kills its worker the first few times."""

    def __init__(self, number, folder, kills=0):
        self.number, self.kills = number, kills
        self.file = folder / f"deaths_of_{number}"

    def fail(self, reason):
        """Return the outcome of a failure."""
        return reason

    @property
    def deaths(self):
        """How many workers it has killed."""
        return len(self.file.read_text()) if self.file.exists() else 0


def work(job):
    """Do a job, or die."""
    if job.deaths < job.kills:
        with open(job.file, "a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return job.number


def outcomes(jobs, backend="loky", address=None, n_workers=2):
    ended = list(run_jobs(jobs, work, n_workers, backend, address))
    assert len(ended) == len(jobs)
    return {job.number: outcome for job, outcome in ended}


def test_one_worker_is_this_process(tmp_path):
    ended = run_jobs([Toy(0, tmp_path), Toy(1, tmp_path)], lambda job: (job.number, os.getpid()), 1)
    assert [outcome for _, outcome in ended] == [(0, os.getpid()), (1, os.getpid())]


def test_a_killed_worker_is_replaced(tmp_path):
    jobs = [Toy(number, tmp_path, kills=int(number == 1)) for number in range(5)]
    assert outcomes(jobs) == {number: number for number in range(5)}
    assert jobs[1].deaths == 1


@pytest.fixture
def pool(monkeypatch):
    """A pool of workers that all die with one, like loky's, but without processes."""

    def parallel(jobs, work, backend, n_workers, begun):
        waiting = list(jobs)
        while waiting:
            in_flight = waiting[:n_workers]
            begun.update(in_flight)
            for job in in_flight:
                if job.deaths < job.kills:
                    job.file.write_text("x" * (job.deaths + 1))
                    raise BrokenProcessPool
            waiting.remove(in_flight[0])
            yield in_flight[0], in_flight[0].number

    monkeypatch.setattr(workers, "_parallel", parallel)


@pytest.mark.parametrize("n_workers", [2, 3, 8])
@pytest.mark.parametrize("deadly", [{0}, {3}, {7}, {2, 3}, {0, 7}])
def test_only_the_job_that_always_kills_its_worker_is_given_up(pool, tmp_path, deadly, n_workers):
    jobs = [Toy(number, tmp_path, kills=9 * (number in deadly)) for number in range(8)]
    expected = {number: "every worker that started it died" if number in deadly else number for number in range(8)}
    assert outcomes(jobs, n_workers=n_workers) == expected
    assert all(jobs[number].deaths <= ATTEMPTS for number in deadly)


def test_a_fault_of_the_program_is_raised(monkeypatch, tmp_path):
    def fail(*_):
        raise RuntimeError("a fault")

    monkeypatch.setattr(workers, "_parallel", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        outcomes([Toy(0, tmp_path)])


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_missing_packages_are_named(monkeypatch, tmp_path, backend):
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(UserError, match=f"--backend {backend}: not installed: pip install -r requirements-cluster.txt"):
        outcomes([Toy(0, tmp_path)], backend, "127.0.0.1:1")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(log, *command):
    """Start part of a cluster that can import this repository."""
    environment = {**os.environ, "PYTHONPATH": ".", "RAY_USAGE_STATS_ENABLED": "0"}
    program = str(Path(sys.executable).parent / command[0])
    with open(log, "a") as stream:
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=REPOSITORY,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def stop(process):
    process.terminate()
    try:
        process.wait(30)
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory):
    """The address of a Dask scheduler with two workers."""
    distributed = pytest.importorskip("distributed", reason="requirements-cluster.txt is not installed")
    log = tmp_path_factory.mktemp("dask") / "log.txt"
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = start(log, "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    worker = start(log, "dask", "worker", address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard")
    try:
        with distributed.Client(address, timeout=120) as client:
            client.wait_for_workers(2, timeout=120)
        yield address
    finally:
        stop(worker)
        stop(scheduler)


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory):
    """The address of a Ray cluster of two workers."""
    pytest.importorskip("ray", reason="requirements-cluster.txt is not installed")
    log = tmp_path_factory.mktemp("ray") / "log.txt"
    port = free_port()
    head = start(
        log, "ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2",
        "--include-dashboard=false", "--object-store-memory=100000000",
    )  # fmt: skip
    try:
        wait_for(lambda: "Ray runtime started" in log.read_text())
        yield f"127.0.0.1:{port}"
    finally:
        stop(head)


@pytest.fixture(params=["dask", "ray"])
def cluster(request):
    """The backend and the address of a cluster."""
    return request.param, request.getfixturevalue(f"{request.param}_cluster")


pytestmark = pytest.mark.filterwarnings("default")  # the clusters' packages have their own


def test_cluster_with_a_killed_worker(cluster, tmp_path):
    jobs = [Toy(number, tmp_path, kills=int(number == 1)) for number in range(5)]
    assert outcomes(jobs, *cluster) == {number: number for number in range(5)}
    assert jobs[1].deaths == 1


@pytest.mark.slow
def test_cluster_with_a_job_that_always_kills_its_worker(cluster, tmp_path):
    jobs = [Toy(number, tmp_path, kills=99 * (number == 1)) for number in range(5)]
    expected = {number: number for number in range(5)} | {1: "every worker that started it died"}
    assert outcomes(jobs, *cluster) == expected


def test_no_cluster_answers(tmp_path):
    pytest.importorskip("ray", reason="requirements-cluster.txt is not installed")
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"--address {address}: no Ray cluster answers there"):
        outcomes([Toy(0, tmp_path)], "ray", address)


def test_no_scheduler_answers(tmp_path):
    dask = pytest.importorskip("dask", reason="requirements-cluster.txt is not installed")
    address = f"tcp://127.0.0.1:{free_port()}"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(UserError, match=f"--scheduler {address}: no Dask scheduler answers there"),
    ):
        outcomes([Toy(0, tmp_path)], "dask", address)
