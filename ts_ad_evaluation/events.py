"""Events: the maximal runs of ones in a label."""

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Ranges


def find_events(label: ArrayLike) -> Ranges:
    """First and last index (inclusive) of every maximal run of true values.

    Parameters
    ----------
    label : bool array of shape (n,)

    Returns
    -------
    starts, ends : int64 arrays of shape (number of events,)

    Examples
    --------
    >>> starts, ends = find_events(np.array([0, 1, 1, 0, 1], dtype=bool))
    >>> starts.tolist(), ends.tolist()
    ([1, 4], [2, 4])
    """
    edges = np.diff(np.asarray(label, dtype=np.int8), prepend=0, append=0)
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
