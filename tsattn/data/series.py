"""The time series in memory, and laying the rows of a table onto an even grid of times."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tsattn.config import listed
from tsattn.data.columns import notes_on_texts, numbers_of, texts_of
from tsattn.data.filling import check_fillable, fill_missing
from tsattn.data.frequency import grid_positions, infer_frequency, next_times
from tsattn.data.offsets import choose_offset, is_rounded
from tsattn.data.rows import NO_ID as NO_ID
from tsattn.data.rows import check_duplicates, group_rows, row_numbers, sort_rows, times_and_groups
from tsattn.data.schema import Schema
from tsattn.data.table import Table
from tsattn.data.time_zone import fit_time_zone, is_local_clock, zone_notes, zone_of
from tsattn.data.timestamps import parse_times, settle_format
from tsattn.errors import DataError, RowError, SchemaMismatchError


@dataclass(frozen=True, kw_only=True)
class TimeSeries:
    """One or many series, one below the other, each on an even grid of times."""

    schema: Schema
    values: np.ndarray  # (rows, features) float32, less the offsets; NaN where nothing is known
    offsets: np.ndarray  # (features,) float64; values + offsets are the data
    times: pd.Index  # (rows,) DatetimeIndex, or whole numbers where there is no time
    filled: np.ndarray  # (rows,) bool: a target of that row was filled in
    series_ids: tuple[str, ...]  # (series,)
    borders: np.ndarray  # (series + 1,) int64: series i is rows borders[i] to borders[i + 1]
    notes: tuple[str, ...] = ()

    @property
    def num_rows(self) -> int:
        """Number of rows of all series together."""
        return len(self.values)

    @property
    def parts(self) -> list[slice]:
        """The rows of each series."""
        borders = zip(self.borders[:-1], self.borders[1:], strict=True)
        return [slice(int(start), int(end)) for start, end in borders]

    def original(self, rows: slice | np.ndarray, columns: int | slice) -> np.ndarray:
        """Return the data of some rows and columns as float64: (rows,) or (rows, columns)."""
        return np.asarray(self.values[rows, columns] + self.offsets[columns], dtype=np.float64)

    def series_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of the series that each row belongs to."""
        return np.searchsorted(self.borders, rows, side="right") - 1

    def steps_of(self, rows: np.ndarray) -> np.ndarray:
        """Return where rows are in time, in steps: rows of one time have one number."""
        if len(self.series_ids) == 1:
            return rows
        return np.asarray(self.times.unique().sort_values().get_indexer(self.times[rows]))

    def count_of(self, rows: np.ndarray) -> int:
        """Return how many series rows belong to."""
        return len(np.unique(self.series_of(rows)))


def series_from_frame(frame: Table, schema: Schema, source: str) -> TimeSeries:
    """Lay a table onto an even grid of times, series by series, and fill as the schema says.

    The schema's frequency and time zone are inferred if it has none yet.

    Raises:
        DataError: duplicate, missing, infinite or unevenly spaced data.
        SchemaMismatchError: a column is missing, or the frequency or time zone is another one.
    """
    series, absent = lay_rows(frame, schema, source)
    return close_gaps(series, absent, source, frame)


