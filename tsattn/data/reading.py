"""Reading a CSV or Parquet file, as found in the wild, into a DataFrame."""

import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.config import CSV_ENDINGS, PARQUET_ENDINGS
from tsattn.data.columns import with_numbers
from tsattn.data.csv_format import (
    NO_HINTS,
    CsvFormat,
    CsvHints,
    csv_reading,
    find_csv_format,
    with_common_decimal,
)
from tsattn.data.decimal_marks import read_marks
from tsattn.data.parquet_files import files_of, one_line, parquet_files, read_parquet
from tsattn.errors import DataError

_PARQUET_MAGIC = b"PAR1"


def read_table(path: str | Path, hints: CsvHints = NO_HINTS) -> tuple[pd.DataFrame, list[str]]:
    """Read a CSV file, a Parquet file or a folder of files of either kind.

    Encoding, delimiter and decimal mark of a CSV file are found from its first 64 KiB; header
    names are stripped of spaces. Returns the table and notes on what was found unusual.

    Args:
        path: The file or folder.
        hints: What is known of CSV files before they are read.

    Raises:
        DataError: the path is missing, empty, binary or not a table.
    """
    path = Path(path)
    with reading_errors(path):
        check_exists(path)
        if path.is_dir() and (files := csv_files(path)):
            return _read_csv_files(path, files, hints)
        if is_parquet(path):
            return checked_frame(read_parquet(path), str(path)), []
        frame, notes = _parsed_csv(path, hints)
        _check_rows(frame, str(path))
        return frame, notes


def check_exists(path: Path) -> None:
    """Raise a DataError where there is no file or folder, which can be read more than once."""
    if not path.is_file() and not path.is_dir():
        found = "a pipe. Write it to a file first"
        if not path.exists():
            found = "a path to nothing. Check the path"
        raise DataError(f"{path}: the data must be an existing file. Received: {found}.")


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into a DataError."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:  # the last two: a broken .gz file
        raise DataError(
            f"{path}: the data must be readable. Received: {one_line(error)}. Check the file and "
            "its permissions."
        ) from None


def is_parquet(path: Path) -> bool:
    """Return whether a path is a folder or a Parquet file."""
    if path.is_dir() or path.suffix.lower() in PARQUET_ENDINGS:
        return True
    with path.open("rb") as file:
        return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def csv_files(path: Path) -> list[Path]:
    """Return the CSV files of a folder in the order of their names, or a file itself.

    Raises:
        DataError: the folder holds Parquet files too.
    """
    if not path.is_dir():
        return [path]
    files = files_of(path, CSV_ENDINGS)
    if files and parquet_files(path):
        raise DataError(
            f"{path}: the files of a folder must be of one kind. Received: {files[0].name} beside "
            f"{parquet_files(path)[0].name}. Move those of one kind elsewhere."
        )
    return files


def _read_csv_files(
    path: Path, files: Sequence[Path], hints: CsvHints
) -> tuple[pd.DataFrame, list[str]]:
    """Read the files of a folder as one table: a column that is text in one is text in all.

    Files with a header only, such as of a day on which nothing was measured, add no rows.
    """
    hints = with_common_decimal(hints, files)
    tables = [_parsed_csv(file, hints) for file in files]
    for file, (frame, _) in zip(files, tables, strict=True):
        check_same_columns(path, (files[0], tables[0][0].columns), (file, frame.columns))
    filled = [i for i, (frame, _) in enumerate(tables) if _has_rows(frame)]
    if not filled:
        raise no_rows(str(path))
    files, tables = [files[i] for i in filled], [tables[i] for i in filled]
    text = {name for name in tables[0][0].columns if len({*_kinds(tables, name)}) > 1}
    for i, (frame, _) in enumerate(tables):
        if any(types.is_numeric_dtype(frame[name]) for name in text):
            tables[i] = _parsed_csv(files[i], hints, text)
    notes = [note for _, found in tables for note in found]
    return pd.concat([frame for frame, _ in tables], ignore_index=True), notes


def _kinds(tables: Sequence[tuple[pd.DataFrame, list[str]]], name: str) -> Iterator[bool]:
    """Yield whether a column is numbers, for each table in which it holds something."""
    for frame, _ in tables:
        if frame[name].notna().any():
            yield bool(types.is_numeric_dtype(frame[name]))


def check_same_columns(
    path: Path, first: tuple[Path, Iterable[str]], other: tuple[Path, Iterable[str]]
) -> None:
    """Raise a DataError for two CSV files of a folder with different columns."""
    differing = set(first[1]) ^ set(other[1])
    if differing:
        raise DataError(
            f"{path}: all CSV files of a folder must have the same columns. Received: "
            f"{', '.join(map(repr, sorted(differing)))} in only one of {first[0].name} and "
            f"{other[0].name}. Rename the columns, or remove the file."
        )


