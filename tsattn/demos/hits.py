"""How well attention scores find the cells that are true."""

from typing import NamedTuple

import numpy as np


class Hits(NamedTuple):
    """The figures of some windows."""

    hit_rate: float
    mass: float
    peak: int


def measure_hits(scores: np.ndarray, truth: np.ndarray) -> Hits:
    """Compare scores with the true cells.

    A row is a hit if its largest scores are its true cells, as many as there are. Rows without a
    true cell do not count.

    Args:
        scores: (windows, cells) or (windows, horizon, cells), which sum to 1 over the cells.
        truth: Booleans of the same shape.

    Returns:
        The share of rows that are hits, the mean sum of the scores on the true cells, and the cell
        where the mean of the scores is largest.
    """
    rows, true = scores.reshape(-1, scores.shape[-1]), truth.reshape(-1, truth.shape[-1])
    counts = true.sum(axis=1)  # (rows,)
    rows, true, counts = rows[counts > 0], true[counts > 0], counts[counts > 0]
    ranks = (-rows).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    is_hit = ((ranks < counts[:, None]) == true).all(axis=1)
    return Hits(
        hit_rate=float(is_hit.mean()),
        mass=float((rows * true).sum(axis=1).mean()),
        peak=int(rows.mean(axis=0).argmax()),
    )
