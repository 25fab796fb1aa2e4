"""The one scorer: windows of a series become scores of its points, in a batch or as a stream brings them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from data_provider import DataError, Windows
from exp.training.devices import device_of, mixed_precision

BLOCK_ROWS = 32  # univariate windows that the CPU looks at together: nearly as fast as any larger number
DEVICE_ROWS = 4096  # the same on any other device


class Scorer:
    """Scores points by the windows that hold them.

    Windows start every `stride` points. A network with `score` gives each point of a window a score, and a point's is
    the mean over its windows: `stride` = `length` lays them side by side, as published. A network with `represent`
    scores the last point of each window alone, and its stride is 1.

    Parameters
    ----------
    network : nn.Module
    length : int
        T, points in a window.
    precision : {"fp32", "bf16"}
        Of the products inside the network.
    """

    def __init__(self, network: nn.Module, length: int, *, precision: str = "fp32"):
        self.network, self.length, self.precision = network, length, precision
        self.by_sequence = hasattr(network, "represent")

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return device_of(self.network)

    def block(self, channels: int) -> int:
        """Return how many windows of so many channels are looked at together."""
        rows = BLOCK_ROWS if self.device.type == "cpu" else DEVICE_ROWS
        return max(1, rows // channels)

    def look(self, windows: Tensor) -> Tensor:
        """Return what the network finds in windows (B, T, C): scores (B, T, C), or representations (B, …); on the CPU.

        Scores of channels may be one for all of them, (B, T, 1).
        """
        look = self.network.represent if self.by_sequence else self.network.score
        with mixed_precision(self.device, self.precision):
            return look(windows.to(self.device)).float().cpu()

    def look_in_blocks(self, windows: Tensor) -> Tensor:
        """Return the same, computed in blocks of one fixed shape.

        The products of a processor round differently for another number of windows. With one shape a window gives the
        same bits whatever stands beside it, so that a stream has the scores of a batch.
        """
        size = self.block(windows.shape[2])
        return torch.cat([self._padded(block, size) for block in windows.split(size)])

    def _padded(self, windows: Tensor, size: int) -> Tensor:
        missing = size - len(windows) if self.device.type == "cpu" else 0
        filled = torch.cat([windows, windows[-1:].expand(missing, -1, -1)]) if missing else windows
        return self.look(filled)[: len(windows)]

    def assembler(self, stride: int) -> "OverlapMean | Sequence":
        """Return what makes scores of points from those of windows that follow each other."""
        return Sequence(self.network, self.length) if self.by_sequence else OverlapMean(self.length, stride)

    def score(
        self,
        values,
        *,
        stride: int,
        cover_tail: bool = True,
        batch_size: int | None = None,
        name: str = "the series",
        bar: Callable[[int], object] | None = None,
    ) -> np.ndarray:
        """Score the points of a series.

        Parameters
        ----------
        values : float32 array or tensor of shape (n, C)
            Standardised.
        stride : int
            Points between the starts of neighbouring windows, at most `length`.
        cover_tail : bool
            Where windows stand side by side and the last one ends before the series does, add one that ends there.
        batch_size : int, optional
            Windows in a batch; by default blocks of one fixed shape.
        name : str
            What errors call the series.
        bar : callable, optional
            Called with the number of windows after each batch.

        Returns
        -------
        float array of shape (points, C) or (points, 1)

        Raises
        ------
        DataError
            When the series is shorter than a window, or a score is not a finite number.
        """
        stride = 1 if self.by_sequence else stride
        windows = Windows(values, self.length, stride=stride, name=name).to(self.device)
        points, parts = self.assembler(stride), []
        look = self.look_in_blocks if batch_size is None else self.look
        step = batch_size or 8 * self.block(windows.values.shape[1])
        for indices in windows.batches(step):
            parts.append(points.add(look(windows.gather(indices)).numpy()[:, None]))
            if bar is not None:
                bar(len(indices))
        behind = len(windows.values) - windows.covered_points
        if cover_tail or stride < self.length:
            last = look(windows.values[None, -self.length :]).numpy() if behind else None
            parts.append(points.finish(last, behind))
        score = np.concatenate(parts, axis=1)[0]
        _check_finite(score, name)
        return score


def _check_finite(score: np.ndarray, name: str) -> None:
    finite = np.isfinite(score).all(axis=1)
    if not finite.all():
        raise DataError(
            f"{name}: the score of point {int(finite.argmin())} (from 0) is NaN or infinity: its window holds a value "
            "too far from those of the training part, correct it"
        )


class OverlapMean:
    """Mean score of a point over the windows that hold it, as the windows come.

    Parameters
    ----------
    length, stride : int
        Points in a window, and between the starts of neighbouring windows.
    """

    def __init__(self, length: int, stride: int):
        self.length, self.stride = length, stride
        self.sums: np.ndarray | None = None  # (series, length, C)
        self.counts = np.zeros(length)

    def add(self, scores: np.ndarray) -> np.ndarray:
        """Take the scores (k, series, length, C) of the next k windows, and return the means that are final now.

        Returns
        -------
        float32 array of shape (series, k · stride, C)
            Of the points from the first window's start on, which no later window holds.
        """
        return np.concatenate([self._add(window) for window in scores], axis=1)

    def _add(self, scores: np.ndarray) -> np.ndarray:
        if self.sums is None:
            self.sums = np.zeros(scores.shape)
        self.sums += scores
        self.counts += 1
        final = self._means(self.stride)
        fresh = self.length - self.stride
        self.sums[:, :fresh], self.counts[:fresh] = (
            self.sums[:, self.stride :].copy(),
            self.counts[self.stride :].copy(),
        )
        self.sums[:, fresh:], self.counts[fresh:] = 0, 0
        return final

    def finish(self, scores: np.ndarray | None, behind: int) -> np.ndarray:
        """Take the scores (series, length, C) of the window that ends with the series, and return the last means.

        Parameters
        ----------
        scores : array or None
            None where `behind` is 0: it is the window before.
        behind : int
            Points between the end of the window before and that of this one, fewer than `stride`.

        Returns
        -------
        float32 array of shape (series, length − stride + behind, C)
        """
        waiting = self.length - self.stride
        if behind:
            self.sums[:, : waiting + behind] += scores[:, self.stride - behind :]
            self.counts[: waiting + behind] += 1
        return self._means(waiting + behind)

    def _means(self, points: int) -> np.ndarray:
        return (self.sums[:, :points] / self.counts[:points, None]).astype(np.float32)

    def get_state(self) -> dict[str, np.ndarray]:
        """Return what `set_state` takes."""
        return {"counts": self.counts} if self.sums is None else {"sums": self.sums, "counts": self.counts}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` gave."""
        self.sums, self.counts = state.get("sums"), state["counts"]


