from datetime import timedelta, timezone
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from data_provider import DataError
from data_provider.read.recording import read_recording

HOURS = pd.date_range("2024-01-01", periods=4, freq="h")


@pytest.fixture
def csv(tmp_path):
    """Write a CSV file."""

    def write(content):
        path = tmp_path / "plant.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def parquet(tmp_path):
    """Write a Parquet file."""

    def write(frame):
        path = tmp_path / "plant.parquet"
        frame.to_parquet(path)
        return path

    return write


def refuse(path, *, says, **options):
    """Check that the file is refused in one line that names it and contains all texts in `says`."""
    with pytest.raises(DataError) as caught:
        read_recording(path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    for part in says:
        assert part in text
    return text


# What is read


def test_a_csv_file(csv):
    path = csv(
        "time,temperature,flow,label,site\n"
        "2024-01-01 00:00,1.5,10,0,north\n2024-01-01 01:00,2.5,20,1,north\n2024-01-01 02:00,-3e-1,30,0,south\n"
    )
    recording = read_recording(path)
    assert recording.name == "plant"
    assert recording.channels == ("temperature", "flow")
    assert recording.values.dtype == np.float64
    assert recording.values.tolist() == [[1.5, 10], [2.5, 20], [-0.3, 30]]
    assert recording.times.tolist() == HOURS[:3].tolist()
    assert recording.label.dtype == np.uint8
    assert recording.label.tolist() == [0, 1, 0]
    (note,) = recording.notes
    assert "site" in note
    assert "not numeric" in note


def test_a_file_of_channels_alone(csv):
    recording = read_recording(csv("a,b\n1,2\n3,5\n"))
    assert recording.times is None
    assert recording.label is None
    assert recording.notes == []
    assert recording.values.tolist() == [[1, 2], [3, 5]]


def test_parquet_gives_what_csv_gives(tmp_path, csv, parquet):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"time": HOURS, "a": random.standard_normal(4), "b": 7, "kind": "x", "label": [0, 1, 1, 0]})
    frame.loc[2, "a"] = np.nan
    first = read_recording(csv(frame.to_csv(index=False)), missing="interpolate")
    for other in (frame, frame.set_index("time")):
        second = read_recording(parquet(other), missing="interpolate")
        np.testing.assert_array_equal(first.values, second.values)
        assert first.times.equals(second.times)
        assert (first.channels, first.notes, first.name) == (second.channels, second.notes, second.name)
        assert first.label.tolist() == second.label.tolist()


