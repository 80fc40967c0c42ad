"""Times as they are written: found, read from the whole column, and kept in their zone."""

import numpy as np
import pandas as pd
import pytest

from tsattn.data.time_columns import find_time_columns
from tsattn.data.timestamps import parse_times, settle_format
from tsattn.errors import DataError, UsageError

ROWS = 61
HOURS = pd.date_range("2024-01-15", periods=ROWS, freq="h")
DAYS = pd.date_range("2024-01-01", periods=ROWS, freq="D")
DOTTED = [f"{day:02d}.01.2023" for day in range(1, 32)]


def written(times, form):
    return [time.strftime(form) for time in times]


def parsed(column, time_format=None):
    frame = pd.DataFrame({"time": column})
    return parse_times(frame, ["time"], time_format, "data.csv")


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y/%m/%d %H:%M",
        "%d/%m/%Y %H:%M",
        "%m/%d/%Y %H:%M",
        "%d.%m.%Y %H:%M",
        "%d.%m.%y %H:%M",
        "%y-%m-%d %H:%M",
        "%d-%m-%y %H:%M",
        "%m/%d/%y %H:%M",
        "%d-%b-%Y %H:%M",
        "%d-%b-%y %H:%M",
        "%B %d, %Y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%m/%d/%Y %I:%M:%S%p",
        "%Y%m%d %H:%M",
    ],
)
def test_parse_times_reads_hours_in_every_format(form):
    times, notes = parsed(written(HOURS, form))
    np.testing.assert_array_equal(times, HOURS)
    assert notes == []


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%Y%m%d"])
def test_parse_times_reads_days_in_every_format(form):
    np.testing.assert_array_equal(parsed(written(DAYS, form))[0], DAYS)


@pytest.mark.parametrize("form", ["%Y-%m", "%Y/%m", "%m/%Y", "%b-%y", "%b %Y", "%B %Y"])
def test_parse_times_reads_months_in_every_format(form):
    months = pd.date_range("2020-01-01", periods=37, freq="MS")
    np.testing.assert_array_equal(parsed(written(months, form))[0], months)


def test_parse_times_reads_quarters():
    times, _ = parsed(["2020Q1", "2020Q2", "2020Q3", "2020Q4", "2021Q1"])
    np.testing.assert_array_equal(times, pd.date_range("2020-01-01", periods=5, freq="QS"))


@pytest.mark.parametrize("form", ["%G-W%V", "%GW%V", "%G-W%V-1"])
def test_parse_times_reads_weeks_as_their_mondays(form):
    weeks = pd.date_range("2019-12-16", periods=60, freq="W-MON")  # 2020 has 53
    np.testing.assert_array_equal(parsed(written(weeks, form))[0], weeks)


def test_parse_times_locates_what_is_no_week():
    with pytest.raises(DataError, match="'2020-W54' at row 2"):
        parsed(["2020-W01", "2020-W02", "2020-W54", "2020-W04"])


def test_parse_times_reads_dates_without_leading_zeros():
    times, _ = parsed([f"{time.year}/{time.month}/{time.day} {time.hour}:00" for time in HOURS])
    np.testing.assert_array_equal(times, HOURS)


def test_parse_times_reads_hour_24_as_the_next_day():
    times, _ = parsed(["2024-02-28 23:00", "2024-02-28 24:00", "2024-02-29 01:00"])
    np.testing.assert_array_equal(times, pd.date_range("2024-02-28 23:00", periods=3, freq="h"))


@pytest.mark.parametrize(
    "form", ["%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S"], ids=["hours", "minutes", "seconds"]
)
def test_parse_times_reads_whole_numbers_made_of_digits(form):
    times, _ = parsed([int(text) for text in written(HOURS, form)])
    np.testing.assert_array_equal(times, HOURS)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_parse_times_reads_epochs_with_a_note(unit, scale):
    times, notes = parsed([int(time.timestamp()) * scale for time in HOURS])
    assert str(times.tz) == "UTC"
    np.testing.assert_array_equal(times.tz_localize(None), HOURS)
    assert f"epoch time in {unit}" in notes[0]


def test_parse_times_reads_epochs_as_the_same_times_with_an_offset():
    epochs, _ = parsed([int(time.timestamp()) for time in HOURS])
    texts, _ = parsed([f"{time}Z" for time in HOURS])
    assert (epochs.tz, epochs.dtype) == (texts.tz, texts.dtype)
    np.testing.assert_array_equal(epochs, texts)


def test_parse_times_keeps_numbers_that_count():
    np.testing.assert_array_equal(parsed([3, 4, 5, 7])[0], [3, 4, 5, 7])


@pytest.mark.parametrize(
    ("offset", "zone"),
    [
        ("Z", "UTC"),
        (" UTC", "UTC"),
        ("+05:30", "UTC+05:30"),
        ("-0300", "UTC-03:00"),
        ("+02", "UTC+02:00"),
    ],
)
def test_parse_times_keeps_one_offset(offset, zone):
    times, notes = parsed([f"{time}{offset}" for time in HOURS])
    assert str(times.tz) == zone
    np.testing.assert_array_equal(times.tz_localize(None), HOURS)
    assert notes == []


