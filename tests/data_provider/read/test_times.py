import numpy as np
import pandas as pd
import pytest

from data_provider import DataError
from data_provider.read.columns import numbers_are_times
from data_provider.read.times import TimeReader, read_times

DAYS = pd.date_range("2005-01-01", "2005-01-12 23:00", freq="h")  # so that each day could be a month


def column(cells):
    return pd.Series(list(cells), index=range(1, len(cells) + 1), name="when")


def refused(cells, *says, **options):
    with pytest.raises(DataError) as caught:
        read_times(column(cells), "F", **options)
    assert "\n" not in str(caught.value)
    for part in ("F: ", *says):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("%d/%m/%Y %H:%M", "day"),
        ("%m/%d/%Y %H:%M", "month"),
        ("%d-%m-%Y %H:%M:%S", "day"),
        ("%m-%d-%Y %H:%M:%S", "month"),
        ("%d.%m.%Y %H:%M", "day"),
        ("%m.%d.%Y %H:%M", "month"),
        ("%d/%m/%y %H:%M", "day"),
        ("%d.%m.%y %H:%M", "day"),
        ("%y-%m-%d %H:%M", "year"),
        ("%d/%m/%Y %I:%M:%S %p", "day"),
        ("%m/%d/%Y %I:%M %p", "month"),
        ("%d/%m/%Y %H:%M:%S.%f", "day"),
    ],
)
@pytest.mark.parametrize("newest_first", [False, True])
def test_the_order_of_day_and_month_by_which_steps_are_regular(form, first, newest_first):
    dates = DAYS[::-1] if newest_first else DAYS
    cells = dates.strftime(form)
    times, (note,) = read_times(column(cells), "F")
    assert times.equals(dates)
    assert f"the {first} first" in note
    assert "--date-format" in note
    differing = next(cell for cell in cells if cell in note)
    assert differing.split()[0] not in ("01/01/2005", "01-01-2005", "01.01.2005", "01/01/05", "01.01.05")


def test_steps_that_are_the_same_in_either_order_say_nothing_about_it():
    gaps = pd.date_range("2005-02-01", periods=288, freq="h")[np.arange(288) * 7 % 10 > 0]  # one in ten is missing
    back = pd.date_range("2024-11-02 12:00", periods=300, freq="5min", tz="America/New_York").tz_localize(None)
    for dates, form in ((gaps, "%d/%m/%Y %H:%M"), (gaps, "%m/%d/%y %H:%M"), (back, "%m/%d/%Y %I:%M %p")):
        times, _ = read_times(column(dates.strftime(form)), "F")
        assert times.equals(dates)
    refused(gaps[::13].strftime("%d/%m/%Y %H:%M"), "--date-format '%d/%m", "--date-format '%m/%d")


@pytest.mark.parametrize(
    "cells",
    [
        ["01/02/2024 10:00", "01/02/2024 11:00"],
        ["01-02-2024", "01-02-2024"],
        ["01/02/24", "01/02/24"],
        [f"{month:02d}/01/2024" for month in range(1, 13)],  # days in January, or months
        ["01/02/2024 10:00:00.5", "01/02/2024 11:00", "01/02/2024 12:00"],
    ],
)
def test_an_order_that_is_doubtful(cells):
    refused(cells, "'when'", "January 2024", "February 2024" if "/02" in cells[0] else "", "--date-format '%d", "'%m")


def test_a_format_decides():
    times, notes = read_times(column(["01/02/2024 10:00", "01/03/2024"]), "F", date_format="%m/%d/%Y %H:%M")
    assert times.tolist() == [pd.Timestamp("2024-01-02 10:00"), pd.Timestamp("2024-01-03")]
    assert len(notes) == 1
    assert "midnight" in notes[0]
    refused(["01/02/2024"], "row 1", "%Y-%m-%d", date_format="%Y-%m-%d")
    refused(["01/02/2024"], "--date-format 'dayfirst'", date_format="dayfirst")
    refused(pd.date_range("2024", periods=2), "--date-format", "leave it out", date_format="%Y")


@pytest.mark.parametrize("form", ["%Q", "%d/%m/%Y %", "dd.mm.yyyy"])
def test_formats_that_are_none(form):
    refused(["13/01/2024"], "--date-format", form, date_format=form)


