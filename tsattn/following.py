"""Intervals that follow how often they held: wider after too many misses, narrower after too few.

The tracking of Gibbs & Candès 2021 (arXiv 2106.00170, equation 2) and Angelopoulos et al. 2023
(arXiv 2307.16895, section 2.1), here of the logarithm of a factor on the half widths.
"""

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

    def __init__(self, calibration: Calibration, horizon: int, num_targets: int) -> None:
        self._calibration = replace(calibration, factor=None)
        self._horizon = horizon
        self._allowed = 1 - np.array(calibration.levels)[:, None] / 100  # (levels, 1)
        self._log = np.zeros((len(calibration.levels), num_targets))
        # Of the rows from the last origin on, at their number modulo the horizon: how many
        # intervals there are, and how many of them miss.
        self._made = np.zeros(horizon)
        self._missed = np.zeros((horizon, *self._log.shape))
        self._row = 0  # the last origin
        self._series: int | None = None
        self._logs: list[np.ndarray] = []  # of the series, window by window
        self._late: list[np.ndarray] = []  # of the second half of each series that is over

    def bounds(
        self,
        origins: np.ndarray,
        series: np.ndarray,
        inputs: np.ndarray,
        forecast: np.ndarray,
        quantiles: np.ndarray | None,
        actual: np.ndarray,
    ) -> tuple[Bounds, Bounds]:
        """Return the bounds of the next windows, and those of the validation rows.

        Both are (lower, upper) as `Calibration.intervals` returns them.

        Args:
            origins: (windows,) the row of each origin, rising.
            series: (windows,) the number of the series of each window.
            inputs: (windows, lookback, features) scaled, the targets first.
            forecast: (windows, horizon, targets) in units of the data.
            quantiles: (windows, horizon, targets, quantiles), of a quantile head.
            actual: (windows, horizon, targets); has a say in the bounds of later windows only.
        """
        bounds = self._calibration.intervals(inputs, forecast, quantiles)
        enough = _factors_that_hold(forecast, actual, *bounds)
        factors = []
        for origin, number, least in zip(origins, series, enough, strict=True):
            if number != self._series:
                self._begin(int(number), int(origin))
            self._follow_until(int(origin))
            self._logs.append(self._log)
            factors.append(np.exp(self._log))
            rows = (origin + np.arange(self._horizon)) % self._horizon
            self._made += 1
            self._missed[rows] += ~(least <= factors[-1].T).swapaxes(1, 2)
        return stretched(forecast, *bounds, np.array(factors)), bounds

    def factor(self) -> np.ndarray:
        """Return the factors for windows that nothing will be known of: (levels, targets).

        It is the (geometric) mean of those of the second half of the windows, of each series: the
        last one alone swings with the errors of its last rows. No more windows can follow.
        """
        self._begin(None, 0)
        mean: np.ndarray = np.exp(np.concatenate(self._late).mean(axis=0))
        return mean.clip(1 / MOST_FACTOR, MOST_FACTOR)

    def _begin(self, series: int | None, origin: int) -> None:
        if self._series is not None:
            self._late.append(np.array(self._logs[len(self._logs) // 2 :]))
            self._logs = []
            self._log = np.zeros_like(self._log)
            self._made[:], self._missed[:] = 0, 0
        self._series, self._row = series, origin

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
