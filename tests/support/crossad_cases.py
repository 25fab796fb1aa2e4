"""Shared by the tests of the network: small configurations of every shape, and networks with random weights."""

import torch
from hypothesis import strategies as st

from models.CrossAD import CrossAD, CrossADConfig

SMALL = {
    "seq_len": 24,
    "patch_len": 4,
    "ms_kernels": (4, 2),
    "topk": 3,
    "n_query": 3,
    "query_len": 2,
    "bank_size": 4,
    "e_layers": 1,
    "d_layers": 2,
    "m_layers": 1,
    "d_model": 16,
    "n_heads": 2,
}


def small(**changes):
    """Return a small configuration with changes."""
    return CrossADConfig.from_dict(SMALL | changes)


def network(config=None, seed=0):
    """Return a network with random weights; no bias, norm or moving average has the simple value of a new network's."""
    torch.manual_seed(seed)
    model = CrossAD(config or small())
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.add_(0.1 * torch.randn(tensor.shape))
            if "var" in name or "counts" in name:
                tensor.abs_().add_(0.5)
    return model


def windows(count=3, channels=2, length=24, seed=1):
    """Return random walks of shape (count, length, channels)."""
    return torch.randn(count, length, channels, generator=torch.Generator().manual_seed(seed)).cumsum(1)


@st.composite
def configs(draw, **fixed):
    """Draw valid configurations of every shape, with narrow layers."""
    length = draw(st.integers(4, 50))
    kernels = draw(st.sets(st.integers(2, length), min_size=1, max_size=4))
    drawn = {
        "seq_len": length,
        "patch_len": draw(st.integers(1, length)),
        "ms_kernels": tuple(sorted(kernels, reverse=True)),
        "ms_method": draw(st.sampled_from(["average_pooling", "interval_sampling"])),
        "topk": draw(st.integers(1, length // 2 + 1)),
        "norm": draw(st.sampled_from(["layernorm", "batchnorm"])),
        "activation": draw(st.sampled_from(["gelu", "relu"])),
        "e_layers": draw(st.integers(1, 2)),
        "d_layers": draw(st.integers(1, 2)),
        "m_layers": draw(st.integers(1, 2)),
        "d_ff": draw(st.none() | st.integers(1, 9)),
        "d_model": 8,
    }
    return small(**(drawn | fixed))
