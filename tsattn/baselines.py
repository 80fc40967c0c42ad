"""The simple forecasts every model is compared with: last value, seasonal naive and linear."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tsattn.data.windows import WindowBatch, Windows

RIDGE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # penalties by the number of windows
MAX_LINEAR_WINDOWS = 100_000
SELECTIVITY = 16  # 4 % more squared error halves the part
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
    """A linear forecast of every target and horizon step from the lagged values.

    Inputs and targets are taken relative to the last known value of their feature, and so are the
    known future covariates where the lags of all features are read: the level of none of them
    matters then. Of the calendar only the first step is read: sine and cosine of the later ones are
    linear in it.
    """

    inputs: str  # "own": the target's lags; "own and known": with what is known ahead; "all"
    weights: np.ndarray  # (targets, regressors + 1, horizon) float32, the intercept last
    num_calendar_features: int = 0  # the last ones of the future inputs

    def forecast(self, batch: WindowBatch) -> np.ndarray:
        """Return the forecast (windows, horizon, targets) in scaled units."""
        num_targets, num_calendar = batch.targets.shape[2], self.num_calendar_features
        if self.inputs == "all":  # the same regressors for every target
            changes = _regressors(batch, self.inputs, num_calendar) @ self.weights
        else:
            changes = np.stack(
                [
                    _regressors(batch, self.inputs, num_calendar, target) @ self.weights[target]
                    for target in range(num_targets)
                ]
            )
        last = batch.inputs[:, -1:, :num_targets]
        return np.asarray(changes.transpose(1, 2, 0) + last)

    def values_read(self, batch: WindowBatch, levels: np.ndarray) -> np.ndarray:
        """Return what the forecast of each target is a weighted sum of, without the constant.

        (windows, targets, regressors): the lagged values of a step, features side by side, from the
        oldest step on; then the known covariates of each horizon step, and the calendar features of
        the first. Those of the target are relative to their mean in the window, those of other
        features to a level (features,).
        """
        parts, ahead = [], _known_ahead(batch, self.inputs, self.num_calendar_features)
        for target in range(batch.targets.shape[2]):
            own = batch.inputs[:, :, target]
            lagged = batch.inputs - levels if self.inputs == "all" else own[:, :, None].copy()
            column = target if self.inputs == "all" else 0
            lagged[:, :, column] = own - own.mean(axis=1, keepdims=True)
            parts.append(np.concatenate([lagged.reshape(len(own), -1), *ahead], axis=1))
        return np.stack(parts, axis=1)

    def weights_of_values(self, lookback: int, num_features: int) -> np.ndarray:
        """Return the weights (targets, regressors, horizon) of `values_read`.

        The regression takes each feature relative to its last value: so the last value counts
        against all the others; that of the target is what the forecast starts from besides.
        """
        weights = self.weights[:, :-1].copy()
        num_targets, regressors, horizon = weights.shape
        read = num_features if self.inputs == "all" else 1  # features
        size = lookback * read
        lagged = weights[:, :size].reshape(num_targets, lookback, read, horizon)
        ahead = weights[:, size : regressors - self.num_calendar_features]
        ahead = ahead.reshape(num_targets, horizon, -1, horizon)  # steps, covariates
        first = read - ahead.shape[2]  # of the covariates
        for target, of_target in enumerate(lagged):
            of_target[-1] = -of_target[:-1].sum(axis=0)
            of_target[-1, target if self.inputs == "all" else 0] += 1.0
            if self.inputs == "all":
                of_target[-1, first:] -= ahead[target].sum(axis=0)
        weights[:, :size] = lagged.reshape(len(weights), size, -1)
        return weights


def _regressors(
    batch: WindowBatch, inputs: str, num_calendar_features: int, target: int = 0
) -> np.ndarray:
    """Return the regressors of each window, the constant last: (windows, regressors + 1)."""
    lagged = batch.inputs if inputs == "all" else batch.inputs[:, :, target : target + 1]
    count = len(lagged)
    relative = (lagged - lagged[:, -1:]).reshape(count, -1)
    if inputs == "all":
        batch = _relative_to_last(batch, num_calendar_features)
    ahead = _known_ahead(batch, inputs, num_calendar_features)
    return np.concatenate([relative, *ahead, np.ones((count, 1), dtype=np.float32)], axis=1)


def _relative_to_last(batch: WindowBatch, num_calendar_features: int) -> WindowBatch:
    """Return windows with the known covariates, the last features, relative to the last value."""
    num_covariates = batch.future_inputs.shape[2] - num_calendar_features
    future = batch.future_inputs.copy()
    first = batch.inputs.shape[2] - num_covariates
    future[:, :, :num_covariates] -= batch.inputs[:, -1:, first:]
    return batch._replace(future_inputs=future)


def _known_ahead(
    batch: WindowBatch, inputs: str, num_calendar_features: int
) -> tuple[np.ndarray, ...]:
    """Return what is read of what is known ahead of each window: covariates, and the calendar."""
    if inputs == "own":
        return ()
    num_covariates = batch.future_inputs.shape[2] - num_calendar_features
    covariates = batch.future_inputs[:, :, :num_covariates].reshape(len(batch.inputs), -1)
    return covariates, batch.future_inputs[:, 0, num_covariates:]


def fit_linear(train: Windows, val: Windows, *, num_calendar_features: int = 0) -> LinearBaseline:
    """Fit the linear baseline on train windows, and weigh and choose on val what it is made of.

    It is the mean of up to three ridge regressions: on the lags of the target; on these and what is
    known ahead; on the lags of all features and what is known ahead. Each has the strength that is
    best on val, and its part in the mean is its squared error there to the power of -`SELECTIVITY`
    (Stock & Watson 2004, "Combination forecasts of output growth in a seven-country data set"): one
    that val does not tell from the best has as much of the mean, one that is far off nothing.

    The normal equations are summed batch by batch (over evenly spaced windows if there are more
    than `MAX_LINEAR_WINDOWS`), so that memory does not grow with their number.

    Args:
        train: Windows to fit on.
        val: Windows to choose by.
        num_calendar_features: How many of the last future inputs are calendar features.
    """
    train, val = train.spread(MAX_LINEAR_WINDOWS), val.spread(MAX_LINEAR_WINDOWS)
    num_features, num_known = train.values.shape[1], train.future_values.shape[1]
    inputs = "all" if num_features > 1 else "own and known" if num_known else "own"
    gram, moment = _normal_equations(train, inputs, num_calendar_features)
    subsets = _subsets(train, len(gram))
    fitted = [_ridge_weights(gram, moment, columns) for columns in subsets]
    errors = _squared_errors(val, subsets, fitted, inputs, num_calendar_features)
    parts = shares_by_error(errors.min(axis=1), SELECTIVITY)
    weights = np.zeros_like(moment, dtype=np.float32)
    for part, columns, candidates, best in zip(
        parts, subsets, fitted, errors.argmin(axis=1), strict=True
    ):
        for target, rows in enumerate(columns):
            weights[target, rows] += part * candidates[best][target]
    return LinearBaseline(
        inputs=inputs, weights=weights, num_calendar_features=num_calendar_features
    )


def shares_by_error(squared_errors: np.ndarray, selectivity: float) -> np.ndarray:
    """Return the share of each forecast in a mean: its squared error to the power of -selectivity.

    The larger the selectivity, the less has what is not the best; the shares sum to 1.
    """
    errors = squared_errors + np.finfo(float).tiny
    parts = (errors.min() / errors) ** selectivity
    return np.asarray(parts / parts.sum())


def _subsets(windows: Windows, num_regressors: int) -> list[list[np.ndarray]]:
    """Return the regressors that each ridge regression of each target has, the constant last."""
    num_features, every = windows.values.shape[1], np.arange(num_regressors)
    lags = every[: windows.lookback * num_features].reshape(windows.lookback, num_features)
    rest = every[lags.size :]  # what is known ahead, and the constant
    targets = range(windows.num_targets)
    subsets = [[np.append(lags[:, target], rest[-1]) for target in targets]]
    if len(rest) > 1:
        subsets.append([np.append(lags[:, target], rest) for target in targets])
    if num_features > 1:
        subsets.append([every] * windows.num_targets)
    return subsets


def _ridge_weights(
    gram: np.ndarray, moment: np.ndarray, columns: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return the weights (targets, regressors, horizon) of some regressors for each strength."""
    if len(columns[0]) == len(gram):  # every regressor: one solution serves all targets
        return _solve(gram, moment)
    solved = [
        _solve(gram[np.ix_(of_target, of_target)], moment[[target]][:, of_target])
        for target, of_target in enumerate(columns)
    ]
    return [np.concatenate(weights) for weights in zip(*solved, strict=True)]


