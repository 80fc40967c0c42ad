"""`predict`: the forecast that follows the last known row of every series."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tsattn.config import require
from tsattn.data.series import TimeSeries, extend_series, series_from_frame
from tsattn.errors import DataError
from tsattn.fitted import FittedForecaster
from tsattn.forecasts import Forecast, point_and_quantiles
from tsattn.pipeline.known_rows import known_series, split_known
from tsattn.pipeline.opening import RUNTIME, Model, open_fitted
from tsattn.pipeline.reasoning import ExplainedForecast, explained_forecast
from tsattn.pipeline.shown_windows import check_attention
from tsattn.pipeline.tables import Data, as_table
from tsattn.progress import Progress
from tsattn.running import compile_for, run_batches
from tsattn.tensor_names import FORECAST
from tsattn.window_reasons import Reasons


def predict(
    model: Model,
    data: Data,
    *,
    future: Data | None = None,
    explain: int = 0,
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Forecast the `horizon` steps that follow the last known target of every series.

    Args:
        model: A model directory or a fitted forecaster.
        data: At least `lookback` rows of every series. Rows at the end without a target are known
            ahead: their future covariates are read.
        future: More rows known ahead: the time, the id and the future covariates. Without a time
            column they are the steps after the last known row, in their order.
        explain: How many columns `why_1`, `why_2`, … to add: the largest cells of each window, see
            `add_reasons`.
        runtime: What runs a model directory: `"onnx"`, without loading Keras, or `"keras"`.
        on_skip: Called with the reason for each series of a panel that cannot be forecast, while
            the others are; None makes it an error.
        progress: Where notes go.

    Returns:
        A table as `Forecast.to_frame` describes, in original units.

    Raises:
        UsageError: the attention does not compare cells, which is needed to explain a forecast.
        SchemaMismatchError: the data lacks a column of the training data.
        DataError: a series is too short or has gaps, or a future covariate is missing.
    """
    return predict_with_reasons(
        model,
        data,
        future=future,
        explain=explain,
        runtime=runtime,
        on_skip=on_skip,
        progress=progress,
    ).forecast


