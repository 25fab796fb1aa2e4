"""What a worker does for a job: any remaining training, scoring and evaluation, on the current data."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data_provider import Series
from exp.benchmark.experiment import Experiment, read_series
from exp.benchmark.jobs import Job, Outcome
from exp.benchmark.labels import why_unmeasurable
from exp.benchmark.provenance import UNKNOWN, changes, digest_file, digest_series
from exp.benchmark.run_folder import RunFolder
from exp.benchmark.slots import own_device
from exp.benchmark.suites import Benchmark
from exp.errors import USER_ERRORS, UserError
from models import DETECTORS
from ts_ad_evaluation import EvaluationError

logger = logging.getLogger(__name__)


class _Refused(UserError):
    """The request does not match the job's results, which stay as they are."""


def run_job(job: Job, benchmark: Benchmark, mode: str, device: str, resume: bool) -> Outcome:
    """Do what is left of a job and record how it ended; any error in it becomes its outcome.

    Parameters
    ----------
    job : Job
    benchmark : Benchmark
    mode : {"all", "train", "test", "evaluate"}
        "evaluate" evaluates the existing scores.
    device : str
        As on the command line; a device of the machine this runs on.
    resume : bool
        Continue an interrupted training run of the same job.
    """
    try:
        RunFolder(job.folder).make()
        with _log_to(job.folder / "log.txt"):
            try:
                return _run(job, benchmark, mode, device, resume)
            except _Refused as error:
                return Outcome(job.key, "failed", _line(error))
            except USER_ERRORS as error:
                return job.fail(_line(error))
            except Exception as error:
                logger.exception("the job failed")
                return job.fail(f"{type(error).__name__}: {_line(error)}")
    except (OSError, UserError) as error:  # not even its folder is writable
        return Outcome(job.key, "failed", _line(error))


def _run(job: Job, benchmark: Benchmark, mode: str, device: str, resume: bool) -> Outcome:
    series = read_series(job.config.data, job.root)
    data = {"file": digest_file(job.file), **digest_series(series)}
    begun = job.outcome()
    earlier = _what_holds(job, begun, data, resume)
    if earlier.note:
        logger.warning("%s", earlier.note)
    scored = earlier.score_seconds is not None and earlier.status != "failed"  # after a failure, scores are recomputed
    if mode == "evaluate" and earlier.score_seconds is None:
        raise _missing("scores", earlier, begun, "run with --mode test first")
    if mode == "test" and earlier.train_seconds is None:
        raise _missing("finished training", earlier, begun, "run with --mode train first")
    if mode != "evaluate" and not scored:
        with own_device(device) as own:
            experiment = Experiment(job.config, series, RunFolder(job.folder), own, bars=False)
            earlier = _train_and_score(job, experiment, earlier, mode, resume=resume and begun is not None)
        if mode == "train":
            return earlier
    return _measure(job, benchmark, series, earlier)


def _what_holds(job: Job, begun: Outcome | None, data: dict, resume: bool) -> Outcome:
    """Return the progress of the job with the current data; a note says what has changed in it."""
    if begun is None:
        return Outcome(job.key, "training", data=data)
    if begun.data is None:
        return _of_earlier_version(begun, {**data, "train": None} if resume else data)
    reformatted = begun.data.get("train") is None and begun.data.get("file") != data["file"]
    train = ["the data"] if reformatted else changes(begun.data, data, ["train"])
    test = changes(begun.data, data, ["test"])
    if train and resume:
        raise _Refused(
            f"{', '.join(train + test)} changed since it was trained: restore the old data, or leave out --resume to "
            "retrain"
        )
    if train:
        return Outcome(job.key, "training", data=data, note=f"{', '.join(train + test)} changed: retrained")
    data = {**data, "train": begun.data["train"]}  # for an earlier version's training they stay unknown
    if test and begun.score_seconds is not None:
        note = f"{test[0]} changed: scored again"
        return dataclasses.replace(begun, status="trained", score_seconds=None, figures={}, data=data, note=note)
    data["test"] = begun.data["test"]
    labels = changes(begun.data, data, ["labels"])
    again = bool(labels) and begun.score_seconds is not None
    note = f"{labels[0]} changed: evaluated again from the kept scores" if again else ""
    return dataclasses.replace(begun, data=data, note=note)


def _of_earlier_version(begun: Outcome, data: dict) -> Outcome:
    if begun.score_seconds is not None:
        note = f"{UNKNOWN}: evaluated again from the kept scores"
        return dataclasses.replace(begun, data={**data, "train": None, "test": None}, note=note)
    if begun.train_seconds is not None:
        return dataclasses.replace(begun, data={**data, "train": None}, note=f"{UNKNOWN}: its training is kept")
    return dataclasses.replace(begun, data=data)


def _missing(what: str, earlier: Outcome, begun: Outcome | None, remedy: str) -> UserError:
    """Return the error that something does not exist yet; results from other data stay as they are."""
    verb = "are" if what == "scores" else "is"
    if begun is not None and earlier.note:
        return _Refused(f"there {verb} no {what} of this data ({earlier.note.partition(':')[0]}): {remedy}")
    return UserError(f"there {verb} no {what} of this configuration: {remedy}")


def _train_and_score(job: Job, experiment: Experiment, earlier: Outcome, mode: str, *, resume: bool) -> Outcome:
    """Do what is left of training and scoring, and return the progress of the job afterwards."""
    folder, note, data = experiment.folder, earlier.note, earlier.data
    if earlier.train_seconds is None:
        job.record("training", train_seconds=None, score_seconds=None, data=data)
        experiment.train(resume=resume)
        earlier = job.record("trained", train_seconds=folder.read_record()["train_seconds"], note=note)
    if mode == "train":
        return job.record("trained", score_seconds=earlier.score_seconds, data=data, note=note)
    experiment.score_test()
    record = folder.read_record()
    data = {**data, "test": experiment.data["test"]}
    weights = record["scored_with"]["weights"]
    return job.record("trained", score_seconds=record["score_seconds"], data=data, weights=weights, note=note)


def _measure(job: Job, benchmark: Benchmark, series: Series, earlier: Outcome) -> Outcome:
    """Evaluate the existing scores with the current labels."""
    folder = RunFolder(job.folder)
    scores = folder.load_array(folder.test_score)
    label = series.test_label[: len(scores)]
    if len(label) < len(scores):
        raise _Refused(
            f"its kept scores have {len(scores)} points, but the series has {len(label)}: delete {job.folder} to "
            "train on this one"
        )
    if not folder.label.is_file() or not np.array_equal(folder.load_array(folder.label), label):
        folder.save_array(folder.label, label)
        folder.update_record(labels=earlier.data["labels"])
    entries = {"note": earlier.note, "data": earlier.data}
    try:
        figures = benchmark.measure(series, DETECTORS[job.config.detector].score_points(scores), label)
    except EvaluationError as error:
        reason = why_unmeasurable(series.train_label, series.test_label, len(scores))
        return job.record("undefined", reason=reason or _line(error), **entries)
    return job.record("done", figures={name: np.asarray(value).item() for name, value in figures.items()}, **entries)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _log_to(file: Path) -> Iterator[None]:
    """Send the messages of this process only to a file."""
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers, root.level = [handler], logging.INFO
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        handler.close()
