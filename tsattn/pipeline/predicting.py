"""`predict`: the forecast that follows the last known row of every series."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tsattn.data.series import TimeSeries, check_columns, extend_series, series_from_frame
from tsattn.data.timestamps import parse_times
from tsattn.errors import DataError, SchemaMismatchError
from tsattn.fitted import FittedForecaster
from tsattn.forecasts import Forecast, point_and_quantiles
from tsattn.model_directory import load_fitted
from tsattn.models.forecaster import FORECAST
from tsattn.pipeline.tables import Data, as_table
from tsattn.progress import Progress
from tsattn.training import compile_for, run_batches


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """The rows up to the last known target of each series, and those after it."""

    known: pd.DataFrame
    ahead: list[pd.DataFrame]


def predict(
    model: str | Path | FittedForecaster,
    data: Data,
    *,
    future: Data | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Forecast the `horizon` steps that follow the last known target of every series.

    Args:
        model: A model directory or a fitted forecaster.
        data: At least `lookback` rows of every series. Rows at the end without a target are known
            ahead: their future covariates are read.
        future: More rows known ahead: the time, the id and the future covariates.
        progress: Where notes go.

    Returns:
        A table as `Forecast.to_frame` describes, in original units.

    Raises:
        SchemaMismatchError: the data lacks a column of the training data.
        DataError: a series is too short or has gaps, or a future covariate is missing.
    """
    fitted = model if isinstance(model, FittedForecaster) else load_fitted(model)
    progress = progress or Progress()
    frame, source, notes = as_table(data)
    tables = _split_known(frame, fitted, source)
    series = series_from_frame(tables.known, fitted.schema, source)
    for note in (*notes, *series.notes):
        progress.note(note)
    extended = extend_series(series, fitted.horizon)
    origins = extended.borders[1:] - fitted.horizon
    _check_lookback(extended, origins, fitted.lookback, source)
    if fitted.schema.future_covariates:
        ahead = [(table, source) for table in tables.ahead]
        if future is not None:
            future_frame, future_source, _ = as_table(future)
            ahead.append((future_frame, future_source))
        _write_ahead(extended, origins, ahead, fitted)
    return run(fitted, extended, origins).to_frame(extended)


def run(fitted: FittedForecaster, series: TimeSeries, origins: np.ndarray) -> Forecast:
    """Forecast from the given origins of a series, in original units."""
    windows = fitted.windows(series, origins)
    compile_for(fitted.model, len(windows))
    levels = fitted.quantile_levels
    points, quantiles = [], []
    for _, _, outputs in run_batches(fitted.model, windows):
        point, quantile = point_and_quantiles(outputs[FORECAST], levels)
        points.append(point)
        if quantile is not None:
            quantiles.append(quantile)
    columns = range(windows.num_targets)
    inverse = fitted.scaler.inverse_transform
    return Forecast(
        targets=fitted.schema.targets,
        origins=origins,
        forecast=inverse(np.concatenate(points), columns),
        quantile_levels=levels,
        quantiles=inverse(np.concatenate(quantiles), columns) if levels else None,
    )


def _split_known(frame: pd.DataFrame, fitted: FittedForecaster, source: str) -> _Tables:
    """Split off the rows after the last known target of each series."""
    schema = fitted.schema
    ids = [schema.id_column] if schema.id_column else []
    check_columns(frame, [*schema.time_columns, *schema.columns, *ids], source)
    has_target = frame[list(schema.targets)].notna().any(axis=1).to_numpy()
    if has_target.all():
        return _Tables(known=frame, ahead=[])
    times, _ = parse_times(frame, schema.time_columns, schema.time_format, source)
    order = pd.Series(np.argsort(np.argsort(times.to_numpy(), kind="stable")), index=frame.index)
    keys = frame[ids[0]].astype(str) if ids else pd.Series("", index=frame.index)
    last_known = order.where(has_target, -1).groupby(keys).transform("max")
    if (last_known < 0).any():
        raise DataError(
            f"{source}: every series must have a known target. Received: none"
            f"{f' for series {keys[last_known < 0].iloc[0]}' if ids else ''}. "
            "Give the rows before the forecast too."
        )
    is_ahead = order > last_known
    return _Tables(known=frame[~is_ahead], ahead=[frame[is_ahead]] if is_ahead.any() else [])


