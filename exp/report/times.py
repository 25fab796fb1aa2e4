"""The horizontal axis of the page: the times of the rows, or their numbers."""

from typing import NamedTuple

import numpy as np
import pandas as pd

# Regular up to a share of a step that no plot shows.
TOLERANCE = 1e-3
# A unit is no coarser than this part of the mean step; so at most one step in 16 needs more than two bytes.
FINENESS = 4096
LARGEST_STEP = 65_535


class Times(NamedTuple):
    """Positions of rows on the axis.

    Attributes
    ----------
    kind : {"row", "number", "time"}
        Row numbers, numbers of an unknown unit, or milliseconds since 1970.
    x : float64 array of shape (n,)
        The positions, never falling.
    zone : str
        The time zone that times are given in, or empty where the series names none.
    problem : str
        Why the rows are numbered although they have times, or empty.
    """

    kind: str
    x: np.ndarray
    zone: str = ""
    problem: str = ""

    @property
    def regular(self) -> bool:
        """Whether all steps are the same."""
        if len(self.x) < 3:
            return True
        even = np.linspace(self.x[0], self.x[-1], len(self.x))
        return bool(np.abs(self.x - even).max() <= TOLERANCE * (even[1] - even[0]))

    def text(self, row: int) -> str:
        """Name the time of a row for a reader."""
        if self.kind == "time":
            moment = pd.Timestamp(round(self.x[row] * 1e3), unit="us")
            return moment.isoformat(sep=" ", timespec="milliseconds" if moment.microsecond else "seconds")
        return f"{self.x[row]:.10g}"


def read_times(times: np.ndarray | pd.Index | None, n: int) -> Times:
    """Return the positions of `n` rows.

    Parameters
    ----------
    times : datetime64 or numeric array or index of shape (n,), or None
        None numbers the rows. Times with a time zone are given by its clock, or in UTC where that was put forward or
        back.
    n : int

    Returns
    -------
    Times
        Numbered rows, with a problem, where the times fall, one is missing or all are the same.
    """
    if times is None:
        return Times("row", np.arange(n, dtype=np.float64))
    zone = ""
    if isinstance(times, pd.DatetimeIndex) and times.tz is not None:
        times, zone = _without_zone(times)
    array = np.asarray(times)
    kind = "time" if array.dtype.kind == "M" else "number"
    if kind == "time":
        x = np.where(np.isnat(array), np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e3)
    else:
        x = array.astype(np.float64)
    if not np.isfinite(x).all():
        return read_times(None, n)._replace(problem="a row has no time, so the rows are numbered instead")
    if (np.diff(x) < 0).any():
        return read_times(None, n)._replace(problem="the times are not in order, so the rows are numbered instead")
    if n > 1 and x[0] == x[-1]:
        return read_times(None, n)._replace(problem="all rows have the same time, so they are numbered instead")
    return Times(kind, x, zone)


def _without_zone(times: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, str]:
    clock, universal = times.tz_localize(None), times.tz_convert("UTC").tz_localize(None)
    offsets = (clock - universal)[times.notna()]
    return (clock, str(times.tz)) if offsets.nunique() == 1 else (universal, "UTC")


def pack_times(times: Times, stride: int = 1) -> tuple[dict, bytes]:
    """Pack positions: two numbers where they are regular, else about two bytes for each.

    Parameters
    ----------
    times : Times
    stride : int
        Keep every so many-th row, and the last one; between them the page interpolates.

    Returns
    -------
    description : dict
        `kind`, `start`, `step` (the mean) and, where the positions are irregular, `stride`, `unit`, `count` and
        `exceptions`.
    data : bytes
        The steps between the kept positions in units, little-endian uint16; those in `exceptions`, pairs of an index
        and a step, replace their entries. Positions are exact where they are multiples of a unit that is no finer than
        a `FINENESS`-th of the mean step, else to half of such a unit.
    """
    x = times.x
    mean = (x[-1] - x[0]) / (len(x) - 1) if len(x) > 1 else 1.0
    description = {"kind": times.kind, "zone": times.zone, "start": float(x[0]), "step": float(mean)}
    if times.regular:
        return description, b""
    kept = np.append(x[:-1:stride], x[-1])
    unit = _unit(kept, times.kind)
    steps = np.diff(np.rint((kept - kept[0]) / unit).astype(np.int64))
    large = np.flatnonzero(steps > LARGEST_STEP)
    exceptions = np.stack([large, steps[large]], axis=1).tolist()
    steps[large] = 0
    description |= {"stride": stride, "unit": unit, "count": len(kept), "exceptions": exceptions}
    return description, steps.astype("<u2").tobytes()


def _unit(x: np.ndarray, kind: str) -> float:
    """Return the greatest unit that all steps are multiples of, or, where that is too fine, a part of the mean step."""
    finest = (x[-1] - x[0]) / (len(x) - 1) / FINENESS
    if kind == "time":
        common = np.gcd.reduce(np.rint(np.diff(x) * 1e3).astype(np.int64)) / 1e3
        return float(max(common, finest))
    return float(finest)
