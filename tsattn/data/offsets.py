"""What is subtracted from a column, so that float32 holds what changes in it."""

import numpy as np

_MANY_SPREADS = 1000
_MAX_ROUNDING = 0.01  # of the typical step
_FLOAT64_NOISE = 1e-12
_BLOCKS, _BLOCK_ROWS = 100, 10_000  # of a long column that are looked at
_CHECKED_AT_ONCE = 1 << 18


def choose_offset(numbers: np.ndarray) -> float:
    """Return the median of a column far from zero for its spread; 0 where float32 does as well.

    Args:
        numbers: (rows,) float64, NaN where nothing is known.
    """
    if _is_exact(numbers):
        return 0.0
    known = _some(numbers)
    known = known[~np.isnan(known)]
    if not len(known):
        return 0.0
    # Quartiles rather than the deviation: one zero among values of a billion says nothing.
    low, median, high = np.quantile(known, (0.25, 0.5, 0.75))
    return float(median) if abs(median) > _MANY_SPREADS * (high - low) else 0.0


def is_rounded(numbers: np.ndarray, offset: float) -> bool:
    """Return whether float32 blurs what typically changes in a column from row to row.

    Args:
        numbers: (rows,) float64, NaN where nothing is known.
        offset: what is subtracted before the cast.
    """
    known = _some(numbers)
    known = known[~np.isnan(known)] - offset
    rounding = np.abs(known.astype(np.float32) - known)
    if not rounding.any():
        return False
    steps = np.abs(np.diff(known))
    steps = steps[steps > _FLOAT64_NOISE * np.abs(known).max()]
    return len(steps) > 0 and bool(np.median(rounding) > _MAX_ROUNDING * np.median(steps))


def _is_exact(numbers: np.ndarray) -> bool:
    """Return whether float32 holds all that is known as it is."""
    for start in range(0, len(numbers), _CHECKED_AT_ONCE):
        part = numbers[start : start + _CHECKED_AT_ONCE]
        if not np.array_equal(part.astype(np.float32), part, equal_nan=True):
            return False
    return True


def _some(numbers: np.ndarray) -> np.ndarray:
    """Return a million rows of a longer column, in evenly spaced blocks."""
    if len(numbers) <= _BLOCKS * _BLOCK_ROWS:
        return numbers
    starts = np.linspace(0, len(numbers) - _BLOCK_ROWS, _BLOCKS).astype(np.int64)
    return np.concatenate([numbers[start : start + _BLOCK_ROWS] for start in starts])
