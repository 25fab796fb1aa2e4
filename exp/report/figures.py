"""The figures of the page as Bokeh documents; report.js fills the ones that zoom with data, and colours all.

Colours are not set here, because they follow the reader's theme: a model's tag such as `line_color:score` says which of
the colours in report.css its property takes. Things to be told apart also differ in place, dash or hatch.
"""

from typing import NamedTuple

import numpy as np
from bokeh.document import Document
from bokeh.layouts import column
from bokeh.models import (
    BasicTickFormatter,
    BoxAnnotation,
    ColumnDataSource,
    DatetimeAxis,
    FixedTicker,
    GlyphRenderer,
    Model,
    PanTool,
    Plot,
    Range1d,
    RangeTool,
    Span,
    WheelZoomTool,
)
from bokeh.plotting import figure

from exp.report.times import Times
from ts_ad_evaluation.auc import auc
from ts_ad_evaluation.curves import visible
from ts_ad_evaluation.f1 import best_f1

SLOTS = 6  # plots of channels below the score: the first ones of an event, and one chosen by the reader
LEFT = 62  # pixels for the vertical axes, the same in all figures so that they align
CURVE_SPOTS = 500  # distinct positions along an axis that a curve keeps


class Figure(NamedTuple):
    """A figure for Bokeh.embed.embed_item, and its legend: kinds of keys, as drawn by report.css, and texts."""

    item: dict
    legend: list[tuple[str, str]]


def explorer(times: Times, n_channels: int, *, log: bool, threshold: float | None, labelled: bool) -> dict:
    """Return the figures of score, events and channels, which share one time range.

    Parameters
    ----------
    times : Times
    n_channels : int
        Number of channels that can be drawn.
    log : bool
        Whether the score's axis is logarithmic.
    threshold : float or None
    labelled : bool
        Whether true events are known.

    Returns
    -------
    dict
        For Bokeh.embed.embed_item. report.js finds the models by their names.
    """
    start, end = times.x[0], times.x[-1]
    if end <= start:
        end = start + 1
    few_rows = 4 * (end - start) / max(len(times.x) - 1, 4)
    view = Range1d(start, end, bounds=(start, end), min_interval=few_rows, name="view")
    slots = min(n_channels, SLOTS)
    marks = {name: _stretches(name) for name in ("flagged", "labelled", "training", "selected")}
    if not labelled:
        del marks["labelled"]
    return _item(
        column(
            _overview(times, view, log=log),
            _score(times, view, marks, log=log, threshold=threshold),
            _lanes(times, view, marks),
            *(_channel(times, view, marks, slot, slots) for slot in range(slots)),
            sizing_mode="stretch_width",
            spacing=0,
        )
    )


def roc_and_pr(label: np.ndarray, score: np.ndarray) -> dict[str, Figure]:
    """Return the ROC and precision–recall curves over all points, under the names `roc` and `pr`.

    Parameters
    ----------
    label : bool array of shape (n,)
        Both classes present.
    score : float array of shape (n,)
        Finite.
    """
    areas, best, share = auc(label, score), best_f1(label, score), float(np.mean(label))
    hits, alarms = _hits_and_alarms(label, score)
    recall = hits / hits[-1]
    roc = _square("false positive rate", "true positive rate")
    _curve(roc, alarms / alarms[-1], recall)
    _chance(roc, [0, 1])
    pr = _square("recall", "precision")
    _curve(pr, recall, np.append(1.0, hits[1:] / (hits + alarms)[1:]))
    _chance(pr, [share, share])
    tags = ["fill_color:labelled", "line_color:labelled"]
    pr.scatter([best.recall], [best.precision], marker="diamond", size=11, tags=tags)
    return {
        "roc": Figure(_item(roc), [("line", f"ROC, area {areas.roc:.4f}"), ("chance", "chance, area 0.5")]),
        "pr": Figure(
            _item(pr),
            [
                ("line", f"precision–recall, average precision {areas.pr:.4f}"),
                ("best", f"best F1 {best.f1:.4f} (oracle threshold)"),
                ("chance", f"chance, {share:.4f}"),
            ],
        ),
    }


