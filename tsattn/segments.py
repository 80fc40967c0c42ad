"""How lookback and horizon are cut into segments and parts that are read and forecast at once."""

import math

LONGEST = 24
_FEWEST_SEGMENTS = 4
Edges = list[tuple[int, int]]


def choose_segment(lookback: int) -> int:
    """Return the steps read at once: at most 24, and at least 4 segments where there is room."""
    return min(LONGEST, max(lookback // _FEWEST_SEGMENTS, 1))


def segment_lags(lookback: int, segment: int) -> Edges:
    """Return the first and last lag of each segment, from the newest; the oldest may be short."""
    return _cut(lookback, segment)


def horizon_parts(horizon: int) -> Edges:
    """Return the first and last step, from 1, of the parts of a horizon that one head forecasts.

    They are of one size of at most 24 steps; the last may be shorter.
    """
    return _cut(horizon, math.ceil(horizon / math.ceil(horizon / LONGEST)))


def _cut(length: int, size: int) -> Edges:
    return [(first, min(first + size - 1, length)) for first in range(1, length + 1, size)]
