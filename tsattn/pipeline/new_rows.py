"""The rows for an update: those a model was trained on, and newer ones."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsattn.data.rows import times_and_groups
from tsattn.data.schema import Schema
from tsattn.data.series import check_columns, lay_rows
from tsattn.fitted import FittedForecaster
from tsattn.hashing import file_sha256
from tsattn.pipeline.tables import Data, as_table
from tsattn.pipeline.training_data import sound_frame
from tsattn.progress import Progress


class Origin(NamedTuple):
    """Where rows are from."""

    path: str | None  # None where it is not one file
    sha256: str | None
    old_path: str | None = None  # of the file whose rows come before those of the new data


def gather_rows(
    fitted: FittedForecaster, data: Data, old_data: Data | None, progress: Progress
) -> tuple[pd.DataFrame, str, Origin]:
    """Return the old rows with the new ones, what messages call them, and where they are from.

    Where both have a row of the same series and time, that of the new data counts.

    Raises:
        SchemaMismatchError: a column is missing, or the times are of another kind.
    """
    frame, source = _read(data, fitted.schema, progress)
    is_of_fit = old_data is None  # where it is found: its hash is compared
    if old_data is None:
        old_data = _training_file(fitted, data, source, progress)
    path = None if isinstance(data, pd.DataFrame) else Path(data)
    origin = Origin(str(path), file_sha256(path)) if path else Origin(None, None)
    if old_data is None:
        return frame, source, origin
    lay_rows(frame, fitted.schema, source)  # old rows would hide that these have other steps
    old, old_source = _read(old_data, fitted.schema, progress)
    if is_of_fit or _is_trained_on(fitted, old_data):
        old = sound_frame(fitted, old, old_source)  # as the fit
    new, known = _plain(frame, fitted.schema, source)
    old, keys = _plain(old, fitted.schema, old_source)
    earlier = old[~keys.isin(known)]
    if earlier.empty:
        return frame, source, origin
    progress.note(f"{len(earlier):,} rows of {old_source} and {len(new):,} of {source}")
    together = pd.concat([earlier, new], ignore_index=True)
    old_path = None if isinstance(old_data, pd.DataFrame) else str(old_data)
    return together, f"{old_source} and {source}", Origin(None, None, old_path)


def _read(data: Data, schema: Schema, progress: Progress) -> tuple[pd.DataFrame, str]:
    frame, source, notes = as_table(data, schema.csv_hints)
    for note in notes:
        progress.note(note)
    ids = [schema.id_column] if schema.id_column else []
    check_columns(frame, [*schema.time_columns, *schema.columns, *ids], source)
    return frame, source


def _is_trained_on(fitted: FittedForecaster, data: Data) -> bool:
    if isinstance(data, pd.DataFrame):
        return False
    return fitted.data_sha256 == file_sha256(Path(data))


def _training_file(
    fitted: FittedForecaster, data: Data, source: str, progress: Progress
) -> Path | None:
    """Return the file a model was trained on; None if it is the new one, gone or changed."""
    path = Path(fitted.data_path) if fitted.data_path else None
    if path is None:
        why = "the model was not trained on one file"
    elif not isinstance(data, pd.DataFrame) and Path(data).resolve() == path.resolve():
        return None
    elif not path.exists():
        why = f"{path}, which the model was trained on, is gone"
    elif not _is_trained_on(fitted, path):
        why = f"{path}, which the model was trained on, has changed"
    else:
        return path
    progress.note(f"only the rows of {source} are used: {why}; give the old rows with --data")
    return None


def _plain(frame: pd.DataFrame, schema: Schema, source: str) -> tuple[pd.DataFrame, pd.MultiIndex]:
    """Return the columns a model reads, of one type in every table, and series and time of rows."""
    times, groups = times_and_groups(frame, schema, source)
    plain = frame[[*schema.time_columns, *schema.columns]].copy()
    if len(schema.time_columns) == 1:
        plain[schema.time_columns[0]] = times
    ids = np.empty(len(frame), dtype=object)
    for name, rows in groups.items():
        ids[rows] = name
    if schema.id_column:
        plain[schema.id_column] = ids
    return plain, pd.MultiIndex.from_arrays([ids, times])
