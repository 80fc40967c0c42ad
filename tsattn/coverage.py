"""How often intervals hold the truth, counted batch by batch over every window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class IntervalSum:
    """Counts batch by batch how often intervals hold the truth, and adds up their widths."""

    def __init__(self, levels: Sequence[float], targets: Sequence[str]) -> None:
        self.levels = tuple(levels)
        self.targets = tuple(targets)
        self.num_windows = 0
        self._held: np.ndarray | float = 0.0
        self._width: np.ndarray | float = 0.0

    def add(self, lower: np.ndarray, upper: np.ndarray, actual: np.ndarray) -> None:
        """Add a batch: bounds (windows, horizon, targets, levels), truth without the levels."""
        truth = actual[..., None]
        self.num_windows += len(actual)
        self._held = self._held + ((lower <= truth) & (truth <= upper)).sum(axis=0)
        with np.errstate(invalid="ignore", over="ignore"):  # infinite bounds have no width
            self._width = self._width + (upper - lower).sum(axis=0)

    def coverage(self) -> "Coverage":
        """Return the shares and mean widths over the windows added so far."""
        return Coverage(
            levels=self.levels,
            targets=self.targets,
            coverage=np.asarray(self._held) / self.num_windows,
            width=np.asarray(self._width) / self.num_windows,
        )


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often intervals held the truth, and how wide they were."""

    levels: tuple[float, ...]
    targets: tuple[str, ...]
    coverage: np.ndarray  # (horizon, targets, levels), a share
    width: np.ndarray  # (horizon, targets, levels), mean width in units of the data

    def to_json(self) -> dict[str, Any]:
        """Return both, by level, overall, per target and per horizon step; NaN becomes None."""
        return {
            f"{level:g}": {
                "coverage": self._parts(self.coverage[..., i]),
                "mean_width": self._parts(self.width[..., i]),
            }
            for i, level in enumerate(self.levels)
        }

    def _parts(self, cells: np.ndarray) -> dict[str, Any]:
        return {
            "overall": _number(cells.mean()),
            "per_target": {
                name: _number(value)
                for name, value in zip(self.targets, cells.mean(axis=0), strict=True)
            },
            "per_horizon_step": [_number(value) for value in cells.mean(axis=1)],
        }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
