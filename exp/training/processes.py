"""Several processes that train one network together, as `torchrun` starts them; a single process is the plain case."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from exp.errors import UserError
from models.network import SharesStatistics


class _Sum(torch.autograd.Function):
    """Sum over all processes, in the forward and, for the gradient, in the backward pass."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


@dataclass(frozen=True)
class Processes:
    """One process among those that train together.

    Attributes
    ----------
    rank, size : int
        Its number, from 0, and the number of processes.
    local_rank : int
        Its number on its machine, which is also the number of its CUDA device.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def share(self, network: nn.Module) -> nn.Module:
        """Return the callable for a forward pass whose gradients and statistics cover all processes."""
        if self.size == 1:
            return network
        if isinstance(network, SharesStatistics):
            network.share_statistics(_Sum.apply)
        device = next(network.parameters()).device
        ids = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids, forward_sync_buffers=False)

    def shard(self, indices: Tensor) -> Tensor:
        """Return this process's part of a batch: every `size`-th of its windows."""
        return indices[self.rank :: self.size]

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        return value if self.size == 1 else _Sum.apply(value)

    def agree(self, value: float, device: torch.device) -> float:
        """Return the first process's value in every process."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, device=device)
        dist.broadcast(shared, src=0)
        return float(shared)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()


ALONE = Processes()


@contextmanager
def join(device_type: str) -> Iterator[Processes]:
    """Join the processes that `torchrun` has started, if any, and leave them at the end.

    Parameters
    ----------
    device_type : str
        `cuda` uses NCCL, everything else Gloo.

    Raises
    ------
    UserError
        When there are more processes on this machine than CUDA devices.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if device_type == "cuda":
        if local_rank >= torch.cuda.device_count():
            raise UserError(f"torchrun started more processes than the {torch.cuda.device_count()} CUDA devices here")
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), size, local_rank)
    finally:
        dist.destroy_process_group()
