"""Numbers, times and tables as shown on the page."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from exp.report.times import Times
from ts_ad_evaluation.evaluator import MEASURES
from ts_ad_evaluation.events import find_events
from ts_ad_evaluation.figures import spaced

UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


class Table(NamedTuple):
    """A table of a measure: its title, a note for the reader, columns and rows of text."""

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]


def number(value, spread: float = math.inf) -> str:
    """Format a number for a reader: counts in full, others to five digits.

    Parameters
    ----------
    value : float, str or None
    spread : float
        How much the numbers next to it differ. If this is small, more digits are shown.

    Examples
    --------
    >>> number(0.123456789), number(3.0), number(float("nan")), number(1_000_002.53, spread=5)
    ('0.12346', '3', '–', '1000002.53')
    """
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return "–"
    digits = 5
    if value and 0 < spread < math.inf:
        digits = min(15, digits + max(0, math.ceil(math.log10(abs(value)) - math.log10(spread))))
    text = spaced(value) if float(value).is_integer() and abs(value) < 1e12 else f"{value:.{digits}g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def duration(seconds: float) -> str:
    """Format a time span in its largest unit, with the next smaller one below ten.

    Examples
    --------
    >>> duration(1e-5), duration(0.25), duration(90), duration(2931), duration(3 * 86400 + 7200)
    ('0.00001 s', '0.25 s', '1 min 30 s', '49 min', '3 d 2 h')
    """
    if seconds < 60:
        return f"{np.format_float_positional(float(f'{seconds:.3g}'), trim='-')} s"
    size, smaller = next((size, next_size) for (_, size), (_, next_size) in pairwise(UNITS) if seconds >= size)
    names = {size: name for name, size in UNITS}
    if seconds >= 10 * size:
        return f"{round(seconds / size)} {names[size]}"
    count, rest = divmod(round(seconds / smaller), size // smaller)
    return f"{count} {names[size]}" + (f" {rest} {names[smaller]}" if rest else "")


def span(times: Times, start: int, end: int) -> str:
    """Format the time range of rows, with the date only once if it is the same."""
    first, last = times.text(start), times.text(end)
    if times.kind == "row":
        return f"row {spaced(start)}" if start == end else f"rows {spaced(start)} – {spaced(end)}"
    if first == last:
        return first
    if times.kind == "time" and first[:10] == last[:10]:
        last = last[11:]
    return f"{first} – {last}"


def length(times: Times, start: int, end: int) -> str:
    """Format the length of an event in points and in time."""
    points = end - start + 1
    text = f"{spaced(points)} point{'s' * (points > 1)}"
    if times.kind == "time" and points > 1:
        text += f", {duration((times.x[end] - times.x[start]) / 1e3)}"
    return text


def sampling(times: Times) -> str:
    """Format how far apart the rows are."""
    if times.kind == "row" or len(times.x) < 2:
        return "no times; rows are numbered"
    steps = times.steps
    write = duration if times.kind == "time" else number
    if times.regular:
        return f"every {write(float(np.median(steps)))}"
    return f"irregular, {write(steps.min())} to {write(steps.max())} (median {write(float(np.median(steps)))})"


def channel_table(channels: list[tuple[str, np.ndarray]]) -> Table:
    """Return minimum, mean and maximum of each channel, and the number of missing values if there are any."""
    rows, missing = [], []
    for name, values in channels:
        finite = values[np.isfinite(values)]
        figures = (finite.min(), (finite / len(finite)).sum(), finite.max()) if len(finite) else (None,) * 3
        spread = float(figures[2]) - float(figures[0]) if len(finite) else math.inf
        rows.append([name, *(number(figure, spread) for figure in figures)])
        missing.append(len(values) - len(finite))
    columns = ["channel", "min", "mean", "max"]
    if any(missing):
        columns.append("missing")
        rows = [[*row, number(count)] for row, count in zip(rows, missing, strict=True)]
    return Table("Channels", "", columns, rows)


def measure_tables(measures: dict[str, pd.DataFrame]) -> list[Table]:
    """Return the measures: first those with a single value each, in one table, then each table of several rows."""
    single, others = [], []
    for name, frame in measures.items():
        note = MEASURES[name].note if name in MEASURES else ""
        if len(frame) == 1:
            single += [[column, number(value), note] for column, value in frame.iloc[0].items()]
        else:
            rows = [[number(value) for value in row] for row in frame.itertuples(index=False)]
            others.append(Table(name, note, [str(column) for column in frame.columns], rows))
    columns = ["measure", "value", "note"]
    if not any(row[2] for row in single):
        columns, single = columns[:2], [row[:2] for row in single]
    return ([Table("", "", columns, single)] if single else []) + others


def met_events(label: np.ndarray, events: pd.DataFrame) -> tuple[np.ndarray, int, int]:
    """Compare flagged events with true ones.

    Returns
    -------
    overlapping : bool array of shape (flagged events,)
        Whether a flagged event shares a point with a true one.
    met, total : int
        Number of true events that share a point with a flagged one, and of all.
    """
    starts, ends = find_events(label)
    flagged_starts, flagged_ends = events["start"].to_numpy(), events["end"].to_numpy()
    overlapping = _touch(flagged_starts, flagged_ends, starts, ends)
    return overlapping, int(_touch(starts, ends, np.sort(flagged_starts), np.sort(flagged_ends)).sum()), len(starts)


def _touch(starts, ends, other_starts, other_ends) -> np.ndarray:
    """Return which stretches share a point with one of the others, which are sorted and disjoint."""
    return np.searchsorted(other_starts, ends, side="right") > np.searchsorted(other_ends, starts, side="left")
