"""The memory: slots that windows are compared with and from which the graph's channel embeddings are computed."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import MIXADConfig


class Read(NamedTuple):
    """What the channels of windows find in the memory.

    Attributes
    ----------
    query, value, positive, negative : Tensors of shape (B, N, d)
        The query; the slots' mean weighted by the attention; the slots with the largest and second largest attention.
    attention : Tensor of shape (B, N, S)
    """

    query: Tensor
    attention: Tensor
    value: Tensor
    positive: Tensor
    negative: Tensor


class Memory(nn.Module):
    """S slots with d features each.

    Parameters
    ----------
    config : MIXADConfig
    channels : int
        N.
    """

    def __init__(self, config: MIXADConfig, channels: int):
        super().__init__()
        self.slots = _xavier(config.mem_num, config.mem_dim)
        self.query = _xavier(config.rnn_units, config.mem_dim)
        self.source = _xavier(channels, config.mem_num)
        self.target = _xavier(channels, config.mem_num)

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Return two embeddings of the channels, each of shape (N, d)."""
        return self.source @ self.slots, self.target @ self.slots

    def forward(self, state: Tensor) -> Read:
        """Read the memory with states of shape (B, N, u)."""
        query = state @ self.query
        attention = (query @ self.slots.T).float().softmax(-1)
        nearest = attention.topk(2, dim=-1).indices
        positive, negative = self.slots[nearest].unbind(-2)
        return Read(query, attention, attention @ self.slots, positive, negative)


def _xavier(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(shape)))
