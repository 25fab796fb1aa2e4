"""Files as people write them: input → what is read, and what is reported."""

import bz2
import gzip
import io
import lzma
import zipfile
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from data_provider import DataError
from data_provider.read.recording import read_recording

HOURS = pd.date_range("2024-06-12", periods=48, freq="h")


@pytest.fixture
def read(tmp_path):
    """Read a text as a CSV file, or a table as a Parquet file."""

    def read(content, name="plant.csv", **options):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            path = tmp_path / "plant.parquet"
            content.to_parquet(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_recording(path, **options)

    return read


def lines(header, form, rows=HOURS):
    return header + "\n" + "".join(form(row, index) + "\n" for index, row in enumerate(rows))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Zeit;Druck, bar\n2024-06-12 00:00:00;5,02\n2024-06-12 01:00:00;5,21\n", [5.02, 5.21]),
        ("Zeit\tDruck\n2024-06-12 00:00:00\t5,02\n2024-06-12 01:00:00\t5,21\n", [5.02, 5.21]),
        ("Zeit|Druck\n2024-06-12 00:00:00|5.02\n2024-06-12 01:00:00|5.21\n", [5.02, 5.21]),
        ('Zeit,Druck\n2024-06-12 00:00:00,"5,02"\n2024-06-12 01:00:00,"5,21"\n', [5.02, 5.21]),
        ("Zeit;Druck\r\n2024-06-12 00:00:00;5\r\n2024-06-12 01:00:00;5,21\r\n", [5, 5.21]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_decimal_commas(read, text, values, encoding):
    recording = read(text.encode(encoding))
    assert recording.values[:, 0].tolist() == values
    assert recording.times.tolist() == HOURS[:2].tolist()
    assert any("separator" in note and "--decimal" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("v\n5,02\n5,21\n", ["--decimal"]),
        ("a;b\n1.234,5;5\n2,5;3\n", ["'1.234,5'", "thousands"]),
        ("a,b\n1,2\n1 234,3\n2,4\n", ["row 2", "'1 234'", "thousands"]),
        ("a;b\n1,5;2\n2.5;3\n3,5;4\n", ["row 2", "'2.5'", "--decimal"]),
        ("a;b\n1,5;998\n2,5;1.001\n3,5;1.002\n", ["row 2", "'1.001'", "thousands", "--decimal"]),
        ("a;b\n" + "1;2\n" * 20000 + "1,5;3\n", ["row 20001", "'1,5'", "--decimal"]),
        ("# made by x\na,b\n1,2\n3,4\n", ["'# made by x'", "remove"]),
        ("Report\n\na;b\n1;2\n2;3\n", ["'Report'", "remove"]),
        ("t,p\ns,bar\n0,1\n1,2\n2,4\n", ["row 1", "'s'", "units"]),
        ("a,b\n1,2\n?,3\n3,4\n", ["row 2", "'?'", "--missing-values"]),
        ("a,b\n1,2\nNo Data,3\n3,4\n", ["row 2", "correct it, or, if it stands", "--missing-values 'No Data'"]),
        ("a,b\n1,2\n19 C,3\n3,4\n", ["row 2", "'19 C', which is not a number: correct it"]),
        ("a\n1\n\0\n", ["zero bytes"]),
        ("t,v\n1,2,\n2,3,\n", ["'t,v' has 2 cells", "below have 3"]),
        ("t,v\na,5%\nb,6%\n", ["no column of numbers", "'t' holds 'a'"]),
        ("v\n1\n1e400\n2\n", ["row 2", "'1e400'", "too large", "correct it"]),
        ("v\n1\n1e2147483648\n2\n", ["row 2", "'1e2147483648'", "not a number", "correct"]),
        ("v\n1\n1e4294967295\n2\n", ["row 2", "'1e4294967295'", "not a number", "correct"]),
    ],
)
def test_what_must_be_corrected_or_said(read, text, says):
    with pytest.raises(DataError) as caught:
        read(text)
    for part in says:
        assert part in str(caught.value)


DAYS_AND_TIMES = [
    ("Date,Time,v", lambda hour, row: f"{hour:%d/%m/%Y},{hour:%H:%M},{row}"),
    ("Time,Date,v", lambda hour, row: f"{hour:%H:%M:%S},{hour:%Y-%m-%d},{row}"),
    ("Day,Clock,v", lambda hour, row: f"{hour:%d.%m.%Y},{hour:%I:%M %p},{row}"),
    ("Date,Hour,v", lambda hour, row: f"{hour:%Y-%m-%d},{hour.hour},{row}"),
    ("Date,Time,v", lambda hour, row: f"{hour:%Y%m%d},{hour.hour * 100},{row}"),
    ("Date,Time,v", lambda hour, row: f"{hour:%Y%m%d},{hour:%H:%M:%S.%f},{row}"),
    ("Date,Hour,v", lambda hour, row: f"{hour - HOURS.freq:%Y-%m-%d},{hour.hour or 24},{row}"),
]


@pytest.mark.parametrize(("header", "form"), DAYS_AND_TIMES)
@pytest.mark.parametrize("newest_first", [False, True])
def test_days_and_times_of_day_are_joined(read, header, form, newest_first):
    head, *rows = lines(header, form).splitlines()
    content = "\n".join([head, *(rows[::-1] if newest_first else rows)])
    names = header.split(",")[:2]
    for options in ({}, {"time": names}):
        recording = read(content, **options)
        assert recording.channels == ("v",)
        assert recording.values[:, 0].tolist() == list(range(48))
        assert recording.times.tolist() == HOURS.tolist()
        assert any("together" in note for note in recording.notes) == (not options)


def test_days_and_times_of_parquet_are_joined(read):
    table = pd.DataFrame({"date": [hour.date() for hour in HOURS], "time": [hour.time() for hour in HOURS]})
    assert read(table.assign(v=range(48))).times.tolist() == HOURS.tolist()
    texts = pd.DataFrame({"date": HOURS.strftime("%d/%m/%Y"), "time": HOURS.strftime("%H:%M"), "v": range(48)})
    assert read(texts).times.tolist() == HOURS.tolist()


@pytest.mark.parametrize(
    ("header", "form", "said"),
    [
        ("year,month,day,hour,v", lambda hour, row: f"{hour.year},{hour.month},{hour.day},{hour.hour},{row}", "year, "),
        ("Date,Time,v", lambda hour, row: f"{hour:%Y-%m-%d},{hour:%H:%M:%S}+00:00,{row}", "'Date' and 'Time' together"),
        (
            "Date,Time,v",
            lambda hour, row: f"{hour:%Y-%m-%d},{hour},{row}",
            "column 'Time', because 'Date' has no times",
        ),
    ],
)
def test_times_in_other_columns(read, header, form, said):
    recording = read(lines(header, form))
    assert recording.channels == ("v",)
    assert recording.times.tz_localize(None).tolist() == HOURS.tolist()
    assert any(said in note for note in recording.notes)


def test_columns_that_are_named_as_parts_of_times_and_hold_others(read):
    assert read(lines("year,month,day,v", lambda hour, row: f"7,30,1.5,{row}")).channels == (
        "year",
        "month",
        "day",
        "v",
    )


def test_the_hour_that_comes_twice_in_rows_an_hour_apart(read):
    hours = pd.date_range("2024-10-26 12:00", periods=30, freq="h", tz="Europe/Berlin")
    for rows in (hours, hours[::-1]):
        text = "time,v\n" + "".join(f"{time.tz_localize(None)},{time.hour}\n" for time in rows)
        assert read(text, timezone="Europe/Berlin").times.tolist() == hours.tolist()


FOLD = ["01:00", "01:30", "02:00", "02:30", "02:00", "02:30", "03:00", "03:30"]


@pytest.mark.parametrize("rows", [FOLD, FOLD[2:6]])
@pytest.mark.parametrize("newest_first", [False, True])
def test_the_hour_that_comes_twice_keeps_its_order(read, rows, newest_first):
    cells = [f"2024-10-27 {clock},{index}" for index, clock in enumerate(rows)]
    content = "\n".join(["time,v", *(cells[::-1] if newest_first else cells)])
    if not newest_first or len(rows) > 4:
        recording = read(content)
        assert recording.values[:, 0].tolist() == list(range(len(rows)))
        assert any("occurs twice" in note for note in recording.notes)
        assert not any("irregular" in note or "sorted" in note for note in recording.notes)
    recording = read(content, timezone="Europe/Berlin")
    assert recording.times.is_monotonic_increasing
    assert recording.times.is_unique


@pytest.mark.parametrize(
    ("begin", "step", "zone", "said"),
    [
        ("2024-04-06 20:00", "15min", "Australia/Lord_Howe", "half an hour occurs twice"),
        ("2024-04-06 20:00", "30min", "America/Santiago", "an hour occurs twice"),  # from midnight back to 23:00
        ("2024-11-02 20:00", "5min", "America/New_York", "an hour occurs twice"),
    ],
)
def test_clocks_put_back_elsewhere(read, begin, step, zone, said):
    times = pd.date_range(begin, periods=120, freq=step, tz=zone).tz_localize(None)
    recording = read(lines("time,v", lambda time, row: f"{time},{row}", times))
    assert recording.values[:, 0].tolist() == list(range(120))
    (note,) = recording.notes
    assert said in note


def test_two_rows_swapped_at_night_are_no_repeated_hour(read):
    times = ["00:00", "00:30", "01:00", "01:30", "02:30", "02:00", "03:00", "03:30"]
    recording = read(lines("time,v", lambda time, row: f"2024-10-27 {time},{row}", times))
    assert recording.values[:, 0].tolist() == [0, 1, 2, 3, 5, 4, 6, 7]
    assert "sorted" in recording.notes[0]


LONG = lines(
    "timestamp,sensor,value", lambda hour, row: "\n".join(f"{hour},{key},{3 * row + i}" for i, key in enumerate("abc"))
)


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        "\n".join([LONG.splitlines()[0], *sorted(LONG.splitlines()[1:], key=lambda line: line.split(",")[1])]),
        LONG.replace("sensor", "tag").replace(",", ";"),
        LONG.replace("sensor", "unit,sensor").replace(",a,", ",bar,a,").replace(",b,", ",C,b,").replace(",c,", ",C,c,"),
    ],
)
def test_long_files(read, text):
    recording = read(text)
    assert recording.channels == ("a", "b", "c")
    assert recording.values.tolist() == np.arange(144).reshape(48, 3).tolist()
    assert recording.times.tolist() == HOURS.tolist()
    assert any("long" in note for note in recording.notes)


