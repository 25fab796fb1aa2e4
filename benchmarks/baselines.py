"""An isolation forest on sliding windows, a baseline in addition to the models of the registry.

It is not in the registry because its trees are not tensors: checkpoints, saved detectors and devices handle only
tensors and would need a second form for it. The channels are standardised by the training part; the forest learns
from windows of it (at most `TRAINING_WINDOWS`, drawn by the seed), scores every window (stride 1), and gives a point
the mean over the windows that contain it.
"""

from typing import NamedTuple

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

TRAINING_WINDOWS = 20_000
BATCH = 1024


class Scores(NamedTuple):
    """Scores of the points of both parts."""

    train: np.ndarray  # (n,)
    test: np.ndarray  # (m,)


def forest_scores(train, test, window, seed):
    """Anomaly score of windows in an isolation forest of 100 trees.

    Parameters
    ----------
    train, test : float arrays of shapes (n, C) and (m, C)
    window : int
        Points in a window.
    seed : int
        For the forest, and for the choice of training windows if there are more than needed.

    Returns
    -------
    Scores
        In [0, 1]; there are none for channels.

    Raises
    ------
    ValueError
        When a part is shorter than a window or the channels differ in number.

    References
    ----------
    F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation Forest", ICDM 2008.
    """
    train, test = _standardised(train, test, window)
    forest = IsolationForest(random_state=seed).fit(_training_windows(train, window, seed))
    return Scores(*(_mean_over_windows(forest, part, window) for part in (train, test)))


def _standardised(train, test, window):
    """Both parts standardised by the training part's mean and standard deviation, as contiguous float32."""
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
        raise ValueError(f"train and test must have shapes (n, C) and (m, C), got {train.shape} and {test.shape}")
    if not 1 <= window <= min(len(train), len(test)):
        raise ValueError(f"a window of {window} points does not fit parts of {len(train)} and {len(test)}")
    scaler = StandardScaler().fit(train.astype(np.float64))
    return [np.ascontiguousarray(scaler.transform(part.astype(np.float64)), np.float32) for part in (train, test)]


def _windows(values, window):
    """All windows, flattened point by point: a view of shape (n - window + 1, window * C)."""
    channels = values.shape[1]
    return np.lib.stride_tricks.sliding_window_view(values.ravel(), window * channels)[::channels]


def _training_windows(train, window, seed):
    windows = _windows(train, window)
    if len(windows) <= TRAINING_WINDOWS:
        return np.ascontiguousarray(windows)
    drawn = np.random.default_rng(seed).choice(len(windows), TRAINING_WINDOWS, replace=False)
    return windows[np.sort(drawn)]


def _mean_over_windows(forest, values, window):
    """Mean score of the windows that contain each point, of shape (n,)."""
    windows = _windows(values, window)
    total = np.zeros(len(values))
    for first in range(0, len(windows), BATCH):
        scores = -forest.score_samples(np.ascontiguousarray(windows[first : first + BATCH]))
        for offset in range(window):
            total[first + offset : first + offset + len(scores)] += scores
    point = np.arange(len(values))
    holding = np.minimum(np.minimum(point + 1, point[::-1] + 1), min(window, len(windows)))
    return total / holding
