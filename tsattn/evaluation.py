"""One pass over the windows of a split: forecasts, errors beside the baselines, attention."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tsattn.attention_sums import add_parts, mean_values, parts_of_batch
from tsattn.coverage import Coverage, IntervalSum
from tsattn.data.series import TimeSeries
from tsattn.data.windows import WindowBatch, Windows, evenly_spaced
from tsattn.fitted import FittedForecaster
from tsattn.following import FollowedIntervals
from tsattn.forecasts import Forecast, point_and_quantiles
from tsattn.intervals import Calibration
from tsattn.metrics import Scores, ScoreSum, skill
from tsattn.profiles import ProfileSum
from tsattn.rankings import blocks_of
from tsattn.running import run_batches
from tsattn.tensor_names import ATTENTION_SCORES, FORECAST

MODEL = "model"
UNITS = ("scaled", "original")
MAX_FORECAST_ROWS = 2_000_000
LEAST_KEPT = 100  # windows whose forecasts are kept, however many rows each has


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a pass over the windows of a split found."""

    windows: Windows
    scores: dict[str, dict[str, Scores]]  # by forecaster ("model" or a baseline), then by unit
    forecast: Forecast  # of every window, or of evenly spaced ones
    attention: ProfileSum | None = None  # None without attention
    # Of a recurrent decoder, the scores of every horizon step; `attention` is their mean.
    horizon_attention: ProfileSum | None = None
    # Of gates on what is known ahead: (windows, horizon, future features).
    future_attention: ProfileSum | None = None
    # Of a linear path, the sizes of what it reads: (windows, targets, regressors).
    linear_inputs: ProfileSum | None = None
    coverage: Coverage | None = None  # None without intervals
    coverage_unfollowed: Coverage | None = None  # of the intervals of the validation rows

    def to_json(self) -> dict[str, Any]:
        """Return the block of `metrics.json` for this split."""
        model = self.scores[MODEL]
        baselines = {name: units for name, units in self.scores.items() if name != MODEL}
        return {
            "num_windows": len(self.windows),
            **{unit: model[unit].to_json() for unit in UNITS},
            "baselines": {
                name: {unit: units[unit].to_json() for unit in UNITS}
                for name, units in baselines.items()
            },
            "skill": {
                name: skill(model["scaled"], units["scaled"]) for name, units in baselines.items()
            },
            **self._intervals(),
        }

    def _intervals(self) -> dict[str, Any]:
        if self.coverage is None or self.coverage_unfollowed is None:
            return {}
        unfollowed = self.coverage_unfollowed.to_json()
        blocks = {
            level: {**block, "coverage_without_following": unfollowed[level]["coverage"]}
            for level, block in self.coverage.to_json().items()
        }
        return {"intervals": blocks}


