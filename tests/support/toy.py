"""A complete model in twenty lines: how far a window is from the mean of the training windows."""

import torch
from torch import nn

from models import DETECTORS, Model, Settings


class ToyConfig(Settings):
    """Its one hyperparameter."""

    seq_len: int = 16  # T, points in a window


class ToyOutput:
    """What the trainer requires."""

    def __init__(self, loss):
        self.loss = loss


class Toy(nn.Module):
    """A window that is learned by gradient steps."""

    def __init__(self, config: ToyConfig, channels: int):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(config.seq_len, channels))

    def forward(self, x):
        """Compare windows x (B, T, C) with the learned one."""
        return ToyOutput((x - self.level).square().mean())

    @torch.no_grad()
    def score(self, x):
        """Return the squared errors (B, T, C)."""
        return (x - self.level).square()


TOY = Model(ToyConfig, Toy)


def register(monkeypatch) -> None:
    """Add the toy to the registry for one test."""
    monkeypatch.setitem(DETECTORS, "Toy", TOY)
