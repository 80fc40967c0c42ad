"""The simple forecasts every model is compared with: last value, seasonal naive and linear."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tsattn.data.windows import WindowBatch, Windows

RIDGE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MAX_LINEAR_WINDOWS = 100_000
_BATCH = 1024


def last_value(batch: WindowBatch, horizon: int) -> np.ndarray:
    """Repeat the last known value: (windows, horizon, targets)."""
    num_targets = batch.targets.shape[2]
    return np.repeat(batch.inputs[:, -1:, :num_targets], horizon, axis=1)


def seasonal_naive(
    windows: Windows, index: np.ndarray | slice, seasonality: int, first_rows: np.ndarray
) -> np.ndarray:
    """Repeat the last known season, which may lie before the lookback.

    Args:
        windows: the windows.
        index: which of them.
        seasonality: steps per season.
        first_rows: (windows,) first row of the series of every window of the index. Where a
            season reaches back before it, or is missing, the last value is repeated.

    Returns:
        (windows, horizon, targets).
    """
    origins = windows.origins[index][:, None]
    steps = np.arange(windows.horizon)
    rows = origins - seasonality + steps % seasonality  # (windows, horizon)
    outside = rows < first_rows[:, None]
    forecast = windows.values[np.where(outside, origins - 1, rows), : windows.num_targets]
    last = windows.values[origins - 1, : windows.num_targets]  # (windows, 1, targets)
    return np.where(np.isnan(forecast), last, forecast)


@dataclass(frozen=True, kw_only=True)
class LinearBaseline:
    """A ridge regression of every target and horizon step on the lagged values.

    Inputs and targets are taken relative to the last known value of their feature; the known
    future inputs are taken as they are.
    """

    inputs: str  # "own": the target's own lags; "all": every feature's
    strength: float  # ridge penalty divided by the number of windows
    weights: np.ndarray  # (targets, regressors + 1, horizon) float32, the intercept last

    def forecast(self, batch: WindowBatch) -> np.ndarray:
        """Return the forecast (windows, horizon, targets) in scaled units."""
        outputs = []
        for target in range(batch.targets.shape[2]):
            regressors = _regressors(batch, target if self.inputs == "own" else None)
            change = regressors @ self.weights[target]  # (windows, horizon)
            outputs.append(change + batch.inputs[:, -1, target, None])
        return np.stack(outputs, axis=2)


def _regressors(batch: WindowBatch, target: int | None) -> np.ndarray:
    """Return the regressors of each window, the constant last: (windows, regressors + 1)."""
    inputs = batch.inputs if target is None else batch.inputs[:, :, target : target + 1]
    relative = inputs - inputs[:, -1:]
    count = len(inputs)
    parts = [
        relative.reshape(count, -1),
        batch.future_inputs.reshape(count, -1),
        np.ones((count, 1), dtype=np.float32),
    ]
    return np.concatenate(parts, axis=1)


def fit_linear(train: Windows, val: Windows) -> LinearBaseline:
    """Fit the linear baseline on train windows and choose its inputs and strength on val.

    The normal equations are summed batch by batch (over evenly spaced windows if there are more
    than `MAX_LINEAR_WINDOWS`), so that memory does not grow with their number.
    """
    train = train.spread(MAX_LINEAR_WINDOWS)
    val = val.spread(MAX_LINEAR_WINDOWS)
    targets = range(train.num_targets)
    own = [_solve(*_normal_equations(train, [target], target)) for target in targets]
    candidates = [
        LinearBaseline(inputs="own", strength=strength, weights=np.concatenate(weights))
        for strength, *weights in zip(RIDGE_STRENGTHS, *own, strict=True)
    ]
    if train.values.shape[1] > 1:
        candidates += [
            LinearBaseline(inputs="all", strength=strength, weights=weights)
            for strength, weights in zip(
                RIDGE_STRENGTHS, _solve(*_normal_equations(train, targets, None)), strict=True
            )
        ]
    errors = np.zeros(len(candidates))
    for _, batch in val.batches(_BATCH):
        errors += [
            np.square(candidate.forecast(batch) - batch.targets, dtype=np.float64).sum()
            for candidate in candidates
        ]
    return candidates[int(np.argmin(errors))]


def _normal_equations(
    windows: Windows, targets: Sequence[int], own: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over the windows of x xᵀ and, for each target, of x yᵀ.

    Shapes: (regressors + 1, regressors + 1) and (targets, regressors + 1, horizon).
    """
    gram: np.ndarray | float = 0.0
    moment: np.ndarray | float = 0.0
    for _, batch in windows.batches(_BATCH):
        x = _regressors(batch, own)
        changes = batch.targets - batch.inputs[:, -1:, : windows.num_targets]
        y = changes[:, :, list(targets)].transpose(2, 0, 1)  # (targets, windows, horizon)
        gram = gram + (x.T @ x).astype(np.float64)
        moment = moment + (x.T @ y).astype(np.float64)
    return np.asarray(gram) / len(windows), np.asarray(moment) / len(windows)


def _solve(gram: np.ndarray, moment: np.ndarray) -> list[np.ndarray]:
    """Return the ridge weights (targets, regressors + 1, horizon) for each strength."""
    values, vectors = np.linalg.eigh(gram)
    projected = vectors.T @ moment  # (targets, regressors + 1, horizon)
    shrunk = np.maximum(values, 0)[:, None] + 1e-9 * values[-1]
    return [
        (vectors @ (projected / (shrunk + strength))).astype(np.float32)
        for strength in RIDGE_STRENGTHS
    ]


Forecaster = Callable[[Windows, slice, WindowBatch], np.ndarray]


def baseline_forecasters(
    seasonality: int, borders: np.ndarray, linear: LinearBaseline
) -> dict[str, Forecaster]:
    """Return each baseline as a function of windows, an index of them and their batch.

    Args:
        seasonality: steps per season.
        borders: (series + 1,) first row of each series, see `TimeSeries`.
        linear: the fitted linear baseline.
    """

    def seasonal(windows: Windows, index: slice, batch: WindowBatch) -> np.ndarray:
        del batch
        series = np.searchsorted(borders, windows.origins[index] - 1, side="right") - 1
        return seasonal_naive(windows, index, seasonality, borders[series])

    return {
        "last_value": lambda windows, _, batch: last_value(batch, windows.horizon),
        "seasonal_naive": seasonal,
        "linear": lambda _windows, _index, batch: linear.forecast(batch),
    }
