"""The one place that deals with devices: which one is used, in which precision, and how random numbers are seeded."""

import contextlib
import itertools
import os
import platform
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from exp.errors import UserError

CPU_INFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is ARM's
COMPILERS = {"Darwin": "clang++", "Windows": "cl"}  # PyTorch's default if CXX names none; elsewhere g++


def choose_device(name: str = "auto") -> torch.device:
    """Return the device with this name.

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
    """Return a readable name of the device, with the threads of a CPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"
    return str(device)


def check_abilities(device: torch.device, *, precision: str, compiled: bool) -> None:
    """Check before any work that a device supports what the settings require.

    Parameters
    ----------
    device : torch.device
    precision : {"fp32", "bf16"}
    compiled : bool
        Whether the network is to be compiled.

    Raises
    ------
    UserError
        When the device has no bf16, or networks cannot be compiled for it here.
    """
    if precision == "bf16":
        lack = _lack_of_bf16(device)
        if lack:
            raise UserError(f"train.precision bf16: {lack}: use train.precision=fp32, or another --device")
    if compiled:
        lack = _lack_of_compiler(device)
        if lack:
            raise UserError(f"train.compile: {lack}: use train.compile=false")


def _lack_of_bf16(device: torch.device) -> str | None:
    if device.type == "cuda":
        able = torch.cuda.get_device_capability(device) >= (8, 0)
        return None if able else f"{describe_device(device)} has no bf16 instructions"
    if device.type == "mps":
        return None if torch.backends.mps.is_macos_or_newer(14, 0) else "on MPS it needs macOS 14 or newer"
    flags = _cpu_flags()
    return None if flags is None or flags & BF16_FLAGS else "this CPU has no bf16 instructions"


def _cpu_flags() -> set[str] | None:
    """Return the instruction sets of the CPU as Linux names them, or None if they are not known."""
    try:
        text = CPU_INFO.read_text(errors="replace")
    except OSError:
        return None
    lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(lines[0].split()) if lines else None


def _lack_of_compiler(device: torch.device) -> str | None:
    if not torch._dynamo.is_dynamo_supported():
        return f"torch.compile does not work with Python {platform.python_version()} on {platform.system()}"
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) < (7, 0):
            return f"{describe_device(device)} is too old for torch.compile, which needs compute capability 7.0"
        return None if torch.utils._triton.has_triton() else "torch.compile needs the package triton for CUDA"
    if device.type == "cpu":
        compiler = os.environ.get("CXX") or COMPILERS.get(platform.system(), "g++")
        if not shutil.which(compiler.split()[0]):
            return f"torch.compile needs a C++ compiler for the CPU, and there is no {compiler} (CXX names another)"
    return None


def mixed_precision(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Return the context in which products run in `precision`, "fp32" or "bf16"."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def seed_everything(seed: int, epoch: int = 0, rank: int = 0) -> torch.Generator:
    """Seed PyTorch on every device for one epoch, and return a CPU generator for the order of windows.

    Each epoch has its own seed, so a resumed run draws the same numbers as an uninterrupted one. Processes that train
    together draw different numbers, but share the order.
    """
    torch.manual_seed(_mixed(seed, epoch, rank))
    return torch.Generator().manual_seed(_mixed(seed, epoch))


def _mixed(*numbers: int) -> int:
    """Return 32 bits that depend on all of the numbers: PyTorch's CPU generator uses no more of a seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
