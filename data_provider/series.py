"""A labelled series as read from a file, and its standardised parts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from data_provider.errors import DataError


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

    def select(self, *, keep: Iterable[int] | None = None, drop: Iterable[int] = ()) -> "Series":
        """Return the series with fewer channels.

        Parameters
        ----------
        keep : indexes of channels, optional
            The channels that stay, in this order; all by default.
        drop : indexes of channels
            The channels that go.

        Raises
        ------
        DataError
            When an index is none of the series' channels, or no channel is left.
        """
        count = len(self.channels)
        keep, drop = list(range(count) if keep is None else keep), set(drop)
        for index in [*keep, *sorted(drop)]:
            if not 0 <= index < count:
                raise DataError(
                    f"{self.name}: there is no channel {index}, its {count} channels count from 0: correct the list"
                )
        kept = [index for index in keep if index not in drop]
        if not kept:
            raise DataError(f"{self.name}: no channel is left of {count}, drop fewer")
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
    mean, scale : float64 arrays of shape (C,)
        Figures of the whole training part: mean, and population deviation (1 for a constant channel).
    """

    train: np.ndarray
    validation: np.ndarray
    train_full: np.ndarray
    test: np.ndarray
    test_label: np.ndarray
    channels: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray


def split_series(series: Series, *, validation_share: float = 0.2, standardise: str = "train") -> Parts:
    """Standardise a series and split its training part.

    Parameters
    ----------
    series : Series
    validation_share : float
        Share of the training part, at its end, that validates.
    standardise : {"train", "each"}
        "train": everything by the whole training part's figures; train and validation are views of train_full.
        "each": train, validation, train_full and test each by its own figures (TSB-AD-U's rule).

    Raises
    ------
    DataError
        When the training part is too short to be split.
    """
    if standardise not in ("train", "each"):
        raise ValueError(f"standardise must be 'train' or 'each', got {standardise!r}")
    points = len(series.train)
    cut = int(points * (1 - validation_share))
    if not 0 < cut < points:
        raise DataError(
            f"{series.name}: a training part of {points} points cannot be split with validation_share "
            f"{validation_share}: use a longer training part or another share"
        )
    mean, scale = _figures(series.train)
    train_full = _standardised(series.train, mean, scale)
    if standardise == "train":
        train, validation = train_full[:cut], train_full[cut:]
        test = _standardised(series.test, mean, scale)
    else:
        train, validation, test = (
            _standardised(part, *_figures(part))
            for part in (series.train[:cut], series.train[cut:], series.test)
        )
    return Parts(train, validation, train_full, test, series.test_label, series.channels, mean, scale)


def _figures(values):
    """Mean and population deviation of each channel, a constant channel's deviation being 1: two (C,) arrays."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values)
    return scaler.mean_, scaler.scale_


def _standardised(values, mean, scale):
    centred = values - mean
    centred /= scale
    return centred.astype(np.float32, order="C")
