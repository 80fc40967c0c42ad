"""Scaling features by the mean and standard deviation of the train rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tsattn.data.series import TimeSeries
from tsattn.data.series_scales import SeriesScales, TargetScales
from tsattn.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Scaler:
    """Mean and standard deviation of each feature; a constant feature is scaled to zeros.

    The level of a drifting feature carries over from window to window, see `fit_scaler`. Targets of
    a panel are scaled by those of their series.
    """

    features: tuple[str, ...]
    mean: np.ndarray  # (features,) float64
    std: np.ndarray  # (features,) float64, 1 where the feature is constant
    constant: tuple[str, ...] = ()
    drifting: tuple[str, ...] = ()
    series: SeriesScales | None = None  # of a panel

    def target_scales(self, series: TimeSeries) -> TargetScales:
        """Return the scales of the targets of some series; see `SeriesScales.of`."""
        num_targets = len(series.schema.targets)
        if self.series is None:
            size = (len(series.series_ids), num_targets)
            mean = np.broadcast_to(self.mean[:num_targets], size)
            std, is_new = np.broadcast_to(self.std[:num_targets], size), np.zeros(size[0], bool)
        else:
            mean, std, is_new = self.series.of(series)
        return TargetScales(
            mean=mean,
            std=std,
            common_std=self.std[:num_targets],
            borders=series.borders,
            is_new=is_new,
            learnt=self.series,
        )

    def transform(self, series: TimeSeries, targets: TargetScales) -> np.ndarray:
        """Return the values of some series scaled: (rows, features) float32."""
        values, num_targets = series.values, targets.mean.shape[1]
        scaled = np.empty(values.shape, dtype=np.float32)
        for i in range(values.shape[1]):  # one column at a time keeps the float64 copies small
            if i < num_targets:
                parts, means, stds = series.parts, targets.mean[:, i], targets.std[:, i]
            else:
                parts, means, stds = [slice(None)], self.mean[i : i + 1], self.std[i : i + 1]
            for part, mean, std in zip(parts, means - series.offsets[i], stds, strict=True):
                scaled[part, i] = (values[part, i] - mean) / std
        for i, name in enumerate(self.features):
            if name in self.constant:
                # A model knows nothing of values it never saw change. NaN stays NaN.
                scaled[:, i] *= 0
        return scaled

    def to_json(self) -> dict[str, Any]:
        """Return the scaler as JSON-ready values."""
        return {
            "features": list(self.features),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "constant": list(self.constant),
            "drifting": list(self.drifting),
            **({} if self.series is None else {"series": self.series.to_json()}),
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
            series=SeriesScales.from_json(content["series"]) if "series" in content else None,
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
