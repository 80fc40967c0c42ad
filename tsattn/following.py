"""Intervals that follow how often they held: wider after too many misses, narrower after too few.

The tracking of Gibbs & Candès 2021 (arXiv 2106.00170, equation 2) and Angelopoulos et al. 2023
(arXiv 2307.16895, section 2.1), here of the logarithm of a factor on the half widths.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tsattn.intervals import MOST_FACTOR, Calibration, stretched

Bounds = tuple[np.ndarray, np.ndarray]

RATE = 0.005  # how much the logarithm rises with a value that every interval for it missed


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
        self._calibration = replace(calibration, factor=None)
        self._origins = origins
        series = np.searchsorted(borders, origins, side="right")
        first, last = (np.searchsorted(series, series, side=side) for side in ("left", "right"))
        self._begins = first == np.arange(len(origins))
        self._is_late = np.arange(len(origins)) >= (first + last) // 2
        num_levels, self._horizon, num_targets = calibration.radii.shape
        self._allowed = 1 - np.array(calibration.levels)[:, None] / 100  # (levels, 1)
        self._log = np.zeros((num_levels, num_targets))
        self._late_logs = np.zeros_like(self._log)  # added up
        # Of the rows from the last origin on, at their number modulo the horizon: how many
        # intervals there are, and how many of them miss.
        self._made = np.zeros(self._horizon)
        self._missed = np.zeros((self._horizon, *self._log.shape))
        self._row = 0  # the last origin

    def bounds(
        self,
        index: slice,
        inputs: np.ndarray,
        forecast: np.ndarray,
        quantiles: np.ndarray | None,
        actual: np.ndarray,
    ) -> tuple[Bounds, Bounds]:
        """Return the bounds of the next windows, and those of the validation rows.

        Both are (lower, upper) as `Calibration.intervals` returns them.

        Args:
            index: Which of the windows they are, beginning where the last ones ended.
            inputs: (windows, lookback, features) scaled, the targets first.
            forecast: (windows, horizon, targets) in units of the data.
            quantiles: (windows, horizon, targets, quantiles), of a quantile head.
            actual: (windows, horizon, targets); has a say in the bounds of later windows only.
        """
        bounds = self._calibration.intervals(inputs, forecast, quantiles)
        enough = _factors_that_hold(forecast, actual, *bounds)
        factors = []
        for number, least in zip(range(index.start, index.stop), enough, strict=True):
            origin = int(self._origins[number])
            if self._begins[number]:
                self._begin(origin)
            self._follow_until(origin)
            if self._is_late[number]:
                self._late_logs += self._log
            factors.append(np.exp(self._log))
            rows = (origin + np.arange(self._horizon)) % self._horizon
            self._made += 1
            self._missed[rows] += ~(least <= factors[-1].T).swapaxes(1, 2)
        return stretched(forecast, *bounds, np.array(factors)), bounds

    def factor(self) -> np.ndarray:
        """Return the factors for windows that nothing will be known of: (levels, targets).

        It is the (geometric) mean of those of the second half of the windows, of each series: the
        last one alone swings with the errors of its last rows.
        """
        mean: np.ndarray = np.exp(self._late_logs / self._is_late.sum())
        return mean.clip(1 / MOST_FACTOR, MOST_FACTOR)

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


def _factors_that_hold(
    forecast: np.ndarray, actual: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Return the least factor with which each interval holds the truth; NaN if none does."""
    middle, truth = forecast[..., None], actual[..., None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        half_width = np.where(truth < middle, middle - lower, upper - middle)
        distance = np.abs(truth - middle)
        return np.where(distance == 0, 0.0, distance / half_width)
