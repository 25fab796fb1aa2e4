"""A labelled series as read from a file, and its standardised parts."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from data_provider.errors import DataError

LARGEST = 1e150  # largest value: the squares of larger ones overflow
FARTHEST = 1e17  # scales between a value and the offset: beyond this, squares overflow in a float32 network
FLATTENING = 1e20  # times the usual size of a channel's values: next to such a value the others become the same number
SAMPLED = 1024  # number of rows that determine the usual size
EPSILON = np.finfo(np.float64).eps
SEEN = 1e-6  # of a standard deviation: from here on a rounding error can show in float32
ROUNDING = 4  # units in the last place by which the values of a constant channel may differ


def _row_from_zero(row: int) -> str:
    return f"row {row}, counted from 0"


@dataclass(frozen=True, eq=False)
class Series:
    """One labelled multivariate series, in the units of its file.

    Parameters
    ----------
    name : str
        The dataset's name, or the file's name without its extension.
    train : float64 array of shape (n_train, C)
    test : float64 array of shape (n_test, C)
    test_label : uint8 array of shape (n_test,)
        1 at anomalous points.
    channels : tuple of str
        Names of the C channels.
    train_label : uint8 array of shape (n_train,), optional
        Labels of the training part, if the file has them; no detector sees them.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    test_label: np.ndarray
    channels: tuple[str, ...]
    train_label: np.ndarray | None = None

    def select(self, *, drop: Collection[int]) -> "Series":
        """Return the series without the channels at the indexes `drop`.

        Raises
        ------
        DataError
            When an index is not one of the series' channels, or no channel is left.
        """
        count = len(self.channels)
        for index in drop:
            if not 0 <= index < count:
                raise DataError(
                    f"{self.name}: there is no channel {index} to drop; the channels are 0 to {count - 1}: "
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
        The whole training part, standardised by its own statistics.
    test : float32 array of shape (n_test, C)
    test_label : uint8 array of shape (n_test,)
    channels : tuple of str
    offset, scale : float64 arrays of shape (C,)
        What was subtracted from the training part, and what it was divided by (1 for a constant channel).
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
        Share of the training part, at its end, used for validation.
    standardise : {"train", "each"}
        "train": everything by the statistics of the whole training part; train and validation are views of train_full.
        "each": train, validation, train_full and test each by its own statistics (TSB-AD-U's rule).
    scaling : {"standard", "min-max"}
        By mean and population standard deviation, or by minimum and range, to 0 … 1.

    Raises
    ------
    DataError
        When the training part is too short to be split, or a value is too large to compute with.
    """
    if standardise not in ("train", "each"):
        raise ValueError(f"standardise must be 'train' or 'each', got {standardise!r}")
    cut = training_points(len(series.train), validation_share, series.name)
    check_training_range(series.train, series.channels, f"{series.name}: the training part")
    offset, scale = fit_scaler(series.train, scaling)
    train_full = scaled(series.train, offset, scale)
    if standardise == "train":
        train, validation = train_full[:cut], train_full[cut:]
        check_range(series.test, offset, scale, series.channels, f"{series.name}: the test part")
        test = scaled(series.test, offset, scale)
    else:
        check_training_range(series.test, series.channels, f"{series.name}: the test part")
        raw_parts = series.train[:cut], series.train[cut:], series.test
        train, validation, test = (scaled(part, *fit_scaler(part, scaling)) for part in raw_parts)
    return Parts(train, validation, train_full, test, series.test_label, series.channels, offset, scale)


def training_points(points: int, validation_share: float, name: str) -> int:
    """Return how many of a training part's points are used for training; the rest are for validation.

    Raises
    ------
    DataError
        When none is left on one side; the message calls the part `name`.
    """
    cut = int(points * (1 - validation_share))
    if not 0 < cut < points:
        raise DataError(
            f"{name}: a training part of {points} points cannot be split with a validation share of "
            f"{validation_share}: use more points or another share"
        )
    return cut


def fit_scaler(values: np.ndarray, scaling: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the offset to subtract from values (n, C) and the scale to divide them by, float64 arrays (C,).

    Parameters
    ----------
    values : array of shape (n, C)
    scaling : {"standard", "min-max"}
        Mean and population standard deviation, or minimum and range; 1 for a constant channel.
    """
    return SCALINGS[scaling](values)


def scaled(values: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return values (n, C) minus the offset (C,), divided by the scale (C,), in float32."""
    centred = values - offset
    centred /= scale
    return centred.astype(np.float32, order="C")


def check_range(values, offset, scale, channels, name: str, place=_row_from_zero) -> None:
    """Check that values can be scored after they are standardised.

    Parameters
    ----------
    values : array of shape (n, C)
    offset, scale : arrays of shape (C,)
        Those of the training part.
    channels : sequence of str
    name : str
        Name of the values in the message.
    place : function of int to str, optional
        Names a row in the message.

    Raises
    ------
    DataError
        One line that names a value beyond the range, its channel and its row.
    """
    _check_size(values, channels, name, place)
    fault = "too far from the training values to be scored: correct it"
    _check_reach(values, offset, FARTHEST * scale, channels, name, place, fault)


def check_training_range(values, channels, name: str, place=_row_from_zero) -> None:
    """Check that values can be trained on: none is so large that the others of its channel become indistinguishable.

    Parameters and errors are those of `check_range`.
    """
    _check_size(values, channels, name, place)
    sample = values[:: max(1, len(values) // SAMPLED)]
    low, middle, high = np.quantile(sample, (0.25, 0.5, 0.75), axis=0)
    usual = np.where(high > low, np.maximum(high - low, np.abs(middle)), np.inf)
    fault = "next to which the other values of the channel look identical: correct it"
    _check_reach(values, 0.0, FLATTENING * usual, channels, name, place, fault)


def _check_size(values, channels, name: str, place) -> None:
    fault = f"beyond {LARGEST:g}: correct it, or give the channel in a larger unit"
    _check_reach(values, 0.0, np.full(values.shape[1], LARGEST), channels, name, place, fault)


def _check_reach(values, centre, reach, channels, name: str, place, fault: str) -> None:
    """Refuse values that are farther from their channel's centre than its reach (C,)."""
    if len(values) == 0:
        return
    beyond = (values.max(axis=0) - centre > reach) | (values.min(axis=0) - centre < -reach)
    if beyond.any():
        column = int(beyond.argmax())
        distances = np.abs(values[:, column] - np.broadcast_to(centre, reach.shape)[column])
        row = int((distances > reach[column]).argmax())
        value = values[row, column]
        raise DataError(f"{name}: channel {channels[column]!r} holds {value:g} at {place(row)}, {fault}")


def _mean_and_deviation(values):
    """Mean and standard deviation of each channel, (C,) arrays; a constant channel mostly gets 1 as its scale.

    They are scikit-learn's, whose rule treats a channel within the rounding error of the sums as constant. That error
    grows with the offset. If it could show, the distances to the first value, which are exact or nearly so, decide
    instead: such a channel is constant if its values differ by no more than a few units in the last place.
    """
    mean, variance = values.mean(axis=0), values.var(axis=0)
    error = (len(values) * mean * EPSILON) ** 2
    constant = variance <= len(values) * EPSILON * variance + error
    deviation = np.sqrt(np.where(constant, 1.0, variance))
    for index in np.flatnonzero(constant | (error > SEEN**2 * variance)):
        channel = values[:, index]
        distances = channel - channel[0]
        extent = np.ptp(distances)
        # A constant has the scale 1; for a large one this must not amplify rounding errors.
        deviation[index] = max(1.0, extent, SEEN**2 * abs(channel[0]))
        if len(channel) * EPSILON * abs(channel[0]) > SEEN:
            mean[index] = channel[0]
        if extent > ROUNDING * np.spacing(np.abs(channel).max()):
            shares = distances / extent  # their squares neither overflow nor vanish
            mean[index], deviation[index] = channel[0] + extent * shares.mean(), extent * shares.std()
    return mean, deviation


def _minimum_and_range(values):
    low, extent = values.min(axis=0), np.ptp(values, axis=0)
    return low, np.where(extent == 0, 1.0, extent)


SCALINGS = {"standard": _mean_and_deviation, "min-max": _minimum_and_range}
