"""Figures showing how a score separates the classes: histogram, ROC and PR curves, and the surfaces of the VUS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Integers, Mask
from ts_ad_evaluation.auc import anomalous_levels, auc
from ts_ad_evaluation.checks import EvaluationError, check_label_score
from ts_ad_evaluation.f1 import best_f1
from ts_ad_evaluation.figures import EVENT, INK, SCORE, THRESHOLD_LINE, dress, needs_log_axis, save_figure, spaced
from ts_ad_evaluation.range_auc import range_curves, vus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 80
NORMAL = "#b9c6d3"
ANOMALOUS = "#c8331f30"  # lets the normal points shine through
STEPS = 2000  # distinct positions along an axis that a curve keeps


def plot_histogram(
    label: ArrayLike, score: ArrayLike, *, threshold: float | None = None, path: str | os.PathLike[str] | None = None
) -> Figure:
    """Plot the distributions of the scores of normal and anomalous points.

    Each class sums to 1, so a rare one stays visible.

    Parameters
    ----------
    label : array_like of shape (n,)
        Zeros and ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    threshold : float, optional
        Drawn as a line.
    path : str or Path, optional
        File to write, `.png` or `.pdf`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EvaluationError
        When an array is not as described, or the file has another format.
    """
    label, score = check_label_score(label, score)
    figure, (axes,) = _new_figure(1, (8.0, 4.0))
    dress(axes, "score", "share of the class in each bin")
    low, high = score.min(), score.max()
    if needs_log_axis(score):
        low = max(low, np.median(score) / 20)
        edges = np.geomspace(low, high, BINS + 1)
        axes.set_xscale("log")
    else:
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for name, chosen, style in (
        ("normal", ~label, {"facecolor": NORMAL}),
        ("anomalous", label, {"facecolor": ANOMALOUS, "edgecolor": EVENT, "linewidth": 1.4}),
    ):
        counts, _ = np.histogram(np.maximum(score[chosen], low), edges)
        points = int(chosen.sum())
        axes.stairs(counts / points, edges, fill=True, label=f"{name} ({spaced(points)} points)", **style)
    if threshold is not None:
        axes.axvline(threshold, label=f"threshold {threshold:.4g}", **THRESHOLD_LINE)
    axes.set_yscale("log")
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    if path is not None:
        save_figure(figure, path)
    return figure


def plot_curves(label: ArrayLike, score: ArrayLike, *, path: str | os.PathLike[str] | None = None) -> Figure:
    """Plot the ROC and precision–recall curves over all points, with the areas under them.

    The point of the best F1 is marked as an oracle, because it is chosen with the label.

    Parameters
    ----------
    label : array_like of shape (n,)
        Zeros and ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    path : str or Path, optional
        File to write, `.png` or `.pdf`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EvaluationError
        When an array is not as described, or the file has another format.
    """
    label, score = check_label_score(label, score)
    areas, best = auc(label, score), best_f1(label, score)
    figure, (left, right) = _new_figure(2, (10.0, 4.9))

    dress(left, "false positive rate", "true positive rate")
    false_alarms, hits = _counts(label, score)
    recall = hits / hits[-1]
    left.plot(*visible(false_alarms / false_alarms[-1], recall), color=SCORE, label=f"ROC, area {areas.roc:.4f}")
    left.plot([0, 1], [0, 1], color=INK, linewidth=1.0, linestyle=":", label="chance, area 0.5")

    dress(right, "recall", "precision")
    precision = np.append(1.0, hits[1:] / (hits + false_alarms)[1:])
    right.plot(*visible(recall, precision), color=SCORE, label=f"PR, average precision {areas.pr:.4f}")
    share = label.mean()
    right.axhline(share, color=INK, linewidth=1.0, linestyle=":", label=f"chance, {share:.4f}")
    right.plot(
        best.recall,
        best.precision,
        "o",
        color=EVENT,
        label=f"best F1 {best.f1:.4f} (oracle)",
        clip_on=False,
        zorder=5,
    )
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    if path is not None:
        save_figure(figure, path)
    return figure


def plot_vus_surface(
    label: ArrayLike,
    score: ArrayLike,
    *,
    window: int = 100,
    n_thresholds: int = 250,
    rule: str = "2024",
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Plot the surfaces whose volumes VUS measures: the range ROC and PR curves over all buffer widths.

    The line at the front is the curve without a buffer.

    Parameters
    ----------
    label : array_like of shape (n,)
        Zeros and ones, both present.
    score : array_like of shape (n,)
        Higher is more anomalous.
    window, n_thresholds, rule
        As in `vus`.
    path : str or Path, optional
        File to write, `.png` or `.pdf`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EvaluationError
        When `vus` is undefined for these arguments, `window` is 0, or the file has another format.
    """
    import mpl_toolkits.mplot3d  # noqa: F401 -- registers the projection
    from matplotlib.figure import Figure

    volumes = vus(label, score, window=window, n_thresholds=n_thresholds, rule=rule)
    if window == 0:
        raise EvaluationError("a surface needs a window of at least 1")
    fpr, tpr, precision = range_curves(label, score, window=window, n_thresholds=n_thresholds, rule=rule)
    figure = Figure(figsize=(11.0, 4.9), layout="constrained", facecolor="white")
    for place, (title, x, z, x_label, z_label) in enumerate(
        (
            (f"VUS_ROC {volumes.roc:.4f}", fpr, tpr, "false positive rate", "true positive rate"),
            (f"VUS_PR {volumes.pr:.4f}", tpr[:, :-1], precision[:, :-1], "recall", "precision"),
        ),
        start=1,
    ):
        axes = figure.add_subplot(1, 2, place, projection="3d", box_aspect=(1, 1, 0.7))
        width = np.broadcast_to(np.arange(window + 1)[:, None], x.shape)
        # Rasterising keeps a PDF small; the palest colour is for the low values, the darkest is not used.
        axes.plot_surface(
            x, width, z, cmap="YlGnBu", vmin=0, vmax=1.25, rcount=50, ccount=250, antialiased=False, rasterized=True
        )
        axes.plot(x[0], width[0], z[0], color=INK, linewidth=1.2)
        axes.set(xlabel=x_label, ylabel="buffer width (points)", zlabel=z_label)
        axes.set(xlim=(0, 1), ylim=(0, window), zlim=(0, 1))
        axes.set_title(f"{title} (rule of {rule})", fontsize=10)
        axes.view_init(elev=28, azim=-60)
    if path is not None:
        save_figure(figure, path)
    return figure


def _new_figure(columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    return figure, [figure.add_subplot(1, columns, column + 1) for column in range(columns)]


def _counts(label: Mask, score: Floats) -> tuple[Integers, Integers]:
    """Counts of false alarms and hits, from no predicted point to all of them, wherever one of the curves bends."""
    levels = anomalous_levels(label, score)
    hits = np.stack([levels.hits, levels.hits_above], axis=1).ravel()[::-1]
    predicted = np.stack([levels.predicted, levels.predicted_above], axis=1).ravel()[::-1]
    hits, predicted = np.append(hits, hits[-1]), np.append(predicted, len(score))
    if predicted[0] > 0:  # normal points score above all anomalous ones
        hits, predicted = np.append(0, hits), np.append(0, predicted)
    return predicted - hits, hits


def visible(x: Floats, y: Floats, steps: int = STEPS) -> tuple[Floats, Floats]:
    """Drop the points (n,) of a curve that fall on the previous one's spot, of `steps` along each axis from 0 to 1."""
    spot = np.round(np.stack([x, y]) * steps)
    moved = np.append(True, (np.diff(spot) != 0).any(axis=0))
    moved[-1] = True
    return x[moved], y[moved]
