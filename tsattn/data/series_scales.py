"""The scale of each series of a panel: its own mean and standard deviation of every target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsattn.data.series import TimeSeries

_CALM = 0.25  # of what is typical of its size: what is calm in the train rows may not stay so
_ZEROS = 0.98  # of the train rows: what the size of such a series will be is not known


@dataclass(frozen=True, kw_only=True)
class TargetScales:
    """What scaled targets are in the units of the data, for each of some series."""

    mean: np.ndarray  # (series, targets) float64
    std: np.ndarray  # (series, targets) float64
    common_std: np.ndarray  # (targets,) float64, of all train rows together
    borders: np.ndarray  # (series + 1,), see `TimeSeries`
    is_new: np.ndarray  # (series,) bool: of a panel, and not trained with
    learnt: "SeriesScales | None" = None  # of a panel

    def of_windows(self, past: np.ndarray, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation (windows, targets) that windows are scaled by besides.

        Those of series that were trained with are 0 and 1, of others those of each window.

        Args:
            past: (windows, lookback, targets) of a panel, scaled by the scales of the series.
            origins: (windows,) rows of the first target steps.
        """
        assert self.learnt is not None
        number = self._series_of(origins)
        is_new, past = self.is_new[number][:, None], past.astype(np.float64)
        mean, std = past.mean(axis=1), past.std(axis=1)
        level = self.mean[number] + mean  # theirs are scaled by 1
        return np.where(is_new, mean, 0.0), np.where(is_new, self.learnt.usable(level, std), 1.0)

    @property
    def has_new(self) -> bool:
        """Whether some series were not trained with."""
        return bool(self.is_new.any())

    def original(self, scaled: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Return scaled values in units of the data, in float64.

        Args:
            scaled: (windows, horizon, targets) or, with quantiles, one more axis.
            origins: (windows,) rows of the first target steps.
        """
        number = self._series_of(origins)
        return unscaled(scaled, self.mean[number], self.std[number])

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

    def of(self, series: TimeSeries) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return mean and standard deviation of other series, and which of them are new.

        (series, targets) twice, and (series,). Those that were not trained with are left in units
        of the data, less their offset: see `TargetScales.of_windows`.
        """
        places = {name: place for place, name in enumerate(self.series_ids)}
        found = np.array([places.get(name, -1) for name in series.series_ids])
        mean, std, is_new = self.mean[found], self.std[found], found < 0
        mean[is_new], std[is_new] = series.offsets[: mean.shape[1]], 1.0
        return mean, std, is_new

    def usable(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Return standard deviations (n, targets), none too small; of zeros alone the least."""
        typical = np.median(self.std / np.hypot(self.mean, self.std), axis=0)
        std = np.maximum(std, _CALM * typical * np.hypot(mean, std))
        return np.where(std > 0, std, self.std.min(axis=0))

    def extended(self, other: "SeriesScales") -> "SeriesScales":
        """Return the scales with those of other series that are new here."""
        known = set(self.series_ids)
        new = [place for place, name in enumerate(other.series_ids) if name not in known]
        return SeriesScales(
            series_ids=(*self.series_ids, *(other.series_ids[place] for place in new)),
            mean=np.concatenate([self.mean, other.mean[new]]),
            std=np.concatenate([self.std, other.std[new]]),
        )

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


def unscaled(scaled: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return windows (windows, horizon, targets[, quantiles]) times std plus mean, in float64.

    Both are (windows, targets).
    """
    mean, std = mean[:, None], std[:, None]
    if scaled.ndim == 4:
        mean, std = mean[..., None], std[..., None]
    return np.asarray(scaled * std + mean, dtype=np.float64)


def fit_series_scales(series: TimeSeries, rows: Sequence[slice]) -> SeriesScales:
    """Measure the targets of each series over its train rows, leaving out what is missing.

    A standard deviation is at least a quarter of what the median of all is for a series of that
    size (root of the mean square), and a quarter of the median where more than 98 % of the
    rows are 0: what was calm may not stay so. Of zeros alone it is the median. Of a series without
    train rows the mean is that of all.

    Args:
        series: A panel.
        rows: The train rows, one slice per series.
    """
    num_targets = len(series.schema.targets)
    values = np.concatenate([series.values[part, :num_targets] for part in rows])
    number = np.repeat(np.arange(len(rows)), [part.stop - part.start for part in rows])
    table = pd.DataFrame(values.astype(np.float64) + series.offsets[:num_targets])
    groups = table.groupby(number)
    every = range(len(rows))
    mean = groups.mean().reindex(every).to_numpy()
    std = groups.std(ddof=0).reindex(every, fill_value=0.0).to_numpy()
    zeros = table.eq(0).groupby(number).mean().reindex(every, fill_value=0.0).to_numpy()
    changing = pd.DataFrame(np.where(std > 0, std, np.nan))
    median = changing.median().fillna(1.0).to_numpy()
    size = np.hypot(mean, std)
    typical = (changing / size).median().fillna(0.0).to_numpy()
    std = np.fmax(std, _CALM * typical * size)
    std = np.where((zeros > _ZEROS) & (std > 0), np.maximum(std, _CALM * median), std)
    return SeriesScales(
        series_ids=series.series_ids,
        mean=pd.DataFrame(mean).fillna(groups.mean().mean()).fillna(0.0).to_numpy(),
        std=np.where(std > 0, std, median),
    )
