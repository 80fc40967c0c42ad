"""The simple forecasts every model is compared with: last value, seasonal naive and linear."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tsattn.data.windows import WindowBatch, Windows

_NO_WEIGHT = 1e-9  # rounding errors of regressions in which a level was always 0


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
    return windows.relative(np.where(np.isnan(forecast), last, forecast), index)


@dataclass(frozen=True, kw_only=True)
class LinearBaseline:
    """A linear forecast of every target and horizon step from the lagged values.

    Inputs and targets are taken relative to the last known value of their feature, and so are the
    known future covariates where the lags of all features are read. The last values themselves are
    read beside that: a target may return to its mean, or follow the level of another feature. Of
    the calendar only the first step is read: sine and cosine of the later ones are linear in it.
    """

    inputs: str  # "own": the target's lags; "own and known": with what is known ahead; "all"
    weights: np.ndarray  # (targets, regressors + 1, horizon) float32, the intercept last
    num_calendar_features: int = 0  # the last ones of the future inputs

    def forecast(self, batch: WindowBatch) -> np.ndarray:
        """Return the forecast (windows, horizon, targets) in scaled units."""
        num_targets, num_calendar = batch.targets.shape[2], self.num_calendar_features
        if self.inputs == "all":  # the same regressors for every target
            changes = regressors(batch, self.inputs, num_calendar) @ self.weights
        else:
            changes = np.stack(
                [
                    regressors(batch, self.inputs, num_calendar, target) @ self.weights[target]
                    for target in range(num_targets)
                ]
            )
        last = batch.inputs[:, -1:, :num_targets]
        return np.asarray(changes.transpose(1, 2, 0) + last)

    def reads_levels(self, lookback: int, num_features: int) -> bool:
        """Return whether the levels of features that are no targets matter."""
        if self.inputs != "all":
            return False
        of_all = slice((lookback - 1) * num_features, lookback * num_features)
        of_others = self.weights[:, of_all][:, len(self.weights) :]
        return bool(np.abs(of_others).max(initial=0.0) > _NO_WEIGHT)

    def sizes_read(self, batch: WindowBatch, levels: np.ndarray) -> np.ndarray:
        """Return the sizes of `values_read`, what a profile is made of.

        Where levels of other features matter, these are relative to the mean of the train rows, 0,
        and not to `levels`, which are of some windows: else the level itself would not be seen.
        """
        if self.reads_levels(*batch.inputs.shape[1:]):
            levels = np.zeros_like(levels)
        return np.asarray(np.abs(self.values_read(batch, levels)))

    def values_read(self, batch: WindowBatch, levels: np.ndarray) -> np.ndarray:
        """Return what the forecast of each target is a weighted sum of, without the constant.

        (windows, targets, regressors): the lagged values of a step, features side by side, from the
        oldest step on; then the known covariates of each horizon step, and the calendar features of
        the first. Those of the target are relative to their mean in the window, those of other
        features to a level, (features,) or (windows, 1, features). Where the lags of all features
        are read, so are the covariates that are known ahead: their past counts against these.
        """
        known = batch
        if self.inputs == "all":
            known = _relative_to(levels, batch, self.num_calendar_features)
        parts, ahead = [], _known_ahead(known, self.inputs, self.num_calendar_features)
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
        against all the others; it is read besides, and that of the target is what the forecast
        starts from.
        """
        weights = self.weights[:, :-1].copy()
        num_targets, count, horizon = weights.shape
        read = num_features if self.inputs == "all" else 1  # features
        size = lookback * read
        lagged = weights[:, :size].reshape(num_targets, lookback, read, horizon)
        ahead = weights[:, size : count - self.num_calendar_features]
        ahead = ahead.reshape(num_targets, horizon, -1, horizon)  # steps, covariates
        first = read - ahead.shape[2]  # of the covariates
        for target, of_target in enumerate(lagged):
            of_target[-1] -= of_target[:-1].sum(axis=0)
            of_target[-1, target if self.inputs == "all" else 0] += 1.0
            if self.inputs == "all":
                of_target[-1, first:] -= ahead[target].sum(axis=0)
        weights[:, :size] = lagged.reshape(len(weights), size, -1)
        return weights


def regressors(
    batch: WindowBatch, inputs: str, num_calendar_features: int, target: int = 0
) -> np.ndarray:
    """Return what the linear baseline reads of each window: (windows, regressors + 1).

    The constant is last. Where every column belongs, see `LinearBaseline.values_read`.

    Args:
        batch: The windows.
        inputs: What is read, see `LinearBaseline`.
        num_calendar_features: How many of the last future inputs are calendar features.
        target: Whose lags are read, if not those of all features.
    """
    lagged = batch.inputs if inputs == "all" else batch.inputs[:, :, target : target + 1]
    count = len(lagged)
    relative = lagged - lagged[:, -1:]
    relative[:, -1] = lagged[:, -1]
    if inputs == "all":
        batch = _relative_to(batch.inputs[:, -1:], batch, num_calendar_features)
    ahead = _known_ahead(batch, inputs, num_calendar_features)
    relative = relative.reshape(count, -1)
    return np.concatenate([relative, *ahead, np.ones((count, 1), dtype=np.float32)], axis=1)


def regressors_of_features(
    windows: Windows, num_regressors: int, num_calendar_features: int
) -> list[np.ndarray]:
    """Return which of the `regressors` of all features are of each: its lags, what is known of it.

    `num_regressors` counts the constant, which is of none, as the calendar is.
    """
    num_features = windows.values.shape[1]
    num_covariates = windows.future_values.shape[1] - num_calendar_features
    num_lags = windows.lookback * num_features
    lags, ahead = np.split(np.arange(num_regressors), [num_lags])
    ahead = ahead[: windows.horizon * num_covariates]
    found = [lags[feature::num_features] for feature in range(num_features)]
    for covariate in range(num_covariates):
        feature = num_features - num_covariates + covariate
        found[feature] = np.concatenate([found[feature], ahead[covariate::num_covariates]])
    return found


def values_of_regressors(
    windows: Windows, num_regressors: int, num_calendar_features: int
) -> np.ndarray:
    """Return the matrix that makes values as they are of `regressors` of all features.

    (regressors + 1, regressors + 1): it adds the last value to what is relative to it.
    """
    values = np.eye(num_regressors)
    for columns in regressors_of_features(windows, num_regressors, num_calendar_features):
        values[columns, columns[windows.lookback - 1]] = 1
    return values


def _relative_to(levels: np.ndarray, batch: WindowBatch, num_calendar_features: int) -> WindowBatch:
    """Return windows with the known covariates, the last features, relative to their levels."""
    num_covariates = batch.future_inputs.shape[2] - num_calendar_features
    future = batch.future_inputs.copy()
    future[:, :, :num_covariates] -= levels[..., levels.shape[-1] - num_covariates :]
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
