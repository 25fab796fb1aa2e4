"""Observers of training, epoch by epoch: a table of the epochs, and scalars for TensorBoard."""

import csv
import logging
from pathlib import Path
from typing import Any

from exp.errors import UserError
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

COLUMNS = ("epoch", "learning_rate", "train_loss", "validation_loss", "seconds")
SCALARS = {"loss/train": "train_loss", "loss/validation": "validation_loss", "learning_rate": "learning_rate"}
SUFFIX = ".training"  # suffix of the event files written here


class Observer:
    """Follows training; the base class does nothing."""

    def update(self, epochs: list[dict]) -> None:
        """Receive all completed epochs: before the first one, or those of a resumed state, then after each one.

        Parameters
        ----------
        epochs : list of dict
            As in `exp.training.trainer.Progress`.
        """

    def close(self) -> None:
        """Close what is open; called at the end of training, also after an error."""


class EpochTable(Observer):
    """Keeps a CSV file of the epochs, one row each.

    Parameters
    ----------
    path : Path
        Its folder exists.
    """

    def __init__(self, path: Path):
        self.path = path

    def update(self, epochs: list[dict]) -> None:
        """Write the whole table, so that resumed training repeats no row."""
        if epochs:
            write_epochs(self.path, epochs)


class TensorBoard(Observer):
    """Writes losses and learning rate by epoch for TensorBoard.

    The log of an earlier training run in the folder is replaced once there is a first epoch to write; a resumed run
    writes its earlier epochs again, so each epoch is there once.

    Parameters
    ----------
    folder : Path
        Created when there is a first epoch to write.

    Raises
    ------
    UserError
        When the package `tensorboard` is not installed.
    """

    def __init__(self, folder: Path):
        self.folder, self._make_writer = folder, _summary_writer()
        self._writer: Any = None  # the package is optional, so its class has no name here
        self._written = 0

    def update(self, epochs: list[dict]) -> None:
        """Write the epochs that have not been written yet, so that viewers see them."""
        if self._written == len(epochs):
            return
        if self._writer is None:
            forget_scalars(self.folder)
            self._writer = self._make_writer(self.folder, filename_suffix=SUFFIX)
            logger.info("scalars of the training: tensorboard --logdir %s", self.folder)
        for epoch in epochs[self._written :]:
            for tag, key in SCALARS.items():
                self._writer.add_scalar(tag, epoch[key], epoch["epoch"])
        self._writer.flush()
        self._written = len(epochs)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def write_scalars(folder: Path, epochs: list[dict]) -> None:
    """Write the scalars of a finished training run; raises like `TensorBoard`."""
    board = TensorBoard(folder)
    try:
        board.update(epochs)
    finally:
        board.close()


def write_epochs(path: Path, epochs: list[dict]) -> None:
    """Write a CSV file of epochs, with the columns `COLUMNS`."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(epochs)


def check_tensorboard() -> None:
    """Check that scalars can be written.

    Raises
    ------
    UserError
        When the package `tensorboard` is not installed.
    """
    _summary_writer()


def forget_scalars(folder: Path) -> None:
    """Remove the log that an earlier training run has left in the folder, and the folder if it is then empty."""
    for file in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
        file.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _summary_writer() -> type:
    """Return the class that writes event files. It is imported only on request: that takes a second, and a package."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "--tensorboard needs the package tensorboard: pip install tensorboard, or leave the option out"
        ) from None
    return SummaryWriter
