"""Anomalies in the training part: they are still found there, and do not hide later ones."""

import glob

import numpy as np
import pytest

from exp.detection.events import flagged_spans
from exp.detector import AnomalyDetector
from tests.support.paths import REPOSITORY

SMALL = ["train.epoch_windows=512", "model.d_model=16", "model.n_heads=2"]
DETECTORS = {"CrossAD": SMALL, "Nearest": [], "NearestPCA": [], "PCA": []}
EVENTS = [slice(300, 306), slice(950, 962), slice(1500, 1510)]
LATER = slice(5200, 5210)


def waves(channels):
    """Return noisy waves (5600, C) with events of other shapes, three in the first 5000 points and one later."""
    random = np.random.default_rng(0)
    values = np.sin(np.arange(5600)[:, None] * (0.21 + 0.04 * np.arange(channels)))
    values += 0.1 * random.standard_normal(values.shape)
    for number, event in enumerate([*EVENTS, LATER]):
        values[event, 0] += (-1) ** number * (2 + np.linspace(0, 1, event.stop - event.start))
    return values


def found(detector, values, event):
    """Return whether a stretch of flagged points that the event is in has one of the four highest peaks."""
    peaks = detector.find_events(values).head(4)["peak"]
    stretches = flagged_spans(detector.predict(values) > 0, merge_gap=detector.merge_gap)
    near = ((first, last) for first, last in zip(*stretches, strict=True) if first < event.stop and last >= event.start)
    return any(peaks.between(first, last).any() for first, last in near)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", DETECTORS)
def test_events_are_found_although_others_were_trained_on(name, channels):
    values = waves(channels)
    detector = AnomalyDetector(name, overrides=DETECTORS[name], device="cpu").fit(values[:5000])
    assert found(detector, values, LATER)
    own = detector.decision_scores_
    normal = np.ones(5000, bool)
    for event in EVENTS:
        normal[event.start - detector.window : event.stop + detector.window] = False
    assert all(own[event].max() > own[normal].max() for event in EVENTS)


def test_the_embedded_series_is_trained_on_as_a_whole():
    (file,) = glob.glob(str(REPOSITORY / "dataset" / "UCR_Anomaly_FullData" / "135_*.txt"))
    values = np.loadtxt(file)
    detector = AnomalyDetector("auto", device="cpu").fit(values)
    scores = detector.channel_errors_of_training(values)
    first = detector.rank_events(detector.point_scores(scores), scores).iloc[0]
    assert 4187 - 10 < first["peak"] < 4199 + 10