def training(epochs: list[dict]) -> Figure:
    """Return the losses by epoch; the one with the lowest validation loss is marked.

    Parameters
    ----------
    epochs : list of dict
        At least one, with `epoch`, `train_loss` and `validation_loss`.
    """
    plot = figure(frame_height=200, x_axis_label="epoch", y_axis_label="loss", **_shared())
    numbers = [epoch["epoch"] for epoch in epochs]
    plot.xaxis.ticker.min_interval = 1
    for key, colour, dash, marker in (
        ("train_loss", "score", "solid", "circle"),
        ("validation_loss", "flagged-line", "dashed", "square"),
    ):
        losses = [epoch[key] for epoch in epochs]
        tags = [f"line_color:{colour}", f"fill_color:{colour}"]
        plot.line(numbers, losses, line_width=1.5, line_dash=dash, tags=tags[:1])
        plot.scatter(numbers, losses, marker=marker, size=5, tags=tags)
    best = min(epochs, key=lambda epoch: epoch["validation_loss"])["epoch"]
    plot.add_layout(Span(location=best, dimension="height", line_dash="dotted", tags=["line_color:ink"]))
    legend = [
        ("line", "training loss"),
        ("validation", "validation loss"),
        ("kept", f"lowest validation loss, epoch {best}"),
    ]
    return Figure(_item(_plain(plot)), legend)


def _overview(times: Times, view: Range1d, *, log: bool) -> Plot:
    plot = _time_figure(times, Range1d(view.start, view.end), height=46, log=log, name="overview")
    plot.axis.visible = plot.grid.visible = False
    _flagged(plot, _stretches("overview_flagged"))
    _line(plot, "overview_line")
    tags = ["fill_color:ink", "line_color:muted", "hover_fill_color:ink", "hover_line_color:ink"]
    window = BoxAnnotation(fill_alpha=0.12, line_alpha=1, hover_fill_alpha=0.18, hover_line_alpha=1, tags=tags)
    plot.add_tools(RangeTool(x_range=view, overlay=window, start_gesture="pan"))
    return plot


def _score(times: Times, view: Range1d, marks: dict, *, log: bool, threshold: float | None) -> Plot:
    plot = _time_figure(times, view, height=220, log=log, name="score")
    plot.xaxis.visible = False
    plot.yaxis.axis_label = "score"
    _mark(plot, marks)
    if "labelled" in marks:
        looks = {"hatch_pattern": "right_diagonal_line", "hatch_scale": 14, "hatch_alpha": 0.45}
        _strips(plot, marks["labelled"], tags=["hatch_color:labelled"], **looks)
    _line(plot, "score_line")
    if threshold is not None:
        line = Span(location=threshold, dimension="width", line_dash=[6, 3], line_width=1.2, tags=["line_color:ink"])
        plot.add_layout(line)
    _explore(plot)
    return plot


def _lanes(times: Times, view: Range1d, marks: dict) -> Plot:
    """Draw flagged events above true ones, so that place tells them apart if they are too narrow for a hatch."""
    labelled = "labelled" in marks
    plot = _time_figure(times, view, height=32 if labelled else 16, log=False, name="lanes")
    plot.y_range = Range1d(0.0 if labelled else 1.0, 2.0)
    plot.yaxis.ticker = FixedTicker(ticks=[1.5, 0.5])
    plot.yaxis.major_label_overrides = {1.5: "flagged", 0.5: "labelled"}
    plot.yaxis.major_tick_line_color = None
    plot.ygrid.visible = False
    plot.xaxis.name = "time_lanes"
    plot.xaxis.axis_label = _time_label(times)
    lane = {"left": "left", "right": "right"}
    plot.quad(
        **lane,
        top=1.85,
        bottom=1.15,
        source=marks["flagged"],
        tags=["fill_color:flagged-line"],
        line_color=None,
        hatch_color=None,
    )
    if labelled:
        tags = ["line_color:labelled", "fill_color:labelled", "hatch_color:labelled"]
        looks = {"fill_alpha": 0.25, "hatch_pattern": "right_diagonal_line", "hatch_scale": 6}
        plot.quad(**lane, top=0.85, bottom=0.15, source=marks["labelled"], tags=tags, **looks)
    _explore(plot)
    return plot


def _channel(times: Times, view: Range1d, marks: dict, slot: int, slots: int) -> Plot:
    plot = _time_figure(times, view, height=76, log=False, name=f"channel_{slot}")
    # In the initial state set by report.js: each change would lay out all plots again.
    plot.visible = plot.yaxis.visible = slot < SLOTS - 1
    plot.xaxis.visible = slot == min(slots, SLOTS - 1) - 1
    plot.xaxis.axis_label = _time_label(times)
    plot.title.update(text=" ", text_font_size="12px", text_font_style="normal", name=f"title_{slot}")
    plot.xaxis.name, plot.yaxis.name = f"time_{slot}", f"values_{slot}"
    _mark(plot, marks)
    _line(plot, f"line_{slot}", "ink")
    _explore(plot)
    return plot