def predict_with_reasons(
    model: Model,
    data: Data,
    *,
    future: Data | None = None,
    explain: int = 3,
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> ExplainedForecast:
    """Forecast as `predict` does; return the explanation too, ready for JSON."""
    progress = progress or Progress()
    fitted = open_fitted(model, runtime, progress)
    reasons = _reasons(fitted, explain)
    extended, origins, source = _read(fitted, data, future, progress)
    usable = _usable(fitted, extended, origins, source, on_skip)
    origins = origins[usable]
    forecast = run(fitted, extended, origins, source, reasons).to_frame(extended)
    if reasons is None:
        return ExplainedForecast(forecast, None)
    return explained_forecast(fitted, forecast, reasons, extended, origins)


def _reasons(fitted: FittedForecaster, explain: int) -> Reasons | None:
    """Return what finds the reasons of forecasts, None where none are asked for."""
    if explain == 0:
        return None
    check_attention(fitted.options.attention)
    return Reasons(fitted, explain)


def _read(
    fitted: FittedForecaster, data: Data, future: Data | None, progress: Progress
) -> tuple[TimeSeries, np.ndarray, str]:
    """Return the series with the horizon to be forecast, its origins, and what it is called."""
    schema = fitted.schema
    require(
        future is None or bool(schema.future_covariates),
        "`future` gives the future covariates of the horizon.",
        "`future` for a model that has none",
        "Leave it out.",
    )
    frame, source, notes = as_table(data)
    # What lies before the lookback is needed only to fill from.
    last = None if schema.fill else fitted.lookback
    tables = split_known(frame, schema, source, last)
    series = known_series(tables.known, schema, source)
    for note in (*notes, *series.notes):
        progress.note(note)
    extended = extend_series(series, fitted.horizon)
    origins = extended.borders[1:] - fitted.horizon
    if schema.future_covariates:
        ahead = [(tables.ahead, source)] if len(tables.ahead) else []
        if future is not None:
            ahead.append(as_table(future)[:2])
        _write_ahead(extended, origins, ahead, fitted.horizon)
    return extended, origins, source


def run(
    fitted: FittedForecaster,
    series: TimeSeries,
    origins: np.ndarray,
    source: str,
    reasons: Reasons | None = None,
) -> Forecast:
    """Forecast from the given origins of a series, in original units; add what it rests on.

    Raises:
        DataError: a forecast is not finite.
    """
    windows = fitted.windows(series, origins)
    compile_for(fitted.model, len(windows))
    levels = fitted.quantile_levels
    columns = range(windows.num_targets)
    inverse, calibration = fitted.scaler.inverse_transform, fitted.calibration
    points, quantiles, lowers, uppers = [], [], [], []
    for _, batch, outputs in run_batches(fitted.model, windows):
        if reasons is not None:
            reasons.add(batch, outputs)
        scaled, scaled_quantiles = point_and_quantiles(outputs[FORECAST], levels)
        point, quantile = inverse(scaled, columns), None
        points.append(point)
        if scaled_quantiles is not None:
            quantile = inverse(scaled_quantiles, columns)
            quantiles.append(quantile)
        if calibration is not None:
            lower, upper = calibration.intervals(batch.inputs, point, quantile)
            lowers.append(lower)
            uppers.append(upper)
    forecast = Forecast(
        targets=fitted.schema.targets,
        origins=origins,
        forecast=np.concatenate(points),
        quantile_levels=levels,
        quantiles=np.concatenate(quantiles) if levels else None,
        levels=calibration.levels if calibration else (),
        lower=np.concatenate(lowers) if lowers else None,
        upper=np.concatenate(uppers) if uppers else None,
    )
    broken = ~np.isfinite(forecast.forecast).all(axis=(1, 2))
    if broken.any():
        name = _series_name(series, int(series.series_of(origins[broken][:1])[0]))
        raise DataError(
            f"{source}: the values must be in a range the model can read. Received: {name}, whose "
            "forecast is not finite. Look for extreme values in its last rows."
        )
    return forecast


def _usable(
    fitted: FittedForecaster,
    series: TimeSeries,
    origins: np.ndarray,
    source: str,
    on_skip: Callable[[str], None] | None,
) -> np.ndarray:
    """Return the numbers of the series that can be forecast; report or raise for the others."""
    usable = []
    for i, origin in enumerate(origins):
        reason = _reason_against(fitted, series, i, int(origin), source)
        if reason is None:
            usable.append(i)
        elif on_skip is None or len(origins) == 1:
            raise DataError(reason)
        else:
            on_skip(reason)
    if not usable:
        raise DataError(
            f"{source}: a series must be complete to be forecast. Received: {len(origins)} series, "
            "none of which is. Complete them as said for each."
        )
    return np.array(usable)


def _reason_against(
    fitted: FittedForecaster, series: TimeSeries, number: int, origin: int, source: str
) -> str | None:
    """Return why a series cannot be forecast from its origin, None if it can."""
    name, lookback = _series_name(series, number), fitted.lookback
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
    names = fitted.schema.future_covariates
    ahead = series.values[origin : origin + fitted.horizon]
    missing = np.isnan(ahead[:, ahead.shape[1] - len(names) :])
    if not missing.any():
        return None
    step, column = np.argwhere(missing)[0]
    return (
        f"Future covariates must be known for all {fitted.horizon} steps of the horizon. "
        f"Received: no {names[column]!r} at {series.times[origin + step]} for {name} "
        f"({int(missing.any(axis=1).sum())} steps lack a value). Give them with --future, "
        "or as rows without a target at the end of the data."
    )


def _series_name(series: TimeSeries, number: int) -> str:
    series_id = series.series_ids[number]
    return f"series {series_id!r}" if series_id else "the data"


def _write_ahead(
    extended: TimeSeries,
    origins: np.ndarray,
    tables: Sequence[tuple[pd.DataFrame, str]],
    horizon: int,
) -> None:
    """Write the future covariates of the horizon into the appended rows, in place."""
    schema = extended.schema
    names = schema.future_covariates
    first = len(schema.features) - len(names)
    texts = {
        f"{name}={value}": name for name, values in schema.categories.items() for value in values
    }
    kept = {texts[name] for name in names if name in texts}
    only_ahead = replace(
        schema,
        targets=(),
        past_covariates=(),
        categories={name: schema.categories[name] for name in kept},
        fill=None,
    )
    for table, source in tables:
        ahead = series_from_frame(table, only_ahead, source)
        for i, series_id in enumerate(ahead.series_ids):
            if series_id not in extended.series_ids:
                continue
            origin = origins[extended.series_ids.index(series_id)]
            rows = slice(int(ahead.borders[i]), int(ahead.borders[i + 1]))
            if schema.time_columns:
                wanted = extended.times[origin : origin + horizon]
                positions = ahead.times[rows].get_indexer(wanted)
            else:  # rows that carry no time follow the last known one
                steps = np.arange(horizon)
                positions = np.where(steps < rows.stop - rows.start, steps, -1)
            found = np.flatnonzero(positions >= 0)
            values = ahead.original(rows, slice(None))[positions[found]]
            extended.values[origin + found, first:] = values - extended.offsets[first:]