def test_the_long_format_of_the_project(read):
    recording = read("date,data,cols\n1,5,a\n2,6,a\n3,7,a\n1,8,b\n2,9,b\n3,1,b\n1,0,label\n2,1,label\n3,0,label\n")
    assert recording.channels == ("a", "b")
    assert recording.values.tolist() == [[5, 8], [6, 9], [7, 1]]
    assert recording.label.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LONG.splitlines()[:-1]),  # one value is missing
        lines("timestamp,machine,p,q", lambda hour, row: f"{hour},x,{row},1\n{hour},y,{row},2"),
        "date,data,cols\n1,5,a\n2,6,a\n1,8,b\n",
        lines(
            "time,site,sensor,value", lambda hour, row: "\n".join(f"{hour},{s},{k},{row}" for s in "AB" for k in "xy")
        ),
        lines("time,sensor,value", lambda hour, row: f"{hour},x,{row}\n{hour + pd.Timedelta('7min')},y,{row}"),
        lines("tag,value", lambda hour, row: f"x,{row}\ny,{row}"),
    ],
)
def test_long_files_that_are_refused(read, text):
    with pytest.raises(DataError, match=r"long file|complete it"):
        read(text)


@pytest.mark.parametrize(
    "name",
    [
        "label",
        "Label",
        "is_anomaly",
        "anomaly",
        "Anomaly",
        "outlier",
        "is_attack",
        "labels",
        "ATT_FLAG",
        "gt",
        "is_abnormal",
        "gt_label",
    ],
)
@pytest.mark.parametrize("marks", [("0", "1"), ("0.0", "1.0"), ("False", "true"), ("normal", "Anomaly"), ("no", "yes")])
def test_labels_by_their_usual_names(read, name, marks):
    recording = read(f"a,{name}\n1,{marks[0]}\n2,{marks[1]}\n3,{marks[0]}\n")
    assert recording.channels == ("a",)
    assert recording.label.tolist() == [0, 1, 0]
    assert any(name in note and "labels" in note for note in recording.notes) == (name.lower() != "label")