def test_parse_times_keeps_hours_over_a_change_of_the_clock_in_its_zone():
    local = pd.date_range("2024-03-30", periods=ROWS, freq="h", tz="Europe/Berlin")
    times, notes = parsed([time.isoformat() for time in local])
    assert times.equals(local.as_unit("ns"))
    assert "mixes UTC offsets, those of Europe/Berlin; its times are kept in it" in notes[0]


def test_parse_times_keeps_hours_with_the_offsets_of_no_zone_in_utc():
    local = pd.date_range("2024-03-31 01:00", periods=ROWS, freq="h", tz="UTC")
    offsets = np.resize(["+01:00", "+04:00"], ROWS)
    times, notes = parsed(
        [f"{time:%Y-%m-%d %H:%M}{offset}" for time, offset in zip(local, offsets, strict=True)]
    )
    assert str(times.tz) == "UTC"
    assert "mixes UTC offsets; its times are kept in UTC" in notes[0]


@pytest.mark.parametrize(
    "form",
    ["{0:%d.%m.%Y %H:%M} - {1:%d.%m.%Y %H:%M}", "{0:%d/%m/%Y %H:%M:%S} - {1:%d/%m/%Y %H:%M:%S}",
     "{0:%d/%m/%Y %H:%M:%S} (CET) - {1:%d/%m/%Y %H:%M:%S} (CEST)",
     "{0:%Y-%m-%dT%H:%M:%S}/{1:%Y-%m-%dT%H:%M:%S}", "{0:%Y-%m-%d %H:%M} – {1:%H:%M}",
     "{0:%Y-%m-%d %H:%M} bis {1:%Y-%m-%d %H:%M}", "{0:%Y-%m-%d %H:%M} (CET)"],
)  # fmt: skip
def test_parse_times_takes_the_beginning_of_an_interval(form):
    text = [form.format(time, time + pd.Timedelta("1h")) for time in HOURS]
    times, _ = parsed(text)
    np.testing.assert_array_equal(times, HOURS)
    assert find_time_columns(pd.DataFrame({"MTU (CET)": text, "y": 1.0})) == ["MTU (CET)"]


def test_parse_times_keeps_local_days_over_a_change_of_the_clock():
    local = pd.date_range("2024-03-20", periods=ROWS, freq="D", tz="Europe/Berlin")
    times, notes = parsed([time.isoformat() for time in local])
    np.testing.assert_array_equal(times, local.tz_localize(None))
    assert "its local times are kept" in notes[0]


def test_parse_times_keeps_the_zone_of_a_frame():
    local = pd.date_range("2024-03-20", periods=ROWS, freq="D", tz="Europe/Berlin")
    assert parsed(local)[0].equals(local.as_unit("ns"))


def test_parse_times_tells_day_from_month_by_the_even_step():
    months = pd.date_range("2020-01-01", periods=31, freq="MS")
    np.testing.assert_array_equal(parsed(written(months, "%d/%m/%Y"))[0], months)
    few_hours = pd.date_range("2024-01-01", periods=53, freq="h")
    np.testing.assert_array_equal(parsed(written(few_hours, "%d/%m/%Y %H:%M"))[0], few_hours)


def test_parse_times_refuses_an_order_of_day_and_month_that_is_not_clear():
    ambiguous = written(DAYS[:11], "%d/%m/%Y")
    with pytest.raises(DataError, match=r"'01/01/2024' to '11/01/2024', .* Give --time-format"):
        parsed(ambiguous)
    np.testing.assert_array_equal(parsed(ambiguous, "%d/%m/%Y")[0], DAYS[:11])


@pytest.mark.parametrize(
    ("column", "received", "remedy"),
    [
        (["2024-01-01", None, "2024-01-03"], r"1 missing \(first at row 1\)", "Drop or complete"),
        (["2024-01-01", "oops", "2024-01-03"], "'oops' at row 1", "--time-format or --time-col"),
        (["2024-02-29", "2024-02-30"], "'2024-02-30' at row 1", "Correct it"),
        (["foo", "bar"], "'foo' at row 0", "--time-col"),
        ([*DOTTED, "Summe"], "'Summe' at row 31", "Correct it"),
        ([*DOTTED, "Summe 31"], "'Summe 31' at row 31", "Correct it"),
        ([*DOTTED, "Sum of January"], "'Sum of January' at row 31", "Correct it"),
        (["1500-01-01", "1500-01-02"], "1500-01-01", "Correct the dates"),
        (["2024-01-01 00:00Z", "2024-01-01 01:00"], "'2024-01-01 01:00' at row 1", "Complete it"),
        ([0.5, 1.5], "0.5 first", "Name another column with --time-col"),
        ([1.0, np.inf], "1.0 first", "Name another column with --time-col"),
        ([True, False], "True first", "Name another column with --time-col"),
    ],
)
def test_parse_times_refuses_what_is_no_time(column, received, remedy):
    with pytest.raises(DataError, match=rf"Received: .*{received}.*{remedy}"):
        parsed(column)