class Sequence:
    """Scores of points by the representations of the windows that end with them.

    Parameters
    ----------
    network : nn.Module
        With `score_sequence`.
    length : int
        Points in a window. Those before the end of the first window have its score.
    """

    stride = 1

    def __init__(self, network: nn.Module, length: int):
        self.network, self.length = network, length
        self.last: np.ndarray | None = None  # (series, …), the representation before

    def add(self, represented: np.ndarray) -> np.ndarray:
        """Take the representations (k, series, …) of the next k windows, and return the scores of their points.

        Returns
        -------
        float array of shape (series, k, C), for the first windows (series, length − 1 + k, C)
        """
        known = represented if self.last is None else np.concatenate([self.last[None], represented])
        scores = np.stack([self._score(known[:, series]) for series in range(known.shape[1])])
        begins, self.last, self._channels = self.last is None, represented[-1], scores.shape[2]
        if begins:
            return np.concatenate([scores[:, :1].repeat(self.length - 1, axis=1), scores], axis=1)
        return scores[:, 1:]

    def _score(self, represented: np.ndarray) -> np.ndarray:
        return self.network.score_sequence(torch.from_numpy(np.ascontiguousarray(represented))).numpy()

    def finish(self, represented: None, behind: int) -> np.ndarray:
        """Return no scores (series, 0, C): none waits."""
        return np.empty((len(self.last), 0, self._channels))

    def get_state(self) -> dict[str, np.ndarray]:
        """Return what `set_state` takes."""
        return {} if self.last is None else {"last": self.last}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` gave."""
        self.last = state.get("last")
