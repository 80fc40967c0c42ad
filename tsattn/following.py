"""Intervals that follow how often they held: wider after too many misses, narrower after too few.

The tracking of Gibbs & Candès 2021 (arXiv 2106.00170, equation 2) and Angelopoulos et al. 2023
(arXiv 2307.16895, section 2.1), here of the logarithm of a factor on the half widths.
"""

from collections import deque
from dataclasses import replace

import numpy as np

from tsattn.intervals import MOST_FACTOR, Calibration, stretched

RATE = 0.005  # how much the logarithm rises after a window that was missed at every step


class FollowedIntervals:
    """Intervals of windows in order of time, each as wide as was known at its origin.

    Every series begins with those of the validation rows. Once the last target of a window is
    known, the logarithm of the factor of each level and target rises by `RATE` times the share of
    the horizon steps that the intervals of the window missed, less what the level allows.
    """

    def __init__(self, calibration: Calibration, horizon: int, num_targets: int) -> None:
        self._calibration = replace(calibration, factor=None)
        self._horizon = horizon
        self._allowed = 1 - np.array(calibration.levels)[:, None] / 100  # (levels, 1)
        self._log = np.zeros((len(calibration.levels), num_targets))
        self._waiting: deque[tuple[int, np.ndarray]] = deque()  # row it is known at, share missed
        self._series: int | None = None
        self._ends: list[np.ndarray] = []  # what series that are over ended with

    def bounds(
        self,
        origins: np.ndarray,
        series: np.ndarray,
        inputs: np.ndarray,
        forecast: np.ndarray,
        quantiles: np.ndarray | None,
        actual: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper bounds of the next windows, as `Calibration.intervals`.

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
                self._begin(int(number))
            self._follow_until(int(origin))
            factors.append(np.exp(self._log))
            missed = (least > factors[-1].T).mean(axis=0).T  # (levels, targets)
            self._waiting.append((int(origin) + self._horizon, missed))
        return stretched(forecast, *bounds, np.array(factors))

    def factor(self) -> np.ndarray:
        """Return the factors, (levels, targets), once the targets of all windows are known.

        Of several series it is the (geometric) mean. No more windows can follow.
        """
        self._begin(None)
        mean: np.ndarray = np.exp(np.mean(self._ends, axis=0))
        return mean.clip(1 / MOST_FACTOR, MOST_FACTOR)

    def _begin(self, series: int | None) -> None:
        if self._series is not None:
            self._follow_until(None)
            self._ends.append(self._log)
            self._log = np.zeros_like(self._log)
        self._series = series

    def _follow_until(self, row: int | None) -> None:
        most = np.log(MOST_FACTOR)
        while self._waiting and (row is None or self._waiting[0][0] <= row):
            missed = self._waiting.popleft()[1]
            self._log = np.clip(self._log + RATE * (missed - self._allowed), -most, most)


def _factors_that_hold(
    forecast: np.ndarray, actual: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Return the least factor with which each interval holds the truth."""
    middle, truth = forecast[..., None], actual[..., None]
    half_width = np.where(truth < middle, middle - lower, upper - middle)
    distance = np.abs(truth - middle)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(distance > 0, distance / half_width, 0.0)
