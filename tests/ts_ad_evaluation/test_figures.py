import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.image import imread

from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.figures import MAX_EVENTS, PIXELS, plot_scores, thin

EVENTS = ((100, 119), (300, 300), (480, 499))


@pytest.fixture
def example():
    rng = np.random.default_rng(0)
    label = np.zeros(500, dtype=int)
    for start, end in EVENTS:
        label[start : end + 1] = 1
    score = np.abs(rng.standard_normal(500)) + 3 * label
    return rng.standard_normal((500, 3)), score, label


def bars(axes, height):
    """Left and right ends of the bars of this height (a share of the axes)."""
    found = []
    for collection in axes.collections:
        for path in collection.get_paths():
            (left, bottom), (right, top) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            if np.isclose(top - bottom, height):
                found.append((float(left), float(right)))
    return found


def test_panels_hold_every_channel_the_score_and_the_events(example):
    series, score, label = example
    figure = plot_scores(series, score, label)
    upper, lower = sorted(figure.axes, key=lambda axes: -axes.get_position().y0)
    assert len(upper.lines) == series.shape[1]
    np.testing.assert_array_equal(lower.lines[0].get_xydata(), np.c_[np.arange(500), score])
    for axes in (upper, lower):
        shaded = bars(axes, 1.0)
        assert len(shaded) == len(EVENTS)
        for (left, right), (start, end) in zip(shaded, EVENTS, strict=True):
            assert left <= start
            assert right >= min(end, 499)
            assert right - left < end - start + 3


def test_threshold_is_drawn_and_what_is_above_it_marked(example):
    series, score, label = example
    threshold = 2.9
    figure = plot_scores(series[:, 0], score, label, threshold=threshold)
    lower = min(figure.axes, key=lambda axes: axes.get_position().y0)
    line = lower.lines[1]
    assert set(line.get_ydata()) == {threshold}
    above = score > threshold
    marked = np.zeros(500, dtype=bool)
    # Event bars share the height; alarms are at the bottom of the panel.
    for collection in lower.collections:
        for path in collection.get_paths():
            (left, bottom), (right, top) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            if bottom == 0 and np.isclose(top, 0.05):
                marked[int(np.ceil(left)) : int(right) + 1] = True
    np.testing.assert_array_equal(marked, above)
    assert [text.get_text() for text in figure.legends[0].get_texts()][2] == "threshold 2.9"


def test_one_panel_pair_per_wanted_event(example):
    series, score, label = example
    figure = plot_scores(series, score, label, events=[0, 2])
    assert len(figure.axes) == 4
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert sorted(filter(None, titles)) == ["event 0: 100 – 119", "event 2: 480 – 499"]
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert any(low <= start and end <= high for start, end in EVENTS)
        assert high - low < 200


def test_without_series_only_the_score_is_drawn(example):
    _, score, label = example
    assert len(plot_scores(None, score, label, events=1).axes) == 1


def test_label_without_events_and_constant_arrays():
    figure = plot_scores(np.ones((50, 2)), np.ones(50), np.zeros(50), threshold=1.0)
    assert all(not bars(axes, 1.0) for axes in figure.axes)


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_file_is_written_whole_and_the_same_every_time(example, tmp_path, suffix):
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        plot_scores(*example, threshold=2.0, path=path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {f"a.{suffix}", f"b.{suffix}"}
    if suffix == "png":
        assert imread(paths[0]).shape[1] == PIXELS
    else:
        assert paths[0].read_bytes().startswith(b"%PDF")


def test_million_points_keep_their_peaks_in_a_small_file(tmp_path):
    rng = np.random.default_rng(1)
    series, score = rng.standard_normal((2, 1_000_000))
    score[123_456], score[765_432] = 40.0, -40.0
    label = np.zeros(1_000_000, dtype=int)
    label[500_000:500_003] = 1
    path = tmp_path / "long.png"
    figure = plot_scores(series, score, label, path=path)
    lower = min(figure.axes, key=lambda axes: axes.get_position().y0)
    drawn = lower.lines[0].get_xydata().tolist()
    assert [123_456, 40.0] in drawn
    assert [765_432, -40.0] in drawn
    (left, right) = bars(lower, 1.0)[0]
    assert right - left >= 3e6 / PIXELS * 0.999
    assert path.stat().st_size < 2_000_000
    assert imread(path).shape[1] == PIXELS


def test_thousands_of_short_events_become_few_shapes():
    label = np.zeros(700_000, dtype=int)
    label[::40] = 1
    figure = plot_scores(None, label + 0.5, label)
    assert len(bars(figure.axes[0], 1.0)) <= PIXELS


def test_few_huge_peaks_turn_the_axis_logarithmic():
    score = np.full(10_000, 0.1)
    score[5_000] = 1_000.0
    assert plot_scores(None, score, score > 1).axes[0].get_yscale() == "log"
    assert plot_scores(None, score - 0.2, score > 1).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.ones(7)}, "differ in length"),
        ({"series": np.ones((7, 2))}, "series and score differ in length: 7 and 500"),
        ({"series": np.full(500, np.nan)}, "series holds NaN"),
        ({"series": np.array(["a"] * 500)}, "series must be numeric"),
        ({"events": 3}, "there is no event 3: the label has 3"),
        ({"events": np.zeros(MAX_EVENTS + 1, dtype=int)}, "1 to 30 events, got 31"),
        ({"events": []}, "1 to 30 events, got 0"),
        ({"path": "scores.gif"}, "as .png or .pdf, not as scores.gif"),
    ],
)
def test_wrong_input_is_named(example, change, message):
    series, score, label = example
    arguments = {"series": series, "score": score, "label": label} | change
    with pytest.raises(EvaluationError, match=message):
        plot_scores(**arguments)


@given(arrays(float, st.integers(1, 300), elements=st.floats(-5, 5)), st.integers(1, 20))
def test_thinning_keeps_extremes_ends_and_order(values, columns):
    kept = thin(values, columns)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    if len(kept) < len(values):
        assert len(kept) <= 2 * columns + 2
        size = -(-len(values) // columns)
        for start in range(0, len(values), size):
            stretch = values[start : start + size]
            shown = values[kept[(kept >= start) & (kept < start + size)]]
            assert (shown.min(), shown.max()) == (stretch.min(), stretch.max())


def test_module_loads_matplotlib_only_when_it_draws():
    code = "import sys, ts_ad_evaluation.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
