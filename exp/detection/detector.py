"""The detector: a model on a device that learns from standardised arrays and scores them."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from data_provider import Windows
from exp.config import ExperimentConfig
from exp.detection.scorer import Scorer
from exp.training.devices import check_abilities, seed_everything
from exp.training.observers import Observer
from exp.training.processes import ALONE, Processes
from exp.training.store import FileStore, MemoryStore
from exp.training.trainer import Progress, Trainer
from models import DETECTORS
from models.network import AdjustsSeries

logger = logging.getLogger(__name__)


class Detector:
    """A model, how it is trained and how it scores; it knows nothing of datasets, labels or folders.

    Parameters
    ----------
    config : ExperimentConfig
        Its sections `model` and `train` are used.
    channels : int
        C.
    device : torch.device
    processes : Processes
        Those that train together.
    bars : bool
        Show progress bars if the output is a terminal.

    Attributes
    ----------
    model : models.Model
        The registry's record.
    network : torch.nn.Module
    scorer : Scorer
    """

    def __init__(
        self,
        config: ExperimentConfig,
        channels: int,
        device: torch.device,
        processes: Processes = ALONE,
        bars: bool = True,
    ):
        self.config, self.channels, self.processes, self.bars = config, channels, processes, bars
        check_abilities(device, precision=config.train.precision, compiled=config.train.compile)
        self.model = DETECTORS[config.detector]
        seed_everything(config.train.seed)
        self.network = self.model.build(config.model, channels).to(device).eval()
        self.scorer = Scorer(self.network, self.length, precision=config.train.precision)

    @property
    def length(self) -> int:
        """Points in a window."""
        return self.config.model.seq_len

    def training_windows(self, values: np.ndarray, name: str, lengths: Sequence[int] | None = None) -> Windows:
        """Return the windows (stride 1) of values (n, C) to train on; `lengths` is as for `Windows`."""
        return Windows(values, self.length, name=name, lengths=lengths)

    def validation_windows(
        self, values: np.ndarray, training: np.ndarray, name: str, lengths: Sequence[int] | None = None
    ) -> Windows:
        """Return the non-overlapping windows used for validation.

        Parameters
        ----------
        values : float32 array of shape (m, C)
            The validation part.
        training : float32 array of shape (n, C)
            The whole training part; its last window is used if the validation part is shorter than a window.
        name : str
            Name of the part in errors.
        lengths : sequence of int, optional
            As for `Windows`.
        """
        if len(values) < self.length:
            logger.info(
                "the validation part has %d points, fewer than a window of %d: the training part's last window "
                "validates", len(values), self.length,
            )  # fmt: skip
            values, lengths = training[-self.length :], None
        return Windows(values, self.length, stride=self.length, name=name, lengths=lengths)

    def fit(
        self,
        training: Windows,
        validation: Windows,
        *,
        store: MemoryStore | FileStore | None = None,
        state: dict | None = None,
        trained: bool = False,
        observers: Sequence[Observer] = (),
    ) -> Progress:
        """Train, and keep the weights of the epoch with the lowest validation loss.

        Parameters
        ----------
        training, validation : Windows
        store : MemoryStore or FileStore, optional
            Keeps weights and state meanwhile; by default in memory.
        state : dict, optional
            Continue from here, as returned by `FileStore.read_state`.
        trained : bool
            Continue from the weights of the network, and keep them if no epoch has a lower validation loss.
        observers : sequence of Observer
            Follow the training.

        Raises
        ------
        UserError
            When the loss is no longer a finite number.
        """
        trainer = Trainer(self.network, self.config.train, store, self.processes, self.bars, observers)
        device = self.scorer.device
        progress = trainer.fit(training.to(device), validation.to(device), state=state, trained=trained)
        self.network.eval()
        if self.model.closed_form:
            return progress  # its one pass has been logged
        best = f"best is epoch {progress.best_epoch}" if progress.best_epoch else "the initial weights are best"
        logger.info("epochs trained: %d, in %.1f s; %s", len(progress.epochs), progress.seconds, best)
        return progress

    def refit(self, windows: Windows) -> None:
        """Fit a model in closed form to windows, without measuring a loss."""
        trainer = Trainer(self.network, self.config.train, None, self.processes, self.bars)
        trainer.refit(windows.to(self.scorer.device))

    def score(self, values: np.ndarray, *, stride: int, name: str = "the series", **options: Any) -> np.ndarray:
        """Return the network's scores, an array (points, K · C) or (points, 1), of a standardised series (n, C).

        K is the number of errors that the model has of each channel, usually 1.

        Parameters
        ----------
        values : float32 array of shape (n, C)
        stride : int
            Points between the starts of neighbouring windows.
        name : str
            Name of the series, in errors and on the progress bar.
        options
            As for `Scorer.score`.
        """
        total = max(0, len(values) - self.length) // stride + 1
        hidden = None if self.bars else True
        with tqdm(total=total, desc=f"score {name}", unit="window", disable=hidden, leave=False) as bar:
            return self.scorer.score(values, stride=stride, name=name, bar=bar.update, **options)

    def score_published(self, values: np.ndarray, *, cover_tail: bool, name: str) -> np.ndarray:
        """Return the scores of a part by the published protocol: non-overlapping windows, and the model's adjustment.

        Parameters
        ----------
        values : float32 array of shape (n, C)
        cover_tail : bool
            Also score the points after the last whole window.
        name : str
            Name of the part in errors.

        Returns
        -------
        float32 array of shape (points, C) or (points, 1)
        """
        options = {"cover_tail": cover_tail, "batch_size": self.config.train.batch_size}
        score = self.model.score_channels(self.score(values, stride=self.length, name=name, **options))
        if isinstance(self.network, AdjustsSeries):
            first = self.length - 1  # the points before it get its score
            own = self.network.adjust_series(score[first:])
            score = np.concatenate([np.repeat(own[:1], first, axis=0), own])
        return score.astype(np.float32)

    def scored_points(self, values: np.ndarray, *, cover_tail: bool, name: str) -> int:
        """Return how many points `score_published` will score; raises DataError if there is no window."""
        stride = 1 if self.scorer.by_sequence else self.length
        return Windows(values, self.length, stride=stride, cover_tail=cover_tail, name=name).covered_points

    def score_points(self, channel_scores: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of points with the channel scores (n, C)."""
        return self.model.score_points(channel_scores)
