"""Shared by the tests of Dual-STF: small configurations of every shape, and networks with random weights."""

import torch
from hypothesis import strategies as st

from models.DualSTF import DualSTF, DualSTFConfig

SCORES = ("product", "maximum", "weighted_sum", "norm_sum", "learnable_weight", "learnable_norm_weight")

SMALL = {
    "seq_len": 24,
    "points_per_token": 6,
    "d_model": 8,
    "n_heads": 2,
    "patch_sizes": (4, 7),
    "kernel_sizes": (3, 5),
    "n_prototypes": 4,
}


def small(**changes):
    """Return a small configuration with changes."""
    return DualSTFConfig.from_dict(SMALL | changes)


def noisy(module, scale=0.3):
    """Return a module after adding noise to its parameters: no bias, norm, token or γ keeps its initial value."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn(parameter.shape))
    return module


def network(config=None, channels=2, seed=0):
    """Return a network with random weights."""
    torch.manual_seed(seed)
    return noisy(DualSTF(config or small(), channels))


def windows(count=3, channels=2, length=24, seed=1):
    """Return noise of shape (count, length, channels)."""
    return torch.randn(count, length, channels, generator=torch.Generator().manual_seed(seed))


@st.composite
def configs(draw):
    """Draw valid configurations of every shape, with narrow layers."""
    length = draw(st.integers(2, 40))
    return small(
        seq_len=length,
        points_per_token=draw(st.integers(1, length)),
        patch_sizes=draw(st.lists(st.integers(1, length - 1), min_size=1, max_size=3)),
        kernel_sizes=[
            2 * half + 1 for half in draw(st.lists(st.integers(0, (length - 1) // 2), min_size=1, max_size=3))
        ],
        d_ff=draw(st.none() | st.integers(1, 9)),
        n_heads=draw(st.sampled_from([1, 2, 4, 8])),
        n_prototypes=draw(st.integers(1, 5)),
        score=draw(st.sampled_from(SCORES)),
    )
