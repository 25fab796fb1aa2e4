"""A labelled series as read from a file, and its standardised parts."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from data_provider.errors import DataError

LARGEST = 1e150  # of the values that a series may have: the sum of their squares is finite


@dataclass(frozen=True, eq=False)
class Series:
    """One labelled multivariate series, in the units of its file.

    Parameters
    ----------
    name : str
        The dataset's name, or the file's without its extension.
    train : float64 array of shape (n_train, C)
    test : float64 array of shape (n_test, C)
    test_label : uint8 array of shape (n_test,)
        1 at anomalous points.
    channels : tuple of str
        Names of the C channels.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    test_label: np.ndarray
    channels: tuple[str, ...]

    def select(self, *, drop: Collection[int]) -> "Series":
        """Return the series without the channels at the indexes `drop`.

        Raises
        ------
        DataError
            When an index is none of the series' channels, or no channel is left.
        """
        count = len(self.channels)
        for index in drop:
            if not 0 <= index < count:
                raise DataError(
                    f"{self.name}: there is no channel {index} to drop, the channels are 0 to {count - 1}: "
                    "correct drop_channels"
                )
        kept = [index for index in range(count) if index not in drop]
        if not kept:
            raise DataError(f"{self.name}: none of its {count} channels is left: shorten drop_channels")
        if len(kept) == count:
            return self
        return replace(
            self,
            train=self.train[:, kept],
            test=self.test[:, kept],
            channels=tuple(self.channels[index] for index in kept),
        )


@dataclass(frozen=True, eq=False)
class Parts:
    """A series standardised and split, ready for windows.

    Parameters
    ----------
    train, validation : float32 arrays of shapes (n, C) and (m, C)
        The first and the last points of the training part.
    train_full : float32 array of shape (n + m, C)
        The whole training part, by its own figures.
    test : float32 array of shape (n_test, C)
    test_label : uint8 array of shape (n_test,)
    channels : tuple of str
    offset, scale : float64 arrays of shape (C,)
        What the training part had subtracted and was divided by (1 for a constant channel).
    """

    train: np.ndarray
    validation: np.ndarray
    train_full: np.ndarray
    test: np.ndarray
    test_label: np.ndarray
    channels: tuple[str, ...]
    offset: np.ndarray
    scale: np.ndarray


def split_series(
    series: Series, *, validation_share: float = 0.2, standardise: str = "train", scaling: str = "standard"
) -> Parts:
    """Standardise a series and split its training part.

    Parameters
    ----------
    series : Series
    validation_share : float
        Share of the training part, at its end, that validates.
    standardise : {"train", "each"}
        "train": everything by the whole training part's figures; train and validation view train_full.
        "each": train, validation, train_full and test each by its own figures (TSB-AD-U's rule).
    scaling : {"standard", "min-max"}
        By mean and population deviation, or by minimum and range, to 0 … 1.

    Raises
    ------
    DataError
        When the training part is too short to be split.
    """
    if standardise not in ("train", "each"):
        raise ValueError(f"standardise must be 'train' or 'each', got {standardise!r}")
    figures = SCALINGS[scaling]
    points = len(series.train)
    cut = int(points * (1 - validation_share))
    if not 0 < cut < points:
        raise DataError(
            f"{series.name}: a training part of {points} points cannot be split with a validation share of "
            f"{validation_share}: use more points or another share"
        )
    offset, scale = figures(series.train)
    train_full = scaled(series.train, offset, scale)
    if standardise == "train":
        train, validation = train_full[:cut], train_full[cut:]
        test = scaled(series.test, offset, scale)
    else:
        raw_parts = series.train[:cut], series.train[cut:], series.test
        train, validation, test = (scaled(part, *figures(part)) for part in raw_parts)
    return Parts(train, validation, train_full, test, series.test_label, series.channels, offset, scale)


def scaled(values: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return values (n, C) less the offset (C,) and divided by the scale (C,), in float32."""
    centred = values - offset
    centred /= scale
    return centred.astype(np.float32, order="C")


def _mean_and_deviation(values):
    """Mean and deviation of each channel, (C,) arrays, as scikit-learn's StandardScaler has them."""
    mean, variance = values.mean(axis=0), values.var(axis=0)
    # A variance within the rounding error of its sums is that of a constant channel.
    epsilon = np.finfo(np.float64).eps
    constant = variance <= len(values) * epsilon * variance + (len(values) * mean * epsilon) ** 2
    for index in np.flatnonzero(constant & (values.min(axis=0) < values.max(axis=0))):
        column = values[:, index]
        if (column == np.floor(column)).all():  # whole numbers differ exactly, so that small ones can be computed with
            differences = column - column[0]
            mean[index], variance[index] = column[0] + differences.mean(), differences.var()
            constant[index] = False
    return mean, np.sqrt(np.where(constant, 1.0, variance))


def _minimum_and_range(values):
    low, extent = values.min(axis=0), np.ptp(values, axis=0)
    return low, np.where(extent == 0, 1.0, extent)


SCALINGS = {"standard": _mean_and_deviation, "min-max": _minimum_and_range}