def _time_label(times: Times) -> str:
    if times.kind == "row":
        return "row"
    return f"time ({times.zone})" if times.zone else "time"


def _time_figure(times: Times, x_range: Range1d, *, height: int, log: bool, name: str) -> Plot:
    plot = figure(
        frame_height=height,
        x_range=x_range,
        y_range=Range1d(0.1, 1, name=f"{name}_range"),
        x_axis_type="datetime" if times.kind == "time" and not times.origin else "linear",
        y_axis_type="log" if log else "linear",
        name=name,
        lod_threshold=None,
        **_shared(),
    )
    if not isinstance(plot.xaxis[0], DatetimeAxis):
        plot.xaxis.formatter = BasicTickFormatter(use_scientific=False)
    if not log:
        plot.yaxis.formatter = BasicTickFormatter(power_limit_high=8, power_limit_low=-3)
    plot.yaxis.ticker.desired_num_ticks = 3 if height < 150 else 5
    return _plain(plot)


def _plain(plot: Plot) -> Plot:
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_font_size = "11px"
    plot.axis.axis_label_text_font_size = "12px"
    plot.axis.axis_label_text_font_style = "normal"
    return plot


def _shared() -> dict:
    return {
        "tools": "",
        "toolbar_location": None,
        "sizing_mode": "stretch_width",
        "min_border_left": LEFT,
        "min_border_right": 8,
        "min_border_top": 4,
        "min_border_bottom": 4,
        "background_fill_color": None,
        "border_fill_color": None,
        "outline_line_color": None,
    }


def _explore(plot: Plot) -> None:
    """Let the reader drag along the time axis, and zoom with Ctrl and the wheel or by pinching."""
    pan, zoom = PanTool(dimensions="width"), WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
    plot.add_tools(pan, zoom)
    plot.toolbar.active_drag, plot.toolbar.active_scroll = pan, zoom


def _line(plot: Plot, name: str, colour: str = "score") -> None:
    source = ColumnDataSource({"x": [], "y": []}, name=name)
    plot.line("x", "y", source=source, line_width=1, line_join="round", tags=[f"line_color:{colour}"])


def _stretches(name: str) -> ColumnDataSource:
    return ColumnDataSource({"left": [], "right": []}, name=name)


def _mark(plot: Plot, marks: dict) -> None:
    """Draw the training part, the flagged events, and the edges of the selected one."""
    _strips(plot, marks["training"], tags=["fill_color:training"])
    _flagged(plot, marks["flagged"])
    _strips(plot, marks["selected"], tags=["line_color:ink"], line_dash=[3, 2])


def _flagged(plot: Plot, source: ColumnDataSource) -> None:
    _strips(plot, source, tags=["fill_color:flagged"])


def _strips(plot: Plot, source: ColumnDataSource, **looks) -> None:
    plot.vstrip(
        "left", "right", source=source, **{"line_color": None, "fill_color": None, "hatch_color": None, **looks}
    )


def _square(x_label: str, y_label: str) -> Plot:
    ranges = {"x_range": Range1d(-0.01, 1.01), "y_range": Range1d(0, 1.02)}
    return _plain(figure(frame_height=300, x_axis_label=x_label, y_axis_label=y_label, **ranges, **_shared()))


def _curve(plot: Plot, x: np.ndarray, y: np.ndarray) -> None:
    plot.line(*visible(x, y, CURVE_SPOTS), line_width=1.6, tags=["line_color:score"])


def _chance(plot: Plot, heights: list[float]) -> None:
    plot.line([0, 1], heights, line_dash="dotted", line_width=1.2, tags=["line_color:muted"])


def _hits_and_alarms(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count hits and false alarms above every threshold, from no predicted points to all."""
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(label[order])[last_of_tie]
    predicted = np.flatnonzero(last_of_tie) + 1
    return np.append(0, hits), np.append(0, predicted - hits)


def _item(root: Model) -> dict:
    for renderer in root.select({"type": GlyphRenderer}):  # nothing is ever selected, and each check costs time
        renderer.update(selection_glyph=None, nonselection_glyph=None, muted_glyph=None)
    document = Document()
    document.add_root(root)
    return {"doc": document.to_json(deferred=False), "root_id": root.id}
