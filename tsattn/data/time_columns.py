"""Finding the column, or the columns together, that hold the time of a table."""

import re
from collections.abc import Sequence

import pandas as pd
from pandas.api import types

from tsattn.data.table import Table
from tsattn.data.time_formats import candidate_formats, is_clock, numeric_kind, plain_text

TIME_NAMES = ("time", "date", "datetime", "timestamp", "ds", "utc_timestamp", "date_time")
COMPONENTS = {
    "year": ("year", "yr"),
    "month": ("month", "mnth", "mo"),
    "day": ("day", "dom", "mday"),
    "hour": ("hour", "hr", "hh"),
    "minute": ("minute", "min"),
    "second": ("second", "sec"),
}
COMPONENT_NAMES = {name for names in COMPONENTS.values() for name in names}
_NAME_PARTS = {
    "time", "date", "datetime", "timestamp", "utc", "epoch", "unix", "unixtime", "ts", "dt", "ds",
}  # fmt: skip
_YEARS = (1000, 2300)
_CLOCK_NAMES = ("time", "hour", "clock")
_CLOCK_PARTS = ("hour", "minute", "second")


def find_time_columns(frame: Table, exclude: Sequence[str] = ()) -> list[str]:
    """Return the column, or the columns that together, hold the time; [] if there is none.

    A column of dates without a time of day is joined by a column of times of day, or by columns
    named like hour, minute and second; failing a column of dates, columns named like year, month
    and day are taken. Columns of `exclude` are not looked at.
    """
    names = [name for name in frame.columns if name not in set(exclude)]
    dates = [name for name in names if looks_like_dates(frame[name], name)]
    dates.sort(key=lambda name: name.lower() not in TIME_NAMES)
    if dates:
        clocks = _clock_columns(frame, names) if _is_whole_day(frame[dates[0]]) else []
        return [dates[0], *clocks]
    parts = [_named_like(frame, names, component) for component in COMPONENTS]
    count = next((i for i, part in enumerate(parts) if part is None), len(parts))
    if count >= 2:
        return [part for part in parts[:count] if part]
    return [name for name in names if _is_unreadable_time(frame[name], name)][:1]


def _clock_columns(frame: Table, names: Sequence[str]) -> list[str]:
    """Return the columns that complete a column of dates."""
    for name in names:
        if name.lower() in _CLOCK_NAMES and not is_numeric(frame[name]):
            sample = frame[name].dropna().head(20).astype(str).str.strip()
            if len(sample) and all(is_clock(text) for text in sample):
                return [name]
    found = [_named_like(frame, names, component) for component in _CLOCK_PARTS]
    count = next((i for i, part in enumerate(found) if part is None), len(found))
    return [name for name in found[:count] if name]


def is_numeric(column: pd.Series) -> bool:
    """Return whether a column holds numbers or true and false."""
    return bool(types.is_numeric_dtype(column) or types.is_bool_dtype(column))


def _named_like(frame: Table, names: Sequence[str], component: str) -> str | None:
    for name in names:
        if name.lower() in COMPONENTS[component] and types.is_numeric_dtype(frame[name]):
            return name
    return None


def looks_like_dates(column: pd.Series, name: str) -> bool:
    """Return whether a column holds dates, by its values and, for numbers, by its name too."""
    if types.is_datetime64_any_dtype(column):
        return True
    if types.is_bool_dtype(column) or types.is_complex_dtype(column):
        return False
    if types.is_numeric_dtype(column):
        kind = numeric_kind(column) if _NAME_PARTS & _words(name) else None
        return kind is not None and (kind != "number" or name.lower() in TIME_NAMES)
    sample = column.dropna().head(20).astype(str).str.strip()
    return len(sample) > 0 and all(candidate_formats(plain) for plain in plain_text(sample)[0])


def holds_years(column: pd.Series, name: str) -> bool:
    """Return whether a column that counts the rows is their year."""
    return name.lower() in COMPONENTS["year"] and bool(column.between(*_YEARS).all())


def is_time_name(name: str) -> bool:
    """Return whether a column of this name is usually the time, or a part of it."""
    return name.lower() in {*TIME_NAMES, *_NAME_PARTS, *COMPONENT_NAMES}


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.lower()))


def _is_unreadable_time(column: pd.Series, name: str) -> bool:
    """Return whether a text column is the time by its name, so that its parsing says what ails it.

    Few different texts are categories, whatever the name.
    """
    is_named = name.lower() in TIME_NAMES and not is_numeric(column)
    return is_named and column.astype(str).nunique() > 0.5 * len(column)


def _is_whole_day(column: pd.Series) -> bool:
    if types.is_datetime64_any_dtype(column):
        times = pd.DatetimeIndex(column.dropna()).tz_localize(None)
        return bool((times == times.normalize()).all())
    if types.is_numeric_dtype(column):
        return numeric_kind(column) == "%Y%m%d"
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(column.cat.categories)
    return not column.dropna().astype(str).str.contains(":").any()
