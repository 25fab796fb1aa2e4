"""The one place that knows devices: which one is used, in which precision, and how random numbers are seeded."""

import contextlib
import itertools
import platform
import re

import numpy as np
import torch
from torch import nn

from exp.errors import UserError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name.

    Parameters
    ----------
    name : str
        `auto` (CUDA if there is one, else MPS, else the CPU), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises
    ------
    UserError
        When there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?|mps", name):
        raise UserError(f"--device {name}: use auto, cpu, cuda, cuda:N or mps")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: PyTorch finds no CUDA device here: use --device auto or cpu")
    if number and int(number) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"--device {name}: PyTorch finds no MPS device here: use --device auto or cpu")
    return torch.device(name)


def device_of(network: nn.Module) -> torch.device:
    """Return the device that a network's weights are on."""
    return next(itertools.chain(network.parameters(), network.buffers())).device


def describe_device(device: torch.device) -> str:
    """Return the device's name for people, with the threads of a CPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"
    return str(device)


def mixed_precision(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Return the context in which products run in `precision`, "fp32" or "bf16"."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def seed_everything(seed: int, epoch: int = 0, rank: int = 0) -> torch.Generator:
    """Seed PyTorch on every device for one epoch, and return a generator of the CPU's for the order of windows.

    Each epoch has a seed of its own, so that a resumed run draws what an uninterrupted one would. Processes that train
    together draw different numbers, but share the order.
    """
    torch.manual_seed(_mixed(seed, epoch, rank))
    return torch.Generator().manual_seed(_mixed(seed, epoch))


def _mixed(*numbers: int) -> int:
    """Return 32 bits that depend on all of the numbers: PyTorch's generator on the CPU takes no more from a seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
