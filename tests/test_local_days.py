"""Days, weeks and months of local time that are written in UTC."""

import numpy as np
import pandas as pd
import pytest
from commands import run
from test_series import laid, table

from tsattn.data.column_table import ColumnTable
from tsattn.data.frequency import next_times
from tsattn.data.local_days import find_local_zone
from tsattn.data.screening import Faults, sound_rows
from tsattn.data.series import series_from_frame
from tsattn.errors import DataError, SchemaMismatchError

DAYS = pd.date_range("2024-01-15", periods=211, freq="D", tz="Europe/Berlin")


def in_utc(days, kind):
    utc = days.tz_convert("UTC")
    if kind == "epoch":
        return [int(time.timestamp()) for time in utc]
    if kind == "naive":
        return [str(time.tz_localize(None)) for time in utc]
    return utc if kind == "frame" else [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in utc]


@pytest.mark.parametrize("kind", ["text", "frame", "naive", "epoch"])
@pytest.mark.parametrize("freq", ["D", "B", "2D", "7D", "MS", "ME"])
def test_local_days_written_in_utc_are_days(freq, kind):
    days = pd.date_range("2021-02-15", periods=61, freq=freq, tz="Europe/Berlin")
    series = laid(table(in_utc(days, kind)))
    assert (series.schema.freq, series.schema.time_zone) == (freq, "Europe/Berlin")
    assert series.times.equals(days.as_unit("ns"))
    (note,) = [note for note in series.notes if "local time" in note]
    assert f"in Europe/Berlin: {days[0].tz_convert('UTC').tz_localize(None)}" in note
    assert note.endswith(f" is {days[0]}")


@pytest.mark.parametrize(
    "zone",
    ["Europe/London", "America/New_York", "America/St_Johns", "Australia/Adelaide",
     "Pacific/Auckland", "Asia/Tehran", "America/Sao_Paulo", "Pacific/Apia"],
)  # fmt: skip
def test_days_of_every_zone_are_found(zone):
    clock = pd.date_range("2015-01-01", periods=500, freq="D")
    days = clock.tz_localize(zone, nonexistent="shift_forward")
    series = laid(table(in_utc(days, "text")))
    assert series.schema.freq == "D"
    assert series.times.tz_localize(None).normalize().equals(clock.as_unit("ns"))
    assert series.times.tz_convert("UTC").equals(days.tz_convert("UTC").as_unit("ns"))


def test_a_day_that_begins_in_the_morning_keeps_its_clock():
    days = pd.date_range("2024-01-15 06:00", periods=211, freq="D", tz="Europe/Berlin")
    series = laid(table(in_utc(days, "text")))
    assert series.schema.freq == "D"
    assert series.times.equals(days.tz_convert(series.schema.time_zone).as_unit("ns"))


@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("2024-01-15", periods=97, freq="h", tz="UTC"),
        pd.date_range("2024-01-15", periods=97, freq="12h", tz="UTC"),
        pd.date_range("2024-01-15", periods=97, freq="D"),
        pd.date_range("2024-01-15 23:00", periods=97, freq="D", tz="UTC"),
        DAYS,
        pd.date_range("2024-01-15", periods=97, freq="25h"),
        pd.date_range("2024-01-15", periods=97, freq="36h", tz="UTC"),
        DAYS[:1],
    ],
)
def test_other_times_have_no_zone_to_be_found(times):
    assert find_local_zone(times) is None


@pytest.mark.parametrize("kind", ["text", "naive", "epoch"])
def test_new_rows_are_read_in_the_zone_of_training(kind):
    schema = laid(table(in_utc(DAYS, kind))).schema
    for part in (DAYS[:20], DAYS[-20:], DAYS[60:90]):  # in winter, in summer, and over the change
        new = series_from_frame(table(in_utc(part, kind)), schema, "new.csv")
        assert new.times.equals(part.as_unit("ns"))
    dates = series_from_frame(table([f"{time:%Y-%m-%d}" for time in DAYS]), schema, "new.csv")
    offsets = series_from_frame(table([time.isoformat() for time in DAYS]), schema, "new.csv")
    assert dates.times.equals(DAYS.as_unit("ns"))
    assert offsets.times.equals(DAYS.as_unit("ns"))
    noon = table([f"{time:%Y-%m-%d} 12:00" for time in DAYS])
    with pytest.raises(SchemaMismatchError, match=r"no time zone, .* Write the times as in"):
        series_from_frame(noon, schema, "new.csv")


