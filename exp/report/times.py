"""The horizontal axis of the page: the times of the rows, or their numbers."""

from typing import NamedTuple

import numpy as np
import pandas as pd

# Regular up to a share of a step that no plot can show.
TOLERANCE = 1e-3
# Floats that differ from evenly spaced ones by no more than this share do so because of rounding.
ROUNDING = 1e-14
MOST_DECIMALS = 9
# Finer steps are drawn from a separate origin: float64 holds milliseconds since 1970 only to a quarter of 0.001.
FINEST_STEP = 0.01  # milliseconds
WIDTHS = {2: "<u2", 4: "<u4"}
FEW = 1 / 16  # share of steps that are stored separately


class Times(NamedTuple):
    """Positions of rows on the axis.

    Attributes
    ----------
    kind : {"row", "number", "time"}
        Row numbers, numbers of an unknown unit, or milliseconds since 1970.
    x : float64 array of shape (n,)
        The positions, never decreasing; those of very fine times and of large integers count from `origin`.
    zone : str
        The time zone in which times are given, or empty if the series names none.
    problem : str
        Why the rows are numbered although they have times, or empty.
    ticks : int64 array of shape (n,), or None
        The exact times in units of 10 ** -digits seconds since 1970, or numbers in units of 10 ** -digits. None for
        numbers with many decimals, for which `x` is exact.
    digits : int
    origin : int
        The tick at which `x` is 0.
    """

    kind: str
    x: np.ndarray
    zone: str = ""
    problem: str = ""
    ticks: np.ndarray | None = None
    digits: int = 0
    origin: int = 0

    @property
    def steps(self) -> np.ndarray:
        """The distances (n - 1,) between rows, in seconds or units of the number."""
        return np.diff(self.x) if self.ticks is None else np.diff(self.ticks) / 10**self.digits

    @property
    def regular(self) -> bool:
        """Whether all steps are about the same."""
        if len(self.x) < 3:
            return True
        x = self.x - self.x[0] if self.ticks is None else (self.ticks - self.ticks[0]).astype(np.float64)
        even = np.linspace(0, x[-1], len(x))
        step = even[1]
        away = np.abs(np.subtract(x, even, out=even), out=even)  # in the same memory, for long series
        return bool(away.max() <= TOLERANCE * step)

    @property
    def even(self) -> bool:
        """Whether all steps are exactly the same, or as far as floats allow."""
        if self.ticks is not None:
            return len(self.ticks) < 3 or not np.ptp(np.diff(self.ticks))
        even = np.linspace(self.x[0], self.x[-1], len(self.x))
        return bool((np.abs(self.x - even) <= ROUNDING * np.abs(even).max()).all())

    @property
    def width(self) -> int:
        """Bytes that a row's time takes in the page."""
        if self.even:
            return 0
        return 8 if self.ticks is None else _width(_in_units(self.ticks)[1])

    def text(self, row: int) -> str:
        """Format the time of a row for a reader, in full digits."""
        if self.ticks is None:
            return repr(float(self.x[row])).removesuffix(".0")
        tick = int(self.ticks[row])
        if self.kind == "time":
            moment, _, fraction = str(np.datetime64(tick, UNITS[self.digits])).replace("T", " ").partition(".")
            while fraction.endswith("000"):
                fraction = fraction[:-3]
            return f"{moment}.{fraction}" if fraction else moment
        return _decimal(tick, self.digits)


UNITS = {3: "ms", 6: "us", 9: "ns"}


def read_times(times: np.ndarray | pd.Index | None, n: int) -> Times:
    """Return the positions of `n` rows.

    Parameters
    ----------
    times : datetime64 or numeric array or index of shape (n,), or None
        None numbers the rows. Times with a time zone are given in its local time, or in UTC if its clocks changed
        during the series.
    n : int

    Returns
    -------
    Times
        Numbered rows, with a problem, if the times decrease, one is missing or all are the same.
    """
    if times is None:
        return Times("row", np.arange(n, dtype=np.float64), ticks=np.arange(n))
    zone = ""
    if isinstance(times, pd.DatetimeIndex) and times.tz is not None:
        times, zone = _without_zone(times)
    array = np.asarray(times)
    missing = np.isnat(array) if array.dtype.kind == "M" else ~np.isfinite(array.astype(np.float64))
    if missing.any():
        return read_times(None, n)._replace(problem="a row has no time, so the rows are numbered instead")
    found = _moments(array) if array.dtype.kind == "M" else _numbers(array)
    exact = found.x if found.ticks is None else found.ticks
    if (exact[1:] < exact[:-1]).any():
        return read_times(None, n)._replace(problem="the times are not in order, so the rows are numbered instead")
    if n > 1 and exact[0] == exact[-1]:
        return read_times(None, n)._replace(problem="all rows have the same time, so they are numbered instead")
    return found._replace(zone=zone)


def _without_zone(times: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, str]:
    clock, universal = times.tz_localize(None), times.tz_convert("UTC").tz_localize(None)
    offsets = (clock - universal)[times.notna()]
    return (clock, str(times.tz)) if offsets.nunique() == 1 else (universal, "UTC")


