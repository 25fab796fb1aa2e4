"""Determines which number of a date is the day, from the steps between the dates of a column."""

import re

import numpy as np
import pandas as pd

from data_provider.errors import DataError

REGULAR = 1e-3  # of the usual step; smaller differences are rounding
_FIRST = {"d": "the day", "m": "the month", "Y": "the year", "y": "the year"}


def orders(form: str | None) -> list[str]:
    """Return the formats that differ from `form`, which has the day first, only in the order of day, month and year."""
    if form is None:
        return []
    found = re.match(r"%d(\W)%m\1%([Yy])", form)
    if not found:
        return [form]
    separator = found[1]
    ways = ("dmY", "mdY") if found[2] == "Y" else ("dmy", "mdy", "ymd")
    return [separator.join(f"%{letter}" for letter in way) + form[found.end() :] for way in ways]


def best_order(
    read: list[tuple[str, pd.Series]], cells: pd.Series, source: str, shown: list[str] | None = None
) -> tuple[int, str | None]:
    """Choose the reading of a column whose steps are regular.

    Parameters
    ----------
    read : list of (format, times)
        All readings that fit every cell, those with the day first before others.
    cells : pandas.Series
    source : str
    shown : list of str, optional
        The formats as the user may give them, one for each reading.

    Returns
    -------
    index : int
        Index of the reading.
    note : str or None
        What was decided, with a cell on which the readings differ; None if all are the same.

    Raises
    ------
    DataError
        When several are equally good; names a cell on which they differ and the formats to choose from.
    """
    shown = shown or [form for form, _ in read]
    others = [index for index in range(1, len(read)) if not read[index][1].equals(read[0][1])]
    if not others:
        return 0, None
    disorders = _disorders({index: read[index][1] for index in (0, *others)})
    ranked = sorted(disorders, key=lambda index: (sum(disorders[index]), index))
    chosen, second = ranked[:2]
    reason = "which makes the steps regular"
    if not _clearly_better(disorders[chosen], disorders[second]):
        dotted = "." in cells.iloc[0].split()[0]
        if not dotted or _clearly_better(disorders[ranked[0]], disorders[0]):
            place, cell = _first_difference(read[chosen][1], read[second][1], cells)
            ways = " or ".join(f"{read[index][1].iloc[place]:%d %B %Y}" for index in (chosen, second))
            options = " or ".join(f"--date-format '{shown[index]}'" for index in (chosen, second))
            raise DataError(
                f"{source}: row {cells.index[place]} of column {cells.name!r} holds {cell!r}, which may be {ways}: use "
                f"{options}"
            )
        chosen, second = 0, others[0]
        reason = "as usual for dates with points"
    place, cell = _first_difference(read[chosen][1], read[second][1], cells)
    first = _FIRST[re.search(r"%(\w)", read[chosen][0])[1]]
    return chosen, (
        f"dates are read with {first} first, {reason}: {cell} is {read[chosen][1].iloc[place]:%d %B %Y}; "
        "override with --date-format"
    )


def _first_difference(times: pd.Series, others: pd.Series, cells: pd.Series) -> tuple[int, str]:
    place = int((times != others).to_numpy().argmax())
    return place, cells.iloc[place]


def _disorders(read: dict[int, pd.Series]) -> dict[int, tuple[int, int]]:
    """Return for each reading how many steps go against the direction of the others, and how many are unusual.

    Only the steps on which the readings differ count: gaps, jitter and clocks put back say nothing about day and month.
    """
    steps = [np.diff(times.to_numpy().astype("datetime64[ns]").astype(np.int64)) for times in read.values()]
    differ = np.ptp(np.stack(steps), axis=0) > 0
    return {index: _disorder(times, own, differ) for (index, times), own in zip(read.items(), steps, strict=True)}


def _disorder(times: pd.Series, steps: np.ndarray, counted: np.ndarray) -> tuple[int, int]:
    if not counted.any():
        return 0, 0
    back = (steps < 0).sum() <= (steps > 0).sum()
    against = int(((steps < 0) if back else (steps > 0))[counted].sum())
    usual = np.median(steps)
    odd = int((np.abs(steps - usual) > REGULAR * abs(usual))[counted].sum())
    if times.dt.day.nunique() == 1 and times.dt.normalize().nunique() == len(times):  # a month is also a regular step
        months = np.diff((times.dt.year * 12 + times.dt.month).to_numpy())
        odd = min(odd, int((months != np.median(months))[counted].sum()))
    return against, odd


def _clearly_better(first: tuple[int, int], second: tuple[int, int]) -> bool:
    if first[0] == 0 < second[0]:
        return True
    return sum(first) < sum(second) and sum(first) * 2 <= sum(second)
