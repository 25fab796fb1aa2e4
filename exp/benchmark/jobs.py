"""A job: one series of a benchmark, with one configuration and one seed, in its own folder."""

import dataclasses
import fnmatch
import functools
import hashlib
import json
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from exp.benchmark.run_folder import results_folder
from exp.config import ExperimentConfig, config_file, read_yaml, resolve
from exp.errors import UserError
from models import ConfigError
from models.settings import nearest
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The progress of a job.

    Attributes
    ----------
    key : str
        The job's `Job.key`.
    status : str
        "training", even if interrupted. "trained": not evaluated yet. "done": has values. "undefined": the measures
        are undefined for this series. "failed". "missing": the series is not available.
    reason : str
        One line if it is undefined or failed.
    train_seconds, score_seconds : float or None
        None: not finished yet.
    figures : dict
        The table's values.
    data : dict or None
        Digests of the series' file and of its training values, test values and labels, see `provenance`; if it, or
        one of its entries, is None, it is unknown, as in results of earlier versions.
    weights : str or None
        The digest of the weights that produced the scores.
    note : str
        What had changed since the job was last done, and what was redone.
    """

    key: str
    status: Literal["training", "trained", "done", "undefined", "failed", "missing"]
    reason: str = ""
    train_seconds: float | None = None
    score_seconds: float | None = None
    figures: dict = dataclasses.field(default_factory=dict)
    data: dict | None = None
    weights: str | None = None
    note: str = ""

    @property
    def seconds(self) -> float:
        """Seconds of training and scoring."""
        return (self.train_seconds or 0.0) + (self.score_seconds or 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """One series with one configuration, including its seed.

    Attributes
    ----------
    series : str
        The file's path below `root`; in most suites, its name.
    config : ExperimentConfig
    root, folder : Path
        The folder of the file, and the folder the job writes to.
    """

    series: str
    config: ExperimentConfig
    root: Path
    folder: Path

    @property
    def name(self) -> str:
        """Readable name of the job."""
        return f"{self.series}, seed {self.config.train.seed}"

    @functools.cached_property
    def key(self) -> str:
        """Hash of series, configuration and seed; a result with this key need not be recomputed."""
        settings = self.config.to_dict()
        settings["evaluation"] = {"cover_tail": settings["evaluation"]["cover_tail"]}  # the rest does not affect scores
        text = json.dumps([self.series, settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def outcome(self) -> Outcome | None:
        """Return the progress of this job, or None if it has not begun or the folder is another configuration's."""
        try:
            outcome = Outcome(**json.loads(self._result.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError):
            outcome = None
        if outcome is None or not _is_whole(outcome):
            logger.warning("%s is damaged, so the job is redone", self._result)
            return None
        return outcome if outcome.key == self.key else None

    def record(
        self, status: str, *, reason: str = "", figures: dict | None = None, note: str = "", **entries
    ) -> Outcome:
        """Write and return the progress of the job; seconds and digests that are not given stay as they are."""
        earlier = self.outcome() or Outcome(self.key, status)
        outcome = dataclasses.replace(
            earlier, status=status, reason=reason, figures=figures or {}, note=note, **entries
        )
        with replacing(self._result) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(outcome), indent=2) + "\n", encoding="utf-8")
        return outcome

    def fail(self, reason: str) -> Outcome:
        """Return the outcome of a failure, and record it unless the folder has another configuration's result."""
        if self.has_result and self.outcome() is None:
            return Outcome(self.key, "failed", reason)
        return self.record("failed", reason=reason)

    @property
    def file(self) -> Path:
        """The file of the series."""
        return self.root / self.series

    @property
    def has_result(self) -> bool:
        """Whether the folder has a result, of this job or of another configuration."""
        return self._result.exists()

    @property
    def _result(self) -> Path:
        return self.folder / "result.json"


def _is_whole(outcome: Outcome) -> bool:
    """Whether an outcome that was read has the expected form."""
    mappings = isinstance(outcome.figures, dict) and isinstance(outcome.data, dict | None)
    return mappings and (outcome.status != "done" or bool(outcome.figures))


