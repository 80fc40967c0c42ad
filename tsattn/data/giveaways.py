"""Columns that give the target away: equal to it but for scale, or parts that add up to it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

MAX_COLUMNS_FOR_TRIPLES = 400
_MIN_ROWS = 10
_TOLERANCE = 1e-9
_TOLERANCE_FLOAT32 = 1e-5
_TINY = 1e-300


class Giveaway(NamedTuple):
    """Columns from which the target of the same row can be computed."""

    target: str
    columns: tuple[str, ...]
    how: str  # "correlation" or "sum"


def find_giveaways(
    frame: pd.DataFrame, targets: Sequence[str], columns: Sequence[str]
) -> list[Giveaway]:
    """Return the columns that are the target but for scale, and two or three that add up to it.

    Columns that are half empty, infinite somewhere or constant are not looked at. Sums are
    searched through one random projection of the rows, in which they are sums of numbers, and
    then checked on all rows.

    Args:
        frame: the table.
        targets: columns of numbers.
        columns: other columns of numbers.
    """
    found = []
    for target in targets:
        values = {}
        actual = frame[target].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in columns:
            column = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            if _is_usable(column) and _is_usable(actual):
                values[name] = column
        same = [name for name, column in values.items() if _is_same(column, actual)]
        found += [Giveaway(target, (name,), "correlation") for name in same]
        parts = {name: column for name, column in values.items() if name not in same}
        is_float32 = any(str(frame[name].dtype) == "float32" for name in [target, *parts])
        tolerance = _TOLERANCE_FLOAT32 if is_float32 else _TOLERANCE
        sums = _find_sums(parts, actual, tolerance) if len(parts) > 1 else []
        found += [Giveaway(target, names, "sum") for names in sums]
    return found


def _is_usable(column: np.ndarray) -> bool:
    known = column[~np.isnan(column)]
    is_full = len(known) >= max(_MIN_ROWS, len(column) / 2)
    return is_full and bool(np.isfinite(known).all()) and known.min() < known.max()


def _is_same(column: np.ndarray, actual: np.ndarray) -> bool:
    """Return whether the absolute correlation over the rows where both are known is 1."""
    known = ~np.isnan(column) & ~np.isnan(actual)
    if known.sum() < _MIN_ROWS:
        return False
    x, y = column[known], actual[known]
    x, y = x - x.mean(), y - y.mean()
    x, y = x / max(np.abs(x).max(), _TINY), y / max(np.abs(y).max(), _TINY)  # no square overflows
    size = np.sqrt(np.dot(x, x) * np.dot(y, y))
    return bool(size > 0 and abs(np.dot(x, y)) >= (1 - _TOLERANCE) * size)


def _find_sums(
    parts: dict[str, np.ndarray], actual: np.ndarray, tolerance: float
) -> list[tuple[str, ...]]:
    names = list(parts)
    complete = ~np.isnan(actual)
    for column in parts.values():
        complete &= ~np.isnan(column)
    rows = np.flatnonzero(complete)
    if len(rows) < _MIN_ROWS:
        return []
    generator = np.random.default_rng(0)
    rows = generator.choice(rows, size=min(len(rows), 200), replace=False)
    weights = generator.uniform(0.5, 1.5, size=len(rows))
    projected = np.array([weights @ parts[name][rows] for name in names])
    wanted = float(weights @ actual[rows])
    sizes = [np.abs(parts[name][rows]).max() for name in names]
    margin = tolerance * len(rows) * max(*sizes, np.abs(actual[rows]).max())
    found: list[tuple[str, ...]] = []
    for chosen in _candidate_sums(projected, wanted, margin):
        total = np.sum([parts[names[i]] for i in chosen], axis=0)
        known = ~np.isnan(total) & ~np.isnan(actual)
        error = np.abs(total[known] - actual[known])
        if np.all(error <= 10 * tolerance * np.maximum(1e-30, np.abs(actual[known]).max())):
            found.append(tuple(names[i] for i in chosen))
    return found


def _candidate_sums(
    projected: np.ndarray, wanted: float, margin: float
) -> Iterator[tuple[int, ...]]:
    """Yield rising pairs, then triples, of positions whose numbers add up to what is wanted."""
    order = np.argsort(projected)
    ordered = projected[order]

    def partners(rests: np.ndarray) -> Iterator[tuple[int, int]]:
        low = np.searchsorted(ordered, rests - margin, side="left")
        high = np.searchsorted(ordered, rests + margin, side="right")
        for i in np.flatnonzero(high > low):
            for j in order[low[i] : high[i]]:
                yield int(i), int(j)

    count = len(projected)
    yield from ((i, j) for i, j in partners(wanted - projected) if i < j)
    if count <= MAX_COLUMNS_FOR_TRIPLES:
        for first in range(count - 2):
            for i, j in partners(wanted - projected[first] - projected):
                if first < i < j:
                    yield first, i, j
