"""Which channels an anomaly comes from."""

import numpy as np


def rank_channels(scores: np.ndarray) -> np.ndarray:
    """Rank the channels of an event, the likeliest cause first.

    The first is the channel whose score has the highest peak; the others are ordered by the strength of their score's
    correlation with that channel's score within the event (absolute Pearson; a constant score does not correlate), and
    on ties by their peak. The channels of a one-point event are thus ranked by the score itself.

    Parameters
    ----------
    scores : array of shape (points, C)
        Those of the event's points, at least one.

    Returns
    -------
    int array of shape (C,)

    References
    ----------
    M. Kim et al., MIXAD: Memory-induced explainable time series anomaly detection, ICPR 2024 (arXiv 2410.22735).

    Examples
    --------
    >>> rank_channels(np.array([[8, 1, 2, 0], [1, 3, 9, 0], [6, 0, 1, 0]]))
    array([2, 1, 0, 3])
    """
    scores = np.asarray(scores, dtype=np.float64)
    peaks = scores.max(0)
    varies = scores.min(0) < peaks
    centred = np.where(varies, scores - scores.mean(0), 0)
    centred /= np.where(varies, np.abs(centred).max(0), 1)
    norms = np.where(varies, np.linalg.norm(centred, axis=0), 1)
    unit = centred / norms
    # Rounded, since with few points many correlations are 1 up to the last digits.
    strength = np.abs(unit.T @ unit[:, peaks.argmax()]).round(9)
    return np.lexsort((-peaks, -strength))