def _check_lookback(series: TimeSeries, origins: np.ndarray, lookback: int, source: str) -> None:
    """Check that every series has `lookback` complete rows before its origin."""
    for i, origin in enumerate(origins):
        name = f"series {series.series_ids[i]!r}" if series.series_ids[i] else "the data"
        known = int(origin - series.borders[i])
        if known < lookback:
            raise DataError(
                f"{source}: a forecast needs the last {lookback} rows. Received: {known} rows of "
                f"{name}. Give more rows."
            )
        missing = np.isnan(series.values[origin - lookback : origin]).any(axis=1)
        if missing.any():
            row = int(origin - lookback + np.argmax(missing))
            raise DataError(
                f"{source}: the last {lookback} rows must be complete. Received: {name} with "
                f"missing values (first at {series.times[row]}). Complete them, or give earlier "
                "rows to fill them from."
            )


def _write_ahead(
    extended: TimeSeries,
    origins: np.ndarray,
    tables: Sequence[tuple[pd.DataFrame, str]],
    fitted: FittedForecaster,
) -> None:
    """Write the future covariates of the horizon into the appended rows, in place."""
    horizon = fitted.horizon
    names = fitted.schema.future_covariates
    first = len(fitted.schema.features) - len(names)
    only_ahead = replace(fitted.schema, targets=(), past_covariates=(), fill=None)
    for table, source in tables:
        ahead = series_from_frame(table, only_ahead, source)
        for i, series_id in enumerate(ahead.series_ids):
            if series_id not in extended.series_ids:
                continue
            origin = origins[extended.series_ids.index(series_id)]
            rows = slice(int(ahead.borders[i]), int(ahead.borders[i + 1]))
            times = extended.times[origin : origin + horizon]
            if fitted.schema.freq is None:  # numbered rows start anew in each table
                positions = np.where(
                    np.arange(horizon) < rows.stop - rows.start, np.arange(horizon), -1
                )
            else:
                positions = _match(ahead.times[rows], times, source)
            found = np.flatnonzero(positions >= 0)
            extended.values[origin + found, first:] = ahead.values[rows][positions[found]]
    _check_ahead(extended, origins, first, fitted)


def _match(available: pd.Index, wanted: pd.Index, source: str) -> np.ndarray:
    """Return the position of each wanted time, -1 where it is not available."""
    if getattr(available, "tz", None) is None and getattr(wanted, "tz", None) is not None:
        raise SchemaMismatchError(
            f"{source}: its times must have a UTC offset as those of the training data have. "
            f"Received: {available[0]}. Write the times with their offset."
        )
    return np.asarray(available.get_indexer(wanted))


def _check_ahead(
    extended: TimeSeries, origins: np.ndarray, first: int, fitted: FittedForecaster
) -> None:
    for i, origin in enumerate(origins):
        ahead = extended.values[origin : origin + fitted.horizon, first:]
        missing = np.isnan(ahead)
        if missing.any():
            step, column = np.argwhere(missing)[0]
            name = fitted.schema.future_covariates[column]
            which = f" of series {extended.series_ids[i]!r}" if extended.series_ids[i] else ""
            raise DataError(
                f"Future covariates must be known for all {fitted.horizon} steps of the horizon. "
                f"Received: no {name!r}{which} at {extended.times[origin + step]} "
                f"({int(missing.any(axis=1).sum())} steps lack a value). Give them with --future, "
                "or as rows without a target at the end of the data."
            )
