"""Is an attention profile true? Measures that compare it with what the forecast does."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the cells that are replaced
_HEAVY = 0.95  # of the mass: cells beyond it have an order that means nothing
_FEWEST_CELLS = 4  # whose order is compared
_TIES_SEED = 0


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

    Cells are compared within their group only: the first of every group come first. Cells of equal
    mass, such as those of closed gates, are in random order.
    """
    place, chance = np.zeros(len(mass)), np.random.default_rng(_TIES_SEED).random(len(mass))
    for group in np.unique(groups):
        is_in = np.flatnonzero(groups == group)
        order = is_in[np.lexsort((chance[is_in], -mass[is_in]))]
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
    """Return half the sum of the differences of two profiles, as shares: 0 equal, 1 apart.

    One without any mass is apart from all others.
    """
    totals = [float(np.sum(mass)) for mass in (first, second)]
    if (totals[0] > 0) != (totals[1] > 0):
        return 1.0
    shares = [
        np.asarray(mass) / (total or 1.0)
        for mass, total in zip((first, second), totals, strict=True)
    ]
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
    errors: np.ndarray, baselines: Mapping[str, np.ndarray], blocks: np.ndarray
) -> dict[str, Any]:
    """Compare squared errors with those of the best of some simple forecasts.

    Args:
        errors: (windows,) mean squared error of the model in each window.
        baselines: The same of each simple forecast.
        blocks: (windows,) the number, from 0 on, of the block that each belongs to, see
            `tsattn.rankings.blocks_of`; windows of one block depend on each other, those of two
            hardly do.

    Returns:
        `mse`; `baseline`, the best one; its `baseline_mse`; `num_blocks`; and `low`, the lower end
        of the interval of 95 % for the difference of their errors, by Student's t over the blocks
        (Cochran 1977, "Sampling techniques", section 6.3: a mean as the ratio of two sums). Above 0
        the model is better beyond noise. None with one block, which tells nothing.
    """
    best = min(baselines, key=lambda name: float(baselines[name].mean()))
    gains = baselines[best] - errors
    sums, counts = np.bincount(blocks, gains), np.bincount(blocks)
    num_blocks, low = len(counts), None
    if num_blocks > 1:
        spread = np.square(sums - gains.mean() * counts).sum() / (num_blocks - 1)
        error = np.sqrt(num_blocks * spread) / len(gains)
        low = float(gains.mean() - stats.t.ppf(0.975, num_blocks - 1) * error)
    return {
        "mse": float(errors.mean()),
        "baseline": best,
        "baseline_mse": float(baselines[best].mean()),
        "low": low,
        "num_blocks": num_blocks,
    }