def test_numbers_that_are_dates_with_an_hour_are_no_unix_times():
    assert read_times(column(["2024061209"]), "F")[0][0] == pd.Timestamp("2024-06-12 09:00")
    assert TimeReader(["2024061209"], "S").read("2024061210") == pd.Timestamp("2024-06-12 10:00")


def test_large_numbers_that_rise_are_times():
    assert numbers_are_times(np.arange(10**17, 10**17 + 9))


def test_offsets_that_change_are_given_in_the_zone_that_is_asked_for():
    times, notes = read_times(column(["2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00"]), "F", timezone="UTC")
    assert str(times.tz) == "UTC"
    assert not notes


def test_points_are_written_between_days_first():
    times, (note,) = read_times(column(["01.02.2024", "02.02.2024"]), "F")
    assert times[0] == pd.Timestamp("2024-02-01")
    assert "01.02.2024 is 01 February 2024" in note


@pytest.mark.parametrize(
    ("form", "midnight"),
    [
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y"),
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"),
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S.000"),
        ("%d/%m/%Y %H:%M", "%d/%m/%Y"),
        ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"),
        ("%d %b %Y %H:%M", "%d %B %Y"),
        ("%d/%m/%Y %I:%M %p", "%d/%m/%Y"),
        ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"),
    ],
)
@pytest.mark.parametrize("start", ["2024-06-12 20:00", "2024-06-12", "2005-01-01 12:00"])
def test_cells_of_midnight_that_are_written_shorter(form, midnight, start):
    """One reading for the whole column."""
    dates = pd.date_range(start, periods=300, freq="h")
    cells = [date.strftime(midnight if date.hour == 0 else form) for date in dates]
    times, notes = read_times(column(cells), "F")
    assert times.equals(dates.astype(times.dtype))
    assert any("midnight" in note for note in notes) == ("%H" not in midnight)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["Jun 12 2024 09:00:00 CEST", "Jun 12 2024 10:00:00 CEST"], "CEST is read as UTC+02:00"),
        (["Wed Jun 12 09:00:00 CEST 2024", "Wed Jun 12 10:00:00 CEST 2024"], "CEST is read as UTC+02:00"),
        (["Wed, 12 Jun 2024 09:00:00 +0200", "Wed, 12 Jun 2024 10:00:00 +0200"], None),
        (["12/JUN/2024:09:00:00 +0200", "12/Jun/2024:10:00:00 +0200"], None),
        (["2024-06-12T07:00:00Z", "2024-06-12T08:00:00Z"], None),
        (["2024-06-12 09:00:00.5+02", "2024-06-12 10:00:00.5+02"], None),
        (["13/06/2024 9:00 AM UTC", "13/06/2024 10:00 AM UTC"], None),
    ],
)
def test_zones(cells, says):
    times, notes = read_times(column(cells), "F")
    assert times[0].tz_convert("UTC").floor("s").hour == (9 if "AM" in cells[0] else 7)
    assert times[1] - times[0] == pd.Timedelta("1h")
    assert len(notes) == (says is not None)
    assert says is None or says in notes[0]


def test_zones_that_are_not_known():
    refused(["Jun 12 2024 09:00:00 XYZ"], "row 1", "XYZ", "+02:00", "--timezone")
    refused(["2024-06-12 09:00 Z", "2024-06-12 09:00"], "row 2", "zone", "add it")
    refused(["2024-06-12 09:00"], "--timezone Berlin", "Europe/Berlin", timezone="Berlin")
    refused(["2024-03-31 02:30"], "2024-03-31 02:30", "Europe/Berlin", timezone="Europe/Berlin")
    refused([1, 2], "--timezone UTC", "numbers", timezone="UTC")


FOLD = [
    "2024-10-27 01:30",
    "2024-10-27 02:00",
    "2024-10-27 02:30",
    "2024-10-27 02:00",
    "2024-10-27 02:30",
    "2024-10-27 03:00",
]


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_hour_that_comes_twice_in_a_named_zone(newest_first):
    right = pd.date_range("2024-10-26 23:30Z", periods=6, freq="30min").tz_convert("Europe/Berlin")
    cells, right = (FOLD[::-1], right[::-1]) if newest_first else (FOLD, right)
    times, notes = read_times(column(cells), "F", timezone="Europe/Berlin")
    assert times.tolist() == right.tolist()
    assert notes == []
    reader = TimeReader(cells[:1], "S", timezone="Europe/Berlin")
    if not newest_first:
        assert [reader.read(cell) for cell in cells] == right.tolist()


