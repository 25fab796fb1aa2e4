"""Shared by the tests of detectors and streams: noisy waves, and small detectors fitted to them."""

from functools import cache

import numpy as np
import pandas as pd

from exp.detection.estimator import CrossADDetector

WINDOW, STRIDE = 14, 3
CONFIG = {
    "model": {
        "seq_len": WINDOW,
        "patch_len": 4,
        "ms_kernels": [2],
        "topk": 3,
        "n_query": 2,
        "query_len": 2,
        "bank_size": 4,
        "e_layers": 1,
        "d_layers": 1,
        "m_layers": 1,
        "d_model": 8,
        "n_heads": 2,
    },
    "train": {"train_epochs": 1, "learning_rate": 1e-3},
}


def waves(rows, channels=2, seed=0):
    """Return noisy waves of shape (rows, channels), each channel with its own offset and scale."""
    random = np.random.default_rng(seed)
    time = np.arange(rows)[:, None]
    index = np.arange(channels)
    return 10 * index + (1 + index) * (np.sin(time / (3 + index)) + 0.3 * random.standard_normal((rows, channels)))


def frame(rows, names=("cpu", "disk"), seed=0):
    """Return them as a DataFrame with named channels."""
    return pd.DataFrame(waves(rows, len(names), seed), columns=list(names))


def unfitted(**parameters):
    """Return a small detector with changed parameters."""
    return CrossADDetector(**({"config": CONFIG, "device": "cpu"} | parameters))


@cache
def fitted(channels=2, **parameters):
    """Return a small detector fitted to an array, with SPOT's threshold unless another is given; read-only."""
    return unfitted(**_with_spot(parameters)).fit(waves(400, channels))


@cache
def fitted_to_names(*names, **parameters):
    """Return a small detector fitted to a DataFrame, with SPOT's threshold unless another is given; read-only."""
    return unfitted(**_with_spot(parameters)).fit(frame(400, names))


def _with_spot(parameters):
    return parameters if "contamination" in parameters else {"threshold": "spot"} | parameters
