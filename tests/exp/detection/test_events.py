import itertools
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exp.detection.events import (
    alarm_record,
    channel_shares,
    describe_shares,
    event_spans,
    flagged_spans,
    ranked_events,
    rise,
)

COLUMNS = ["rank", "start", "end", "peak", "peak_score", "above_threshold", "channels"]


def find(score, threshold=0.5, *, merge_gap=0, min_length=1, channel_scores=None, channels=("a", "b")):
    score = np.asarray(score, np.float32)
    if channel_scores is None:
        channel_scores = np.stack([score, score], axis=1)
    lengths = {"merge_gap": merge_gap, "min_length": min_length}
    return ranked_events(score, channel_scores, threshold, **lengths, channels=channels)


def spans(events):
    return list(zip(events["start"].tolist(), events["end"].tolist(), strict=True))


def test_the_highest_peak_is_first():
    events = find([0, 2, 3, 0, 9, 0, 0, 2, 2.5, 1])
    assert list(events.columns) == COLUMNS
    assert events["rank"].tolist() == [1, 2, 3]
    assert spans(events) == [(4, 4), (1, 2), (7, 9)]
    assert events["peak"].tolist() == [4, 2, 8]
    assert events["peak_score"].tolist() == [9, 3, 2.5]
    assert events["above_threshold"].tolist() == [8.5, 2.5, 2]


def test_points_at_the_threshold_are_not_flagged():
    assert spans(find([0.5, 0.75, 0.5], 0.5)) == [(1, 1)]


@pytest.mark.parametrize(
    ("merge_gap", "expected"), [(0, [(5, 6), (0, 0), (2, 2)]), (1, [(5, 6), (0, 2)]), (2, [(0, 6)]), (100, [(0, 6)])]
)
def test_events_with_short_gaps_between_them_are_one(merge_gap, expected):
    assert spans(find([2, 0, 2, 0, 0, 3, 2, 0], merge_gap=merge_gap)) == expected


def test_of_equal_peaks_the_earlier_is_first():
    events = find([1, 0, 2, 0, 1, 0, 2, 2, 0, 1])
    assert spans(events) == [(2, 2), (6, 7), (0, 0), (4, 4), (9, 9)]
    assert events["peak"].tolist() == [2, 6, 0, 4, 9]


def test_no_event():
    events = find([0, 0.1, 0.2])
    assert len(events) == 0
    assert list(events.columns) == COLUMNS
    assert events.dtypes.tolist() == find([1, 1]).dtypes.tolist()


@pytest.mark.parametrize(
    ("score", "threshold", "expected"),
    [
        ([0, 2, 2, 9, 8, 2, 0], 1, (3, 4)),  # from 1 + (9 - 1) / 4 = 3 on
        ([0, 3, 2, 9, 2, 3, 0], 1, (1, 5)),  # what lies between belongs to it
        ([0, 2, 2.5, 3, 2, 0], 1, (1, 4)),  # a low peak: from 1.5 on
        ([-9, -4, -1, -3, -9], -5, (1, 3)),  # from -4 on
        ([-9, -4.5, -1, -3, -9], -5, (2, 3)),
        ([1e30, 2, 1], 0, (0, 0)),
    ],
)
def test_an_event_begins_and_ends_where_it_rises(score, threshold, expected):
    assert spans(find(score, threshold)) == [expected]
    assert spans(find(score, threshold, min_length=expected[1] - expected[0] + 2)) == []


def test_all_points_an_event():
    events = find([1.5, 2, 3])
    assert spans(events) == [(0, 2)]
    assert events.loc[0, "peak"] == 2


def test_channels_are_named_by_their_shares_of_the_event_s_score():
    channel_scores = np.array([[100, 0, 0], [3, 1, 0], [3, 1, 0], [0, 50, 50]])
    (named,) = find([0, 1, 2, 0], channel_scores=channel_scores, channels=["a", "b", "c"])["channels"]
    assert named == "a 75 %, b 25 %"  # by the two points inside


def test_a_gap_within_an_event_counts():
    channel_scores = np.array([[4, 0], [0, 2], [4, 0]])
    (named,) = find([1, 0, 1], merge_gap=1, channel_scores=channel_scores)["channels"]
    assert named == "a 80 %, b 20 %"


def test_at_most_five_channels_are_named_and_none_with_nothing():
    assert describe_shares(np.array([0.1, 0.3, 0.2, 0.15, 0.12, 0.13]), "abcdef") == (
        "b 30 %, c 20 %, d 15 %, f 13 %, e 12 %"
    )
    assert describe_shares(np.array([0.996, 0.004]), "ab") == "a 100 %"
    assert describe_shares(np.array([0.5, 0.5]), "ab") == "a 50 %, b 50 %"


@pytest.mark.parametrize("channels", [1, 2, 7, 1000])
def test_a_channel_is_always_named(channels):
    shares = channel_shares(np.ones((3, channels), np.float32))
    assert describe_shares(shares, [f"c{index}" for index in range(channels)]).startswith("c0 ")


SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 3.0, 1e30]), min_size=1, max_size=60)


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(st.floats(0, 1e30), min_size=n, max_size=n), min_size=1)))
def test_shares_add_to_1(rows):
    shares = channel_shares(np.array(rows, np.float32))
    assert shares.shape == (len(rows[0]),)
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1)


@settings(max_examples=50)
@given(score=SCORES, merge_gap=st.integers(0, 8), threshold=st.sampled_from([0.1, 0.5, 0.9, 2.0, 1e31]))
def test_laws(score, merge_gap, threshold):
    score = np.array(score, np.float32)
    events = find(score, threshold, merge_gap=merge_gap)
    assert events["rank"].tolist() == list(range(1, len(events) + 1))
    peaks = list(zip(-events["peak_score"], events["start"], strict=True))
    assert peaks == sorted(peaks)
    inside = np.zeros(len(score), bool)
    for event in events.itertuples():
        span = score[event.start : event.end + 1]
        assert min(span[0], span[-1]) >= rise(event.peak_score, threshold) > threshold
        assert not inside[event.start : event.end + 1].any()
        inside[event.start : event.end + 1] = True
        assert score[event.peak] == span.max() == np.float32(event.peak_score)
        assert event.start <= event.peak <= event.end
        assert event.above_threshold == event.peak_score - threshold > 0
        below = re.findall("0+", "".join("01"[int(value > threshold)] for value in span))
        assert max(map(len, below), default=0) <= merge_gap
    in_time = sorted(spans(events))
    stretches = list(zip(*flagged_spans(score > threshold, merge_gap=merge_gap), strict=True))
    for (first, last), (start, end) in zip(stretches, in_time, strict=True):
        assert first <= start <= end <= last
        around = np.append(score[first:start], score[end + 1 : last + 1])
        assert (around < rise(score[start : end + 1].max(), threshold)).all()
    assert all(later[0] - earlier[1] - 1 > merge_gap for earlier, later in itertools.pairwise(in_time))


@settings(max_examples=25)
@given(score=SCORES, merge_gap=st.integers(0, 8))
def test_the_same_twice(score, merge_gap):
    pd.testing.assert_frame_equal(find(score, merge_gap=merge_gap), find(score, merge_gap=merge_gap))


@settings(max_examples=25)
@given(score=SCORES, merge_gap=st.integers(0, 8))
def test_a_larger_gap_never_makes_more_events(score, merge_gap):
    assert len(find(score, merge_gap=merge_gap + 1)) <= len(find(score, merge_gap=merge_gap))


def test_negative_scores_have_no_share():
    np.testing.assert_allclose(channel_shares(np.array([[3.0, -5.0, 1.0], [1.0, -1.0, -1.0]])), [0.8, 0.0, 0.2])


@pytest.mark.parametrize(
    ("scores", "shares"),
    [
        ([[1.0, 3.0]], [0.25, 0.75]),
        ([[0.0, 0.0]], [0.5, 0.5]),
        ([[-1.0, 2.0]], [0.0, 1.0]),
        ([[np.nan, 2.0]], [0.0, 1.0]),
        ([[np.nan, np.nan]], [0.5, 0.5]),
        ([[np.inf, 1.0]], [1.0, 0.0]),
        ([[np.inf, np.inf], [1.0, 1.0]], [0.5, 0.5]),
    ],
)
def test_shares_are_shares_whatever_the_scores(scores, shares):
    np.testing.assert_allclose(channel_shares(np.array(scores)), shares, atol=1e-12)


def test_the_peak_of_an_event_with_a_gap_in_its_scores():
    score = np.array([0.0, 2.0, np.nan, 3.0, 0.0])
    (event,) = ranked_events(score, score[:, None], 1.0, merge_gap=1, channels=["a"]).itertuples()
    assert (event.start, event.end, event.peak, event.peak_score) == (1, 3, 3, 3.0)


@pytest.mark.parametrize(
    ("merge_gap", "min_length", "expected"),
    [
        (0, 1, [(0, 0), (2, 2), (5, 6)]),
        (0, 2, [(5, 6)]),
        (1, 2, [(0, 2), (5, 6)]),  # merged first
        (1, 3, [(0, 2)]),
        (0, 3, []),
        (2, 7, [(0, 6)]),
        (2, 8, []),
    ],
)
def test_short_events_are_left_out_once_merged(merge_gap, min_length, expected):
    score = np.array([2, 0, 2, 0, 0, 3, 2, 0.0])
    starts, ends, _ = event_spans(score, 0.5, merge_gap=merge_gap, min_length=min_length)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == expected
    events = find(score, merge_gap=merge_gap, min_length=min_length)
    assert sorted(spans(events)) == expected
    assert events["rank"].tolist() == list(range(1, len(expected) + 1))


def test_an_event_for_another_program():
    record = alarm_record((3, 5, 4), (3, 5, 4), 2.5, 1.0, np.array([0.25, 0.75, 0.0]), ["a", "b", "c"])
    assert record == {
        **{"begin": 3, "end": 5, "peak": 4, "begin_row": 3, "end_row": 5, "peak_row": 4, "points": 3},
        **{"peak_score": 2.5, "threshold": 1.0, "channels": {"b": 0.75, "a": 0.25}},
    }
    assert list(record["channels"]) == ["b", "a"]
