"""Is an attention profile true? Measures that compare it with what the forecast does."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy import stats
from sklearn import metrics

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the cells that are replaced
_HEAVY = 0.95  # of the mass: cells beyond it have an order that means nothing
_FEWEST_CELLS = 4  # whose order is compared
_NUM_DRAWS = 1_000


def heaviest(mass: np.ndarray) -> np.ndarray:
    """Return which cells hold 95 % of the mass, the fewest that do: (cells,) booleans."""
    order = np.argsort(-mass, kind="stable")
    before = np.cumsum(mass[order]) - mass[order]
    is_heavy = np.zeros(len(mass), dtype=bool)
    is_heavy[order[before < _HEAVY * mass.sum() * (1 - 1e-9)]] = True
    return is_heavy


def agreement(profile: np.ndarray, effects: np.ndarray) -> float | None:
    """Return Kendall's tau-b of a profile with the effects of occlusion.

    It is taken over the cells that hold 95 % of the mass of either one. None where these are fewer
    than 4, whose order may be chance; 0 where one of the two makes no difference between the cells
    (Kendall 1945, "The treatment of ties in ranking problems").

    Args:
        profile: (cells,) mass of each cell.
        effects: (cells,) change of the forecast when the cell is replaced.
    """
    both = heaviest(profile) | heaviest(effects)
    if both.sum() < _FEWEST_CELLS:
        return None
    a, b = profile[both], effects[both]
    if np.ptp(a) <= 1e-9 * a.max() or np.ptp(b) <= 1e-9 * b.max():
        return 0.0
    return float(stats.kendalltau(a, b).statistic)


def agreement_in_groups(
    profile: np.ndarray, effects: np.ndarray, groups: np.ndarray
) -> float | None:
    """Return the mean agreement within groups of cells, weighted by the effects of the groups."""
    found = []
    for group in np.unique(groups):
        is_in = groups == group
        tau = agreement(profile[is_in], effects[is_in])
        if tau is not None:
            found.append((tau, effects[is_in].sum()))
    if not found:
        return None
    taus, weights = np.array(found).T
    return float(np.average(taus, weights=weights if weights.sum() > 0 else None))


def deletion_order(mass: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the cells from the largest mass to the smallest.

    Cells are compared within their group only: the first of every group come first.
    """
    place = np.zeros(len(mass))
    for group in np.unique(groups):
        is_in = np.flatnonzero(groups == group)
        order = is_in[np.argsort(-mass[is_in], kind="stable")]
        place[order] = (np.arange(len(order)) + 1) / len(order)
    return np.argsort(place, kind="stable")


def num_replaced(num_cells: int) -> list[int]:
    """Return how many cells are replaced for each of `FRACTIONS`: at least one."""
    return [min(max(round(fraction * num_cells), 1), num_cells) for fraction in FRACTIONS]


def gap(most_first: Sequence[float], least_first: Sequence[float]) -> float:
    """Return the mean difference of two curves of errors over `FRACTIONS`.

    Args:
        most_first: Errors when the cells of the largest mass are replaced first.
        least_first: Errors when those of the smallest mass are replaced first.
    """
    return float(np.mean(np.subtract(most_first, least_first)))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return half the sum of the differences of two profiles, as shares: 0 equal, 1 apart."""
    shares = [np.asarray(mass) / (np.sum(mass) or 1.0) for mass in (first, second)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def skill_over_uniform(profile: np.ndarray, effects: np.ndarray, groups: np.ndarray) -> float:
    """Return how much closer than a uniform profile a profile is to the effects of occlusion.

    It is 1 less the distance of the profile from the effects, as shares in their group, divided by
    that of a uniform profile: 1 is equal to the effects, 0 no closer than uniform, below 0 further
    away. Groups weigh as much as their effects.
    """
    own = uniform = 0.0
    for group in np.unique(groups):
        is_in = groups == group
        weight = effects[is_in].sum()
        own += weight * distance(profile[is_in], effects[is_in])
        uniform += weight * distance(np.ones(is_in.sum()), effects[is_in])
    return float(1 - own / uniform) if uniform > 0 else 0.0


def seed_stability(profiles: Sequence[np.ndarray]) -> float:
    """Return the mean Spearman correlation of all pairs of profiles (cells,)."""
    pairs = []
    for first, second in combinations(profiles, 2):
        is_flat = min(np.ptp(first), np.ptp(second)) == 0
        pairs.append(0.0 if is_flat else float(stats.spearmanr(first, second).statistic))
    return float(np.mean(pairs))


def separation(real: Sequence[float], shuffled: Sequence[float]) -> dict[str, float]:
    """Return AUROC of real against shuffled features by their mass, and the mass on shuffled."""
    truth = [True] * len(real) + [False] * len(shuffled)
    mass = np.array([*real, *shuffled])
    return {
        "auroc": float(metrics.roc_auc_score(truth, mass)),
        "mass_on_shuffled": float(np.sum(shuffled) / (mass.sum() or 1.0)),
    }


def area_under_precision_recall(profile: np.ndarray, truth: np.ndarray) -> float:
    """Return the average precision of a profile (cells,) as a finder of the true cells."""
    return float(metrics.average_precision_score(truth, profile))


def gain_over(
    errors: np.ndarray, baselines: Mapping[str, np.ndarray], block: int
) -> dict[str, float | str]:
    """Compare squared errors with those of the best of some simple forecasts.

    Args:
        errors: (windows,) mean squared error of the model in each window, in order of time.
        baselines: The same of each simple forecast.
        block: Consecutive windows that depend on one another.

    Returns:
        `mse`; `baseline`, the best one; its `baseline_mse`; and `low`, the 2.5 % quantile of the
        difference of their errors in samples of blocks drawn with replacement. Above 0 the model
        is better beyond noise. With fewer than 2 blocks it is the difference itself, less nothing.
    """
    best = min(baselines, key=lambda name: float(baselines[name].mean()))
    gains = baselines[best] - errors
    starts = np.arange(0, len(gains), block)
    sums, counts = np.add.reduceat(gains, starts), np.diff(np.append(starts, len(gains)))
    even = np.full(len(starts), 1 / len(starts))
    draws = np.random.default_rng(0).multinomial(len(starts), even, size=_NUM_DRAWS)
    return {
        "mse": float(errors.mean()),
        "baseline": best,
        "baseline_mse": float(baselines[best].mean()),
        "low": float(np.quantile((draws @ sums) / (draws @ counts), 0.025)),
    }