@settings(max_examples=50)
@given(values=st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=20, unique=True))
def test_no_digit_is_lost(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("digits") / "X.csv"
    path.write_text("\n".join(["a", *map(repr, values)]))
    np.testing.assert_array_equal(read_recording(path).values[:, 0], values)


@pytest.mark.parametrize(
    "text", ["\ufeffa,b\n1,2\n3,4\n", "a , b\r\n 1, 2\r\n3 ,4\r\n", '"a","b"\n"1","2"\n3,4', "a,b\n1,2\n\n3,4\n\n"]
)
def test_ways_to_write_the_same(csv, text):
    recording = read_recording(csv(text))
    assert recording.channels == ("a", "b")
    assert recording.values.tolist() == [[1, 2], [3, 4]]


def test_columns_of_row_numbers_are_no_channels(csv, parquet):
    frame = pd.DataFrame({"a": [1.0, 2, 4]})
    assert read_recording(csv(frame.to_csv())).channels == ("a",)
    assert read_recording(csv(frame.to_csv(index_label="index"))).channels == ("a",)
    assert read_recording(parquet(frame.set_axis([3, 5, 9]))).channels == ("a",)


def test_columns_of_parquet_that_are_no_numbers(parquet):
    frame = pd.DataFrame({"time": HOURS, "seen": HOURS, "lasted": HOURS - HOURS[0], "list": [[1], [2], [3], [4]]})
    recording = read_recording(parquet(frame.assign(a=range(4), on=[True, False, True, True])))
    assert recording.channels == ("a", "on")
    assert recording.values[:, 1].tolist() == [1, 0, 1, 1]
    (note,) = recording.notes
    assert all(name in note for name in ("seen", "lasted", "list"))
    refuse(parquet(frame.assign(a=range(4))), channels=["a", "seen"], says=["'seen'", "no numbers"])


def test_chosen_channels(csv):
    path = csv("t2,a,b,c\n1,1,4,x\n2,2,3,y\n3,3,5,z\n")
    recording = read_recording(path, channels=["b", "a"], time="t2")
    assert recording.channels == ("b", "a")
    assert recording.values.tolist() == [[4, 1], [3, 2], [5, 3]]
    assert recording.notes == []


def test_named_labels(csv):
    path = csv("a,anomaly\n1,0\n2,1\n3,0\n")
    recording = read_recording(path, label="anomaly")
    assert recording.channels == ("a",)
    assert recording.label.tolist() == [0, 1, 0]
    assert read_recording(csv("a,Label\n1,False\n2,True\n")).label.tolist() == [0, 1]


# Times


@pytest.mark.parametrize(
    "name",
    [
        "time",
        "Time",
        "timestamp",
        "TIMESTAMP",
        "date",
        "DateTime",
        "date_time",
        "ts",
        "time_ms",
        "Time (s)",
        "unix_time",
    ],
)
def test_numbers_are_times_by_their_column_s_name(csv, name):
    recording = read_recording(csv(f"a,{name}\n1,10\n2,20\n4,30\n"))
    assert recording.channels == ("a",)
    assert recording.times.tolist() == [10, 20, 30]


@pytest.mark.parametrize("name", ["timeouts", "time_spent", "dated", "tsunami", "year", "t1", "update"])
def test_numbers_below_other_names_are_a_channel(csv, name):
    recording = read_recording(csv(f"a,{name}\n1,30\n2,20\n4,10\n"))
    assert recording.channels == ("a", name)
    assert recording.times is None
    assert recording.values[:, 1].tolist() == [30, 20, 10]


@pytest.mark.parametrize(
    "dates",
    [
        ["2024-01-30", "2024-01-31", "2024-02-01"],
        ["2024-01-30T00:00:00", "2024-01-31T00:00:00", "2024-02-01T00:00:00.000"],
        ["30/01/2024", "31/01/2024", "01/02/2024"],
        ["01/30/2024 0:00", "01/31/2024 0:00", "02/01/2024 0:00"],
        ["30.01.2024 00:00", "31.01.2024 00:00", "01.02.2024 00:00"],
        ["30 Jan 2024", "31 Jan 2024", "1 Feb 2024"],
        ['"Jan 30, 2024"', '"Jan 31, 2024"', '"Feb 1, 2024"'],
    ],
)
def test_dates_are_times_by_content(csv, dates):
    recording = read_recording(csv("a,when\n" + "".join(f"{i},{date}\n" for i, date in enumerate(dates))))
    assert recording.channels == ("a",)
    assert recording.times.tolist() == pd.date_range("2024-01-30", periods=3).tolist()
    assert recording.notes == []


def test_a_day_of_the_month_is_never_taken_for_the_month(csv):
    """13 cannot be a month, so in this file 1 to 12 are not months either."""
    days = [f"{day:02d}/03/2024,{day}" for day in range(1, 32)]
    recording = read_recording(csv("\n".join(["date,a", *days])))
    assert recording.values[:, 0].tolist() == list(range(1, 32))
    assert recording.times.tolist() == pd.date_range("2024-03-01", periods=31).tolist()


def test_dates_that_can_be_read_in_two_ways(csv):
    path = csv("date,a\n01/02/2024 10:00,1\n01/02/2024 11:00,2\n")
    refuse(path, says=["row 1", "01 February 2024", "02 January 2024", "--date-format"])
    assert read_recording(path, date_format="%m/%d/%Y %H:%M").times[0] == pd.Timestamp("2024-01-02 10:00")
    recording = read_recording(csv("date,a\n11/02/2024,1\n12/02/2024,2\n01/03/2024,3\n"))  # as months, they go back
    assert recording.values[:, 0].tolist() == [1, 2, 3]
    assert recording.times[0] == pd.Timestamp("2024-02-11")
    recording = read_recording(csv("date,a\n01.02.2024,1\n02.02.2024,2\n"))  # the usual form of dates with points
    assert recording.times[0] == pd.Timestamp("2024-02-01")


@pytest.mark.parametrize(
    "cells", ["now,today,tomorrow", "A1,B2,C3", "1.2.3,1.2.4,1.2.5", "may,june,july", "5 m,6 m,7 m"]
)
def test_words_are_no_dates(csv, cells):
    lines = [f"{cell},{index}" for index, cell in enumerate(cells.split(","))]
    recording = read_recording(csv("\n".join(["kind,a", *lines])))
    assert recording.times is None
    assert "kind" in recording.notes[0]


def test_a_time_of_day_is_no_time(csv):
    """Sorted by it, the days would mix."""
    path = csv("time,a\n23:00,1\n23:30,2\n00:00,3\n00:30,4\n")
    recording = read_recording(path)
    assert recording.times is None
    assert recording.values[:, 0].tolist() == [1, 2, 3, 4]
    assert "time" in recording.notes[0]
    refuse(path, time="time", says=["row 1", "'time'", "'23:00'", "not a date"])


def test_a_name_counts_more_than_dates(csv):
    path = csv("installed,time,a\n2020-05-05,3,1\n2020-05-05,4,2\n")
    assert read_recording(path).times.tolist() == [3, 4]
    assert read_recording(path, time="installed").times[0] == pd.Timestamp("2020-05-05")


def test_numeric_times(csv, parquet):
    times = read_recording(csv("ts,a\n0.1,1\n0.25,2\n")).times
    assert times.dtype == np.float64
    assert times.tolist() == [0.1, 0.25]
    for milliseconds in ([1704067200123, 1704067201123], [1704067200123, 1704067200123]):  # rising or not
        recording = read_recording(csv("ts,a\n{},1\n{},2\n".format(*milliseconds)))
        assert recording.times[0] == pd.Timestamp("2024-01-01 00:00:00.123Z")
        assert "milliseconds" in recording.notes[0]


@pytest.mark.parametrize("name", ["TS", "ts", "time", "epoch", "Time (s)"])
def test_numbers_that_do_not_rise_are_doubtful(csv, name):
    path = csv(f"{name},a,label\n3,1,0\n1,2,1\n2,4,0\n")
    refuse(path, says=[f"'{name}'", "do not rise", f"--time {name}", "--channels a"])
    assert read_recording(path, time=name).values[:, 0].tolist() == [2, 4, 1]
    recording = read_recording(path, channels=[name, "a"])
    assert recording.times is None
    assert recording.values[:, 0].tolist() == [3, 1, 2]
    assert read_recording(path, channels=["a"]).times is None


def test_time_zones(csv, parquet):
    recording = read_recording(csv("time,a\n2024-01-01T00:00+01:00,1\n2024-01-01T01:00+01:00,2\n"))
    assert recording.times[0] == pd.Timestamp("2023-12-31T23:00Z")
    assert recording.times[0].utcoffset() == timedelta(hours=1)
    assert recording.notes == []
    recording = read_recording(csv("time,a\n2024-01-01 00:00:00Z,1\n2024-01-01 01:00:00Z,2\n"))
    assert recording.times[0] == pd.Timestamp("2024-01-01", tz=timezone.utc)
    berlin = HOURS.tz_localize("Europe/Berlin")
    recording = read_recording(parquet(pd.DataFrame({"time": berlin, "a": range(4)})))
    assert recording.times.tolist() == berlin.tolist()
    assert str(recording.times.tz) == "Europe/Berlin"


def test_offsets_that_change_with_summer_time(csv):
    """By the clock, the third point comes before the second."""
    path = csv(
        "time,a\n2024-10-27T01:45+02:00,1\n2024-10-27T02:30+02:00,2\n2024-10-27T02:15+01:00,3\n2024-10-27T03:00+01:00,4\n"
    )
    recording = read_recording(path)
    assert recording.values[:, 0].tolist() == [1, 2, 3, 4]
    assert recording.times.tolist() == pd.date_range("2024-10-26T23:45Z", periods=4, freq="45min").tolist()
    (note,) = recording.notes
    assert "UTC" in note


def test_times_with_and_without_a_zone(csv):
    refuse(csv("time,a\n2024-01-01T00:00Z,1\n2024-01-01T01:00,2\n"), says=["row 2", "'time'", "zone", "add it"])


def test_unordered_times_are_sorted_and_none_is_lost(csv):
    recording = read_recording(csv("time,a,label\n3,30,0\n1,10,1\n2,20,0\n5,50,0\n4,40,0\n"), time="time")
    assert recording.times.tolist() == [1, 2, 3, 4, 5]
    assert recording.values[:, 0].tolist() == [10, 20, 30, 40, 50]
    assert recording.label.tolist() == [1, 0, 0, 0, 0]
    (note,) = recording.notes
    assert "order" in note
    assert "2 of 5" in note
    assert "sorted" in note


def test_unsigned_times_out_of_order_are_counted(parquet):
    recording = read_recording(parquet(pd.DataFrame({"ts": np.array([3, 2, 1], np.uint64), "a": [1, 2, 4]})), time="ts")
    assert recording.values[:, 0].tolist() == [4, 2, 1]
    assert "2 of 3" in recording.notes[0]


def test_duplicated_times_are_kept_in_their_order(csv):
    recording = read_recording(csv("time,a\n2024-01-01,1\n2024-01-02,2\n2024-01-02,9\n2024-01-02,3\n2024-01-03,4\n"))
    assert recording.values[:, 0].tolist() == [1, 2, 9, 3, 4]
    assert "2 rows" in next(note for note in recording.notes if "duplicated" in note)


def test_irregular_sampling_is_noted(csv):
    recording = read_recording(csv("time,a\n0,1\n10,2\n20,3\n47,4\n57,5\n"))
    _, note = recording.notes
    assert "irregular" in note
    assert "1 of 4" in note
    assert "10" in note
    assert "before 47" in note
    path = csv("time,a\n" + "".join(f"{0.1 * index!r},{index}\n" for index in range(50)))
    assert len(read_recording(path).notes) == 1  # but the steps' rounding is not


@pytest.mark.parametrize(
    ("times", "note"),
    [
        (["00:00", "00:05", "00:10", "05:15", "05:20"], "usual 00:05:00, the first before 2024-03-04 05:15:00, and the "
        "longest is 05:05:00;"),
        (["00:00", "01:00", "02:00", "02:00", "03:00"], "usual 01:00:00, the first before 2024-03-04 02:00:00, and the "
        "longest is 01:00:00;"),
        ([0, 10, 20, 47, 57], "usual 10, the first before 47, and the longest is 27;"),
    ],
)  # fmt: skip
def test_the_steps_of_an_irregular_sampling(csv, times, note):
    cells = [time if isinstance(time, int) else f"2024-03-04 {time}" for time in times]
    notes = read_recording(csv("time,a\n" + "".join(f"{cell},{row}\n" for row, cell in enumerate(cells)))).notes
    assert note in next(told for told in notes if "irregular" in told)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(-1000, 1000)), min_size=2, max_size=30).filter(
        lambda rows: len({value for _, value in rows}) > 1
    )
)
@settings(max_examples=50)
def test_sorting_is_stable_and_keeps_every_row(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "X.csv"
    path.write_text("\n".join(["time,a", *(f"{time},{value}" for time, value in rows)]))
    recording = read_recording(path, time="time")
    falling = all(later[0] <= row[0] for row, later in pairwise(rows))
    rising = all(later[0] >= row[0] for row, later in pairwise(rows))
    in_order = rows[::-1] if falling and not rising else sorted(rows, key=lambda row: row[0])
    assert recording.times.tolist() == [time for time, _ in in_order]
    assert recording.values[:, 0].tolist() == [value for _, value in in_order]
    times = [time for time, _ in rows]
    assert any("order" in note for note in recording.notes) == (times != sorted(times))
    assert any("duplicated" in note for note in recording.notes) == (len(set(times)) < len(times))


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["2024-01-01", "", "2024-01-03"], ["row 2", "remove"]),
        (["2024-01-01", "2024-01-02", "yesterday"], ["row 3", "'yesterday'", "correct"]),
        (["2024-01-01", "2024-13-45", "2024-01-03"], ["row 2", "'2024-13-45'", "correct"]),
        (["1", "x", "3"], ["row 2", "'x'", "correct"]),
        (["1", "2", "inf"], ["row 3", "inf", "correct"]),
        (["1", "", "3"], ["row 2", "remove"]),
    ],
)
def test_cells_that_are_no_times(csv, cells, says):
    path = csv("\n".join(["time,a", *(f"{cell},{index}" for index, cell in enumerate(cells))]))
    refuse(path, says=["'time'", *says])


