"""The forecast that follows the last known row of every series of a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tsattn.data.rows import GroupedTable, group_rows
from tsattn.data.series import TimeSeries, extend_series
from tsattn.data.skipping import about_series, by_halves
from tsattn.data.time_zone import as_written
from tsattn.errors import DataError, TsattnError
from tsattn.fitted import FittedForecaster
from tsattn.following import stretched
from tsattn.forecasts import Forecast, point_and_quantiles, sorted_forecast
from tsattn.pipeline.ahead import write_ahead
from tsattn.pipeline.completeness import reason_against, series_name
from tsattn.pipeline.freshness import MaxAge
from tsattn.pipeline.gating import Gate, GateScore
from tsattn.pipeline.known_rows import known_series, split_known
from tsattn.pipeline.reasoning import add_reasons, reasons_to_json
from tsattn.pipeline.widening import Follow
from tsattn.running import compile_for, run_batches
from tsattn.tensor_names import FORECAST
from tsattn.window_reasons import Reasons


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a series must be, besides complete, to be forecast, and what its model must be."""

    max_age: MaxAge | None = None
    gate: Gate | None = None
    follow: Follow = field(default_factory=Follow)
    on_skip: Callable[[str], None] | None = None  # None: a series at fault is an error
    explain: int = 0  # cells that are named for each forecast

    def rows_read(self, fitted: FittedForecaster) -> int | None:
        """Return how many of the last known rows of a series are read; None for all.

        What lies before the lookback is needed only to fill from, to be scored on, and for
        intervals to follow.
        """
        if fitted.schema.fill:
            return None
        scored = self.gate.rows_read(fitted) if self.gate else 0
        return max(scored, fitted.lookback + self.follow.rows_of(fitted))


@dataclass(kw_only=True)
class TableForecast:
    """The forecasts of a table, and what became of its series."""

    frames: list[pd.DataFrame] = field(default_factory=list)
    num_series: int = 0  # that were forecast
    skipped: list[TsattnError] = field(default_factory=list)
    score: GateScore = field(default_factory=GateScore)
    notes: list[str] = field(default_factory=list)
    # Why the intervals of a series do not follow its last rows.
    not_followed: list[TsattnError] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)  # see `reasons_to_json`

    def add(self, other: "TableForecast") -> None:
        """Take the forecasts of other series in."""
        self.frames += other.frames
        self.num_series += other.num_series
        self.skipped += other.skipped
        self.score.add(other.score)
        self.notes += other.notes
        self.not_followed += other.not_followed
        self.reasons += other.reasons

    @property
    def frame(self) -> pd.DataFrame | None:
        """The forecasts as one sorted table; None without any."""
        if len(self.frames) < 2:
            return self.frames[0] if self.frames else None
        return sorted_forecast(pd.concat(self.frames, ignore_index=True))


@dataclass(frozen=True, kw_only=True)
class Group:
    """Some series of a table, which are forecast together."""

    frame: pd.DataFrame
    source: str  # what messages call the table
    ahead: Sequence[tuple[pd.DataFrame, str]] = ()  # as `forecast_table` takes it
    num_rows: Mapping[str, int] | None = None  # likewise


def forecast_group(fitted: FittedForecaster, group: Group, rules: Rules) -> TableForecast:
    """Forecast a group of series; see `forecast_table`."""
    tables = (group.frame, group.source, group.ahead)
    return forecast_table(fitted, *tables, rules, group.num_rows)


def forecast_table(
    fitted: FittedForecaster,
    frame: pd.DataFrame,
    source: str,
    ahead: Sequence[tuple[pd.DataFrame, str]] = (),
    rules: Rules | None = None,
    num_rows: Mapping[str, int] | None = None,
) -> TableForecast:
    """Forecast every series of a table, all at once if no fault of one keeps the others from it.

    Where something is wrong with some series of a panel, they are found by halving the table, and
    skipped if the rules say so.

    Args:
        fitted: The forecaster.
        frame: At least `lookback` rows of every series, and rows known ahead.
        source: What messages call the table.
        ahead: More tables of rows known ahead, and what messages call them.
        rules: What is asked of a series.
        num_rows: How many rows each series has, where these are only the last of them: rows that
            carry no time are numbered from the first. None where the table has them all.

    Raises:
        SchemaMismatchError, DataError: a series at fault that may not be skipped.
    """
    tables = [
        GroupedTable.of(table, fitted.schema, name) for table, name in ((frame, source), *ahead)
    ]
    num_rows = num_rows or {name: len(rows) for name, rows in tables[0].groups.items()}
    return _forecast_series(fitted, tables, rules or Rules(), num_rows)


def _forecast_series(
    fitted: FittedForecaster,
    tables: list[GroupedTable],
    rules: Rules,
    num_rows: Mapping[str, int],
) -> TableForecast:
    """Forecast all series; the first table is the data, the others are known ahead."""

    def together(names: Sequence[str]) -> TableForecast:
        (frame, source), *ahead = [(table.of_series(names), table.source) for table in tables]
        ahead = [(table, name) for table, name in ahead if len(table)]
        return _forecast_together(fitted, frame, source, ahead, rules, num_rows)

    def at_fault(name: str, error: TsattnError) -> TableForecast:
        return TableForecast(skipped=[about_series(error, name)])

    names = list(tables[0].groups)
    if rules.on_skip is None or fitted.schema.id_column is None:
        return together(names)
    first, *others = by_halves(names, together, at_fault)
    for other in others:
        first.add(other)
    return first