@pytest.mark.parametrize(
    ("cells", "first", "says"),
    [
        ([202406120930, 202406120945], "2024-06-12 09:30", "dates"),
        ([20240612, 20240613], "2024-06-12", "dates"),
        ([20240612.0, 20240613.0], "2024-06-12", "dates"),
        (["20240612093000", "20240612093001"], "2024-06-12 09:30", "dates"),
        (["20240612093000500", "20240612093001000"], "2024-06-12 09:30:00.5", "dates"),
        ([1718150400, 1718150410], "2024-06-12 00:00Z", "seconds"),
        ([1718150400123, 1718150401123], "2024-06-12 00:00:00.123Z", "milliseconds"),
        ([1718150400123456, 1718150400123457], "2024-06-12 00:00:00.123456Z", "microseconds"),
        ([1718150400123456789, 1718150400123456790], "2024-06-12 00:00:00.123456789Z", "nanoseconds"),
        ([1718150400.0001, 1718150400.0002], "2024-06-12 00:00:00.0001Z", "seconds"),
    ],
)
def test_numbers_that_are_dates(cells, first, says):
    times, (note,) = read_times(column(cells), "F")
    assert times[0] == pd.Timestamp(first)
    assert says in note


def test_other_numbers_stay_numbers():
    for cells in ([0.1, 0.25], [1, 2], [20241301, 20241302], [10, 10**15]):
        times, notes = read_times(column(cells), "F")
        assert times.tolist() == cells
        assert notes == []


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["2024-01-01", "2024-13-45"], ["row 2", "'2024-13-45'"]),
        (["2024-01-01", None], ["row 2", "nothing", "fill it"]),
        (["2024-01-01", "yesterday"], ["row 2", "'yesterday'"]),
        (["1", "x", "3"], ["row 2", "'x'"]),
        (["1", "1e400", "3"], ["row 2", "'1e400'"]),
        (["1", "2", "٣"], ["row 3"]),
        (["2024-01-01", " "], ["row 2", "fill it"]),
        (["2024-01-01", "NaT"], ["row 2", "'NaT'"]),
        (["2024-01-01", "now"], ["row 2", "'now'"]),
        ([1.0, float("inf")], ["row 2", "inf"]),
        (["23:00", "23:30"], ["row 1", "not a date"]),
        (["13/01/2024"] * 500 + ["01/13/2024"], ["row 501", "'01/13/2024'"]),
        (["2024-01-01", "02.01.2024"], ["row 2", "'02.01.2024'"]),
        ([True, False], ["row 1", "not a time"]),
    ],
)
def test_cells_that_are_not_times(cells, says):
    refused(cells, "'when'", *says)


def test_the_end_of_a_day_is_the_next_midnight():
    times, _ = read_times(column(["13.06.2024 23:00", "13.06.2024 24:00"]), "F")
    assert times[1] == pd.Timestamp("2024-06-14")


@pytest.mark.parametrize(
    ("first", "cell", "right"),
    [
        ("13.06.2024 23:00:00", "14.06.2024", pd.Timestamp("2024-06-14")),
        ("13.06.2024 23:00:00", "01.07.2024 00:00", pd.Timestamp("2024-07-01")),
        ("2024-06-13 23:00Z", "2024-06-14 00:00Z", pd.Timestamp("2024-06-14 00:00Z")),
        ("Jun 13 2024 23:00", "Jul 1 2024 00:00", pd.Timestamp("2024-07-01")),
        ("1718150400", "1718150401.5", pd.Timestamp("2024-06-12 00:00:01.5Z")),
        ("0", "2", 2),
    ],
)
def test_single_cells(first, cell, right):
    reader = TimeReader([first], "S")
    assert reader.read(cell) == right
    for wrong in ("x", "", "nan", "2024-13-45", "now"):
        with pytest.raises(DataError, match=r"S: .* is not a time"):
            reader.read(wrong)
