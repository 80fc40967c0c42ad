"""A profile beside the true cells of a problem."""

from typing import Any

import numpy as np
import pandas as pd

from faithfulness.systems import Truth, shuffled
from tsattn.cells import ALL_FEATURES, Cells
from tsattn.faithfulness import area_under_precision_recall, separation


def hits(cells: Cells, mass: np.ndarray, truth: Truth, target: str) -> dict[str, Any]:
    """Return how well a mass (cells,) finds the true cells.

    Returns:
        `mass` on the true cells; `chance`, the share of cells that are true; `auprc`; `tolerant`,
        the same where a true cell may be found one lag beside; `distractor`, the largest share of a
        feature without a true cell, the target left out, None for a profile about lags only;
        `features`, the share of each.
    """
    is_past = (cells.table["role"] == "past").to_numpy()
    table, mass = cells.table[is_past], mass[is_past]
    places = list(zip(table["feature"], table["lag_first"], table["lag_last"], strict=True))
    causes = {feature for feature, _ in truth}
    is_true = np.array(
        [
            any(first <= lag <= last and name in (ALL_FEATURES, cause) for cause, lag in truth)
            for name, first, last in places
        ]
    )
    total = mass.sum() or 1.0
    of_features = pd.Series(mass).groupby(table["feature"].to_numpy()).sum() / total
    others = of_features[~of_features.index.isin([*causes, target, ALL_FEATURES])]
    return {
        "chance": float(is_true.mean()),
        "mass": float(mass[is_true].sum() / total),
        "auprc": area_under_precision_recall(mass, is_true),
        "tolerant": _tolerant(mass, is_true, [(name, first) for name, first, _ in places]),
        "distractor": float(others.max()) if len(others) else None,
        "features": of_features.to_dict(),
    }


def _tolerant(mass: np.ndarray, is_true: np.ndarray, places: list[tuple[str, int]]) -> float:
    """Return AUPRC with a tolerance of one lag.

    The largest mass within one lag of a true cell stands for it; the cells beside it are not held
    against the profile.
    """
    tolerant, kept = mass.copy(), np.ones(len(mass), dtype=bool)
    number = {place: i for i, place in enumerate(places)}
    for i in np.flatnonzero(is_true):
        feature, lag = places[i]
        for beside in (number.get((feature, lag - 1)), number.get((feature, lag + 1))):
            if beside is not None and not is_true[beside]:
                tolerant[i] = max(tolerant[i], mass[beside])
                kept[beside] = False
    return area_under_precision_recall(tolerant[kept], is_true[kept])


def peak_lags(cells: Cells, features: tuple[str, ...]) -> dict[str, int]:
    """Return the lag at which each of some features has most mass."""
    table = cells.table.assign(mass=cells.mass)
    table = table[table["role"] == "past"]
    peaks = table.loc[table.groupby("feature")["mass"].idxmax()].set_index("feature")["lag_first"]
    return {name: int(peaks[name]) for name in features if name in peaks.index}


def real_and_shuffled(cells: Cells, mass: np.ndarray, copied: tuple[str, ...]) -> dict[str, float]:
    """Return how well a mass (cells,) tells features from their shuffled copies."""
    of_features = pd.Series(mass).groupby(cells.table["feature"].to_numpy()).sum()
    real = [float(of_features.get(name, 0.0)) for name in copied]
    copies = [float(of_features.get(shuffled(name), 0.0)) for name in copied]
    return separation(real, copies)
