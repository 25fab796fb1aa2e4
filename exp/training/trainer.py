"""Training a network on windows, epoch by epoch, with a state on disk from which it can go on."""

import logging
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from data_provider import Windows
from exp.config import ExperimentConfig, TrainConfig, differences
from exp.errors import UserError
from exp.training import checkpoint
from exp.training.devices import mixed_precision, seed_everything
from exp.training.processes import ALONE, Processes
from exp.training.schedules import next_rate

logger = logging.getLogger(__name__)

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def make_optimizer(network: nn.Module, settings: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name."""
    options = {} if settings.weight_decay is None else {"weight_decay": settings.weight_decay}
    kind = OPTIMIZERS[settings.optim]
    return kind(network.parameters(), lr=settings.learning_rate, eps=settings.eps, fused=True, **options)


@dataclass
class Progress:
    """How far a training has come.

    Attributes
    ----------
    epochs : list of dict
        Per finished epoch: epoch (from 1), learning_rate, train_loss, validation_loss, seconds.
    best_epoch, best_loss
        The epoch of the lowest validation loss, whose weights are kept.
    finished : bool
        All epochs are done, or patience has run out.
    """

    epochs: list = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    finished: bool = False

    @property
    def seconds(self) -> float:
        """Seconds of all finished epochs."""
        return sum(epoch["seconds"] for epoch in self.epochs)


def read_state(path: Path, config: ExperimentConfig) -> dict | None:
    """Return the state that an earlier training has left in a file, or None where it has left none.

    Raises
    ------
    UserError
        When the file is damaged, or belongs to another configuration.
    """
    if not path.is_file():
        logger.info("nothing to resume in %s: training starts anew", path.parent)
        return None
    state = checkpoint.load(path)
    if "progress" not in state:
        raise UserError(f"{path}: not the state of a training: train anew without --resume")
    differing = differences(state["config"], config.to_dict())
    differing = [row for row in differing if not row.startswith("evaluation.")]
    if differing:
        raise UserError(
            f"{path}: was trained with another configuration (then against now: "
            f"{', '.join(differing)}): set these keys back, or train anew without --resume"
        )
    return state


class Trainer:
    """Train one network; the best weights and the state of the training are files.

    Parameters
    ----------
    network : nn.Module
        On its device already.
    config : ExperimentConfig
    best_path, state_path : Path
        The checkpoint of the best epoch, and the state after the last finished epoch.
    processes : Processes
        Those that train together; each takes its part of every batch, the first one writes.
    bars : bool
        Show progress bars where the output is a terminal.
    """

    def __init__(
        self,
        network: nn.Module,
        config: ExperimentConfig,
        best_path: Path,
        state_path: Path,
        processes: Processes = ALONE,
        bars: bool = True,
    ):
        self.hide_bars = None if bars and processes.first else True  # None: hidden where the output is no terminal
        self.network, self.config, self.settings = network, config, config.train
        self.best_path, self.state_path, self.processes = best_path, state_path, processes
        self.device = next(network.parameters()).device
        shared = processes.share(network)
        self.forward = torch.compile(shared) if self.settings.compile else shared
        self.optimizer = make_optimizer(network, self.settings)
        self.progress = Progress()

    def fit(self, train: Windows, validation: Windows, *, state: dict | None = None) -> Progress:
        """Train to the end, and leave the network with its best weights.

        Parameters
        ----------
        train, validation : Windows
            On the network's device.
        state : dict, optional
            Go on from here, as `read_state` gives it.

        Raises
        ------
        UserError
            When the loss is no longer a number.
        """
        steps = math.ceil(self._epoch_windows(train) / self.settings.batch_size)
        self.cycle = self._one_cycle(steps)
        if state is not None:
            self._resume(state)
        while not self.progress.finished:
            self._epoch(train, validation)
        self.processes.wait()  # the first one may still be writing
        checkpoint.load_network(self.best_path, self.network, self.config)
        return self.progress

    def _epoch(self, train: Windows, validation: Windows) -> None:
        number = len(self.progress.epochs) + 1
        rate = self.optimizer.param_groups[0]["lr"]
        start = time.perf_counter()
        order = seed_everything(self.settings.seed, number, self.processes.rank)
        train_loss = self._train(train, order, f"epoch {number}/{self.settings.train_epochs}")
        validation_loss = self._validate(validation)
        seconds = time.perf_counter() - start
        self.progress.epochs.append(
            {
                "epoch": number,
                "learning_rate": rate,
                "train_loss": train_loss,
                "validation_loss": validation_loss,
                "seconds": round(seconds, 3),
            }
        )
        better = validation_loss < self.progress.best_loss
        logger.info(
            "epoch %d/%d: train loss %.6f, validation loss %.6f%s, learning rate %.3g, %.1f s (%.0f windows/s)",
            number, self.settings.train_epochs, train_loss, validation_loss, " (best)" if better else "",
            rate, seconds, self._epoch_windows(train) / seconds,
        )  # fmt: skip
        if better:
            self.progress.best_epoch, self.progress.best_loss = number, validation_loss
            if self.processes.first:
                checkpoint.save_network(self.best_path, self.network, self.config)
        if number - self.progress.best_epoch >= self.settings.patience:
            logger.info("no better validation loss for %d epochs: training ends", self.settings.patience)
            self.progress.finished = True
        self.progress.finished |= number == self.settings.train_epochs
        if self.cycle is None:
            self.optimizer.param_groups[0]["lr"] = next_rate(self.settings, number, rate)
        if self.processes.first:
            self._save_state()

    def _train(self, windows: Windows, order: torch.Generator, title: str) -> float:
        """Take one gradient step per batch and return the mean loss over the windows."""
        self.network.train()
        processes, count = self.processes, self._epoch_windows(windows)
        total = torch.zeros((), device=self.device)
        shown = time.monotonic()
        with tqdm(total=count, desc=title, unit="window", disable=self.hide_bars, leave=False) as bar:
            for indices in windows.batches(self.settings.batch_size, generator=order, limit=count):
                own = processes.shard(indices)
                if len(indices) < processes.size:
                    continue  # an epoch's last windows, too few to go round
                with mixed_precision(self.device, self.settings.precision):
                    loss = self.forward(windows.gather(own)).loss
                self.optimizer.zero_grad(set_to_none=True)
                # Processes' gradients are averaged; the weight makes that the mean over the batch's windows.
                (loss * (len(own) * processes.size / len(indices))).backward()
                if self.settings.grad_norm is not None:
                    nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.grad_norm)
                self.optimizer.step()
                if self.cycle is not None:
                    self.cycle.step()
                total += loss.detach() * len(own)
                bar.update(len(indices))
                # Reading the loss makes the processor wait for the device: only when there is something to show.
                if not bar.disable and time.monotonic() - shown > 0.5:
                    bar.set_postfix(loss=f"{float(loss):.5f}")
                    shown = time.monotonic()
        return self._finite(float(processes.sum(total)) / count, title)

    def _epoch_windows(self, windows: Windows) -> int:
        return min(len(windows), self.settings.epoch_windows or len(windows))

    @torch.no_grad()
    def _validate(self, windows: Windows) -> float:
        """Return the mean loss over the windows, in evaluation mode."""
        self.network.eval()
        losses, counts = [], []
        for indices in windows.batches(self.settings.batch_size):
            with mixed_precision(self.device, self.settings.precision):
                losses.append(self.network(windows.gather(indices)).loss)
            counts.append(len(indices))
        # Read together: reading one loss at a time would make the processor wait for the device at every batch.
        total = 0.0
        for loss, count in zip(torch.stack(losses).tolist(), counts, strict=True):
            total += loss * count
        return self._finite(self.processes.agree(total / len(windows), self.device), "validation")

    @staticmethod
    def _finite(loss: float, title: str) -> float:
        if not math.isfinite(loss):
            raise UserError(f"{title}: the loss is {loss}: lower train.learning_rate, or use train.precision fp32")
        return loss

    def _one_cycle(self, steps: int) -> OneCycleLR | None:
        settings = self.settings
        if settings.lradj != "1cycle":
            return None
        return OneCycleLR(
            self.optimizer,
            max_lr=settings.learning_rate,
            steps_per_epoch=steps,
            epochs=settings.train_epochs,
            pct_start=settings.pct_start,
        )

    def _save_state(self) -> None:
        state = {"config": self.config.to_dict(), "progress": asdict(self.progress)}
        if not self.progress.finished:  # nothing goes on from a finished training
            state["network"] = self.network.state_dict()
            state["optimizer"] = self.optimizer.state_dict()
            state["cycle"] = self.cycle.state_dict() if self.cycle is not None else None
        checkpoint.save(self.state_path, state)

    def _resume(self, state: dict) -> None:
        self.progress = Progress(**state["progress"])
        if self.progress.finished:
            logger.info("the training had finished after %d epochs", len(self.progress.epochs))
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.cycle is not None:
            self.cycle.load_state_dict(state["cycle"])
        logger.info("resumed after epoch %d", len(self.progress.epochs))
