"""Alarms of a stream as events."""

import copy
import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exp.detection.events import event_spans, ranked_events
from exp.errors import UserError
from exp.streaming.alarms import AlarmEvents
from exp.streaming.lines import stream_lines
from exp.streaming.state import read_state
from tests.support.detector_cases import fitted, fitted_to_names, waves

X = waves(120, seed=5)
X[[30, 31, 33, 60, 61, 62, 63, 90], 1] += 40
TIMES = [f"2024-05-01T{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(120)]
RULE = {"threshold": 3.0}  # above which all of these are, and little else


def detector():
    """Return a detector whose channels have different scales."""
    known = copy.deepcopy(fitted_to_names("cpu", "disk"))
    known.aggregation_.scale = known.aggregation_.scale * [0.8, 1.5]
    return known


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "detector"
    detector().save(folder)
    return folder


@pytest.fixture
def run(model, tmp_path):
    """Return a function that scores points and returns the events that are written for them."""

    def run(x, times=None, code=0, **options):
        lines = [",".join(map(repr, point)) for point in x.tolist()]
        lines = lines if times is None else [f"{time},{line}" for time, line in zip(times, lines, strict=True)]
        (tmp_path / "source.csv").write_text("".join(f"{line}\n" for line in lines))
        options = {"alarms": True, "threshold": RULE, "device": "cpu"} | options
        with open(tmp_path / "source.csv") as source, open(tmp_path / "target.jsonl", "w") as target:
            assert stream_lines(model, source, target, **options) == code
        return [json.loads(line) for line in (tmp_path / "target.jsonl").read_text().splitlines()]

    return run


def of_file(x, times=None, **options):
    """Return the events of the whole series, in time order, as a file has them."""
    known = detector()
    by_channel = known.channel_scores(pd.DataFrame(x, columns=["cpu", "disk"]))
    score = known.point_scores(by_channel)
    spans = {"merge_gap": known.merge_gap, "min_length": 1} | options
    relative = known.aggregation_.by_channel(by_channel)
    events = ranked_events(score, relative, RULE["threshold"], channels=["cpu", "disk"], **spans)
    records = []
    for number, event in enumerate(events.sort_values("start").itertuples(), start=1):
        rows = {"begin_row": event.start, "end_row": event.end, "peak_row": event.peak}
        told = {key.removesuffix("_row"): row if times is None else times[row] for key, row in rows.items()}
        records.append({"event": number, **told, **rows, "peak_score": event.peak_score, "named": event.channels})
    return records


def comparable(event):
    named = ", ".join(f"{name} {100 * share:.0f} %" for name, share in event["channels"].items())
    assert event["points"] == event["end_row"] - event["begin_row"] + 1
    assert event["threshold"] == RULE["threshold"]
    return {key: event[key] for key in event if key not in ("points", "threshold", "channels")} | {"named": named}


@pytest.mark.parametrize("times", [None, TIMES])
@pytest.mark.parametrize(
    "options", [{}, {"merge_gap": 0}, {"merge_gap": 0, "min_length": 2}, {"merge_gap": 30}, {"min_length": 50}]
)
def test_they_are_those_of_a_file(run, times, options):
    events = [comparable(event) for event in run(X, times, **options)]
    assert events == of_file(X, times, **options)
    assert bool(events) == (options.get("min_length") != 50)


def test_the_keys(run):
    (first, *_) = run(X, TIMES)
    assert list(first) == [
        *("event", "begin", "end", "peak", "begin_row", "end_row", "peak_row", "points", "peak_score", "threshold"),
        "channels",
    ]


def test_causal_scores_have_events_too(run):
    events = run(X, TIMES, mode="causal", merge_gap=0)
    points = run(X, TIMES, mode="causal", alarms=False)
    score = np.array([point["score"] or 0 for point in points])
    starts, ends, _ = event_spans(score, RULE["threshold"])
    assert [event["begin_row"] for event in events] == starts.tolist()
    assert [event["end_row"] for event in events] == ends.tolist()
    for event in events:
        scores = {row: points[row]["score"] for row in range(event["begin_row"], event["end_row"] + 1)}
        assert event["peak_row"] == max(scores, key=scores.get)
        assert event["peak_score"] == scores[event["peak_row"]]


def test_an_event_is_told_as_soon_as_it_is_finished():
    events = AlarmEvents(fitted(), merge_gap=2)
    scored = lambda alarm: (5.0 if alarm else 0.5, np.ones(2, np.float32), 1.0, alarm)  # noqa: E731
    told = [len(events.add(row, None, scored(row in (3, 4, 7, 20)))) for row in range(20)]
    assert [row for row, count in enumerate(told) if count] == [10]
    (event,) = events.add(20, None, scored(True)) + events.end()
    assert (event["event"], event["begin"], event["end"]) == (2, 20, 20)
    assert events.end() == []


def test_points_without_scores_have_no_alarm():
    events = AlarmEvents(fitted(), merge_gap=1)
    alarm = (5.0, np.ones(2, np.float32), 1.0, True)
    assert [len(events.add(row, None, alarm if row < 2 else None)) for row in range(5)] == [0, 0, 0, 1, 0]


def test_long_events_need_little_memory():
    events = AlarmEvents(fitted(), merge_gap=0)
    for row in range(1000):
        events.add(row, None, (5.0, np.array([1.0, 3.0], np.float32), 1.0, True))
        assert len(json.dumps(events._kept)) < 20_000
    (event,) = events.end()
    assert event["points"] == 1000
    assert list(event["channels"].values()) == [0.75, 0.25]


def spans_of(scores, threshold, merge_gap):
    """Return first, last and highest row of the events of a stream with these scores."""
    events = AlarmEvents(fitted(), merge_gap=merge_gap)
    told = []
    for row, score in enumerate(scores):
        told += events.add(row, None, (score, np.ones(2, np.float32), threshold, score > threshold))
        assert len(json.dumps(events._kept)) < 30_000
    return [(event["begin_row"], event["end_row"], event["peak_row"]) for event in told + events.end()]


@given(
    scores=st.lists(st.sampled_from([-3.0, 0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0, 40.0]), min_size=1, max_size=60),
    threshold=st.sampled_from([-2.0, 0.2, 0.5]),
    merge_gap=st.integers(0, 5),
)
@settings(max_examples=100)
def test_they_begin_and_end_as_those_of_a_file(scores, threshold, merge_gap):
    expected = event_spans(np.array(scores), threshold, merge_gap=merge_gap)
    assert spans_of(scores, threshold, merge_gap) == list(zip(*expected, strict=True))


def test_a_long_rise_needs_little_memory():
    ((begin, end, peak),) = spans_of(np.linspace(0, 100, 2000).tolist() + [60.0] * 100 + [0], 1.0, 0)
    assert (end, peak) == (2099, 1999)
    (first,), _, _ = event_spans(np.linspace(0, 100, 2000), 1.0)
    assert first <= begin <= first + 64


def test_a_fresh_window_ends_an_event(run):
    x = waves(120, seed=5)
    x[58:62, 1] += 40
    times = [minute if minute < 60 else minute + 5000 for minute in range(120)]
    events = [line for line in run(x, times, gap=10.0, merge_gap=20) if "note" not in line]
    borders = [(event["begin_row"] < 60, event["end_row"] < 60) for event in events]
    assert (True, True) in borders
    assert (False, False) in borders
    assert (True, False) not in borders


@given(cuts=st.lists(st.integers(0, 120), max_size=3), mode=st.sampled_from(["window", "causal"]))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_restarts_change_nothing(run, tmp_path, cuts, mode):
    state = tmp_path / "state"
    state.unlink(missing_ok=True)
    ends = [0, *sorted(cuts), 120]
    written = []
    for start, end in itertools.pairwise(ends):
        written += run(X[start:end], TIMES[start:end], state=state, mode=mode)
    whole = run(X, TIMES, mode=mode)
    assert written == whole[: len(written)]
    still_open = read_state(state)[1]["kept"]["alarms"]["open"]
    assert len(written) >= len(whole) - 1 - (mode == "window")
    if len(written) < len(whole) and still_open is not None:
        assert still_open["rises"][0]["begin_row"] == whole[len(written)]["begin_row"]


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"merge_gap": 2}, {"merge_gap": 3}),
        ({}, {"min_length": 2}),
        ({}, {"alarms": False}),
    ],
)
def test_a_state_of_other_events(run, tmp_path, then, now):
    run(X[:60], state=tmp_path / "state", **then)
    before = (tmp_path / "state").read_bytes()
    with pytest.raises(UserError, match="the state belongs to a stream with other options for events") as caught:
        run(X[60:], state=tmp_path / "state", **(then | now))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "state").read_bytes() == before


def test_a_state_of_points_can_go_on_with_events(run, tmp_path):
    run(X[:60], state=tmp_path / "state", alarms=False)
    assert run(X[60:], state=tmp_path / "state")[0]["event"] == 1


def test_a_state_of_another_threshold(run, tmp_path):
    run(X[:60], state=tmp_path / "state")
    with pytest.raises(UserError, match="state of another detector, or of another threshold"):
        run(X[60:], state=tmp_path / "state", threshold={"threshold": 4.0})


@pytest.mark.parametrize("rule", [{"risk": 0.01}, {"threshold": "quantile", "quantile": 0.9}, {"contamination": 0.1}])
def test_the_threshold_of_a_saved_detector_is_changed(run, rule):
    points = run(X, alarms=False, threshold=rule)
    expected = fitted_to_names("cpu", "disk")
    assert points[0]["threshold"] == copy.deepcopy(expected).set_threshold(**rule).threshold_


def test_a_drift_window_needs_spot(run):
    with pytest.raises(UserError, match="is fixed, so a drift window cannot move it"):
        run(X, drift_window=10, threshold={"threshold": "auto"})
    run(X, drift_window=10, threshold={"risk": 0.01})
