"""Jobs done by several workers, on this machine or on a cluster; joblib is the one interface."""

import contextlib
import logging
from collections.abc import Callable, Iterator

import joblib

from exp.errors import UserError
from exp.jobs import Job, Outcome

logger = logging.getLogger(__name__)

ATTEMPTS = 3  # a job whose worker has died so often is given up


def run_jobs(
    jobs: list[Job], work: Callable[[Job], Outcome], n_workers: int, backend: str = "loky", address: str | None = None
) -> Iterator[tuple[Job, Outcome]]:
    """Do all jobs and yield each as it ends; jobs of workers that died are done again by others.

    Parameters
    ----------
    jobs : list of Job
    work : callable
        Does a job, and turns whatever goes wrong in it into its outcome.
    n_workers : int
    backend : {"loky", "dask", "ray"}
        Processes on this machine, or a cluster that runs already and sees the same files.
    address : str, optional
        Of the cluster.

    Raises
    ------
    UserError
        When the cluster's package is not installed.
    """
    if n_workers == 1 and backend == "loky":
        for job in jobs:
            yield job, work(job)
        return
    remaining = {job.folder: job for job in jobs}
    attempts = dict.fromkeys(remaining, 0)
    with _cluster(backend, address):
        while remaining:
            before = len(remaining), sum(attempts.values())
            try:
                for folder, outcome in _parallel(remaining, work, n_workers, backend):
                    yield remaining.pop(folder), outcome
            # Nothing that goes wrong in a job gets here, so that this is a worker or the cluster that failed.
            except Exception as error:
                logger.warning("a worker died (%s): its jobs are done again", type(error).__name__)
                yield from _give_up(remaining, attempts)
                if before == (len(remaining), sum(attempts.values())):
                    raise UserError(f"--backend {backend}: its workers cannot begin a job: {error}") from error


def _parallel(jobs: dict, work, n_workers: int, backend: str) -> Iterator:
    parallel = joblib.Parallel(
        n_jobs=n_workers, backend=backend, return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs"
    )
    return parallel(joblib.delayed(_named)(folder, work, job) for folder, job in list(jobs.items()))


def _named(folder, work, job):
    return folder, work(job)


def _give_up(remaining: dict, attempts: dict) -> Iterator[tuple[Job, Outcome]]:
    """Count an attempt for each job that was in flight, and drop those that have had too many."""
    for folder, job in list(remaining.items()):
        outcome = job.outcome()
        if outcome is not None and outcome.status == "running":
            attempts[folder] += 1
        if attempts[folder] >= ATTEMPTS:
            yield remaining.pop(folder), job.record("failed", reason=f"its worker died {ATTEMPTS} times")


def _cluster(backend: str, address: str | None) -> contextlib.AbstractContextManager:
    """Return a context with a connection to the cluster, if the backend is one."""
    try:
        if backend == "dask":
            from dask.distributed import Client

            return Client(address)
        if backend == "ray":
            import ray
            from ray.util.joblib import register_ray

            register_ray()
            return ray.init(address=address, log_to_driver=False)
    except ImportError:
        raise UserError(f"--backend {backend}: not installed: pip install -r requirements-cluster.txt") from None
    return contextlib.nullcontext()
