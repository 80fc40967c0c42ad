"""Intervals that follow how often they held: wider after too many misses, narrower after too few.

The tracking of Gibbs & Candès 2021 (arXiv 2106.00170, equation 2) and Angelopoulos et al. 2023
(arXiv 2307.16895, section 2.1), here of the logarithm of a factor on the half widths.
"""

from collections.abc import Sequence

import numpy as np

from tsattn.intervals import Calibration

Bounds = tuple[np.ndarray, np.ndarray]

RATE = 0.005  # how much the logarithm rises with a value that every interval for it missed
MOST_FACTOR = 2.0  # 1 / MOST_FACTOR is the least


class FollowedIntervals:
    """Intervals of windows in order of time, each as wide as was known at its origin.

    Every series begins with those of the validation rows. With every row that becomes known, the
    logarithm of the factor of each level and target rises by `RATE` times the share of the
    intervals for it, made at up to `horizon` origins, that missed it, less what the level allows.
    """

    def __init__(
        self, calibration: Calibration, origins: np.ndarray, borders: np.ndarray | Sequence[int]
    ) -> None:
        """Prepare to follow.

        Args:
            calibration: The intervals of the validation rows.
            origins: (windows,) the rows of all origins, rising.
            borders: The rows where series begin, rising.
        """
        self._calibration = calibration
        self._origins = origins
        series = np.searchsorted(borders, origins, side="right")
        self._begins = np.diff(series, prepend=0) > 0
        num_levels, self._horizon, num_targets = calibration.radii.shape
        self._allowed = 1 - np.array(calibration.levels)[:, None] / 100  # (levels, 1)
        self._log = np.zeros((num_levels, num_targets))
        # Of the rows from the last origin on, at their number modulo the horizon: how many
        # intervals there are, and how many of them miss.
        self._made = np.zeros(self._horizon)
        self._missed = np.zeros((self._horizon, *self._log.shape))
        self._row = 0  # the last origin

    def bounds(
        self,
        index: slice,
        inputs: np.ndarray,
        sizes: np.ndarray,
        forecast: np.ndarray,
        quantiles: np.ndarray | None,
        actual: np.ndarray,
    ) -> tuple[Bounds, Bounds]:
        """Return the bounds of the next windows, and those of the validation rows.

        Both are (lower, upper) as `Calibration.intervals` returns them.

        Args:
            index: Which of the windows they are, beginning where the last ones ended.
            inputs: (windows, lookback, features) scaled, the targets first.
            sizes: (windows, targets), see `Calibration.intervals`.
            forecast: (windows, horizon, targets) in units of the data.
            quantiles: (windows, horizon, targets, quantiles), of a quantile head.
            actual: (windows, horizon, targets); has a say in the bounds of later windows only.
        """
        bounds = self._calibration.intervals(inputs, sizes, forecast, quantiles)
        enough = _factors_that_hold(forecast, actual, *bounds)
        factors = []
        for number, least in zip(range(index.start, index.stop), enough, strict=True):
            origin = int(self._origins[number])
            if self._begins[number]:
                self._begin(origin)
            self._follow_until(origin)
            factors.append(np.exp(self._log))
            rows = (origin + np.arange(self._horizon)) % self._horizon
            self._made += 1
            self._missed[rows] += ~(least <= factors[-1].T).swapaxes(1, 2)
        return stretched(forecast, *bounds, np.array(factors)), bounds

    def factors_at(self, row: int) -> np.ndarray:
        """Return the factors at an origin after those of the windows: (levels, targets)."""
        self._follow_until(row)
        return np.exp(self._log)

    def _begin(self, origin: int) -> None:
        self._log = np.zeros_like(self._log)
        self._made[:], self._missed[:] = 0, 0
        self._row = origin

    def _follow_until(self, origin: int) -> None:
        """Follow the rows before an origin, which are known there."""
        most = np.log(MOST_FACTOR)
        for row in range(self._row, min(origin, self._row + self._horizon)):
            place = row % self._horizon
            missed = self._missed[place] / self._made[place]
            self._log = np.clip(self._log + RATE * (missed - self._allowed), -most, most)
            self._made[place] = self._missed[place] = 0
        self._row = origin


def stretched(
    forecast: np.ndarray, lower: np.ndarray, upper: np.ndarray, factors: np.ndarray
) -> Bounds:
    """Return bounds with their distance from the forecast multiplied, each level within the next.

    Args:
        forecast: (windows, horizon, targets).
        lower: (windows, horizon, targets, levels), as `upper`.
        upper: above the forecast.
        factors: (windows, levels, targets).
    """
    middle, factors = forecast[..., None], factors.transpose(0, 2, 1)[:, None]
    with np.errstate(invalid="ignore", over="ignore"):  # a forecast may not be finite
        return (
            np.minimum.accumulate(middle - factors * (middle - lower), axis=-1),
            np.maximum.accumulate(middle + factors * (upper - middle), axis=-1),
        )


def _factors_that_hold(
    forecast: np.ndarray, actual: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Return the least factor with which each interval holds the truth; NaN if none does."""
    middle, truth = forecast[..., None], actual[..., None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        half_width = np.where(truth < middle, middle - lower, upper - middle)
        distance = np.abs(truth - middle)
        return np.where(distance == 0, 0.0, distance / half_width)
