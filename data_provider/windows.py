"""Sliding windows over a part: windows are not stored; batches are gathered by index on the data's device."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch

from data_provider.errors import DataError


class Windows:
    """All windows of one length over a part.

    Parameters
    ----------
    values : tensor or array of shape (n, C)
    length : int
        Points in a window.
    stride : int
        Points between the starts of neighbouring windows.
    cover_tail : bool
        If the last window ends before the last point, add one that ends there.
    name : str
        Name of the part in errors.
    lengths : sequence of int, optional
        Lengths of the series that are concatenated in `values`: no window crosses their borders, and a series shorter
        than a window has none. By default `values` is one series.

    Attributes
    ----------
    values : float32 tensor of shape (n, C)
    starts : int64 tensor of shape (number of windows,)
        First point of each window.
    covered_points : int
        Number of points up to the end of the last window.

    Raises
    ------
    DataError
        When the part, or each of its series, is shorter than a window.
    """

    def __init__(
        self,
        values,
        length: int,
        *,
        stride: int = 1,
        cover_tail: bool = False,
        name: str = "the series",
        lengths: Sequence[int] | None = None,
    ):
        if length < 1 or stride < 1:
            raise ValueError(f"length and stride must be positive, got {length} and {stride}")
        if values.ndim != 2:
            raise ValueError(f"values must have shape (n, C), got {tuple(values.shape)}")
        if lengths is not None and (sum(lengths) != len(values) or cover_tail):
            raise ValueError(f"lengths must add up to {len(values)} points, and go without cover_tail, got {lengths}")
        longest = max(lengths, default=0) if lengths is not None else len(values)
        if longest < length:
            raise DataError(
                f"{name} has {longest} points, fewer than a window of {length} (seq_len): "
                "use more points or a shorter window"
            )
        if isinstance(values, np.ndarray):
            values = torch.from_numpy(np.require(values, np.float32, ["C", "W"]))
        self.values = values.to(torch.float32).contiguous()
        self.length, self.stride, self.cover_tail, self.name, self.lengths = length, stride, cover_tail, name, lengths
        last = len(values) - length
        if lengths is None:
            self.starts = torch.arange(0, last + 1, stride, device=self.values.device)
        else:
            self.starts = _starts(lengths, length, stride).to(self.values.device)
        if cover_tail and last % stride:
            self.starts = torch.cat([self.starts, self.starts.new_tensor([last])])
        self.covered_points = int(self.starts[-1]) + length
        self._offsets = torch.arange(length, device=self.values.device)

    def __len__(self) -> int:
        return len(self.starts)

    def to(self, device) -> "Windows":
        """Return the same windows over the part on `device`, where batches are then gathered."""
        options = {"stride": self.stride, "cover_tail": self.cover_tail, "name": self.name, "lengths": self.lengths}
        return Windows(self.values.to(device), self.length, **options)

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """Copy the windows at `indices`, int64 of shape (B,), into one tensor of shape (B, length, C)."""
        starts = self.starts[indices.to(self.starts.device)]
        points = (starts[:, None] + self._offsets).flatten()
        # Selecting rows of the contiguous part needs no memory beyond the batch on any device; some devices
        # would copy a strided view of all windows to contiguous memory before selecting from it.
        return self.values.index_select(0, points).view(len(starts), self.length, -1)

    def batches(
        self, batch_size: int, *, generator: torch.Generator | None = None, limit: int | None = None
    ) -> Iterator[torch.Tensor]:
        """Yield the indices of all windows, or of `limit` of them, in batches: in order, or shuffled by a generator.

        The order is drawn on the CPU, so that it is the same on every device, and copied to the part's device in one
        go: one copy per batch would make the CPU wait for the device each time.
        """
        count = len(self)
        order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
        yield from order[:limit].to(self.values.device).split(batch_size)


def _starts(lengths: Sequence[int], length: int, stride: int) -> torch.Tensor:
    """Return where the windows of series that follow each other start."""
    borders = np.cumsum([0, *lengths])
    starts = [np.arange(first, last - length + 1, stride) for first, last in pairwise(borders)]
    return torch.from_numpy(np.concatenate(starts).astype(np.int64))
