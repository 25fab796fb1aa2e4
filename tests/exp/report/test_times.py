import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exp.report.times import FINENESS, pack_times, read_times

START = pd.Timestamp("2026-03-01 12:00")


def unpacked(description, data, n):
    """Decode positions as the page does, those of the kept rows."""
    if "unit" not in description:
        return description["start"] + description["step"] * np.arange(n)
    steps = np.frombuffer(data, "<u2").astype(float)
    for index, step in description["exceptions"]:
        steps[index] = step
    return description["start"] + description["unit"] * np.append(0, np.cumsum(steps))


def irregular(steps, unit="s"):
    """Return times with these steps between them."""
    return START + pd.to_timedelta(np.append(0, np.cumsum(steps)).astype("int64"), unit=unit)


def test_rows_are_numbered_where_there_are_no_times():
    times = read_times(None, 5)
    assert (times.kind, times.x.tolist(), times.problem) == ("row", [0, 1, 2, 3, 4], "")


@pytest.mark.parametrize("times", [pd.date_range(START, periods=1000, freq="250ms"), np.arange(5.0, 105.0, 0.1)])
def test_regular_times_are_two_numbers(times):
    description, data = pack_times(read_times(times, len(times)))
    assert data == b""
    exact = read_times(times, len(times)).x
    np.testing.assert_allclose(unpacked(description, data, len(times)), exact, rtol=0, atol=1e-3)


@given(steps=arrays(np.int64, st.integers(2, 300), elements=st.integers(0, 90) | st.integers(0, 10**7)))
def test_whole_seconds_are_exact_unless_they_are_finer_than_any_plot_shows(steps):
    times = read_times(irregular(steps), len(steps) + 1)
    description, data = pack_times(times)
    kept = unpacked(description, data, len(times.x))
    mean = (times.x[-1] - times.x[0]) / len(steps)
    assert np.abs(kept - times.x).max() <= max(0.51 * mean / FINENESS, 1e-3 * mean * times.regular) + 1e-3
    if description.get("unit") == 1000:
        np.testing.assert_array_equal(kept, times.x)
    assert len(description.get("exceptions", [])) <= len(steps) / 16


@given(steps=arrays(np.float64, st.integers(2, 200), elements=st.floats(0, 1e6)))
def test_numbers_are_kept_to_a_part_of_the_mean_step(steps):
    times = read_times(np.append(0.0, np.cumsum(steps)), len(steps) + 1)
    mean = times.x[-1] / len(steps)
    allowed = 1e-3 * mean if times.regular else 0.51 * mean / FINENESS
    assert np.abs(unpacked(*pack_times(times), len(times.x)) - times.x).max() <= allowed + 1e-300


def test_a_gap_leaves_the_seconds_exact():
    steps = np.tile([1, 2], 5000)
    steps[777] = 86_400
    times = read_times(irregular(steps), len(steps) + 1)
    description, data = pack_times(times)
    np.testing.assert_array_equal(unpacked(description, data, len(times.x)), times.x)
    assert description["exceptions"] == [[777, 86_400]]
    assert len(data) == 2 * len(steps)


def test_with_a_stride_every_so_many_th_row_and_the_last_are_kept():
    times = read_times(irregular(np.random.default_rng(0).integers(1, 9, 1000)), 1001)
    description, data = pack_times(times, stride=64)
    np.testing.assert_array_equal(unpacked(description, data, 1001), np.append(times.x[:-1:64], times.x[-1]))


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        (pd.DatetimeIndex([START, None, START]), "a row has no time"),
        (pd.DatetimeIndex([START, START - pd.Timedelta("1s")]), "not in order"),
        (np.array([1.0, np.nan]), "a row has no time"),
        (np.array([3.0, 3.0, 3.0]), "all rows have the same time"),
    ],
)
def test_rows_are_numbered_where_times_are_no_axis(times, problem):
    found = read_times(times, len(times))
    assert found.kind == "row"
    assert problem in found.problem


def test_a_zone_is_read_by_its_clock_or_in_utc_where_that_is_put_back():
    summer = read_times(pd.date_range("2026-07-01 08:00", periods=3, freq="h", tz="Europe/Berlin"), 3)
    assert (summer.text(0), summer.zone) == ("2026-07-01 08:00:00", "Europe/Berlin")
    autumn = read_times(pd.date_range("2026-10-25 01:00", periods=4, freq="h", tz="Europe/Berlin"), 4)
    assert (autumn.text(0), autumn.zone, autumn.problem) == ("2026-10-24 23:00:00", "UTC", "")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_of_any_resolution(unit):
    times = read_times(np.array([START, START + pd.Timedelta("1500ms")]).astype(f"datetime64[{unit}]"), 2)
    assert times.text(0) == "2026-03-01 12:00:00"
    assert times.text(1) == ("2026-03-01 12:00:01" if unit == "s" else "2026-03-01 12:00:01.500")


def test_one_row():
    description, data = pack_times(read_times(pd.DatetimeIndex([START]), 1))
    assert description["step"] > 0
    assert data == b""
