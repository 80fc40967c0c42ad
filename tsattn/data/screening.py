"""The series of a panel that cannot be learnt from, found before the others are read."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tsattn.config import as_names, resolve_columns
from tsattn.data.column_table import ColumnTable
from tsattn.data.columns import by_category, infinite_error, shortened, text_error
from tsattn.data.frequency import grid_positions, infer_frequency
from tsattn.data.rows import check_duplicates, group_rows, sort_rows
from tsattn.data.schema import Schema, infer_schema
from tsattn.data.skipping import Faults, by_halves
from tsattn.data.time_columns import is_numeric
from tsattn.data.time_zone import fit_time_zone
from tsattn.data.timestamps import parse_times, settle_format
from tsattn.errors import DataError, RowError, TsattnError

_FILL = "Fill them with --fill ffill|seasonal, or drop the rows."
_MOSTLY = 0.5  # of the values of a column


def sound_rows(
    table: ColumnTable, source: str, faults: Faults, **columns: Any
) -> tuple[ColumnTable, Schema, list[str]]:
    """Return the rows of the series that are not at fault, the schema, and notes on it.

    At fault is a series with times that are missing, unreadable, repeated or off the steps of the
    others, or with values that are missing (unless they are filled), text or infinite.

    Args:
        table: The panel.
        source: What messages call it.
        faults: Is told of every series at fault.
        **columns: The options of `infer_schema`.

    Raises:
        UsageError: a named column does not exist or has two roles.
        DataError: something is wrong with the table, or with all of its series.
    """
    id_column = resolve_columns(columns["id_col"], list(table.columns))[0]
    screen = _Screen(table, Schema(targets=(), id_column=id_column), source, faults)
    screen.find_texts(_taken(table, columns), as_names(columns["target"]))
    screen.drop()
    with screen.table.places():
        schema, notes = infer_schema(screen.table, source=source, **columns)
    screen.schema = schema
    if schema.time_columns:
        screen.find_unreadable_times()
        screen.drop()
        with screen.table.places():
            screen.find_uneven_times()
    screen.find_values()
    screen.drop()
    return screen.table, schema, notes


def check_known(table: ColumnTable, schema: Schema, source: str) -> None:
    """Raise a RowError for the first missing value of a table that is not to be filled."""
    needed = [name for name in schema.columns if name not in schema.with_empty]
    for name in needed if schema.fill is None else ():
        is_missing = table[name].isna().to_numpy()
        if is_missing.any():
            raise _missing(source, name)(int(np.argmax(is_missing)), int(is_missing.sum()))


def _taken(table: ColumnTable, columns: dict[str, Any]) -> set[str]:
    """Return the columns that are no features."""
    available = list(table.columns)
    roles = (columns.get(role) for role in ("id_col", "time_col", "drop"))
    return {name for role in roles for name in resolve_columns(role, available)}


class _Screen:
    """A table from which series are taken out."""

    def __init__(self, table: ColumnTable, schema: Schema, source: str, faults: Faults) -> None:
        self.table, self.schema = table, schema
        self._source, self._faults = source, faults
        self._number()
        self._num_series = len(self._groups)

    def _number(self) -> None:
        with self.table.places():  # of an id that is missing
            self._groups = group_rows(self.table, self.schema, self._source)
        self._names = list(self._groups)
        self._owners = np.empty(len(self.table), dtype=np.int32)  # of the rows
        for number, rows in enumerate(self._groups.values()):
            self._owners[rows] = number

    def drop(self) -> None:
        """Take the series at fault out of the table."""
        self._faults.check_left(self._num_series, self._source)
        kept = np.array([name not in self._faults.reasons for name in self._names])
        if not kept.all():
            self.table = self.table.take(np.flatnonzero(kept[self._owners]))
            self._number()

    def _blame(self, is_bad: np.ndarray, error: Callable[[int, int], RowError]) -> None:
        """Tell of the series that rows, (rows,) bool, belong to, with the first row and a count."""
        rows = np.flatnonzero(is_bad)
        found = np.unique(self._owners[rows], return_index=True, return_counts=True)
        for owner, first, count in zip(*found, strict=True):
            reason = error(int(rows[first]), int(count))
            self._faults.add(self._names[owner], reason.at(self.table.place(reason.row)))

    def find_texts(self, taken: set[str], targets: Sequence[str]) -> None:
        """Find text in columns that are mostly numbers; these are numbers then."""
        for name in self.table.columns:
            column = self.table[name]
            if name in taken or is_numeric(column) or not _is_text(column):
                continue
            numbers = _numbers(column)
            known = column.notna().to_numpy()
            is_text = known & np.isnan(numbers)
            if is_text.any() and is_text.sum() < (1 - _MOSTLY) * known.sum():
                self._blame(is_text, _not_numbers(self._source, name, column))
                self.table = self.table.with_column(name, pd.Series(numbers, name=name))

    def find_unreadable_times(self) -> None:
        """Find series whose times keep those of all from being read."""
        names = self.schema.time_columns
        frame = pd.DataFrame({name: self.table[name] for name in names})
        time_format = self.schema.time_format

        def read(series: Sequence[str]) -> None:
            nonlocal time_format
            rows = np.sort(np.concatenate([self._groups[name] for name in series]))
            part = frame.iloc[rows].reset_index(drop=True)
            times, _ = parse_times(part, names, time_format, self._source)
            time_format = time_format or settle_format(part, names, times)

        def blame(name: str, error: TsattnError) -> None:
            if isinstance(error, RowError):
                row = int(np.sort(self._groups[name])[error.row])
                error = error.at(self.table.place(row))
            self._faults.add(name, error)

        by_halves(self._names, read, blame)

    def find_uneven_times(self) -> None:
        """Find series with times that occur twice, lie between the steps, or are not there."""
        schema, source = self.schema, self._source
        times, _ = parse_times(self.table, schema.time_columns, schema.time_format, source)
        times = fit_time_zone(times, schema, source, self._groups.values())
        moments: dict[str, pd.Index] = {}
        for name, rows in self._groups.items():
            try:
                check_duplicates(times, [rows], [name], source)
            except DataError as error:
                self._faults.add(name, error)
            else:
                moments[name] = times[sort_rows(times, rows)[0]]
        if not moments:
            return  # which `drop` tells
        freq = infer_frequency(list(moments.values()), source)
        for name, own in moments.items():
            try:
                grid, _ = grid_positions(own, freq, source)
            except DataError as error:
                self._faults.add(name, error)
                continue
            if schema.fill is None and len(grid) > len(own):
                absent = grid.difference(own)
                self._faults.add(
                    name,
                    DataError(
                        f"{source}: every time step must have a row. Received: {len(absent)} "
                        f"missing rows (first at {absent[0]}). Fill them with --fill "
                        "ffill|seasonal."
                    ),
                )

    def find_values(self) -> None:
        """Find values that are infinite or too large and, unless they are filled, missing."""
        for name in self.schema.columns:
            column = self.table[name]
            if self.schema.fill is None and name not in self.schema.with_empty:
                self._blame(column.isna().to_numpy(), _missing(self._source, name))
            if is_numeric(column):
                values = column.to_numpy(dtype=np.float64, na_value=np.nan)
                is_infinite = np.abs(values) > np.finfo(np.float32).max
                self._blame(is_infinite, _infinite(self._source, name, values))


def _is_text(column: pd.Series) -> bool:
    is_repeated = isinstance(column.dtype, pd.CategoricalDtype)
    return bool(is_repeated or pd.api.types.is_string_dtype(column.dtype))


def _numbers(column: pd.Series) -> np.ndarray:
    """Return a column of text as numbers, (rows,) float64, NaN where it is none."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return by_category(column, _numbers(pd.Series(column.cat.categories)))
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _not_numbers(source: str, name: str, column: pd.Series) -> Callable[[int, int], RowError]:
    return lambda row, _: text_error(source, name, row, shortened(column.iloc[row]))


def _infinite(source: str, name: str, values: np.ndarray) -> Callable[[int, int], RowError]:
    return lambda row, count: infinite_error(source, name, row, count, values[row])


def _missing(source: str, name: str) -> Callable[[int, int], RowError]:
    return lambda row, count: RowError(
        f"{source}: a column must have no missing values. Received: {count} in {name!r} (first at ",
        row,
        f"). {_FILL}",
    )
