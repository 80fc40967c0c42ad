"""Hours of a local clock that are written without its time zone, or with its offsets."""

import numpy as np
import pandas as pd
import pytest
from commands import run
from test_series import laid, table

from tsattn.data.column_table import ColumnTable
from tsattn.data.inspection import inspect_table
from tsattn.data.screening import Faults, sound_rows
from tsattn.data.series import series_from_frame
from tsattn.errors import DataError, RowError, SchemaMismatchError

ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Australia/Sydney")
AUTUMN = "2023-10-28 22:00"  # in UTC: midnight in Berlin, three hours before its clock goes back


def times_of(zone, freq="h", start="2023-02-11", periods=9533):
    """Return even times; a year of hours has both changes of a clock."""
    times = pd.date_range(start, periods=periods, freq=freq, tz="UTC")
    return times.tz_convert(zone).as_unit("ns")


def clock(times):
    return times.tz_localize(None)


def in_turn(times):
    """Return the rows in the order of the clock, as a user may have sorted them."""
    return np.argsort(clock(times), kind="stable")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("freq", ["h", "15min"])
@pytest.mark.parametrize("order", ["rising", "falling", "of the clock", "days falling", "halves"])
def test_hours_of_a_clock_get_its_zone(zone, freq, order):
    times = times_of(zone, freq, periods=397 * (24 if freq == "h" else 96))
    frame = table(clock(times))
    if order == "falling":
        frame = frame[::-1]
    elif order == "of the clock":
        frame = frame.iloc[in_turn(times)]
    elif order == "days falling":
        day = clock(times).normalize()
        frame = frame.iloc[np.argsort(-day.asi8, kind="stable")]
    elif order == "halves":
        frame = pd.concat([frame[5000:], frame[:5000]])
    series = laid(frame)
    assert (series.schema.freq, series.schema.time_zone) == (freq, zone)
    assert series.schema.local_clock
    assert series.times.equals(times)
    np.testing.assert_array_equal(series.values[:, 0], table(clock(times))["y"].astype("float32"))
    assert f"as on the clock of {zone}" in series.notes[0]


def test_hours_of_a_panel_get_the_zone_of_its_clock():
    times = times_of("Europe/Berlin")
    parts = {"a": times, "b": times[5000:], "c": times[:2000]}
    frame = pd.concat([table(clock(part), shop=name) for name, part in parts.items()])
    frame = frame.sort_values("time", kind="stable")
    series = laid(frame, id_col="shop")
    for rows, part in zip(series.parts, parts.values(), strict=True):
        assert series.times[rows].equals(part)
    faults = Faults(None)
    table_of_columns, _, _ = sound_rows(
        ColumnTable.of_frame(frame), "data.csv", faults, target="y", id_col="shop"
    )
    assert faults.reasons == {}
    assert len(table_of_columns) == len(frame)


@pytest.mark.parametrize("repeated", [3, 5000])
def test_hours_repeated_by_mistake_are_duplicates(repeated):
    frame = table(clock(times_of("Europe/Berlin")))
    frame = pd.concat([frame[: repeated + 1], frame[repeated:]])
    with pytest.raises(DataError, match=r"Received: 2 duplicates"):
        laid(frame)


def test_one_series_does_not_tell_the_clock_of_a_panel():
    times = clock(times_of("UTC"))
    parts = [table(times, shop=name) for name in "abc"]
    row = times.get_loc(pd.Timestamp("2023-10-29 02:00"))
    parts[1] = pd.concat([parts[1][: row + 1], parts[1][row:]])
    with pytest.raises(DataError, match=r"1 duplicates \(2023-10-29 02:00:00 of series b\)"):
        laid(pd.concat(parts), id_col="shop")


def test_a_repeated_day_is_a_duplicate():
    days = pd.date_range("2023-05-01", "2023-12-01").to_series().reset_index(drop=True)
    frame = table(pd.concat([days[:182], days[181:]], ignore_index=True))
    with pytest.raises(DataError, match=r"1 duplicates \(2023-10-29 00:00:00\)"):
        laid(frame)


