"""Reading tables that do not fit into memory, piece by piece."""

import codecs
import gzip
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tsattn.data.csv_format import (
    NO_HINTS,
    CsvFormat,
    CsvHints,
    csv_reading,
    find_csv_format,
    with_common_decimal,
)
from tsattn.data.parquet_files import batches, not_parquet, open_parquet
from tsattn.data.reading import (
    checked_frame,
    csv_files,
    finished_csv,
    is_parquet,
    not_rectangular,
    reading_errors,
)
from tsattn.errors import DataError

_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Pieces:
    """A CSV file, a Parquet file or a folder of either, read at constant memory."""

    path: Path
    hints: CsvHints = NO_HINTS  # of CSV files

    def has_more_rows_than(self, count: int) -> bool:
        """Return whether the table has more rows than a number; lines of a CSV file count as rows.

        Raises:
            DataError: the table cannot be read.
        """
        if not self.path.exists():
            return False  # which is said when it is read
        with reading_errors(self.path):
            if self.is_parquet:
                data = open_parquet(self.path)
                rows = 0
                for fragment in data.get_fragments():
                    rows += fragment.metadata.num_rows
                return rows > count
            lines = 0
            for file in csv_files(self.path):
                with _opened(file) as content:
                    while block := content.read(_BLOCK):
                        lines += block.count(b"\n") or block.count(b"\r")
                        if lines > count + 1:
                            return True
            return False

    def head(self, rows: int) -> pd.DataFrame:
        """Return the first rows, with all columns.

        Raises:
            DataError: there is no table, or none with rows.
        """
        piece = next(self.read(rows), None)
        if piece is None:
            raise DataError(
                f"{self.path}: the table must hold rows. Received: a header without rows. "
                "Check the file."
            )
        return piece

    def read(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the table in pieces of so many rows, or a few less, in their order.

        Args:
            rows: Rows of a piece.
            columns: The columns that are needed; all if None.

        Raises:
            DataError: the table cannot be read.
        """
        with reading_errors(self.path):
            if self.is_parquet:
                yield from self._read_parquet(rows, columns)
            else:
                files = csv_files(self.path)
                hints = with_common_decimal(self.hints, files)
                for file in files:
                    for frame in _read_csv(file, rows, hints):
                        yield frame if columns is None else frame[list(columns)]

    @property
    def is_parquet(self) -> bool:
        """Whether the files are Parquet files."""
        return not csv_files(self.path) if self.path.is_dir() else is_parquet(self.path)

    def _read_parquet(self, rows: int, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
        import pyarrow

        data = open_parquet(self.path)
        # The index of a DataFrame has another name in the file: then all columns are read.
        if columns is not None and not set(columns) <= set(data.schema.names):
            columns = None
        waiting: list[Any] = []
        count = 0
        try:
            for batch in batches(data, rows, columns):
                if waiting and count + batch.num_rows > rows:
                    yield self._frame(waiting)
                    waiting, count = [], 0
                if batch.num_rows:
                    waiting.append(batch)
                    count += batch.num_rows
            if waiting:
                yield self._frame(waiting)
        except pyarrow.ArrowException as error:
            raise not_parquet(self.path, error) from None

    def _frame(self, batches: list[Any]) -> pd.DataFrame:
        import pyarrow

        return checked_frame(pyarrow.Table.from_batches(batches).to_pandas(), str(self.path))


def _opened(file: Path) -> Any:
    return gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb")


def _read_csv(file: Path, rows: int, hints: CsvHints) -> Iterator[pd.DataFrame]:
    form = settled_format(file, hints)
    for frame in csv_chunks(file, form, rows):
        finished, _ = finished_csv(frame, form, file)
        if len(finished):
            yield finished.reset_index(drop=True)


def csv_chunks(
    file: Path, form: CsvFormat, rows: int, text: Collection[str] = ()
) -> Iterator[pd.DataFrame]:
    """Yield a CSV file as pandas reads it, in pieces; the columns `text` are text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            with pd.read_csv(file, **csv_reading(form, text), chunksize=rows) as chunks:
                yield from chunks
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise not_rectangular(file, error) from None


def settled_format(file: Path, hints: CsvHints = NO_HINTS) -> CsvFormat:
    """Return how a file is written; that it is UTF-8 is known only at its end."""
    form = find_csv_format(file, hints)
    if not form.encoding.startswith("utf-8"):
        return form
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _opened(file) as content:
        try:
            while block := content.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return replace(form, encoding="cp1252")
    return form