# Missing values


def test_missing_values_are_refused(csv):
    path = csv("a,b\n1,1\n2,\n3,NA\n4,4\n")
    refuse(path, says=["row 2", "'b'", "2 in this column", "--missing interpolate"])
    refuse(path, missing="error", says=["row 2"])
    with pytest.raises(ValueError, match="missing"):
        read_recording(path, missing="drop")


def test_missing_values_are_interpolated(csv):
    path = csv("a,b\n1,\n2,5\n3,\n4,\n5,8\n6,\n")
    recording = read_recording(path, missing="interpolate")
    assert recording.values[:, 1].tolist() == [5, 5, 6, 7, 8, 8]
    assert recording.values[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    (note,) = recording.notes
    assert note.startswith("b: 4 missing")
    assert "2 points" in note


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        ("1,,3,4,6", "a: 1 missing value interpolated, the longest gap has 1 point"),
        ("1,,3,,6", "a: 2 missing values interpolated, the longest gap has 1 point"),
        ("1,,,4,6", "a: 2 missing values interpolated, the longest gap has 2 points"),
    ],
)
def test_the_note_on_interpolated_values(csv, cells, note):
    path = csv("a,b\n" + "".join(f"{cell},{row}\n" for row, cell in enumerate(cells.split(","))))
    assert note in read_recording(path, missing="interpolate").notes