def lay_rows(frame: Table, schema: Schema, source: str) -> tuple[TimeSeries, np.ndarray]:
    """Return the series with its gaps as NaN, and the rows the table does not have.

    Raises as `series_from_frame`, but for what is missing.
    """
    check_columns(frame, needed_columns(schema), source)
    times, notes = parse_times(frame, schema.time_columns, schema.time_format, source)
    if schema.freq is None and schema.time_format is None:
        time_format = settle_format(frame, schema.time_columns, times)
        schema = replace(schema, time_format=time_format)
    groups = group_rows(frame, schema, source)
    if schema.time_columns:
        written, times = times, fit_time_zone(times, schema, source, groups.values())
        if schema.freq is None:
            schema = replace(schema, local_clock=is_local_clock(written, times))
        notes += zone_notes(written, times, source) if schema.freq is None else []
    else:  # each series is numbered by itself
        times = pd.Index(row_numbers(len(frame), groups.values()))
    ordered = [sort_rows(times, rows) for rows in groups.values()]
    if any(not is_sorted for _, is_sorted in ordered):
        notes.append(f"{source}: rows were not in the order of time; they were sorted")
    rows_of = [rows for rows, _ in ordered]
    single = frame if schema.id_column is None else None
    check_duplicates(times, rows_of, list(groups), source, single, schema.time_columns)
    # A short file can look like another frequency: what matters is that it fits the model's grid.
    freq = schema.freq or infer_frequency([times[rows] for rows in rows_of], source)
    error = SchemaMismatchError if schema.freq else DataError
    grids, borders, destination = [], [0], np.empty(len(frame), dtype=np.int64)
    for rows in rows_of:
        grid, positions = grid_positions(times[rows], freq, source, error)
        _check_step(positions, schema.freq, source)
        destination[rows] = positions + borders[-1]
        grids.append(grid)
        borders.append(borders[-1] + len(grid))
    values, offsets = _read_values(frame, schema, destination, borders[-1], source, notes)
    series = TimeSeries(
        schema=replace(schema, freq=freq, time_zone=zone_of(times)),
        values=values,
        offsets=offsets,
        times=grids[0] if len(grids) == 1 else grids[0].append(grids[1:]),
        filled=np.zeros(borders[-1], dtype=bool),
        series_ids=tuple(groups),
        borders=np.array(borders),
        notes=tuple(notes),
    )
    is_absent = np.ones(borders[-1], dtype=bool)
    is_absent[destination] = False
    return series, np.flatnonzero(is_absent)


def needed_columns(schema: Schema) -> list[str]:
    """Return the columns that a table must have."""
    ids = [schema.id_column] if schema.id_column else []
    return list(dict.fromkeys([*schema.time_columns, *schema.columns, *ids]))


def check_columns(frame: Table, needed: Sequence[str], source: str) -> None:
    """Raise a SchemaMismatchError that lists every column the table lacks."""
    lacking = [name for name in dict.fromkeys(needed) if name not in frame.columns]
    if lacking:
        raise SchemaMismatchError(
            f"{source}: the data must have the columns the model was trained on. Received: no "
            f"{listed(lacking)}; there are {listed(list(frame.columns))}. "
            "Add or rename the columns."
        )


def _check_step(positions: np.ndarray, freq: str | None, source: str) -> None:
    """Raise a SchemaMismatchError for rows that are mostly further apart than the model's steps."""
    if freq is None or len(positions) < 3:
        return
    step = int(np.median(np.diff(positions)))
    if step > 1:
        raise SchemaMismatchError(
            f"{source}: the data must have the frequency the model was trained on ({freq}). "
            f"Received: rows that are mostly {step} steps apart. Resample the data to {freq}."
        )


