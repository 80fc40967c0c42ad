"""The time zone of a series: kept as a name, and the same in new data as in training."""

import numpy as np
import pandas as pd

from tsattn.data.frequency import step_seconds
from tsattn.data.schema import Schema
from tsattn.data.time_formats import OFFSET
from tsattn.errors import RowError, SchemaMismatchError

_DAY = 86_400


def zone_of(times: pd.Index) -> str | None:
    """Return the time zone of times as a name; None where they have none."""
    return str(times.tz) if isinstance(times, pd.DatetimeIndex) and times.tz is not None else None


def fit_time_zone(times: pd.Index, schema: Schema, source: str) -> pd.Index:
    """Return times in the time zone of the schema or, if that is not settled, a zone with a name.

    Hours of the day then mean to a model what they meant in training.

    Raises:
        SchemaMismatchError: the times have a zone and the model's have none, or the other way.
    """
    if schema.freq is not None and not isinstance(times, pd.DatetimeIndex):
        raise SchemaMismatchError(
            f"{source}: the time must be dates, as in training. Received: the number {times[0]} "
            "first. Give the time as dates."
        )
    if not isinstance(times, pd.DatetimeIndex):
        return times
    if schema.freq is None:
        return _named_zone(times)
    if (times.tz is None) == (schema.time_zone is None):
        return times if times.tz is None else times.tz_convert(schema.time_zone)
    if times.tz is not None and step_seconds(schema.freq) >= _DAY:
        return times.tz_localize(None)  # days are days in any zone
    have = "no time zone" if times.tz is None else f"the time zone {times.tz}"
    raise SchemaMismatchError(
        f"{source}: times must have a time zone where those of training had one. Received: {have}, "
        f"trained with {schema.time_zone or 'none'}. Write the times as in the training data."
    )


def _named_zone(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return times whose zone can be found again by its name."""
    if times.tz is None:
        return times
    try:
        times.tz_convert(str(times.tz))
    except (ValueError, LookupError, TypeError):  # for example a zone read from a file
        return times.tz_convert("UTC")
    return times.tz_convert(str(times.tz))


def with_offsets(
    times: pd.DatetimeIndex, text: pd.Series, source: str
) -> tuple[pd.DatetimeIndex, list[str]]:
    """Return times in the one offset they are written with, and notes.

    With several offsets, as local time has, days keep their local times; hours are kept in UTC.

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
    return times, [f"{note}; its times are kept in UTC"]


def _colon(offset: str) -> str:
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def _offset_minutes(offset: str) -> int:
    if offset == "Z":
        return 0
    text = _colon(offset)
    return (1 if text[0] == "+" else -1) * (60 * int(text[1:3]) + int(text[4:6]))
