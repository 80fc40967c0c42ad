"""The step between rows: inferring it, laying a grid, and the season that belongs to it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from tsattn.data.local_days import localized
from tsattn.errors import DataError, TsattnError

_DAY = 86_400
_MONTHLY = 28 * _DAY
_MAX_STEPS_PER_ROW, _FREE_STEPS = 50, 1000
_SEASONS = {"B": 5, "D": 7, "7D": 52}


def infer_frequency(series: Sequence[pd.Index], source: str) -> str | None:
    """Return the pandas frequency of sorted, unique times, one index per series.

    The commonest difference decides, in UTC for steps below a day and on the calendar above.
    Numbered rows have no frequency: None.

    Raises:
        DataError: there is no even step.
    """
    indexes = [times for times in series if isinstance(times, pd.DatetimeIndex)]
    if not indexes:
        return None
    differences = [np.diff(times.as_unit("ns").asi8) for times in indexes if len(times) > 1]
    if not differences:
        raise DataError(
            f"{source}: the frequency must be inferred from at least two rows of a series. "
            "Received: one row. Give more data."
        )
    step, share = _commonest(np.concatenate(differences))
    seconds = step / 1e9
    if seconds < _DAY or (seconds < _MONTHLY and seconds % _DAY):
        return str(to_offset(pd.Timedelta(step, unit="ns")).freqstr)
    walls = pd.DatetimeIndex(np.concatenate([times.tz_localize(None) for times in indexes]))
    days = round(seconds / _DAY)
    if seconds >= _MONTHLY:
        return _monthly(indexes, walls) or _daily(days, share, walls, source)
    if days == 1 and len(walls) > 5 and (walls.day_of_week < 5).all():
        return "B"
    return "D" if days == 1 else f"{days}D"


def _commonest(steps: np.ndarray) -> tuple[int, float]:
    """Return the commonest step and its share among all."""
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)]), float(counts.max()) / len(steps)


def _monthly(indexes: list[pd.DatetimeIndex], walls: pd.DatetimeIndex) -> str | None:
    """Return the frequency in months of times at the first, or the last, days of months."""
    anchor = "MS" if (walls.day == 1).all() else "ME" if walls.is_month_end.all() else None
    months = [np.diff(times.year * 12 + times.month) for times in indexes]
    step, _ = _commonest(np.concatenate(months))
    return anchor and (anchor if step == 1 else f"{step}{anchor}")


def _daily(days: int, share: float, walls: pd.DatetimeIndex, source: str) -> str:
    """Return a step of many days, such as four weeks, where it is no month in disguise."""
    if share < 0.9:
        raise DataError(
            f"{source}: monthly rows must all be at the first or the last day of the month. "
            f"Received: {walls[0].date()}, {walls[1].date()}, … Move the dates to one of these."
        )
    return f"{days}D"


def grid_positions(
    times: pd.Index, freq: str | None, source: str, error: type[TsattnError] = DataError
) -> tuple[pd.Index, np.ndarray]:
    """Return the complete grid from the first to the last time, and each row's position in it.

    Raises:
        DataError: nearly all steps of the grid would have no row.
        error: a time lies between the steps of the grid.
    """
    _check_steps(times, freq, source)
    if freq is None:
        grid: pd.Index = pd.RangeIndex(int(times[0]), int(times[-1]) + 1)
    else:
        grid = _range(times[0], freq, end=times[-1])
    if len(grid) == len(times) and grid.equals(times):
        return grid, np.arange(len(times))
    positions = grid.get_indexer(times) if len(grid) else np.full(len(times), -1)
    off_grid = np.flatnonzero(positions < 0)
    if len(off_grid):
        listed = ", ".join(str(times[row]) for row in off_grid[:5])
        raise error(
            f"{source}: times must be evenly spaced (here: {freq}). Received: {len(off_grid)} rows "
            f"between the steps ({listed}). {_uneven_remedy(times, freq, error)}"
        )
    return grid, positions


def _uneven_remedy(times: pd.Index, freq: str | None, error: type[TsattnError]) -> str:
    clocks = sorted({time.time() for time in times})
    if freq is None or is_within_a_day(freq) or not 1 < len(clocks) <= 3:
        return "Resample the data to that frequency."
    named = ", ".join(map(str, clocks))
    one = "one time of the day, or as dates" if error is DataError else "that of training"
    return (
        f"They are at {named}, as days of local time are that are written in UTC: write all of "
        f"them with {one}."
    )


def _range(
    start: pd.Timestamp, freq: str, *, end: pd.Timestamp | None = None, periods: int | None = None
) -> pd.DatetimeIndex:
    """Return even times from a first one on; days and longer steps are those of the clock."""
    if start.tz is None or is_within_a_day(freq):
        return _even(start, end, periods, freq)
    last = None if end is None else end.tz_localize(None)
    return localized(_even(start.tz_localize(None), last, periods, freq), start.tz)


def _even(
    start: pd.Timestamp, end: pd.Timestamp | None, periods: int | None, freq: str
) -> pd.DatetimeIndex:
    if periods is not None:
        return pd.date_range(start, periods=periods, freq=freq)
    assert end is not None
    return pd.date_range(start, end, freq=freq)


def _check_steps(times: pd.Index, freq: str | None, source: str) -> None:
    """Raise a DataError before a grid is laid that one wrong time makes immense."""
    if freq is None:
        steps = (int(times[-1]) - int(times[0])) + 1
        step = _commonest(np.diff(times.to_numpy()))[0] if len(times) > 1 else 1
        if step != 1:
            raise DataError(
                f"{source}: numbers used as time must rise by 1 from row to row. Received: mostly "
                f"by {step}. Leave the column out with --drop to number the rows."
            )
    else:
        ends = pd.DatetimeIndex(times[[0, -1]]).as_unit("ns").asi8.tolist()  # ints never overflow
        steps = int((ends[1] - ends[0]) / 1e9 / step_seconds(freq)) + 1
    if steps > _MAX_STEPS_PER_ROW * len(times) + _FREE_STEPS:
        raise DataError(
            f"{source}: most time steps must have a row (here: {freq or 'steps of 1'}). Received: "
            f"{len(times):,} rows over {steps:,} steps from {times[0]} to {times[-1]}. "
            "Correct the outlying times, or resample the data to one frequency."
        )


def next_times(last: object, freq: str | None, count: int) -> pd.Index:
    """Return the `count` times that follow the last one.

    Raises:
        DataError: they reach beyond what a timestamp can hold.
    """
    if freq is None:
        start = int(str(last)) + 1
        return pd.RangeIndex(start, start + count)
    start_time = pd.Timestamp(last)  # type: ignore[arg-type]
    try:
        return _range(start_time, freq, periods=count + 1)[1:]
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        raise DataError(
            f"Times must lie before the year 2262. Received: {count} steps of {freq} after "
            f"{start_time}. Forecast fewer steps, or leave the time column out with --drop to "
            "number the rows."
        ) from None


def seasonality(freq: str | None) -> int:
    """Return the steps per season that a frequency suggests: a day, a week or a year; else 1."""
    if freq is None:
        return 1
    if freq in _SEASONS:
        return _SEASONS[freq]
    if freq.endswith(("MS", "ME")):
        months = int(freq[:-2] or 1)
        return 12 // months if 12 % months == 0 else 1
    seconds = step_seconds(freq)
    if seconds < 60:
        return round(60 / seconds) if 60 % seconds == 0 else 1
    return round(_DAY / seconds) if seconds < _DAY and _DAY % seconds == 0 else 1


def is_within_a_day(freq: str) -> bool:
    """Return whether steps are shorter than a day, so that times have a clock."""
    return step_seconds(freq) < _DAY


def step_seconds(freq: str) -> float:
    """Return the typical length of one step in seconds."""
    times = pd.date_range("2024-01-01", periods=3, freq=freq)
    return float((times[2] - times[1]).total_seconds())