def _moments(array: np.ndarray) -> Times:
    unit = np.datetime_data(array.dtype)[0]
    digits = next((digits for digits, name in UNITS.items() if name == unit), 3)
    ticks = array.astype(f"datetime64[{UNITS[digits]}]").astype(np.int64)
    second = 10**digits
    step = (int(ticks[-1]) - int(ticks[0])) / max(len(ticks) - 1, 1) * 1e3 / second  # milliseconds
    origin = int(ticks[0]) // second * second if 0 < step < FINEST_STEP else 0
    return Times("time", (ticks - origin) / (second // 1000), ticks=ticks, digits=digits, origin=origin)


def _numbers(array: np.ndarray) -> Times:
    digits, ticks = _as_decimals(array)
    if ticks is None:
        return Times("number", array.astype(np.float64))
    spread = (int(ticks[-1]) - int(ticks[0])) / max(len(ticks) - 1, 1)
    # If float64 cannot represent positions between the rows, they count from the first one.
    far = spread > 0 and np.spacing(float(np.abs(ticks).max())) > TOLERANCE * spread
    origin = int(ticks[0]) if far else 0
    return Times("number", (ticks - origin) / 10**digits, ticks=ticks, digits=digits, origin=origin)


def _as_decimals(array: np.ndarray) -> tuple[int, np.ndarray | None]:
    """Return the fewest decimals that hold all numbers exactly, and these in that unit; None if there are many."""
    if array.dtype.kind in "iub" and (not len(array) or array.max() <= np.iinfo(np.int64).max):
        return 0, array.astype(np.int64)
    numbers = array.astype(np.float64)
    for digits in range(MOST_DECIMALS + 1):
        scaled = np.rint(numbers * 10**digits)
        if np.abs(scaled).max() >= 2**53:
            break
        if (scaled / 10**digits == numbers).all():
            return digits, scaled.astype(np.int64)
    return 0, None


def _decimal(tick: int, digits: int) -> str:
    text = f"{abs(tick):0{digits + 1}d}"
    whole, decimals = text[: len(text) - digits], text[len(text) - digits :].rstrip("0")
    return ("-" if tick < 0 else "") + whole + ("." + decimals if decimals else "")


def pack_times(times: Times, stride: int = 1) -> tuple[dict, bytes]:
    """Pack times: start and step if they are even, else two, four or eight bytes for each; times.js unpacks them.

    Parameters
    ----------
    times : Times
    stride : int
        Keep every `stride`-th row, and the last one; the page interpolates between them.

    Returns
    -------
    description : dict
        `kind`, `zone`, and the axis's `first` and `pace`: its first position and the mean step. For exact times
        `digits` and, as text because a script's numbers end at 2 ** 53, `start`, `origin`, `step` if they are even
        and `unit` if they are not. If the times are not even, `width`, `stride`, `count` and `exceptions`.
    data : bytes
        Little-endian. For width 8, the kept positions as float64, or ticks as int64. Otherwise the steps between the
        kept rows in units, as uint16 or uint32; those in `exceptions`, pairs of an index and a step, replace their
        entries.
    """
    x, ticks = times.x, times.ticks
    pace = (x[-1] - x[0]) / (len(x) - 1) if len(x) > 1 else 1.0
    description = {"kind": times.kind, "zone": times.zone, "first": float(x[0]), "pace": float(pace), "width": 0}
    if ticks is not None:
        description |= {"digits": times.digits, "origin": str(times.origin), "start": str(int(ticks[0]))}
    if times.even:
        if ticks is not None:
            description["step"] = str(int(ticks[1] - ticks[0]) if len(x) > 1 else 1)
        return description, b""
    kept = np.append(np.arange(0, len(x) - 1, stride), len(x) - 1)
    description |= {"stride": stride, "count": len(kept), "exceptions": []}
    if ticks is None:
        return description | {"width": 8}, x[kept].astype("<f8").tobytes()
    unit, steps = _in_units(ticks[kept])
    width = _width(steps)
    if width == 8:
        return description | {"width": 8}, ticks[kept].astype("<i8").tobytes()
    large = np.flatnonzero(steps > np.iinfo(WIDTHS[width]).max)
    exceptions = [[int(index), int(steps[index])] for index in large]
    steps[large] = 0
    description |= {"width": width, "unit": str(unit), "exceptions": exceptions}
    return description, steps.astype(WIDTHS[width]).tobytes()


def _in_units(ticks: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the greatest common unit of all steps, and the steps in it."""
    steps = np.diff(ticks)
    unit = int(np.gcd.reduce(steps))
    return unit, steps // unit


def _width(steps: np.ndarray) -> int:
    """Return the bytes per step, not counting a few large ones; 8 if a float cannot hold their sum."""
    for width, kind in WIDTHS.items():
        large = steps > np.iinfo(kind).max
        if large.sum() <= FEW * len(steps) and steps.sum() < 2**53:
            return width
    return 8
