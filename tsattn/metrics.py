"""Forecast errors, summed batch by batch over every window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SCALED_METRICS = ("mse", "mae", "rmse")
ORIGINAL_METRICS = (*SCALED_METRICS, "smape", "mase")
_ROUNDING = 1e-5  # of sums of squares in float32


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Errors of a forecast over many windows, for each horizon step and target."""

    unit: str  # "scaled" or "original"
    targets: tuple[str, ...]
    num_windows: int
    squared: np.ndarray  # (horizon, targets) mean squared error
    absolute: np.ndarray  # (horizon, targets) mean absolute error
    percentage: np.ndarray  # (horizon, targets) mean symmetric absolute percentage error, 0-200
    naive_mae: np.ndarray | None = None  # (targets,) seasonal-naive MAE of the train rows

    @property
    def mse(self) -> float:
        """Mean squared error over all windows, steps and targets."""
        return float(self.squared.mean())

    @property
    def mae(self) -> float:
        """Mean absolute error over all windows, steps and targets."""
        return float(self.absolute.mean())

    def cells(self, metric: str) -> np.ndarray:
        """Return a metric for each horizon step and target, before any root is taken."""
        if metric in ("mse", "rmse"):
            return self.squared
        if metric == "mae":
            return self.absolute
        if metric == "smape":
            return self.percentage
        if self.naive_mae is None:
            return np.full_like(self.absolute, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.naive_mae > 0, self.absolute / self.naive_mae, np.nan)

    def to_json(self) -> dict[str, Any]:
        """Return every metric overall, per target and per horizon step; NaN becomes None."""
        content = {}
        for metric in ORIGINAL_METRICS if self.unit == "original" else SCALED_METRICS:
            cells = self.cells(metric)
            root = np.sqrt if metric == "rmse" else np.asarray
            per_target = root(cells.mean(axis=0))
            content[metric] = {
                "overall": _number(root(cells.mean())),
                "per_target": {
                    name: _number(value)
                    for name, value in zip(self.targets, per_target, strict=True)
                },
                "per_horizon_step": [_number(value) for value in root(cells.mean(axis=1))],
            }
        return content


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


class ScoreSum:
    """Adds up the errors of batches of windows; `scores` divides by their number."""

    def __init__(self, horizon: int, targets: Sequence[str], unit: str) -> None:
        self.unit = unit
        self.targets = tuple(targets)
        self.num_windows = 0
        self._squared, self._absolute, self._percentage = np.zeros((3, horizon, len(self.targets)))

    def add(self, forecast: np.ndarray, actual: np.ndarray) -> None:
        """Add the errors of a batch; both arrays are (windows, horizon, targets)."""
        actual = actual.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # an infinite forecast scores NaN
            error = np.abs(forecast - actual)
            size = np.abs(forecast) + np.abs(actual)
            share = np.divide(error, size, out=np.zeros_like(error), where=size > 0)
        self.num_windows += len(error)
        self._squared += np.square(error).sum(axis=0)
        self._absolute += error.sum(axis=0)
        self._percentage += 200 * share.sum(axis=0)

    def scores(self, naive_mae: np.ndarray | None = None) -> Scores:
        """Return the mean errors over the windows added so far; NaN if there are none."""
        count = self.num_windows or np.nan
        return Scores(
            unit=self.unit,
            targets=self.targets,
            num_windows=self.num_windows,
            squared=self._squared / count,
            absolute=self._absolute / count,
            percentage=self._percentage / count,
            naive_mae=naive_mae,
        )


def skill(scores: Scores, baseline: Scores) -> float | None:
    """Return 1 - MSE / MSE of the baseline, 0 where these differ by rounding alone.

    None where the baseline makes no error.
    """
    if not baseline.mse > 0:
        return None
    is_same = is_no_worse(scores.mse, baseline.mse) and is_no_worse(baseline.mse, scores.mse)
    return 0.0 if is_same else _number(1 - scores.mse / baseline.mse)


def is_no_worse(squared_error: float, other: float) -> bool:
    """Return whether an error is at most as large as another one, but for rounding.

    A model that is all linear path, say, has the errors of the linear forecast, added up otherwise.
    What is not a number is worse.
    """
    return squared_error <= other * (1 + _ROUNDING)


def percent_lower(skill: float) -> str:
    """Return by how much the MSE of a baseline is lower than the model's, for a skill below 0."""
    part = skill / (skill - 1)
    return f"{part:.0%}" if part >= 0.005 else "less than 1%"


def seasonal_naive_mae(
    values: np.ndarray, rows: Sequence[slice], num_targets: int, seasonality: int
) -> np.ndarray:
    """Return each target's mean absolute change over one season, on the train rows.

    The denominator of the mean absolute scaled error (Hyndman & Koehler 2006, section 3).

    Args:
        values: (rows, features) in original units, the targets first.
        rows: the train rows, one slice per series.
        num_targets: how many of the first features are targets.
        seasonality: steps per season.

    Returns:
        (targets,) float64; NaN where no train row has another one season before.
    """
    total, count = np.zeros(num_targets), np.zeros(num_targets)
    for part in rows:
        block = values[part, :num_targets].astype(np.float64)
        change = np.abs(block[seasonality:] - block[:-seasonality])
        total += np.nansum(change, axis=0)
        count += np.sum(~np.isnan(change), axis=0)
    return np.asarray(np.divide(total, count, out=np.full(num_targets, np.nan), where=count > 0))
