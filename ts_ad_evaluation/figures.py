"""The figure of series, score and events, and what all figures share.

Figures are PNG or PDF files, drawn without a display and without global state. The others are in `curves`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Integers, Ranges
from ts_ad_evaluation.checks import EvaluationError, check_label_score, check_score
from ts_ad_evaluation.events import find_events
from ts_ad_evaluation.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Span: TypeAlias = tuple[int, int]  # half-open

# Hues that also differ in lightness, so that a figure stays readable in greyscale.
INK = "#2b2f36"
SERIES = "#56616d"
SCORE = "#0b5c94"
ALARM = "#e08a00"
EVENT = "#b3261e"
SHADE = "#fadccb"

WIDTH = 12.0  # inches
DPI = 150
PIXELS = int(WIDTH * DPI)
THRESHOLD_LINE: dict[str, Any] = {"color": INK, "linewidth": 1.0, "linestyle": (0, (5, 3)), "zorder": 4}
MAX_EVENTS = 30
EVENTS_PER_ROW = 3


def plot_scores(
    series: ArrayLike | None,
    score: ArrayLike,
    label: ArrayLike,
    *,
    threshold: float | None = None,
    events: ArrayLike | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Plot series, score, threshold and true events above one another.

    Each line is thinned to the minimum and maximum of the values that share a pixel, so no peak is lost. The
    score's axis is logarithmic when its highest value is more than 50 times its 99th percentile.

    Parameters
    ----------
    series : array_like of shape (n,) or (n, C), or None
        Several channels are drawn in lanes, each scaled to its own range. None leaves this panel out.
    score : array_like of shape (n,)
        Higher is more anomalous.
    label : array_like of shape (n,)
        Zeros and ones; all zeros are fine.
    threshold : float, optional
        Drawn as a line; a bar along the bottom marks the scores above it.
    events : int or sequence of int, optional
        Show these events (counted from 0) and their surroundings instead of the whole series. At most 30.
    path : str or Path, optional
        File to write, `.png` or `.pdf`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EvaluationError
        When an array is not as described, an event does not exist, or the file has another format.
    """
    label, score = check_label_score(label, score, both_classes=False)
    series = None if series is None else _check_series(series, len(score))
    bounds = find_events(label)
    spans = {"": (0, len(score))} if events is None else _event_spans(*bounds, events, len(score))

    figure, cells = _lay_out(len(spans), 0 if series is None else series.shape[1])
    alarms = find_events(score > (np.inf if threshold is None else threshold))
    for (title, (first, stop)), (upper, lower) in zip(spans.items(), cells, strict=True):
        _draw_line(lower, score[first:stop], first, color=SCORE)
        lower.xaxis.set_major_formatter(lambda index, _: spaced(index))
        _draw_bars(lower, bounds, (first, stop), y=(1.0, 0.05), color=EVENT)
        if threshold is not None:
            lower.axhline(threshold, **THRESHOLD_LINE)
            _draw_bars(lower, alarms, (first, stop), y=(0.0, 0.05), color=ALARM)
        _scale_score_axis(lower, score, threshold)
        if upper is not None and series is not None:
            _draw_channels(upper, series[first:stop], first)
        for axes in filter(None, (upper, lower)):
            _draw_bars(axes, bounds, (first, stop), y=(0, 1), color=SHADE, zorder=1)
            axes.set_xlim(first, max(stop - 1, first + 1))
        (upper or lower).set_title(title, loc="left", fontsize=10, pad=10)
    figure.legend(**_legend_entries(threshold, bool(label.any())), loc="outside upper right", ncols=4, frameon=False)
    if path is not None:
        save_figure(figure, path)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write `figure` to `path` (`.png` or `.pdf`) atomically, with the same bytes every time.

    Raises
    ------
    EvaluationError
        When the file has another format.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".png", ".pdf"):
        raise EvaluationError(f"a figure can be saved as .png or .pdf, not as {path.name}")
    metadata = {"CreationDate": None} if kind == ".pdf" else None
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind[1:], dpi=DPI, metadata=metadata)


