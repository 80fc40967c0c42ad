"""The season a series shows by itself, beside the one its frequency suggests."""

import numpy as np


def find_seasonality(values: np.ndarray) -> int | None:
    """Return the steps after which a series repeats itself most clearly; None if it does not.

    The lag at which the autocorrelation peaks, and peaks again at twice the lag: of the values
    without a linear trend or, where slow changes hide the season, of their differences.

    Args:
        values: (rows,) with NaN where nothing is known.
    """
    rows = len(values)
    known = ~np.isnan(values)
    if rows < 8 or known.sum() < rows / 2 or np.nanmin(values) == np.nanmax(values):
        return None
    steps = np.arange(rows)
    trend = np.polynomial.Polynomial.fit(steps[known], values[known].astype(np.float64), deg=1)
    rest = np.where(known, values - trend(steps), 0.0)
    if np.abs(rest).max() <= 1e-9 * np.nanmax(np.abs(values)):
        return None  # nothing but the trend
    noise = 4 / np.sqrt(rows)
    return _peak(rest, 0.3, 0.2) or _peak(np.diff(rest), max(0.1, noise), max(0.1, noise))


def _peak(rest: np.ndarray, least: float, rise: float) -> int | None:
    """Return the first of the highest peaks of the autocorrelation, at least so high.

    It rises by so much above the lowest value before.
    """
    rows = len(rest)
    rest = rest - rest.mean()
    power = np.abs(np.fft.rfft(rest, n=2 * rows)) ** 2
    correlation = np.fft.irfft(power)[: rows // 2]
    # Divided by the terms of each sum, so that long lags are not shrunk.
    correlation *= rows / correlation[0] / (rows - np.arange(rows // 2))
    lowest = np.minimum.accumulate(correlation)
    peaks = [
        lag
        for lag in range(2, rows // 4)
        if correlation[lag] >= max(least, lowest[lag] + rise)
        and correlation[lag] == _around(correlation, lag, lag // 8).max()
        and _around(correlation, 2 * lag, lag // 8).max() >= correlation[lag] / 2
    ]
    best = max((correlation[lag] for lag in peaks), default=0.0)
    slack = 0.1 * best + 2 / np.sqrt(rows)  # a multiple of the season can be higher by chance
    return next((lag for lag in peaks if correlation[lag] >= best - slack), None)


def _around(correlation: np.ndarray, lag: int, width: int) -> np.ndarray:
    width = max(1, width)
    return correlation[lag - width : lag + width + 1]
