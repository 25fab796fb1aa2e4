"""A job: one series of a benchmark, with one configuration and one seed, in a folder of its own."""

import dataclasses
import fnmatch
import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pandas as pd
import torch

from exp.benchmarks import Benchmark
from exp.config import ExperimentConfig, config_file, read_yaml, resolve
from exp.devices import choose_device
from exp.errors import USER_ERRORS, UserError
from exp.experiment import Experiment, read_series
from exp.results import RunFolder
from models import ConfigError
from models.settings import nearest
from ts_ad_evaluation import EvaluationError
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

Status = Literal["running", "trained", "done", "undefined", "failed"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes
    ----------
    key : str
        Of the job, `Job.key`.
    status : str
        "done": with figures. "undefined": scored, but the measures are undefined. "trained": not scored yet.
        "failed", or "running" still.
    reason : str
        One line, where it is undefined or failed.
    seconds : float
        Of training and scoring.
    figures : dict
        The table's figures.
    """

    key: str
    status: Status
    reason: str = ""
    seconds: float = 0.0
    figures: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Job:
    """One series with one configuration, its seed included.

    Attributes
    ----------
    series : str
        The file's name.
    config : ExperimentConfig
    root, folder : Path
        Where the file stands, and where the job writes.
    """

    series: str
    config: ExperimentConfig
    root: Path
    folder: Path

    @property
    def key(self) -> str:
        """Hash of series, configuration and seed; a result with this key need not be made again."""
        settings = self.config.to_dict()
        settings["evaluation"] = {"cover_tail": settings["evaluation"]["cover_tail"]}  # the rest changes no score
        text = json.dumps([self.series, settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def outcome(self) -> Outcome | None:
        """Return how this job ended, or None where it has not begun or what is there has another key."""
        try:
            outcome = Outcome(**json.loads(self._file.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError):
            logger.warning("%s is damaged, the job is done again", self._file)
            return None
        return outcome if outcome.key == self.key else None

    def record(self, status: Status, **entries) -> Outcome:
        """Write and return how the job ended."""
        outcome = Outcome(self.key, status, **entries)
        with replacing(self._file) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(outcome), indent=2) + "\n", encoding="utf-8")
        return outcome

    @property
    def _file(self) -> Path:
        return self.folder / "result.json"


def make_jobs(
    benchmark: Benchmark, path: Path, overrides: Iterable[str], root: Path | None, save_path: Path, seeds: list[int]
) -> list[Job]:
    """Return the jobs of all series of a benchmark's configuration, for each seed.

    Parameters
    ----------
    benchmark : Benchmark
    path : Path
        A configuration file or its folder. Beside the sections of a single experiment it has `series`, a CSV file
        beside it (columns name, model_setting), and `settings`, keys of the section `model` by model setting.
    overrides : iterable of str
        As for a single experiment.
    root : Path or None
        The folder of the series; by default the benchmark's.
    save_path : Path
        Results go to a folder there, named like the data.
    seeds : list of int
        Empty: the configuration's.

    Raises
    ------
    UserError, ConfigError
        When the configuration or its table of series is missing or wrong.
    """
    file = config_file(path)
    mapping = read_yaml(file)
    for name in ("series", "settings", "model"):
        if name not in mapping:
            raise ConfigError(f"{file}: section {name!r} is missing: it is needed for many series")
    table, settings = mapping.pop("series"), mapping.pop("settings")
    configs = {
        str(number): resolve({**mapping, "model": {**mapping["model"], **keys}}, overrides, f"{file}, setting {number}")
        for number, keys in settings.items()
    }
    jobs = []
    for series, number in _read_table(file.parent / table, configs):
        config = configs[number]
        config = dataclasses.replace(config, data=config.data.model_copy(update={"file": series}))
        for seed in seeds or [config.train.seed]:
            seeded = dataclasses.replace(config, train=config.train.model_copy(update={"seed": seed}))
            folder = save_path / config.data.name / "series" / Path(series).stem / f"seed_{seed}"
            jobs.append(Job(series, seeded, root or benchmark.root, folder))
    return jobs


def _read_table(file: Path, settings) -> list[tuple[str, str]]:
    """Return series name and model setting of each row."""
    if not file.is_file():
        raise UserError(f"{file}: no such file: it must list the series (columns name, model_setting)")
    table = pd.read_csv(file, dtype=str)
    for column in ("name", "model_setting"):
        if column not in table:
            raise UserError(f"{file}: there is no column {column!r}: add it")
    for row, number in enumerate(table["model_setting"], start=2):
        if number not in settings:
            raise UserError(f"{file}, line {row}: model_setting {number} is unknown: {nearest(str(number), settings)}")
    return list(zip(table["name"], table["model_setting"], strict=True))


def select(jobs: list[Job], patterns: str | None) -> list[Job]:
    """Return the jobs whose series match one of the patterns, separated by commas: a number, a name or a glob.

    Raises
    ------
    UserError
        When a pattern matches none.
    """
    if patterns is None:
        return jobs
    chosen = set()
    for pattern in patterns.split(","):
        pattern = f"{pattern.zfill(3)}_*" if pattern.isdecimal() else pattern
        matching = {job.series for job in jobs if fnmatch.fnmatch(job.series, pattern)}
        if not matching:
            raise UserError(f"--series {pattern}: matches none of the {len({job.series for job in jobs})} series")
        chosen |= matching
    return [job for job in jobs if job.series in chosen]


def finished(job: Job, mode: str) -> bool:
    """Whether `mode` has nothing left to do for this job."""
    enough = {"all": ("done", "undefined"), "test": ("done", "undefined"), "train": ("trained", "done", "undefined")}
    outcome = job.outcome()
    return outcome is not None and outcome.status in enough.get(mode, ())


def run_job(job: Job, benchmark: Benchmark, mode: str, device: str, threads: int | None, resume: bool) -> Outcome:
    """Do one job and record how it ended; whatever goes wrong in it becomes its outcome.

    Parameters
    ----------
    job : Job
    benchmark : Benchmark
    mode : {"all", "train", "test", "evaluate"}
        "evaluate" measures the scores that are there.
    device : str
    threads : int or None
        Of PyTorch on the CPU; None leaves them as they are.
    resume : bool
        Go on with an interrupted training of the same job.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    earlier = job.outcome()
    folder = RunFolder(job.folder)
    start = time.perf_counter()
    try:
        folder.make()
        with _log_to(job.folder / "log.txt"):
            try:
                return _run(job, benchmark, mode, device, resume, earlier, folder)
            except USER_ERRORS as error:
                return job.record("failed", reason=_line(error), seconds=time.perf_counter() - start)
            except Exception as error:
                logger.exception("the job failed")
                reason = f"{type(error).__name__}: {_line(error)}"
                return job.record("failed", reason=reason, seconds=time.perf_counter() - start)
    except (OSError, UserError) as error:  # not even its folder can be written
        return Outcome(job.key, "failed", reason=_line(error))


def _run(job, benchmark, mode, device, resume, earlier, folder) -> Outcome:
    series = read_series(job.config.data, job.root)
    seconds = earlier.seconds if earlier and mode != "all" else 0.0
    if mode in ("test", "evaluate") and (earlier is None or earlier.status in ("running", "failed")):
        raise UserError("there is no finished training of this configuration: run with --mode train first")
    if mode != "evaluate":
        job.record("running", seconds=seconds)
        start = time.perf_counter()
        experiment = Experiment(job.config, series, folder, choose_device(device), bars=False)
        if mode in ("all", "train"):
            experiment.train(resume=resume)
        if mode == "train":
            return job.record("trained", seconds=seconds + time.perf_counter() - start)
        experiment.score_test()
        seconds += time.perf_counter() - start
    score = folder.load_array(folder.test_score).mean(axis=1)
    label = folder.load_array(folder.label)
    try:
        figures = benchmark.measure(series, score, label)
    except EvaluationError as error:
        return job.record("undefined", reason=_line(error), seconds=seconds)
    plain = {name: getattr(value, "item", lambda value=value: value)() for name, value in figures.items()}
    return job.record("done", seconds=seconds, figures=plain)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _log_to(file: Path) -> Iterator[None]:
    """Send the messages of this process to a file, and only there."""
    handler = logging.FileHandler(file, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers, root.level = [handler], logging.INFO
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        handler.close()