def thin(values: Floats, columns: int) -> Integers:
    """Indices of the minimum and maximum of each of `columns` equal stretches.

    Parameters
    ----------
    values : float array of shape (n,)
    columns : int
        Roughly the number of pixels that the line covers.

    Returns
    -------
    int64 array of shape (at most 2 · columns + 2,), ascending
        All indices if there are no more than that.

    Examples
    --------
    >>> thin(np.array([0.0, 5.0, 1.0, -3.0, 2.0, 2.0, 2.0, 2.0]), 2).tolist()
    [0, 1, 3, 4, 7]
    """
    n = len(values)
    if n <= 2 * columns + 2:
        return np.arange(n)
    size = -(-n // columns)
    whole = n - n % size
    kept = [np.array([0, n - 1])]
    for start, stretches in ((0, values[:whole].reshape(-1, size)), (whole, values[None, whole:])):
        if stretches.size:
            offsets = start + size * np.arange(len(stretches))
            kept += [offsets + stretches.argmin(axis=1), offsets + stretches.argmax(axis=1)]
    return np.unique(np.concatenate(kept))


def needs_log_axis(score: Floats) -> bool:
    """Whether a few peaks would flatten all other scores on a linear axis."""
    return score.min() >= 0 and 0 < 50 * np.quantile(score, 0.99) < score.max()


def _check_series(series: ArrayLike, n: int) -> Floats:
    """Return `series` as float64 of shape (n, C)."""
    series = np.asarray(series)
    if series.ndim not in (1, 2) or series.dtype.kind not in "biuf":
        raise EvaluationError(
            f"series must be numeric, of shape (n,) or (n, channels), got {series.dtype} {series.shape}"
        )
    if len(series) != n:
        raise EvaluationError(f"series and score differ in length: {len(series)} and {n}")
    series = series.reshape(n, -1).astype(np.float64, copy=False)
    check_score(series.ravel(), "series")
    return series


def _event_spans(starts: Integers, ends: Integers, events: ArrayLike, n: int) -> dict[str, Span]:
    """Map the title of each requested event to the span to draw: the event plus its own length on both sides."""
    events = np.atleast_1d(events)
    if not 1 <= len(events) <= MAX_EVENTS:
        raise EvaluationError(f"one figure shows 1 to {MAX_EVENTS} events, got {len(events)}")
    spans = {}
    for event in events:
        if not 0 <= event < len(starts):
            raise EvaluationError(f"there is no event {event}: the label has {len(starts)}, counted from 0")
        start, end = int(starts[event]), int(ends[event])
        margin = max(50, end - start + 1)
        spans[f"event {event}: {spaced(start)} – {spaced(end)}"] = (
            max(0, start - margin),
            min(n, end + 1 + margin),
        )
    return spans


def _lay_out(n_spans: int, n_channels: int) -> tuple[Figure, list[tuple[Axes | None, Axes]]]:
    """Return the figure and, for each span, its (series axes or None, score axes)."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(n_spans, EVENTS_PER_ROW)
    rows = -(-n_spans // columns)
    heights = [1.6] if n_channels == 0 else [max(1.9, min(0.32 * n_channels, 9.0)), 1.6]
    size = (WIDTH, 0.6 + rows * (sum(heights) + 0.5))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.08), facecolor="white")
    grid = figure.add_gridspec(len(heights) * rows, columns, height_ratios=heights * rows)
    cells = []
    for span in range(n_spans):
        row, column = divmod(span, columns)
        lower = figure.add_subplot(grid[(row + 1) * len(heights) - 1, column])
        upper = figure.add_subplot(grid[2 * row, column], sharex=lower) if n_channels else None
        dress(lower, "time (points)", "score" if column == 0 else "")
        if upper is not None:
            dress(upper, "", "" if column else "series" if n_channels == 1 else "channel")
            upper.tick_params(labelbottom=False)
        cells.append((upper, lower))
    return figure, cells


def dress(axes: Axes, x_label: str, y_label: str) -> None:
    """Give `axes` the labels and the quiet frame that all figures share."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK, labelsize=9)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.margins(x=0)


def _draw_channels(axes: Axes, series: Floats, first: int) -> None:
    """Draw the channels (stretch, C): one as it is, several in lanes from top to bottom."""
    if series.shape[1] == 1:
        _draw_line(axes, series[:, 0], first, color=SERIES)
        return
    for lane, channel in enumerate(series.T):
        low, high = channel.min(), channel.max()
        scaled = (channel - low) / (high - low) if high > low else np.full(len(channel), 0.5)
        _draw_line(axes, 0.1 + 0.8 * scaled - lane, first, color=SERIES)
    # More than about 20 numbers would overlap.
    lanes = np.arange(0, series.shape[1], -(-series.shape[1] // 20))
    axes.set_yticks(0.5 - lanes, [str(lane + 1) for lane in lanes])
    axes.set_ylim(1 - series.shape[1], 1)


def _draw_line(axes: Axes, values: Floats, first: int, color: str) -> None:
    kept = thin(values, PIXELS)
    axes.plot(first + kept, values[kept], color=color, linewidth=0.9, solid_joinstyle="round", zorder=3)


def _draw_bars(
    axes: Axes, bounds: Ranges, span: Span, *, y: tuple[float, float], color: str, zorder: float = 5
) -> None:
    """Mark the stretches `bounds` (starts, ends) that overlap `span`; even the shortest fill three pixels.

    `y` is (bottom, height) as fractions of the height of `axes`.
    """
    first, stop = span
    starts, ends = bounds
    inside = (ends >= first) & (starts < stop)
    if not inside.any():
        return
    left, right = starts[inside] - 0.5, ends[inside] + 0.5
    widen = np.maximum(3 * (stop - first) / PIXELS - (right - left), 0) / 2
    left, right = np.clip(left - widen, first, stop - 1), np.clip(right + widen, first, stop - 1)
    # Stretches that touch on screen become one shape, so that thousands cost no more than the pixels do.
    new = np.r_[True, left[1:] > right[:-1]]
    left, right = left[new], np.maximum.reduceat(right, np.flatnonzero(new))
    across = axes.get_xaxis_transform()
    bars = list(zip(left, right - left, strict=True))
    axes.broken_barh(bars, y, transform=across, color=color, linewidth=0, zorder=zorder, clip_on=False)


def _scale_score_axis(axes: Axes, score: Floats, threshold: float | None) -> None:
    """Show all scores and the threshold, with a small margin."""
    values = score if threshold is None else np.append(score, threshold)
    low, high = values.min(), values.max()
    if needs_log_axis(score):
        axes.set_yscale("log")
        axes.set_ylim(max(low, np.median(score) / 20, high * 1e-9), high * 2)
    else:
        air = 0.08 * (high - low) or 0.5
        axes.set_ylim(low - air, high + air)


def _legend_entries(threshold: float | None, has_events: bool) -> dict[str, Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: dict[str, Line2D | Patch] = {"true event": Patch(facecolor=SHADE, edgecolor=EVENT)} if has_events else {}
    entries["score"] = Line2D([], [], color=SCORE)
    if threshold is not None:
        entries[f"threshold {threshold:.4g}"] = Line2D([], [], **THRESHOLD_LINE)
        entries["above threshold"] = Patch(color=ALARM)
    return {"handles": list(entries.values()), "labels": list(entries)}


def spaced(number: float) -> str:
    """Format a count or an index with narrow spaces as thousands separators."""
    return f"{number:,.0f}".replace(",", "\u202f")
