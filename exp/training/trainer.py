"""Training a network on windows, epoch by epoch."""

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from data_provider import Windows
from exp.config import TrainConfig
from exp.errors import UserError
from exp.training.devices import device_of, mixed_precision, seed_everything
from exp.training.forecast import Forecast
from exp.training.observers import Observer
from exp.training.processes import ALONE, Processes
from exp.training.schedules import next_rate
from exp.training.store import FileStore, MemoryStore
from models.network import Calibrates, FitsWindows, FollowsSteps

logger = logging.getLogger(__name__)

MEASURED = 1024  # windows for the training loss of a network in closed form, which can take longer than the fit
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def make_optimizer(network: nn.Module, settings: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name."""
    options = {} if settings.weight_decay is None else {"weight_decay": settings.weight_decay}
    kind = OPTIMIZERS[settings.optim]
    return kind(network.parameters(), lr=settings.learning_rate, eps=settings.eps, fused=True, **options)


@dataclass
class Progress:
    """The progress of a training run.

    Attributes
    ----------
    epochs : list of dict
        For each completed epoch: epoch (from 1), learning_rate, train_loss, validation_loss, seconds.
    best_epoch, best_loss
        The epoch of the lowest validation loss, whose weights are kept; 0: those that the training started with.
    finished : bool
        Whether all epochs are done or patience has run out.
    """

    epochs: list = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    finished: bool = False

    @property
    def seconds(self) -> float:
        """Total seconds of all completed epochs."""
        return sum(epoch["seconds"] for epoch in self.epochs)


class Trainer:
    """Train one network; a store keeps the best weights and the training state.

    Parameters
    ----------
    network : nn.Module
        Already on its device. A network with `fit_windows` learns all batches of one epoch in closed form; `after_step`
        is called after each gradient step, `calibrate` with the best weights at the end.
    settings : TrainConfig
    store : MemoryStore or FileStore, optional
        Keeps the best weights and the state; by default in memory.
    processes : Processes
        Those that train together; each takes its part of every batch, and the first one writes.
    bars : bool
        Show progress bars if the output is a terminal.
    observers : sequence of Observer
        Follow training, in the first process.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: TrainConfig,
        store: MemoryStore | FileStore | None = None,
        processes: Processes = ALONE,
        bars: bool = True,
        observers: Sequence[Observer] = (),
    ):
        self.hide_bars = None if bars and processes.first else True  # None: hidden unless the output is a terminal
        self.network, self.settings, self.processes = network, settings, processes
        self.store = MemoryStore() if store is None else store
        self.observers = tuple(observers) if processes.first else ()
        self.device = device_of(network)
        self.progress = Progress()
        self.closed_form = isinstance(network, FitsWindows)
        self.after_step = network.after_step if isinstance(network, FollowsSteps) else None
        if not self.closed_form:
            shared = processes.share(network)
            self.forward = torch.compile(shared) if settings.compile else shared
            self.optimizer = make_optimizer(network, settings)

    def fit(self, train: Windows, validation: Windows, *, state: dict | None = None, trained: bool = False) -> Progress:
        """Train to the end, and leave the network with its best weights.

        Parameters
        ----------
        train, validation : Windows
            On the network's device.
        state : dict, optional
            Continue from here, as returned by `FileStore.read_state`.
        trained : bool
            The network has been trained before: its weights are kept unless an epoch has a lower validation loss.

        Raises
        ------
        UserError
            When the loss is no longer a number.
        """
        steps = math.ceil(self._epoch_windows(train) / self.settings.batch_size)
        self.cycle = self._one_cycle(steps)
        self.forecast = Forecast(steps, self.settings.train_epochs)
        if state is not None:
            self._resume(state)
        if trained:
            self._keep_given(validation)
        self._epochs(train, validation)
        self.processes.wait()  # the first process may still be writing
        self.store.load_best(self.network)
        if isinstance(self.network, Calibrates):
            self._calibrate(self.network, train)
        return self.progress

    def refit(self, windows: Windows) -> None:
        """Let a network that is fitted in closed form learn windows, as in an epoch, without measuring its loss.

        Parameters
        ----------
        windows : Windows
            On the network's device.
        """
        assert isinstance(self.network, FitsWindows)
        indices = self._drawn(windows, seed_everything(self.settings.seed, 1, self.processes.rank))
        self.network.fit_windows(self._gathered(windows, indices, "fit"))

    def _keep_given(self, validation: Windows) -> None:
        """Take the weights that the network has for the best ones so far."""
        self.progress.best_loss = self._validate(validation)
        logger.info("before the first epoch: validation loss %.6f", self.progress.best_loss)
        if self.processes.first:
            self.store.save_best(self.network)

    def _epochs(self, train: Windows, validation: Windows) -> None:
        """Train the remaining epochs, and pass them to the observers."""
        try:
            self._tell()
            while not self.progress.finished:
                self._epoch(train, validation)
                self._tell()
        finally:
            for observer in self.observers:
                observer.close()

    def _tell(self) -> None:
        for observer in self.observers:
            observer.update(self.progress.epochs)

    def _epoch(self, train: Windows, validation: Windows) -> None:
        number = len(self.progress.epochs) + 1
        rate = 0.0 if self.closed_form else self.optimizer.param_groups[0]["lr"]
        start = time.perf_counter()
        order = seed_everything(self.settings.seed, number, self.processes.rank)
        title = f"epoch {number}/{self.settings.train_epochs}"
        if isinstance(self.network, FitsWindows):
            train_loss = self._fit_windows(self.network, train, order, title)
        else:
            train_loss = self._train(train, order, title)
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
        better = validation_loss < self._loss_to_beat()
        self._report(self._epoch_windows(train), better)
        if better:
            self.progress.best_epoch, self.progress.best_loss = number, validation_loss
            if self.processes.first:
                self.store.save_best(self.network)
        if number - self.progress.best_epoch >= self.settings.patience:
            logger.info("no better validation loss for %d epochs: training stops", self.settings.patience)
            self.progress.finished = True
        self.progress.finished |= self.closed_form or number == self.settings.train_epochs
        if not self.closed_form and self.cycle is None:
            self.optimizer.param_groups[0]["lr"] = next_rate(self.settings, number, rate)
        if self.processes.first:
            self._save_state()

    def _report(self, windows: int, better: bool) -> None:
        """Log the last epoch, which took `windows` of them; a fit in closed form has neither epochs nor a rate."""
        last = self.progress.epochs[-1]
        seconds, losses = last["seconds"], (last["train_loss"], last["validation_loss"])
        if self.closed_form:
            logger.info(
                "fitted to %d windows in %.1f s: train loss %.6f, validation loss %.6f", windows, seconds, *losses
            )
            return
        logger.info(
            "epoch %d/%d: train loss %.6f, validation loss %.6f%s, learning rate %.3g, %.1f s (%.0f windows/s)",
            last["epoch"], self.settings.train_epochs, *losses, " (best)" if better else "",
            last["learning_rate"], seconds, windows / max(seconds, 1e-3),
        )  # fmt: skip

    def _loss_to_beat(self) -> float:
        best, least = self.progress.best_loss, self.settings.min_delta
        return best * (1 - least) if self.settings.min_delta_mode == "relative" else best - least

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
                    continue  # an epoch's last windows, too few for every process
                with mixed_precision(self.device, self.settings.precision):
                    loss = self.forward(windows.gather(own)).loss
                self.optimizer.zero_grad(set_to_none=True)
                # The processes' gradients are averaged; the weight turns this into the mean over the batch's windows.
                (loss * (len(own) * processes.size / len(indices))).backward()
                if self.settings.grad_norm is not None:
                    nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.grad_norm)
                self.optimizer.step()
                if self.after_step is not None:
                    self.after_step()
                if self.cycle is not None:
                    self.cycle.step()
                total += loss.detach() * len(own)
                bar.update(len(indices))
                self.forecast.step()
                # Reading the loss makes the CPU wait for the device, so do it only when there is something to show.
                if not bar.disable and time.monotonic() - shown > 0.5:
                    bar.set_postfix(loss=f"{float(loss):.5f}")
                    shown = time.monotonic()
        return self._finite(float(processes.sum(total)) / count, title)

    def _fit_windows(self, network: FitsWindows, windows: Windows, order: torch.Generator, title: str) -> float:
        """Let the network learn an epoch's windows at once, and return its mean loss over the first of them."""
        indices = self._drawn(windows, order)
        network.fit_windows(self._gathered(windows, indices, title))
        batches = -(-MEASURED // self.settings.batch_size)
        return self._finite(self._mean_loss(windows, indices[:batches], title), title)

    def _calibrate(self, network: Calibrates, windows: Windows) -> None:
        """Let the network, with its best weights, learn the reference of its scores from an epoch's windows.

        This also happens when a finished training run is resumed: the last attempt may have ended before it.
        """
        indices = self._drawn(windows, seed_everything(self.settings.seed))
        with mixed_precision(self.device, self.settings.precision):
            network.calibrate(self._gathered(windows, indices, "calibration"))
        if self.processes.first:
            self.store.save_best(self.network)
        self.processes.wait()

    def _drawn(self, windows: Windows, order: torch.Generator) -> list[torch.Tensor]:
        """Return the indices of an epoch's windows in batches."""
        return list(windows.batches(self.settings.batch_size, generator=order, limit=self._epoch_windows(windows)))

    def _gathered(self, windows: Windows, indices: list[torch.Tensor], title: str) -> Iterator[torch.Tensor]:
        """Yield batches of windows and show the progress."""
        with tqdm(total=len(indices), desc=title, unit="batch", disable=self.hide_bars, leave=False) as bar:
            for batch in indices:
                yield windows.gather(batch)
                bar.update()

    def _epoch_windows(self, windows: Windows) -> int:
        return min(len(windows), self.settings.epoch_windows or len(windows))

    def _validate(self, windows: Windows) -> float:
        """Return the mean loss over the windows, in evaluation mode."""
        loss = self._mean_loss(windows, windows.batches(self.settings.batch_size), "validation")
        return self._finite(self.processes.agree(loss, self.device), "validation")

    @torch.no_grad()
    def _mean_loss(self, windows: Windows, batches: Iterable[torch.Tensor], title: str) -> float:
        self.network.eval()
        losses, sizes = [], []
        for indices in tqdm(batches, desc=title, unit="batch", disable=self.hide_bars, leave=False):
            with mixed_precision(self.device, self.settings.precision):
                losses.append(self.network(windows.gather(indices)).loss)
            sizes.append(len(indices))
        # Read together: reading one loss at a time would make the CPU wait for the device at every batch.
        pairs = zip(torch.stack(losses).tolist(), sizes, strict=True)
        return sum(loss * size for loss, size in pairs) / sum(sizes)

    @staticmethod
    def _finite(loss: float, title: str) -> float:
        if not math.isfinite(loss):
            raise UserError(f"{title}: the loss is {loss}: lower train.learning_rate, or use train.precision fp32")
        return loss

    def _one_cycle(self, steps: int) -> OneCycleLR | None:
        settings = self.settings
        if settings.lradj != "1cycle" or self.closed_form:
            return None
        return OneCycleLR(
            self.optimizer,
            max_lr=settings.learning_rate,
            steps_per_epoch=steps,
            epochs=settings.train_epochs,
            pct_start=settings.pct_start,
        )

    def _save_state(self) -> None:
        state: dict[str, Any] = {"progress": asdict(self.progress)}
        if not self.progress.finished:  # a finished training run is not continued
            state["network"] = self.network.state_dict()
            state["optimizer"] = self.optimizer.state_dict()
            state["cycle"] = self.cycle.state_dict() if self.cycle is not None else None
        self.store.save_state(state)

    def _resume(self, state: dict) -> None:
        self.progress = Progress(**state["progress"])
        if self.progress.finished:
            logger.info("training had already finished after %d epochs", len(self.progress.epochs))
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.cycle is not None:
            self.cycle.load_state_dict(state["cycle"])
        logger.info("resumed after epoch %d", len(self.progress.epochs))
