"""One score for a point from the scores of its channels, on several time scales."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from exp.errors import UserError
from models.scores import geometric_mean

PointScore = Literal["mean", "max"]

KINDS = ("multiscale", "published")
SHARES = (16, 4, 1)  # fractions of a window that are the spans over which scores are averaged
QUANTILE = 0.99  # quantile of a span's averages on the training series that counts as 1
FLOOR = 0.01  # of the mean scale: a lower limit for the scale of a (nearly) constant channel
SMALLEST = 1e-12  # scale
LOWEST = 1e-3  # level; if there are errors, a level is near 1 or above
LARGEST = np.finfo(np.float32).max
BLOCK = 1 << 18  # points that are averaged together: a long series then needs little memory beside its scores


def spans_of(window: int) -> tuple[int, ...]:
    """Return the time spans for windows with this many points: a point, and shares of a window.

    Examples
    --------
    >>> spans_of(96)
    (1, 6, 24, 96)
    >>> spans_of(8)
    (1, 2, 8)
    """
    return tuple(sorted({1, *(max(1, window // share) for share in SHARES)}))


def check_kind(aggregation: object) -> None:
    """Raise a UserError unless the aggregation is one of `KINDS`."""
    if aggregation not in KINDS:
        raise UserError(f"aggregation is {aggregation!r}: use {' or '.join(map(repr, KINDS))}")


class Aggregation:
    """The score of points from those of their channels: the largest of its averages over several time spans.

    A channel's score is divided by its mean over the training series, so channels that are hard to predict count
    no more than others, and the mean over the channels is taken (or the maximum, if the model uses that). It is
    averaged over each span, and each average is divided by its quantile `QUANTILE` over the training series; the
    largest counts. Short events stand out in the short spans, long ones in the long spans, and no span has to be
    chosen. If a model has several errors of each channel, all this is done for each kind by itself, and the geometric
    mean over the kinds is taken before the largest span: it is high only where none of them is low.

    Parameters
    ----------
    scale : float64 array of shape (K · C,)
        Divisors of the errors of channels; K is how many of each there are, usually 1.
    levels : float64 array of shape (number of spans, K)
        Divisors of the averages.
    spans : tuple of int
        Numbers of points that are averaged over.
    causal : bool
        Whether an average is over the points up to its own; otherwise that point is in the middle.
    point_score : {"mean", "max"}
        How a point's score is computed from the scores of its channels.
    """

    def __init__(
        self,
        scale: np.ndarray,
        levels: np.ndarray,
        spans: tuple[int, ...],
        *,
        causal: bool = False,
        point_score: PointScore = "mean",
    ):
        self.scale, self.levels, self.spans, self.causal = scale, levels, spans, causal
        self.point_score = point_score

    @classmethod
    def published(
        cls, scores: int, *, errors: int = 1, causal: bool = False, point_score: PointScore = "mean"
    ) -> "Aggregation":
        """Return the plain score of a point: the model's own combination of its channels' scores, and nothing else."""
        return cls(np.ones(scores), np.ones((1, errors)), (1,), causal=causal, point_score=point_score)

    @classmethod
    def fit(
        cls,
        parts: list[np.ndarray],
        spans: tuple[int, ...],
        *,
        errors: int = 1,
        causal: bool = False,
        point_score: PointScore = "mean",
    ) -> "Aggregation":
        """Learn scales and levels.

        Parameters
        ----------
        parts : list of arrays of shape (n, K · C)
            Errors of channels in stretches of the training series.
        errors : int
            K: how many of each channel there are, all channels' of the first kind first.
        spans, causal, point_score
            As for the aggregation.
        """
        scale = _scale_of(parts, errors)
        plain = cls(scale, np.ones((len(spans), errors)), spans, causal=causal, point_score=point_score)
        averages = np.empty((len(spans), errors, sum(map(len, parts))))
        ends = np.cumsum([len(part) for part in parts])
        for part, end in zip(parts, ends, strict=True):
            for first, block in plain._blocks(part):
                averages[..., end - len(part) + first :][..., : block.shape[-1]] = block
        levels = [[np.quantile(row, QUANTILE, overwrite_input=True) for row in kinds] for kinds in averages]
        return cls(scale, np.maximum(levels, LOWEST), spans, causal=causal, point_score=point_score)

    @property
    def behind(self) -> int:
        """How many earlier points a score depends on."""
        return max(self._reach(span)[0] for span in self.spans)

    @property
    def ahead(self) -> int:
        """How many later points a score depends on."""
        return max(self._reach(span)[1] for span in self.spans)

    def __call__(self, channel_errors: np.ndarray) -> np.ndarray:
        """Return the scores, a float32 array (n,), of a series' points with the errors (n, K · C) of channels."""
        scores = np.empty(len(channel_errors), np.float32)
        for first, averages in self._blocks(channel_errors):
            scores[first : first + averages.shape[-1]] = self.combine(averages)
        return scores

    def _blocks(self, channel_errors: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the averages (number of spans, K, k) of stretches of a series with the errors (n, K · C) of channels.

        Each comes with its first row; the stretches follow each other and have the same bits as one of all rows.
        """
        n = len(channel_errors)
        for first in range(0, n, BLOCK):
            last, start = min(n, first + BLOCK), max(0, first - self.behind)
            relative = self.relative(channel_errors[start : last + self.ahead])
            yield first, self.averages(relative)[..., first - start : last - start]

    def by_channel(self, channel_scores: np.ndarray) -> np.ndarray:
        """Return channel scores (…, C), each the geometric mean of K errors, as multiples of their scales, float32.

        This is what each adds to a point's score.
        """
        scale = geometric_mean(self._kinds(self.scale), axis=-2)
        return np.minimum(channel_scores / scale, LARGEST).astype(np.float32)

    def relative(self, channel_errors: np.ndarray) -> np.ndarray:
        """Return point scores (K, n) of the errors (n, K · C) of channels, each taken as a multiple of its scale."""
        return getattr(self._kinds(channel_errors / self.scale), self.point_score)(axis=-1).T

    def averages(self, relative: np.ndarray) -> np.ndarray:
        """Return the averages (number of spans, K, n) of a series (K, n) over the spans, truncated at its ends.

        Points are added one by one, so a point has the same bits in any stretch.
        """
        return np.stack([self._average(relative, *self._reach(span)) for span in self.spans])

    def combine(self, averages: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of points with the averages (number of spans, K, n)."""
        by_span = geometric_mean(averages / self.levels[..., None], axis=1)
        return np.minimum(by_span.max(axis=0), LARGEST).astype(np.float32)

    def _kinds(self, channel_errors: np.ndarray) -> np.ndarray:
        """Return errors (…, K · C) of channels as (…, K, C)."""
        kinds = self.levels.shape[1]
        return channel_errors.reshape(*channel_errors.shape[:-1], kinds, channel_errors.shape[-1] // kinds)

    def _reach(self, span: int) -> tuple[int, int]:
        """Return how many points before and after its own a span has."""
        return (span - 1, 0) if self.causal else (span // 2, (span - 1) // 2)

    @staticmethod
    def _average(values: np.ndarray, before: int, behind: int) -> np.ndarray:
        number = values.shape[-1]
        padded = np.pad(values, ((0, 0), (before, behind)))
        total = np.zeros(values.shape)
        for offset in range(before + behind + 1):
            total += padded[:, offset : offset + number]
        points = np.arange(number)
        count = np.minimum(points, before) + np.minimum(points[::-1], behind) + 1
        return total / count


class RunningAggregation:
    """The same scores as errors of channels arrive, for several series in parallel.

    Parameters
    ----------
    aggregation : Aggregation
    series : int
        How many.
    """

    def __init__(self, aggregation: Aggregation, series: int):
        self.aggregation = aggregation
        channels, errors = len(aggregation.scale), aggregation.levels.shape[1]
        self.waiting = np.empty((series, 0, channels), np.float32)  # errors of points without a score yet
        self.relative = np.empty((series, errors, 0))  # of the points that the next scores depend on

    def add(self, channel_errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add the errors (series, k, K · C) of the next points, and return the scores that are now final.

        Returns
        -------
        score : float32 array of shape (series, m)
        channel_errors : float32 array of shape (series, m, K · C)
            For the same m points.
        """
        self.waiting = np.concatenate([self.waiting, channel_errors.astype(np.float32)], axis=1)
        fresh = [self.aggregation.relative(series) for series in channel_errors.astype(np.float32)]
        self.relative = np.concatenate([self.relative, np.stack(fresh)], axis=-1)
        return self._take(max(0, self.waiting.shape[1] - self.aggregation.ahead))

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of the pending points, now that no others follow, and reset."""
        found = self._take(self.waiting.shape[1])
        self.relative = self.relative[..., :0]
        return found

    def _take(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        first = self.relative.shape[-1] - self.waiting.shape[1]
        if count:
            whole = [self.aggregation.combine(self.aggregation.averages(series)) for series in self.relative]
            score = np.stack(whole)[:, first : first + count]
        else:
            score = np.empty((len(self.relative), 0), np.float32)
        taken, self.waiting = self.waiting[:, :count], self.waiting[:, count:]
        self.relative = self.relative[..., max(0, first + count - self.aggregation.behind) :]
        return score, taken

    def get_state(self) -> dict[str, np.ndarray]:
        """Return the state for `set_state`."""
        return {"waiting_channels": self.waiting, "relative": self.relative}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue from the result of `get_state`."""
        self.waiting, self.relative = state["waiting_channels"], state["relative"]


def _scale_of(parts: list[np.ndarray], errors: int) -> np.ndarray:
    """Return the mean scores (K · C,) of the channels; a channel without errors must not outweigh all others."""
    scale = np.concatenate(parts).astype(np.float64).mean(axis=0).reshape(errors, -1)
    return np.maximum(scale, np.maximum(FLOOR * scale.mean(axis=1, keepdims=True), SMALLEST)).ravel()
