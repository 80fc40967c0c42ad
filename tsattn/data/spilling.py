"""Many series in groups that fit into memory: their rows wait on disk until it is their turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.data.frequency import step_seconds
from tsattn.data.pieces import Pieces
from tsattn.data.places import rows_by_index
from tsattn.data.rows import series_ids
from tsattn.data.schema import Schema
from tsattn.data.series import needed_columns
from tsattn.data.timestamps import parse_times
from tsattn.errors import DataError, UsageError


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Which group every series belongs to; groups follow the order of the ids."""

    names: dict[object, str]  # of every id as it is read
    group_of: dict[str, int]
    num_rows: dict[str, int]  # of each series

    @property
    def count(self) -> int:
        """Number of groups."""
        return max(self.group_of.values()) + 1

    def num_rows_of(self, group: int) -> dict[str, int]:
        """Return how many rows each series of a group has."""
        return {name: n for name, n in self.num_rows.items() if self.group_of[name] == group}


def find_groups(
    pieces: Pieces, schema: Schema, source: str, *, rows_at_once: int, last: int | None
) -> Groups:
    """Read the ids of a table and put its series into groups of so many rows, or one series.

    Args:
        pieces: The table.
        schema: That of the model; it has an id column.
        source: What messages call the table.
        rows_at_once: Rows of a group.
        last: How many of the last rows of a series count; None for all.

    Raises:
        DataError: an id is missing.
    """
    column = str(schema.id_column)
    counts: dict[object, int] = {}
    for piece in _numbered(pieces.read(rows_at_once, [column])):
        ids = piece[column]
        if ids.isna().any() or types.is_float_dtype(ids):
            with rows_by_index(piece):
                ids = series_ids(ids, source)
        for value, count in ids.value_counts().items():
            counts[value] = counts.get(value, 0) + count
    names = _names(list(counts), source)
    sizes: dict[str, int] = {}
    for value, count in counts.items():
        sizes[names[value]] = sizes.get(names[value], 0) + count
    group_of, group, rows = {}, 0, 0
    for name in sorted(sizes):
        size = min(sizes[name], last) if last else sizes[name]
        if rows and rows + size > rows_at_once:
            group, rows = group + 1, 0
        group_of[name] = group
        rows += size
    return Groups(names=names, group_of=group_of, num_rows=sizes)


def _names(values: list[object], source: str) -> dict[object, str]:
    """Return what ids are called."""
    column = pd.Series(values, dtype=object).infer_objects()
    return dict(zip(values, series_ids(column, source).astype(str), strict=True))


def spill(
    pieces: Pieces,
    schema: Schema,
    source: str,
    groups: Groups,
    folder: Path,
    *,
    rows_at_once: int,
    last: int | None,
) -> None:
    """Write the rows of a table that are needed to one file for each group of series.

    Their index has their numbers in the table, for messages.

    Args:
        pieces: The table.
        schema: What is read of it; rows of series without a group are left out.
        source: What messages call the table.
        groups: The groups.
        folder: Where the files are written.
        rows_at_once: Rows in memory.
        last: Only so many of the last known rows of a series are needed, and those after them.

    Raises:
        DataError: the table cannot be read.
    """
    column = str(schema.id_column)
    columns = needed_columns(schema)
    for piece in _numbered(pieces.read(rows_at_once, columns)):
        ids = piece[column]
        if ids.isna().any() or types.is_float_dtype(ids):
            with rows_by_index(piece):
                ids = series_ids(ids, source)
        names = ids.map(groups.names)
        if names.isna().any():  # ids that may be written otherwise in this table
            names = series_ids(ids, source).astype(str)
        frame = piece[columns].assign(**{column: names})
        chosen = names.map(groups.group_of)
        frame, chosen = frame[chosen.notna()], chosen[chosen.notna()]
        kept = last_rows(frame, schema, last)
        frame, numbers = frame[kept], chosen.to_numpy(dtype=np.int64)[kept]
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            rows = order[start:end]
            _append(frame.iloc[rows], folder / f"{numbers[rows[0]]}.arrows")


def _numbered(pieces: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield pieces of a table whose index goes on from one to the next."""
    start = 0
    for piece in pieces:
        yield piece.set_axis(pd.RangeIndex(start, start + len(piece)), axis=0)
        start += len(piece)


def last_rows(frame: pd.DataFrame, schema: Schema, last: int | None) -> np.ndarray:
    """Return which rows may be among the `last` of their series up to its last known target.

    Those of any part of a table that are not, are not in the whole table either: (rows,) bool. The
    rows after the last known target are kept.
    """
    everything = np.ones(len(frame), dtype=bool)
    if last is None or not len(frame) or not schema.targets:
        return everything
    try:
        times, _ = parse_times(frame, schema.time_columns, schema.time_format, "")
    except (DataError, UsageError):  # which is said where the rows are forecast
        return everything
    if schema.local_clock and schema.freq:  # which shows an hour twice
        last += round(2 * 3600 / step_seconds(schema.freq)) + 1
    moments = times.asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy()
    codes, _ = pd.factorize(frame[str(schema.id_column)])
    order = np.lexsort((moments, codes))
    codes = codes[order]
    has_target = frame[list(schema.targets)].notna().any(axis=1).to_numpy()[order]
    positions = np.arange(len(order))
    last_known = np.full(codes[-1] + 1, -1)
    np.maximum.at(last_known, codes[has_target], positions[has_target])
    kept = np.empty(len(order), dtype=bool)
    kept[order] = positions > last_known[codes] - last
    return kept


def _append(frame: pd.DataFrame, file: Path) -> None:
    """Add rows to a file of Arrow streams, one after another, each with types of its own."""
    import pyarrow

    try:
        table = pyarrow.Table.from_pandas(frame, preserve_index=True)
    except pyarrow.ArrowException as error:
        raise DataError(
            f"{file.name}: a column must hold values of one kind. Received: "
            f"{' '.join(str(error).split())}. Correct the column."
        ) from None
    with file.open("ab") as sink, pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def read_spilled(
    folder: Path, group: int, schema: Schema, *, rows_at_once: int, last: int | None
) -> pd.DataFrame | None:
    """Return the rows of a group that are needed, in their order; None if there are none."""
    parts: list[pd.DataFrame] = []
    count = 0
    for part in _streams(folder / f"{group}.arrows"):
        parts.append(part)
        count += len(part)
        if count > 2 * rows_at_once:
            parts = _needed(parts, schema, last)
            count = len(parts[0])
    return _needed(parts, schema, last)[0] if parts else None


def _needed(parts: Sequence[pd.DataFrame], schema: Schema, last: int | None) -> list[pd.DataFrame]:
    frame = pd.concat(parts)
    return [frame[last_rows(frame, schema, last)]]


def _streams(file: Path) -> Iterator[pd.DataFrame]:
    import pyarrow

    if not file.exists():
        return
    size = file.stat().st_size
    with pyarrow.OSFile(str(file)) as source:
        while source.tell() < size:
            yield pyarrow.ipc.open_stream(source).read_pandas()