@pytest.mark.parametrize(("others", "said"), [("b", True), ("b,valve", False), ("", False)])
def test_a_channel_that_may_hold_labels(read, others, said):
    names = ["fault", *filter(None, others.split(","))]
    rows = [[int(row == 7), row % 5, int(row > 5)][: len(names)] for row in range(12)]
    recording = read("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]))
    assert recording.channels == tuple(names)
    assert any("--label fault" in note for note in recording.notes) == said


def test_points_of_change_are_labels_too(read):
    text = "v,anomaly,changepoint\n1,0,0\n2,1,1\n3,1,0\n"
    with pytest.raises(DataError, match="anomaly, changepoint: say which one"):
        read(text)
    assert read(text, label="anomaly").channels == ("v",)


@pytest.mark.parametrize("header", ["a,b\n", "", "seen_at,b\n"])
def test_channels_that_rise_as_unix_times(read, header):
    recording = read(header + "".join(f"{1718150400 + 10 * row},{row % 5}\n" for row in range(20)))
    assert len(recording.channels) == 2
    assert any("rise like Unix times" in note and "--time" in note for note in recording.notes)


def test_scores_below_a_name_of_labels_are_doubtful(read):
    text = "a,anomaly\n1,0.3\n2,1\n3,0\n"
    with pytest.raises(DataError, match=r"'anomaly'.*--label.*--channels"):
        read(text)
    assert read(text, channels=["a", "anomaly"]).label is None


@pytest.mark.parametrize(
    ("code", "written"), [("-999", "-999"), ("-999", "-999.0"), ("?", "?"), ("-", "--"), ("bad", "bad")]
)
def test_codes_of_missing_values(read, code, written):
    text = f"a,b\n1,2\n{written},3\n3,4\n4,5\n5,6\n"
    recording = read(text, missing_values=[code], missing="interpolate")
    assert recording.values[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert any(f"--missing-values {code}: 1 cell holds it and is" in note for note in recording.notes)
    with pytest.raises(DataError, match="row 2"):
        read(text, missing_values=[code])


@pytest.mark.parametrize("code", ["-999", "9999", "-9999.0", "99999", "-32768", "500"])
def test_a_value_that_recurs_far_outside_the_rest_is_pointed_out(read, code):
    values = [str(round(value, 3)) for value in np.sin(np.arange(60))]
    assert not read("v\n" + "\n".join(values)).notes
    for place in (7, 30, 41):
        values[place] = code
    (note,) = read("v\n" + "\n".join(values)).notes
    assert "3 times" in note
    assert f"--missing-values {float(code):.15g}" in note


@pytest.mark.parametrize("cell", ["1e200", "-1e200"])
def test_values_beyond_the_range_that_can_be_computed_with(read, cell):
    with pytest.raises(DataError, match=r"row 2 of column 'v' holds -?1e\+200.*--missing-values"):
        read(f"v\n1\n{cell}\n3\n")


@pytest.mark.parametrize("kind", ["csv", "floats", "decimals"])
def test_large_numbers_with_fractions(read, kind):
    numbers = [Decimal(10**17 + 100 * row) + Decimal("0.25") for row in range(30)]
    table = pd.DataFrame({"v": numbers if kind == "decimals" else np.array(numbers, float)})
    recording = read("v\n" + "".join(f"{number}\n" for number in numbers) if kind == "csv" else table)
    (note,) = [note for note in recording.notes if "subtract" in note]
    assert "only 2896 apart" in note
    assert "within 16" in note


@pytest.mark.parametrize("base", [10**17, -(10**17), 10**17 + 1])
@pytest.mark.parametrize("kind", ["csv", "gap", "int64", "point"])
def test_large_whole_numbers(read, base, kind):
    numbers = [base + index % 53 for index in range(200)]
    if kind == "int64":
        recording = read(pd.DataFrame({"v": np.array(numbers)}))
    else:
        cells = [str(number) for number in numbers]
        cells[60] = "" if kind == "gap" else cells[60]
        cells = [cell + ".0" * (kind == "point") for cell in cells]
        rows = "".join(f"{cell},{index}\n" for index, cell in enumerate(cells))
        recording = read("v,w\n" + rows, missing="interpolate")
    (note,) = [note for note in recording.notes if "lose" in note]
    assert "53 distinct values become" in note
    assert str(min(numbers)) in note
    assert not read("v\n" + "\n".join(str(10**15 + index % 53) for index in range(200))).notes
    with pytest.raises(DataError, match=r"constant.*subtract"):
        read(pd.DataFrame({"v": np.array([10**19 + index for index in range(50)], np.uint64)}))


@pytest.mark.parametrize(
    "cells",
    [
        [f"{index * 0.0001:.4f}" for index in range(300)],
        [f"{1718150400 + index * 0.0001:.4f}" for index in range(300)],
        [str(1718150400000000 + 100 * index) for index in range(300)],
        list(pd.date_range("2024-06-12", periods=300, freq="100us").strftime("%Y-%m-%d %H:%M:%S.%f")),
        list(pd.date_range("2024-06-13", periods=300, freq="100us").strftime("%d/%m/%Y %H:%M:%S.%f")),
        [str(pd.Timestamp("2024-06-12") + pd.Timedelta(round(index * 1000 / 3), "ms")) for index in range(300)],
    ],
)
def test_fine_and_rounded_steps_are_regular(read, cells):
    recording = read("time,v\n" + "".join(f"{cell},{index}\n" for index, cell in enumerate(cells)))
    assert recording.times.is_unique
    assert not any("irregular" in note for note in recording.notes)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
def test_packed_files(read, suffix):
    text = "time;v\n2024-06-12 00:00;1,5\n2024-06-12 01:00;2,5\n".encode("utf-16")
    packed = io.BytesIO()
    if suffix == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("plant.csv", text)
    else:
        packed.write({"gz": gzip, "bz2": bz2, "xz": lzma}[suffix].compress(text))
    assert read(packed.getvalue(), f"plant.csv.{suffix}").values[:, 0].tolist() == [1.5, 2.5]
    for broken in (b"", b"abc", packed.getvalue()[:-9]):
        with pytest.raises(DataError, match=r"plant\.csv"):
            read(broken, f"plant.csv.{suffix}")


def test_options_without_effect_are_errors(read):
    for options, says in (
        ({"timezone": "UTC"}, "--timezone"),
        ({"date_format": "%Y"}, "--date-format"),
    ):
        with pytest.raises(DataError, match=f"{says}: no column of times"):
            read("v\n1\n2\n", **options)
    for options in ({"separator": ";"}, {"decimal": ","}, {"header": True}, {"encoding": "latin-1"}):
        with pytest.raises(DataError, match="Parquet"):
            read(pd.DataFrame({"a": [1, 2]}), **options)


def test_other_clocks_are_not_channels(read):
    recording = read("date,epoch,v\n2024-01-01,1704067200,1\n2024-01-02,1704153600,2\n2024-01-03,1704240000,4\n")
    assert recording.channels == ("v",)
    assert "epoch" in recording.notes[0]
