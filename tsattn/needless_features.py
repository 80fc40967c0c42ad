"""Which features a regression can do without."""

from collections.abc import Mapping

import numpy as np

from tsattn.linear_moments import Moments

_MAY_COST = 1.002  # times the squared error of a target on val
_MAY_COST_A_STEP = 1.02  # times that of a step of it
_CHANCE = 2  # times what noise takes off the squared error on train
_LEAST_SEEN = 0.25  # of how much it varies in train
_ROUNDING = 1e-12
_MAX_PRODUCTS = 1e11  # a minute or two


def needless_features(
    train: Moments,
    val: Moments,
    weights: np.ndarray,
    strength: float,
    features: Mapping[int, np.ndarray],
    num_apart: float,
) -> list[int]:
    """Return the features that a ridge regression on everything is no worse without.

    From that on which the squared error on val depends least, features are left out one after the
    other, and the others take over what they can. One stays out if three things hold. Without it
    val has at most `_MAY_COST` times the least error so far, of every target, and at most
    `_MAY_COST_A_STEP` times of every step. It varies in val, which could not tell otherwise. And
    without it the error on train grows by at most `_CHANCE` times as much as it may without a
    feature of noise: the Wald statistic of its weights over their degrees of freedom (Hastie,
    Tibshirani & Friedman 2009, "The Elements of Statistical Learning", 3.2 and 3.4.1), as if
    windows that overlap were one. So it is for features that change slowly; of one that changes
    from step to step, and several steps ahead, noise takes off less, and val has the say.

    None is found where there is too much to try.

    Args:
        train: Of the windows that the regression was fitted on.
        val: Of other windows.
        weights: (targets, regressors + 1, horizon) of the regression.
        strength: Its penalty.
        features: The regressors of each feature that may be left out.
        num_apart: How many train windows there are that do not overlap.
    """
    num_outputs = weights.shape[0] * weights.shape[2]
    widest = max((len(columns) for columns in features.values()), default=0)
    if len(features) * len(train.gram) ** 2 * (num_outputs + widest) > _MAX_PRODUCTS:
        return []
    inverse = np.linalg.inv(train.gram + strength * np.eye(len(train.gram)))
    varies, varies_in_val = train.gram.diagonal(), val.gram.diagonal()
    least = val.errors(weights)
    noise = min(least.sum(), train.errors(weights).sum())
    by_error = sorted(
        features, key=lambda name: val.errors(_without(inverse, weights, features[name])[0]).sum()
    )
    found = []
    for name in by_error:
        columns = features[name]
        if varies_in_val[columns].sum() < _LEAST_SEEN * varies[columns].sum():
            continue
        others, grows = _without(inverse, weights, columns)
        own, across = inverse[np.ix_(columns, columns)], inverse[columns]
        freedom = len(columns) - strength * np.trace(np.linalg.solve(own, across @ across.T))
        if grows > (_CHANCE * freedom / num_apart + _ROUNDING) * noise:
            continue
        errors = val.errors(others)
        if _is_no_worse(errors, least):
            found.append(name)
            weights, least = others, np.minimum(errors, least)
            inverse = inverse - across.T @ np.linalg.solve(own, across)
    return found


def _is_no_worse(errors: np.ndarray, least: np.ndarray) -> bool:
    """Return whether errors (targets, horizon) are hardly more than the least so far."""
    of_targets = errors.sum(axis=1) <= _MAY_COST * least.sum(axis=1)
    return bool(of_targets.all() and (errors <= _MAY_COST_A_STEP * least).all())


def _without(
    inverse: np.ndarray, weights: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the weights fitted anew without some regressors, and how the train error grows."""
    taken = np.linalg.solve(inverse[np.ix_(columns, columns)], weights[:, columns])
    others = weights - inverse[:, columns] @ taken
    others[:, columns] = 0
    return others, float(np.vdot(weights[:, columns], taken))
