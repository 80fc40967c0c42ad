"""Tables that are made by an equation, with the cells that each of their columns depends on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

LOOKBACK = 12
Truth = set[tuple[str, int]]  # feature and lag

# The history of each system: for series i, its value from x, where x(j, k) is series j at lag k.
SYSTEMS: dict[str, tuple[int, Callable[..., list[float]], dict[int, Truth]]] = {
    "d2": (
        5,
        lambda x: [(x(i, 3) + x(i, 7)) / 2 for i in range(5)],
        {i: {(f"s{i}", 3), (f"s{i}", 7)} for i in range(5)},
    ),
    "d4": (
        2,
        lambda x: [0.4 * x(1 - i, 2) + 0.2 * x(1 - i, 5) + 0.4 * x(1 - i, 9) for i in range(2)],
        {i: {(f"s{1 - i}", lag) for lag in (2, 5, 9)} for i in range(2)},
    ),
    "d5": (
        5,
        lambda x: [
            (x(0, 3) + x(0, 4)) / 2,
            x(0, 9),
            (x(0, 2) + x(0, 7)) / 2,
            0.1 * x(0, 3) + 0.1 * x(0, 4) + 0.8 * x(0, 8),
            3 / 9 * x(0, 2) + 2 / 9 * x(0, 5) + 4 / 9 * x(0, 8),
        ],
        {
            i: {("s0", lag) for lag in lags}
            for i, lags in enumerate([(3, 4), (9,), (2, 7), (3, 4, 8), (2, 5, 8)])
        },
    ),
    "d7": (
        5,
        lambda x: [
            (x(0, 1) + 3 * x(0, 5)) / 4,
            1 - x(0, 2),
            x(3, 4) + x(1, 1),
            1 - (2 * x(2, 4) + 5 * x(4, 1)) / 7,
            (1.2 * x(4, 4) + x(1, 1)) / 2.2,
        ],
        {
            0: {("s0", 1), ("s0", 5)},
            1: {("s0", 2)},
            2: {("s3", 4), ("s1", 1)},
            3: {("s2", 4), ("s4", 1)},
            4: {("s4", 4), ("s1", 1)},
        },
    ),
    "d8": (
        4,
        lambda x: [
            (x(0, 1) + x(0, 3)) / 2,
            x(0, 5) if x(0, 5) > 0.5 else x(3, 2),
            x(0, 4) if x(0, 5) > 0.5 else x(3, 4),
            (x(3, 4) + x(3, 1)) / 2,
        ],
        {
            0: {("s0", 1), ("s0", 3)},
            1: {("s0", 5), ("s3", 2)},
            2: {("s0", 4), ("s0", 5), ("s3", 4)},
            3: {("s3", 1), ("s3", 4)},
        },
    ),
}
# What the noise is divided by: the sum of coefficients of each series.
_DIVISORS = {"d2": [2] * 5, "d4": [1, 1], "d5": [2, 1, 2, 1, 1], "d7": [4, 1, 1, 7, 2.2]}
_DIVISORS["d8"] = [2, 1, 1, 2]

X3 = {("x3", lag) for lag in (1, 4, 5, 7, 8)}
TOY1: Truth = {("x0", 1), ("x1", 2), ("x2", 5), *X3}
SEED = 17  # of the generator
SHIFT = 3  # steps by which the effect of a driver is delayed


def coupled_system(name: str, rows: int, seed: int = SEED) -> pd.DataFrame:
    """Return a coupled system, without its first 1,000 rows."""
    count, step, _ = SYSTEMS[name]
    generator = np.random.default_rng(seed)
    values = np.zeros((rows + 1_000, count))
    values[:LOOKBACK] = generator.uniform(size=(LOOKBACK, count))
    happens = generator.uniform(size=values.shape) < 0.3
    noise = np.where(happens, generator.normal(0, 0.1, values.shape), 0.0) / _DIVISORS[name]
    for t in range(LOOKBACK, len(values)):
        values[t] = step(lambda series, lag, t=t: values[t - lag, series]) + noise[t]
    columns = [f"s{i}" for i in range(count)]
    return pd.DataFrame(values[1_000:], columns=columns)


def toy1(path: Path | None, rows: int, seed: int = SEED) -> pd.DataFrame:
    """Return Toy1, from its file or made by its equation."""
    if path is not None:
        return pd.read_csv(path, index_col=0)
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 8))
    x[:, 6] = 1.0

    def lag(series: int, steps: int) -> np.ndarray:
        return np.roll(x[:, series], steps)

    x[:, 7] = lag(0, 1) * lag(1, 2) + 0.1 * lag(2, 5) + 0.01 * generator.normal(size=rows)
    x[:, 7] += sum(lag(3, steps) for steps in (1, 4, 5, 7, 8))
    return pd.DataFrame(x[10:], columns=[f"x{i}" for i in range(8)])


def delayed(frame: pd.DataFrame, driver: str) -> pd.DataFrame:
    """Return a table in which what a driver causes comes 3 steps later than before."""
    shifted = frame.assign(**{driver: frame[driver].shift(-SHIFT)})
    return shifted.iloc[:-SHIFT]


def delayed_truth(truth: Truth, driver: str) -> Truth:
    return {(f, lag + SHIFT if f == driver else lag) for f, lag in truth}


def noise(rows: int, seed: int = SEED) -> pd.DataFrame:
    """Return columns that have nothing to do with one another."""
    values = np.random.default_rng(seed).normal(size=(rows, 4))
    return pd.DataFrame(values, columns=["y", "a", "b", "c"])


def even_mean(rows: int, seed: int = SEED) -> pd.DataFrame:
    """Return a target that is the mean of all steps of a driver in the lookback, plus noise.

    So uniform attention over the steps is right. The noise keeps the target's own history, whose
    means overlap, from being of use.
    """
    generator = np.random.default_rng(seed)
    a, b, noise = generator.normal(size=(3, rows + LOOKBACK))
    means = np.convolve(a, np.ones(LOOKBACK), "valid")[:-1] / np.sqrt(LOOKBACK)
    y = means + 0.5 * noise[LOOKBACK:]  # means[t] ends at row t + LOOKBACK - 1
    return pd.DataFrame({"y": y, "a": a[LOOKBACK:], "b": b[LOOKBACK:]})


def with_shuffled(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return a table with a copy of some columns beside them, shuffled in time."""
    generator = np.random.default_rng(17)
    copies = {shuffled(name): generator.permutation(frame[name].to_numpy()) for name in columns}
    return frame.assign(**copies)


def shuffled(name: str) -> str:
    return f"{name} (shuffled)"
