"""Times that are numbers: Unix times, and dates without separators between their parts."""

import numpy as np
import pandas as pd

UNIX_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_UNIX_RANGE = (315_532_800, 2_051_222_400)  # seconds: 1980 to 2034
_COMPACT = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}


def unix_unit(numbers: np.ndarray) -> str | None:
    """Return the unit in which all numbers are Unix times between 1980 and 2034: s, ms, us, ns, or None."""
    if not len(numbers):
        return None
    low, high = float(np.min(numbers)), float(np.max(numbers))
    for unit, factor in _PER_SECOND.items():
        if _UNIX_RANGE[0] * factor <= low and high <= _UNIX_RANGE[1] * factor:
            return unit
    return None


def from_unix(numbers: np.ndarray, unit: str) -> pd.DatetimeIndex:
    """Return Unix times as dates in UTC.

    Fractions are rounded to the precision of a float of this size: microseconds.
    """
    factor = 10**9 // _PER_SECOND[unit]
    if numbers.dtype.kind in "iu":
        nanoseconds = numbers.astype(np.int64) * factor
    else:
        whole = np.floor(numbers)
        digits = {"s": 6, "ms": 3}.get(unit, 0)
        fraction = np.round((numbers - whole) * 10**digits).astype(np.int64)
        nanoseconds = whole.astype(np.int64) * factor + fraction * (factor // 10**digits)
    return pd.DatetimeIndex(nanoseconds.astype("datetime64[ns]")).tz_localize("UTC")


def compact_format(numbers: np.ndarray) -> str | None:
    """Return the format in which all numbers are dates, such as 20240612, 202406120930 or 20240612093000500, or None.

    Those with milliseconds must be integers, because floats of that size are not exact. Only Unix times after 2030 can
    also be read as dates with an hour, such as 2024061209.
    """
    if not len(numbers) or not 1e7 < np.min(numbers) <= np.max(numbers) < 1e17:
        return None
    if numbers.dtype.kind == "f" and np.any(numbers != np.floor(numbers)):
        return None
    texts = pd.Series(numbers.astype(np.int64)).astype(str)
    digits = len(texts.iloc[0])
    if digits not in _COMPACT or (digits > 15 and numbers.dtype.kind == "f") or (texts.str.len() != digits).any():
        return None
    dates = pd.to_datetime(texts, format=_COMPACT[digits], errors="coerce")
    return _COMPACT[digits] if dates.notna().all() and dates.dt.year.between(1900, 2100).all() else None


def from_compact(numbers: np.ndarray, form: str) -> pd.Series:
    """Parse numbers as dates with a format, NaT where one does not fit; leading zeros are added."""
    width = len(pd.Timestamp(2000, 12, 12).strftime(form.replace("%f", "")))
    texts = pd.Series(numbers.astype(np.int64)).astype(str).str.zfill(width)
    return pd.to_datetime(texts, format=form, errors="coerce")
