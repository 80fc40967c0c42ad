"""Forecasts as a table: one row per window, target and horizon step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsattn.config import PARQUET_ENDINGS
from tsattn.data.series import NO_ID, TimeSeries
from tsattn.data.time_zone import as_written
from tsattn.data.windows import Windows

FLOAT_FORMAT = "%.12g"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecasts of many windows, in original units."""

    targets: tuple[str, ...]
    origins: np.ndarray  # (windows,) int64 rows of the series
    forecast: np.ndarray  # (windows, horizon, targets)
    quantile_levels: tuple[float, ...] = ()
    quantiles: np.ndarray | None = None  # (windows, horizon, targets, quantiles)
    actual: np.ndarray | None = None  # (windows, horizon, targets)
    levels: tuple[float, ...] = ()  # of the intervals, in percent
    lower: np.ndarray | None = None  # (windows, horizon, targets, levels)
    upper: np.ndarray | None = None  # (windows, horizon, targets, levels)

    def take(self, index: np.ndarray, forecast: np.ndarray | None = None) -> "Forecast":
        """Return the forecasts of some windows, or other point forecasts of them."""
        return Forecast(
            targets=self.targets,
            origins=self.origins[index],
            forecast=self.forecast[index] if forecast is None else forecast,
            quantile_levels=self.quantile_levels,
            quantiles=None if self.quantiles is None else self.quantiles[index],
            actual=None if self.actual is None else self.actual[index],
            levels=self.levels,
            lower=None if self.lower is None else self.lower[index],
            upper=None if self.upper is None else self.upper[index],
        )

    @classmethod
    def of_scaled(
        cls,
        targets: tuple[str, ...],
        windows: Windows,
        index: slice,
        point: np.ndarray,
        quantiles: np.ndarray | None,
        quantile_levels: tuple[float, ...],
    ) -> "Forecast":
        """Return scaled forecasts in original units; see `point_and_quantiles`."""
        return cls(
            targets=targets,
            origins=windows.origins[index],
            forecast=windows.original(point, index),
            quantile_levels=quantile_levels,
            quantiles=None if quantiles is None else windows.original(quantiles, index),
        )

    @classmethod
    def concatenated(cls, parts: Sequence["Forecast"]) -> "Forecast":
        """Return the forecasts of several parts of some windows as one."""
        arrays = ("origins", "forecast", "quantiles", "actual", "lower", "upper")
        found = {name: [getattr(part, name) for part in parts] for name in arrays}
        joined: dict[str, Any] = {
            name: None if values[0] is None else np.concatenate(values)
            for name, values in found.items()
        }
        return replace(parts[0], **joined)

    def to_frame(self, series: TimeSeries) -> pd.DataFrame:
        """Return the forecasts as a sorted table with their times.

        Columns: `series_id` (for panels), `target`, `origin_time`, `time`, `horizon_step`,
        `forecast`, a column per quantile level such as `q0.1`, two per level of the intervals such
        as `lower_80` and `upper_80`, and `actual` where it is known.
        """
        windows, horizon, num_targets = self.forecast.shape
        rows = self.origins[:, None] + np.arange(horizon)  # (windows, horizon)
        order = (0, 2, 1)  # (windows, targets, horizon)
        columns: dict[str, object] = {}
        if series.series_ids != (NO_ID,):
            ids = np.array(series.series_ids, dtype=object)[series.series_of(self.origins)]
            columns["series_id"] = np.repeat(ids, horizon * num_targets)
        names = np.array(self.targets, dtype=object)
        columns["target"] = np.tile(np.repeat(names, horizon), windows)
        columns["origin_time"] = series.times[np.repeat(self.origins, horizon * num_targets)]
        columns["time"] = series.times[np.repeat(rows, num_targets, axis=0).ravel()]
        columns["horizon_step"] = np.tile(np.arange(1, horizon + 1), windows * num_targets)
        columns["forecast"] = self.forecast.transpose(order).ravel()
        if self.quantiles is not None:
            for i, level in enumerate(self.quantile_levels):
                columns[f"q{level:g}"] = self.quantiles[..., i].transpose(order).ravel()
        if self.lower is not None and self.upper is not None:
            for i, level in enumerate(self.levels):
                columns[f"lower_{level:g}"] = self.lower[..., i].transpose(order).ravel()
                columns[f"upper_{level:g}"] = self.upper[..., i].transpose(order).ravel()
        if self.actual is not None:
            columns["actual"] = self.actual.transpose(order).ravel()
        return sorted_forecast(pd.DataFrame(columns))

    def to_written_frame(self, series: TimeSeries) -> pd.DataFrame:
        """Return the same table with the times as the data has them, see `as_written`."""
        frame = self.to_frame(series)
        times = {
            name: as_written(pd.Index(frame[name]), series.schema)
            for name in ("origin_time", "time")
        }
        return frame.assign(**times)


def sorted_forecast(frame: pd.DataFrame) -> pd.DataFrame:
    """Return forecasts in the order of series, target, origin and time."""
    keys = [key for key in ("series_id", "target", "origin_time", "time") if key in frame]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def point_and_quantiles(
    outputs: np.ndarray, quantile_levels: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Split a model's forecast into its point forecast, the median, and its quantiles.

    Quantiles that cross are put in order (Chernozhukov et al. 2010, section 2).

    Args:
        outputs: (windows, horizon, targets[, quantiles]).
        quantile_levels: The levels of the last axis; () if there is none.
    """
    if not quantile_levels:
        return outputs, None
    quantiles = np.sort(outputs, axis=-1)
    return quantiles[..., quantile_levels.index(0.5)], quantiles


def has_clock(forecast: pd.DataFrame) -> bool:
    """Return whether any time of a forecast is not midnight."""
    return any(not _is_midnight(forecast[name]) for name in ("origin_time", "time"))


def forecast_csv(forecast: pd.DataFrame, *, with_clock: bool, with_header: bool = True) -> str:
    """Return a forecast as CSV text.

    Args:
        forecast: The table.
        with_clock: Whether times have hours, minutes and seconds where all are midnight too, which
            pandas would leave out.
        with_header: Whether the names of the columns come first.
    """
    for name in ("origin_time", "time"):
        if with_clock and _is_midnight(forecast[name]):
            forecast = forecast.assign(**{name: forecast[name].map(str)})
    return forecast.to_csv(
        index=False, header=with_header, float_format=FLOAT_FORMAT, lineterminator="\n"
    )


def _is_midnight(times: pd.Series) -> bool:
    is_date = isinstance(times.iloc[0], pd.Timestamp)
    return not is_date or bool((times == times.dt.normalize()).all())


def is_parquet_name(path: Path) -> bool:
    """Return whether a forecast of this name is written as Parquet, not as CSV."""
    return path.suffix.lower() in PARQUET_ENDINGS
