"""Scaling features by the mean and standard deviation of the train rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tsattn.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Scaler:
    """Mean and standard deviation of each feature; a constant feature is scaled to zeros.

    The level of a drifting feature carries over from window to window, see `fit_scaler`.
    """

    features: tuple[str, ...]
    mean: np.ndarray  # (features,) float64
    std: np.ndarray  # (features,) float64, 1 where the feature is constant
    constant: tuple[str, ...] = ()
    drifting: tuple[str, ...] = ()

    def transform(self, values: np.ndarray, *, offsets: np.ndarray | None = None) -> np.ndarray:
        """Return values scaled, as a new float32 array.

        Args:
            values: (rows, features), less their offsets.
            offsets: (features,) float64, see `TimeSeries`; zeros if None.
        """
        if offsets is None:
            offsets = np.zeros(len(self.mean))
        scaled = np.empty(values.shape, dtype=np.float32)
        for i in range(values.shape[1]):  # one column at a time keeps the float64 copies small
            scaled[:, i] = (values[:, i] - (self.mean[i] - offsets[i])) / self.std[i]
        for i, name in enumerate(self.features):
            if name in self.constant:
                # A model knows nothing of values it never saw change. NaN stays NaN.
                scaled[:, i] *= 0
        return scaled

    def inverse_transform(self, values: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        """Return scaled values in original units, in float64.

        Args:
            values: (..., columns) or, with quantiles, (..., columns, quantiles).
            columns: which features the columns are.
        """
        mean, std = self.mean[list(columns)], self.std[list(columns)]
        if values.ndim == 4:  # (windows, horizon, targets, quantiles)
            mean, std = mean[:, None], std[:, None]
        return np.asarray(values * std + mean, dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Return the scaler as JSON-ready values."""
        return {
            "features": list(self.features),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "constant": list(self.constant),
            "drifting": list(self.drifting),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Scaler":
        """Return the scaler written by `to_json`."""
        return cls(
            features=tuple(content["features"]),
            mean=np.array(content["mean"], dtype=np.float64),
            std=np.array(content["std"], dtype=np.float64),
            constant=tuple(content["constant"]),
            drifting=tuple(content["drifting"]),
        )


def fit_scaler(
    values: np.ndarray,
    rows: Sequence[slice],
    features: Sequence[str],
    *,
    lookback: int = 1,
    offsets: np.ndarray | None = None,
) -> Scaler:
    """Measure each feature over the given rows, leaving out what is missing.

    A feature is drifting if the means of its windows hold much of its variance: more than
    1 / sqrt(lookback), halfway between what they hold of independent values, 1 / lookback, and of a
    value that hardly changes within a window, 1. One that never changes within a series does not
    drift: measured from its windows, nothing would be left of it.

    Args:
        values: (all rows, features), less their offsets; NaN where nothing is known.
        rows: the train rows, one slice per series.
        features: names of the columns.
        lookback: steps of a window; of a single step no feature is drifting.
        offsets: (features,) float64, see `TimeSeries`; zeros if None.
    """
    mean, std = [], []
    constant, drifting = [], []
    for i, name in enumerate(features):
        column = np.concatenate([values[part, i] for part in rows]).astype(np.float64)
        column = column[~np.isnan(column)]
        is_constant = len(column) == 0 or column.min() == column.max()
        mean.append(column.mean() if len(column) else 0.0)
        std.append(1.0 if is_constant else column.std())
        if is_constant:
            constant.append(name)
        elif not _is_static(values, rows, i) and (
            _share_of_levels(values, rows, i, lookback) > 1 / math.sqrt(lookback)
        ):
            drifting.append(name)
    return Scaler(
        features=tuple(features),
        mean=np.array(mean) + (0.0 if offsets is None else offsets),
        std=np.array(std),
        constant=tuple(constant),
        drifting=tuple(drifting),
    )


def _is_static(values: np.ndarray, rows: Sequence[slice], column: int) -> bool:
    """Return whether a feature never changes within a series."""
    steps = (values[part, column] for part in rows)
    known = (part[~np.isnan(part)] for part in steps)
    return all((part == part[:1]).all() for part in known)


def _share_of_levels(
    values: np.ndarray, rows: Sequence[slice], column: int, lookback: int
) -> float:
    """Return the share of a feature's variance that the means of its windows hold."""
    steps = np.concatenate([values[part, column] for part in rows]).astype(np.float64)
    steps -= np.nanmean(steps)
    means = []
    for part in np.split(steps, np.cumsum([part.stop - part.start for part in rows])[:-1]):
        total = np.concatenate([[0.0], np.nancumsum(part)])
        means.append((total[lookback:] - total[:-lookback]) / lookback)
    levels = np.concatenate(means)
    return float(levels.var() / np.nanvar(steps)) if len(levels) else 0.0


def check_targets(scaler: Scaler, targets: Sequence[str], source: str) -> None:
    """Raise a DataError for a target that is constant, or unknown, in the train rows."""
    for name in targets:
        if name in scaler.constant:
            value = scaler.mean[scaler.features.index(name)]
            raise DataError(
                f"{source}: a target must change in the train rows. Received: {name!r}, always "
                f"{value:g} or missing there. Name another target (of `all`, leave it out with "
                "--drop), or give more data."
            )
