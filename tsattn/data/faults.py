"""The faults of a table: all of them, by repairing each in a copy to see what lies behind it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.config import resolve_columns
from tsattn.data.columns import categories_of, holds_numbers
from tsattn.data.filling import fill_missing
from tsattn.data.rows import find_duplicates
from tsattn.data.schema import Schema, infer_schema
from tsattn.data.series import TimeSeries, close_gaps, lay_rows
from tsattn.data.time_columns import find_time_columns, is_numeric
from tsattn.errors import DataError

_LISTED = 5


def is_real(column: pd.Series) -> bool:
    """Return whether a column of numbers has no imaginary part."""
    return not types.is_complex_dtype(column)


def usable_schema(
    frame: pd.DataFrame, source: str, columns: dict[str, Any], notes: list[str], problems: list[str]
) -> Schema | None:
    """Return the schema, without the columns that cannot be used."""
    for _ in range(2):
        try:
            schema, schema_notes = infer_schema(frame, source=source, **columns)
        except DataError as error:
            problems.append(str(error))
        else:
            notes += schema_notes
            return schema
        unusable = _unusable_columns(frame, source, columns, problems)
        if not unusable:
            return None
        names = list(frame.columns)
        dropped = resolve_columns(columns.get("drop", ()), names) + unusable
        columns = columns | {"drop": dropped}
        for role in ("past_covariates", "future_covariates"):
            if columns.get(role):
                kept = resolve_columns(columns[role], names)
                columns[role] = [name for name in kept if name not in unusable]
    return None


def _unusable_columns(
    frame: pd.DataFrame, source: str, columns: dict[str, Any], problems: list[str]
) -> list[str]:
    """Return the covariates that are neither numbers nor a few texts."""
    names = list(frame.columns)
    roles = ("time_col", "id_col", "drop", "target")
    taken = [name for role in roles for name in _named(columns.get(role), names)]
    taken += find_time_columns(frame, exclude=taken) if not columns.get("time_col") else []
    unusable = []
    for name in names:
        if name not in taken and not holds_numbers(frame[name]):
            try:
                categories_of(frame[name], name, source)
            except DataError as error:
                unusable.append(name)
                problems += [str(error)] if str(error) not in problems else []
    return unusable


def _named(requested: Any, names: list[str]) -> list[str]:
    return [] if requested == "all" and "all" not in names else resolve_columns(requested, names)


def repaired_series(
    frame: pd.DataFrame,
    schema: Schema,
    source: str,
    found: dict[str, Any],
    notes: list[str],
    problems: list[str],
) -> TimeSeries | None:
    """Return the series with its gaps filled, repairing what a fit would refuse."""
    repairs = [_without_duplicates, _without_infinite]
    while True:
        try:
            series, absent = lay_rows(frame, schema, source)
            break
        except DataError as error:
            problems += [str(error)] if str(error) not in problems else []
        while repairs and (repaired := repairs[0](frame, schema, source, found)) is frame:
            repairs.pop(0)
        if not repairs:
            return None
        frame = repaired
    found |= {"missing_rows": len(absent), "duplicates": found.get("duplicates", 0)}
    found["first_missing_rows"] = tuple(str(series.times[row]) for row in absent[:_LISTED])
    try:
        series = close_gaps(series, absent, source, frame)
    except DataError as error:
        problems.append(str(error))
        filling = replace(series.schema, fill="ffill")
        values, filled = fill_missing(replace(series, schema=filling))
        return replace(series, values=values, filled=filled)
    notes += series.notes
    return series


def _without_duplicates(
    frame: pd.DataFrame, schema: Schema, source: str, found: dict[str, Any]
) -> pd.DataFrame:
    try:
        repeated, named = find_duplicates(frame, schema, source)
    except DataError:  # the times cannot be read, which has been said
        return frame
    if not repeated.any():
        return frame
    found |= {"duplicates": int(repeated.sum()), "first_duplicates": tuple(named)}
    return frame[~repeated]


def _without_infinite(
    frame: pd.DataFrame, schema: Schema, source: str, found: dict[str, Any]
) -> pd.DataFrame:
    """Give the infinite values of the first column with any that of a row before or after."""
    del source, found
    for name in schema.columns:
        if is_numeric(frame[name]) and is_real(frame[name]):
            values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            too_large = pd.Series(np.abs(values) > np.finfo(np.float32).max, index=frame.index)
            if too_large.any():
                finite = frame[name].astype(np.float64).mask(too_large)
                return frame.assign(**{name: finite.mask(too_large, finite.ffill().bfill())})
    return frame
