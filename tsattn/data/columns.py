"""What a column of a table holds: a row counter, categories or numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from tsattn.data.table import Table
from tsattn.data.time_columns import is_numeric, looks_like_dates
from tsattn.data.time_formats import numeric_kind
from tsattn.errors import DataError, RowError

MAX_CATEGORIES = 20
_COUNTER_NAMES = ("no", "no.", "nr", "index", "idx", "id", "row", "rownum", "instant", "level_0")
_MIN_SHUFFLED = 20
_SHOWN = 60  # characters of a value in a message


def row_counters(
    frame: Table, exclude: Sequence[str] = (), groups: pd.Series | None = None
) -> list[str]:
    """Return the whole-number columns that count the rows, of the table or of each series.

    They are consecutive, in whatever order the rows are, or rise and are named like a counter.
    """
    names = [name for name in frame.columns if name not in set(exclude)]
    names = [name for name in names if types.is_numeric_dtype(frame[name])]
    return [name for name in names if _is_counter(frame[name], name, groups)]


def _is_counter(column: pd.Series, name: str, groups: pd.Series | None) -> bool:
    if types.is_bool_dtype(column) or types.is_complex_dtype(column) or len(column) < 3:
        return False
    ends = column.iloc[[0, -1]].to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.all(ends == np.round(ends)):  # spares the copy of most columns
        return False
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.all(values == np.round(values)) or not np.all(np.isfinite(values)):
        return False
    if _is_consecutive(values):
        return True
    if groups is not None:
        parts = [values[rows] for rows in groups.groupby(groups).indices.values()]
        if max(map(len, parts), default=0) >= 3 and all(map(_is_consecutive, parts)):
            return True
    is_named = name.lower() in _COUNTER_NAMES or name.startswith("Unnamed: ")
    return is_named and bool(np.all(np.diff(values) > 0))


def _is_consecutive(values: np.ndarray) -> bool:
    if values.max() - values.min() != len(values) - 1:
        return False
    steps = np.diff(values)
    if np.all(steps == 1) or np.all(steps == -1):
        return True
    # A few whole numbers can be a shuffled range by chance.
    return len(values) >= _MIN_SHUFFLED and bool(np.all(np.diff(np.sort(values)) == 1))


def categories_of(column: pd.Series, name: str, source: str) -> tuple[str, ...]:
    """Return the different texts of a column, sorted; an empty cell is none of them.

    Raises:
        DataError: there are too many, or they are dates, or numbers but for a few.
    """
    if looks_like_dates(column, name):
        raise DataError(
            f"{source}: a feature must be numbers or text. Received: column {name!r} of dates. "
            "Leave it out with --drop, or make it the time with --time-col."
        )
    values = texts_of(column)
    values = values[values != ""]
    if len(values) and 0.5 < pd.to_numeric(values, errors="coerce").notna().mean() < 1:
        row, text = first_text(column)
        raise RowError(
            f"{source}: column {name!r} must be numbers throughout. Received: {text!r} at ",
            row,
            ". Correct the value or leave the column out with --drop.",
        )
    unique = sorted(values.unique())
    if len(unique) > MAX_CATEGORIES:
        raise DataError(
            f"{source}: a text column may hold at most {MAX_CATEGORIES} different values. "
            f"Received: column {name!r} with {len(unique)}. Leave it out with --drop, name it with "
            "--id-col if it tells series apart, or with --time-col if it is the time."
        )
    return tuple(unique) if unique else ("",)


def holds_numbers(column: pd.Series, *, may_be_few: bool = False) -> bool:
    """Return whether a column is numbers, or text that is nothing else, as databases export it.

    A few different ones that are written as text are categories, unless `may_be_few`.
    """
    if is_numeric(column) or not column.notna().any():
        return is_numeric(column)
    is_many = may_be_few or texts_of(column).nunique() > MAX_CATEGORIES
    if not is_many or looks_like_dates(column, "") or first_text(column) != (0, ""):
        return False
    kind = numeric_kind(pd.to_numeric(column.astype(str), errors="coerce"))
    return kind in (None, "number")  # others are times


def texts_of(column: pd.Series) -> pd.Series:
    """Return the texts of a column without spaces around them; empty where there is none.

    Whole numbers, which are floats beside empty cells, are written as such.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    elif types.is_float_dtype(column) and (column.isna() | (column == column.round())).all():
        column = column.astype("Int64")
    return column.astype(str).str.strip().where(column.notna(), "")