def test_days_without_a_zone_are_not_taken_for_others_in_utc():
    schema = laid(table([time.isoformat() for time in DAYS])).schema
    assert schema.time_zone is None
    with pytest.raises(SchemaMismatchError, match=r"the time zone UTC, .* Write the times as in"):
        series_from_frame(table(in_utc(DAYS[:20], "text")), schema, "new.csv")


def test_uneven_days_name_the_change_of_clocks_and_a_remedy():
    utc = in_utc(DAYS, "text")
    schema = laid(table(utc[:40])).schema  # winter alone does not tell
    assert schema.time_zone == "UTC"
    rule = r"They are at 22:00:00, 23:00:00, as days of local time .* write all of them with "
    with pytest.raises(SchemaMismatchError, match=rule + "that of training"):
        series_from_frame(table(utc), schema, "new.csv")
    one_clock = [text.replace("T22", "T23") for text in utc]
    assert series_from_frame(table(one_clock), schema, "new.csv").num_rows == len(DAYS)
    unknown = [text.replace("T23", "T21") if i % 9 < 4 else text for i, text in enumerate(utc[:40])]
    with pytest.raises(DataError, match=r"at 21:00:00, 23:00:00, .* one time of the day, or as"):
        laid(table(unknown))
    assert laid(table([text.replace("T21", "T23") for text in unknown])).schema.freq == "D"
    assert laid(table([text[:10] for text in unknown])).schema.freq == "D"


def test_series_at_fault_hides_no_zone_of_a_panel():
    frame = pd.concat([table(in_utc(DAYS, "text"), id=name) for name in "abcd"], ignore_index=True)
    frame.loc[7, "time"] = "2024-01-22T04:13:00Z"
    told = []
    columns = {"target": "y", "id_col": "id"}
    sound, schema, _ = sound_rows(
        ColumnTable.of_frame(frame), "data", Faults(told.append), **columns
    )
    series = series_from_frame(sound, schema, "data")
    assert [reason[:10] for reason in told] == ["series 'a'"]
    assert series.schema.time_zone == "Europe/Berlin"


def test_midnights_that_clocks_leave_out_or_show_twice_are_steps():
    for zone, last in (("America/Sao_Paulo", "2016-10-14"), ("America/Havana", "2016-11-04")):
        after = next_times(pd.Timestamp(last, tz=zone), "D", 4)
        assert [time.day for time in after] == [int(last[-2:]) + step for step in range(1, 5)]
    local = pd.date_range("2016-08-10", periods=300, freq="D").tz_localize(
        "America/Sao_Paulo", nonexistent="shift_forward"
    )
    series = laid(table(local))
    assert (series.schema.freq, series.num_rows) == ("D", 300)


def test_backtest_reads_its_first_fold_as_the_whole(tmp_path):
    frame = table(in_utc(DAYS, "naive"))
    frame.to_csv(tmp_path / "days.csv", index=False)
    given = ["--target", "y", "--lookback", "5", "--horizon", "2", "--units", "3", "--epochs", "1"]
    given += ["--folds", "2", "--step", "80", "--refit", "never", "-o", tmp_path / "backtest"]
    done = run("backtest", tmp_path / "days.csv", *given)
    assert done.exit_code == 0, done.output
    forecasts = pd.read_parquet(tmp_path / "backtest" / "forecasts.parquet")
    assert forecasts["time"].dt.tz_convert("Europe/Berlin").max() == DAYS[-1]
    assert np.isfinite(forecasts["forecast"]).all()
