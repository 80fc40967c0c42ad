"""The series of a panel that are not at fault: of a table to learn from, and of new data."""

from collections.abc import Callable, Sequence

import pandas as pd

from tsattn.config import SCHEMA_OPTIONS, FitOptions
from tsattn.data.column_table import ColumnTable
from tsattn.data.places import named_in_files
from tsattn.data.rows import GroupedTable
from tsattn.data.screening import sound_rows
from tsattn.data.skipping import Faults, by_halves
from tsattn.errors import TsattnError
from tsattn.fitted import FittedForecaster
from tsattn.pipeline.known_rows import KnownRows, check_new_data, known_rows, read_known
from tsattn.pipeline.reading_series import with_enough_rows, with_origins
from tsattn.pipeline.tables import Data
from tsattn.progress import Progress


def screened_frame(
    frame: pd.DataFrame, source: str, options: FitOptions, faults: Faults
) -> pd.DataFrame:
    """Return a table without the series that `fit` skips by their rows.

    Raises:
        As `tsattn.data.screening.sound_rows`.
    """
    columns = {name: getattr(options, name) for name in SCHEMA_OPTIONS}
    table, _, _ = sound_rows(ColumnTable.of_frame(frame), source, faults, **columns)
    if not faults.reasons:
        return frame
    return pd.DataFrame({name: table[name] for name in table.columns})


def read_sound(
    fitted: FittedForecaster,
    data: Data,
    progress: Progress,
    on_skip: Callable[[str], None] | None,
    *,
    done: str,
    split: Sequence[float] = (),
) -> KnownRows:
    """Return the known rows of new data, as `read_known`, without the series at fault.

    At fault is a series that cannot be read, has not the rows of the split, or holds no window.

    Args:
        fitted: The forecaster that is to read them.
        data: A file or a table.
        progress: Where notes go.
        on_skip: Of a panel: is told why a series is skipped; None: one that cannot be read is an
            error.
        done: What becomes of the other series, such as `"scored"`.
        split: Shares or counts of rows that each series is to be split by, if it is.

    Raises:
        As `read_known`; and where every series is at fault.
    """
    faults = Faults.of_panel(fitted.schema.id_column, on_skip, done)
    if faults is None:
        return read_known(data, fitted.schema, progress)
    frame, source, notes = check_new_data(data, fitted.schema)
    table = GroupedTable.of(frame, fitted.schema, source)
    found = _readable(fitted, table, faults, data)
    for note in (*notes, *found.series.notes):
        progress.note(note)
    return _with_windows(fitted, found, faults, split)


def _readable(
    fitted: FittedForecaster, table: GroupedTable, faults: Faults, data: Data
) -> KnownRows:
    """Return the rows of the series that can be read."""

    def read(names: Sequence[str]) -> KnownRows:
        return known_rows(table.of_series(names), fitted.schema, table.source)

    def blame(name: str, error: TsattnError) -> None:
        faults.add(name, named_in_files(error, data))

    names = list(table.groups)
    found: list[KnownRows | None] = by_halves(names, read, blame)
    parts = [part for part in found if part is not None]
    faults.check_left(len(names), table.source)
    if len(parts) == 1:
        return parts[0]
    # Read by themselves, they would have other offsets.
    return read([name for name in names if name not in faults.reasons])


def _with_windows(
    fitted: FittedForecaster, found: KnownRows, faults: Faults, split: Sequence[float]
) -> KnownRows:
    """Return the rows of the series that hold a window, and those of a split."""
    series = with_enough_rows(found.series, split, faults, found.source)
    origins = fitted.find_origins(series, series.parts).origins
    series = with_origins(
        series, origins, fitted.options, faults, found.source, remedy="Give more rows."
    )
    table = found.table
    if series is not found.series:
        table = GroupedTable.of(table, fitted.schema, found.source).of_series(series.series_ids)
    return KnownRows(table=table, series=series, source=found.source, skipped=faults.reasons)
