"""Which group each window belongs to: by its time, by a column, or by the level of the target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.config import listed
from tsattn.data.series import NO_ID, TimeSeries, lay_rows
from tsattn.data.windows import Windows
from tsattn.errors import UsageError

TARGET_LEVEL = "target-level"
MOST_GROUPS = 50
MISSING = "missing"
_LEVELS = ("low", "middle", "high")
_FEW_VALUES = 4  # numbers that quartiles would not tell apart better
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
CALENDAR: dict[str, Callable[[pd.DatetimeIndex], tuple[pd.Index, Sequence[str]]]] = {
    "hour": lambda times: (times.hour, [str(hour) for hour in range(24)]),
    "weekday": lambda times: (times.day_of_week, _DAYS),
    "month": lambda times: (times.month - 1, _MONTHS),
}


@dataclass(frozen=True, kw_only=True)
class WindowGroups:
    """The groups of some windows, in the order they are shown in."""

    names: tuple[str, ...]
    number: np.ndarray  # (windows,) which of the names
    meaning: str  # what the names say


def group_windows(
    by: str, windows: Windows, series: TimeSeries, table: pd.DataFrame, source: str
) -> WindowGroups:
    """Return the groups of windows.

    Args:
        by: `hour`, `weekday` or `month` of the origin, the first forecast step; `target-level`, a
            third of the windows of a series each, by the mean of the first target over the
            lookback; or a column of the table, by its value in the last known row: categories as
            they are, numbers in quartiles.
        windows: The windows.
        series: Their rows.
        table: The same rows as they were read.
        source: What messages call the data.

    Raises:
        UsageError: the column is unknown, or there are more than 50 groups.
    """
    times = series.times[windows.origins]
    if by == TARGET_LEVEL:
        return _by_level(windows, series)
    if isinstance(times, pd.DatetimeIndex) and not groups_by_column(by, series):
        number, names = CALENDAR[by](times)
        zone = "" if times.tz is None else f" ({times.tz})"
        meaning = f"{by} of the origin, the first forecast step{zone}"
        return _used(list(names), np.asarray(number), meaning)
    if by not in table.columns:
        choices = [*(CALENDAR if isinstance(times, pd.DatetimeIndex) else ()), TARGET_LEVEL]
        without = " for rows without dates" if by in CALENDAR else ""
        raise UsageError(
            f"{source}: windows are grouped by {', '.join(choices)} or by a column. Received: "
            f"by={by}{without}; there are {listed([str(name) for name in table.columns])}. "
            "Use one of these."
        )
    return _by_column(by, windows, series, table, source)


def groups_by_column(by: str, series: TimeSeries) -> bool:
    """Return whether a name means a column: neither the level nor a part of the dates there are."""
    has_dates = isinstance(series.times, pd.DatetimeIndex)
    return by != TARGET_LEVEL and not (has_dates and by in CALENDAR)


def _by_level(windows: Windows, series: TimeSeries) -> WindowGroups:
    target = windows.values[:, 0].astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(target))])
    means = sums[windows.origins] - sums[windows.origins - windows.lookback]
    number = np.empty(len(windows), dtype=np.int64)
    owners = series.series_of(windows.origins)
    for owner in np.unique(owners):
        own = owners == owner
        edges = np.quantile(means[own], [1 / 3, 2 / 3])
        number[own] = np.searchsorted(edges, means[own], side="left")
    name = series.schema.targets[0]
    of_series = " (thirds of each series)" if series.series_ids != (NO_ID,) else " (thirds)"
    return _used(_LEVELS, number, f"mean of {name} over the lookback{of_series}")


def _by_column(
    column: str, windows: Windows, series: TimeSeries, table: pd.DataFrame, source: str
) -> WindowGroups:
    values = table[column]
    known = values.dropna()
    is_number = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
    if is_number and known.nunique() > _FEW_VALUES:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        found = _at_last_rows(column, numbers, windows, series, table, source)
        return _quartiles(found, f"{column} in the last known row (quartiles)")
    if is_number and np.isfinite(known.to_numpy(np.float64)).all() and (known % 1 == 0).all():
        values = values.astype("Int64")  # 1.0 is written 1
    texts = values.astype("string").str.strip()
    if column == series.schema.id_column:
        owners = series.series_of(windows.origins)
        return _checked(list(series.series_ids), owners, f"series ({column})", column)
    codes, names = pd.factorize(texts, sort=True)
    numbers = np.where(codes < 0, np.nan, codes)
    found = _at_last_rows(column, numbers, windows, series, table, source)
    number = np.where(np.isnan(found), len(names), found).astype(np.int64)
    return _checked([*map(str, names), MISSING], number, f"{column} in the last known row", column)


def _at_last_rows(
    column: str,
    numbers: np.ndarray,
    windows: Windows,
    series: TimeSeries,
    table: pd.DataFrame,
    source: str,
) -> np.ndarray:
    """Return the numbers of a column in the last known row of each window: (windows,)."""
    name = column  # not that of a part of the time, which tells where a row belongs
    while name in series.schema.time_columns:
        name += " "
    laid, _ = lay_rows(table.assign(**{name: numbers}), series.schema.alone(name), source)
    return laid.original(windows.origins - 1, 0)


def _quartiles(values: np.ndarray, meaning: str) -> WindowGroups:
    """Return groups of a quarter of the windows each, by their values; equal ones stay together."""
    is_known = ~np.isnan(values)
    known = values[is_known]
    number = np.full(len(values), 4)
    if len(known):
        edges = np.quantile(known, [0.25, 0.5, 0.75])
        number[is_known] = np.searchsorted(edges, known, side="left")
    names = []
    for i in range(4):
        own = values[number == i]
        names.append(f"q{i + 1}: {own.min():.4g} to {own.max():.4g}" if len(own) else "")
    return _used([*names, MISSING], number, meaning)


def _checked(names: Sequence[str], number: np.ndarray, meaning: str, by: str) -> WindowGroups:
    groups = _used(names, number, meaning)
    if len(groups.names) > MOST_GROUPS:
        raise UsageError(
            f"Windows are grouped into at most {MOST_GROUPS} groups. Received: by={by} with "
            f"{len(groups.names)} different values. Group by another column."
        )
    return groups


def _used(names: Sequence[str], number: np.ndarray, meaning: str) -> WindowGroups:
    """Return the groups that have windows."""
    used, number = np.unique(number, return_inverse=True)
    return WindowGroups(names=tuple(names[int(i)] for i in used), number=number, meaning=meaning)
