"""Calendar features of timestamps: cyclic, and known ahead."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tsattn.data.frequency import step_seconds
from tsattn.errors import UsageError

_DAY = 86_400
_MOST_OF_YEAR = 300 * _DAY


def check_calendar(fields: Sequence[str], freq: str | None) -> None:
    """Raise a UsageError for calendar fields of rows that carry no timestamps."""
    if fields and freq is None:
        raise UsageError(
            f"`calendar` needs timestamps. Received: calendar={','.join(fields)} for numbered "
            "rows. Name the time column with --time-col, or use --calendar none."
        )


def choose_calendar(freq: str | None, train_times: pd.Index) -> tuple[str, ...]:
    """Return the calendar fields worth having at a frequency; () where there is no time.

    The day of the year joins only if the train rows span two years, so that every season was
    seen twice.
    """
    if freq is None or not isinstance(train_times, pd.DatetimeIndex) or len(train_times) < 2:
        return ()
    seconds = step_seconds(freq)
    # The rows of several series stand one below the other: the last is not the latest.
    two_years = (train_times.max() - train_times.min()) >= pd.Timedelta(days=730)
    if seconds < 60:
        return ("minute", "hour")
    if seconds < _DAY:
        return ("hour", "weekday")
    if seconds < 7 * _DAY:
        return ("weekday", "dayofyear") if two_years else ("weekday",)
    return ("dayofyear",) if two_years and seconds < _MOST_OF_YEAR else ()


def calendar_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the feature names of calendar fields: a sine and a cosine each."""
    return tuple(f"{field}_{wave}" for field in fields for wave in ("sin", "cos"))


def calendar_features(times: pd.Index, fields: Sequence[str]) -> np.ndarray:
    """Return sine and cosine of each field's phase.

    Args:
        times: (rows,) timestamps, read in their own time zone.
        fields: names of `tsattn.config.CALENDAR_FIELDS`.

    Returns:
        (rows, 2 * fields) float32.

    Raises:
        UsageError: there are fields, but the rows are numbered.
    """
    features = np.empty((len(times), 2 * len(fields)), dtype=np.float32)
    if fields and not isinstance(times, pd.DatetimeIndex):
        raise UsageError(
            "Calendar features need times. Received: calendar="
            f"{','.join(fields)} for numbered rows. Name the time with --time-col, or use "
            "--calendar none."
        )
    for i, field in enumerate(fields):
        angle = 2 * np.pi * _phase(pd.DatetimeIndex(times), field)
        features[:, 2 * i] = np.sin(angle)
        features[:, 2 * i + 1] = np.cos(angle)
    return features


def _phase(times: pd.DatetimeIndex, field: str) -> np.ndarray:
    """Return the position in the cycle of a field, from 0 to below 1."""
    if field == "minute":
        return np.asarray((times.minute + times.second / 60) / 60)
    hours = times.hour + times.minute / 60
    if field == "hour":
        return np.asarray(hours / 24)
    if field == "weekday":
        return np.asarray(times.day_of_week / 7)
    if field == "day":
        return np.asarray((times.day - 1) / 31)
    if field == "month":
        return np.asarray((times.month - 1) / 12)
    return np.asarray((times.day_of_year - 1 + hours / 24) / 365.25)