def notes_on_texts(
    texts: pd.Series, column: str, categories: Sequence[str], source: str, *, may_be_empty: bool
) -> list[str]:
    """Note the cells of a column that are none of its categories: other texts, and empty ones."""
    notes = []
    unknown = set(texts) - {"", *categories}
    if unknown:
        notes.append(
            f"{source}: column {column!r} has values not seen in training "
            f"({', '.join(sorted(unknown)[:5])}); they are read as none of the known ones"
        )
    num_empty = int((texts == "").sum())
    if num_empty and may_be_empty:
        notes.append(
            f"{source}: column {column!r} is empty in {num_empty:,} rows; they are read as none "
            "of its texts"
        )
    return notes


def first_text(column: pd.Series) -> tuple[int, str]:
    """Return the row and the text of the first value that is no number; (0, "") without one."""
    numbers = pd.to_numeric(column.astype(str), errors="coerce")
    rows = np.flatnonzero((numbers.isna() & column.notna()).to_numpy())
    return (int(rows[0]), shortened(column.iloc[rows[0]])) if len(rows) else (0, "")


def shortened(value: object) -> str:
    """Return a value as a message names it; an open quote may have made it many lines."""
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def numbers_of(column: pd.Series, name: str, source: str) -> np.ndarray:
    """Return a column as float64, NaN where a value is missing.

    Numbers that are written as text are numbers: so they are read beside a text in another series.

    Raises:
        DataError: a value is no number, infinite, or too large for float32.
    """
    if not is_numeric(column) or types.is_complex_dtype(column):
        read = pd.to_numeric(column.astype(str), errors="coerce").where(column.notna())
        if (read.isna() & column.notna()).any():
            raise text_error(source, name, *first_text(column))
        column = read
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(numbers) | (np.abs(numbers) > np.finfo(np.float32).max))
    if len(infinite):
        row = int(infinite[0])
        raise infinite_error(source, name, row, len(infinite), numbers[row])
    return numbers


def text_error(source: str, name: str, row: int, text: str) -> RowError:
    """Return the error for a text in a column of numbers."""
    return RowError(
        f"{source}: column {name!r} must be numbers. Received: {text!r} at ",
        row,
        ". Correct the value.",
    )


def infinite_error(source: str, name: str, row: int, count: int, first: float) -> RowError:
    """Return the error for values that are infinite or too large for float32, from a row on."""
    return RowError(
        f"{source}: column {name!r} must be finite numbers. Received: {count} infinite values, or "
        f"too large ones (first {first:g} at ",
        row,
        "). Replace them, or leave them empty and use --fill.",
    )


def by_category(column: pd.Series, numbers: np.ndarray) -> np.ndarray:
    """Return the numbers of the categories of a column, row by row; NaN where one is missing."""
    return np.append(numbers, np.nan)[column.cat.codes.to_numpy()]  # -1: missing


def with_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with columns of number objects, or true and false, as numbers."""
    changed = {}
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
            changed[name] = column
        if types.is_object_dtype(column):
            numbers = _object_numbers(column)
            if numbers is not None:
                changed[name] = numbers
    return frame.assign(**changed) if changed else frame


def _object_numbers(column: pd.Series) -> pd.Series | None:
    known = column.dropna()
    # A column of nothing is left to whoever reports missing values.
    if known.map(lambda value: isinstance(value, str)).any():
        return None
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