def evaluate_fitted(
    fitted: FittedForecaster,
    series: TimeSeries,
    windows: Windows,
    *,
    max_forecast_rows: int = MAX_FORECAST_ROWS,
    on_batch: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Forecast every window and score it beside the baselines, in scaled and original units.

    Memory does not grow with the number of windows: beyond `max_forecast_rows` rows (windows x
    horizon x targets) only evenly spaced windows are kept in the forecast, `LEAST_KEPT` at least.
    The scores always count every window. Intervals, of a forecaster that is calibrated, are those
    of the validation rows at first and follow how often they held, see `tsattn.following`.

    Args:
        fitted: The forecaster.
        series: What the windows are of.
        windows: In order of series and time.
        max_forecast_rows: Rows to keep.
        on_batch: Called with (windows done, windows).
    """
    scores = _ScoresOfAll(fitted, series, windows)
    calibration = fitted.calibration
    intervals = _Intervals(calibration, fitted, series, windows) if calibration else None
    kept = _KeptForecasts(windows, max_forecast_rows)
    attention = _Attention(fitted, series, windows)
    for index, batch, outputs in run_batches(fitted.model, windows):
        found = point_and_quantiles(outputs[FORECAST], fitted.quantile_levels)
        forecast = Forecast.of_scaled(
            fitted.schema.targets, windows, index, *found, fitted.quantile_levels
        )
        forecast = replace(forecast, actual=scores.added(index, batch, found[0]))
        kept.add(index, intervals.added(index, batch.inputs, forecast) if intervals else forecast)
        attention.add(batch, outputs)
        if on_batch:
            on_batch(index.stop, len(windows))
    return Evaluation(
        windows=windows,
        scores=scores.together(),
        forecast=kept.together(),
        **attention.sums,
        coverage=intervals.followed.coverage() if intervals else None,
        coverage_unfollowed=intervals.unfollowed.coverage() if intervals else None,
    )


class _ScoresOfAll:
    """The errors of model and baselines, in scaled and original units."""

    def __init__(self, fitted: FittedForecaster, series: TimeSeries, windows: Windows) -> None:
        self._fitted, self._windows = fitted, windows
        self._baselines = fitted.baselines(series)
        self._sums = {
            name: {unit: ScoreSum(windows.horizon, fitted.schema.targets, unit) for unit in UNITS}
            for name in (MODEL, *self._baselines)
        }

    def added(self, index: slice, batch: WindowBatch, point: np.ndarray) -> np.ndarray:
        """Score the next windows; return their actual values in original units."""
        actual = self._windows.original(batch.targets, index)
        points = {MODEL: point}
        points |= {
            name: baseline(self._windows, index, batch)
            for name, baseline in self._baselines.items()
        }
        for name, scaled in points.items():
            self._sums[name]["scaled"].add(scaled, batch.targets)
            self._sums[name]["original"].add(self._windows.original(scaled, index), actual)
        return actual

    def together(self) -> dict[str, dict[str, Scores]]:
        """Return the scores by forecaster, then by unit."""
        naive_mae = self._fitted.naive_mae
        return {
            name: {unit: units[unit].scores(naive_mae) for unit in UNITS}
            for name, units in self._sums.items()
        }


class _Attention:
    """The attention scores of windows, and the sizes of what a linear path reads, added up."""

    def __init__(self, fitted: FittedForecaster, series: TimeSeries, windows: Windows) -> None:
        self._fitted, self._num_windows = fitted, len(windows)
        self._blocks = blocks_of(
            series.steps_of(windows.origins),
            windows.lookback + windows.horizon,
            windows.num_targets * windows.lookback * windows.values.shape[1],
        )
        self._levels = mean_values(windows) if fitted.linear_shares.any() else np.zeros(0)
        self.sums: dict[str, ProfileSum] = {}  # by field of `Evaluation`

    def add(self, batch: WindowBatch, outputs: dict[str, np.ndarray]) -> None:
        """Add the next windows."""
        parts = parts_of_batch(self._fitted, batch, outputs, self._levels)
        add_parts(self.sums, parts, self._num_windows, self._blocks)
        if ATTENTION_SCORES in outputs and self._fitted.options.decoder == "recurrent":
            every_step = {"horizon_attention": outputs[ATTENTION_SCORES]}
            add_parts(self.sums, every_step, self._num_windows)


class _Intervals:
    """The intervals of windows in order of time, and how often they hold the truth."""

    def __init__(
        self,
        calibration: Calibration,
        fitted: FittedForecaster,
        series: TimeSeries,
        windows: Windows,
    ) -> None:
        self._levels, self._windows = calibration.levels, windows
        self._bounds = FollowedIntervals(calibration, windows.origins, series.borders).bounds
        self.followed = IntervalSum(calibration.levels, fitted.schema.targets)
        self.unfollowed = IntervalSum(calibration.levels, fitted.schema.targets)

    def added(self, index: slice, inputs: np.ndarray, forecast: Forecast) -> Forecast:
        """Return the forecasts of the next windows with their intervals."""
        assert forecast.actual is not None
        found = (forecast.forecast, forecast.quantiles, forecast.actual)
        sizes = self._windows.sizes(index)
        (lower, upper), as_calibrated = self._bounds(index, inputs, sizes, *found)
        self.followed.add(lower, upper, forecast.actual)
        self.unfollowed.add(*as_calibrated, forecast.actual)
        return replace(forecast, levels=self._levels, lower=lower, upper=upper)


class _KeptForecasts:
    """Forecasts of evenly spaced windows, as many as may be kept."""

    def __init__(self, windows: Windows, max_rows: int) -> None:
        rows_of_one = windows.horizon * windows.num_targets
        self._kept = evenly_spaced(len(windows), max(max_rows // rows_of_one, LEAST_KEPT))
        self._parts: list[Forecast] = []

    def add(self, index: slice, forecast: Forecast) -> None:
        """Add the forecasts of the windows of an index."""
        first, last = np.searchsorted(self._kept, [index.start, index.stop])
        self._parts.append(forecast.take(self._kept[first:last] - index.start))

    def together(self) -> Forecast:
        """Return all that were kept."""
        return Forecast.concatenated(self._parts)