def _read_values(
    frame: Table,
    schema: Schema,
    destination: np.ndarray,
    count: int,
    source: str,
    notes: list[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features, each row of the table at its destination, and their offsets.

    Shapes: (count, features) float32, less the offsets, and (features,) float64.
    """
    values = np.full((count, len(schema.features)), np.nan, dtype=np.float32)
    offsets = np.zeros(len(schema.features))
    in_place = len(frame) == count and bool(np.all(np.diff(destination) == 1))
    rows: slice | np.ndarray = slice(None) if in_place else destination
    for i, (column, category) in enumerate(schema.sources):
        if category is None:
            numbers = numbers_of(frame[column], column, source)
            offsets[i] = choose_offset(numbers)
            values[rows, i] = numbers - offsets[i]
            if is_rounded(numbers, offsets[i]):
                notes.append(
                    f"{source}: column {column!r} changes too little for its size to be read "
                    "exactly (in float32); subtract the level of each series, or use differences"
                )
    for column, categories in schema.categories.items():
        texts = texts_of(frame[column])
        is_missing = (texts == "").to_numpy() & (column not in schema.with_empty)
        for category in categories:
            i = schema.sources.index((column, category))
            is_category = (texts == category).to_numpy()
            values[rows, i] = np.where(is_missing & ~is_category, np.nan, is_category)
        may_be_empty = column in schema.with_empty
        notes += notes_on_texts(texts, column, categories, source, may_be_empty=may_be_empty)
    return values, offsets


def close_gaps(
    series: TimeSeries, absent: np.ndarray, source: str, frame: Table | None = None
) -> TimeSeries:
    """Fill the gaps, or raise a DataError that counts and locates them.

    Args:
        series: the series, NaN where nothing is known.
        absent: the rows the table did not have.
        source: where the table comes from.
        frame: the table, whose rows may be in another order; None where they are in that of time.
    """
    if not np.isnan(series.values).any():
        return series
    if series.schema.fill is None:
        raise _gap_error(series, absent, source, frame)
    check_fillable(series, source)
    values, filled = fill_missing(series)
    missing, remaining = np.isnan(series.values), np.isnan(values)
    note = (
        f"{source}: {int(missing.sum()):,} missing values in {int(missing.any(axis=1).sum()):,} "
        f"rows, of which {len(absent):,} rows were absent; "
        f"{int(missing.sum() - remaining.sum()):,} filled with --fill {series.schema.fill}"
    )
    if remaining.any():
        note += f", {int(remaining.sum()):,} left missing at the start, with nothing before them"
    return replace(series, values=values, filled=filled, notes=(*series.notes, note))


def _gap_error(
    series: TimeSeries, absent: np.ndarray, source: str, frame: Table | None
) -> DataError:
    if len(absent):
        first = ", ".join(_moment(series, row) for row in absent[:5])
        return DataError(
            f"{source}: every time step must have a row. Received: {len(absent)} missing rows "
            f"(first at {first}). Fill them with --fill ffill|seasonal."
        )
    missing = np.isnan(series.values)  # (rows, features)
    counts = missing.sum(axis=0)
    worst: dict[str, int] = {}  # a feature of each column
    for i in np.argsort(-counts, kind="stable"):
        if counts[i]:
            worst.setdefault(series.schema.sources[i][0], int(i))
    worst = dict(list(worst.items())[:3])
    rows = [int(np.argmax(missing[:, i])) for i in worst.values()]
    texts = [
        f"column {name!r} has {counts[i]} missing values (first at " for name, i in worst.items()
    ]
    moments = [f"{_moment(series, row)})" for row in rows]
    others = [f"; {text}{moment}" for text, moment in zip(texts[1:], moments[1:], strict=True)]
    remedy = "Fill them with --fill ffill|seasonal, or drop the rows."
    before, after = f"{source}: {texts[0]}", f"{moments[0]}{''.join(others)}. {remedy}"
    if len(series.series_ids) > 1:  # whose rows are not those of the table
        return DataError(before + after)
    row = rows[0]
    if frame is not None and series.schema.time_columns:
        times, _ = times_and_groups(frame, series.schema, source)
        row = int(sort_rows(times, np.arange(len(times)))[0][row])
    return RowError(before, row, f", {after}")


def _moment(series: TimeSeries, row: int) -> str:
    """Return the time of a row, and the series of a panel that it belongs to."""
    name = series.series_ids[int(series.series_of(np.array(row)))]
    return f"{series.times[row]}{'' if name == NO_ID else f' of series {name!r}'}"


def extend_series(series: TimeSeries, steps: int) -> TimeSeries:
    """Append `steps` rows of NaN to every series, at the times that follow its last one."""
    times, blocks, filled = [], [], []
    for start, end in zip(series.borders[:-1], series.borders[1:], strict=True):
        ahead = next_times(series.times[end - 1], series.schema.freq, steps)
        times += [series.times[start:end], ahead]
        block = np.full((end - start + steps, series.values.shape[1]), np.nan, dtype=np.float32)
        block[: end - start] = series.values[start:end]
        blocks.append(block)
        filled += [series.filled[start:end], np.zeros(steps, dtype=bool)]
    return replace(
        series,
        values=np.concatenate(blocks),
        times=times[0].append(times[1:]),
        filled=np.concatenate(filled),
        borders=series.borders + steps * np.arange(len(series.borders)),
    )


def take_series(series: TimeSeries, numbers: np.ndarray) -> TimeSeries:
    """Return some of the series, by their numbers in rising order."""
    lengths = np.diff(series.borders)
    is_taken = np.zeros(len(lengths), dtype=bool)
    is_taken[numbers] = True
    rows = np.repeat(is_taken, lengths)
    return replace(
        series,
        values=series.values[rows],
        times=series.times[rows],
        filled=series.filled[rows],
        series_ids=tuple(series.series_ids[i] for i in numbers),
        borders=np.concatenate([[0], np.cumsum(lengths[numbers])]),
    )
