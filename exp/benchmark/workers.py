"""Jobs done by several workers, on this machine or on a cluster; joblib is the only interface.

Dask and Ray are reached through our own backend: joblib's for Dask waits forever for a job whose workers keep
dying, and Ray's returns no result before the last one.
"""

import functools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import joblib
from joblib.parallel import ParallelBackendBase

from exp.benchmark.jobs import Job, Outcome
from exp.errors import UserError

logger = logging.getLogger(__name__)

ATTEMPTS = 3  # a job whose workers have died this often is given up; a cluster has its own limit
_DIED = "every worker that started it died"


def run_jobs(
    jobs: list[Job], work: Callable[[Job], Outcome], n_workers: int, backend: str = "loky", address: str | None = None
) -> Iterator[tuple[Job, Outcome]]:
    """Do all jobs and yield each as it ends; the job of a worker that died is redone by another.

    Parameters
    ----------
    jobs : list of Job
    work : callable
        Does a job, and turns any error in it into its outcome.
    n_workers : int
        For "loky", where one is this process itself; a cluster has its own number.
    backend : {"loky", "dask", "ray"}
        Processes on this machine, or a running cluster that sees the same files.
    address : str, optional
        Address of the cluster.

    Raises
    ------
    UserError
        When the cluster cannot be used.
    """
    if backend != "loky":
        yield from _on_cluster(jobs, work, backend, address)
    elif n_workers == 1:
        for job in jobs:
            yield job, work(job)
    else:
        yield from _on_this_machine(jobs, work, n_workers)


def _on_this_machine(jobs: list[Job], work, n_workers: int) -> Iterator[tuple[Job, Outcome]]:
    """Restart after the death of a worker, which also ends the others."""
    remaining, deaths = list(jobs), dict.fromkeys(jobs, 0)
    work = functools.partial(_work_for, os.getpid(), work)
    while remaining:
        suspects = [job for job in remaining if deaths[job] == ATTEMPTS - 1]
        # The last attempt runs alone, so that no job is given up because of another's death.
        batch = [job for job in remaining if job not in suspects] or suspects[:1]
        begun = set()
        try:
            for job, outcome in _parallel(batch, work, "loky", n_workers, begun):
                remaining.remove(job)
                yield job, outcome
        except BrokenProcessPool:
            logger.warning("a worker died: its job is restarted")
        for job in [job for job in remaining if job in begun]:
            deaths[job] += 1
            if deaths[job] == ATTEMPTS:
                remaining.remove(job)
                yield job, job.fail(_DIED)


def _work_for(parent: int, work, job: Job) -> Outcome:
    _end_with(parent)
    return work(job)


@functools.cache
def _end_with(parent: int) -> None:
    """End this process soon after its parent; otherwise a killed program's worker would go on beside the next start."""

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_cluster(jobs: list[Job], work, backend: str, address: str) -> Iterator[tuple[Job, Outcome]]:
    """Leave it to the cluster to restart the job of a worker that died."""
    try:
        with {"dask": _dask, "ray": _ray}[backend](address) as cluster:
            cluster.check()
            for job, outcome in _parallel(jobs, work, cluster, cluster.size, set()):
                yield job, job.fail(_DIED) if outcome is None else outcome
    except ModuleNotFoundError:
        raise UserError(f"--backend {backend}: not installed: pip install -r requirements-cluster.txt") from None


def _parallel(jobs: list[Job], work, backend, n_workers: int, begun: set[Job]) -> Iterator[tuple[Job, Outcome | None]]:
    """Yield jobs and outcomes; `begun` receives each job as it is handed out."""

    def calls():
        for number, job in enumerate(jobs):
            begun.add(job)
            yield joblib.delayed(_numbered)(number, work, job)

    with joblib.parallel_config(backend, n_jobs=n_workers):
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
    for number, outcome in parallel(calls()):
        yield jobs[number], outcome


def _numbered(number, work, job):
    return number, work(job)


def _nothing():
    pass


class _Cluster(ParallelBackendBase):
    """A cluster as joblib sees it.

    Parameters
    ----------
    size : int
        Number of jobs that it does at a time.
    start : callable
        Starts a call there and returns its Future.
    deaths : tuple of type
        What the Future raises when the workers of a call have died too often. Its outcome is then None.
    """

    supports_retrieve_callback = True

    def __init__(self, size: int, start: Callable[[Callable], Future], deaths: tuple[type[Exception], ...]):
        super().__init__()
        self.size = max(size, 2)  # with a single one, joblib would do the jobs in this process
        self._start, self._deaths = start, deaths

    def check(self) -> None:
        """Check that a worker responds."""
        try:
            self._start(_nothing).result()
        except Exception as error:
            line = " ".join(str(error).split())
            raise UserError(
                f"the cluster cannot import this repository: start all workers in its folder with PYTHONPATH=. ({line})"
            ) from None

    def effective_n_jobs(self, n_jobs):
        """Return how many jobs are handed out at a time."""
        return self.size

    def submit(self, func, callback=None):
        """Start a batch, which is one job."""
        future = self._start(func)
        future.number = func.items[0][1][0]
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future):
        """Return the batch's results."""
        try:
            return future.result()
        except self._deaths:
            return [(future.number, None)]


@contextmanager
def _dask(address: str) -> Iterator[_Cluster]:
    from dask.distributed import Client, KilledWorker

    try:
        client = Client(address)
    except (OSError, ValueError) as error:
        raise UserError(f"--scheduler {address}: no Dask scheduler answers there: {error}") from None
    with client:
        threads = list(client.nthreads().values())
        if not threads or max(threads) > 1:  # the random numbers and the log of a job belong to its process
            raise UserError(
                f"--scheduler {address}: needs workers with one thread each, but there are {len(threads)} with "
                f"{max(threads, default=0)}: start them with --nthreads 1"
            )
        yield _Cluster(len(threads), client.get_executor(pure=False).submit, (KilledWorker,))


@contextmanager
def _ray(address: str) -> Iterator[_Cluster]:
    import ray

    try:
        host, colon, port = address.rpartition(":")
        if colon:  # Ray itself waits minutes for a cluster that does not exist
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there: {error}") from None
    deaths = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError)
    call = ray.remote(max_retries=ATTEMPTS - 1)(lambda function: function())
    try:
        size = int(ray.cluster_resources()["CPU"])
        yield _Cluster(size, lambda function: call.remote(function).future(), deaths)
    finally:
        ray.shutdown()
