"""The runs of the check: their commands, and estimates of their time and device memory."""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.gpu_check.data import SERVERS, UCR_FOLDER, Prepared
from data_provider import read_dataset
from exp.config import ExperimentConfig, read_yaml
from exp.detection.automatic import suggest
from exp.errors import UserError
from models import DETECTORS
from models.settings import nearest

ROOT = Path(__file__).resolve().parents[2]
RUN_PY = [sys.executable, str(ROOT / "run.py")]
AUTO = "_auto"  # after a model's name: with the settings that a user's own series gets
# Seconds of a training step that a GPU waits for the CPU whatever its speed, and seconds for each gigabyte that a step
# keeps for the backward pass; good enough to order the runs.
STEP_SECONDS = {"CrossAD": 0.007, "DualSTF": 0.015, "MIXAD": 0.05}
GIGABYTE_SECONDS = 0.008
CONTEXT_GIGABYTES = 0.7  # what any process on a GPU takes
KEPT_VALUES = {"e_layers": 26, "m_layers": 4, "d_layers": 34}  # for the backward pass, in units of tokens · d_model
UCR_STEPS = 25_000  # of one epoch over the archive


@dataclass(frozen=True, eq=False)
class Run:
    """One training and its test.

    Attributes
    ----------
    dataset, model, seed
        What is trained on which data.
    command : list of str
        Trains, tests and measures.
    rescue : list of str
        Evaluates what an interrupted `command` has left.
    evaluate : list of str
        After it, sets thresholds and computes the measures that need them; empty for none.
    folder : Path
        Where it writes its results.
    seconds, gigabytes : float
        Estimates for a large GPU.
    """

    dataset: str
    model: str
    seed: int
    command: list[str]
    rescue: list[str]
    evaluate: list[str]
    folder: Path
    seconds: float
    gigabytes: float

    @property
    def name(self) -> str:
        """Name the run in file names."""
        return f"{self.dataset}-{self.model}-{self.seed}"


class Options(NamedTuple):
    """What all runs share: the data, where results go, the device, and overridden settings (`--set`)."""

    root: Path
    results: Path
    device: str
    changes: tuple[str, ...] = ()
    jobs: int = 1


def plan(series: Iterable[Prepared], models: Iterable[str], seeds: list[int], options: Options) -> list[Run]:
    """Return the runs of all series, the shortest first; a model runs if `configs/` has its settings.

    The sweep over UCR's series uses only the first seed.
    """
    runs = []
    for one in series:
        if one.dataset == "UCR":
            runs += _sweeps(one, seeds[0], options)
            continue
        for model in models:
            config = _config_file(one, model, options)
            if config is not None:
                runs += [_run(one, model, config, seed, options) for seed in seeds]
    return sorted(runs, key=lambda run: run.seconds)


def check_models(models: Iterable[str]) -> None:
    """Refuse a model without a configuration for any dataset.

    Raises
    ------
    UserError
    """
    known = {file.stem.removesuffix("_server") for file in ROOT.glob("configs/*/*.yaml")}
    known |= {"CrossAD", *(name + AUTO for name in DETECTORS)}
    known -= {"config", "published"}
    for model in models:
        if model not in known:
            raise UserError(f"--models: no configuration for {model}: {nearest(model, known)}")


def _config_file(series: Prepared, model: str, options: Options) -> Path | None:
    """Return the configuration of a model for a series; servers without their own use SMD's."""
    if model.endswith(AUTO):
        return _automatic(series, model.removesuffix(AUTO), options) if series.dataset in SERVERS else None
    folder = ROOT / "configs" / series.dataset
    if not folder.is_dir():
        folder = ROOT / "configs" / "SMD"
    names = ["config.yaml"] if model == "CrossAD" else [f"{model}_server.yaml", f"{model}.yaml"]
    if series.dataset not in SERVERS:
        names = names[-1:]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _automatic(series: Prepared, model: str, options: Options) -> Path:
    """Write a model's automatic settings for a series, and return their file."""
    train = read_dataset(options.root, series.name, train_rows=series.rows).train
    settings = dict(suggest(model, train).sections)
    settings |= {"data": {"name": series.name}, "model": {"name": model, **settings["model"]}}
    settings["evaluation"] = {"metrics": ["auc", "r_auc", "vus", "best_f1"]}
    file = options.root / "configs" / f"{series.name}_{model}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