def test_parse_times_takes_no_year_for_an_offset():
    times, notes = parsed(written(HOURS, "%H:%M %d-%m-%Y"), "%H:%M %d-%m-%Y")
    np.testing.assert_array_equal(times, HOURS)
    assert times.tz is None
    assert not notes


@pytest.mark.parametrize("form", ["%Q", "%", "ISO8601"])
def test_parse_times_refuses_a_format_that_is_none(form):
    with pytest.raises(UsageError, match=rf"Received: '{form}'.*For example %d/%m/%Y"):
        parsed(["2024-01-01"], form)


def joined(columns, **frame):
    return parse_times(pd.DataFrame(frame), columns, None, "data.csv")[0]


def test_parse_times_joins_year_month_day_and_hour():
    parts = {"year": HOURS.year, "month": HOURS.month, "day": HOURS.day, "hour": HOURS.hour}
    np.testing.assert_array_equal(joined(list(parts), **parts), HOURS)
    months = pd.date_range("2020-01-01", periods=17, freq="MS")
    parts = {"year": months.year, "month": months.month}
    np.testing.assert_array_equal(joined(list(parts), **parts), months)


def test_parse_times_joins_dates_and_hours():
    dates = written(HOURS, "%Y-%m-%d")
    np.testing.assert_array_equal(joined(["d", "h"], d=dates, h=HOURS.hour), HOURS)
    late = joined(["d", "h"], d=dates, h=HOURS.hour + 1)
    np.testing.assert_array_equal(late, HOURS + pd.Timedelta("1h"))
    clocks = written(HOURS, "%H.%M.%S")
    np.testing.assert_array_equal(joined(["d", "h"], d=dates, h=clocks), HOURS)


@pytest.mark.parametrize(
    ("parts", "received"),
    [
        ({"year": [2024, 2024], "month": [2, 2], "day": [29, 30]}, "2024-02-30"),
        ({"year": [2024, 2024], "month": [1.5, 2]}, "month with 1.5"),
        ({"d": ["2024-01-01", "2024-01-01"], "h": ["a", "b"]}, "'2024-01-01 a' at row 0"),
        ({"d": [20240101, 20240101], "h": [0, 130]}, "hour 130 at row 1"),
    ],
)
def test_parse_times_refuses_columns_that_make_no_time(parts, received):
    with pytest.raises(DataError, match=rf"Received: .*{received}.*(Give|give)"):
        joined(list(parts), **parts)


def test_settle_format_reads_a_short_table_as_the_long_one():
    frame = pd.DataFrame({"time": written(DAYS, "%d/%m/%Y")})
    times, _ = parse_times(frame, ["time"], None, "data.csv")
    assert settle_format(frame, ["time"], times) == "%d/%m/%Y"
    short, _ = parsed(written(DAYS[:5], "%d/%m/%Y"), "%d/%m/%Y")
    np.testing.assert_array_equal(short, DAYS[:5])


@pytest.mark.parametrize("column", [DAYS, range(ROWS), written(DAYS, "%Y-%m-%d")])
def test_settle_format_leaves_what_is_clear(column):
    frame = pd.DataFrame({"time": column})
    times, _ = parse_times(frame, ["time"], None, "data.csv")
    assert settle_format(frame, ["time"], times) is None


Y = np.arange(ROWS) * 0.5


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"y": Y, "date": written(DAYS, "%d/%m/%Y")}, ["date"]),
        ({"y": Y, "when": HOURS}, ["when"]),
        ({"made": DAYS, "time": HOURS}, ["time"]),
        ({"DATE_ID": [int(day) for day in written(DAYS, "%Y%m%d")], "y": Y}, ["DATE_ID"]),
        ({"t_utc": [int(hour.timestamp()) for hour in HOURS], "y": Y}, ["t_utc"]),
        ({"time": range(ROWS), "y": Y}, ["time"]),
        ({"dteday": written(HOURS, "%Y-%m-%d"), "hr": HOURS.hour}, ["dteday", "hr"]),
        ({"Date": written(HOURS, "%d.%m.%Y"), "Time": written(HOURS, "%H:%M")}, ["Date", "Time"]),
        (
            {"date": HOURS.normalize(), "hour": HOURS.hour, "minute": HOURS.minute},
            ["date", "hour", "minute"],
        ),
        ({"year": HOURS.year, "month": HOURS.month, "day": HOURS.day}, ["year", "month", "day"]),
        ({"time": [f"soon {i}" for i in range(ROWS)], "y": Y}, ["time"]),
        ({"time": ["noon", *["night"] * (ROWS - 1)], "y": Y}, []),
        ({"year": HOURS.year, "y": Y}, []),
        ({"y": Y, "amount": np.arange(ROWS) + 1_600_000_000}, []),
    ],
)
def test_find_time_columns_finds_the_time_and_nothing_else(columns, expected):
    assert find_time_columns(pd.DataFrame(columns)) == expected


def test_find_time_columns_leaves_out_what_it_is_told_to():
    frame = pd.DataFrame({"made": DAYS, "time": HOURS})
    assert find_time_columns(frame, exclude=["time"]) == ["made"]
