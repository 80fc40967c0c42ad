"""Which rows of a table belong to which series, in which order, and which are there twice."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.data.schema import Schema
from tsattn.data.table import Table
from tsattn.data.time_zone import fit_time_zone
from tsattn.data.timestamps import parse_times
from tsattn.errors import DataError, RowError

NO_ID = ""
_MOSTLY = 0.5  # of the times of several series


def group_rows(frame: Table, schema: Schema, source: str) -> dict[str, np.ndarray]:
    """Return the rows of each series, by its id.

    Raises:
        DataError: an id is missing.
    """
    if schema.id_column is None:
        return {NO_ID: np.arange(len(frame))}
    ids = frame[schema.id_column]
    if isinstance(ids.dtype, pd.CategoricalDtype):
        return _group_categories(ids, source)
    ids = series_ids(ids, source)
    groups = ids.groupby(ids, sort=True).indices
    return {str(name): np.asarray(rows) for name, rows in groups.items()}


class GroupedTable(NamedTuple):
    """A table with the rows of each of its series."""

    frame: pd.DataFrame
    source: str  # what messages call the table
    groups: dict[str, np.ndarray]  # the rows of each series

    @classmethod
    def of(cls, frame: pd.DataFrame, schema: Schema, source: str) -> "GroupedTable":
        """Group the rows of a table, see `group_rows`."""
        return cls(frame, source, group_rows(frame, schema, source))

    def of_series(self, names: Sequence[str]) -> pd.DataFrame:
        """Return the rows of some series, in their order."""
        if len(names) == len(self.groups) and set(names) == set(self.groups):
            return self.frame
        parts = [self.groups[name] for name in names if name in self.groups]
        rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        return self.frame.iloc[rows]


def _group_categories(ids: pd.Series, source: str) -> dict[str, np.ndarray]:
    """Return the rows of each series from an id column of repeated text."""
    if ids.isna().any():
        series_ids(ids, source)  # which raises
    names = ids.cat.categories.astype(str).str.strip()
    order = np.argsort(ids.cat.codes.to_numpy(), kind="stable")
    counts = np.bincount(ids.cat.codes, minlength=len(names))
    parts: dict[str, list[np.ndarray]] = {}
    for name, rows in zip(names, np.split(order, np.cumsum(counts)[:-1]), strict=True):
        if len(rows):
            parts.setdefault(str(name), []).append(rows)
    return {
        name: parts[name][0] if len(parts[name]) == 1 else np.sort(np.concatenate(parts[name]))
        for name in sorted(parts)
    }


def series_ids(column: pd.Series, source: str) -> pd.Series:
    """Return the ids of a column as whole numbers, or as text without spaces around it.

    Raises:
        DataError: an id is missing.
    """
    if column.isna().any():
        row = int(np.argmax(column.isna()))
        raise RowError(
            f"{source}: the id column {column.name!r} must have no missing values. Received: "
            f"{int(column.isna().sum())} missing (first at ",
            row,
            "). Drop or complete those rows.",
        )
    if types.is_float_dtype(column) and (column == column.round()).all():
        column = column.astype("int64")  # 7.0 is the series 7
    return column if types.is_integer_dtype(column) else column.astype(str).str.strip()


def times_and_groups(
    frame: Table, schema: Schema, source: str
) -> tuple[pd.Index, dict[str, np.ndarray]]:
    """Return the time of each row, in the zone of the schema or the one found, and `group_rows`.

    Raises:
        DataError, SchemaMismatchError: as `parse_times`, `group_rows` and `fit_time_zone`.
    """
    times, _ = parse_times(frame, schema.time_columns, schema.time_format, source)
    groups = group_rows(frame, schema, source)
    if schema.time_columns:
        times = fit_time_zone(times, schema, source, groups.values())
    return times, groups


def sort_rows(times: pd.Index, rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the rows of a series in the order of time, and whether they were so already."""
    selected = times[rows]
    if selected.is_monotonic_increasing:
        return rows, True
    return rows[np.argsort(selected.to_numpy(), kind="stable")], False


def row_numbers(count: int, groups: Iterable[np.ndarray]) -> np.ndarray:
    """Return the number of each row within its series: (count,) int64."""
    numbers = np.empty(count, dtype=np.int64)
    for rows in groups:
        numbers[rows] = np.arange(len(rows))
    return numbers


def find_duplicates(frame: Table, schema: Schema, source: str) -> tuple[np.ndarray, list[str]]:
    """Return which rows repeat a time of their series, (rows,) bool, and the first five."""
    if not schema.time_columns:
        return np.zeros(len(frame), dtype=bool), []
    times, groups = times_and_groups(frame, schema, source)
    return _find_repeated(times, groups.values(), list(groups))


def _find_repeated(
    times: pd.Index, groups: Iterable[np.ndarray], ids: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    is_repeated = np.zeros(len(times), dtype=bool)
    named: list[str] = []
    for rows, series_id in zip(groups, ids, strict=True):
        repeated = rows[np.asarray(times[rows].duplicated())]
        is_repeated[repeated] = True
        label = f" of series {series_id}" if series_id != NO_ID else ""
        named += [f"{time}{label}" for time in times[repeated].unique().sort_values()[:5]]
    return is_repeated, named[:5]


def check_duplicates(
    times: pd.Index,
    groups: Sequence[np.ndarray],
    ids: Sequence[str],
    source: str,
    frame: Table | None = None,
    time_columns: Sequence[str] = (),
) -> None:
    """Raise a DataError that counts the repeated times of each series and lists the first five.

    Of the table of a single series it names a column that would make several of it, other than
    those of the time.
    """
    is_repeated, named = _find_repeated(times, groups, ids)
    if named:
        apart = None if frame is None else _telling_apart(times, frame, time_columns)
        remedy = (
            "Remove them; name all columns that make the time with --time-col, or the column that "
            "tells series apart with --id-col."
            if list(ids) == [NO_ID]
            else "Remove them, or name all columns that make the time with --time-col."
        )
        raise DataError(
            f"{source}: each time may occur once in a series. Received: {is_repeated.sum()} "
            f"duplicates ({', '.join(named)}). {remedy}"
            + (f" Column {apart!r} tells these rows apart." if apart else "")
        )


def _telling_apart(times: pd.Index, frame: Table, time_columns: Sequence[str]) -> str | None:
    """Return the first column that tells the rows of each time apart; None without one.

    It is of text, or has as many values as a time has rows at most. Where few times repeat, as an
    hour at the end of daylight saving time does, no column makes series.
    """
    counts = times.value_counts()
    if (counts > 1).mean() <= _MOSTLY:
        return None
    for name in frame.columns:
        values = frame[name]
        if name in time_columns:
            continue
        if types.is_numeric_dtype(values) and values.nunique() != counts.iloc[0]:
            continue
        pairs = pd.DataFrame({"time": times, "value": values.astype(str).to_numpy()})
        if not pairs.duplicated().any():
            return str(name)
    return None