def test_one_note_on_the_interpolated_values_of_many_channels(csv):
    rows = ["1,1,1,1,1,1,1", ",,,,,,2", ",3,3,3,3,3,3", "4,4,4,4,4,,4", "5,5,5,5,5,5,5"]
    recording = read_recording(csv("\n".join(["a,b,c,d,e,f,g", *rows])), missing="interpolate")
    assert recording.notes == ["8 missing values interpolated in 6 of 7 channels, the longest gap has 2 points (a)"]


def test_the_longest_gap_that_is_interpolated(csv):
    path = csv("a,b\n1,1\n2,\n3,3\n4,\n5,\n6,\n7,7\n")
    assert read_recording(path, missing="interpolate", max_gap=3).values[:, 1].tolist() == [1, 2, 3, 4, 5, 6, 7]
    refuse(path, missing="interpolate", max_gap=2, says=["'b'", "3 points", "row 4", "more than 2", "--max-gap"])


def test_neighbours_are_those_in_time(csv):
    path = csv("time,a\n3,30\n1,10\n2,\n4,0\n")
    assert read_recording(path, time="time", missing="interpolate").values[:, 0].tolist() == [10, 20, 30, 0]


def test_a_blank_line_of_a_single_column_is_a_missing_value(csv):
    refuse(csv("a\n1\n\n3\n"), says=["row 2", "'a'", "missing"])
    recording = read_recording(csv("a\n1\n\n3\n\n\n"), missing="interpolate")  # those at the end are none
    assert recording.values[:, 0].tolist() == [1, 2, 3]
    refuse(csv("a\n1\n2\nNA\n"), says=["row 3", "'a'", "missing"])


