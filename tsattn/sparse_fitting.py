"""Regression on few values: those whose weights are more than noise."""

import numpy as np

from tsattn.baselines import values_of_regressors
from tsattn.data.windows import Windows
from tsattn.linear_moments import Moments

CLEARLY = 4  # standard errors
_PENALTY = 1e-4  # in the standard errors alone: values are in standard deviations
_ROUNDING = 1e-9
_MOST_KEPT = 0.25


def few_weights(
    windows: Windows,
    moments: Moments,
    every_weight: np.ndarray,
    variances: np.ndarray,
    num_calendar_features: int,
) -> np.ndarray:
    """Return the weights of a regression on those values whose weight is more than noise.

    Of all values together by least squares those are kept whose weight at some step is more than
    `CLEARLY` standard errors; they are then fitted by themselves. As many windows count as follow
    each other without overlap. A target with none of them, or with more than a quarter, keeps its
    weights.

    Args:
        windows: The train windows.
        moments: Those of the train windows, of the lags of all features.
        every_weight: (targets, regressors + 1, horizon) the weights of all values.
        variances: (targets, horizon) squared errors of these on other windows.
        num_calendar_features: How many of the last future inputs are calendar features.

    Returns:
        The weights of `LinearBaseline`.
    """
    gram, moment = moments.gram, moments.moment
    values = values_of_regressors(windows, len(gram), num_calendar_features)
    products = values @ gram @ values.T
    inverse = np.linalg.inv(products + _PENALTY * np.eye(len(gram)))
    first = (windows.lookback - 1) * windows.values.shape[1]
    weights = every_weight.copy()
    for target, of_steps in enumerate(variances):
        last = first + target
        answers = values @ (moment[target] + gram[:, [last]])
        noise = np.diag(inverse)[:, None] * of_steps * windows.horizon / len(windows)
        kept = (np.square(inverse @ answers) > CLEARLY**2 * noise).any(axis=1)
        kept[-1] = True  # the constant
        if not 1 < kept.sum() <= _MOST_KEPT * len(kept):
            continue
        own = products[np.ix_(kept, kept)]
        own += _ROUNDING * np.trace(own) / len(own) * np.eye(len(own))
        weights[target] = values[kept].T @ np.linalg.solve(own, answers[kept])
        weights[target, last] -= 1  # relative to the last value
    return weights
