"""Filling missing values from what was known at or before them."""

from typing import TYPE_CHECKING

import numpy as np

from tsattn.config import listed
from tsattn.data.frequency import seasonality
from tsattn.errors import DataError

if TYPE_CHECKING:
    from tsattn.data.series import TimeSeries


def check_fillable(series: "TimeSeries", source: str) -> None:
    """Raise a DataError that names the columns in which nothing is known."""
    is_empty = np.isnan(series.values).all(axis=0)
    if is_empty.any():
        names = dict(zip(series.schema.features, series.schema.sources, strict=True))
        columns = {names[series.schema.features[i]][0] for i in np.flatnonzero(is_empty)}
        raise DataError(
            f"{source}: a column must have values to be filled from. Received: none in "
            f"{listed(sorted(columns))}. Complete it, or leave it out of the fit with --drop."
        )


def fill_missing(series: "TimeSeries") -> tuple[np.ndarray, np.ndarray]:
    """Fill the missing values of each series without looking ahead.

    `ffill` repeats the last known value; `seasonal` takes the value of one season before, and the
    last known value where there is none. Leading gaps stay NaN.

    Returns:
        values: (rows, features) float32.
        filled: (rows,) bool, true where a target was missing and is no longer.
    """
    values = series.values.copy()
    missing = np.isnan(values)
    period = seasonality(series.schema.freq) if series.schema.fill == "seasonal" else None
    for start, end in zip(series.borders[:-1], series.borders[1:], strict=True):
        block = values[start:end]  # a view: (rows of the series, features)
        if period:
            _fill_seasonal(block, period)
        _fill_forward(block)
    num_targets = len(series.schema.targets)
    was_filled = missing[:, :num_targets] & ~np.isnan(values[:, :num_targets])
    return values, was_filled.any(axis=1)


def _fill_forward(block: np.ndarray) -> None:
    """Repeat the last known value of every column, in place."""
    rows = np.arange(len(block))
    for i in range(block.shape[1]):  # one column at a time: the row numbers take eight bytes each
        known = ~np.isnan(block[:, i])
        latest = np.maximum.accumulate(np.where(known, rows, 0))
        block[:, i] = block[latest, i]


def _fill_seasonal(block: np.ndarray, period: int) -> None:
    """Take the value of one season before, itself filled already, in place."""
    for row in range(period, len(block), period):
        chunk = block[row : row + period]
        before = block[row - period : row][: len(chunk)]
        np.copyto(chunk, before, where=np.isnan(chunk))
