"""Fitting the linear baseline: ridge regressions, and the mean of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tsattn.baselines import LinearBaseline, regressors
from tsattn.data.windows import WindowBatch, Windows
from tsattn.sparse_fitting import CLEARLY, few_weights

RIDGE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # penalties by the number of windows
MAX_LINEAR_WINDOWS = 100_000
SELECTIVITY = 16  # 4 % more squared error halves the part
FEW_MAY_COST = 1.01  # times the squared error
_BATCH = 1024
_BLOCKS = 16
_BIAS_ROUNDS = 30
_FORGOTTEN = 1e-6


def fit_linear(train: Windows, val: Windows, *, num_calendar_features: int = 0) -> LinearBaseline:
    """Fit the linear baseline on train windows, and weigh and choose on val what it is made of.

    It is the mean of up to six ridge regressions: on the lags of the target; on these and what is
    known ahead; on the lags of all features and what is known ahead; and each of these without the
    level of the targets, which may be one tomorrow that was never seen. Each has the strength that
    is best on val, and its part in the mean is its squared error there to the power of
    -`SELECTIVITY` (Stock & Watson 2004, "Combination forecasts of output growth in a seven-country
    data set"): one that val does not tell from the best has as much of the mean, one that is far
    off nothing. A regression that reads the levels of all features too, which may go together in
    the train rows only (Granger & Newbold 1974, "Spurious regressions in econometrics"), takes the
    place of the mean if it is so much better on val that this is no chance: see `is_clearly_less`.
    Of that one the weights that are no more than noise are left out, see `few_weights`, where a
    target has at most `FEW_MAY_COST` times the error on val so: much smaller differences val does
    not tell, and what the forecast rests on is seen then.

    The penalty draws the forecast to the mean of the target over the window, not to its last value:
    that is further off where one value says little about those far ahead. The weight of a target's
    own level is freed from the bias of `_take_off_bias`. The normal equations are summed batch by
    batch (over evenly spaced windows if there are more than `MAX_LINEAR_WINDOWS`), so that memory
    does not grow with their number.

    Args:
        train: Windows to fit on.
        val: Windows to choose by.
        num_calendar_features: How many of the last future inputs are calendar features.
    """
    num_rows = int(np.ptp(train.origins)) + 1
    train, val = train.spread(MAX_LINEAR_WINDOWS), val.spread(MAX_LINEAR_WINDOWS)
    num_features, num_known = train.values.shape[1], train.future_values.shape[1]
    inputs = "all" if num_features > 1 else "own and known" if num_known else "own"
    gram, moment = _normal_equations(train, inputs, num_calendar_features)
    means = _means_of_windows(train, len(gram))

    def weigh(subsets: Sequence[np.ndarray], fitted: Sequence[list[np.ndarray]]) -> LinearBaseline:
        errors = _squared_errors(val, subsets, fitted, inputs, num_calendar_features)
        weights = _weighed_mean(subsets, fitted, errors, moment.shape)
        return LinearBaseline(
            inputs=inputs, weights=weights, num_calendar_features=num_calendar_features
        )

    subsets = _subsets(train, len(gram))
    fitted = [_ridge_weights(gram, moment, means, columns) for columns in subsets]
    level = (train.lookback - 1) * num_features  # the place of the first of the last values
    for columns, of_strengths in zip(subsets, fitted, strict=True):
        for weights in of_strengths:
            _take_off_bias(weights, columns, level, num_rows)
    linear = weigh(subsets, fitted)
    reach = val.lookback + val.horizon
    if num_features == train.num_targets or not _num_blocks(len(val), reach):
        return linear
    every = np.array([np.arange(len(gram))] * train.num_targets)
    of_levels = weigh([every], [_ridge_weights(gram, moment, means, every)])
    of_windows, of_steps = _errors(of_levels, val)
    if not is_clearly_less(of_windows, _errors(linear, val)[0], reach):
        return linear
    few = few_weights(train, gram, moment, of_levels.weights, of_steps, num_calendar_features)
    of_few = _errors(replace(of_levels, weights=few), val)[1]
    is_as_good = of_few.mean(axis=1) <= FEW_MAY_COST * of_steps.mean(axis=1)
    weights = np.where(is_as_good[:, None, None], few, of_levels.weights)
    return replace(of_levels, weights=weights)


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


def _errors(linear: LinearBaseline, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean squared error of each window, and that of each target and step."""
    of_windows, of_steps = [], np.zeros((windows.num_targets, windows.horizon))
    for _, batch in windows.batches(_BATCH):
        squared = np.square(linear.forecast(batch) - batch.targets, dtype=np.float64)
        of_windows.append(squared.mean(axis=(1, 2)))
        of_steps += squared.sum(axis=0).T / len(windows)
    return np.concatenate(of_windows), of_steps


def _weighed_mean(
    subsets: Sequence[np.ndarray],
    fitted: Sequence[list[np.ndarray]],
    errors: np.ndarray,
    shape: tuple[int, ...],
) -> np.ndarray:
    """Return the mean, in a shape, of regressions, each at its best strength, by their errors."""
    parts = shares_by_error(errors.min(axis=1), SELECTIVITY)
    mean = np.zeros(shape, dtype=np.float32)
    for part, columns, of_strengths, best in zip(
        parts, subsets, fitted, errors.argmin(axis=1), strict=True
    ):
        for target, of_target in enumerate(columns):
            mean[target, of_target] += part * of_strengths[best][target]
    return mean


def shares_by_error(squared_errors: np.ndarray, selectivity: float) -> np.ndarray:
    """Return the share of each forecast in a mean: its squared error to the power of -selectivity.

    The larger the selectivity, the less has what is not the best; the shares sum to 1.
    """
    errors = squared_errors + np.finfo(float).tiny
    parts = (errors.min() / errors) ** selectivity
    return np.asarray(parts / parts.sum())


def _subsets(windows: Windows, num_regressors: int) -> list[np.ndarray]:
    """Return the regressors (targets, n) of each ridge regression of the mean, the constant last.

    Each comes with the last values of the targets and without; none has those of other features.
    """
    num_features, every = windows.values.shape[1], np.arange(num_regressors)
    lags = every[: windows.lookback * num_features].reshape(windows.lookback, num_features)
    rest = every[lags.size :]  # what is known ahead, and the constant
    own = lags[:, : windows.num_targets].T
    read = [rest[-1:], rest] if len(rest) > 1 else [rest]
    subsets = [np.concatenate([own, [columns] * len(own)], axis=1) for columns in read]
    if num_features > 1:
        of_all = np.setdiff1d(every, lags[-1, windows.num_targets :])
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


def _ridge_weights(
    gram: np.ndarray, moment: np.ndarray, drawn_to: np.ndarray, columns: np.ndarray
) -> list[np.ndarray]:
    """Return the weights (targets, n, horizon) of regressors (targets, n) for each strength.

    The penalty is on their distance from `drawn_to` (targets, regressors + 1).
    """
    left = moment - (drawn_to @ gram)[:, :, None]
    prior = np.take_along_axis(drawn_to, columns, axis=1)[:, :, None]
    first = columns[0]
    if (columns == first).all():  # one solution serves all targets
        solved = [_solve(gram[np.ix_(first, first)], left[:, first])]
    else:
        solved = [
            _solve(gram[np.ix_(of_target, of_target)], left[[target]][:, of_target])
            for target, of_target in enumerate(columns)
        ]
    changes = (np.concatenate(of_strength) for of_strength in zip(*solved, strict=True))
    return [(prior + change).astype(np.float32) for change in changes]


def _take_off_bias(weights: np.ndarray, columns: np.ndarray, level: int, num_rows: int) -> None:
    """Take off weights, in place, the return to the mean that a short series feigns.

    A series that wanders without a mean seems to return to that of its rows: what is left of its
    level h steps later, ρ^h in an autoregression, comes out too low by
    ((1 + ρ) / (1 - ρ) (1 - ρ^h) + 2 h ρ^h) / n, about 4 h / n for ρ close to 1 and little for a
    level that is soon forgotten (Kendall 1954, "Note on bias in the estimation of
    autocorrelation", Biometrika 41). The largest ρ^h, up to 1, that would come out so takes its
    place.

    Args:
        weights: (targets, n, horizon).
        columns: (targets, n), the regressors that they are of.
        level: The regressor that is the last value of the first target, those of others follow;
            its weight is ρ^h - 1.
        num_rows: Rows that the weights were learnt from.
    """
    steps = np.arange(1, weights.shape[2] + 1)
    for target, place in np.argwhere(columns == level + np.arange(len(columns))[:, None]):
        found = 1 + weights[target, place].astype(np.float64)
        left = np.ones_like(found)
        for _ in range(_BIAS_ROUNDS):
            left = np.clip(left, _FORGOTTEN, 1 - 1e-9)
            rho = left ** (1 / steps)
            bias = ((1 + rho) / (1 - rho) * (1 - left) + 2 * steps * left) / num_rows
            left = np.minimum(found + bias, 1)
        weights[target, place] = np.maximum(found, left) - 1


def _squared_errors(
    val: Windows,
    subsets: Sequence[np.ndarray],
    fitted: Sequence[Sequence[np.ndarray]],
    inputs: str,
    num_calendar_features: int,
) -> np.ndarray:
    """Return the sum of squared errors of each subset of the regressors with each strength."""
    errors = np.zeros((len(subsets), len(RIDGE_STRENGTHS)))
    for _, batch in val.batches(_BATCH):
        x, changes = regressors(batch, inputs, num_calendar_features), _changes(batch)
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
        x = regressors(batch, inputs, num_calendar_features)
        gram = gram + (x.T @ x).astype(np.float64)
        moment = moment + (x.T @ _changes(batch)).astype(np.float64)
    return np.asarray(gram) / len(windows), np.asarray(moment) / len(windows)


def _solve(gram: np.ndarray, moment: np.ndarray) -> list[np.ndarray]:
    """Return the ridge weights (targets, regressors + 1, horizon) for each strength."""
    values, vectors = np.linalg.eigh(gram)
    projected = vectors.T @ moment  # (targets, regressors + 1, horizon)
    shrunk = np.maximum(values, 0)[:, None] + 1e-9 * values[-1]
    return [vectors @ (projected / (shrunk + strength)) for strength in RIDGE_STRENGTHS]