def _forecast_together(
    fitted: FittedForecaster,
    frame: pd.DataFrame,
    source: str,
    ahead: Sequence[tuple[pd.DataFrame, str]],
    rules: Rules,
    num_rows: Mapping[str, int],
) -> TableForecast:
    """Forecast the series of a table as one; raise for what keeps them from being read."""
    schema = fitted.schema
    last, read = None if schema.fill else fitted.lookback, rules.rows_read(fitted)
    tables = split_known(frame, schema, source, read)
    latest = tables.known
    if read != last:
        latest = split_known(latest, schema, source, last).known
    series = known_series(latest, schema, source)
    if not schema.time_columns:
        series = _numbered(series, tables.ahead, num_rows, source)
    extended = extend_series(series, fitted.horizon)
    origins = extended.borders[1:] - fitted.horizon
    notes = list(series.notes)
    if schema.future_covariates:
        inside = [(tables.ahead, source)] if len(tables.ahead) else []
        notes += write_ahead(extended, origins, [*inside, *ahead], fitted.horizon)
    usable, skipped = _usable(fitted, extended, origins, source, rules)
    result = TableForecast(skipped=skipped, notes=notes, num_series=len(usable))
    if not len(usable):
        return result
    reasons = Reasons(fitted, rules.explain) if rules.explain else None
    factors, result.not_followed = rules.follow.factors(
        fitted, tables.known, source, extended, usable
    )
    found = run(fitted, extended, origins[usable], source, factors, reasons)
    forecast = found.to_written_frame(extended)
    if reasons is not None:
        forecast = add_reasons(forecast, reasons, extended, origins[usable])
        result.reasons = reasons_to_json(fitted, reasons, extended, origins[usable])
    result.frames.append(forecast)
    if rules.gate is not None:
        chosen = {series.series_ids[i] for i in usable}
        result.score = rules.gate.score(fitted, tables.known, source, chosen)
    return result


def _numbered(
    series: TimeSeries, ahead: pd.DataFrame, num_rows: Mapping[str, int], source: str
) -> TimeSeries:
    """Return series that carry no time, the last rows of a table, with its numbers of the rows."""
    rows_ahead = group_rows(ahead, series.schema, source)
    numbers = []
    for name, known in zip(series.series_ids, np.diff(series.borders), strict=True):
        end = num_rows[name] - len(rows_ahead.get(name, ()))
        numbers.append(np.arange(end - known, end))
    return replace(series, times=pd.Index(np.concatenate(numbers)))


def run(
    fitted: FittedForecaster,
    series: TimeSeries,
    origins: np.ndarray,
    source: str,
    factors: np.ndarray | None = None,
    reasons: Reasons | None = None,
) -> Forecast:
    """Forecast from the given origins of a series, in original units; add what it rests on.

    The half widths of intervals are multiplied by the factors: (origins, levels, targets).

    Raises:
        DataError: a forecast is not finite.
    """
    windows = fitted.windows(series, origins)
    compile_for(fitted.model, len(windows))
    levels, calibration = fitted.quantile_levels, fitted.calibration
    parts = []
    for index, batch, outputs in run_batches(fitted.model, windows):
        if reasons is not None:
            reasons.add(batch, outputs)
        scaled = point_and_quantiles(outputs[FORECAST], levels)
        part = Forecast.of_scaled(fitted.schema.targets, windows, index, *scaled, levels)
        if calibration is not None:
            sizes = windows.sizes(index)
            found = (part.forecast, part.quantiles)
            lower, upper = calibration.intervals(batch.inputs, sizes, *found)
            if factors is not None:
                lower, upper = stretched(part.forecast, lower, upper, factors[index])
            part = replace(part, levels=calibration.levels, lower=lower, upper=upper)
        parts.append(part)
    forecast = Forecast.concatenated(parts)
    broken = ~np.isfinite(forecast.forecast).all(axis=(1, 2))
    if broken.any():
        name = series_name(series, int(series.series_of(origins[broken][:1])[0]))
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
    rules: Rules,
) -> tuple[np.ndarray, list[TsattnError]]:
    """Return the numbers of the series that can be forecast, and why the others cannot.

    Raises:
        DataError: one cannot, and may not be skipped.
    """
    usable: list[int] = []
    skipped: list[TsattnError] = []
    for i, origin in enumerate(origins):
        reason = reason_against(fitted, series, i, int(origin), source)
        if reason is None and rules.max_age is not None:
            name = series_name(series, i)
            last = as_written(series.times[int(origin) - 1], series.schema)
            reason = rules.max_age.reason_against(last, name, source)
        if reason is None:
            usable.append(i)
        elif rules.on_skip is None or fitted.schema.id_column is None:
            raise DataError(reason)
        else:
            skipped.append(DataError(reason))
    return np.array(usable, dtype=np.int64), skipped
