"""A table whose columns stay in its files: one of them at a time is in memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.data.column_spool import Spool, spool_csv, spool_parquet
from tsattn.data.columns import with_numbers
from tsattn.data.csv_format import NO_HINTS, CsvHints
from tsattn.data.parquet_files import batches, not_parquet, open_parquet
from tsattn.data.pieces import Pieces
from tsattn.data.reading import check_exists, reading_errors
from tsattn.errors import RowError

ROWS_AT_ONCE = 200_000
_MANY_TEXTS = 0.5  # different ones, of the rows


class FileRows(NamedTuple):
    """A file that a table was read from."""

    name: str
    num_rows: int


class ColumnTable:
    """Columns that are read when they are asked for; the last one is kept.

    Text is categorical, in the order of its first appearance, unless most of it is different.
    """

    def __init__(
        self,
        columns: Sequence[str],
        num_rows: int,
        load: Callable[[str], pd.Series],
        files: Sequence[FileRows] = (),
    ) -> None:
        self.columns = pd.Index(columns)
        self._num_rows = num_rows
        self._load = load
        self._files = tuple(files)
        self._rows: np.ndarray | None = None  # of the files; None: all
        self._last: tuple[str, pd.Series] | None = None
        self._instead: dict[str, pd.Series] = {}  # of the rows that are kept

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> "ColumnTable":
        """Return a table in memory."""
        frame = frame.reset_index(drop=True)
        return cls(list(frame.columns), len(frame), frame.__getitem__)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._num_rows if self._rows is None else len(self._rows)

    def __getitem__(self, name: str, /) -> pd.Series:
        """Return a column, with rows numbered from 0."""
        if name in self._instead:
            return self._instead[name]
        if self._last is None or self._last[0] != name:
            self._last = None  # before another takes memory
            column = self._load(name)
            _release()
            if self._rows is not None:
                column = column.iloc[self._rows].reset_index(drop=True)
            self._last = (name, column)
        return self._last[1]

    def take(self, rows: np.ndarray) -> "ColumnTable":
        """Return the table of some rows, (rows,) int64 in rising order."""
        taken = ColumnTable(list(self.columns), self._num_rows, self._load, self._files)
        taken._rows = rows if self._rows is None else self._rows[rows]
        for name, column in self._instead.items():
            taken._instead[name] = column.iloc[rows].reset_index(drop=True)
        return taken

    def with_column(self, name: str, column: pd.Series) -> "ColumnTable":
        """Return the table with another column in the place of one."""
        changed = ColumnTable(list(self.columns), self._num_rows, self._load, self._files)
        changed._rows = self._rows
        changed._instead = {**self._instead, name: column}
        return changed

    @property
    def num_files(self) -> int:
        """Number of files; 0 for a table in memory."""
        return len(self._files)

    def place(self, row: int) -> str:
        """Return what messages call a row: its number, in its file where there are several."""
        if self._rows is not None:
            row = int(self._rows[row])
        if len(self._files) < 2:
            return f"row {row}"
        for file in self._files:
            if row < file.num_rows:
                return f"row {row} of {file.name}"
            row -= file.num_rows
        raise IndexError(row)

    @contextmanager
    def places(self) -> Iterator[None]:
        """Name rows in errors by their files."""
        try:
            yield
        except RowError as error:
            raise error.at(self.place(error.row)) from None


@contextmanager
def open_columns(path: Path, hints: CsvHints = NO_HINTS) -> Iterator[tuple[ColumnTable, list[str]]]:
    """Yield the columns of a CSV file, a Parquet file or a folder of either, and notes.

    Parquet is read where it is. CSV is read once, in pieces, into Parquet in the folder for
    temporary files, so that its columns can be read one by one.

    Raises:
        DataError: the files cannot be read, or are no table.
    """
    with reading_errors(path), TemporaryDirectory(prefix="tsattn-") as folder:
        check_exists(path)
        pieces = Pieces(path)
        if not pieces.is_parquet:
            yield _spooled(spool_csv(path, Path(folder), ROWS_AT_ONCE, hints))
            return
        names = list(pieces.head(ROWS_AT_ONCE).columns)
        if names == list(open_parquet(path).schema.names):
            yield _in_place(path, names), []
        else:  # the index of a DataFrame, or names with spaces
            yield _spooled(spool_parquet(pieces, Path(folder), ROWS_AT_ONCE))


def _in_place(path: Path, names: Sequence[str]) -> ColumnTable:
    import pyarrow

    data = open_parquet(path)
    root = path if path.is_dir() else path.parent
    files = [
        FileRows(str(Path(file.path).relative_to(root)), file.metadata.num_rows)
        for file in data.get_fragments()
    ]
    total = sum(file.num_rows for file in files)

    def load(name: str) -> pd.Series:
        try:
            parts = (
                with_numbers(pd.DataFrame({name: batch.column(0).to_pandas()}))[name]
                for batch in batches(data, ROWS_AT_ONCE, [name])
                if batch.num_rows
            )
            return joined(parts, total, name)
        except pyarrow.ArrowException as error:
            raise not_parquet(path, error) from None

    return ColumnTable(names, total, load, files)


def _spooled(spool: Spool) -> tuple[ColumnTable, list[str]]:
    total = sum(count for _, count in spool.files)
    files = [FileRows(*file) for file in spool.files]

    def load(name: str) -> pd.Series:
        return spool.with_marks(joined(spool.parts(name), total, name))

    return ColumnTable(spool.columns, total, load, files), spool.notes


def joined(parts: Iterable[pd.Series], total: int, name: str) -> pd.Series:
    """Return a column of `total` rows from its parts, at the memory of itself and one part."""
    kept: _Numbers | _Texts | _Others | None = None
    start = 0
    for part in parts:
        if kept is None:
            kept = _start(part, total)
        elif not kept.fits(part):
            kept = _Others(kept.column(start))
        kept.put(start, part)
        start += len(part)
    return (pd.Series(dtype="float64") if kept is None else kept.column(total)).rename(name)


def _start(part: pd.Series, total: int) -> "_Numbers | _Texts | _Others":
    """Return what keeps a column that begins with a part."""
    if _Numbers.fits(part):
        return _Numbers(total, part.to_numpy().dtype)
    is_repeated = part.nunique() <= max(_MANY_TEXTS * len(part), 1)
    return _Texts(total) if _Texts.fits(part) and is_repeated else _Others()


def _release() -> None:
    """Give the memory of what was read back to the system, which PyArrow keeps for later."""
    import pyarrow

    pyarrow.default_memory_pool().release_unused()


class _Numbers:
    """Rows of numbers, or of times without a zone."""

    def __init__(self, total: int, dtype: np.dtype) -> None:
        self._values = np.empty(total, dtype=dtype)

    @staticmethod
    def fits(part: pd.Series) -> bool:
        return isinstance(part.dtype, np.dtype) and part.dtype.kind in "biufM"

    def put(self, start: int, part: pd.Series) -> None:
        if self._values.dtype != part.dtype:
            self._values = self._values.astype(np.result_type(self._values, part.to_numpy()))
        self._values[start : start + len(part)] = part.to_numpy()

    def column(self, rows: int) -> pd.Series:
        return pd.Series(self._values[:rows], copy=False)


class _Texts:
    """Rows of text as numbers of what is different."""

    def __init__(self, total: int) -> None:
        self._codes = np.empty(total, dtype=np.int32)
        self._numbers: dict[str, int] = {}

    @staticmethod
    def fits(part: pd.Series) -> bool:
        return types.is_string_dtype(part.dtype)

    def put(self, start: int, part: pd.Series) -> None:
        codes, values = pd.factorize(part)
        known = [self._numbers.setdefault(value, len(self._numbers)) for value in values]
        numbers = np.array([*known, -1], dtype=np.int32)  # -1: missing
        self._codes[start : start + len(part)] = numbers[codes]

    def column(self, rows: int) -> pd.Series:
        values = pd.Index(list(self._numbers), dtype="str")
        return pd.Series(pd.Categorical.from_codes(self._codes[:rows], categories=values))


class _Others:
    """Rows of anything else."""

    def __init__(self, *parts: pd.Series) -> None:
        self._parts = list(parts)

    @staticmethod
    def fits(part: pd.Series) -> bool:
        del part
        return True

    def put(self, start: int, part: pd.Series) -> None:
        del start
        self._parts.append(part)

    def column(self, rows: int) -> pd.Series:
        del rows
        return pd.concat(self._parts, ignore_index=True)
