"""The isolation forest against its definition on small series, and on a series with an injected event."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from benchmarks import baselines
from benchmarks.baselines import forest_scores

WINDOW = 16
EVENT = slice(300, 312)


def make_parts(n=600, m=500, seed=0):
    """Three channels of noisy waves with different means and units, and one that hardly ever changes."""
    rng = np.random.default_rng(seed)
    phase = np.arange(n + m)[:, None] * np.array([0.2, 0.31, 0.47])
    waves = np.sin(phase) + 0.1 * rng.standard_normal(phase.shape)
    values = np.column_stack([waves * [1, 50, 0.01] + [5, -300, 0], np.ones(n + m)])
    return values[:n], values[n:]


@pytest.fixture
def planted():
    """Two parts whose test part has an event in the channel 1: the wave stands still."""
    train, test = make_parts()
    test[EVENT, 1] = -250
    return train, test


def windows_of(values):
    """All windows, one by one, flattened."""
    return np.array([values[start : start + WINDOW].ravel() for start in range(len(values) - WINDOW + 1)])


def mean_over_windows(scores, n):
    """Mean of each point over the windows that contain it; `scores` has shape (windows, WINDOW, …)."""
    return np.array(
        [
            np.mean([scores[s, t - s] for s in range(max(0, t - WINDOW + 1), min(t, n - WINDOW) + 1)], axis=0)
            for t in range(n)
        ]
    )


def standardised(train, test):
    deviation = train.std(axis=0)
    deviation[deviation == 0] = 1
    return (train - train.mean(axis=0)) / deviation, (test - train.mean(axis=0)) / deviation


def test_forest_by_its_definition(monkeypatch):
    monkeypatch.setattr(baselines, "BATCH", 100)
    train, test = make_parts(n=300, m=120)
    got = forest_scores(train, test, WINDOW, seed=4)
    train, test = (part.astype(np.float32) for part in standardised(train, test))
    forest = IsolationForest(random_state=4).fit(windows_of(train))
    for part, score in ((train, got.train), (test, got.test)):
        of_windows = -forest.score_samples(windows_of(part))
        every_point = np.repeat(of_windows[:, None], WINDOW, axis=1)
        np.testing.assert_allclose(score, mean_over_windows(every_point, len(part)), rtol=1e-2)


def test_a_planted_event_stands_out(planted):
    train, test = planted
    scores = forest_scores(train, test, WINDOW, seed=1)
    assert scores.train.shape == (600,)
    assert scores.test.shape == (500,)
    away = np.ones(500, dtype=bool)
    away[EVENT.start - WINDOW : EVENT.stop + WINDOW] = False
    assert EVENT.start <= scores.test.argmax() < EVENT.stop
    assert scores.test[EVENT].mean() > scores.test[away].max()
    assert np.median(scores.test[away]) < np.quantile(scores.train, 0.9)


def test_units_do_not_matter(planted):
    train, test = planted
    other_units = forest_scores(train * 1024 + 4096, test * 1024 + 4096, WINDOW, seed=1)
    np.testing.assert_allclose(other_units.test, forest_scores(train, test, WINDOW, seed=1).test, rtol=1e-2)


def test_the_seed_draws_the_training_windows(planted, monkeypatch):
    monkeypatch.setattr(baselines, "TRAINING_WINDOWS", 50)
    first, again, other = (forest_scores(*planted, WINDOW, seed=seed).test for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, rtol=1e-3)


def test_a_test_part_of_one_window(planted):
    train, test = planted
    scores = forest_scores(train, test[:WINDOW], WINDOW, seed=1)
    assert scores.test.shape == (WINDOW,)
    assert np.isfinite(scores.test).all()


@pytest.mark.parametrize(
    ("shapes", "window", "text"),
    [
        (((50, 2), (40, 3)), 8, r"must have shapes \(n, C\) and \(m, C\), got \(50, 2\) and \(40, 3\)"),
        (((50,), (40,)), 8, r"must have shapes \(n, C\) and \(m, C\), got \(50,\) and \(40,\)"),
        (((50, 2), (40, 2)), 41, "a window of 41 points does not fit parts of 50 and 40"),
        (((50, 2), (40, 2)), 0, "a window of 0 points does not fit"),
    ],
)
def test_parts_that_do_not_fit(shapes, window, text):
    with pytest.raises(ValueError, match=text):
        forest_scores(*(np.zeros(shape) for shape in shapes), window, seed=0)
