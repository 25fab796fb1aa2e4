"""Events: runs of ones, such as anomalous points or missing values."""

import numpy as np


def find_events(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first point of every run of ones in `label`, of shape (n,), and the point after its last."""
    edges = np.flatnonzero(np.diff(label.astype(np.int8), prepend=0, append=0))
    return edges[::2], edges[1::2]