def make_jobs(
    path: Path, overrides: Iterable[str], root: Path, save_path: Path, seeds: Iterable[int] = ()
) -> list[Job]:
    """Return the jobs of all series of a benchmark's configuration, for each seed.

    Parameters
    ----------
    path : Path
        A configuration file or its folder. In addition to the sections of a single experiment it has `series`, a CSV
        file next to it (columns name, model_setting), and `settings`, keys of the section `model` by model setting;
        without `settings` all series share `model`.
    overrides : iterable of str
        As for a single experiment.
    root : Path
        The folder of the series.
    save_path : Path
        Results go to a folder there, named after the data.
    seeds : iterable of int
        If empty, the configuration's.

    Raises
    ------
    UserError, ConfigError
        When the configuration or its table of series is missing or wrong.
    """
    file = config_file(path)
    mapping = read_yaml(file)
    for name, kind in {"series": str, "model": dict}.items():
        if not isinstance(mapping.get(name), kind):
            needed = "the file that lists the series (series: settings.csv)" if kind is str else "a section"
            one = "" if name in mapping else ", or run a single series with run.py"
            raise ConfigError(f"{file}: {name!r} must be {needed}: add it, as in configs/UCR/config.yaml{one}")
    table, settings = mapping.pop("series"), mapping.pop("settings", None)
    configs = _configs_by_setting(mapping, settings, overrides, file)
    jobs, rows = [], _read_table(file.parent / table, None if settings is None else configs)
    folders = _folders([series for series, _ in rows])
    for series, number in rows:
        config = configs[number]
        config = dataclasses.replace(config, data=config.data.model_copy(update={"file": series}))
        for seed in seeds or [config.train.seed]:
            seeded = dataclasses.replace(config, train=config.train.model_copy(update={"seed": seed}))
            folder = results_folder(save_path, seeded) / "series" / folders[series] / f"seed_{seed}"
            jobs.append(Job(series, seeded, root.absolute(), folder.absolute()))
    return jobs


def _folders(names: list[str]) -> dict[str, Path]:
    """Return the results folder of each series: its relative path, without the extension if that is unambiguous."""
    paths = {name: Path(*_below(name)) for name in names}
    shared = Counter(path.with_suffix("") for path in paths.values())
    return {name: path if shared[path.with_suffix("")] > 1 else path.with_suffix("") for name, path in paths.items()}


def _below(name: str) -> list[str]:
    """Return the parts of a path such that it stays below any folder it is joined to."""
    path = Path(os.path.normpath(name))
    return ["up" if part == ".." else part for part in path.parts if part != path.anchor]


def _configs_by_setting(
    mapping: dict, settings: dict | None, overrides: Iterable[str], file: Path
) -> Mapping[str, ExperimentConfig]:
    """Return the configuration of each model setting; without settings, the same one for all."""
    if settings is None:
        shared = resolve(mapping, overrides, str(file))
        return defaultdict(lambda: shared)
    if not isinstance(settings, dict):
        raise ConfigError(f"{file}: 'settings' must be a mapping from model settings to keys of 'model': correct it")
    return {
        str(number): resolve({**mapping, "model": {**mapping["model"], **keys}}, overrides, f"{file}, setting {number}")
        for number, keys in settings.items()
    }


def _read_table(file: Path, settings: Iterable[str] | None) -> list[tuple[str, str]]:
    """Return the series name and model setting of each row; the latter is one of `settings`, if these are given."""
    if not file.is_file():
        raise UserError(f"{file}: no such file: it must list the series (columns name, model_setting)")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise UserError(f"{file}: not a CSV file: {' '.join(str(error).split())}: correct it") from None
    for column in ("name", "model_setting"):
        if column not in table:
            raise UserError(f"{file}: has no column {column!r}: add it")
    if table.empty:
        raise UserError(f"{file}: lists no series: add a line for each")
    rows = list(zip(table["name"], table["model_setting"], strict=True))
    counts = Counter(os.path.normpath(name) for name in table["name"])
    for line, (name, number) in enumerate(rows, start=2):
        if not name or counts[os.path.normpath(name)] > 1:
            raise UserError(f"{file}, line {line}: name {name!r} is empty or a duplicate: correct it")
        if settings is not None and number not in settings:
            raise UserError(f"{file}, line {line}: model_setting {number!r} is unknown: {nearest(number, settings)}")
    return rows


def select(jobs: list[Job], patterns: str | None) -> list[Job]:
    """Return the jobs whose series match one of the comma-separated patterns: a number, a name or a glob.

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
            raise UserError(
                f"--series {pattern}: matches none of the {len(names)} series: give numbers, names or globs"
            )
        chosen |= matching
    return [job for job in jobs if job.series in chosen]


def finished(outcome: Outcome | None, mode: str, file: str | None) -> bool:
    """Whether `mode` has nothing left to do for a job.

    Parameters
    ----------
    outcome : Outcome or None
        Its progress.
    mode : {"all", "train", "test", "evaluate"}
    file : str or None
        The digest of the series' current file; None: it is not available, and what is done stays.
    """
    if outcome is None or (mode == "evaluate" and file is not None):
        return False
    done = outcome.status in ("done", "undefined") or (mode == "train" and outcome.status == "trained")
    return done and (file is None or (outcome.data is not None and outcome.data.get("file") == file))