# Constant channels


def test_constant_channels(csv):
    recording = read_recording(csv("a,b,c\n1,5,0\n2,5,0\n"))
    assert recording.channels == ("a", "b", "c")
    (note,) = recording.notes
    assert "constant" in note
    assert "'b', 'c'" in note
    refuse(csv("a,b\n1,5\n1,5\n"), says=["constant", "choose"])
    refuse(csv("a,b\n1,5\n1,7\n"), channels=["a"], says=["constant", "choose"])
    refuse(csv("a\n1\n"), says=["constant"])
    assert read_recording(csv("a\n1e150\n-1e150\n")).notes == []


# Wrong files


def test_unknown_columns(csv):
    path = csv("time,a,b\n1,2,3\n2,3,4\n")
    for options in ({"time": "when"}, {"channels": ["a", "when"]}, {"label": "when"}):
        refuse(path, **options, says=["there", "'when'", "the columns are 'time', 'a', 'b'"])
    refuse(path, time="Times", says=["there is no column 'Times': did you mean 'time'?"])
    path = csv("time," + ",".join(f"c{i}" for i in range(40)) + "\n" + "1," * 40 + "2\n")
    refuse(
        path,
        channels=["x", "y"],
        says=["no columns 'x', 'y': the columns are 'time', 'c0', 'c1', 'c2', 'c3' and 36 more"],
    )


