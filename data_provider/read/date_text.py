"""The ways in which a date and a time of day are written, including a time zone after them."""

import re
from datetime import datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:[a-z]{3,6})?\.?"
_TIME = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:\s*[ap]\.?m\.?)?|\d{1,2}\s*[ap]\.?m\.?"
_ZONE = r"Z|(?:UTC|GMT)?[+-]\d\d?(?::?\d\d)?|[a-z][a-z_]*(?:/[a-z_]+)*"
_DATE = rf"""
    (?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?
    (?: (?P<ymd> \d{{4}} (?P<a>[-/. ]) \d{{1,2}} (?P=a) \d{{1,2}} )
      | (?P<compact> (?:19|20)\d{{6}} )
      | (?P<long> \d{{1,2}} (?P<b>[-/.]) \d{{1,2}} (?P=b) \d{{4}} )
      | (?P<short> \d{{1,2}} (?P<c>[-/]) \d{{1,2}} (?P=c) \d\d | \d\d\.\d\d\.\d\d )
      | (?P<dmy> \d{{1,2}} (?:st|nd|rd|th)? [-./\s]* {_MONTH} [-,/\s]* (?:\d{{4}} | \d\d) )
      | (?P<mdy> {_MONTH} [-\s]* \d{{1,2}} (?:st|nd|rd|th)? [-,\s]+ \d{{4}} ) )"""
