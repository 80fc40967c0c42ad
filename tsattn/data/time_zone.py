"""The time zone of a series: kept as a name, and the same in new data as in training."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tsattn.data.frequency import is_within_a_day
from tsattn.data.local_days import days_of_zone, find_local_zone
from tsattn.data.local_hours import find_clock_zone, find_zone_of_offsets, moments_of_clock
from tsattn.data.schema import Schema
from tsattn.data.time_formats import OFFSET
from tsattn.errors import RowError, SchemaMismatchError


def zone_of(times: pd.Index) -> str | None:
    """Return the time zone of times as a name; None where they have none."""
    return str(times.tz) if isinstance(times, pd.DatetimeIndex) and times.tz is not None else None


def fit_time_zone(
    times: pd.Index, schema: Schema, source: str, groups: Iterable[np.ndarray]
) -> pd.Index:
    """Return times in the time zone of the schema or, if that is not settled, a zone with a name.

    Hours of the day then mean to a model what they meant in training.

    Args:
        times: As they are written.
        schema: Its time zone is settled if its frequency is.
        source: What messages call the table.
        groups: The rows of each series, in the order of the table.

    Raises:
        SchemaMismatchError: the times have a zone and the model's have none, or the other way.
        RowError: the clock of the zone leaves out a time.
    """
    if schema.freq is not None and not isinstance(times, pd.DatetimeIndex):
        raise SchemaMismatchError(
            f"{source}: the time must be dates, as in training. Received: the number {times[0]} "
            "first. Give the time as dates."
        )
    if not isinstance(times, pd.DatetimeIndex):
        return times
    if schema.freq is None:
        return _named_zone(times, groups)
    if schema.local_clock and times.tz is None:
        return _on_clock(times, groups, str(schema.time_zone), source)
    is_other = schema.local_clock and str(times.tz) != schema.time_zone
    if (times.tz is None) == (schema.time_zone is None) and not is_other:
        return times if times.tz is None else times.tz_convert(schema.time_zone)
    if not is_within_a_day(schema.freq):  # days are days in any zone
        days = _days(times, schema.time_zone)
        if days is not None:
            return days
    trained = None if schema.local_clock else schema.time_zone
    have = "no time zone" if times.tz is None else f"the time zone {times.tz}"
    raise SchemaMismatchError(
        f"{source}: times must have a time zone where those of training had one. Received: {have}, "
        f"trained with {trained or 'none'}. Write the times as in the training data."
    )


def is_local_clock(before: pd.Index, times: pd.Index) -> bool:
    """Return whether hours, written without a zone, were found to be those of a local clock."""
    is_found = zone_of(before) is None and zone_of(times) is not None
    return is_found and pd.DatetimeIndex(times).tz_localize(None).equals(before)


def as_written(times: Any, schema: Schema) -> Any:
    """Return times, or one time, as the data has them: those of a local clock without its zone."""
    return times.tz_localize(None) if schema.local_clock else times


def zone_notes(before: pd.Index, times: pd.Index, source: str) -> list[str]:
    """Return a note where times were found to follow the clock of a zone they are not written in.

    Args:
        before: As they are written.
        times: What `fit_time_zone` made of them.
        source: Where they come from.
    """
    zone = zone_of(times)
    if is_local_clock(before, times):
        return [
            f"{source}: an hour occurs twice, as on the clock of {zone} (or of a zone that changes "
            "with it): times are read as those of that clock, and forecasts have them"
        ]
    if zone is None or len(times) == 0 or zone_of(before) == zone:
        return []
    at = before[0] if before.tz is not None else f"{before[0]}, read as UTC,"  # type: ignore[attr-defined]
    return [f"{source}: rows of local time in {zone}: {at} is {times[0]}"]


def _days(times: pd.DatetimeIndex, zone: str | None) -> pd.DatetimeIndex | None:
    """Return days with a zone without one, or the other way; None for what are no days."""
    if zone is not None:
        return days_of_zone(times, zone)
    days = times.tz_localize(None)
    return days if (days == days.normalize()).all() else None


def _on_clock(
    times: pd.DatetimeIndex, groups: Iterable[np.ndarray], zone: str, source: str
) -> pd.DatetimeIndex:
    moments = moments_of_clock(times, groups, zone)
    if moments.hasnans:
        row = int(np.argmax(moments.isna()))
        raise RowError(
            f"{source}: times must be those of a clock in {zone}, as in training. Received: "
            f"{times[row]}, which it leaves out, at ",
            row,
            ". Correct it, or fit the model on times with their offset.",
        )
    return moments


def _named_zone(times: pd.DatetimeIndex, groups: Iterable[np.ndarray]) -> pd.DatetimeIndex:
    """Return times whose zone can be found again by its name.

    It is that of their clock, where they are days of local time that are written in UTC, or hours
    of which one occurs twice.
    """
    local_zone = find_local_zone(times)
    if local_zone is not None:
        return (times.tz_localize("UTC") if times.tz is None else times).tz_convert(local_zone)
    if times.tz is None:
        groups = list(groups)
        zone = find_clock_zone(times, groups)
        return times if zone is None else moments_of_clock(times, groups, zone)
    try:
        times.tz_convert(str(times.tz))
    except (ValueError, LookupError, TypeError):  # for example a zone read from a file
        return times.tz_convert("UTC")
    return times.tz_convert(str(times.tz))


def with_offsets(
    times: pd.DatetimeIndex, text: pd.Series, source: str
) -> tuple[pd.DatetimeIndex, list[str]]:
    """Return times in the one offset they are written with, and notes.

    With several offsets, as local time has, days keep their local times; hours are those of the
    zone that has these offsets, or of UTC.

    Args:
        times: in UTC.
        text: as they were written.
        source: where they come from.

    Raises:
        RowError: some have an offset and some have none.
    """
    offsets = text.str.extract(f"({OFFSET})")[0]
    if offsets.isna().any():
        row = int(np.argmax(offsets.isna()))
        raise RowError(
            f"{source}: all times must have an offset, or none. Received: {text.iloc[row]!r} at ",
            row,
            " without one. Complete it, or remove the offsets.",
        )
    if offsets.nunique() == 1:
        zone = str(offsets.iloc[0])
        return (times if zone == "Z" else times.tz_convert(f"UTC{_colon(zone)}")), []
    ahead = pd.to_timedelta(offsets.map(_offset_minutes).to_numpy(), unit="min")
    local = times.tz_localize(None) + ahead
    note = f"{source}: column {text.name!r} mixes UTC offsets"
    if (local - local.normalize()).nunique() == 1:
        return local, [f"{note}; it holds days, so its local times are kept"]
    clock = find_zone_of_offsets(times, local)
    if clock is not None:
        return times.tz_convert(clock), [f"{note}, those of {clock}; its times are kept in it"]
    return times, [f"{note}; its times are kept in UTC"]


def _colon(offset: str) -> str:
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def _offset_minutes(offset: str) -> int:
    if offset == "Z":
        return 0
    text = _colon(offset)
    return (1 if text[0] == "+" else -1) * (60 * int(text[1:3]) + int(text[4:6]))
