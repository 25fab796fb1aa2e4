"""What a stream remembers about time: which points are new, and which come after a gap."""

import math
from collections import deque
from datetime import datetime
from numbers import Real
from statistics import median
from typing import NamedTuple

import numpy as np
import pandas as pd

from exp.errors import UserError

REMEMBERED = 31  # steps whose median is the usual one, so a changed rate becomes usual after half as many
LEAST_STEPS = 5  # steps needed before there is a usual one
TOLD = 3.0  # in usual steps; a longer one is reported as a gap
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
NUMBER, DATE, DATE_IN_ZONE = "a number", "a date without a zone", "a date with a zone"


class Instant(NamedTuple):
    """A time that can be compared and stored.

    Attributes
    ----------
    kind : str
        One of the three above; only times of one kind are compared.
    value : int or float
        The number, or nanoseconds since 1970; in UTC if there is a zone.
    """

    kind: str
    value: int | float


class Verdict(NamedTuple):
    """The clock's verdict on a point.

    Attributes
    ----------
    order : {"new", "repeated", "older"}
        Relative to the latest new time.
    step : int or float or None
        From the last time to this one, if it is new and there is one.
    usual : float or None
        The usual step so far.
    gap : bool
        Whether the step is longer than `TOLD` usual ones, or than the gap that starts a fresh window.
    fresh : bool
        Whether a fresh window starts here.
    """

    order: str
    step: int | float | None = None
    usual: float | None = None
    gap: bool = False
    fresh: bool = False


def instant(time) -> Instant:
    """Return a number, or a date from the standard library, numpy or pandas, as a comparable time.

    Raises
    ------
    ValueError
        When it is none of these, or is missing or infinite.
    """
    if isinstance(time, Instant):
        return time
    if isinstance(time, datetime | np.datetime64):
        stamp = pd.Timestamp(time)
        if stamp is pd.NaT:
            raise ValueError("a time is missing")
        ticks = int(stamp.asm8.astype(np.int64))
        return Instant(DATE if stamp.tzinfo is None else DATE_IN_ZONE, ticks * NANOSECONDS[stamp.unit])
    if isinstance(time, Real) and not isinstance(time, bool | np.bool_):
        if not math.isfinite(time):
            raise ValueError(f"the time {time} is not finite")
        return Instant(NUMBER, int(time) if int(time) == time else float(time))
    raise ValueError(f"{time!r} is not a time: give numbers or dates")


def parse_gap(text: str) -> float | pd.Timedelta:
    """Parse a gap: a number of usual steps (`10`), or a duration (`2h`, `30min`, `1d12h`).

    Raises
    ------
    UserError
        When it is neither.
    """
    try:
        gap = float(text)
    except ValueError:
        try:
            gap = pd.Timedelta(text)
        except ValueError:
            gap = 0
    try:
        return Clock(gap).gap
    except UserError:
        raise UserError(
            f"--gap {text}: give a number of usual steps above 0, such as 10, or a duration with its unit, such as 2h"
        ) from None


class Clock:
    """The last time of a stream, and its usual step.

    Parameters
    ----------
    gap : float, pandas.Timedelta or None
        A step longer than this many usual ones, or than this duration, starts a fresh window. None: no step does.

    Attributes
    ----------
    last : Instant or None
        The latest time so far.
    repeated, older : int
        Number of points at the last time, and before it; they are skipped.
    gaps : int
        Number of gaps reported.
    """

    def __init__(self, gap: float | pd.Timedelta | None = None):
        if gap is not None and not (gap > pd.Timedelta(0) if isinstance(gap, pd.Timedelta) else 0 < gap < math.inf):
            raise UserError(f"the gap is {gap}: give a number of usual steps above 0, or a duration such as 2h")
        self.gap = gap
        self.last: Instant | None = None
        self.repeated = self.older = self.gaps = 0
        self._steps: deque[int | float] = deque(maxlen=REMEMBERED)

    @property
    def skipped(self) -> int:
        """Number of points that were not later than the last one."""
        return self.repeated + self.older

    def check(self, times: list[Instant]) -> None:
        """Refuse times that cannot be compared with one another and with the last one.

        Raises
        ------
        ValueError
            When one is of another kind.
        UserError
            When the gap is a duration, but the times are numbers.
        """
        kinds = {time.kind for time in times}
        known = min(kinds, default=None) if self.last is None else self.last.kind
        for kind in kinds - {known}:
            raise ValueError(f"the time is {kind}, but the earlier ones are each {known}")
        if known == NUMBER and isinstance(self.gap, pd.Timedelta):
            raise UserError(
                f"the gap is the duration {self.gap}, but the times are numbers without a unit: give a number of usual "
                "steps, such as 10"
            )

    def take(self, time: Instant) -> Verdict:
        """Compare the time of the next point with those so far, and remember it if it is new."""
        if self.last is None:
            self.last = time
            return Verdict("new")
        step = time.value - self.last.value
        if step <= 0:
            order = "older" if step else "repeated"
            self.older, self.repeated = self.older + (step < 0), self.repeated + (step == 0)
            return Verdict(order)
        usual = median(self._steps) if len(self._steps) >= LEAST_STEPS else None
        self.last = time
        self._steps.append(step)
        fresh = self._is_fresh(step, usual)
        gap = fresh or (usual is not None and step > TOLD * usual)
        self.gaps += gap
        return Verdict("new", step, usual, gap, fresh)

    def get_state(self) -> dict:
        """Return the state for `set_state`, of values that JSON can hold."""
        last = None if self.last is None else list(self.last)
        counts = {"repeated": self.repeated, "older": self.older, "gaps": self.gaps}
        return {"last": last, "steps": list(self._steps), **counts}

    def set_state(self, state: dict) -> None:
        """Continue from the result of `get_state`."""
        self.last = None if state["last"] is None else Instant(*state["last"])
        self._steps = deque(state["steps"], maxlen=REMEMBERED)
        self.repeated, self.older, self.gaps = state["repeated"], state["older"], state["gaps"]

    def _is_fresh(self, step: int | float, usual: float | None) -> bool:
        if isinstance(self.gap, pd.Timedelta):
            return step > self.gap.as_unit("ns").value
        return self.gap is not None and usual is not None and step > self.gap * usual