def test_no_column_of_numbers(csv):
    refuse(csv("a,b\nx,y\nz,w\n"), says=["no column of numbers", "add"])
    refuse(csv("time,label\n1,0\n2,1\n"), says=["no column of numbers", "times and labels"])


def test_channels_that_are_none(csv):
    path = csv("time,a,kind,label\n1,2,x,0\n2,3,y,1\n")
    refuse(path, channels=["a", "a"], says=["a a", "unique"])
    refuse(path, channels=["a", "time"], time="time", says=["a time", "neither times nor labels"])
    refuse(path, channels=["a", "label"], says=["a label", "neither times nor labels"])
    refuse(path, channels=["a", "kind"], says=["'kind' holds no numbers but '", "correct it", "choose"])


@pytest.mark.parametrize("rest", ["1,2\n3,4\n", "1,x\n3,x\n"])
def test_a_repeated_column(csv, rest):
    refuse(csv("a,a\n" + rest), says=["'a'", "more than once", "rename"])
    refuse(csv("a, a\n" + rest), says=["'a'", "more than once", "rename"])


def test_a_repeated_column_of_parquet(tmp_path):
    path = tmp_path / "X.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"]), path)
    refuse(path, says=["'a'", "more than once", "rename"])


def test_two_columns_of_labels(csv):
    path = csv("a,label,Label\n1,0,1\n2,1,0\n")
    refuse(path, says=["label, Label", "--label"])
    assert read_recording(path, label="Label", channels=["a"]).label.tolist() == [1, 0]


@pytest.mark.parametrize("cell", ["2", "-1", "0.5", "", "x", "inf"])
def test_labels_other_than_0_and_1(csv, cell):
    says = ["row 2", "'label'", "correct"]
    refuse(csv(f"a,label\n1,0\n2,{cell}\n3,1\n4,1\n"), says=says)
    refuse(csv(f"a,mark\n1,0\n2,{cell}\n3,1\n4,1\n"), label="mark", says=["row 2", "'mark'", "correct"])


@pytest.mark.parametrize("cell", ["x", "1.2.3", "--", '"1,5"', "2024-01-01"])
@pytest.mark.parametrize("numbers", [("1.5", "2.5"), ("2021", "20.5"), ("10", "11.0")])
def test_a_wrong_cell_among_numbers(csv, cell, numbers):
    path = csv(f"a,b\n{numbers[0]},1\n{numbers[1]},2\n{cell},3\n7,4\n")
    refuse(path, says=["row 3", "'a'", cell.strip('"'), "not a number", "correct"])


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity"])
@pytest.mark.parametrize("missing", ["error", "interpolate"])
def test_infinite_cells(csv, cell, missing):
    refuse(csv(f"a,b\n1,1\n2,{cell}\n3,3\n"), missing=missing, says=["row 2", "'b'", "finite", "correct"])


@pytest.mark.parametrize("missing", ["error", "interpolate"])
def test_a_channel_without_any_value(csv, parquet, missing):
    refuse(csv("a,b\n1,\n2,\n"), missing=missing, says=["'b'", "no value", "naming the channels"])
    frame = pd.DataFrame({"a": [1, 2], "b": [None, None]})
    refuse(parquet(frame), missing=missing, says=["'b'", "no value", "naming the channels"])
    assert read_recording(csv("a,b\n1,\n2,\n"), channels=["a"]).channels == ("a",)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["3,1,0", "2,,0", "1,5,0"], ["row 2", "'a'", "missing"]),
        (["9,,0", "2,2,0", "1,5,0"], ["row 1", "'a'", "missing"]),
        (["9,1,0", "8,inf,0", "7,5,0", "6,6,0"], ["row 2", "'a'", "finite"]),
        (["9,1,0", "8,2,0", "7,x,0", "6,6,0"], ["row 3", "'a'", "'x'"]),
        (["9,1,3", "8,2,0", "7,3,0"], ["row 1", "'label'", "0 or 1"]),
        (["9,1,0", "8,2,z", "7,3,0"], ["row 2", "'label'", "'z'"]),
    ],
)
def test_rows_are_those_of_the_file_where_they_were_sorted(csv, rows, says):
    refuse(csv("\n".join(["time,a,label", *rows])), time="time", says=says)


