"""The scorer: windows of a series become scores of its points, in a batch or as they arrive in a stream."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from data_provider import DataError, Windows
from exp.training.devices import device_of, mixed_precision
from models.network import Reconstructs, ScoresSequences, ScoresWindows

BLOCK_ROWS = 32  # univariate windows that the CPU processes together: nearly as fast as any larger number
DEVICE_ROWS = 4096  # the same on any other device


class Scorer:
    """Scores points by the windows that contain them.

    Windows start every `stride` points. A network with `score` gives each point of a window a score, and a point's
    score is the mean over its windows: with `stride` = `length` they do not overlap, as published. A network with
    `represent` scores points by the windows that end with them or shortly after, and its stride is 1.

    Parameters
    ----------
    network : nn.Module
    length : int
        T, points in a window.
    precision : {"fp32", "bf16"}
        Precision of the products inside the network.
    """

    def __init__(self, network: nn.Module, length: int, *, precision: str = "fp32"):
        if not isinstance(network, ScoresWindows | ScoresSequences):
            raise TypeError(f"{type(network).__name__} has neither score nor represent and score_sequence")
        self.network, self.length, self.precision = network, length, precision
        self.by_sequence = isinstance(network, ScoresSequences)
        self.look_ahead = getattr(network, "look_ahead", 0)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return device_of(self.network)

    def block(self, channels: int) -> int:
        """Return how many windows with this many channels are processed together."""
        rows = BLOCK_ROWS if self.device.type == "cpu" else DEVICE_ROWS
        return max(getattr(self.network, "smallest_block", 1), rows // channels)

    def look(self, windows: Tensor) -> Tensor:
        """Return the network's output for windows (B, T, C): scores (B, T, C), or representations (B, …); on the CPU.

        The channels may share one score, (B, T, 1), or have K errors each, (B, T, K · C).
        """
        network = self.network
        look = network.represent if isinstance(network, ScoresSequences) else network.score
        with mixed_precision(self.device, self.precision):
            return look(windows.to(self.device)).float().cpu()

    def reconstruct(self, windows: Tensor) -> Tensor:
        """Return what the network expects in place of windows, both (B, T, C), on the CPU."""
        network = self.network
        if not isinstance(network, Reconstructs):
            raise TypeError(f"{type(network).__name__} has no reconstruct")
        with mixed_precision(self.device, self.precision):
            return network.reconstruct(windows.to(self.device)).float().cpu()

    def look_in_blocks(self, windows: Tensor) -> Tensor:
        """Return the same, computed in blocks of one fixed shape.

        Products on a CPU round differently for different numbers of windows. With one shape, a window gives the
        same bits whatever is next to it, so a stream has the scores of a batch.
        """
        size = self.block(windows.shape[2])
        return torch.cat([self._padded(block, size) for block in windows.split(size)])

    def _padded(self, windows: Tensor, size: int) -> Tensor:
        missing = size - len(windows) if self.device.type == "cpu" else 0
        filled = torch.cat([windows, windows[-1:].expand(missing, -1, -1)]) if missing else windows
        return self.look(filled)[: len(windows)]

    def assembler(self, stride: int) -> "OverlapMean | Sequence":
        """Return the object that turns the scores of consecutive windows into scores of points."""
        network = self.network
        if isinstance(network, ScoresSequences):
            return Sequence(network, self.length)
        return OverlapMean(self.length, stride)

    def score_last(self, windows: Tensor, before: Tensor) -> np.ndarray:
        """Return the scores (B, C) of the last points of windows, each as if its series ended there.

        Parameters
        ----------
        windows, before : Tensors of shape (B, T, C)
            The windows, and those that end one point earlier.
        """
        network = self.network
        if not isinstance(network, ScoresSequences):
            return self.look(windows)[:, -1].numpy()
        pairs = torch.stack([self.look(before), self.look(windows)], dim=1)  # (B, 2, …)
        return torch.stack([network.score_sequence(pair)[-1] for pair in pairs]).numpy()

    def score(
        self,
        values: np.ndarray | Tensor,
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
            If windows do not overlap and the last one ends before the series does, add one that ends with it.
        batch_size : int, optional
            Windows in a batch; by default blocks of one fixed shape.
        name : str
            Name of the series in errors.
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
    """Mean score of a point over the windows that contain it, as the windows arrive.

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
        """Add the scores (k, series, length, C) of the next k windows, and return the means that are now final.

        Returns
        -------
        float32 array of shape (series, k · stride, C)
            Those of the points from the first window's start on that no later window contains.
        """
        return np.concatenate([self._add(window) for window in scores], axis=1)

    def _add(self, scores: np.ndarray) -> np.ndarray:
        if self.sums is None:
            self.sums = np.zeros(scores.shape)
        self.sums += scores
        self.counts += 1
        final = self._means(self.sums, self.stride)
        fresh = self.length - self.stride
        self.sums[:, :fresh], self.counts[:fresh] = (
            self.sums[:, self.stride :].copy(),
            self.counts[self.stride :].copy(),
        )
        self.sums[:, fresh:], self.counts[fresh:] = 0, 0
        return final

    def finish(self, scores: np.ndarray | None, behind: int) -> np.ndarray:
        """Add the scores (series, length, C) of the window that ends with the series, and return the last means.

        Parameters
        ----------
        scores : array or None
            None if `behind` is 0: it is the previous window.
        behind : int
            Points between the end of the previous window and that of this one, fewer than `stride`.

        Returns
        -------
        float32 array of shape (series, length − stride + behind, C)
        """
        assert self.sums is not None  # no series is shorter than a window
        waiting = self.length - self.stride
        if behind and scores is not None:
            self.sums[:, : waiting + behind] += scores[:, self.stride - behind :]
            self.counts[: waiting + behind] += 1
        return self._means(self.sums, waiting + behind)

    def _means(self, sums: np.ndarray, points: int) -> np.ndarray:
        return (sums[:, :points] / self.counts[:points, None]).astype(np.float32)

    def get_state(self) -> dict[str, np.ndarray]:
        """Return the state for `set_state`."""
        return {"counts": self.counts} if self.sums is None else {"sums": self.sums, "counts": self.counts}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue from the result of `get_state`."""
        self.sums, self.counts = state.get("sums"), state["counts"]


class Sequence:
    """Scores of points from the representations of the windows that end with them.

    The points before the end of the first window have its representation. A score is final when the representations
    that the network looks ahead to have arrived; at the end of the series it uses those that exist.

    Parameters
    ----------
    network : ScoresSequences
    length : int
        Points in a window.
    """

    def __init__(self, network: ScoresSequences, length: int):
        self.network, self.length, self.ahead = network, length, getattr(network, "look_ahead", 0)
        self.known: np.ndarray | None = None  # (points, series, …), the past that later scores need
        self.waiting = 0  # number of these points, at the end, that have no score yet

    def add(self, represented: np.ndarray) -> np.ndarray:
        """Add the representations (k, series, …) of the next k windows, and return the scores that are now final.

        Returns
        -------
        float array of shape (series, points, C)
            Those of the next points in order, starting with the first one of the series.
        """
        if self.known is None:
            represented = np.concatenate([represented[:1].repeat(self.length - 1, axis=0), represented])
        self._remember(represented)
        self.waiting += len(represented)
        return self._take(max(0, self.waiting - self.ahead))

    def add_last(self, represented: np.ndarray) -> np.ndarray:
        """Add the representation (1, series, …) of the next window, and return its point's score if the series ends.

        Returns
        -------
        float array of shape (series, 1, C)
        """
        self._remember(represented)
        self.waiting = 1
        return self._take(1)

    def finish(self, represented: np.ndarray | None, behind: int) -> np.ndarray:
        """Return the scores (series, points, C) of the pending points."""
        return self._take(self.waiting)

    def _remember(self, represented: np.ndarray) -> None:
        self.known = represented if self.known is None else np.concatenate([self.known, represented])

    def _take(self, count: int) -> np.ndarray:
        """Return the scores of the next `count` pending points; of those with a score, only the last one is kept."""
        assert self.known is not None  # points are pending
        scores = np.stack([self._score(self.known[:, series]) for series in range(self.known.shape[1])])
        first = len(self.known) - self.waiting
        self.waiting -= count
        self.known = self.known[-self.waiting - 1 :]
        return scores[:, first : first + count]

    def _score(self, represented: np.ndarray) -> np.ndarray:
        return self.network.score_sequence(torch.from_numpy(np.ascontiguousarray(represented))).numpy()

    def get_state(self) -> dict[str, np.ndarray]:
        """Return the state for `set_state`."""
        return {} if self.known is None else {"known": self.known, "waiting": np.array(self.waiting)}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue from the result of `get_state`."""
        self.known, self.waiting = state.get("known"), int(state.get("waiting", 0))