CELL = re.compile(
    rf"\s*{_DATE}(?:(?:\s*[T:,]\s*|\s+)(?P<time>{_TIME})(?:\s*[(\[]?(?P<zone>{_ZONE})[)\]]?)?)?\s*",
    re.IGNORECASE | re.VERBOSE,
)
# As C's ctime writes it, with the year at the end, and the replacement that reorders it.
CTIME = re.compile(r"\s*(?:[a-z]{3},?\s+)?([a-z]{3}\s+\d{1,2})\s+(\d\d?:\S+)(\s+[a-z]+)?\s+(\d{4})\s*", re.IGNORECASE)
_ISO = re.compile(r"\d{4}-\d\d(-\d\d(T\d\d.*)?)?|\d{8}T\d{4,6}.*")
CTIME_IN_ORDER = r"\1 \4 \2\3"
TIME_OF_DAY = re.compile(rf"\s*(?:{_TIME})(?:\s*(?:Z|[+-]\d\d:?\d\d))?\s*", re.IGNORECASE)
# The zone of a cell, after a time of day.
_HALF = r"[ap]\.?m\.?"
ZONE = rf"(?i)(?:\d:\d\d(?:[.,]\d+)?|T\d{{4,6}})\s*(?:{_HALF})?\s*[(\[]?(?!{_HALF}\s*$)({_ZONE})[)\]]?\s*$"
# Hours ahead of UTC: abbreviations that RFC 2822 defines or that stand for one zone only.
HOURS_AHEAD = {
    **dict.fromkeys(("z", "utc", "gmt", "wet"), 0),
    **dict.fromkeys(("west", "cet"), 1),
    **dict.fromkeys(("cest", "eet"), 2),
    **dict.fromkeys(("eest", "msk"), 3),
    **dict.fromkeys(("jst", "kst"), 9),
    **{"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7},
}
# Formats of a date of three numbers as `canonical` writes it, by the number of digits in its year.
LONG_FORMATS = ("%d/%m/%Y", "%m/%d/%Y")
SHORT_FORMATS = ("%d/%m/%y", "%m/%d/%y", "%y/%m/%d")


def is_date(cell: str) -> bool:
    """Return whether a cell holds a date, with or without a time of day."""
    return bool(CELL.fullmatch(cell) or CTIME.fullmatch(cell) or _ISO.fullmatch(cell.strip()))


def is_time_of_day(cell: str) -> bool:
    """Return whether a cell holds only a time of day."""
    return TIME_OF_DAY.fullmatch(cell) is not None


def minutes_ahead(zone: str) -> int | None:
    """Return how many minutes a zone is ahead of UTC, or None if it is not known."""
    if found := re.fullmatch(r"(?:UTC|GMT)?([+-])(\d\d?)(?::?(\d\d))?", zone, re.IGNORECASE):
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        return -minutes if found[1] == "-" else minutes
    hours = HOURS_AHEAD.get(zone.lower())
    return None if hours is None else 60 * hours


def format_of(cell: str) -> str | None:
    """Return the `strptime` format of a cell, with the day before the month; None if there is none.

    A zone is not part of it. Cells with names of months or days have none.
    """
    found = CELL.fullmatch(cell)
    if not found or found["zone"]:
        return None
    kind = found.lastgroup if found.lastgroup not in ("time", "zone") else None
    kind = kind or next(name for name in ("ymd", "compact", "long", "short", "dmy", "mdy") if found[name])
    if kind in ("dmy", "mdy"):
        return None
    separator = found["a"] or found["b"] or found["c"] or ("." if kind == "short" else "")
    order = {"ymd": "Y m d", "compact": "Y m d", "long": "d m Y", "short": "d m y"}[kind]
    date = separator.join(f"%{letter}" for letter in order.split())
    begin, end = found.span(kind)
    if cell[:begin].strip():
        return None
    if not found["time"]:
        return date
    clock = re.fullmatch(r"\d{1,2}(:\d\d)(:\d\d)?([.,]\d+)?(?:(\s*)([ap]m))?", found["time"], re.IGNORECASE)
    if not clock:
        return None
    time = ("%I" if clock[5] else "%H") + ":%M" + (":%S" if clock[2] else "")
    fraction = f"{clock[3][0]}%f" if clock[3] else ""
    half = f"{clock[4]}%p" if clock[5] else ""
    return date + cell[end : found.start("time")] + time + fraction + half


def canonical(cell: str) -> tuple[str, str, bool] | None:
    """Return a cell without its zone in one of three forms, or None if it is not a date.

    Returns
    -------
    kind : {"certain", "long", "short"}
        `certain` is year, month and day; in the others day and month cannot be told apart, and in `short` the year
        has two digits, wherever it is.
    text : str
        Like `2024/06/12 23:00:00.5`, in 24-hour time.
    midnight : bool
        Whether the time of day is missing.
    """
    found = CELL.fullmatch(cell)
    if not found:
        return None
    kind, date = _date(found)
    if not found["time"]:
        return kind, f"{date} 00:00:00.0", True
    clock = _clock(found["time"])
    return clock and (kind, f"{date} {clock}", False)


def _date(found: re.Match) -> tuple[str, str]:
    if text := found["ymd"]:
        return "certain", re.sub(r"[-. ]", "/", text)
    if text := found["compact"]:
        return "certain", f"{text[:4]}/{text[4:6]}/{text[6:]}"
    if text := found["long"] or found["short"]:
        return "long" if found["long"] else "short", re.sub(r"[-.]", "/", text)
    text = found["dmy"] or found["mdy"]
    month = _MONTHS.index(re.search(r"[a-z]{3,}", re.sub(r"\d(st|nd|rd|th)", "", text.lower()))[0][:3]) + 1
    day, year = re.findall(r"\d+", text)
    if len(year) == 2:
        year = str(datetime.strptime(year, "%y").year)
    return "certain", f"{year}/{month}/{day}"


def _clock(text: str) -> str | None:
    """Return a time of day in 24-hour form, or None if it is not one."""
    hour, minute, second = ([*re.findall(r"\d+(?:[.,]\d+)?", text.replace(":", " ")), "0", "0"])[:3]
    hour = int(hour)
    if half := re.search(r"([ap])\.?m", text, re.IGNORECASE):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[1].lower() == "p" else 0)
    second = second.replace(",", ".")
    return f"{hour}:{minute}:{second if '.' in second else second + '.0'}"
