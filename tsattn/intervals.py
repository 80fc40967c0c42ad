"""Prediction intervals: split conformal, calibrated on validation windows, wider where it is hard.

Vovk et al. 2005, section 4; Lei et al. 2018, section 5.2 (errors relative to a local difficulty);
Romano et al. 2019 (quantile forecasts).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

LEAST_DIFFICULTY = 0.1  # of what is typical: a window that stood still may move again
STEPS_APART = 4  # errors h steps ahead count as apart where their origins are h / 4 rows apart


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How far the truth lay from the forecasts of validation windows, for each level.

    An interval reaches from the forecast (of a quantile head: from its quantiles) by a radius times
    the difficulty of the window, which is 1 where the window is as restless as is typical. Of a
    panel it is times the size of the series, its scale beside the common one, too.
    """

    levels: tuple[float, ...]  # in percent, rising
    radii: np.ndarray  # (levels, horizon, targets) in units of the data, for a size of 1
    typical: np.ndarray  # (measures, targets): mean restlessness of the windows, scaled units
    seasonality: int
    num_windows: int
    quantile_levels: tuple[float, ...] = ()

    def intervals(
        self,
        inputs: np.ndarray,
        sizes: np.ndarray,
        forecast: np.ndarray,
        quantiles: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper bounds: (windows, horizon, targets, levels) each.

        An interval holds the forecast and the intervals of lower levels.

        Args:
            inputs: (windows, lookback, features) scaled, the targets first.
            sizes: (windows, targets) scale of the series of each window beside the common one.
            forecast: (windows, horizon, targets) in units of the data.
            quantiles: (windows, horizon, targets, quantiles), of a quantile head.
        """
        measured = restlessness(inputs, forecast.shape[2], self.seasonality)
        scale = (difficulty(measured, self.typical) * sizes)[:, None]  # (windows, 1, targets)
        lower, upper = [forecast], [forecast]
        for level, radius in zip(self.levels, self.radii, strict=True):
            low, high = base_bounds(forecast, quantiles, self.quantile_levels, level)
            lower.append(low - radius * scale)
            upper.append(high + radius * scale)
        return (
            np.minimum.accumulate(np.stack(lower, axis=-1), axis=-1)[..., 1:],
            np.maximum.accumulate(np.stack(upper, axis=-1), axis=-1)[..., 1:],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as JSON-ready values."""
        return {
            "levels": list(self.levels),
            "radii": self.radii.tolist(),
            "typical": self.typical.tolist(),
            "seasonality": self.seasonality,
            "num_windows": self.num_windows,
        }


def calibrate(
    measured: np.ndarray,
    sizes: np.ndarray,
    actual: np.ndarray,
    forecast: np.ndarray,
    quantiles: np.ndarray | None = None,
    *,
    origins: np.ndarray,
    levels: Sequence[float],
    seasonality: int,
    quantile_levels: Sequence[float] = (),
) -> Calibration:
    """Measure, on windows that the model was not trained on, how far intervals must reach.

    At each horizon step and for each target, the radius of a level is the score of the rank that
    `conformal_rank` gives. A score is how far the truth lies outside the bounds of the forecast,
    divided by the difficulty of the window and its size; it is negative inside.

    The errors of windows that overlap go together, the more so the farther ahead they are: at
    horizon step h, windows whose origins lie within h / `STEPS_APART` rows count as one.

    Args:
        measured: (windows, measures, targets) as `restlessness` returns it.
        sizes: (windows, targets), see `Calibration.intervals`.
        actual: (windows, horizon, targets) in units of the data.
        forecast: (windows, horizon, targets) in units of the data.
        quantiles: (windows, horizon, targets, quantiles) in units of the data.
        origins: (windows,) the row of each origin.
        levels: in percent, rising; of which there are enough windows for, see `enough_windows`.
        seasonality: steps per season.
        quantile_levels: the levels of the quantiles.
    """
    typical = measured.mean(axis=0)
    typical = np.where(typical > 0, typical, 1.0)
    scale = (difficulty(measured, typical) * sizes)[:, None]  # (windows, 1, targets)
    rows_apart = [-(-step // STEPS_APART) for step in range(1, actual.shape[1] + 1)]
    apart = {rows: len(np.unique(origins // rows)) for rows in set(rows_apart)}
    radii = []
    for level in levels:
        low, high = base_bounds(forecast, quantiles, quantile_levels, level)
        scores = np.sort(np.maximum(low - actual, actual - high) / scale, axis=0)
        ranks = [conformal_rank(len(scores), level, apart[rows]) for rows in rows_apart]
        radii.append(scores[np.minimum(ranks, len(scores)) - 1, np.arange(len(ranks))])
    return Calibration(
        levels=tuple(levels),
        radii=np.array(radii),
        typical=typical,
        seasonality=seasonality,
        num_windows=len(actual),
        quantile_levels=tuple(quantile_levels),
    )


def conformal_rank(num_windows: int, level: float, num_apart: int | None = None) -> int:
    """Return the rank of the score that intervals of a level reach to; above n, there is none.

    It is ceil((n + 1) level / 100) of n windows: if they were exchangeable, an interval up to this
    score would hold the truth of a new one with a probability of at least the level. Where windows
    overlap it is as high as among those apart, in relation to their number: n / m is in place of 1.

    Args:
        num_windows: n, how many scores there are.
        level: in percent.
        num_apart: m, how many windows apart these are worth; None for all of them.
    """
    as_one = Fraction(1) if num_apart is None else Fraction(num_windows, num_apart)
    # A float such as 0.07 x 100 lies above 7, and its ceiling is 8.
    return math.ceil((num_windows + as_one) * Fraction(str(level)) / 100)


def enough_windows(level: float) -> int:
    """Return the least number of windows that a level can be calibrated on: 19 for 95 %."""
    share = Fraction(str(level)) / 100
    return math.ceil(share / (1 - share))


def num_measures(lookback: int, seasonality: int) -> int:
    """Return how many measures of restlessness a window of a lookback has."""
    return 1 + (lookback > 1) + (1 < seasonality <= lookback // 2)


def restlessness(inputs: np.ndarray, num_targets: int, seasonality: int) -> np.ndarray:
    """Return how much the targets moved in each window: (windows, measures, targets).

    The measures are the standard deviation, the mean size of the change from step to step, and that
    from season to season where the lookback has two seasons.

    Args:
        inputs: (windows, lookback, features), the targets first.
        num_targets: how many of the first features are targets.
        seasonality: steps per season.
    """
    past = inputs[:, :, :num_targets].astype(np.float64)
    lookback = past.shape[1]
    measures = [past.std(axis=1)]
    if lookback > 1:
        measures.append(np.abs(np.diff(past, axis=1)).mean(axis=1))
    if 1 < seasonality <= lookback // 2:
        measures.append(np.abs(past[:, seasonality:] - past[:, :-seasonality]).mean(axis=1))
    return np.stack(measures, axis=1)


def difficulty(measured: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Return the mean of the measures, each relative to what is typical: (windows, targets)."""
    return np.asarray(np.maximum((measured / typical).mean(axis=1), LEAST_DIFFICULTY))


def base_bounds(
    forecast: np.ndarray,
    quantiles: np.ndarray | None,
    quantile_levels: Sequence[float],
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what an interval is measured from: the quantiles nearest to it, or the forecast."""
    if quantiles is None:
        return forecast, forecast
    tail = (100 - level) / 200
    distances = np.abs(np.subtract.outer([tail, 1 - tail], quantile_levels))  # (2, quantiles)
    low, high = distances.argmin(axis=1)
    return quantiles[..., low], quantiles[..., high]
