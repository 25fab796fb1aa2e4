"""The folder of one run: which files it contains, and how they are written."""

import json
from pathlib import Path

import numpy as np

from exp.config import ExperimentConfig
from exp.errors import UserError
from exp.training.observers import forget_scalars
from models import DEFAULT
from ts_ad_evaluation.files import replacing


class RunFolder:
    """Files of one run.

    Attributes
    ----------
    checkpoint, state : Path
        The best weights, and the state from which training resumes.
    epochs, tensorboard : Path
        `epochs.csv`, losses by epoch, and the folder with the same for TensorBoard if requested.
    label, test_score, train_score : Path
        `a_gt.npy` (points,), `a_test_energy.npy` and `a_train_energy.npy` (points, channels).
    record : Path
        `run.json`: configuration, seed, versions, device, commit, times, and how the run ended.
    figure, report : Path
        `scores.png`, and `report.html` if `python -m exp.report` has created it.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint.pth"
        self.state = self.path / "training_state.pth"
        self.epochs = self.path / "epochs.csv"
        self.tensorboard = self.path / "tensorboard"
        self.label = self.path / "a_gt.npy"
        self.test_score = self.path / "a_test_energy.npy"
        self.train_score = self.path / "a_train_energy.npy"
        self.record = self.path / "run.json"
        self.figure = self.path / "scores.png"
        self.report = self.path / "report.html"

    def make(self) -> None:
        """Create the folder and check that files can be written there.

        Raises
        ------
        UserError
            When they cannot.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with replacing(self.path / "write_test") as temporary:
                temporary.touch()
            (self.path / "write_test").unlink()
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot write there ({error.strerror}): choose another folder with --save_path"
            ) from None

    def clear(self) -> None:
        """Remove what an earlier training run has left: its scores and measures would not belong to the new weights.

        The state is removed first: no training could resume from it without the files it belongs to.
        """
        own = [self.state, self.checkpoint, self.epochs, self.label, self.test_score, self.train_score, self.record]
        of_killed_processes = self.path.glob(".*.tmp")
        for path in [*own, *of_killed_processes]:
            path.unlink(missing_ok=True)
        self.forget_measures()
        forget_scalars(self.tensorboard)

    def forget_measures(self) -> None:
        """Remove everything derived from scores and labels: measures, figure and report."""
        for path in [self.figure, self.report, *self.path.glob("_*.csv")]:
            path.unlink(missing_ok=True)

    def forget_train_score(self) -> None:
        """Remove the scores of the training part, which belong to other weights or data than the next ones."""
        self.train_score.unlink(missing_ok=True)

    def save_array(self, path: Path, array: np.ndarray) -> None:
        """Write one of the arrays."""
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, array)

    def load_array(self, path: Path) -> np.ndarray:
        """Read one of the arrays.

        Raises
        ------
        UserError
            When it is missing or damaged.
        """
        try:
            return np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file: run with --mode test first") from None
        except (ValueError, EOFError, OSError):
            raise UserError(f"{path}: damaged: run with --mode test again") from None

    def update_record(self, **entries) -> None:
        """Set entries of run.json."""
        record = {**self.read_record(), **entries}
        with replacing(self.record) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def read_record(self) -> dict:
        """Return run.json, or an empty dict if there is none."""
        if not self.record.is_file():
            return {}
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except ValueError:
            record = None
        if not _is_record(record):
            raise UserError(f"{self.record}: damaged: delete it and run again")
        return record


def _is_record(content: object) -> bool:
    """Whether run.json has the form that this project writes."""
    if not isinstance(content, dict):
        return False
    config = content.get("config", {})
    mappings = [config, content.get("trained_on") or {}, content.get("scored_with") or {}]
    mappings += config.values() if isinstance(config, dict) else []
    return all(isinstance(mapping, dict) for mapping in mappings)


def results_folder(save_path: Path, config: ExperimentConfig) -> Path:
    """Return the folder of a dataset's runs, NAME for the default detector and NAME/DETECTOR for the others."""
    folder = Path(save_path) / config.data.name
    return folder if config.detector == DEFAULT else folder / config.detector
