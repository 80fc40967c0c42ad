"""Tables that cannot be read column by column, written as Parquet in pieces that can."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.data.columns import by_category
from tsattn.data.csv_format import CsvHints, with_common_decimal
from tsattn.data.decimal_marks import read_marks
from tsattn.data.parquet_files import one_line
from tsattn.data.pieces import Pieces, csv_chunks, settled_format
from tsattn.data.reading import check_same_columns, csv_files, finished_csv, no_rows
from tsattn.errors import DataError


@dataclass(kw_only=True)
class Spool:
    """The pieces of a table, a Parquet file each, in their order."""

    folder: Path
    columns: list[str] = field(default_factory=list)
    files: list[tuple[str, int]] = field(default_factory=list)  # each with its rows
    notes: list[str] = field(default_factory=list)
    decimal: str | None = None  # of CSV files
    id_column: str | None = None  # of CSV files
    _sizes: list[int] = field(default_factory=list)  # rows of the pieces
    _kinds: dict[str, set[str]] = field(default_factory=dict)  # of the values of each column
    _marked: set[str] = field(default_factory=set)

    def add(self, frame: pd.DataFrame) -> None:
        """Write a piece.

        Raises:
            DataError: a column holds values of several kinds.
        """
        import pyarrow
        from pyarrow import parquet

        for name in frame.columns:
            kinds = self._kinds.setdefault(str(name), set())
            if frame[name].notna().any():
                kinds.add("text" if types.is_string_dtype(frame[name].dtype) else "others")
        try:
            table = pyarrow.Table.from_pandas(frame, preserve_index=False)
            parquet.write_table(table, self._piece(len(self._sizes)))
        except pyarrow.ArrowException as error:
            raise DataError(
                "A column must hold values of one kind. Received: "
                f"{one_line(error)}. Correct the column."
            ) from None
        self._sizes.append(len(frame))

    def mixed(self) -> set[str]:
        """Return the columns that are text in some pieces only."""
        return {name for name, kinds in self._kinds.items() if len(kinds) > 1}

    def parts(self, name: str) -> Iterator[pd.Series]:
        """Yield a column, piece by piece; a piece without it has no values."""
        from pyarrow import parquet

        is_text = "text" in self._kinds[name]
        for number, size in enumerate(self._sizes):
            file = parquet.ParquetFile(self._piece(number))
            if name in file.schema_arrow.names:
                part = file.read(columns=[name]).column(0).to_pandas()
            else:
                part = pd.Series([None] * size, dtype="str" if is_text else "float64")
            is_empty = bool(part.isna().all())
            yield part.astype("str") if is_text and is_empty else part

    def with_marks(self, column: pd.Series) -> pd.Series:
        """Return a column of text as numbers where it is all numbers with marks."""
        is_kept = column.name == self.id_column or types.is_numeric_dtype(column.dtype)
        if self.decimal is None or is_kept:
            return column
        is_repeated = isinstance(column.dtype, pd.CategoricalDtype)
        texts = pd.Series(column.cat.categories) if is_repeated else column
        numbers = read_marks(texts, self.decimal)
        if numbers is None or not is_repeated:
            return column if numbers is None else numbers
        return pd.Series(by_category(column, numbers.to_numpy(np.float64)), name=column.name)

    def _piece(self, number: int) -> Path:
        return self.folder / f"{number}.parquet"


def spool_csv(path: Path, folder: Path, rows: int, hints: CsvHints) -> Spool:
    """Write a CSV file, or a folder of them, in pieces of so many rows.

    A column that holds text in any piece is text in all of them.

    Raises:
        DataError: a file is no table, or has other columns than the others.
    """
    text: set[str] = set()
    hints = with_common_decimal(hints, csv_files(path))
    while True:
        spool = Spool(folder=folder)
        _write_csv(spool, path, rows, text, hints)
        mixed = spool.mixed() - text
        if not mixed:
            break
        text |= mixed
    marked = [name for name in spool.columns if _is_marked(spool, name)]
    if marked:
        spool.notes.append(f"{path}: numbers with marks read in {', '.join(map(repr, marked))}")
    return spool


def _is_marked(spool: Spool, name: str) -> bool:
    """Return whether a column of text is numbers with marks, in every piece."""
    if name == spool.id_column:
        return False
    is_marked = False
    for part in spool.parts(name):
        known = part.dropna()
        if not len(known):
            continue
        if (
            not types.is_string_dtype(known.dtype)
            or read_marks(known, spool.decimal or ".") is None
        ):
            return False
        is_marked = True
    return is_marked


def _write_csv(spool: Spool, path: Path, rows: int, text: Iterable[str], hints: CsvHints) -> None:
    first: tuple[Path, list[str]] | None = None
    for file in csv_files(path):
        form = settled_format(file, hints)
        spool.id_column = form.id_column
        spool.decimal = spool.decimal or form.decimal.mark
        spool.notes += [f"{file}: {note}" for note in form.notes()]
        names: dict[str, None] = {}
        count = 0
        for chunk in csv_chunks(file, form, rows, set(text)):
            frame, _ = finished_csv(chunk, form, file, chunk.columns)
            names |= dict.fromkeys(frame.columns)
            if len(frame):
                spool.add(frame)
                count += len(frame)
        first = first or (file, list(names))
        check_same_columns(path, first, (file, list(names)))
        if count:  # nothing was measured on some days
            spool.files.append((str(file.relative_to(path)) if path.is_dir() else file.name, count))
    if not spool.files:
        raise no_rows(str(path))
    spool.columns = first[1] if first else []


def spool_parquet(pieces: Pieces, folder: Path, rows: int) -> Spool:
    """Write what pieces of Parquet files hold when their index is a column."""
    spool = Spool(folder=folder)
    count = 0
    for piece in pieces.read(rows):
        spool.add(piece)
        spool.columns = list(piece.columns)
        count += len(piece)
    spool.files = [(pieces.path.name, count)]
    return spool
