"""What the check keeps of its runs: measures and records, one line per run, and an archive of everything."""

import csv
import json
import logging
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.gpu_check.runs import Run
from data_provider import DataError
from data_provider.events import find_events
from data_provider.read.interpretation import channels_of_events, read_interpretation
from exp.benchmark.seeds import summarise_seeds
from exp.errors import UserError
from exp.training import checkpoint
from models import DETECTORS
from ts_ad_evaluation import EvaluationError, hit_rate_of_rankings
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

COLUMNS = (
    *("dataset", "model", "seed", "status", "device", "epochs", "best_epoch", "train_seconds", "score_seconds"),
    *("VUS_ROC", "VUS_PR", "commit"),
)


class Results:
    """The folder of results.

    Parameters
    ----------
    out : Path
        Gets test_results/, timings.csv and logs/.
    work : Path
        Where the runs write theirs; its folders mirror those of test_results/.
    commit : str or None
        Commit of this code if the running copy is not a clone; else what the runs have recorded.
    """

    def __init__(self, out: Path, work: Path, commit: str | None = None):
        self.out, self.work, self.commit = out, work, commit
        self.tables, self.timings = out / "test_results", out / "timings.csv"

    def keep(self, run: Run, status: str) -> dict:
        """Copy a run's measures and record, append its line to timings.csv, and return that line."""
        row = {"dataset": run.dataset, "model": run.model, "seed": run.seed, "status": status}
        if status != "failed":
            row |= self._keep_sweep(run) if (run.folder / "series").is_dir() else self._keep_run(run, status)
        new = not self.timings.exists()
        with open(self.timings, "a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(row)
        return row

    def finished(self) -> set[tuple[str, str, str]]:
        """Return dataset, model and seed of the runs that have already been tested."""
        if not self.timings.exists():
            return set()
        with open(self.timings, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {(row["dataset"], row["model"], row["seed"]) for row in rows if row["status"] == "tested"}

    def pack(self) -> Path:
        """Write everything except the archive itself to results.tar.gz in the folder, and return its path."""
        archive = self.out / "results.tar.gz"
        with replacing(archive) as temporary, tarfile.open(temporary, "w:gz") as package:
            for path in sorted(self.out.iterdir()):
                if path not in (archive, temporary):
                    package.add(path, path.name)
        return archive

    def _target(self, folder: Path) -> Path:
        target = self.tables / folder.relative_to(self.work)
        target.mkdir(parents=True, exist_ok=True)
        return target

    def _keep_run(self, run: Run, status: str) -> dict:
        target = self._target(run.folder)
        for file in run.folder.glob("_*.csv"):
            shutil.copy2(file, target)
        _hit_rate(run, self.work.parent / "dataset" / "interpretation" / f"{run.dataset}.txt", target)
        record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
        record["git_commit"] = self.commit or record.get("git_commit")
        if "checkpoint" in record:  # read on other machines
            record["checkpoint"] = Path(record["checkpoint"]).relative_to(self.work.parent).as_posix()
        if status == "stopped":
            record |= _progress(run.folder / "training_state.pth")
        with replacing(target / "run.json") as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        _over_seeds(target.parent)
        vus = pd.read_csv(target / "_vus.csv").iloc[0].to_dict() if (target / "_vus.csv").is_file() else {}
        return {
            "device": record.get("device"),
            "epochs": len(record.get("epochs", [])),
            **{name: record.get(name) for name in ("best_epoch", "train_seconds", "score_seconds")},
            **{name: vus.get(name) for name in ("VUS_ROC", "VUS_PR")},
            "commit": record["git_commit"],
        }

    def _keep_sweep(self, run: Run) -> dict:
        target = self._target(run.folder)
        for file in run.folder.glob("*.csv"):
            shutil.copy2(file, target)
        seconds = {"train_seconds": 0.0, "score_seconds": 0.0}
        record = {}
        for file in run.folder.glob(f"series/*/seed_{run.seed}/result.json"):
            outcome = json.loads(file.read_text(encoding="utf-8"))
            for name in seconds:
                seconds[name] += outcome.get(name) or 0.0
            if (file.parent / "run.json").is_file():
                record = json.loads((file.parent / "run.json").read_text(encoding="utf-8"))
            shutil.copy2(file, self._target(file.parent))
        if record:
            record["git_commit"] = self.commit or record.get("git_commit")
            record = {
                name: record.get(name) for name in ("model", "seed", "device", "git_commit", "versions", "config")
            }
            (target / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        seconds = {name: round(value, 1) for name, value in seconds.items()}
        return {"device": record.get("device"), "commit": record.get("git_commit"), **seconds}


def _progress(state: Path) -> dict:
    """Return what run.json lacks for a training run that was stopped early."""
    try:
        progress = checkpoint.load(state)["progress"]
    except (UserError, KeyError):
        return {"stopped": "when time was up"}
    return {
        "stopped": f"after {len(progress['epochs'])} epochs, when time was up",
        "best_epoch": progress["best_epoch"],
        "epochs": progress["epochs"],
        "train_seconds": round(sum(epoch["seconds"] for epoch in progress["epochs"]), 3),
    }


def _hit_rate(run: Run, interpretation: Path, target: Path) -> None:
    """Write how often the channels that caused an event are ranked first, if known and if channels have scores."""
    if not interpretation.is_file():
        return
    score, label = (np.load(run.folder / name) for name in ("a_test_energy.npy", "a_gt.npy"))
    if score.shape[1] == 1:
        return
    model = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["model"]
    rank = DETECTORS[model].rank_channels
    try:
        channels = channels_of_events(read_interpretation(interpretation), label, name=interpretation.name)
        rankings = [rank(score[start:end]) for start, end in zip(*find_events(label), strict=True)]
        rates = hit_rate_of_rankings(rankings, label, channels)
    except (DataError, EvaluationError) as error:
        logger.info("no hit rate of %s: %s", run.name, error)
        return
    pd.DataFrame(rates.items(), columns=["level", "hit_rate"]).to_csv(target / "_hit_rate.csv", index=False)


def _over_seeds(folder: Path) -> None:
    """Write seeds.csv for all seeds that a folder has so far."""
    figures = {}
    for path in sorted(folder.glob("seed_*")):
        tables = [pd.read_csv(file) for file in sorted(path.glob("_*.csv"))]
        single = [table.iloc[0].to_dict() for table in tables if len(table) == 1]
        figures[int(path.name.removeprefix("seed_"))] = {name: value for row in single for name, value in row.items()}
    if any(figures.values()):
        summarise_seeds(figures, folder / "seeds.csv")
