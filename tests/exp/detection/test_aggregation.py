"""The score of a point from the scores of its channels: against plain loops, and as the points arrive."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gmean

import exp.detection.aggregation
from exp.detection.aggregation import FLOOR, QUANTILE, Aggregation, RunningAggregation, check_kind, spans_of
from exp.detector import AnomalyDetector
from exp.errors import UserError

SPANS = (1, 2, 5)


def channel_scores(points, channels=3, seed=0):
    random = np.random.default_rng(seed)
    return (random.gamma(1.0, 1.0, (points, channels)) * [1.0, 50.0, 2.0, 7.0, 0.1, 3.0][:channels]).astype(np.float32)


def plain(scores, aggregation):
    """Return the scores of points by loops over points, spans and errors."""
    kinds = np.split(scores / aggregation.scale, aggregation.levels.shape[1], axis=1)
    found = []
    for point in range(len(scores)):
        ratios = []
        for span, levels in zip(aggregation.spans, aggregation.levels, strict=True):
            first = point - span + 1 if aggregation.causal else point - span // 2
            inside = slice(max(0, first), first + span)
            each = [kind[inside].mean() / level for kind, level in zip(kinds, levels, strict=True)]
            ratios.append(gmean(each))
        found.append(max(ratios))
    return np.array(found)


@given(points=st.integers(1, 40), causal=st.booleans(), seed=st.integers(0, 99), errors=st.sampled_from([1, 2, 3]))
def test_against_plain_loops(points, causal, seed, errors):
    aggregation = Aggregation.fit([channel_scores(100, 6)], SPANS, errors=errors, causal=causal)
    scores = channel_scores(points, 6, seed=seed)
    found = aggregation(scores)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain(scores, aggregation), rtol=1e-6)


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("point_score", "errors"), [("mean", 1), ("mean", 2), ("max", 1)])
def test_the_same_bits_in_blocks(monkeypatch, block, causal, point_score, errors):
    parts = [channel_scores(300, 4), channel_scores(41, 4, seed=1)]
    whole = Aggregation.fit(parts, SPANS, errors=errors, causal=causal, point_score=point_score)
    expected = [whole(part) for part in parts]
    monkeypatch.setattr(exp.detection.aggregation, "BLOCK", block)
    found = Aggregation.fit(parts, SPANS, errors=errors, causal=causal, point_score=point_score)
    np.testing.assert_array_equal(found.scale, whole.scale, strict=True)
    np.testing.assert_array_equal(found.levels, whole.levels, strict=True)
    for part, scores in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(found(part), scores, strict=True)


@given(
    blocks=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    causal=st.booleans(),
    seed=st.integers(0, 99),
    errors=st.sampled_from([1, 2]),
)
def test_the_same_bits_as_the_points_come(blocks, causal, seed, errors):
    aggregation = Aggregation.fit([channel_scores(100, 4)], SPANS, errors=errors, causal=causal)
    series = [channel_scores(sum(blocks), 4, seed=seed), channel_scores(sum(blocks), 4, seed=seed + 1)]
    running, parts, first = RunningAggregation(aggregation, 2), [], 0
    for block in blocks:
        parts.append(running.add(np.stack(series)[:, first : first + block]))
        first += block
        assert sum(score.shape[1] for score, _ in parts) == max(0, first - aggregation.ahead)
        other = RunningAggregation(aggregation, 2)
        other.set_state(running.get_state())
        running = other
    parts.append(running.finish())
    scores, rows = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    np.testing.assert_array_equal(rows, np.stack(series), strict=True)
    np.testing.assert_array_equal(scores, np.stack([aggregation(one) for one in series]), strict=True)
    assert running.relative.shape[2] == running.waiting.shape[1] == 0


def test_what_is_learned():
    scores = channel_scores(400)
    aggregation = Aggregation.fit([scores[:300], scores[300:]], SPANS)
    np.testing.assert_allclose(aggregation.scale, scores.astype(np.float64).mean(axis=0))
    for span, level in zip(SPANS, aggregation.levels, strict=True):
        only = Aggregation(aggregation.scale, np.ones((1, 1)), (span,))
        both = np.concatenate([only(scores[:300]), only(scores[300:])])
        assert level == pytest.approx(np.quantile(both, QUANTILE), rel=1e-6)


def test_channels_count_alike_whatever_their_errors():
    aggregation = Aggregation.fit([channel_scores(500)], (1,))
    scores = np.tile(aggregation.scale, (3, 1))
    scores[np.arange(3), np.arange(3)] *= 10
    np.testing.assert_allclose(aggregation(scores), aggregation(scores)[0], rtol=1e-6)


@pytest.mark.parametrize(("point_score", "expected"), [("mean", [2.0, 0.0]), ("max", [3.0, 0.0])])
def test_the_published_one(point_score, expected):
    found = Aggregation.published(2, point_score=point_score)(np.array([[1, 3], [0, 0]], np.float32))
    np.testing.assert_array_equal(found, expected)


def test_a_channel_without_errors_does_not_outweigh_the_others():
    scores = channel_scores(500) * np.float32([1, 1, 0])
    aggregation = Aggregation.fit([scores], (1,))
    np.testing.assert_allclose(aggregation.scale, [*scores[:, :2].mean(axis=0), FLOOR * scores.mean()], rtol=1e-5)
    noise = scores.copy()
    noise[:, 2] = 1e-6
    np.testing.assert_allclose(aggregation(noise), aggregation(scores), rtol=1e-3)


def test_a_series_without_errors():
    aggregation = Aggregation.fit([np.zeros((50, 2), np.float32)], SPANS)
    assert not aggregation(np.zeros((5, 2), np.float32)).any()
    scores = aggregation(np.full((5, 2), 1e30, np.float32))
    assert np.isfinite(scores).all()
    assert (scores > 1).all()


def test_a_channel_with_two_errors_has_their_geometric_mean():
    aggregation = Aggregation.fit([channel_scores(500, 4)], (1,), errors=2)
    scores = aggregation.scale * [[1, 1, 1, 1], [4, 1, 9, 1], [9, 1, 0, 1]]
    by_channel = (scores[:, :2] * scores[:, 2:]) ** 0.5
    np.testing.assert_allclose(aggregation.by_channel(by_channel), [[1, 1], [6, 1], [0, 1]], rtol=1e-6)
    ratios = aggregation(scores) / aggregation(scores)[0]
    np.testing.assert_allclose(ratios, [1, (2.5 * 5) ** 0.5, (5 * 0.5) ** 0.5], rtol=1e-6)


def test_unknown_kinds():
    with pytest.raises(UserError, match=r"^aggregation is .mean.: use .multiscale. or .published.$"):
        check_kind("mean")


def test_spans():
    assert spans_of(8) == (1, 2, 8)
    assert doctest.testmod(exp.detection.aggregation).attempted > 0
    assert doctest.testmod(exp.detection.aggregation).failed == 0


def test_the_share_of_a_channel_is_what_it_adds_to_the_score():
    """The one that is hard to predict does not hide the other."""
    random = np.random.default_rng(0)
    x = np.column_stack([10 * random.standard_normal(900), np.sin(np.arange(900) / 5)])
    detector = AnomalyDetector("PCA", device="cpu", overrides=["model.seq_len=20"]).fit(x[:600])
    x[700:710, 1] += 2
    first = detector.find_events(x).iloc[0]
    assert first["start"] <= 709
    assert first["end"] >= 700
    assert float(first["channels"].split()[1]) > 80
    assert first["channels"].startswith("1 ")
