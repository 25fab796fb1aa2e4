"""Shared by the tests of AxonAD: small networks whose target differs from the online encoder, and windows."""

import torch
from hypothesis import strategies as st

from models.AxonAD import AxonAD, AxonADConfig

SMALL = {"seq_len": 12, "d_model": 8, "heads": 2, "tail": 4, "dropout": 0.0}
SCORES = ("error", "mismatch", "error+mismatch", "error+mismatch+divergence")


def small(**changes):
    """Return a small configuration with changes."""
    return AxonADConfig.from_dict(SMALL | changes)


def network(config=None, channels=3, seed=0):
    """Return a network in which no two weights are alike, and no bias is 0."""
    torch.manual_seed(seed)
    model = AxonAD(config or small(), channels)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def windows(count=4, channels=3, length=12, seed=1):
    """Return normal values of shape (count, length, channels)."""
    return torch.randn(count, length, channels, generator=torch.Generator().manual_seed(seed))


@st.composite
def configs(draw):
    """Draw valid configurations of every kind, with few features."""
    length = draw(st.integers(2, 14))
    block = draw(st.floats(0.05, 1))
    score = draw(st.sampled_from(SCORES))
    heads = draw(st.integers(1, 3))
    return small(
        seq_len=length,
        d_model=heads * draw(st.integers(1, 4)),
        heads=heads,
        horizon=draw(st.integers(1, length - 1)),
        tail=draw(st.integers(0, length + 2)),
        mask_ratio=draw(st.floats(block, 1)),
        mask_block=block,
        dropout=draw(st.sampled_from([0.0, 0.3])),
        score=score,
        placement=draw(st.sampled_from(["separate"] if score == "error" else ["separate", "centre"])),
    )
