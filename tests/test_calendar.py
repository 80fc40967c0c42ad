"""Calendar features: cyclic, and known ahead."""

import numpy as np
import pandas as pd
import pytest

from tsattn.config import CALENDAR_FIELDS
from tsattn.data.calendar import calendar_features, calendar_names, choose_calendar
from tsattn.errors import UsageError


def test_calendar_features_by_hand():
    times = pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 06:00", "2024-01-01 12:00"])
    hours = calendar_features(times, ["hour"])
    np.testing.assert_allclose(hours, [[0, 1], [1, 0], [0, -1]], atol=1e-6)
    assert calendar_names(["hour"]) == ("hour_sin", "hour_cos")


@pytest.mark.parametrize(
    ("field", "phase"),
    [
        ("minute", lambda time: (time.minute + time.second / 60) / 60),
        ("hour", lambda time: (time.hour + time.minute / 60) / 24),
        ("weekday", lambda time: time.weekday() / 7),
        ("day", lambda time: (time.day - 1) / 31),
        ("month", lambda time: (time.month - 1) / 12),
        (
            "dayofyear",
            lambda time: (
                (time.timetuple().tm_yday - 1 + (time.hour + time.minute / 60) / 24) / 365.25
            ),
        ),
    ],
)
def test_calendar_features_are_the_plain_loop(field, phase):
    times = pd.date_range("2023-12-28", periods=61, freq="7h13min")
    expected = [
        [np.sin(2 * np.pi * phase(time)), np.cos(2 * np.pi * phase(time))] for time in times
    ]
    np.testing.assert_allclose(calendar_features(times, [field]), expected, atol=1e-6)


def test_calendar_features_read_hours_in_their_own_zone():
    local = pd.date_range("2024-07-01 06:00", periods=1, freq="h", tz="Europe/Berlin")
    np.testing.assert_allclose(calendar_features(local, ["hour"]), [[1, 0]], atol=1e-6)


def test_calendar_features_of_numbered_rows_are_refused():
    assert calendar_features(pd.RangeIndex(5), ()).shape == (5, 0)
    with pytest.raises(UsageError, match=r"calendar=hour for numbered rows.*--calendar none"):
        calendar_features(pd.RangeIndex(5), ("hour",))


@pytest.mark.parametrize(
    ("freq", "rows", "expected"),
    [
        (None, 7, ()),
        ("s", 7, ("minute", "hour")),
        ("15min", 7, ("hour", "weekday")),
        ("h", 20_000, ("hour", "weekday")),
        ("D", 61, ("weekday",)),
        ("D", 733, ("weekday", "dayofyear")),
        ("7D", 61, ()),
        ("7D", 107, ("dayofyear",)),
        ("MS", 31, ("dayofyear",)),
        ("12MS", 31, ()),
    ],
)
def test_choose_calendar_takes_what_the_frequency_can_show(freq, rows, expected):
    times = pd.date_range("2000-01-01", periods=rows, freq=freq) if freq else pd.RangeIndex(rows)
    chosen = choose_calendar(freq, times)
    assert chosen == expected
    assert set(chosen) <= set(CALENDAR_FIELDS)


def test_choose_calendar_takes_the_span_of_all_series():
    days = pd.date_range("2020-01-01", periods=1_001, freq="D")
    assert choose_calendar("D", days.append(days[:5])) == ("weekday", "dayofyear")