def test_the_row_of_a_gap_is_that_of_the_file_where_it_was_sorted(csv):
    path = csv("time,a\n9,9\n5,\n4,\n1,1\n")
    refuse(
        path, time="time", missing="interpolate", max_gap=1, says=["2 points", "row 3"]
    )  # the first of the gap in time


@pytest.mark.parametrize("content", ["", "\n", "\n\n \n"])
def test_an_empty_file(csv, content):
    refuse(csv(content), says=["empty", "column names"])


def test_files_without_rows(csv, parquet):
    refuse(csv("a,b\n"), says=["no rows", "complete"])
    refuse(csv("a,b"), says=["no rows", "complete"])
    refuse(csv("a\n\n\n"), says=["no rows", "complete"])
    refuse(parquet(pd.DataFrame({"a": [1.0]})[:0]), says=["no rows", "complete"])


def test_a_missing_file(tmp_path):
    for name in ("nowhere.csv", "nowhere.parquet"):
        refuse(tmp_path / name, says=["no such file", "CSV or Parquet"])
    refuse(tmp_path, says=["is a folder", "*.csv"])


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PAR1 rubbish PAR1", bytes(range(256)) * 8], ids=["empty", "text", "marks", "bytes"]
)
@pytest.mark.parametrize("suffix", [".parquet", ".pq"])
def test_broken_parquet(tmp_path, content, suffix):
    path = tmp_path / f"X{suffix}"
    path.write_bytes(content)
    refuse(path, says=["Parquet", "save it again"])


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
def test_truncated_parquet(parquet, kept):
    path = parquet(pd.DataFrame({"a": np.arange(1000.0)}))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    refuse(path, says=["Parquet", "save it again"])


@pytest.mark.parametrize(
    "content",
    [bytes(range(256)) * 20, np.random.default_rng(0).bytes(4000), b"\0\1\2\n\0\0\n1,2\n"],
    ids=["all bytes", "random", "zeros"],
)
def test_binary_rubbish(csv, content):
    refuse(csv(content), says=["CSV"])


def test_encodings(csv):
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"):
        recording = read_recording(csv("Höhe,b\r\n1,2\r\n3,5\r\n".encode(encoding)))
        assert recording.channels == ("Höhe", "b")
        assert recording.values.tolist() == [[1, 2], [3, 5]]
        assert any("UTF-16" in note for note in recording.notes) == ("16" in encoding)
    path = csv("Höhe,b\n1,2\n3,5\n".encode("latin-1"))
    refuse(path, says=["UTF-8", "--encoding latin-1", "save it"])
    assert read_recording(path, encoding="latin-1").channels == ("Höhe", "b")
    late = csv(("a,b\n" + "1,2\n" * 300_000 + "3,ö\n").encode("latin-1"))
    refuse(late, says=["UTF-8", "--encoding latin-1", "save it"])


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n4,5,6\n", "a,b\n1,2,\n4,5,\n", "a,b\n1,2\n1,2,3\n", 'a,b\n"1,2\n3,4\n'])
def test_lines_that_do_not_fit_the_header(csv, text):
    refuse(csv(text), says=["correct"])


def test_a_short_line_misses_values(csv):
    refuse(csv("a,b\n1,2\n3\n4,5\n"), says=["row 2", "'b'", "missing"])


def test_a_first_line_of_numbers_is_data(csv, tmp_path):
    for first in ("1.5,2.5", "1,2", "1,", "NA,2"):
        recording = read_recording(csv(f"{first}\n3,4\n5,6\n"), missing="interpolate")
        assert len(recording.values) == 3
        assert recording.channels == ("1", "2")
        assert first.replace(",", ", ") in recording.notes[0]
        assert "--header yes" in recording.notes[0]
    recording = read_recording(csv("0,1\n3,4\n5,6\n"), header=True)
    assert recording.channels == ("0", "1")
    assert recording.notes == []
    recording = read_recording(csv("2024-01-01 00:00,4\n2024-01-01 01:00,6\n"))
    assert recording.times[0] == pd.Timestamp("2024-01-01")
    assert recording.values[:, 0].tolist() == [4, 6]