def checked_frame(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the frame with its index as a column, text names, and numbers as numbers.

    An index without a name is kept if it holds times, text or several levels.

    Raises:
        DataError: no rows, or column names that are not unique.
    """
    if frame.columns.nlevels > 1:
        raise DataError(
            f"{source}: column names must have one level. Received: {frame.columns[0]!r}. "
            "Join the levels to one name."
        )
    frame = _index_to_columns(frame)
    names = [str(name).strip() for name in frame.columns]
    if names != list(frame.columns):
        frame = frame.copy(deep=False)
        frame.columns = pd.Index(names)
    _check_unique(names, source)
    _check_rows(frame, source)
    return with_numbers(frame)


def _index_to_columns(frame: pd.DataFrame) -> pd.DataFrame:
    index = frame.index
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    is_unnamed = all(name is None for name in index.names)
    if is_unnamed and index.nlevels == 1 and types.is_numeric_dtype(index):
        return frame
    if is_unnamed and isinstance(index, pd.DatetimeIndex):
        index = index.rename("time")
    name = index.name
    if index.nlevels == 1 and name in frame.columns:
        column = frame[name]
        is_same = isinstance(column, pd.Series) and np.array_equal(column, index)
        if is_same:
            return frame.reset_index(drop=True)
        index = index.rename(_free_name(str(name), [str(column) for column in frame.columns]))
    frame = frame.copy(deep=False)
    frame.index = index
    return frame.reset_index()


def _free_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name = f"{name}_"
    return name


def _parsed_csv(
    path: Path, hints: CsvHints, text: Collection[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    form = find_csv_format(path, hints)
    _check_unique(form.header, str(path))
    frame, form = _parse_csv(path, form, text)
    notes = [f"{path}: {text}" for text in form.notes()]
    frame, found = finished_csv(frame, form, path, text)
    return frame, notes + found


def finished_csv(
    frame: pd.DataFrame, form: CsvFormat, path: Path, text: Collection[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """Return what pandas read without empty edges, its numbers as numbers, and notes.

    The columns `text` stay text, as ids do.
    """
    frame = _without_empty_edges(frame)
    notes = []
    marked = {}
    for name in frame.columns:
        if not types.is_numeric_dtype(frame[name]) and name not in {*text, form.id_column}:
            numbers = read_marks(frame[name], form.decimal.mark)
            if numbers is not None:
                marked[name] = numbers
    if marked:
        frame = frame.assign(**marked)
        notes.append(f"{path}: numbers with marks read in {', '.join(map(repr, marked))}")
    return with_numbers(frame), notes


def _parse_csv(
    path: Path, form: CsvFormat, text: Collection[str]
) -> tuple[pd.DataFrame, CsvFormat]:
    try:
        with warnings.catch_warnings():
            # Pandas cuts rows that are too long with no more than this warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, **csv_reading(form, text))
    except UnicodeDecodeError as error:  # beyond the sample
        if form.encoding == "cp1252":
            raise DataError(
                f"{path}: the text must be UTF-8 or Windows-1252. Received: {error}. "
                "Save it as UTF-8."
            ) from None
        return _parse_csv(path, replace(form, encoding="cp1252"), text)
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise not_rectangular(path, error) from None
    return frame, form


def not_rectangular(path: Path, error: Exception) -> DataError:
    """Return the error for a row that is longer than the header, or a quote that is not closed."""
    text = one_line(error)
    remedy = "Check its quotes" if "inside string" in text else "Correct or remove the row"
    return DataError(
        f"{path}: every row must have the header's columns. Received: {text}. {remedy}."
    )


def _without_empty_edges(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame without the empty columns and last rows that spreadsheets export."""
    empty = [
        name
        for i, name in enumerate(frame.columns)
        if name == f"Unnamed: {i}" and frame[name].isna().all()
    ]
    if empty:
        frame = frame.drop(columns=empty)
    if len(frame) and frame.iloc[-1].isna().all():
        frame = frame.iloc[: int(np.flatnonzero(frame.notna().any(axis=1))[-1:].sum()) + 1]
    return frame


def _check_unique(names: Sequence[str], source: str) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"{source}: column names must be unique. Received: {', '.join(map(repr, repeated))} "
            "more than once. Rename the columns."
        )


def _check_rows(frame: pd.DataFrame, source: str) -> None:
    if not _has_rows(frame):
        raise no_rows(source)


def _has_rows(frame: pd.DataFrame) -> bool:
    return not frame.empty and not (len(frame) == 1 and frame.isna().all(axis=None))


def no_rows(source: str) -> DataError:
    """Return the error for a table of nothing."""
    return DataError(
        f"{source}: the table must hold rows. Received: a header without rows. Check the file."
    )
