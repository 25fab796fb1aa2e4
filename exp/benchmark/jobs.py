"""A job: one series of a benchmark, with one configuration and one seed, in a folder of its own."""

import dataclasses
import fnmatch
import functools
import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from exp.benchmark.experiment import Experiment, read_series
from exp.benchmark.run_folder import RunFolder, results_folder
from exp.benchmark.suites import Benchmark
from exp.config import ExperimentConfig, config_file, read_yaml, resolve
from exp.errors import USER_ERRORS, UserError
from exp.training.devices import choose_device
from models import DETECTORS, ConfigError
from models.settings import nearest
from ts_ad_evaluation import EvaluationError
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How far a job has come.

    Attributes
    ----------
    key : str
        Of the job, `Job.key`.
    status : str
        "training", also where that was interrupted. "trained": not measured yet. "done": with figures. "undefined":
        the measures are, for this series. "failed".
    reason : str
        One line, where it is undefined or failed.
    train_seconds, score_seconds : float or None
        None: has not ended yet.
    figures : dict
        The table's figures.
    """

    key: str
    status: Literal["training", "trained", "done", "undefined", "failed"]
    reason: str = ""
    train_seconds: float | None = None
    score_seconds: float | None = None
    figures: dict = dataclasses.field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds of training and scoring."""
        return (self.train_seconds or 0.0) + (self.score_seconds or 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
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
    def name(self) -> str:
        """Name the job for a reader."""
        return f"{self.series}, seed {self.config.train.seed}"

    @functools.cached_property
    def key(self) -> str:
        """Hash of series, configuration and seed; a result with this key need not be made again."""
        settings = self.config.to_dict()
        settings["evaluation"] = {"cover_tail": settings["evaluation"]["cover_tail"]}  # the rest changes no score
        text = json.dumps([self.series, settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def outcome(self) -> Outcome | None:
        """Return how far this job has come, or None where it has not begun or another configuration's is there."""
        try:
            outcome = Outcome(**json.loads(self._file.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError):
            logger.warning("%s is damaged, the job is done again", self._file)
            return None
        return outcome if outcome.key == self.key else None

    def record(self, status: str, *, reason: str = "", figures: dict | None = None, **seconds: float) -> Outcome:
        """Write and return how far the job has come; seconds that are not given stay as they are."""
        earlier = self.outcome() or Outcome(self.key, status)
        outcome = dataclasses.replace(earlier, status=status, reason=reason, figures=figures or {}, **seconds)
        with replacing(self._file) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(outcome), indent=2) + "\n", encoding="utf-8")
        return outcome

    def fail(self, reason: str) -> Outcome:
        """Return the outcome of a failure, and record it unless another configuration's result is there."""
        if self.has_result and self.outcome() is None:
            return Outcome(self.key, "failed", reason)
        return self.record("failed", reason=reason)

    @property
    def has_result(self) -> bool:
        """Whether a result stands in the folder, of this job or of another configuration."""
        return self._file.exists()

    @property
    def _file(self) -> Path:
        return self.folder / "result.json"


def make_jobs(
    path: Path, overrides: Iterable[str], root: Path, save_path: Path, seeds: Iterable[int] = ()
) -> list[Job]:
    """Return the jobs of all series of a benchmark's configuration, for each seed.

    Parameters
    ----------
    path : Path
        A configuration file or its folder. Beside the sections of a single experiment it has `series`, a CSV file
        beside it (columns name, model_setting), and `settings`, keys of the section `model` by model setting; without
        `settings` all series share `model`.
    overrides : iterable of str
        As for a single experiment.
    root : Path
        The folder of the series.
    save_path : Path
        Results go to a folder there, named like the data.
    seeds : iterable of int
        Empty: the configuration's.

    Raises
    ------
    UserError, ConfigError
        When the configuration or its table of series is missing or wrong.
    """
    file = config_file(path)
    mapping = read_yaml(file)
    for name, kind in {"series": str, "model": dict}.items():
        if not isinstance(mapping.get(name), kind):
            needed = "a file name" if kind is str else "a section"
            raise ConfigError(f"{file}: {name!r} must be {needed}, for many series: give such a configuration")
    table, settings = mapping.pop("series"), mapping.pop("settings", None)
    configs = _configs_by_setting(mapping, settings, overrides, file)
    jobs = []
    for series, number in _read_table(file.parent / table, None if settings is None else configs):
        config = configs[number]
        config = dataclasses.replace(config, data=config.data.model_copy(update={"file": series}))
        for seed in seeds or [config.train.seed]:
            seeded = dataclasses.replace(config, train=config.train.model_copy(update={"seed": seed}))
            folder = results_folder(save_path, seeded) / "series" / Path(series).stem / f"seed_{seed}"
            jobs.append(Job(series, seeded, root.absolute(), folder.absolute()))
    return jobs


def _configs_by_setting(
    mapping: dict, settings: dict | None, overrides: Iterable[str], file: Path
) -> Mapping[str, ExperimentConfig]:
    """Return the configuration of each model setting; without settings the same one for all."""
    if settings is None:
        shared = resolve(mapping, overrides, str(file))
        return defaultdict(lambda: shared)
    if not isinstance(settings, dict):
        raise ConfigError(f"{file}: 'settings' must be a section of the keys of 'model' by model setting: correct it")
    return {
        str(number): resolve({**mapping, "model": {**mapping["model"], **keys}}, overrides, f"{file}, setting {number}")
        for number, keys in settings.items()
    }


def _read_table(file: Path, settings: Iterable[str] | None) -> list[tuple[str, str]]:
    """Return series name and model setting of each row; the latter is one of `settings`, where these are given."""
    if not file.is_file():
        raise UserError(f"{file}: no such file: it must list the series (columns name, model_setting)")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise UserError(f"{file}: not a CSV file: {_line(error)}: correct it") from None
    for column in ("name", "model_setting"):
        if column not in table:
            raise UserError(f"{file}: there is no column {column!r}: add it")
    if table.empty:
        raise UserError(f"{file}: lists no series: add a line for each")
    rows = list(zip(table["name"], table["model_setting"], strict=True))
    names = list(table["name"])
    for line, (name, number) in enumerate(rows, start=2):
        if not name or names.count(name) > 1:
            raise UserError(f"{file}, line {line}: name {name!r} is empty or stands twice: correct it")
        if settings is not None and number not in settings:
            raise UserError(f"{file}, line {line}: model_setting {number!r} is unknown: {nearest(number, settings)}")
    return rows


def select(jobs: list[Job], patterns: str | None) -> list[Job]:
    """Return the jobs whose series match one of the patterns, separated by commas: a number, a name or a glob.

    Raises
    ------
    UserError
        When a pattern matches none.
    """
    if patterns is None:
        return jobs
    names = {job.series for job in jobs}
    chosen = set()
    for pattern in map(str.strip, patterns.split(",")):
        glob = f"{pattern.zfill(3)}_*" if pattern.isdecimal() else pattern
        matching = {name for name in names if fnmatch.fnmatch(name, glob) or fnmatch.fnmatch(Path(name).stem, glob)}
        if not matching:
            raise UserError(f"--series {pattern}: none of the {len(names)} series: give numbers, names or globs")
        chosen |= matching
    return [job for job in jobs if job.series in chosen]


def finished(outcome: Outcome | None, mode: str) -> bool:
    """Whether `mode` has nothing left to do for a job that has come so far."""
    if outcome is None or mode == "evaluate":
        return False
    return outcome.status in ("done", "undefined") or (mode == "train" and outcome.status == "trained")


def run_job(job: Job, benchmark: Benchmark, mode: str, device: str, resume: bool) -> Outcome:
    """Do what is left of a job and record how it ended; whatever goes wrong in it becomes its outcome.

    Parameters
    ----------
    job : Job
    benchmark : Benchmark
    mode : {"all", "train", "test", "evaluate"}
        "evaluate" measures the scores that are there.
    device : str
        As on the command line, of the machine that this runs on.
    resume : bool
        Go on with an interrupted training of the same job.
    """
    try:
        RunFolder(job.folder).make()
        with _log_to(job.folder / "log.txt"):
            try:
                return _run(job, benchmark, mode, device, resume)
            except USER_ERRORS as error:
                return job.fail(_line(error))
            except Exception as error:
                logger.exception("the job failed")
                return job.fail(f"{type(error).__name__}: {_line(error)}")
    except (OSError, UserError) as error:  # not even its folder can be written
        return Outcome(job.key, "failed", _line(error))


def _run(job: Job, benchmark: Benchmark, mode: str, device: str, resume: bool) -> Outcome:
    series = read_series(job.config.data, job.root)
    folder, begun = RunFolder(job.folder), job.outcome()
    earlier = begun or Outcome(job.key, "training")
    scored = earlier.score_seconds is not None and earlier.status != "failed"  # after a failure scores are made anew
    trained = earlier.train_seconds is not None
    if mode == "evaluate" and earlier.score_seconds is None:
        raise UserError("this configuration has no scores of it: run with --mode test first")
    if mode == "test" and not trained:
        raise UserError("there is no finished training of this configuration: run with --mode train first")
    if mode != "evaluate" and not scored:
        experiment = Experiment(job.config, series, folder, _own_device(device, job.key), bars=False)
        if not trained:
            job.record("training")
            experiment.train(resume=resume and begun is not None)
            job.record("trained", train_seconds=folder.read_record()["train_seconds"])
        if mode == "train":
            return job.record("trained")
        experiment.score_test()
        job.record("trained", score_seconds=folder.read_record()["score_seconds"])
    score = DETECTORS[job.config.detector].score_points(folder.load_array(folder.test_score))
    try:
        figures = benchmark.measure(series, score, folder.load_array(folder.label))
    except EvaluationError as error:
        return job.record("undefined", reason=_line(error))
    return job.record("done", figures={name: np.asarray(value).item() for name, value in figures.items()})


def _own_device(name: str, key: str) -> torch.device:
    """Return the device of a job: of several CUDA devices one by its key, and of the CPU one thread."""
    device = choose_device(name)
    if device.type == "cpu":
        torch.set_num_threads(1)  # each worker is one; so that results do not depend on their number
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", int(key, 16) % torch.cuda.device_count())
    return device


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _log_to(file: Path) -> Iterator[None]:
    """Send the messages of this process to a file, and only there."""
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
