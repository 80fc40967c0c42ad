"""The step between rows, its grid and its season."""

import numpy as np
import pandas as pd
import pytest

from tsattn.data.frequency import (
    grid_positions,
    infer_frequency,
    next_times,
    seasonality,
    step_seconds,
)
from tsattn.errors import DataError, SchemaMismatchError

ROWS = 53


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("100ms", "100ms"),
        ("s", "s"),
        ("15min", "15min"),
        ("7min", "7min"),
        ("h", "h"),
        ("36h", "36h"),
        ("D", "D"),
        ("B", "B"),
        ("W-WED", "7D"),
        ("10D", "10D"),
        ("28D", "28D"),
        ("MS", "MS"),
        ("ME", "ME"),
        ("QS", "3MS"),
        ("QE", "3ME"),
        ("YS", "12MS"),
        ("YE", "12ME"),
    ],
)
def test_infer_frequency_finds_every_step_and_its_grid(freq, expected):
    times = pd.date_range("2020-01-01", periods=ROWS, freq=freq)
    assert infer_frequency([times], "data.csv") == expected
    grid, positions = grid_positions(times, expected, "data.csv")
    assert grid.equals(times)
    np.testing.assert_array_equal(positions, np.arange(ROWS))


@pytest.mark.parametrize("freq", ["15min", "h", "4h", "D", "MS"])
def test_infer_frequency_is_not_misled_by_a_change_of_the_clock(freq):
    times = pd.date_range("2024-03-29", periods=ROWS, freq=freq, tz="Europe/Berlin")
    assert infer_frequency([times], "data.csv") == freq
    assert grid_positions(times, freq, "data.csv")[0].equals(times)


def test_infer_frequency_takes_the_commonest_step_of_all_series():
    first = pd.date_range("2024-01-01", periods=5, freq="h").delete([2])
    second = pd.date_range("2024-06-01 00:30", periods=1, freq="h")
    assert infer_frequency([first, second], "data.csv") == "h"


def test_infer_frequency_of_numbers_is_none():
    assert infer_frequency([pd.RangeIndex(7)], "data.csv") is None


def test_infer_frequency_refuses_one_row():
    with pytest.raises(DataError, match=r"Received: one row\. Give more data"):
        infer_frequency([pd.DatetimeIndex(["2024-01-01"])], "data.csv")


def test_infer_frequency_refuses_the_middle_of_months():
    times = pd.DatetimeIndex([f"2024-{month:02d}-15" for month in range(1, 12)])
    with pytest.raises(DataError, match=r"Received: 2024-01-15, 2024-02-15.*Move the dates"):
        infer_frequency([times], "data.csv")


def test_grid_positions_leaves_room_for_missing_rows():
    times = pd.date_range("2024-01-01", periods=7, freq="h").delete([2, 3])
    grid, positions = grid_positions(times, "h", "data.csv")
    assert len(grid) == 7
    np.testing.assert_array_equal(positions, [0, 1, 4, 5, 6])


def test_grid_positions_of_numbers():
    grid, positions = grid_positions(pd.Index([3, 4, 6, 7]), None, "data.csv")
    np.testing.assert_array_equal(grid, [3, 4, 5, 6, 7])
    np.testing.assert_array_equal(positions, [0, 1, 3, 4])


@pytest.mark.parametrize("error", [DataError, SchemaMismatchError])
def test_grid_positions_refuses_times_between_the_steps(error):
    times = pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 00:30", "2024-01-01 01:00"])
    match = r"\(here: h\)\. Received: 1 rows between the steps \(2024-01-01 00:30:00\)\. Resample"
    with pytest.raises(error, match=match):
        grid_positions(times, "h", "data.csv", error)


@pytest.mark.parametrize(
    ("times", "freq"),
    [
        (pd.Index([1, 2, 3, 10**15]), None),
        (pd.DatetimeIndex(["2000-01-01 00:00:00", "2000-01-01 00:00:01", "2024-01-01"]), "s"),
    ],
)
def test_grid_positions_refuses_a_grid_that_is_nearly_empty(times, freq):
    with pytest.raises(DataError, match=r"rows over [\d,]+ steps.*Correct the outlying times"):
        grid_positions(times, freq, "data.csv")


def test_grid_positions_refuses_numbers_that_rise_by_more_than_one():
    with pytest.raises(DataError, match=r"mostly by 10\. Leave the column out with --drop"):
        grid_positions(pd.Index(range(0, 110, 10)), None, "data.csv")


def test_next_times_follow_the_last():
    assert list(next_times(4, None, 3)) == [5, 6, 7]
    ahead = next_times(pd.Timestamp("2024-01-31"), "ME", 2)
    assert list(ahead.strftime("%m-%d")) == ["02-29", "03-31"]
    local = next_times(pd.Timestamp("2024-03-31", tz="Europe/Berlin"), "D", 2)
    assert str(local[0]) == "2024-04-01 00:00:00+02:00"


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        (None, 1),
        ("s", 60),
        ("7s", 1),
        ("15min", 96),
        ("h", 24),
        ("7h", 1),
        ("D", 7),
        ("B", 5),
        ("7D", 52),
        ("10D", 1),
        ("MS", 12),
        ("3ME", 4),
        ("12MS", 1),
    ],
)
def test_seasonality_is_a_day_a_week_or_a_year(freq, expected):
    assert seasonality(freq) == expected


def test_step_seconds_is_the_length_of_a_step():
    assert step_seconds("15min") == 900
    assert step_seconds("B") == 86_400


def test_grid_positions_of_three_centuries():
    times = pd.date_range("1700", periods=307, freq="12MS")
    grid, positions = grid_positions(times, "12MS", "data.csv")
    assert len(grid) == 307
    np.testing.assert_array_equal(positions, np.arange(307))


@pytest.mark.parametrize(("freq", "last"), [("12MS", "2249-01-01"), ("D", "2262-04-10")])
def test_next_times_refuse_what_no_timestamp_holds(freq, last):
    with pytest.raises(DataError, match=rf"Received: 31 steps of {freq} after {last}.*--drop"):
        next_times(pd.Timestamp(last).as_unit("ns"), freq, 31)
