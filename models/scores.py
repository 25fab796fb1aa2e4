"""Scores of channels that are computed from several errors of each."""

import numpy as np


def geometric_mean(errors: np.ndarray, axis: int) -> np.ndarray:
    """Return the geometric mean over an axis of non-negative errors; a single one is itself, bit by bit."""
    count = errors.shape[axis]
    return errors.squeeze(axis) if count == 1 else (errors ** (1 / count)).prod(axis)
