"""One pass over the windows of a split: forecasts, errors beside the baselines, attention."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tsattn.attention_sums import mean_values, one_profile
from tsattn.baselines import Forecaster, LinearBaseline
from tsattn.coverage import Coverage, IntervalSum
from tsattn.data.scaling import Scaler
from tsattn.data.windows import Windows, evenly_spaced
from tsattn.following import FollowedIntervals
from tsattn.forecasts import Forecast, point_and_quantiles
from tsattn.intervals import Calibration
from tsattn.metrics import Scores, ScoreSum, skill
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.profiles import ProfileSum, num_kept
from tsattn.rankings import block_ends
from tsattn.running import run_batches
from tsattn.tensor_names import ATTENTION_SCORES, FORECAST, FUTURE_SCORES

if TYPE_CHECKING:  # a forecaster in ONNX is scored without loading it
    import keras

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
    attention: ProfileSum | None  # None without attention
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


def evaluate_windows(
    model: "keras.Model | OnnxForecaster",
    windows: Windows,
    *,
    scaler: Scaler,
    baselines: Mapping[str, Forecaster],
    naive_mae: np.ndarray,
    borders: np.ndarray,
    quantile_levels: tuple[float, ...] = (),
    decoder: str = "direct",
    linear_path: LinearBaseline | None = None,
    calibration: Calibration | None = None,
    max_forecast_rows: int = MAX_FORECAST_ROWS,
    on_batch: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Forecast every window and score it beside the baselines, in scaled and original units.

    Memory does not grow with the number of windows: beyond `max_forecast_rows` rows (windows x
    horizon x targets) only evenly spaced windows are kept in the forecast, `LEAST_KEPT` at least.
    The scores always count every window. Intervals are those of the validation rows at first and
    follow how often they held, see `tsattn.following`.

    Args:
        model: The forecaster.
        windows: In order of series and time.
        scaler: What the values were scaled by.
        baselines: Forecasters to compare with, by name.
        naive_mae: (targets,) what MASE is relative to.
        borders: The rows where series begin.
        quantile_levels: Of a quantile head.
        decoder: `"direct"` or `"recurrent"`.
        linear_path: To take the sizes of what it reads of; None leaves them out.
        calibration: Of intervals; None for none.
        max_forecast_rows: Rows to keep.
        on_batch: Called with (windows done, windows).
    """
    targets = scaler.features[: windows.num_targets]
    columns = range(windows.num_targets)
    sums = {
        name: {unit: ScoreSum(windows.horizon, targets, unit) for unit in UNITS}
        for name in (MODEL, *baselines)
    }
    attention = horizon_attention = future_attention = linear_inputs = None
    intervals = _Intervals(calibration, windows, borders, targets) if calibration else None
    kept = _KeptForecasts(windows, max_forecast_rows)
    blocks = block_ends(
        len(windows),
        windows.lookback + windows.horizon,
        windows.num_targets * windows.lookback * windows.values.shape[1],
    )
    means = mean_values(windows) if linear_path else np.zeros(0)
    for index, batch, outputs in run_batches(model, windows):
        point, levels = point_and_quantiles(outputs[FORECAST], quantile_levels)
        actual = scaler.inverse_transform(batch.targets, columns)
        points = {MODEL: point}
        points |= {name: baseline(windows, index, batch) for name, baseline in baselines.items()}
        for name, scaled in points.items():
            sums[name]["scaled"].add(scaled, batch.targets)
            sums[name]["original"].add(scaler.inverse_transform(scaled, columns), actual)
        forecast = Forecast.of_scaled(
            scaler, windows.origins[index], point, levels, quantile_levels
        )
        forecast = replace(forecast, actual=actual)
        kept.add(index, intervals.added(index, batch.inputs, forecast) if intervals else forecast)
        scores = outputs.get(ATTENTION_SCORES)
        if scores is not None and decoder == "recurrent":  # (batch, horizon, lookback)
            horizon_attention = _added(horizon_attention, scores, len(windows))
        if scores is not None:
            attention = _added(attention, one_profile(scores, decoder), len(windows), blocks)
        if FUTURE_SCORES in outputs:
            future_attention = _added(
                future_attention, outputs[FUTURE_SCORES], len(windows), blocks
            )
        if linear_path is not None:
            sizes = linear_path.sizes_read(batch, means)
            linear_inputs = _added(linear_inputs, sizes, len(windows), blocks)
        if on_batch:
            on_batch(index.stop, len(windows))
    return Evaluation(
        windows=windows,
        scores={
            name: {unit: units[unit].scores(naive_mae) for unit in UNITS}
            for name, units in sums.items()
        },
        forecast=kept.together(),
        attention=attention,
        horizon_attention=horizon_attention,
        future_attention=future_attention,
        linear_inputs=linear_inputs,
        coverage=intervals.followed.coverage() if intervals else None,
        coverage_unfollowed=intervals.unfollowed.coverage() if intervals else None,
    )


class _Intervals:
    """The intervals of windows in order of time, and how often they hold the truth."""

    def __init__(
        self,
        calibration: Calibration,
        windows: Windows,
        borders: np.ndarray,
        targets: tuple[str, ...],
    ) -> None:
        self._levels = calibration.levels
        self._bounds = FollowedIntervals(calibration, windows.origins, borders).bounds
        self.followed = IntervalSum(calibration.levels, targets)
        self.unfollowed = IntervalSum(calibration.levels, targets)

    def added(self, index: slice, inputs: np.ndarray, forecast: Forecast) -> Forecast:
        """Return the forecasts of the next windows with their intervals."""
        assert forecast.actual is not None
        found = (forecast.forecast, forecast.quantiles, forecast.actual)
        (lower, upper), as_calibrated = self._bounds(index, inputs, *found)
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


def _added(
    total: ProfileSum | None,
    scores: np.ndarray,
    num_windows: int,
    blocks: np.ndarray | None = None,
) -> ProfileSum:
    """Return the sum with the scores of the next windows added; None is an empty one."""
    total = total or ProfileSum(evenly_spaced(num_windows, num_kept(scores.shape[1:])), blocks)
    total.add(scores)
    return total
