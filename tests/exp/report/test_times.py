import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exp.report.text import sampling
from exp.report.times import pack_times, read_times

START = pd.Timestamp("2026-03-01 12:00")


def unpacked(times, stride=1):
    """Pack times and decode their ticks, or their positions if they have none, as the page does."""
    description, data = pack_times(times, stride)
    n, width = len(times.x), description["width"]
    if not width:
        if "start" not in description:
            return description["first"] + description["pace"] * np.arange(n)
        return int(description["start"]) + int(description["step"]) * np.arange(n)
    if width == 8:
        return np.frombuffer(data, "<f8" if times.ticks is None else "<i8")
    steps = np.frombuffer(data, f"<u{width}").astype(np.int64)
    for index, step in description["exceptions"]:
        steps[index] = step
    return int(description["start"]) + int(description["unit"]) * np.append(0, np.cumsum(steps))


def irregular(steps, unit="s"):
    """Return times with these steps between them."""
    return START + pd.to_timedelta(np.append(0, np.cumsum(steps)).astype("int64"), unit=unit)


def test_rows_are_numbered_where_there_are_no_times():
    times = read_times(None, 5)
    assert (times.kind, times.x.tolist(), times.problem) == ("row", [0, 1, 2, 3, 4], "")


@pytest.mark.parametrize("times", [pd.date_range(START, periods=1000, freq="250ms"), np.arange(5.0, 105.0, 0.1)])
def test_regular_times_are_two_numbers(times):
    found = read_times(times, len(times))
    description, data = pack_times(found)
    assert (data, description["width"]) == (b"", 0)
    np.testing.assert_allclose(unpacked(found), found.x if found.ticks is None else found.ticks, rtol=1e-14)


STEPS = st.integers(0, 90) | st.integers(0, 10**7) | st.integers(0, 10**12)


@given(steps=arrays(np.int64, st.integers(2, 300), elements=STEPS), unit=st.sampled_from(["s", "ms", "us", "ns"]))
def test_every_date_is_exact(steps, unit):
    times = read_times(irregular(steps if unit in ("us", "ns") else steps % 10**7, unit), len(steps) + 1)
    if times.kind == "time":
        np.testing.assert_array_equal(unpacked(times), times.ticks)
        assert len(pack_times(times)[0].get("exceptions", [])) <= len(steps) / 16


@given(steps=arrays(np.int64, st.integers(2, 200), elements=STEPS), start=st.integers(-(2**60), 2**60))
def test_every_whole_number_is_exact(steps, start):
    numbers = start + np.append(0, np.cumsum(steps))
    times = read_times(numbers, len(numbers))
    if times.kind == "number":
        np.testing.assert_array_equal(unpacked(times), numbers)
        assert [times.text(row) for row in range(len(numbers))] == [str(number) for number in numbers]


@given(steps=arrays(np.float64, st.integers(2, 200), elements=st.floats(0, 1e6)))
def test_every_number_is_exact(steps):
    numbers = np.append(0.0, np.cumsum(steps))
    times = read_times(numbers, len(numbers))
    if times.kind == "number":
        assert [float(times.text(row)) for row in range(len(numbers))] == numbers.tolist()
        found = unpacked(times) if times.ticks is None else unpacked(times) / 10**times.digits
        np.testing.assert_allclose(found, numbers, rtol=0, atol=1e-13 * numbers[-1] if times.even else 0)


def test_a_gap_leaves_the_seconds_exact():
    steps = np.tile([1, 2], 5000)
    steps[777] = 86_400
    times = read_times(irregular(steps), len(steps) + 1)
    description, data = pack_times(times)
    np.testing.assert_array_equal(unpacked(times), times.ticks)
    assert description["exceptions"] == [[777, 86_400]]
    assert len(data) == 2 * len(steps)


def test_with_a_stride_every_so_many_th_row_and_the_last_are_kept():
    times = read_times(irregular(np.random.default_rng(0).integers(1, 9, 1000)), 1001)
    np.testing.assert_array_equal(unpacked(times, stride=64), np.append(times.ticks[:-1:64], times.ticks[-1]))


SEVEN = 1718150400  # in June 2024


@pytest.mark.parametrize(
    ("times", "texts", "every"),
    [
        (SEVEN + 10 * np.arange(3), ["1718150400", "1718150410", "1718150420"], "every 10"),
        (1000 * SEVEN + 10 * np.arange(3), ["1718150400000", "1718150400010", "1718150400020"], "every 10"),
        (10**9 * SEVEN + np.arange(2), ["1718150400000000000", "1718150400000000001"], "every 1"),
        (SEVEN + 0.25 * np.arange(3), ["1718150400", "1718150400.25", "1718150400.5"], "every 0.25"),
        (SEVEN + 1e-4 * np.arange(2), ["1718150400", "1718150400.0001"], "every 0.0001"),
        (np.array([0.1, 0.1 + 0.2]), ["0.1", "0.30000000000000004"], "every 0.2"),
        (np.array([-1.5, -0.25]), ["-1.5", "-0.25"], "every 1.25"),
        (np.array([1e-30, 3e-30]), ["1e-30", "3e-30"], "every 2e-30"),
        (
            START + pd.to_timedelta(np.arange(2) * 100, unit="us"),
            ["2026-03-01 12:00:00", "…:00.000100"],
            "every 0.0001 s",
        ),
        (START + pd.to_timedelta([0, 7], unit="ns"), ["2026-03-01 12:00:00", "…:00.000000007"], "every 0.000000007 s"),
        (np.array(["9999-01-01", "9999-01-02"], "M8[s]"), ["9999-01-01 00:00:00", "9999-01-02 00:00:00"], "every 1 d"),
    ],
)
def test_full_digits(times, texts, every):
    found = read_times(times, len(times))
    for row, text in enumerate(texts):
        assert found.text(row).endswith(text.removeprefix("…"))
        assert text.startswith("…") or found.text(row) == text
    assert sampling(found) == every


@pytest.mark.parametrize(
    "times",
    [
        START + pd.to_timedelta(np.arange(1000), unit="ns"),
        START + pd.to_timedelta(np.arange(1000) * 100, unit="us"),
        10**9 * SEVEN + np.arange(1000),
        SEVEN + 1e-4 * np.arange(1000),
    ],
)
def test_no_two_rows_are_at_one_place_and_steps_are_alike(times):
    found = read_times(times, 1000)
    steps = np.diff(found.x)
    assert found.regular
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.01)


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
    assert description["pace"] > 0
    assert data == b""
