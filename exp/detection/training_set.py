"""The series that a detector is trained on: one, or several that have no window in common."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from data_provider.series import training_points

SERIES = "the series"
MOST_FOLDS = 8
Given: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]  # one series, or several


def as_several(X: Given) -> dict[str, ArrayLike] | None:
    """Return several series by their names, or None where X is a single one.

    Parameters
    ----------
    X : array_like
        Several series are a list or tuple of arrays, DataFrames or pandas' Series, or a mapping of names to
        two-dimensional ones; a list of numbers, or of lists of them, is one series.

    Examples
    --------
    >>> list(as_several([np.zeros((5, 2)), np.zeros((3, 2))]))
    ['X[0]', 'X[1]']
    >>> as_several([[1.0, 2.0], [3.0, 4.0]]) is None
    True
    """
    if type(X) is dict:  # a sparse array may be a mapping, too
        tables = X and all(isinstance(x, _KINDS) and np.ndim(x) == 2 for x in X.values())
        return dict(X) if tables else None
    if not (isinstance(X, list | tuple) and X and all(isinstance(x, _KINDS) and np.ndim(x) for x in X)):
        return None
    return {f"X[{index}]": x for index, x in enumerate(X)}


_KINDS = (np.ndarray, pd.DataFrame, pd.Series)


class Part(NamedTuple):
    """Series that follow each other.

    Attributes
    ----------
    values : array of shape (n, C)
    lengths : list of int
        Their points, n in all.
    """

    values: np.ndarray
    lengths: list[int]


class TrainingSet:
    """Series of the same channels.

    Parameters
    ----------
    series : dict of str to array of shape (n_i, C)
        By name; at least one.

    Attributes
    ----------
    names : list of str
    values : array of shape (n, C)
        All of them, one behind the other.
    lengths : list of int
        Their points.
    """

    def __init__(self, series: dict[str, np.ndarray]):
        self.names = list(series)
        self.lengths = [len(one) for one in series.values()]
        only = len(series) == 1
        self.values = next(iter(series.values())) if only else np.concatenate(list(series.values()))

    def each(self, values: np.ndarray) -> list[np.ndarray]:
        """Return what belongs to each series of an array (n, …) of all points."""
        return np.split(values, np.cumsum(self.lengths)[:-1])

    def place(self, row: int) -> str:
        """Name a point of all, for a message."""
        if len(self.lengths) == 1:
            return f"row {row}, counted from 0"
        ends = np.cumsum(self.lengths)
        index = int(np.searchsorted(ends, row, side="right"))
        return f"row {row - int(ends[index]) + self.lengths[index]} of {self.names[index]}, counted from 0"

    def split(self, values: np.ndarray, share: float, window: int) -> tuple[Part, Part]:
        """Return the points that train and those that validate, the last share of each series.

        Of several series, one whose last share is shorter than a window trains as a whole.

        Parameters
        ----------
        values : array of shape (n, C)
            All points, as they are to be learned.
        share : float
        window : int
            Points in a window.

        Raises
        ------
        DataError
            When a series has too few points to be split.
        """
        training, validation = [], []
        for name, one in zip(self.names, self.each(values), strict=True):
            cut = training_points(len(one), share, SERIES if len(self.names) == 1 else name)
            if len(self.names) > 1 and len(one) - cut < window:
                cut = len(one)
            training.append(one[:cut])
            validation.append(one[cut:])
        return _joined(training), _joined(validation)


class Stretch(NamedTuple):
    """Rows of a series, and the fold that they are in."""

    rows: slice
    fold: int


class Folds:
    """Training series cut into stretches, which are held out in turn.

    Each series is cut into one stretch for each fold, into fewer if these would be shorter than four windows, but at
    least into halves if each holds a window. The series begin with different folds, so that those with a single stretch
    are not all held out together: every fold leaves windows to fit a detector to.

    Parameters
    ----------
    lengths : sequence of int
        Points of the series.
    window : int
        Points in a window.

    Attributes
    ----------
    stretches : list of list of Stretch
        Those of each series, in their order.
    number : int
        Of folds, at most `MOST_FOLDS`.
    """

    def __init__(self, lengths: Sequence[int], window: int):
        self.window = window
        self.stretches = [self._cut(first, length) for first, length in enumerate(lengths)]
        self.number = 1 + max(stretch.fold for own in self.stretches for stretch in own)

    def _cut(self, first: int, length: int) -> list[Stretch]:
        least = 2 if length >= 2 * self.window else 1
        number = max(least, min(MOST_FOLDS, length // (4 * self.window)))
        cuts = np.linspace(0, length, number + 1).round().astype(int)
        return [Stretch(slice(*rows), (first + index) % MOST_FOLDS) for index, rows in enumerate(pairwise(cuts))]

    def others(self, series: Sequence[np.ndarray], fold: int) -> list[np.ndarray]:
        """Return the parts of the series that are not in a fold, and in which there is a window."""
        parts = []
        for values, stretches in zip(series, self.stretches, strict=True):
            none = slice(len(values), len(values))
            held = next((stretch.rows for stretch in stretches if stretch.fold == fold), none)
            parts += [values[: held.start], values[held.stop :]]
        return [part for part in parts if len(part) >= self.window]


def _joined(series: list[np.ndarray]) -> Part:
    values = series[0] if len(series) == 1 else np.concatenate(series)
    return Part(values, [len(one) for one in series])
