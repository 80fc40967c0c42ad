"""What messages call a row: its number in the file that it is from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from tsattn.data.parquet_files import open_parquet
from tsattn.data.reading import csv_files, read_table
from tsattn.errors import RowError, TsattnError


@contextmanager
def rows_by_index(frame: pd.DataFrame) -> Iterator[None]:
    """Turn the rows of errors, positions in a part of a table, into those of the whole table.

    Args:
        frame: The part; its index has the row numbers of the table.
    """
    try:
        yield
    except RowError as error:
        raise error.moved(int(frame.index[error.row])) from None


def place_of(data: object, row: int) -> str:
    """Return what messages call a row of data: its number, in its file where there are several."""
    path = Path(data) if isinstance(data, str | Path) else None
    if path is None or not path.is_dir():
        return f"row {row}"
    if files := csv_files(path):
        for file in files if len(files) > 1 else ():
            num_rows = len(read_table(file)[0])
            if row < num_rows:
                return f"row {row} of {file.name}"
            row -= num_rows
        return f"row {row}"
    fragments = list(open_parquet(path).get_fragments())
    for fragment in fragments if len(fragments) > 1 else ():
        if row < fragment.metadata.num_rows:
            return f"row {row} of {Path(fragment.path).relative_to(path)}"
        row -= fragment.metadata.num_rows
    return f"row {row}"


def named_in_files(error: TsattnError, data: object) -> TsattnError:
    """Return an error that names its row, if it has one, by the file of the data."""
    return error.at(place_of(data, error.row)) if isinstance(error, RowError) else error


@contextmanager
def rows_in_files(data: object) -> Iterator[None]:
    """Name the rows of errors by the files of the data, a path or a table."""
    try:
        yield
    except RowError as error:
        raise named_in_files(error, data) from None
