"""Cutting a table at the origins of a backtest, so that nothing later can be read."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tsattn.config import SCHEMA_OPTIONS, FitOptions, require
from tsattn.data.rows import GroupedTable, row_numbers, times_and_groups
from tsattn.data.schema import infer_schema
from tsattn.data.series import TimeSeries, series_from_frame
from tsattn.data.skipping import Faults
from tsattn.data.windows import choose_lookback_horizon, origins_of_fit
from tsattn.errors import DataError
from tsattn.option_checks import parse_split
from tsattn.pipeline.reading_series import with_origins
from tsattn.pipeline.sound_series import screened_frame


@dataclass(frozen=True, kw_only=True)
class RollingTable:
    """A table, and the times at which its folds begin and end.

    A row belongs to a fold by its time, in all series of a panel alike; rows that carry no time are
    numbered, series by series.
    """

    frame: pd.DataFrame
    times: pd.Index  # (rows,) of the table
    grid: pd.Index  # all time steps, rising; those without a row too
    num_folds: int
    step: int
    num_series: int
    skipped: dict[str, str] = field(default_factory=dict)  # why, by series of a panel left out

    def first_time(self, fold: int) -> Any:
        """Return the time of the first target of a fold, counted from 0."""
        return self.grid[len(self.grid) - (self.num_folds - fold) * self.step]

    def last_time(self, fold: int) -> Any:
        """Return the time of the last target of a fold."""
        return self.grid[len(self.grid) - (self.num_folds - fold - 1) * self.step - 1]

    def before(self, fold: int) -> pd.DataFrame:
        """Return the rows before a fold."""
        is_before = np.asarray(self.times < self.first_time(fold), dtype=bool)
        return self.frame[is_before]

    def up_to(self, fold: int) -> pd.DataFrame:
        """Return the rows before a fold and those of the fold."""
        return self.frame if fold + 1 == self.num_folds else self.before(fold + 1)

    def targets_of(self, fold: int, series: TimeSeries) -> list[slice]:
        """Return the rows of each series from the first time of a fold on."""
        parts = []
        for start, end in zip(series.borders[:-1], series.borders[1:], strict=True):
            earlier = int((series.times[start:end] < self.first_time(fold)).sum())
            parts.append(slice(int(start) + earlier, int(end)))
        return parts


def roll(
    frame: pd.DataFrame,
    source: str,
    options: FitOptions,
    *,
    folds: int,
    step: int | None,
    on_skip: Callable[[str], None] | None = None,
) -> tuple[RollingTable, FitOptions]:
    """Find the folds of a table, and settle what must be the same in all of them.

    That is: the names of targets, time and id columns, lookback and horizon, which follow from the
    frequency and the number of rows, and the shares of train and validation rows before a fold.

    Args:
        frame: The table.
        source: What messages call it.
        options: Those of every fit.
        folds: Number of folds, at the end of the table.
        step: Time steps in a fold; the horizon if None.
        on_skip: Of a panel: is told why a series is left out, see `backtest`.

    Raises:
        UsageError: the step is shorter than the horizon.
        DataError: the table cannot be used, or is too short.
    """
    faults = Faults.of_panel(options.id_col, on_skip)
    if faults is None:
        table, settled, _ = _roll(frame, source, options, folds, step)
        return table, settled
    frame = screened_frame(frame, source, options, faults)
    while True:
        table, settled, series = _roll(frame, source, options, folds, step)
        origins = origins_of_fit(series, series.parts, settled).origins
        left = with_origins(series, origins, settled, faults, source)
        if left is series:
            return replace(table, skipped=faults.reasons), settled
        # What is left may be of fewer time steps, which are the folds then.
        frame = GroupedTable.of(frame, series.schema, source).of_series(left.series_ids)


def _roll(
    frame: pd.DataFrame, source: str, options: FitOptions, folds: int, step: int | None
) -> tuple[RollingTable, FitOptions, TimeSeries]:
    """Return the folds of a table, the settled options and the series; see `roll`."""
    schema, _ = infer_schema(
        frame, source=source, **{name: getattr(options, name) for name in SCHEMA_OPTIONS}
    )
    series = series_from_frame(frame, schema, source)
    grid = series.times.unique().sort_values()
    options = _settled(options, series, grid, folds, step)
    step = step or options.horizon or 1
    horizon, lookback = options.horizon or 1, options.lookback or 1
    require(
        step >= horizon,
        "`step` must be at least the horizon, so that a fold holds a window.",
        f"step={step}, horizon={horizon}",
        "Use a larger --step or a shorter --horizon.",
    )
    rows = len(grid) - folds * step
    if rows < lookback + 2 * horizon:
        raise DataError(
            f"{source}: before `folds` x `step` rows there must be {lookback + 2 * horizon} to "
            f"learn from (lookback + 2 x horizon). Received: {folds} x {step} of {len(grid)} rows. "
            "Use fewer --folds, a smaller --step, or a shorter --lookback or --horizon."
        )
    times = _times(frame, series, source)
    if series.schema.time_zone is not None and series.schema.time_columns:
        # The first folds may be too short to tell the zone.
        first, *others = series.schema.time_columns
        frame = frame.drop(columns=others).assign(**{first: times})
        options = replace(options, time_col=[first], time_format=None)
    table = RollingTable(
        frame=frame,
        times=times,
        grid=grid,
        num_series=len(series.series_ids),
        num_folds=folds,
        step=step,
    )
    return table, options, series


def _settled(
    options: FitOptions, series: TimeSeries, grid: pd.Index, folds: int, step: int | None
) -> FitOptions:
    schema, given = series.schema, vars(options)
    horizon = options.horizon or choose_lookback_horizon(schema.freq, len(grid))[1]
    before = max(len(grid) - folds * (step or horizon), 1)
    lookback = options.lookback or choose_lookback_horizon(schema.freq, before)[0]
    train, val, _ = parse_split(options.split)
    settled = {
        "target": list(schema.targets),
        "time_col": list(schema.time_columns),
        "time_format": schema.time_format,
        "id_col": schema.id_column,
        "horizon": horizon,
        "lookback": lookback,
        "split": (train / (train + val), val / (train + val), 0.0),
    }
    return FitOptions(**{**given, **settled})


def _times(frame: pd.DataFrame, series: TimeSeries, source: str) -> pd.Index:
    """Return the time of each row of a table, as the series has it."""
    schema = series.schema
    times, groups = times_and_groups(frame, schema, source)
    if not schema.time_columns:
        times = pd.Index(row_numbers(len(frame), groups.values()))
    return times


def table_sha256(frame: pd.DataFrame) -> str:
    """Return a hash of the columns and values of a table."""
    digest = hashlib.sha256(repr(list(zip(frame.columns, frame.dtypes, strict=True))).encode())
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    digest.update(np.ascontiguousarray(hashes).tobytes())
    return digest.hexdigest()