def test_days_of_a_zone_in_utc_are_no_local_clock():
    days = pd.date_range("2020-01-01", periods=700, freq="D", tz="Europe/London")
    frame = table(clock(days.tz_convert("UTC")))
    schema = laid(frame).schema
    assert (schema.time_zone, schema.local_clock) == ("Europe/London", False)
    assert series_from_frame(frame[500:600], schema, "new.csv").times.equals(days[500:600])


@pytest.fixture(scope="module")
def schema():
    return laid(table(clock(times_of("Europe/Berlin")))).schema


@pytest.mark.parametrize("freq", ["h", "15min"])
@pytest.mark.parametrize("first", range(9))
def test_new_hours_are_those_of_the_clock_of_training(freq, first):
    schema = laid(table(clock(times_of("Europe/Berlin", freq, periods=397 * 96)))).schema
    times = times_of("Europe/Berlin", freq, AUTUMN, periods=24)[first:]
    if freq == "15min" and clock(times)[0] > pd.Timestamp("2023-10-29 02:00"):
        pytest.skip("its first hour may be either")
    series = series_from_frame(table(clock(times)), schema, "new.csv")
    assert series.times.equals(times)


def test_new_hours_with_an_offset_are_refused(schema):
    times = times_of("UTC", "h", AUTUMN, periods=24)
    with pytest.raises(SchemaMismatchError, match=r"the time zone UTC, trained with none\."):
        series_from_frame(table(times), schema, "new.csv")


def test_new_hours_that_the_clock_leaves_out_are_refused(schema):
    times = pd.date_range("2024-03-31 00:00", periods=7, freq="h")
    with pytest.raises(RowError) as error:
        series_from_frame(table(times), schema, "new.csv")
    assert "Received: 2024-03-31 02:00:00, which it leaves out, at row 2. " in str(error.value)


@pytest.mark.parametrize("zone", ZONES)
def test_hours_with_the_offsets_of_a_zone_are_kept_in_it(zone):
    times = times_of(zone)
    series = laid(table([time.isoformat() for time in times]))
    assert series.times.equals(times)
    assert (series.schema.time_zone, series.schema.local_clock) == (zone, False)


def test_inspection_finds_no_fault_in_hours_of_a_clock():
    found = inspect_table(table(clock(times_of("Europe/Berlin"))), source="data.csv", target="y")
    assert found.problems == ()
    assert (found.duplicates, found.missing_rows) == (0, 0)


def test_commands_forecast_the_hours_of_a_clock_as_those_with_offsets(tmp_path):
    times = times_of("Europe/Berlin", start="2023-10-01", periods=787)
    frame = table(clock(times))
    frame["y"] = np.sin(np.arange(len(frame)) / 24 * 2 * np.pi)
    forecasts = {}
    for name, written in {"clock": clock(times), "offset": [t.isoformat() for t in times]}.items():
        path, model = tmp_path / f"{name}.csv", tmp_path / name
        frame.assign(time=written).to_csv(path, index=False)
        given = ["--lookback", "24", "--horizon", "3", "--epochs", "1", "--units", "8"]
        assert run("fit", path, "--target", "y", "-o", model, *given, "--no-check").exit_code == 0
        new, output = tmp_path / f"new-{name}.csv", tmp_path / f"forecast-{name}.csv"
        # The forecast begins in the hour that is shown again.
        frame.assign(time=written)[:673].to_csv(new, index=False)
        assert run("predict", model, new, "-o", output).exit_code == 0
        forecasts[name] = pd.read_csv(output)
    # Without offsets they are those of the clock, as in the data.
    assert forecasts["clock"]["time"].tolist()[:2] == ["2023-10-29 02:00:00", "2023-10-29 03:00:00"]
    assert forecasts["offset"]["time"].tolist()[0] == "2023-10-29 02:00:00+01:00"
    for column in ("origin_time", "time"):
        forecasts["offset"][column] = forecasts["offset"][column].str[:-6]
    pd.testing.assert_frame_equal(forecasts["clock"], forecasts["offset"])
