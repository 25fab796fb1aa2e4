"""The page: a report becomes one HTML file that needs no network."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exp.report import figures, text
from exp.report.data import EVENT_CHANNELS, LISTED, embed
from exp.report.levels import BLOCK, FACTOR, MISSING
from exp.report.times import Times, read_times
from ts_ad_evaluation.figures import needs_log_axis, spaced
from ts_ad_evaluation.files import replacing

FOLDER = Path(__file__).parent
GAP = 8  # gap, in mean steps, over which no line is drawn


@dataclass(frozen=True, eq=False)
class Report:
    """What a page shows.

    Parameters
    ----------
    title : str
    facts : dict of str to str
        What was run: model, seed, device, versions, settings, times.
    times : datetime64 or numeric array or index of shape (n,), or None
        None numbers the rows.
    values : float array of shape (n, C) or None
        In the units of the file; None if the data is not available. Then the scores of the channels are drawn.
    channels : tuple of str
    score : float array of shape (n,)
        NaN if a row has none.
    channel_scores : float array of shape (n, C), or (n, 1) where the detector has none for each channel
    threshold : float or None
    events : DataFrame
        Flagged events, the most anomalous first. Columns `rank`, `start`, `end`, `peak` (rows from 0, both ends
        inclusive), `peak_score` and `channels`, a string.
    label : array of shape (n,) or None
        1 at anomalous rows, 0 at normal ones.
    measures : dict of str to DataFrame
        Tables by name of the measure.
    epochs : list of dict
        Each with `epoch`, `train_loss` and `validation_loss`; empty if nothing was trained.
    notes : list of str
        What was reported while the data was read.
    train_end : int or None
        The rows before it were trained on; the curves leave them out, unless they are all rows.

    Raises
    ------
    ValueError
        When the arrays do not match.
    """

    title: str
    facts: dict[str, str]
    times: np.ndarray | pd.Index | None
    values: np.ndarray | None
    channels: tuple[str, ...]
    score: np.ndarray
    channel_scores: np.ndarray
    threshold: float | None
    events: pd.DataFrame
    label: np.ndarray | None
    measures: dict[str, pd.DataFrame]
    epochs: list[dict]
    notes: list[str]
    train_end: int | None

    def __post_init__(self):
        n, count = len(self.score), len(self.channels)
        if np.ndim(self.score) != 1 or n == 0:
            raise ValueError(f"score must have the shape (n,) with at least one row, got {np.shape(self.score)}")
        shapes = {"channel_scores": ((n, count), (n, 1)), "values": ((n, count),), "label": ((n,),), "times": ((n,),)}
        for name, allowed in shapes.items():
            array = getattr(self, name)
            if array is not None and np.shape(array) not in allowed:
                raise ValueError(f"{name} must have the shape {allowed[0]}, got {np.shape(array)}")


def write_report(path: Path, report: Report) -> None:
    """Write the page, one HTML file that opens from disk and loads nothing.

    The file has a size budget, whatever the length of the series; `exp.report.levels` states it. A policy in its head
    lets the browser run only the page's own scripts and connect nowhere.

    Parameters
    ----------
    path : Path
    report : Report
    """
    times = read_times(report.times, len(report.score))
    contents = {"style": _file("report.css") + _file("print.css"), **_embedded(report, times), **_texts(report, times)}
    html = _environment().get_template("report.html").render(report=report, **contents)
    with replacing(path) as temporary:
        temporary.write_bytes(html.encode("utf-8", "replace"))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["spaced"] = spaced
    return environment


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _embedded(report: Report, times: Times) -> dict:
    """Return the scripts, the policy that allows no others, and the data."""
    label, scored = _label(report), np.isfinite(report.score)
    score = report.score[scored]
    log = len(score) > 0 and bool(needs_log_axis(score))
    threshold = report.threshold if report.threshold is not None and np.isfinite(report.threshold) else None
    drawn = {}
    measured = scored & (np.arange(len(scored)) >= _first_measured(report))
    if label is not None and label[measured].any() and not label[measured].all():
        drawn |= figures.roc_and_pr(label[measured], report.score[measured])
    if report.epochs:
        drawn["training"] = figures.training(report.epochs)
    channels, scores = _drawn_channels(report), report.channel_scores
    explorer = figures.explorer(times, len(channels), log=log, threshold=threshold, labelled=label is not None)
    items = {"explorer": explorer, **{name: figure.item for name, figure in drawn.items()}}
    data = embed(times, report.score, channels, scores, report.events, label, log=log)
    description = {
        **data.description,
        "threshold": threshold,
        "trainEnd": report.train_end or 0,
        "packing": {"block": BLOCK, "missing": MISSING, "factor": FACTOR, "gap": GAP},
        "figures": items,
    }
    scripts = [
        Resources(mode="inline", components=["bokeh"], minified=True).js_raw[0],
        _file("times.js") + _file("series.js") + _file("report.js"),
    ]
    return {
        "scripts": scripts,
        "policy": _policy(scripts),
        "description": json.dumps(description, allow_nan=False).replace("<", "\\u003c"),
        "blocks": data.blocks,
        "legends": {name: figure.legend for name, figure in drawn.items()},
        "log": log,
        "n_drawn": len(channels),
        "more_channels": len(channels) > EVENT_CHANNELS,
    }


def _label(report: Report) -> np.ndarray | None:
    return None if report.label is None else np.asarray(report.label) == 1


def _drawn_channels(report: Report) -> list[tuple[str, np.ndarray]]:
    """Return the values, or the scores if those are not available, of each channel that has any."""
    drawn = report.channel_scores if report.values is None else report.values
    if drawn.shape[1] != len(report.channels) or (report.values is None and drawn.shape[1] == 1):
        return []
    return list(zip(report.channels, drawn.T, strict=True))


def _policy(scripts: list[str]) -> str:
    """Return a content security policy: these scripts, styles of the page itself, and nothing from elsewhere."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def _texts(report: Report, times: Times) -> dict:
    """Return the text around the figures."""
    label, listed = _label(report), report.events.head(LISTED)
    overlapping, met, total = (None, 0, 0) if label is None else text.met_events(label, report.events)
    entries = [
        {
            "rank": row.rank,
            "when": text.span(times, int(row.start), int(row.end)),
            "length": text.length(times, int(row.start), int(row.end)),
            "score": text.number(row.peak_score),
            "channels": row.channels.replace(" %", "\u00a0%") if len(report.channels) > 1 else "",
            "met": None if overlapping is None else bool(overlapping[place]),
        }
        for place, row in enumerate(listed.itertuples())
    ]
    values = [] if report.values is None else list(zip(report.channels, report.values.T, strict=True))
    return {
        "events": entries,
        "met": None if label is None else (met, total),
        "flagged_share": f"{100 * _flagged_points(report) / len(report.score):.3g} %",
        "threshold": None if report.threshold is None else text.number(report.threshold),
        "data": _data_facts(report, times, label),
        "notes": [*report.notes, *filter(None, [times.problem])],
        "channel_table": text.channel_table(values) if values else None,
        "measures": text.measure_tables(report.measures),
    }


def _first_measured(report: Report) -> int:
    """Return the row from which curves are drawn: after the training part, unless everything was trained on."""
    return report.train_end if report.train_end is not None and report.train_end < len(report.score) else 0


def _flagged_points(report: Report) -> int:
    return int((report.events["end"] - report.events["start"] + 1).sum())


def _share(points: int, n: int) -> str:
    return f"{spaced(points)} point{'s' * (points != 1)} ({100 * points / n:.3g} %)"


def _data_facts(report: Report, times: Times, label: np.ndarray | None) -> dict[str, str]:
    n = len(report.score)
    facts = {"points": spaced(n), "channels": spaced(len(report.channels)), "sampling": text.sampling(times)}
    if times.kind != "row":
        facts["span"] = text.span(times, 0, n - 1) + (f" {times.zone}" if times.zone else "")
    if report.train_end:
        facts["trained on"] = f"the first {spaced(report.train_end)} points"
    flagged = _flagged_points(report)
    facts["flagged"] = f"{_share(flagged, n)} in {spaced(len(report.events))} event{'s' * (len(report.events) != 1)}"
    if label is not None:
        facts["labelled"] = _share(int(label.sum()), n)
    return facts
