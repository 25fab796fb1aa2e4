"""A small configuration of every registered model, for tests that run all of them."""

import torch

from models import DETECTORS
from tests.support import axonad_cases, crossad_cases, dualstf_cases, mixad_cases

CHANNELS, WINDOW = 3, 24
SMALL_NETWORKS = {
    "AxonAD": axonad_cases.SMALL | {"seq_len": WINDOW},
    "CrossAD": crossad_cases.SMALL | dict.fromkeys(("attn_dropout", "proj_dropout", "ff_dropout"), 0.0),
    "DualSTF": dualstf_cases.SMALL,
    "MIXAD": mixad_cases.SMALL | {"seq_len": WINDOW},
    "Nearest": {"seq_len": WINDOW},
    "NearestPCA": {"seq_len": WINDOW},
    "PCA": {"seq_len": WINDOW},
}
BY_STEPS = [name for name in SMALL_NETWORKS if not DETECTORS[name].closed_form]


def small_network(name):
    """Return a small network of a registered model, and waves of shape (16, WINDOW, CHANNELS) in 0 … 1 for it."""
    torch.manual_seed(0)
    detector = DETECTORS[name]
    network = detector.build(detector.config.from_dict(SMALL_NETWORKS[name]), CHANNELS)
    phase = torch.arange(WINDOW)[:, None] / 3 + torch.arange(CHANNELS) + torch.rand(16, 1, 1)
    return network, 0.5 + 0.4 * phase.sin() + 0.05 * torch.rand(16, WINDOW, CHANNELS)
