"""Parsing the time columns of a table into timestamps."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.data.table import Table
from tsattn.data.time_columns import is_numeric
from tsattn.data.time_formats import (
    MAX_FORMAT_SAMPLE,
    OFFSET,
    candidate_formats,
    numeric_kind,
    plain_clock,
    plain_text,
)
from tsattn.data.time_zone import with_offsets
from tsattn.errors import DataError, RowError, UsageError

_CLOCK_UNITS = ("h", "min", "s")
_HOURS = 24  # of a day


def parse_times(
    frame: Table, columns: Sequence[str], time_format: str | None, source: str
) -> tuple[pd.Index, list[str]]:
    """Return the time of each row, and notes.

    One column of dates gives a DatetimeIndex, with its time zone if it has one; one column of
    whole numbers gives those numbers; several columns are joined (year, month, day, … or a date
    and an hour). No column gives the row numbers.

    Raises:
        DataError: a time is missing or cannot be read.
        UsageError: the time format is none.
    """
    if not columns:
        return pd.RangeIndex(len(frame)), []
    if time_format:
        _check_format(time_format)
    for name in columns:
        missing = np.flatnonzero(frame[name].isna())
        if len(missing):
            raise RowError(
                f"{source}: time column {name!r} must have no missing values. Received: "
                f"{len(missing)} missing (first at ",
                int(missing[0]),
                "). Drop or complete those rows.",
            )
    try:
        if len(columns) > 1:
            return _join_columns(frame, columns, time_format, source)
        return _parse_column(frame[columns[0]], time_format, source)
    except pd.errors.OutOfBoundsDatetime as error:
        raise DataError(
            f"{source}: times must lie between the years 1678 and 2261. Received: "
            f"{_first_sentence(error)}. "
            "Correct the dates, or leave the time column out with --drop to number the rows."
        ) from None


def _check_format(time_format: str) -> None:
    """Raise a UsageError for what strptime cannot read, before any row is blamed for it."""
    try:
        now = datetime.now(tz=UTC).strftime(time_format)
        pd.to_datetime(pd.Series([now]), format=time_format, utc=True)
    except ValueError as error:
        raise UsageError(
            "`time_format` must be made of strptime codes. Received: "
            f"{time_format!r} ({_first_sentence(error)}). "
            "For example %d/%m/%Y %H:%M."
        ) from None


def _parse_column(
    column: pd.Series, time_format: str | None, source: str
) -> tuple[pd.Index, list[str]]:
    if types.is_datetime64_any_dtype(column):
        return _in_nanoseconds(column), []
    if is_numeric(column):
        return _parse_numbers(column, time_format, source)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _parse_repeated(column, time_format, source)
    return _parse_text(column, time_format, source)


def _parse_repeated(
    column: pd.Series, time_format: str | None, source: str
) -> tuple[pd.DatetimeIndex, list[str]]:
    """Parse each different text once."""
    used = column.cat.remove_unused_categories()
    texts = pd.Series(used.cat.categories, name=column.name)
    try:
        times, notes = _parse_text(texts, time_format, source)
    except DataError:
        return _parse_text(column.astype("str"), time_format, source)  # which names the row
    return times[used.cat.codes.to_numpy()], notes


def _in_nanoseconds(times: object) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times).as_unit("ns")  # type: ignore[arg-type]


def _parse_numbers(
    column: pd.Series, time_format: str | None, source: str
) -> tuple[pd.Index, list[str]]:
    kind = None if types.is_bool_dtype(column) else numeric_kind(column)
    if kind is None:
        raise DataError(
            f"{source}: time column {column.name!r} must hold dates or whole numbers. Received: "
            f"{column.iloc[0]} first. Name another column with --time-col."
        )
    if time_format or kind.startswith("%"):
        return _parse_text(column.astype("int64").astype(str), time_format or kind, source)
    if kind == "number":
        return pd.Index(column.to_numpy(dtype=np.int64)), []
    stamps = column.to_numpy(dtype=np.int64)
    times = pd.to_datetime(stamps, unit=kind, utc=True)  # type: ignore[call-overload]
    note = f"{source}: column {column.name!r} read as epoch time in {kind} (UTC)"
    return _in_nanoseconds(times), [note]


def _join_columns(
    frame: Table, columns: Sequence[str], time_format: str | None, source: str
) -> tuple[pd.DatetimeIndex, list[str]]:
    first, rest = frame[columns[0]], [frame[name] for name in columns[1:]]
    try:
        is_counted = is_numeric(first) and numeric_kind(first) == "number"  # a year
        if any(not is_numeric(part) for part in rest) or (time_format and is_counted):
            text = first.astype(str).str.strip()
            for part in rest:
                text = text + " " + plain_clock(part.astype(str).str.strip())
            return _parse_text(text.rename(", ".join(columns)), time_format, source)
        if is_counted:
            days, clocks = _join_numbers(first, rest)
            notes: list[str] = []
        else:
            parsed, notes = _parse_column(first, time_format, source)
            days, clocks = pd.DatetimeIndex(parsed), rest
        if clocks:
            _check_hours(clocks[0])
        for part, unit in zip(clocks, _CLOCK_UNITS, strict=False):
            days = days + pd.to_timedelta(part.to_numpy(), unit=unit)  # type: ignore[call-overload]
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{source}: columns {', '.join(columns)} must make a time together. Received: "
            f"{_first_sentence(error)}. "
            "Give year,month,day,hour or a date and an hour with --time-col."
        ) from None
    return _in_nanoseconds(days), notes


def _join_numbers(
    year: pd.Series, rest: Sequence[pd.Series]
) -> tuple[pd.DatetimeIndex, Sequence[pd.Series]]:
    """Return the days of year, month and day, and the columns that are left."""
    parts = {"year": year} | dict(zip(("month", "day"), rest, strict=False))
    for name, part in parts.items():
        numbers = part.to_numpy(dtype=np.float64)
        if not np.all(numbers == np.round(numbers)):
            raise ValueError(f"{name} with {numbers[np.argmax(numbers != np.round(numbers))]}")
    parts.setdefault("day", pd.Series(1, index=year.index))
    days = pd.DatetimeIndex(pd.to_datetime(pd.DataFrame(parts), errors="coerce"))
    if days.isna().any():
        row = int(np.argmax(days.isna()))
        written = "-".join(f"{int(part.iloc[row]):02d}" for part in parts.values())
        raise ValueError(f"{written} at row {row}")
    return days, rest[2:]


def _check_hours(hours: pd.Series) -> None:
    """Raise a ValueError for hours beyond a day, such as 1330 for half past one."""
    is_wrong = hours.to_numpy(dtype=np.float64) > _HOURS
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        raise ValueError(f"hour {hours.iloc[row]} at row {row}")


def _first_sentence(error: Exception) -> str:
    """Return an error of pandas without its advice to programmers."""
    return str(error).split(". You might want to try")[0]


def _parse_text(
    column: pd.Series, time_format: str | None, source: str
) -> tuple[pd.DatetimeIndex, list[str]]:
    """Parse with the one format that reads the whole column."""
    text, is_late = plain_text(column)
    candidates = [time_format] if time_format else _column_formats(text)
    takes_offset = any(written == "ISO8601" or "%z" in written for written in candidates)
    sample = text.head(MAX_FORMAT_SAMPLE)
    has_offset = takes_offset and bool(sample.str.contains(rf":.*{OFFSET}").any())
    readings = []
    for candidate in candidates:
        try:
            readings.append(_in_nanoseconds(pd.to_datetime(text, format=candidate, utc=has_offset)))
        except pd.errors.OutOfBoundsDatetime:
            raise
        except (ValueError, TypeError):
            continue
        if candidate == "ISO8601":
            break
    if not readings:
        _raise_unreadable(column, text, candidates, source)
    times = readings[0] if len(readings) == 1 else _choose_reading(readings, column, source)
    if is_late is not None:
        times = times + pd.to_timedelta(is_late.to_numpy().astype(int), unit="D")
    return with_offsets(times, text, source) if has_offset else (times, [])


def _column_formats(text: pd.Series) -> list[str]:
    sample = text.head(MAX_FORMAT_SAMPLE)
    longest = max(sample, key=len)
    if not candidate_formats(longest):  # such as a word below the dates, which is to blame
        longest = max(filter(candidate_formats, sample), key=len, default=longest)
    iso = ["ISO8601"] if re.match(r"\d{4}-\d{2}-\d{2}", longest) else []
    return iso + candidate_formats(longest)


def settle_format(frame: Table, columns: Sequence[str], times: pd.Index) -> str | None:
    """Return the format that tells day from month, where the text alone would not always do so.

    Kept with a model, it reads a short table as the training data was read.

    Args:
        frame: the table.
        columns: its time columns.
        times: what `parse_times` made of them.
    """
    column = frame[columns[0]].head(MAX_FORMAT_SAMPLE) if columns else None
    if column is None or is_numeric(column) or types.is_datetime64_any_dtype(column):
        return None
    rest = [frame[name].head(MAX_FORMAT_SAMPLE) for name in columns[1:]]
    text = column.astype(str).str.strip()
    if rest and not is_numeric(rest[0]):
        text = text + " " + plain_clock(rest[0].astype(str).str.strip())
    text = plain_text(text)[0]
    days = pd.DatetimeIndex(times[: len(text)]).normalize().tz_localize(None)
    formats = [written for written in _column_formats(text) if re.search(r"%d.%m|%m.%d", written)]
    for written in formats if len(formats) > 1 else []:
        parsed = pd.to_datetime(text, format=written, errors="coerce", utc="%z" in written)
        # Hours may differ, by an offset or hour 24; a day and a month that are swapped stand out.
        known = pd.DatetimeIndex(parsed).tz_localize(None).normalize()
        if np.all(np.abs((known - days).days) <= 1):
            return written
    return None


def _choose_reading(
    readings: list[pd.DatetimeIndex], text: pd.Series, source: str
) -> pd.DatetimeIndex:
    """Choose between day-first and month-first by which gives an even series."""
    if all(readings[0].equals(other) for other in readings[1:]):
        return readings[0]
    shares = [_evenness(times) for times in readings]
    best = int(np.argmax(shares))
    second = sorted(shares)[-2]
    if (shares[best] == 1 and second < 1) or shares[best] > 1.5 * second:
        return readings[best]
    raise DataError(
        f"{source}: the order of day and month must be clear. Received: {text.iloc[0]!r} to "
        f"{text.iloc[-1]!r}, which reads both ways. Give --time-format, for example %d/%m/%Y."
    )


def _evenness(times: pd.DatetimeIndex) -> float:
    """Return the share of the commonest step among all, in time or in months."""
    times = times.unique().sort_values()
    if len(times) < 3:
        return 0.0
    steps = [np.diff(times.asi8)]
    if (times.day == 1).all() or times.is_month_end.all():
        steps.append(np.diff(times.year * 12 + times.month))
    return max(float(np.unique(step, return_counts=True)[1].max()) / len(step) for step in steps)


def _raise_unreadable(
    column: pd.Series, text: pd.Series, candidates: list[str], source: str
) -> None:
    """Raise a RowError for the first text that the format of most of them does not read."""
    parsed = [pd.to_datetime(text, format=f, errors="coerce", utc=True) for f in candidates]
    best = min((times.isna() for times in parsed), key=np.sum, default=None)
    row = 0 if best is None else int(np.argmax(best))
    raise RowError(
        f"{source}: time column {column.name!r} must hold dates in one format. Received: "
        f"{str(column.iloc[row])!r} at ",
        row,
        ". Correct it, or give --time-format or --time-col.",
    )
