"""The picture of a series: every channel in a lane of its own, with the events shaded behind."""

from pathlib import Path

import numpy as np

from data_provider.errors import DataError
from data_provider.events import find_events
from data_provider.files import replacing
from data_provider.series import Series

WIDTH, DPI = 14.0, 120  # inches, pixels per inch
COLUMNS = int(WIDTH * DPI)
LANE, MARGIN, MAX_HEIGHT = 0.22, 1.6, 40.0  # inches
MIN_SHARE = 0.2  # of the width, for even the shortest part
LINES = ("#0b5c94", "#3b4754")  # alternating, so that neighbouring lanes can be told apart
CONSTANT, SHADE, MARK, BEYOND = "#b9c0c7", "#f9d3bd", "#b3261e", "#e08a00"


def draw_overview(series: Series, path: Path) -> None:
    """Write the picture of a series, .png or .pdf, atomically.

    A lane spans its channel's range over both parts; outliers that would flatten everything else are dots at its edge.
    Lines are thinned to the lowest and highest of the values that share a pixel, so no peak is lost.

    Raises
    ------
    DataError
        When the file has another format.
    """
    from matplotlib.figure import Figure

    kind = path.suffix.lower()
    if kind not in (".png", ".pdf"):
        raise DataError(f"{path}: an overview can be saved as .png or .pdf: name such a file with --out")
    count = len(series.channels)
    parts = {"training": series.train, "test": series.test}
    ranges = [_find_range(*values) for values in zip(series.train.T, series.test.T, strict=True)]
    figure = Figure((WIDTH, min(MARGIN + max(LANE * count, 1.5), MAX_HEIGHT)), DPI, layout="constrained")
    points = np.array([len(part) for part in parts.values()])
    widths = np.maximum(points / points.sum(), MIN_SHARE)
    panels = figure.subplots(1, 2, sharey=True, width_ratios=widths)
    for axes, (title, part) in zip(panels, parts.items(), strict=True):
        _draw_lanes(axes, part, ranges)
        axes.set(title=f"{title}, {len(part):,} points", xlim=(0, len(part)), ylim=(count, 0))
        axes.locator_params(axis="x", nbins=max(2, round(10 * len(part) / points.sum())))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(np.arange(count) + 0.5, series.channels, fontsize=8)
    _draw_events(panels[1], series.test_label)
    figure.suptitle(f"{series.name}: {series.test_label.mean():.2%} of the test points anomalous")
    figure.supxlabel("point (shaded, with a mark above: events; dots: values beyond the lane)", fontsize=10)
    metadata = {"CreationDate": None} if kind == ".pdf" else None  # identical bytes for identical series
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind[1:], metadata=metadata)


def _find_range(train, test):
    """Return the limits of a channel's lane: its range, but at most five times that of all but 2 % of its points."""
    values = np.concatenate([train, test])
    low, high = np.quantile(values, [0.01, 0.99])
    reach = 2 * (high - low) or np.inf  # rare values in an otherwise constant channel are not outliers to cut off
    return max(values.min(), low - reach), min(values.max(), high + reach)


def _draw_lanes(axes, values, ranges):
    """Draw channel c between the heights c and c + 1, from top to bottom."""
    starts = np.unique(np.linspace(0, len(values), COLUMNS, endpoint=False).astype(int))
    lowest, highest = (limit.reduceat(values, starts, axis=0) for limit in (np.minimum, np.maximum))
    times = np.repeat(starts, 2)
    for channel, (low, high) in enumerate(ranges):
        line = np.stack([lowest[:, channel], highest[:, channel]], axis=1).ravel()
        inside = np.clip(line, low, high)
        scaled = (inside - low) / (high - low) if high > low else np.full(len(line), 0.5)
        heights = channel + 0.95 - 0.9 * scaled
        axes.plot(times, heights, color=LINES[channel % 2] if high > low else CONSTANT, linewidth=0.6)
        axes.plot(times[line != inside], heights[line != inside], ".", color=BEYOND, markersize=3)


def _draw_events(axes, label):
    """Shade the events, and mark them along the top so that short ones are not lost."""
    starts, ends = find_events(label)
    for start, end in zip(starts, ends, strict=True):
        axes.axvspan(start, end, color=SHADE, linewidth=0, zorder=0)
    axes.plot((starts + ends) / 2, np.zeros(len(starts)), "v", color=MARK, markersize=5, clip_on=False)
