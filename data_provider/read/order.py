"""The order of rows by their times, and the steps between them."""

import numpy as np
import pandas as pd

from data_provider.read.day_order import REGULAR

# By how much clocks are put back: by half an hour on Lord Howe Island.
_SHIFTS = {pd.Timedelta(hours=1): "an hour", pd.Timedelta(minutes=30): "half an hour"}
_RESOLUTIONS = [10**power for power in range(9, -1, -1)]  # nanoseconds: a second and its decimal fractions


def in_order(frame: pd.DataFrame, times: pd.Index, notes: list[str]) -> tuple[pd.DataFrame, pd.Index]:
    """Return rows in time order; none is lost.

    Rows with the newest first are reversed; when clocks were put back, the repeated times keep their order.
    """
    if not times.is_monotonic_increasing:
        late = int((times[1:] < times[:-1]).sum())
        if times.is_monotonic_decreasing or (_shift(times[::-1]) and not _shift(times)):
            notes.append(
                f"times out of order: {late} of {len(times)} rows are earlier than the one before, newest "
                "first; reversed"
            )
            frame, times = frame[::-1], times[::-1]
        elif not _shift(times):
            notes.append(f"times out of order: {late} of {len(times)} rows are earlier than the one before; sorted")
            order = times.argsort(kind="stable")
            frame, times = frame.iloc[order], times[order]
    if shift := _shift(times):
        place = int((times[1:] < times[:-1]).argmax()) + 1
        notes.append(
            f"{_SHIFTS[shift]} occurs twice, as when clocks go back ({times[place - 1]} is followed by {times[place]}"
            "): the file's order is kept; to tell the times apart, use --timezone"
        )
        return frame, times
    if not times.is_unique:
        repeated = times.duplicated()
        notes.append(f"duplicated times: {int(repeated.sum())} rows, the first at {times[repeated][0]}; all are kept")
    return frame, times


def _shift(times: pd.Index) -> pd.Timedelta | None:
    """Return by how much clocks were put back, at most twice a year, in times without a zone that otherwise rise."""
    if not isinstance(times, pd.DatetimeIndex) or times.tz is not None or len(times) < 4:
        return None
    steps = np.diff(times.to_numpy())
    back = steps < np.timedelta64(0)
    if not back.any() or back.sum() * 2 > len(steps):
        return None
    usual = pd.Timedelta(np.median(steps[~back]))
    hours, again = times[1:][back].hour, times.duplicated()[1:][back]
    at_night = ((hours <= 3) | (hours == 23)).all()
    if not at_night or not again.all() or back.sum() > 2 * (1 + (times.max() - times.min()).days / 365):
        return None
    for shift in _SHIFTS:
        forward = pd.TimedeltaIndex(steps[back]) + shift
        if pd.Timedelta(0) < usual <= shift and (abs(forward - usual) <= REGULAR * usual).all():
            return shift
    return None


def note_sampling(times: pd.Index, notes: list[str]) -> None:
    """Report where steps differ from the usual one by more than the precision of the written times."""
    dates = isinstance(times, pd.DatetimeIndex)
    numbers = times.as_unit("ns").asi8 if dates else times.to_numpy()
    if len(numbers) < 2:
        return
    numbers = numbers.astype(np.float64) if numbers.dtype.kind == "u" else numbers
    steps = np.diff(numbers)
    if dates and (shift := _shift(times)):
        steps[steps < 0] += shift.value
    usual = np.median(steps)
    rounding = 0.0 if dates else 4 * np.spacing(np.abs(numbers).max().astype(np.float64))
    odd = np.abs(steps - usual) > max(REGULAR * usual, rounding)
    if not odd.any() or (dates and _is_rounded(numbers, usual)):
        return
    first = times[int(odd.argmax()) + 1]
    told = _told if dates else "{:g}".format
    notes.append(
        f"irregular sampling: {int(odd.sum())} of {len(steps)} steps differ from the usual {told(usual)}, the first "
        f"before {first}, and the longest is {told(steps.max())}; points are taken as evenly spaced"
    )


def _told(nanoseconds: float) -> str:
    """Return a step without the days that it does not have."""
    return str(pd.Timedelta(int(nanoseconds))).removeprefix("0 days ")


def _is_rounded(nanoseconds: np.ndarray, usual: float) -> bool:
    """Whether times are evenly spaced up to the precision of the written times."""
    from_start = nanoseconds - nanoseconds[0]
    resolution = next(unit for unit in _RESOLUTIONS if not (nanoseconds % unit).any())
    if resolution * 3 > usual:
        return False
    even = np.linspace(0, from_start[-1], len(from_start))
    return bool(np.abs(from_start - even).max() <= resolution)
