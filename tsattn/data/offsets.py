"""What is subtracted from a column, so that float32 holds what changes in it."""

import numpy as np

_MANY_SPREADS = 1000
_MAX_ROUNDING = 0.01  # of the typical step
_FLOAT64_NOISE = 1e-12


def choose_offset(numbers: np.ndarray) -> float:
    """Return the median of a column far from zero for its spread; 0 where float32 does as well.

    Args:
        numbers: (rows,) float64, NaN where nothing is known.
    """
    known = numbers[~np.isnan(numbers)]
    if not len(known) or np.array_equal(known.astype(np.float32), known):
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
    known = numbers[~np.isnan(numbers)] - offset
    rounding = np.abs(known.astype(np.float32) - known)
    if not rounding.any():
        return False
    steps = np.abs(np.diff(known))
    steps = steps[steps > _FLOAT64_NOISE * np.abs(known).max()]
    return len(steps) > 0 and bool(np.median(rounding) > _MAX_ROUNDING * np.median(steps))
