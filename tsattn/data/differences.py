"""How new data differs from what a model was trained on: every difference in one message."""

import numpy as np
import pandas as pd

from tsattn.config import listed
from tsattn.data.columns import first_text, texts_of
from tsattn.data.frequency import is_within_a_day, step_seconds
from tsattn.data.rows import group_rows
from tsattn.data.schema import Schema
from tsattn.data.series import check_columns, needed_columns
from tsattn.data.time_columns import is_numeric
from tsattn.data.timestamps import parse_times
from tsattn.errors import DataError, SchemaMismatchError

_HEAD = 1000  # rows that tell what the times are


def check_matches(frame: pd.DataFrame, schema: Schema, source: str) -> None:
    """Raise a SchemaMismatchError that lists every difference of a table to the training data.

    Looked at are the columns, whether they hold numbers or text, and whether the times are dates,
    have a time zone, and have the step of the model.
    """
    found = [*_lacking(frame, schema), *_other_types(frame, schema), *_other_times(frame, schema)]
    if len(found) == 1:  # which has a message of its own, with its remedy
        check_columns(frame, needed_columns(schema), source)
        if not found[0].startswith("column"):
            return  # it is met where the times are read
    if found:
        raise SchemaMismatchError(
            f"{source}: the data must be as the model was trained on. Received: {'; '.join(found)}."
            " Correct the data, or fit the model again."
        )


def _lacking(frame: pd.DataFrame, schema: Schema) -> list[str]:
    lacking = [name for name in needed_columns(schema) if name not in frame.columns]
    return [f"no {listed(lacking)} (there are {listed(list(frame.columns))})"] if lacking else []


def _other_types(frame: pd.DataFrame, schema: Schema) -> list[str]:
    """Name the columns of text that were numbers, and the other way round."""
    found = []
    for name in schema.columns:
        column = frame.get(name)
        if column is None or not column.notna().any():
            continue
        categories = schema.categories.get(name)
        if categories is None and not is_numeric(column):
            numbers = pd.to_numeric(column.head(_HEAD).astype(str), errors="coerce")
            if not numbers.notna().any():
                found.append(f"column {name!r} of text ({first_text(column)[1]!r}), not numbers")
        elif categories is not None and is_numeric(column):
            known = texts_of(column.dropna().head(_HEAD)).isin(categories)
            if not known.any():
                kinds = listed(categories, 5)
                found.append(f"column {name!r} of numbers, not text ({kinds})")
    return found


def _other_times(frame: pd.DataFrame, schema: Schema) -> list[str]:
    names = schema.time_columns
    if schema.freq is None or not names or not set(names) <= set(frame.columns):
        return []
    head = frame.head(_HEAD)
    try:
        times, _ = parse_times(head, names, schema.time_format, "")
    except DataError:  # which is said where they are read
        return []
    if not isinstance(times, pd.DatetimeIndex):
        return [f"the number {times[0]} as time, not a date"]
    found = []
    # Longer steps may be days of a zone, which is found where they are read.
    has_hours = is_within_a_day(schema.freq)
    has_zone = schema.time_zone is not None and not schema.local_clock
    if has_hours and times.tz is None and has_zone:
        found.append(f"times without a time zone, trained with {schema.time_zone}")
    if has_hours and times.tz is not None and not has_zone and str(times.tz) != schema.time_zone:
        found.append(f"times in the time zone {times.tz}, trained with none")
    return found + _other_step(head, times, schema, schema.freq)


def _other_step(
    head: pd.DataFrame, times: pd.DatetimeIndex, schema: Schema, freq: str
) -> list[str]:
    """Name a step other than the model's; a table of few rows of each series does not tell."""
    if schema.id_column is not None and schema.id_column not in head.columns:
        return []
    try:
        groups = group_rows(head, schema, "")
    except DataError:
        return []
    longest = times[max(groups.values(), key=len)].sort_values().unique()
    if len(longest) < 3:
        return []
    step = pd.Timedelta(np.median(np.diff(longest.as_unit("ns").asi8)))
    is_other = step.total_seconds() > 1.5 * step_seconds(freq)
    return [f"rows mostly {step} apart, not {freq}"] if is_other else []
