"""Windows over a series: indices into its rows, gathered batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tsattn.config import FitOptions, require
from tsattn.data.frequency import step_seconds
from tsattn.data.series import TimeSeries
from tsattn.data.series_scales import TargetScales, unscaled
from tsattn.errors import DataError

_DAY = 86_400


class WindowBatch(NamedTuple):
    """The arrays of some windows."""

    inputs: np.ndarray  # (batch, lookback, features) float32
    future_inputs: np.ndarray  # (batch, horizon, future_features) float32
    targets: np.ndarray  # (batch, horizon, targets) float32


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows over rows that are held once: a window is its origin, not a copy."""

    values: np.ndarray  # (rows, features) float32, the targets first
    future_values: np.ndarray  # (rows, future_features) float32
    origins: np.ndarray  # (windows,) int64: row of the first target step
    lookback: int
    horizon: int
    num_targets: int
    scales: TargetScales | None = None  # of values that were scaled

    def __len__(self) -> int:
        return len(self.origins)

    def gather(self, index: np.ndarray | slice) -> WindowBatch:
        """Return the arrays of the windows of an index."""
        origins = self.origins[index][:, None]
        past = origins + np.arange(-self.lookback, 0)  # (batch, lookback)
        ahead = origins + np.arange(self.horizon)  # (batch, horizon)
        inputs, targets = self.values[past], self.values[ahead, : self.num_targets]
        if self.has_new_series:
            own = inputs[:, :, : self.num_targets]
            inputs[:, :, : self.num_targets] = self.relative(own, index)
            targets = self.relative(targets, index)
        return WindowBatch(inputs=inputs, future_inputs=self.future_values[ahead], targets=targets)

    @property
    def has_new_series(self) -> bool:
        """Whether some series of a panel were not trained with."""
        return self.scales is not None and self.scales.has_new

    def relative(self, values: np.ndarray, index: np.ndarray | slice) -> np.ndarray:
        """Return targets of windows (windows, steps, targets), as a model reads them.

        That differs from `values` in windows of series that were not trained with.
        """
        own = self._own_scales(index)
        if own is None:
            return values
        mean, std = own
        return np.asarray((values - mean[:, None]) / std[:, None], dtype=np.float32)

    def _own_scales(self, index: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray] | None:
        """Return what windows are scaled by besides, see `TargetScales.of_windows`."""
        if self.scales is None or not self.scales.has_new:
            return None
        origins = self.origins[index]
        past = origins[:, None] + np.arange(-self.lookback, 0)
        return self.scales.of_windows(self.values[past, : self.num_targets], origins)

    def batches(self, batch_size: int) -> Iterator[tuple[slice, WindowBatch]]:
        """Yield every window once, in order; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            index = slice(start, min(start + batch_size, len(self)))
            yield index, self.gather(index)

    def take(self, index: np.ndarray | slice) -> "Windows":
        """Return the windows of an index, over the same rows."""
        return replace(self, origins=self.origins[index])

    def original(self, scaled: np.ndarray, index: np.ndarray | slice) -> np.ndarray:
        """Return what was scaled as their targets in units of the data, see `TargetScales`."""
        assert self.scales is not None
        own = self._own_scales(index)
        if own is not None:
            scaled = unscaled(scaled, *own)
        return self.scales.original(scaled, self.origins[index])

    def sizes(self, index: np.ndarray | slice) -> np.ndarray:
        """Return the scales of their targets beside the common ones: (windows, targets)."""
        assert self.scales is not None
        sizes, own = self.scales.sizes(self.origins[index]), self._own_scales(index)
        return sizes if own is None else sizes * own[1]

    def spread(self, count: int) -> "Windows":
        """Return at most `count` evenly spaced windows."""
        return self.take(evenly_spaced(len(self), count))


def evenly_spaced(total: int, count: int) -> np.ndarray:
    """Return at most `count` evenly spaced indices of `total`, the first and last among them."""
    if total <= count:
        return np.arange(total)
    return np.unique(np.linspace(0, total - 1, count).round().astype(np.int64))


def make_windows(
    values: np.ndarray,
    *,
    lookback: int,
    horizon: int,
    num_targets: int | None = None,
    future_values: np.ndarray | None = None,
    origins: np.ndarray | None = None,
    stride: int = 1,
    scales: TargetScales | None = None,
) -> Windows:
    """Cut an array into windows of `lookback` past and `horizon` target steps.

    Args:
        values: (rows, features) numbers, the targets first.
        lookback: past steps in a window.
        horizon: steps ahead to forecast.
        num_targets: how many of the first features are targets; all if None.
        future_values: (rows, future_features) numbers known ahead.
        origins: rows of the first target steps; every `stride` rows if None.
        stride: rows between consecutive origins.
        scales: of values that were scaled.

    Raises:
        DataError: the rows have no room for one window.
        UsageError: the arrays or numbers do not fit together.
    """
    values = np.asarray(values, dtype=np.float32)
    rows = len(values)
    _check_arguments(values, lookback, horizon, stride, future_values, origins)
    if origins is None:
        if rows < lookback + horizon:
            raise DataError(too_short(lookback, horizon, rows))
        origins = np.arange(lookback, rows - horizon + 1, stride)
    if future_values is None:
        future_values = np.empty((rows, 0), dtype=np.float32)
    return Windows(
        values=values,
        future_values=np.asarray(future_values, dtype=np.float32),
        origins=np.asarray(origins, dtype=np.int64),
        lookback=lookback,
        horizon=horizon,
        num_targets=values.shape[1] if num_targets is None else num_targets,
        scales=scales,
    )


def _check_arguments(
    values: np.ndarray,
    lookback: int,
    horizon: int,
    stride: int,
    future_values: np.ndarray | None,
    origins: np.ndarray | None,
) -> None:
    require(
        values.ndim == 2,
        "`values` must be an array (rows, features).",
        f"shape {values.shape}",
        "Use values[:, None] for one feature.",
    )
    require(
        min(lookback, horizon, stride) >= 1,
        "`lookback`, `horizon` and `stride` must be at least 1.",
        f"lookback={lookback}, horizon={horizon}, stride={stride}",
        "Give positive integers.",
    )
    require(
        future_values is None or len(future_values) == len(values),
        "`future_values` must have the rows of `values`.",
        f"{0 if future_values is None else len(future_values)} and {len(values)} rows",
        "Give one row for each.",
    )
    if origins is not None and len(origins):
        low, high = int(np.min(origins)), int(np.max(origins))
        require(
            lookback <= low and high <= len(values) - horizon,
            "`origins` must leave room for the window.",
            f"origins from {low} to {high} of {len(values)} rows",
            f"Use {lookback} to {len(values) - horizon}.",
        )


def too_short(lookback: int, horizon: int, rows: int) -> str:
    """Return the message for rows that hold no window."""
    remedy = (
        f"Use a lookback of at most {rows - horizon}."
        if rows > horizon
        else f"Use a horizon of less than {rows}, or give more data."
    )
    return (
        f"`lookback` and `horizon` must leave room for one window. Received: lookback={lookback}, "
        f"horizon={horizon} for {rows} rows. {remedy}"
    )


class Origins(NamedTuple):
    """The origins of the windows of a split, and how many were left out."""

    origins: np.ndarray  # (windows,) int64
    num_missing: int  # left out because a value is missing
    num_filled: int  # left out because a target was filled in


def find_origins(
    series: TimeSeries,
    parts: Sequence[slice],
    *,
    lookback: int,
    horizon: int,
    stride: int = 1,
    score_filled: bool = False,
) -> Origins:
    """Return the origins whose targets lie in the given rows of each series.

    Inputs may reach back before the rows, but not before the series. Windows that would hold a
    missing value are left out, and so are those with a filled target unless `score_filled`.
    """
    first_future = len(series.schema.targets) + len(series.schema.past_covariates)
    num_targets = len(series.schema.targets)
    is_missing = np.isnan(series.values)
    any_missing = _running_count(is_missing.any(axis=1))
    ahead_missing = _running_count(
        is_missing[:, :num_targets].any(axis=1) | is_missing[:, first_future:].any(axis=1)
    )
    any_filled = _running_count(series.filled)
    kept, num_missing, num_filled = [], 0, 0
    for part, start in zip(parts, series.borders[:-1], strict=True):
        first = max(part.start, int(start) + lookback)
        origins = np.arange(first, part.stop - horizon + 1, stride, dtype=np.int64)
        ends = origins + horizon
        missing = any_missing[origins] - any_missing[origins - lookback] > 0
        missing |= ahead_missing[ends] - ahead_missing[origins] > 0
        filled = ~missing & (any_filled[ends] - any_filled[origins] > 0) & (not score_filled)
        num_missing += int(missing.sum())
        num_filled += int(filled.sum())
        kept.append(origins[~missing & ~filled])
    return Origins(np.concatenate(kept), num_missing, num_filled)


def origins_of_fit(series: TimeSeries, parts: Sequence[slice], options: FitOptions) -> Origins:
    """Return the origins that a fit with settled options has in the given rows of each series."""
    return find_origins(
        series,
        parts,
        lookback=options.lookback or 0,
        horizon=options.horizon or 0,
        score_filled=options.score_filled,
    )


def _running_count(flags: np.ndarray) -> np.ndarray:
    """Return how many of the flags before each row are set: (rows + 1,)."""
    counts = np.zeros(len(flags) + 1, dtype=np.int32 if len(flags) < 2**31 else np.int64)
    np.cumsum(flags, out=counts[1:])
    return counts


def choose_lookback_horizon(freq: str | None, rows: int) -> tuple[int, int]:
    """Return a lookback and a horizon for a frequency and the rows of the longest series.

    Both are shrunk so that train, val and test of the default split all have windows.
    """
    lookback, horizon = _usual_lookback_horizon(freq)
    num_train, num_test = int(0.7 * rows), int(0.2 * rows)
    num_val = rows - num_train - num_test
    horizon = max(1, min(horizon, 2 * min(num_val, num_test) // 3))
    return max(1, min(lookback, (num_train - horizon) // 2)), horizon


def _usual_lookback_horizon(freq: str | None) -> tuple[int, int]:
    """Return about a week and a day, two months and two weeks, or three years and a year."""
    if freq is None:
        return 48, 12
    seconds = step_seconds(freq)
    day = round(_DAY / seconds)  # steps
    if seconds < 3600:
        return min(4 * day, 384), min(day, 96)
    if seconds < _DAY:
        return max(7 * day, 28), max(day, 4)
    for least_days, lookback, horizon in ((300, 10, 3), (80, 16, 4), (28, 36, 12), (7, 52, 8)):
        if seconds >= least_days * _DAY:
            return lookback, horizon
    return 56, 14
