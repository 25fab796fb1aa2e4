"""Time zones: those that cells name, and the one that the user names."""

from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data_provider.errors import DataError
from data_provider.read.date_text import ZONE, minutes_ahead
from data_provider.read.refusals import refuse

IN_UTC = "times with different offsets from UTC: all are converted to UTC"


def zones_ahead(cells: pd.Series, source: str, notes: list[str]) -> pd.Series:
    """Return how many minutes the zone of each cell is ahead of UTC.

    Raises
    ------
    DataError
        When a cell has no zone or an unknown one.
    """
    zones = cells.str.extract(ZONE, expand=False)
    refuse(source, cells, zones.isna(), "without the time zone that other rows have: add it")
    known = {zone: minutes_ahead(zone) for zone in zones.unique()}
    for zone, minutes in known.items():
        if minutes is None:
            refuse(
                source,
                cells,
                zones == zone,
                f"whose zone {zone} is not known: write the offset from UTC, such as +02:00, or leave the zone out and "
                "use --timezone",
            )
        if zone.isalpha() and zone.lower() not in ("z", "utc", "gmt"):
            notes.append(f"the time zone {zone} is read as UTC{minutes // 60:+03d}:{minutes % 60:02d}")
    return zones.map(known)


def in_offsets(dates: pd.DatetimeIndex, ahead: pd.Series, notes: list[str]) -> pd.DatetimeIndex:
    """Return dates whose clocks are this many minutes ahead of UTC: with their offset, or in UTC if it changes."""
    dates = (dates - pd.to_timedelta(ahead.to_numpy(), unit="min")).tz_localize("UTC")
    if ahead.nunique() == 1:
        minutes = int(ahead.iloc[0])
        return dates.tz_convert(timezone(timedelta(minutes=minutes))) if minutes else dates
    notes.append(IN_UTC)
    return dates


def in_zone(times: pd.DatetimeIndex, name: str, source: str, notes: list[str]) -> pd.DatetimeIndex:
    """Return times in a zone; those without one are taken as its local times, in the order of the cells.

    In a repeated hour, the times after a step back are the later ones.

    Raises
    ------
    DataError
        When the zone is unknown, or its clocks never showed a time.
    """
    zone = known_zone(name, source)
    if times.tz is not None:
        return times.tz_convert(zone)
    early, late = both_readings(times, zone, name, source)
    twice = early != late
    if not twice.any():
        return early
    steps = np.diff(times.asi8)
    falling = (steps < 0).sum() > (steps > 0).sum()  # the newest row comes first
    # A repeated time is a step back if nothing else repeats, as with one row per hour.
    again = 0 if times[~twice].has_duplicates else 1
    steps_back = np.concatenate([[False], steps < again]) if not falling else np.concatenate([steps > -again, [False]])
    runs = np.cumsum(np.concatenate([[True], twice[1:] != twice[:-1]]))
    groups = pd.Series(steps_back & twice)
    groups = groups[::-1] if falling else groups
    is_late = groups.groupby(runs[::-1] if falling else runs).cummax().sort_index().to_numpy()
    told = pd.Series(is_late).groupby(runs).transform("any").to_numpy()
    if (twice & ~told).any():
        first = times[int((twice & ~told).argmax())]
        notes.append(f"{first} occurs twice in {name}: read as before the clocks were put back")
    return early.where(~is_late, late)


def both_readings(
    times: pd.DatetimeIndex, zone: ZoneInfo, name: str, source: str
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Return times of a zone's clock before and after it is put back; both are the same outside of that hour.

    Raises
    ------
    DataError
        When its clocks never showed a time.
    """
    early, late = (
        times.tz_localize(zone, ambiguous=np.full(len(times), summer), nonexistent="NaT") for summer in (True, False)
    )
    if early.hasnans:
        raise DataError(
            f"{source}: --timezone {name}: its clocks never showed {times[int(early.isna().argmax())]}: name another "
            "zone, or write times with their offsets from UTC"
        )
    return early, late


def known_zone(name: str, source: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises
    ------
    DataError
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a folder of the database raises an OSError
        raise DataError(f"{source}: --timezone {name}: unknown zone: write it like Europe/Berlin or UTC") from None
