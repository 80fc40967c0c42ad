"""Which features a regression can do without."""

from collections.abc import Mapping

import numpy as np

from tsattn.linear_moments import Moments

_MAY_COST = 1.002  # times the squared error on val
_CHANCE = 2  # times what noise takes off the squared error on train
_LEAST_SEEN = 0.25  # of how much it varies in train


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
    val has at most `_MAY_COST` times the least error so far. It varies in val, which could not tell
    otherwise. And without it the error on train grows by at most `_CHANCE` times as much as without
    a feature of noise: the Wald statistic of its weights over their degrees of freedom (Hastie,
    Tibshirani & Friedman 2009, "The Elements of Statistical Learning", 3.2 and 3.4.1).

    Args:
        train: Of the windows that the regression was fitted on.
        val: Of other windows.
        weights: (targets, regressors + 1, horizon) of the regression.
        strength: Its penalty.
        features: The regressors of each feature that may be left out.
        num_apart: How many train windows there are that do not overlap.
    """
    inverse = np.linalg.inv(train.gram + strength * np.eye(len(train.gram)))
    varies, varies_in_val = train.gram.diagonal(), val.gram.diagonal()
    least = val.error(weights)
    by_error = sorted(
        features, key=lambda name: val.error(_without(inverse, weights, features[name])[0])
    )
    found = []
    for name in by_error:
        columns = features[name]
        if varies_in_val[columns].sum() < _LEAST_SEEN * varies[columns].sum():
            continue
        others, grows = _without(inverse, weights, columns)
        own = inverse[np.ix_(columns, columns)]
        across = inverse[columns]
        freedom = len(columns) - strength * np.trace(np.linalg.solve(own, across @ across.T))
        left = val.error(others)
        if left <= _MAY_COST * least and grows <= _CHANCE * freedom / num_apart * least:
            found.append(name)
            weights, least = others, min(left, least)
            inverse = inverse - across.T @ np.linalg.solve(own, across)
    return found


def _without(
    inverse: np.ndarray, weights: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the weights fitted anew without some regressors, and how the train error grows."""
    taken = np.linalg.solve(inverse[np.ix_(columns, columns)], weights[:, columns])
    others = weights - inverse[:, columns] @ taken
    others[:, columns] = 0
    return others, float(np.vdot(weights[:, columns], taken))