def _run(series: Prepared, model: str, file: Path, seed: int, options: Options) -> Run:
    config = ExperimentConfig.from_dict(read_yaml(file))
    results = options.results / "auto" if model.endswith(AUTO) else options.results
    folder = results / series.name / f"seed_{seed}"
    if config.detector != "CrossAD":
        folder = folder.parent / config.detector / folder.name
    changes = [f"data.name={series.name}", *options.changes]
    if config.data.train_rows is not None:
        changes.append(f"data.train_rows={series.rows}")
    common = [
        *(*RUN_PY, "--config", str(file), "--root_path", str(options.root)),
        *("--save_path", str(results), "--device", options.device, "--seeds", str(seed), "--set", *changes),
    ]
    threshold = [*common, "--mode", "evaluate", "--metrics", "affiliation"] if series.dataset in SERVERS else []
    seconds, gigabytes = estimate(config, series)
    return Run(
        series.name, model, seed, common, [*common, "--mode", "test"], threshold, folder, seconds, gigabytes
    )  # fmt: skip


def estimate(config: ExperimentConfig, series: Prepared) -> tuple[float, float]:
    """Return seconds and gigabytes of a training run on a large GPU, without early stopping."""
    channels = series.channels - len(config.data.drop_channels)
    windows = int(series.rows * (1 - config.data.validation_share)) - config.model.seq_len + 1
    steps = math.ceil(min(windows, config.train.epoch_windows or windows) / config.train.batch_size)
    kept = 2.0
    if config.detector == "CrossAD":
        kept = _kept_values(config.model) * channels * config.train.batch_size * 4 / 1e9
    step = max(STEP_SECONDS.get(config.detector, 0.01), kept * GIGABYTE_SECONDS * (config.detector == "CrossAD"))
    return config.train.train_epochs * steps * step, CONTEXT_GIGABYTES + 1.2 * kept


def _kept_values(model) -> int:
    """Return roughly how many values CrossAD keeps of a univariate window for the backward pass."""
    tokens = sum(math.ceil(model.seq_len // kernel / model.patch_len) for kernel in model.kernels)
    return tokens * model.d_model * sum(values * getattr(model, name) for name, values in KEPT_VALUES.items())


def _sweeps(series: Prepared, seed: int, options: Options) -> list[Run]:
    """Return the two sweeps over UCR's series: as published, and with sufficiently long training."""
    runs = []
    for name in ("published", "config"):
        file = ROOT / "configs" / "UCR" / f"{name}.yaml"
        mapping = read_yaml(file)
        common = [
            *(sys.executable, str(ROOT / "run_UCR.py"), "--config", str(file), "--seed", str(seed)),
            *("--root_path", str(options.root / UCR_FOLDER), "--save_path", str(options.results)),
            *("--device", options.device, "--jobs", str(options.jobs)),
            *(["--set", *options.changes] if options.changes else []),
        ]
        command = [*common, "--series", ",".join(series.numbers)]
        # Nothing is left to do for finished series, so only the tables are written.
        rescue = [*common, "--series", "DONE"]
        seconds = 0.006 * UCR_STEPS * mapping["train"]["train_epochs"] / options.jobs
        folder = options.results / mapping["data"]["name"]
        gigabytes = options.jobs * (CONTEXT_GIGABYTES + 0.5)
        runs.append(Run("UCR", f"CrossAD_{name}", seed, command, rescue, [], folder, seconds, gigabytes))
    return runs
