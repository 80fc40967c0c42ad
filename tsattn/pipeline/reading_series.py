"""From data to the series that are learnt from, column by column where it is a panel."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from tsattn.config import SCHEMA_OPTIONS, FitOptions
from tsattn.data.column_table import ColumnTable, open_columns
from tsattn.data.csv_format import CsvHints, find_common_decimal
from tsattn.data.pieces import Pieces
from tsattn.data.reading import csv_files
from tsattn.data.schema import infer_schema
from tsattn.data.screening import check_known, sound_rows
from tsattn.data.series import TimeSeries, series_from_frame, take_series
from tsattn.data.skipping import Faults
from tsattn.data.splits import Split
from tsattn.data.table import Table
from tsattn.data.windows import origins_of_fit
from tsattn.errors import DataError
from tsattn.pipeline.tables import Data, as_table


def read_series(
    data: Data, options: FitOptions, faults: Faults | None
) -> tuple[TimeSeries, list[str]]:
    """Return the series of a table, and notes.

    A panel, or a folder, is read a column at a time: beyond the values in float32 it takes the
    memory of one column. Series at fault are left out if there is a place to tell of them.

    Raises:
        UsageError, DataError: as `prepare`.
    """
    with _opened(data, options, faults) as (table, source, notes):
        given = asdict(options)
        columns = {name: given[name] for name in SCHEMA_OPTIONS}
        if faults is not None and isinstance(table, ColumnTable):
            table, schema, found = sound_rows(table, source, faults, **columns)
        with table.places() if isinstance(table, ColumnTable) else nullcontext():
            if faults is None:
                schema, found = infer_schema(table, source=source, **columns)
            schema = replace(schema, decimal=_decimal(data))
            if isinstance(table, ColumnTable) and table.num_files > 1:
                check_known(table, schema, source)  # the row of a file says more than a time
            series = series_from_frame(table, schema, source)
    return series, [*notes, *found, *series.notes]


def _decimal(data: Data) -> str | None:
    """Return the decimal mark of CSV files; None for other tables."""
    if not isinstance(data, str | Path) or Pieces(Path(data)).is_parquet:
        return None
    return find_common_decimal(csv_files(Path(data))).mark


@contextmanager
def _opened(
    data: Data, options: FitOptions, faults: Faults | None
) -> Iterator[tuple[Table, str, list[str]]]:
    """Yield a table, what messages call it, and notes."""
    hints = CsvHints(id_column=options.id_col)
    if isinstance(data, str | Path) and (options.id_col or Path(data).is_dir()):
        with open_columns(Path(data), hints) as (table, notes):
            yield table, Path(data).name, notes
        return
    frame, source, notes = as_table(data, hints)
    yield (frame if faults is None else ColumnTable.of_frame(frame)), source, notes


def with_enough_rows(
    series: TimeSeries, split: Sequence[float], faults: Faults, source: str
) -> TimeSeries:
    """Return the series that have the rows of a split; shares of rows fit any.

    Raises:
        DataError: no series is left.
    """
    wanted = int(sum(split)) if sum(split) > 1 + 1e-9 else 0
    rows = np.diff(series.borders)
    for i in np.flatnonzero(rows < wanted):
        reason = (
            f"{source}: a series must have the rows of the split, {wanted}. Received: {rows[i]} "
            "rows. Lower the counts of --split, or give more rows."
        )
        faults.add(series.series_ids[i], DataError(reason))
    return _left(series, rows >= wanted, faults, source)


def with_windows(
    series: TimeSeries, split: Split, options: FitOptions, faults: Faults, source: str
) -> TimeSeries:
    """Return the series that hold a window in one of their splits; the options are settled.

    Raises:
        DataError: no series is left.
    """
    parts = (split.train, split.val, split.test)
    origins = np.concatenate([origins_of_fit(series, part, options).origins for part in parts])
    return with_origins(series, origins, options, faults, source, where=", these in one split")


def with_origins(
    series: TimeSeries,
    origins: np.ndarray,
    options: FitOptions,
    faults: Faults,
    source: str,
    *,
    where: str = "",
    remedy: str = "Use a shorter --lookback or --horizon, or give more rows.",
) -> TimeSeries:
    """Return the series that some origins, (windows,) int64, lie in; the options are settled.

    Args:
        series: The series.
        origins: Those of all windows.
        options: What tells the size of a window.
        faults: Is told of every other series.
        source: What messages call the data.
        where: Said of the rows of a window.
        remedy: What to do about it.

    Raises:
        DataError: no series is left.
    """
    has_window = np.zeros(len(series.series_ids), dtype=bool)
    has_window[series.series_of(origins)] = True
    rows = np.diff(series.borders)
    for i in np.flatnonzero(~has_window):
        reason = (
            f"{source}: a series must hold a window: {options.lookback} rows and "
            f"{options.horizon} after them{where}, with no value missing. Received: {rows[i]} "
            f"rows. {remedy}"
        )
        faults.add(series.series_ids[i], DataError(reason))
    return _left(series, has_window, faults, source)


def _left(series: TimeSeries, kept: np.ndarray, faults: Faults, source: str) -> TimeSeries:
    if kept.all():
        return series
    faults.check_left(len(kept) + len(faults.reasons) - int((~kept).sum()), source)
    return take_series(series, np.flatnonzero(kept))
