import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from matplotlib.image import imread
from sklearn.metrics import precision_recall_curve, roc_curve

from ts_ad_evaluation.auc import auc
from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.curves import _counts, plot_curves, plot_histogram, plot_vus_surface
from ts_ad_evaluation.f1 import best_f1
from ts_ad_evaluation.range_auc import vus


@pytest.fixture
def example():
    rng = np.random.default_rng(3)
    label = np.zeros(2_000, dtype=int)
    label[300:340] = label[900:905] = label[1_500:1_600] = 1
    return label, np.abs(rng.standard_normal(2_000)) + 1.5 * label


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def area_under(line):
    return np.trapezoid(line.get_ydata(), line.get_xdata())


def test_histogram_of_each_class_adds_up_to_one(example):
    figure = plot_histogram(*example, threshold=2.5)
    (axes,) = figure.axes
    assert [patch.get_data().values.sum() for patch in axes.patches] == pytest.approx([1, 1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "normal (1\u202f855 points)",
        "anomalous (145 points)",
        "threshold 2.5",
    ]
    assert axes.get_xscale() == "linear"


def test_histogram_counts_every_point_on_a_logarithmic_axis():
    score = np.append(np.linspace(0, 1, 999), 1e4)
    (axes,) = plot_histogram(score > 100, score).axes
    assert axes.get_xscale() == "log"
    assert [patch.get_data().values.sum() for patch in axes.patches] == pytest.approx([1, 1])


def test_constant_score_can_be_drawn():
    label = np.arange(10) == 4
    plot_histogram(label, np.ones(10))
    plot_curves(label, np.ones(10))


def test_curves_have_the_areas_they_state(example):
    left, right = plot_curves(*example).axes
    areas, best = auc(*example), best_f1(*example)
    assert area_under(left.lines[0]) == pytest.approx(areas.roc, abs=2e-3)
    assert area_under(right.lines[0]) == pytest.approx(areas.pr, abs=5e-3)
    assert legend_of(left)[0] == f"ROC, area {areas.roc:.4f}"
    assert legend_of(right)[2] == f"best F1 {best.f1:.4f} (oracle)"
    assert right.lines[2].get_xydata().tolist() == [[best.recall, best.precision]]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_curves_pass_through_every_bend(points):
    label, score = map(np.array, zip(*points, strict=True))
    assume(0 < label.sum() < len(label))
    false_alarms, hits = _counts(label, score)
    fpr, tpr, _ = roc_curve(label, score)
    for at, expected in zip(tpr, fpr, strict=True):
        reached = false_alarms[np.isclose(hits / label.sum(), at)] / (~label).sum()
        assert reached.min() - 1e-12 <= expected <= reached.max() + 1e-12
    precision, recall, _ = precision_recall_curve(label, score)
    for at in np.unique(recall[:-1]):
        own = np.isclose(hits / label.sum(), at) & (hits + false_alarms > 0)
        reached = hits[own] / (hits + false_alarms)[own]
        expected = precision[:-1][recall[:-1] == at]
        assert (reached.min(), reached.max()) == pytest.approx((expected.min(), expected.max()))


def test_long_curves_are_thinned():
    rng = np.random.default_rng(5)
    label = rng.random(200_000) < 0.3
    figure = plot_curves(label, rng.standard_normal(200_000) + label)
    assert all(len(line.get_xdata()) < 10_000 for axes in figure.axes for line in axes.lines)


@pytest.mark.parametrize("rule", ["2024", "2022"])
def test_surface_states_its_volume_and_rule(example, rule):
    figure = plot_vus_surface(*example, window=20, rule=rule)
    volume = vus(*example, window=20, rule=rule)
    assert [axes.get_title() for axes in figure.axes] == [
        f"VUS_ROC {volume.roc:.4f} (rule of {rule})",
        f"VUS_PR {volume.pr:.4f} (rule of {rule})",
    ]
    assert [axes.get_ylim() for axes in figure.axes] == [(0, 20)] * 2


def test_surface_needs_a_window(example):
    with pytest.raises(EvaluationError, match="window of at least 1"):
        plot_vus_surface(*example, window=0)


@pytest.mark.parametrize(
    ("plot", "suffix"),
    [(plot_histogram, "png"), (plot_histogram, "pdf"), (plot_curves, "pdf"), (plot_vus_surface, "png")],
)
def test_files_open(example, tmp_path, plot, suffix):
    path = tmp_path / f"figure.{suffix}"
    plot(*example, path=path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    if suffix == "png":
        assert imread(path).std() > 0.01
    else:
        assert path.read_bytes().startswith(b"%PDF")
    assert path.stat().st_size < 500_000
