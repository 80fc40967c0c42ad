"""Ridge regressions from moments, at the strength that is best on other windows."""

from dataclasses import dataclass

import numpy as np

from tsattn.linear_moments import Moments

RIDGE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # penalties by the number of windows
_BIAS_ROUNDS = 30
_FORGOTTEN = 1e-6


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """A ridge regression: its weights (targets, n, horizon) of regressors (targets, n)."""

    columns: np.ndarray
    strength: float
    weights: np.ndarray
    error: float  # squared, on val


def best_ridge(
    train: Moments,
    val: Moments,
    drawn_to: np.ndarray,
    columns: np.ndarray,
    *,
    level: int | None = None,
    num_rows: int = 0,
) -> Ridge:
    """Return the ridge regression on regressors (targets, n) of the strength that is best on val.

    The penalty is on the distance of its weights from `drawn_to` (targets, regressors + 1). With
    the place of the level of the first target, the bias of levels is taken off, see
    `_take_off_bias`.
    """
    is_shared = bool((columns == columns[0]).all())  # one solution serves all targets
    count = len(columns)
    groups = [slice(count)] if is_shared else [slice(i, i + 1) for i in range(count)]
    errors, fitted = np.zeros(len(RIDGE_STRENGTHS)), []
    for group in groups:
        own = columns[group.start or 0]
        prior = drawn_to[group][:, own, None]
        change = drawn_to[group] @ train.gram[:, own]
        part = train.part(group, own)
        left = part.moment - change[:, :, None]
        weights = [(prior + solved).astype(np.float32) for solved in _solve(part.gram, left)]
        if level is not None:
            levels = level + np.arange(count)[group]
            for of_strength in weights:
                _take_off_bias(of_strength, own, levels, num_rows)
        of_val = val.part(group, own)
        errors += [of_val.errors(of_strength).sum() for of_strength in weights]
        fitted.append(weights)
    best = int(errors.argmin())
    return Ridge(
        columns=columns,
        strength=RIDGE_STRENGTHS[best],
        weights=np.concatenate([weights[best] for weights in fitted]),
        error=float(errors[best]),
    )


def _take_off_bias(
    weights: np.ndarray, columns: np.ndarray, levels: np.ndarray, num_rows: int
) -> None:
    """Take off weights, in place, the return to the mean that a short series feigns.

    A series that wanders without a mean seems to return to that of its rows: what is left of its
    level h steps later, ρ^h in an autoregression, comes out too low by
    ((1 + ρ) / (1 - ρ) (1 - ρ^h) + 2 h ρ^h) / n, about 4 h / n for ρ close to 1 and little for a
    level that is soon forgotten (Kendall 1954, "Note on bias in the estimation of
    autocorrelation", Biometrika 41). The largest ρ^h, up to 1, that would come out so takes its
    place.

    Args:
        weights: (targets, n, horizon).
        columns: (n,), the regressors that they are of.
        levels: (targets,), the regressor that is the last value of each target; its weight is
            ρ^h - 1.
        num_rows: Rows that the weights were learnt from.
    """
    steps = np.arange(1, weights.shape[2] + 1)
    for target, place in np.argwhere(columns == levels[:, None]):
        found = 1 + weights[target, place].astype(np.float64)
        left = np.ones_like(found)
        for _ in range(_BIAS_ROUNDS):
            left = np.clip(left, _FORGOTTEN, 1 - 1e-9)
            rho = left ** (1 / steps)
            bias = ((1 + rho) / (1 - rho) * (1 - left) + 2 * steps * left) / num_rows
            left = np.minimum(found + bias, 1)
        weights[target, place] = np.maximum(found, left) - 1


def _solve(gram: np.ndarray, moment: np.ndarray) -> list[np.ndarray]:
    """Return the ridge weights (targets, regressors + 1, horizon) for each strength."""
    values, vectors = np.linalg.eigh(gram)
    projected = vectors.T @ moment  # (targets, regressors + 1, horizon)
    shrunk = np.maximum(values, 0)[:, None] + 1e-9 * values[-1]
    return [vectors @ (projected / (shrunk + strength)) for strength in RIDGE_STRENGTHS]
