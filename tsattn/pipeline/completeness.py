"""What a series must have to be forecast from its last known row."""

import numpy as np

from tsattn.data.series import TimeSeries
from tsattn.fitted import FittedForecaster


def reason_against(
    fitted: FittedForecaster, series: TimeSeries, number: int, origin: int, source: str
) -> str | None:
    """Return why a series cannot be forecast from its origin, None if it can."""
    name, lookback = series_name(series, number), fitted.lookback
    known = origin - int(series.borders[number])
    if known < lookback:
        return (
            f"{source}: a forecast needs the last {lookback} rows. Received: {known} rows of "
            f"{name}. Give more rows."
        )
    missing = np.isnan(series.values[origin - lookback : origin]).any(axis=1)
    if missing.any():
        row = origin - lookback + int(np.argmax(missing))
        return (
            f"{source}: the last {lookback} rows must be complete. Received: {name} with "
            f"missing values (first at {series.times[row]}). Complete them, or give earlier "
            "rows to fill them from."
        )
    first = len(fitted.schema.features) - len(fitted.schema.future_covariates)
    missing = np.isnan(series.values[origin : origin + fitted.horizon, first:])
    if not missing.any():
        return None
    step, column = np.argwhere(missing)[0]
    known_ahead = fitted.schema.sources[first + column][0]
    return (
        f"Future covariates must be known for all {fitted.horizon} steps of the horizon. "
        f"Received: no {known_ahead!r} at {series.times[origin + step]} for {name} "
        f"({int(missing.any(axis=1).sum())} steps lack a value). Give them with --future, "
        "or as rows without a target at the end of the data."
    )


def series_name(series: TimeSeries, number: int) -> str:
    """Return what messages call a series."""
    series_id = series.series_ids[number]
    return f"series {series_id!r}" if series_id else "the data"
