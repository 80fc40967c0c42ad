"""How wide the intervals of the next forecasts are: they follow the last known rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsattn.config import require
from tsattn.data.places import rows_by_index
from tsattn.data.rows import group_rows
from tsattn.data.series import TimeSeries, extend_series
from tsattn.errors import DataError, SchemaMismatchError
from tsattn.fitted import FittedForecaster
from tsattn.following import FollowedIntervals
from tsattn.forecasts import point_and_quantiles
from tsattn.intervals import STEPS_APART, Calibration
from tsattn.pipeline.known_rows import with_gaps
from tsattn.running import compile_for, run_batches
from tsattn.tensor_names import FORECAST

FOLLOWED_ROWS = 1000  # of one series; those of a panel are many


@dataclass(frozen=True)
class Follow:
    """Follows so many of the last known rows of each series; None leaves the number to the data."""

    num_rows: int | None = None

    def rows_of(self, fitted: FittedForecaster) -> int:
        """Return how many rows are followed: none where nothing tells those of the training."""
        if fitted.calibration is None or fitted.seen_until is None:
            return 0
        if self.num_rows is not None:
            return self.num_rows
        return FOLLOWED_ROWS if fitted.schema.id_column is None else 0

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
    ) -> tuple[np.ndarray | None, list[str]]:
        """Return the factors on the half widths of the next forecasts, and notes.

        Every series begins with the intervals of the validation rows, as on test rows, a number of
        rows before its end. There is a forecast every horizon / `STEPS_APART` rows.

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
        compile_for(fitted.model, rows)
        groups = group_rows(known, fitted.schema, source)
        num_levels, _, num_targets = calibration.radii.shape
        factors, notes = np.ones((len(numbers), num_levels, num_targets)), []
        for place, number in enumerate(numbers):
            frame = known.iloc[np.sort(groups[extended.series_ids[number]])]
            try:
                with rows_by_index(frame):
                    series = with_gaps(frame, fitted.schema, source)
            except (DataError, SchemaMismatchError) as error:  # in rows that no forecast reads
                notes.append(f"intervals are those of the validation rows: {error}")
                continue
            end = int(extended.borders[number + 1]) - fitted.horizon
            ahead = extended.original(slice(end, end + fitted.horizon), slice(None))
            factors[place] = _last_factors(fitted, calibration, series, ahead, rows)
        return factors, notes


def _last_factors(
    fitted: FittedForecaster,
    calibration: Calibration,
    series: TimeSeries,
    ahead: np.ndarray,
    rows: int,
) -> np.ndarray:
    """Return the factors at the end of a series: (levels, targets).

    Args:
        fitted: The forecaster.
        calibration: Its intervals.
        series: One series, up to its last known row.
        ahead: (horizon, features) what is known of the rows after it.
        rows: How many of its rows are followed.
    """
    end, num_targets = series.num_rows, len(fitted.schema.targets)
    extended = extend_series(series, fitted.horizon)
    extended.values[end:] = ahead - series.offsets
    extended.values[end:, :num_targets] = 0  # any number: at the end it is not known
    (unseen,) = fitted.unseen_rows(extended)
    unseen = slice(max(unseen.start, end - rows), unseen.stop)
    origins = fitted.find_origins(extended, [unseen]).origins
    stride = -(-fitted.horizon // STEPS_APART)
    origins = origins[(origins < end) & ((end - origins) % stride == 0)]
    if not len(origins):
        return np.ones((len(calibration.levels), num_targets))
    followed = FollowedIntervals(calibration, origins, series.borders)
    windows = fitted.windows(extended, origins)
    inverse, columns = fitted.scaler.inverse_transform, range(num_targets)
    for index, batch, outputs in run_batches(fitted.model, windows, -(-rows // stride)):
        point, quantiles = point_and_quantiles(outputs[FORECAST], fitted.quantile_levels)
        followed.bounds(
            index,
            batch.inputs,
            inverse(point, columns),
            None if quantiles is None else inverse(quantiles, columns),
            inverse(batch.targets, columns),
        )
    return followed.factors_at(end)
