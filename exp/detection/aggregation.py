"""One score for a point from the scores of its channels, on several time scales."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from exp.errors import UserError

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
    chosen.

    Parameters
    ----------
    scale : float64 array of shape (C,)
        Divisors of the channel scores.
    levels : float64 array of shape (number of spans,)
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
    def published(cls, channels: int, *, causal: bool = False, point_score: PointScore = "mean") -> "Aggregation":
        """Return the plain score of a point: the model's own combination of its channels' scores, and nothing else."""
        return cls(np.ones(channels), np.ones(1), (1,), causal=causal, point_score=point_score)

    @classmethod
    def fit(
        cls,
        parts: list[np.ndarray],
        spans: tuple[int, ...],
        *,
        causal: bool = False,
        point_score: PointScore = "mean",
    ) -> "Aggregation":
        """Learn scales and levels.

        Parameters
        ----------
        parts : list of arrays of shape (n, C)
            Channel scores of stretches of the training series.
        spans, causal, point_score
            As for the aggregation.
        """
        scale = _scale_of(parts)
        plain = cls(scale, np.ones(len(spans)), spans, causal=causal, point_score=point_score)
        averages = np.empty((len(spans), sum(map(len, parts))))
        ends = np.cumsum([len(part) for part in parts])
        for part, end in zip(parts, ends, strict=True):
            for first, block in plain._blocks(part):
                averages[:, end - len(part) + first :][:, : block.shape[1]] = block
        levels = np.maximum([np.quantile(row, QUANTILE, overwrite_input=True) for row in averages], LOWEST)
        return cls(scale, levels, spans, causal=causal, point_score=point_score)

    @property
    def behind(self) -> int:
        """How many earlier points a score depends on."""
        return max(self._reach(span)[0] for span in self.spans)

    @property
    def ahead(self) -> int:
        """How many later points a score depends on."""
        return max(self._reach(span)[1] for span in self.spans)

    def __call__(self, channel_scores: np.ndarray) -> np.ndarray:
        """Return the scores, a float32 array (n,), of a series' points with the channel scores (n, C)."""
        scores = np.empty(len(channel_scores), np.float32)
        for first, averages in self._blocks(channel_scores):
            scores[first : first + averages.shape[1]] = self.combine(averages)
        return scores

    def _blocks(self, channel_scores: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the averages (number of spans, k) of stretches of a series with the channel scores (n, C).

        Each comes with its first row; the stretches follow each other and have the same bits as one of all rows.
        """
        n = len(channel_scores)
        for first in range(0, n, BLOCK):
            last, start = min(n, first + BLOCK), max(0, first - self.behind)
            relative = self.relative(channel_scores[start : last + self.ahead])
            yield first, self.averages(relative)[:, first - start : last - start]

    def by_channel(self, channel_scores: np.ndarray) -> np.ndarray:
        """Return channel scores (…, C) as multiples of their scales, float32: what each adds to a point's score."""
        return np.minimum(channel_scores / self.scale, LARGEST).astype(np.float32)

    def relative(self, channel_scores: np.ndarray) -> np.ndarray:
        """Return the point scores (n,) of channel scores (n, C), each taken as a multiple of its scale."""
        return getattr(channel_scores / self.scale, self.point_score)(axis=1)

    def averages(self, relative: np.ndarray) -> np.ndarray:
        """Return the averages (number of spans, n) of a series (n,) over the spans, truncated at its ends.

        Points are added one by one, so a point has the same bits in any stretch.
        """
        return np.stack([self._average(relative, *self._reach(span)) for span in self.spans])

    def combine(self, averages: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of points with the averages (number of spans, n)."""
        return np.minimum((averages / self.levels[:, None]).max(axis=0), LARGEST).astype(np.float32)

    def _reach(self, span: int) -> tuple[int, int]:
        """Return how many points before and after its own a span has."""
        return (span - 1, 0) if self.causal else (span // 2, (span - 1) // 2)

    @staticmethod
    def _average(values: np.ndarray, before: int, behind: int) -> np.ndarray:
        padded = np.pad(values, (before, behind))
        total = np.zeros(len(values))
        for offset in range(before + behind + 1):
            total += padded[offset : offset + len(values)]
        points = np.arange(len(values))
        count = np.minimum(points, before) + np.minimum(points[::-1], behind) + 1
        return total / count


class RunningAggregation:
    """The same scores as channel scores arrive, for several series in parallel.

    Parameters
    ----------
    aggregation : Aggregation
    series : int
        How many.
    channels : int
        C.
    """

    def __init__(self, aggregation: Aggregation, series: int, channels: int):
        self.aggregation = aggregation
        self.waiting = np.empty((series, 0, channels), np.float32)  # channel scores of points without a score yet
        self.relative = np.empty((series, 0))  # of the points that the next scores depend on

    def add(self, channel_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add the channel scores (series, k, C) of the next points, and return the scores that are now final.

        Returns
        -------
        score : float32 array of shape (series, m)
        channel_scores : float32 array of shape (series, m, C)
            For the same m points.
        """
        self.waiting = np.concatenate([self.waiting, channel_scores.astype(np.float32)], axis=1)
        fresh = [self.aggregation.relative(series) for series in channel_scores.astype(np.float32)]
        self.relative = np.concatenate([self.relative, np.stack(fresh)], axis=1)
        return self._take(max(0, self.waiting.shape[1] - self.aggregation.ahead))

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of the pending points, now that no others follow, and reset."""
        found = self._take(self.waiting.shape[1])
        self.relative = self.relative[:, :0]
        return found

    def _take(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        first = self.relative.shape[1] - self.waiting.shape[1]
        if count:
            whole = [self.aggregation.combine(self.aggregation.averages(series)) for series in self.relative]
            score = np.stack(whole)[:, first : first + count]
        else:
            score = np.empty((len(self.relative), 0), np.float32)
        taken, self.waiting = self.waiting[:, :count], self.waiting[:, count:]
        self.relative = self.relative[:, max(0, first + count - self.aggregation.behind) :]
        return score, taken

    def get_state(self) -> dict[str, np.ndarray]:
        """Return the state for `set_state`."""
        return {"waiting_channels": self.waiting, "relative": self.relative}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue from the result of `get_state`."""
        self.waiting, self.relative = state["waiting_channels"], state["relative"]


def _scale_of(parts: list[np.ndarray]) -> np.ndarray:
    """Return the mean scores (C,) of the channels; a channel without errors must not outweigh all others."""
    scale = np.concatenate(parts).astype(np.float64).mean(axis=0)
    return np.maximum(scale, max(FLOOR * scale.mean(), SMALLEST))
