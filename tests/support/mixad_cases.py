"""Shared by the tests of MIXAD: small networks with random weights, and windows."""

import torch
from hypothesis import strategies as st

from models.MIXAD import MIXAD, MIXADConfig

SMALL = {"seq_len": 6, "rnn_units": 5, "mem_dim": 4, "mem_num": 3, "max_diffusion_step": 3}


def small(**changes):
    """Return a small configuration with changes."""
    return MIXADConfig.from_dict(SMALL | changes)


def network(config=None, channels=4, seed=0):
    """Return a network with random weights, whose biases are not the zeros of a new one."""
    torch.manual_seed(seed)
    model = MIXAD(config or small(), channels)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def windows(count=3, channels=4, length=6, seed=1):
    """Return values in [0, 1) of shape (count, length, channels)."""
    return torch.rand(count, length, channels, generator=torch.Generator().manual_seed(seed))


@st.composite
def configs(draw):
    """Draw configurations of every shape that is allowed, with few features."""
    return small(
        seq_len=draw(st.integers(1, 8)),
        rnn_units=draw(st.integers(1, 6)),
        num_rnn_layers=draw(st.integers(1, 3)),
        max_diffusion_step=draw(st.integers(2, 5)),
        mem_num=draw(st.integers(2, 5)),
        mem_dim=draw(st.integers(1, 6)),
        graph=draw(st.sampled_from(["mode", "sample"])),
        use_curriculum_learning=draw(st.booleans()),
    )
