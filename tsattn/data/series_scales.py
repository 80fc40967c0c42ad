"""The scale of each series of a panel: its own mean and standard deviation of every target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsattn.data.series import TimeSeries

_LEAST = 0.01  # of the median of all series: what hardly changes in the train rows may begin to


@dataclass(frozen=True, kw_only=True)
class TargetScales:
    """What scaled targets are in the units of the data, for each of some series."""

    mean: np.ndarray  # (series, targets) float64
    std: np.ndarray  # (series, targets) float64
    common_std: np.ndarray  # (targets,) float64, of all train rows together
    borders: np.ndarray  # (series + 1,), see `TimeSeries`

    def original(self, scaled: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Return scaled values in units of the data, in float64.

        Args:
            scaled: (windows, horizon, targets) or, with quantiles, one more axis.
            origins: (windows,) rows of the first target steps.
        """
        number = self._series_of(origins)
        mean, std = self.mean[number][:, None], self.std[number][:, None]
        if scaled.ndim == 4:
            mean, std = mean[..., None], std[..., None]
        return np.asarray(scaled * std + mean, dtype=np.float64)

    def sizes(self, origins: np.ndarray) -> np.ndarray:
        """Return the scale of each window's series beside the common one: (windows, targets)."""
        return np.asarray(self.std[self._series_of(origins)] / self.common_std)

    def _series_of(self, origins: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.borders, origins, side="right") - 1


@dataclass(frozen=True, kw_only=True)
class SeriesScales:
    """Mean and standard deviation of every target in the train rows of each series of a panel."""

    series_ids: tuple[str, ...]
    mean: np.ndarray  # (series, targets) float64
    std: np.ndarray  # (series, targets) float64, positive

    def of(
        self, series: TimeSeries, origins: np.ndarray, lookback: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of other series: (series, targets) each.

        Those that were not trained with are measured over the lookback of their first window.

        Args:
            series: The series.
            origins: Rows of the first target steps of the windows; of a series without any, its
                first rows are measured.
            lookback: Past steps in a window.
        """
        places = {name: place for place, name in enumerate(self.series_ids)}
        found = np.array([places.get(name, -1) for name in series.series_ids])
        mean, std = self.mean[found], self.std[found]
        new = np.flatnonzero(found < 0)
        if len(new):
            rows = _first_windows(series, origins, lookback)
            measured = _measured(series, [rows[i] for i in new], np.median(self.std, axis=0))
            mean[new], std[new] = measured
        return mean, std

    def to_json(self) -> dict[str, Any]:
        """Return the scales as JSON-ready values."""
        return {
            "series_ids": list(self.series_ids),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "SeriesScales":
        """Return the scales written by `to_json`."""
        return cls(
            series_ids=tuple(content["series_ids"]),
            mean=np.array(content["mean"], dtype=np.float64),
            std=np.array(content["std"], dtype=np.float64),
        )


def fit_series_scales(series: TimeSeries, rows: Sequence[slice]) -> SeriesScales:
    """Measure the targets of each series over its train rows, leaving out what is missing.

    A target that does not change in those of a series has the median of all standard deviations as
    its own, one that hardly does a hundredth of it. Of a series without train rows the mean is that
    of all series.

    Args:
        series: A panel.
        rows: The train rows, one slice per series.
    """
    mean, std = _measured(series, rows)
    return SeriesScales(series_ids=series.series_ids, mean=mean, std=std)


def _measured(
    series: TimeSeries, rows: Sequence[slice], typical: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return usable means and standard deviations of the targets in some rows of each series.

    What is typical of a standard deviation is the median of those measured, if it is not given.
    """
    num_targets = len(series.schema.targets)
    values = np.concatenate([series.values[part, :num_targets] for part in rows])
    number = np.repeat(np.arange(len(rows)), [part.stop - part.start for part in rows])
    groups = pd.DataFrame(values.astype(np.float64) + series.offsets[:num_targets]).groupby(number)
    mean, std = groups.mean(), groups.std(ddof=0)
    mean = mean.reindex(range(len(rows)))
    std = std.where(std > 0).reindex(range(len(rows)))
    if typical is None:
        typical = std.median().fillna(1.0).to_numpy()
    std = std.fillna(dict(enumerate(typical)))
    return mean.fillna(mean.mean()).to_numpy(), np.maximum(std.to_numpy(), _LEAST * typical)


def _first_windows(series: TimeSeries, origins: np.ndarray, lookback: int) -> list[slice]:
    """Return the lookback of the first window of each series; first rows where there is none."""
    origins = np.sort(origins)
    rows = []
    for part, number in zip(
        series.parts, np.searchsorted(origins, series.borders[:-1]), strict=True
    ):
        has_window = number < len(origins) and origins[number] < part.stop
        start = int(origins[number]) - lookback if has_window else part.start
        rows.append(slice(start, min(start + lookback, part.stop)))
    return rows
