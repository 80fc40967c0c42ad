"""Regression on few values: those whose weights are more than noise."""

import numpy as np

from tsattn.data.windows import Windows

_PENALTY = 1e-4  # in the standard errors alone: values are in standard deviations
_ROUNDING = 1e-9


def few_weights(
    windows: Windows,
    gram: np.ndarray,
    moment: np.ndarray,
    columns: np.ndarray,
    variances: np.ndarray,
    num_calendar_features: int,
) -> np.ndarray | None:
    """Return the weights of a regression on those values whose weight is more than noise.

    Of all values together by least squares those are kept whose weight at some step is more than
    √(2 ln m) standard errors, which the largest of m weights that are nothing but noise hardly
    reaches (Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage", Biometrika
    81); they are then fitted by themselves. Windows that overlap ahead count as one.

    Args:
        windows: The train windows.
        gram: (regressors + 1, regressors + 1) mean over the windows of x xᵀ, see `regressors`.
        moment: (targets, regressors + 1, horizon) the same of x yᵀ, with y relative to the last
            value of the target.
        columns: (targets, n) the lagged values, what is known ahead and the constant, the last,
            that may be read, numbered like regressors.
        variances: (targets, horizon) squared errors of a forecast like this.
        num_calendar_features: How many of the last future inputs are calendar features.

    Returns:
        The weights of `LinearBaseline`; None if a target has no value left.
    """
    values = _values_of_regressors(windows, len(gram), num_calendar_features)
    first = (windows.lookback - 1) * windows.values.shape[1]
    weights = np.zeros(moment.shape)
    for target, read in enumerate(columns):
        last = first + target
        of_values = values[read]
        products = of_values @ gram @ of_values.T
        answers = of_values @ (moment[target] + gram[:, [last]])
        inverse = np.linalg.inv(products + _PENALTY * np.eye(len(read)))
        noise = np.diag(inverse)[:, None] * variances[target] * windows.horizon / len(windows)
        most = 2 * np.log(answers.size)
        kept = (np.square(inverse @ answers) > most * noise).any(axis=1)
        if not kept[:-1].any():
            return None
        kept[-1] = True
        own = products[np.ix_(kept, kept)]
        own += _ROUNDING * np.trace(own) / len(own) * np.eye(len(own))
        weights[target] = of_values[kept].T @ np.linalg.solve(own, answers[kept])
        weights[target, last] -= 1  # relative to the last value
    return weights.astype(np.float32)


def _values_of_regressors(
    windows: Windows, num_regressors: int, num_calendar_features: int
) -> np.ndarray:
    """Return the matrix that makes values as they are of regressors relative to the last value."""
    num_features = windows.values.shape[1]
    num_covariates = windows.future_values.shape[1] - num_calendar_features
    values, first = np.eye(num_regressors), (windows.lookback - 1) * num_features
    for feature in range(num_features):
        values[feature:first:num_features, first + feature] = 1
    ahead = slice(first + num_features, first + num_features + windows.horizon * num_covariates)
    for covariate in range(num_covariates):
        place = first + num_features - num_covariates + covariate
        values[ahead][covariate::num_covariates, place] = 1
    return values
