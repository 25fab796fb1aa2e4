"""Scores of a part by a trained network: windows side by side, a window for each point, or overlapping ones."""

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from data_provider import Windows
from exp.errors import UserError
from exp.training.devices import mixed_precision


def scoring_windows(network: nn.Module, values, length: int, *, cover_tail: bool, name: str) -> Windows:
    """Return the windows of a part (n, C) that give its points their scores.

    They stand side by side. Where a network scores a window's last point alone, one ends at every point.
    """
    stride = 1 if hasattr(network, "represent") else length
    return Windows(values, length, stride=stride, cover_tail=cover_tail, name=name)


def score_windows(
    network: nn.Module,
    windows: Windows,
    *,
    batch_size: int,
    precision: str = "fp32",
    title: str = "score",
    hide_bar: bool | None = None,
) -> np.ndarray:
    """Score the points that windows cover.

    Parameters
    ----------
    network : nn.Module
    windows : Windows
        As `scoring_windows` gives them.
    batch_size : int
        Windows in a batch.
    precision : {"fp32", "bf16"}
        Of the products inside the network.
    title : str
        Of the progress bar.
    hide_bar : bool or None
        None: where the output is no terminal.

    Returns
    -------
    float32 array of shape (points, C)
        Where only a window's last point has a score, the points before the first such one have its score.

    Raises
    ------
    UserError
        When a score is no longer a finite number.
    """
    by_sequence = hasattr(network, "represent")
    look = network.represent if by_sequence else network.score
    device = next(network.parameters()).device
    windows = windows.to(device)
    looked = []
    with tqdm(total=len(windows), desc=title, unit="window", disable=hide_bar, leave=False) as bar:
        for indices in windows.batches(batch_size):
            with mixed_precision(device, precision):
                looked.append(look(windows.gather(indices)).float().cpu())
            bar.update(len(indices))
    if by_sequence:
        score = network.score_sequence(torch.cat(looked))
        score = torch.cat([score[:1].expand(windows.length - 1, -1), score]).numpy()
    else:
        score = windows.assemble(torch.cat(looked)).numpy()
    finite = np.isfinite(score).all(axis=1)
    if not finite.all():
        raise UserError(
            f"{windows.name}: the score of point {int(finite.argmin())} (from 0) is NaN or infinity: its window "
            "holds a value too far from those of the training part, correct it"
        )
    return score


class OverlapMean:
    """Mean score of a point over the overlapping windows that hold it, as the windows come.

    Parameters
    ----------
    length, stride : int
        Points in a window, and between the starts of neighbouring windows.
    shape : tuple of int
        (series, channels).
    """

    def __init__(self, length: int, stride: int, shape: tuple[int, int]):
        self.length, self.stride = length, stride
        self.sums = np.zeros((shape[0], length, shape[1]))
        self.counts = np.zeros(length)

    def add(self, scores: np.ndarray) -> np.ndarray:
        """Take the next window's scores (series, length, C), and return the means that have become final.

        Returns
        -------
        float32 array of shape (series, stride, C)
            Of the points from the window's start on, which no later window holds.
        """
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

    def finish(self, scores: np.ndarray, behind: int) -> np.ndarray:
        """Take the scores (series, length, C) of the window that ends with the series, and return the last means.

        Parameters
        ----------
        scores : array
        behind : int
            Points between the end of the window before and that of this one, fewer than `stride`. With 0 it is the
            same window, and is not taken again.

        Returns
        -------
        float32 array of shape (series, length − stride + behind, C)
        """
        waiting = self.length - self.stride
        if not behind:
            return self._means(waiting)
        self.sums[:, : waiting + behind] += scores[:, self.stride - behind :]
        self.counts[: waiting + behind] += 1
        return self._means(waiting + behind)

    def _means(self, points: int) -> np.ndarray:
        return (self.sums[:, :points] / self.counts[:points, None]).astype(np.float32)
