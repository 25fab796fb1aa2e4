"""A stream's memory of time: what is new, repeated or older, and what follows a gap."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from exp.errors import UserError
from exp.streaming.clock import Clock, instant
from exp.streaming.stream import StreamingDetector
from tests.support.detector_cases import WINDOW, fitted, waves

X = waves(60, seed=7)
MINUTES = pd.date_range("2024-06-12", periods=60, freq="min")


def scores_of(x, mode="window"):
    """Return the scores of a separate series."""
    detector = fitted()
    if mode == "window":
        return detector.decision_function(x)
    return StreamingDetector(detector, mode=mode).update(x).score


def orders(times, **options):
    clock = Clock(**options)
    return [clock.take(instant(time)).order for time in times]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1, 2, 3], ["new", "new", "new"]),
        ([1, 1, 2], ["new", "repeated", "new"]),
        ([1, 2, 1, 2, 3], ["new", "new", "older", "repeated", "new"]),
        ([10**18, 10**18 + 1, 10**18], ["new", "new", "older"]),
        ([0.1, np.float32(0.25), 0.3], ["new", "new", "new"]),
        ([-1, -2], ["new", "older"]),
        (
            [datetime(9999, 1, 1), datetime(9999, 1, 1, 0, 0, 0, 1), np.datetime64("9999-01-02")],
            ["new", "new", "new"],
        ),
        ([np.datetime64("2024-01-01T00:00:00.000000001"), np.datetime64("2024-01-01T00:00:00")], ["new", "older"]),
        (  # the clock goes back: with offsets the second 02:00 is later
            [pd.Timestamp("2024-10-27T02:30+02:00"), pd.Timestamp("2024-10-27T02:00+01:00")],
            ["new", "new"],
        ),
        ([pd.Timestamp("2024-10-27T02:30"), pd.Timestamp("2024-10-27T02:00")], ["new", "older"]),
        (
            [
                datetime(2024, 1, 1, 12, tzinfo=timezone.utc),
                datetime(2024, 1, 1, 13, tzinfo=timezone(timedelta(hours=2))),
            ],
            ["new", "older"],
        ),
    ],
)
def test_order(times, expected):
    assert orders(times) == expected


@pytest.mark.parametrize("time", [np.nan, np.inf, pd.NaT, None, "2024-01-01", True, np.datetime64("NaT")])
def test_what_is_not_a_time(time):
    with pytest.raises(ValueError, match=r"is not a time|not finite|missing"):
        instant(time)


@pytest.mark.parametrize("gap", [0, -1, np.inf, np.nan, pd.Timedelta(0), pd.Timedelta("-1h")])
def test_gaps_that_mean_nothing(gap):
    with pytest.raises(UserError, match="number of usual steps above 0, or a duration"):
        Clock(gap)


@pytest.mark.parametrize(
    ("gap", "step", "expected"),
    [  # (told, fresh)
        (None, 1, (False, False)),
        (None, 3, (False, False)),
        (None, 4, (True, False)),
        (10, 10, (True, False)),
        (10, 11, (True, True)),
        (2, 2.5, (True, True)),
        (pd.Timedelta("10min"), 10, (True, False)),
        (pd.Timedelta("10min"), 11, (True, True)),
    ],
)
def test_gap(gap, step, expected):
    clock = Clock(gap)
    for time in MINUTES[:20]:
        assert not clock.take(instant(time)).gap
    verdict = clock.take(instant(MINUTES[19] + step * pd.Timedelta("1min")))
    assert (verdict.gap, verdict.fresh) == expected
    assert clock.gaps == expected[0]
    assert verdict.usual == 60e9


def test_a_changed_rate_becomes_the_usual_one():
    clock = Clock()
    times = [*range(100), *range(100, 100 + 60 * 40, 60)]
    told = [clock.take(instant(time)).gap for time in times]
    assert 10 < sum(told) < 20
    assert not any(told[-20:])


def test_a_duration_does_not_fit_times_that_are_numbers():
    with pytest.raises(UserError, match="numbers without a unit: give a number of usual steps"):
        StreamingDetector(fitted(), gap=pd.Timedelta("2h")).update(X[:2], [1, 2])


class TestPoints:
    @pytest.mark.parametrize("mode", ["window", "causal"])
    @pytest.mark.parametrize("size", [1, 7, 70])
    def test_repeated_and_older_ones_leave_no_trace(self, mode, size):
        stream = StreamingDetector(fitted(), mode=mode)
        places = [*range(30), *range(20, 30), 5, *range(30, 60)]  # the tail comes again
        parts = []
        for start in range(0, len(places), size):
            block = places[start : start + size]
            parts.append(stream.update(X[block], MINUTES[block]))
        parts.append(stream.finish())
        np.testing.assert_array_equal(np.concatenate([part.score for part in parts]), scores_of(X, mode))
        assert (stream.seen, stream.clock.repeated, stream.clock.older) == (60, 1, 10)

    def test_over_a_state(self, tmp_path):
        stream = StreamingDetector(fitted(), gap=10)
        first = stream.update(X[:30], MINUTES[:30])
        stream.save_state(tmp_path / "state")
        other = StreamingDetector(fitted(), gap=10)
        other.load_state(tmp_path / "state")
        later = other.update(X[20:], MINUTES[20:])
        last = other.finish()
        np.testing.assert_array_equal(np.concatenate([first.score, later.score, last.score]), scores_of(X))
        assert (other.clock.repeated, other.clock.older) == (1, 9)

    @pytest.mark.parametrize("restart", [False, True])
    @pytest.mark.parametrize("mode", ["window", "causal"])
    @pytest.mark.parametrize("cut", [WINDOW, WINDOW + 1, 31, 40])
    def test_a_fresh_window_after_a_gap(self, mode, cut, restart, tmp_path):
        """Both parts have the scores of separate series."""
        times = MINUTES.where(np.arange(60) < cut, MINUTES + pd.Timedelta("14D"))
        stream = StreamingDetector(fitted(), mode=mode, gap=10)
        parts = [stream.update(X[:cut], times[:cut])]
        if restart:
            stream.save_state(tmp_path / "state")
            stream = StreamingDetector(fitted(), mode=mode)
            stream.clock.gap = 10
            stream.load_state(tmp_path / "state")
        parts += [stream.update(X[cut:], times[cut:]), stream.finish()]
        both = np.concatenate([scores_of(X[:cut], mode), scores_of(X[cut:], mode)])
        np.testing.assert_array_equal(np.concatenate([part.score for part in parts]), both)
        skipped = WINDOW - 1 if mode == "causal" else 0
        rows = np.concatenate([part.rows for part in parts])
        np.testing.assert_array_equal(rows, [*range(skipped, cut), *range(cut + skipped, 60)])
        assert stream.decided == 60

    def test_without_the_option_windows_go_on_and_it_is_told(self):
        times = MINUTES.where(np.arange(60) < 30, MINUTES + pd.Timedelta("14D"))
        stream = StreamingDetector(fitted())
        first = stream.update(X, times)
        assert [index for index, verdict in enumerate(stream.verdicts) if verdict.gap] == [30]
        np.testing.assert_array_equal(np.concatenate([first.score, stream.finish().score]), scores_of(X))

    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_parts_shorter_than_a_window_have_no_scores(self, mode):
        short = WINDOW - 1
        times = MINUTES.where(np.arange(60) < short, MINUTES + pd.Timedelta("1D"))
        times = times.where(np.arange(60) < 60 - short, times + pd.Timedelta("1D"))
        stream = StreamingDetector(fitted(), mode=mode, gap=10)
        rows = np.concatenate([stream.update(X, times).rows, stream.finish().rows])
        first = short + (WINDOW - 1 if mode == "causal" else 0)
        np.testing.assert_array_equal(rows, range(first, 60 - short))
        assert stream.decided == 60

    def test_several_series_have_one_clock(self):
        stream = StreamingDetector(fitted(), series=2)
        both = np.stack([X, X[::-1]])
        places = [*range(30), *range(20, 60)]
        parts = [stream.update(both[:, places], MINUTES[places]), stream.finish()]
        score = np.concatenate([part.score for part in parts], axis=1)
        np.testing.assert_allclose(score, [scores_of(series) for series in both], atol=1e-6)

    @pytest.mark.parametrize(
        ("times", "message"),
        [
            ([1, np.nan, 3], "not finite"),
            ([1, 2], "2 times for 3 points"),
            ([1, MINUTES[0], 2], "a date without a zone"),
            ([MINUTES[0], MINUTES[1].tz_localize("UTC"), MINUTES[2]], "a date with a zone"),
        ],
    )
    def test_wrong_times_take_no_point(self, times, message):
        stream = StreamingDetector(fitted())
        with pytest.raises(ValueError, match=message):
            stream.update(X[:3], times)
        assert stream.seen == 0
        assert stream.clock.last is None

    def test_another_kind_of_time_than_before(self):
        stream = StreamingDetector(fitted())
        stream.update(X[:3], [1, 2, 3])
        with pytest.raises(
            ValueError, match="the time is a date without a zone, but the earlier ones are each a number"
        ):
            stream.update(X[3], [MINUTES[0]])
        assert stream.seen == 3