def _squared_errors(
    val: Windows,
    subsets: Sequence[Sequence[np.ndarray]],
    fitted: Sequence[Sequence[np.ndarray]],
    inputs: str,
    num_calendar_features: int,
) -> np.ndarray:
    """Return the sum of squared errors of each subset of the regressors with each strength."""
    errors = np.zeros((len(subsets), len(RIDGE_STRENGTHS)))
    for _, batch in val.batches(_BATCH):
        x, changes = _regressors(batch, inputs, num_calendar_features), _changes(batch)
        for i, columns in enumerate(subsets):
            for target, of_target in enumerate(columns):
                read = x[:, of_target]
                errors[i] += [
                    np.square(read @ weights[target] - changes[target], dtype=np.float64).sum()
                    for weights in fitted[i]
                ]
    return errors


def _changes(batch: WindowBatch) -> np.ndarray:
    """Return the targets relative to their last known value: (targets, windows, horizon)."""
    last = batch.inputs[:, -1:, : batch.targets.shape[2]]
    return np.asarray((batch.targets - last).transpose(2, 0, 1))


def _normal_equations(
    windows: Windows, inputs: str, num_calendar_features: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over the windows of x xᵀ and, for each target, of x yᵀ.

    Shapes: (regressors + 1, regressors + 1) and (targets, regressors + 1, horizon).
    """
    gram: np.ndarray | float = 0.0
    moment: np.ndarray | float = 0.0
    for _, batch in windows.batches(_BATCH):
        x = _regressors(batch, inputs, num_calendar_features)
        gram = gram + (x.T @ x).astype(np.float64)
        moment = moment + (x.T @ _changes(batch)).astype(np.float64)
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
