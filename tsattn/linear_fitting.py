"""Fitting the linear baseline: ridge regressions, and the mean of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tsattn.baselines import LinearBaseline, regressors_of_features
from tsattn.data.windows import Windows
from tsattn.linear_moments import BATCH, Moments, moments_of
from tsattn.needless_features import needless_features
from tsattn.ridge_regression import Ridge, best_ridge
from tsattn.sparse_fitting import CLEARLY, few_weights

MAX_LINEAR_WINDOWS = 100_000
SELECTIVITY = 16  # 4 % more squared error halves the part
FEW_MAY_COST = 1.01  # times the squared error
MAX_REGRESSORS = 5_000
MAX_WEIGHTS = 20_000_000
_BLOCKS = 16


def fit_linear(train: Windows, val: Windows, *, num_calendar_features: int = 0) -> LinearBaseline:
    """Fit the linear baseline on train windows, and weigh and choose on val what it is made of.

    It is the mean of up to six ridge regressions: on the lags of the target; on these and what is
    known ahead; on the lags of all features and what is known ahead; and each of these without the
    level of the targets, which may be one tomorrow that was never seen. Each has the strength that
    is best on val, and its part in the mean is its squared error there to the power of
    -`SELECTIVITY` (Stock & Watson 2004, "Combination forecasts of output growth in a seven-country
    data set"): one that val does not tell from the best has as much of the mean, one that is far
    off nothing. Features that are no targets, and that the regression on everything is no worse
    without, are read by none of these, see `needless_features`.

    A regression that reads the levels of all features too, which may go together in the train rows
    only (Granger & Newbold 1974, "Spurious regressions in econometrics"), takes the place of the
    mean if it is so much better on val that this is no chance: see `is_clearly_less`. Of that one
    the weights that are no more than noise are left out, see `few_weights`, where a target has at
    most `FEW_MAY_COST` times the error on val so: much smaller differences val does not tell, and
    what the forecast rests on is seen then.

    The penalty draws the forecast to the mean of the target over the window, not to its last value:
    that is further off where one value says little about those far ahead. The weight of a target's
    own level is freed from the bias of a short series, see `best_ridge`. The normal equations are
    summed batch by batch (over evenly spaced windows if there are more than `MAX_LINEAR_WINDOWS`),
    so that memory does not grow with their number. Where the lags of all features are more than
    `MAX_REGRESSORS`, or their weights more than `MAX_WEIGHTS`, each target is fitted by itself, on
    its own lags and what is known ahead, or on its lags alone where that is too much too.

    Args:
        train: Windows to fit on.
        val: Windows to choose by.
        num_calendar_features: How many of the last future inputs are calendar features.
    """
    inputs = _inputs(train, num_calendar_features)
    if inputs == "all":
        return _fit(train, val, inputs, num_calendar_features)
    alone = [
        _fit(_of_target(train, i), _of_target(val, i), inputs, num_calendar_features)
        for i in range(train.num_targets)
    ]
    return replace(alone[0], weights=np.concatenate([linear.weights for linear in alone]))


def _inputs(windows: Windows, num_calendar_features: int) -> str:
    """Return what is read: the lags of all features where that is not too much."""
    num_features = windows.values.shape[1]
    num_covariates = windows.future_values.shape[1] - num_calendar_features
    num_known = windows.horizon * num_covariates + num_calendar_features
    num_regressors = windows.lookback * num_features + num_known
    num_weights = windows.num_targets * num_regressors * windows.horizon
    if num_features > 1 and num_regressors <= MAX_REGRESSORS and num_weights <= MAX_WEIGHTS:
        return "all"
    num_regressors = windows.lookback + num_known
    work = windows.num_targets * num_regressors**3
    return "own and known" if num_known and work <= MAX_REGRESSORS**3 else "own"


def _of_target(windows: Windows, target: int) -> Windows:
    """Return the windows of one target without the lags of anything else."""
    return replace(windows, values=windows.values[:, target : target + 1], num_targets=1)


def _fit(train: Windows, val: Windows, inputs: str, num_calendar_features: int) -> LinearBaseline:
    """Return `fit_linear` with the inputs known."""
    num_rows = int(np.ptp(train.origins)) + 1
    train, val = train.spread(MAX_LINEAR_WINDOWS), val.spread(MAX_LINEAR_WINDOWS)
    num_features, num_targets = train.values.shape[1], train.num_targets
    of_train, of_val = (moments_of(part, inputs, num_calendar_features) for part in (train, val))
    every = np.arange(len(of_train.gram))
    means = _means_of_windows(train, len(every))

    def linear_of(weights: np.ndarray) -> LinearBaseline:
        return LinearBaseline(
            inputs=inputs, weights=weights, num_calendar_features=num_calendar_features
        )

    level = (train.lookback - 1) * num_features  # the place of the first of the last values
    levels_of_others = every[level + num_targets : level + num_features]
    left_out = levels_of_others
    reach = val.lookback + val.horizon
    has_blocks = num_features > num_targets and _num_blocks(len(val), reach) > 0
    if has_blocks:
        columns = np.setdiff1d(every, levels_of_others)
        needless = _needless(train, of_train, of_val, means, columns, num_calendar_features)
        left_out = np.union1d(left_out, needless)
    ridges = [
        best_ridge(of_train, of_val, means, columns, level=level, num_rows=num_rows)
        for columns in _subsets(train, len(every), left_out)
    ]
    linear = linear_of(_weighed_mean(ridges, of_train.moment.shape))
    if not has_blocks:
        return linear
    of_levels = best_ridge(of_train, of_val, means, np.array([every] * num_targets)).weights
    errors, others = (_errors_of_windows(found, val) for found in (linear_of(of_levels), linear))
    if not is_clearly_less(errors, others, reach):
        return linear
    of_steps = of_val.errors(of_levels)
    few = few_weights(train, of_train, of_levels, of_steps, num_calendar_features)
    is_as_good = of_val.errors(few).sum(axis=1) <= FEW_MAY_COST * of_steps.sum(axis=1)
    return linear_of(np.where(is_as_good[:, None, None], few, of_levels))


def _needless(
    train: Windows,
    of_train: Moments,
    of_val: Moments,
    means: np.ndarray,
    columns: np.ndarray,
    num_calendar_features: int,
) -> np.ndarray:
    """Return the regressors of features that a ridge regression on some columns can do without."""
    every_feature = regressors_of_features(train, len(of_train.gram), num_calendar_features)
    of_each = dict(enumerate(every_feature[train.num_targets :]))
    ridge = best_ridge(of_train, of_val, means, np.array([columns] * train.num_targets))
    of_train, of_val = (part.part(slice(None), columns) for part in (of_train, of_val))
    places = {name: np.flatnonzero(np.isin(columns, own)) for name, own in of_each.items()}
    num_apart = len(train) / train.horizon
    found = needless_features(of_train, of_val, ridge.weights, ridge.strength, places, num_apart)
    return np.concatenate([of_each[name] for name in found] or [columns[:0]])


def is_clearly_less(errors: np.ndarray, others: np.ndarray, reach: int) -> bool:
    """Return whether the errors of windows are less than others, by far more than chance allows.

    Their mean difference over blocks of neighbouring windows must be `CLEARLY` standard errors of
    the blocks. There are up to `_BLOCKS`, and not half as many if each is to be as long as a window
    reaches: then there is too little to tell.

    Args:
        errors: (windows,) squared errors in order of time.
        others: (windows,) what they are compared with.
        reach: Rows that a window reads and forecasts.
    """
    num_blocks = _num_blocks(len(errors), reach)
    if not num_blocks:
        return False
    blocks = np.array_split(others - errors, num_blocks)
    less = np.array([block.mean() for block in blocks])
    return bool(less.mean() > CLEARLY * less.std(ddof=1) / np.sqrt(num_blocks))


def _num_blocks(num_windows: int, reach: int) -> int:
    """Return how many blocks as long as a window reaches there are; 0 if that is too few."""
    num_blocks = min(num_windows // reach, _BLOCKS)
    return num_blocks if num_blocks >= _BLOCKS // 2 else 0


def _errors_of_windows(linear: LinearBaseline, windows: Windows) -> np.ndarray:
    """Return the mean squared error of each window."""
    errors = [
        np.square(linear.forecast(batch) - batch.targets, dtype=np.float64).mean(axis=(1, 2))
        for _, batch in windows.batches(BATCH)
    ]
    return np.concatenate(errors)


def _weighed_mean(ridges: Sequence[Ridge], shape: tuple[int, ...]) -> np.ndarray:
    """Return the mean, in a shape, of regressions by their errors."""
    parts = shares_by_error(np.array([ridge.error for ridge in ridges]), SELECTIVITY)
    mean = np.zeros(shape, dtype=np.float32)
    for part, ridge in zip(parts, ridges, strict=True):
        for target, columns in enumerate(ridge.columns):
            mean[target, columns] += part * ridge.weights[target]
    return mean


def shares_by_error(squared_errors: np.ndarray, selectivity: float) -> np.ndarray:
    """Return the share of each forecast in a mean: its squared error to the power of -selectivity.

    The larger the selectivity, the less has what is not the best; the shares sum to 1.
    """
    errors = squared_errors + np.finfo(float).tiny
    parts = (errors.min() / errors) ** selectivity
    return np.asarray(parts / parts.sum())


def _subsets(windows: Windows, num_regressors: int, left_out: np.ndarray) -> list[np.ndarray]:
    """Return the regressors (targets, n) of each ridge regression of the mean, the constant last.

    Each comes with the last values of the targets and without; none has those that are left out.
    """
    num_features, every = windows.values.shape[1], np.arange(num_regressors)
    lags = every[: windows.lookback * num_features].reshape(windows.lookback, num_features)
    own = lags[:, : windows.num_targets].T
    rest = np.setdiff1d(every[lags.size :], left_out)  # what is known ahead, and the constant
    read = [rest[-1:], rest] if len(rest) > 1 else [rest]
    subsets = [np.concatenate([own, [columns] * len(own)], axis=1) for columns in read]
    of_all = np.setdiff1d(every, left_out)
    if len(of_all) > subsets[-1].shape[1]:
        subsets.append(np.array([of_all] * len(own)))
    return subsets + [
        np.array([np.setdiff1d(of_target, lags[-1]) for of_target in subset]) for subset in subsets
    ]


def _means_of_windows(windows: Windows, num_regressors: int) -> np.ndarray:
    """Return weights (targets, regressors + 1) that forecast the mean of each target's window."""
    weights = np.zeros((windows.num_targets, num_regressors))
    num_features = windows.values.shape[1]
    for target, of_target in enumerate(weights):
        relative = slice(target, (windows.lookback - 1) * num_features, num_features)
        of_target[relative] = 1 / windows.lookback  # relative to itself the last value is 0
    return weights
