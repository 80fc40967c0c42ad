"""Telling the rows of new data that are known from those that lie ahead."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tsattn.data.differences import check_matches
from tsattn.data.places import rows_by_index, rows_in_files
from tsattn.data.rows import times_and_groups
from tsattn.data.schema import Schema
from tsattn.data.series import (
    TimeSeries,
    check_columns,
    close_gaps,
    lay_rows,
    needed_columns,
    series_from_frame,
)
from tsattn.errors import DataError
from tsattn.pipeline.tables import Data, as_table
from tsattn.progress import Progress

# The model decides about filling and columns: new data cannot ask for others.
REMEDIES = {
    "Fill them with --fill ffill|seasonal": "Complete them, or fit the model with --fill "
    "ffill|seasonal",
    "Replace them, or leave them empty and use --fill.": "Replace them.",
    "Remove them; name all columns that make the time with --time-col, or the column that tells "
    "series apart with --id-col.": "Remove them, or fit a model with --id-col if they are of "
    "several series.",
    "Remove them, or name all columns that make the time with --time-col.": "Remove them.",
    "Give --time-format, for example %d/%m/%Y.": "Write the times like 2024-03-05 12:00.",
    "Correct it, or give --time-format or --time-col.": "Correct it, for example to "
    "2024-03-05 12:00.",
}


@dataclass(frozen=True, kw_only=True)
class SplitTable:
    """The rows up to the last known target of each series, and those after it."""

    known: pd.DataFrame
    ahead: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class KnownRows:
    """The known rows of new data."""

    table: pd.DataFrame  # as they were read
    series: TimeSeries  # on their grid of times
    source: str  # what messages call the data
    skipped: dict[str, str] = field(default_factory=dict)  # why, by series of a panel left out


def split_known(
    frame: pd.DataFrame, schema: Schema, source: str, last: int | None = None
) -> SplitTable:
    """Split a table at the last known target of each series.

    Args:
        frame: The table.
        schema: The schema of the model.
        source: What messages call the table.
        last: Keep only so many of the last known rows of each series.

    Raises:
        SchemaMismatchError: a column is missing.
        DataError: a series has no known target.
    """
    check_columns(frame, needed_columns(schema), source)
    has_target = frame[list(schema.targets)].notna().any(axis=1).to_numpy()
    with as_new_data(frame):
        times, groups = times_and_groups(frame, schema, source)
    if schema.local_clock and len(schema.time_columns) == 1:
        # Of parts of a table it cannot be told which of two hours of the clock is meant.
        frame = frame.assign(**{schema.time_columns[0]: times})
    is_known = np.zeros(len(frame), dtype=bool)
    is_ahead = np.zeros(len(frame), dtype=bool)
    for series_id, rows in groups.items():
        ordered = rows[np.argsort(times[rows].to_numpy(), kind="stable")]
        known = np.flatnonzero(has_target[ordered])
        if not len(known):
            raise DataError(
                f"{source}: every series must have a known target. Received: none"
                f"{f' for series {series_id!r}' if series_id else ''}. "
                "Give the rows before the forecast too."
            )
        end = int(known[-1]) + 1
        is_known[ordered[max(end - last, 0) if last else 0 : end]] = True
        is_ahead[ordered[end:]] = True
    return SplitTable(known=frame[is_known], ahead=frame[is_ahead])


def read_known(data: Data, schema: Schema, progress: Progress) -> KnownRows:
    """Return the known rows of new data; pass on notes.

    Raises:
        SchemaMismatchError: the data differs from the training data.
        DataError: gaps that the model was not told to fill, or other faults.
    """
    frame, source, notes = check_new_data(data, schema)
    with rows_in_files(data):
        found = known_rows(frame, schema, source)
    for note in (*notes, *found.series.notes):
        progress.note(note)
    return found


def check_new_data(data: Data, schema: Schema) -> tuple[pd.DataFrame, str, list[str]]:
    """Return new data as a table, rows numbered from 0, what messages call it, and notes.

    Raises:
        SchemaMismatchError: the table as a whole differs from the training data.
    """
    frame, source, notes = as_table(data, schema.csv_hints)
    check_matches(frame, schema, source)
    return frame.reset_index(drop=True), source, notes


def known_rows(frame: pd.DataFrame, schema: Schema, source: str) -> KnownRows:
    """Return the known rows of some rows of a table; errors have the rows of its index.

    Raises:
        SchemaMismatchError, DataError: as `split_known` and `known_series`.
    """
    table = split_known(frame, schema, source).known
    return KnownRows(table=table, series=known_series(table, schema, source), source=source)


def known_series(frame: pd.DataFrame, schema: Schema, source: str) -> TimeSeries:
    """Return the known rows of new data, a part of a table, as the series a model reads.

    Raises:
        SchemaMismatchError: a column is missing.
        DataError: gaps that the model was not told to fill, or other faults.
    """
    with as_new_data(frame):
        return series_from_frame(frame, schema, source)


def with_gaps(frame: pd.DataFrame, schema: Schema, source: str) -> TimeSeries:
    """Return known rows as series whose gaps stay missing unless the model fills them.

    Raises:
        SchemaMismatchError, DataError: other faults than gaps.
    """
    with as_new_data(frame):
        series, absent = lay_rows(frame, schema, source)
        return close_gaps(series, absent, source) if schema.fill else series


@contextmanager
def as_new_data(frame: pd.DataFrame, remedies: Mapping[str, str] = REMEDIES) -> Iterator[None]:
    """Raise errors with the rows of the whole table, and with remedies that new data have."""
    try:
        with rows_by_index(frame):
            yield
    except DataError as error:
        for of_fit, remedy in remedies.items():
            error = error.replaced(of_fit, remedy)
        raise error from None
