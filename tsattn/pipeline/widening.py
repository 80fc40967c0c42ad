"""How wide the intervals of the next forecasts are: they follow the last known rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsattn.config import require
from tsattn.data.rows import group_rows
from tsattn.data.series import TimeSeries, extend_series
from tsattn.data.skipping import about_series
from tsattn.errors import DataError, SchemaMismatchError, TsattnError
from tsattn.fitted import FittedForecaster
from tsattn.following import FollowedIntervals
from tsattn.forecasts import Forecast, point_and_quantiles
from tsattn.intervals import STEPS_APART, Calibration
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.pipeline.known_rows import with_gaps
from tsattn.running import compile_for, run_batches
from tsattn.tensor_names import FORECAST

FOLLOWED_ROWS = 1000  # of one series; those of a panel are many
ENOUGH_FORECASTS = 250  # as long as there is one for every row
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Follow:
    """Follows so many of the last known rows of each series; None leaves the number to the data."""

    num_rows: int | None = None

    def __post_init__(self) -> None:
        rows = self.num_rows
        require(
            rows is None or (type(rows) is int and 0 <= rows <= MOST_ROWS),
            "Intervals follow a number of rows.",
            f"follow={rows!r}",
            f"Use 0 to {MOST_ROWS:,}.",
        )

    def rows_of(self, fitted: FittedForecaster) -> int:
        """Return how many rows are followed: none where nothing tells those of the training."""
        if fitted.calibration is None or fitted.seen_until is None:
            return 0
        if self.num_rows is not None:
            return self.num_rows
        if fitted.schema.id_column is not None:
            return 0
        return min(FOLLOWED_ROWS, ENOUGH_FORECASTS * fitted.horizon)

    def check(self, fitted: FittedForecaster) -> None:
        """Raise a UsageError if rows are to be followed and cannot be."""
        require(
            not self.num_rows or self.rows_of(fitted) > 0,
            "Intervals follow rows that the model has not seen.",
            f"follow={self.num_rows} for a model without intervals"
            if fitted.calibration is None
            else f"follow={self.num_rows} for a model of rows without a time",
            "Leave it out, or use 0.",
        )

    def factors(
        self,
        fitted: FittedForecaster,
        known: pd.DataFrame,
        source: str,
        extended: TimeSeries,
        numbers: Sequence[int] | np.ndarray,
    ) -> tuple[np.ndarray | None, list[TsattnError]]:
        """Return the factors on the half widths of the next forecasts, and why some are 1.

        Every series begins with the intervals of the validation rows, as on test rows, a number of
        rows before its end. There is a forecast every horizon / `STEPS_APART` rows, or fewer where
        there are many; one that is not finite counts as missed. Rows that cannot be read are not
        followed.

        Args:
            fitted: The forecaster.
            known: Known rows; of each series, at least those followed and the lookback before them.
            source: What messages call them.
            extended: The series with what is known ahead of their last known rows.
            numbers: Of the series in it whose factors are returned.

        Returns:
            (series, levels, targets); None where no row is followed.
        """
        rows, calibration = self.rows_of(fitted), fitted.calibration
        if not rows or calibration is None:
            return None, []
        stride = max(-(-fitted.horizon // STEPS_APART), -(-rows // ENOUGH_FORECASTS))
        stride = min(stride, fitted.horizon, rows)
        compile_for(fitted.model, rows // stride)
        groups = group_rows(known, fitted.schema, source)
        num_levels, _, num_targets = calibration.radii.shape
        factors = np.ones((len(numbers), num_levels, num_targets))
        not_followed: list[TsattnError] = []
        for place, number in enumerate(numbers):
            name = extended.series_ids[number]
            try:
                series = with_gaps(known.iloc[np.sort(groups[name])], fitted.schema, source)
            except (DataError, SchemaMismatchError) as error:  # in rows that no forecast reads
                not_followed.append(about_series(error, name) if name else error)
                continue
            end = int(extended.borders[number + 1]) - fitted.horizon
            ahead = extended.original(slice(end, end + fitted.horizon), slice(None))
            factors[place] = _last_factors(fitted, calibration, series, ahead, rows, stride)
        return factors, not_followed


def _last_factors(
    fitted: FittedForecaster,
    calibration: Calibration,
    series: TimeSeries,
    ahead: np.ndarray,
    rows: int,
    stride: int,
) -> np.ndarray:
    """Return the factors at the end of a series: (levels, targets).

    Args:
        fitted: The forecaster.
        calibration: Its intervals.
        series: One series, up to its last known row.
        ahead: (horizon, features) what is known of the rows after it.
        rows: How many of its rows are followed.
        stride: How many rows the origins are apart.
    """
    end, num_targets = series.num_rows, len(fitted.schema.targets)
    extended = extend_series(series, fitted.horizon)
    extended.values[end:] = ahead - series.offsets
    extended.values[end:, :num_targets] = 0  # any number: at the end it is not known
    (unseen,) = fitted.unseen_rows(extended)
    unseen = slice(max(unseen.start, end - rows), unseen.stop)
    origins = fitted.find_origins(extended, [unseen]).origins
    origins = origins[(origins < end) & ((end - origins) % stride == 0)]
    if not len(origins):
        return np.ones((len(calibration.levels), num_targets))
    followed = FollowedIntervals(calibration, origins, series.borders)
    windows = fitted.windows(extended, origins)
    levels, targets = fitted.quantile_levels, fitted.schema.targets
    # In Keras one size for all series, so that nothing is compiled twice.
    size = len(origins) if isinstance(fitted.model, OnnxForecaster) else -(-rows // stride)
    for index, batch, outputs in run_batches(fitted.model, windows, size):
        scaled = point_and_quantiles(outputs[FORECAST], levels)
        made = Forecast.of_scaled(targets, windows, index, *scaled, levels)
        found = (made.forecast, made.quantiles, windows.original(batch.targets, index))
        followed.bounds(index, batch.inputs, windows.sizes(index), *found)
    return followed.factors_at(end)
