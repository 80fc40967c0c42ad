"""What the forecast of each single window rests on: its largest cells."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsattn.attention_sums import AttentionSums, parts_of_batch
from tsattn.cells import Cell, merged_cells
from tsattn.config import require
from tsattn.data.windows import WindowBatch
from tsattn.errors import UsageError
from tsattn.fitted import FittedForecaster
from tsattn.linear_profiles import linear_rows
from tsattn.profile_frames import profile_frame
from tsattn.profiles import ProfileSum, attention_rows, describe_scores, ranks_features
from tsattn.rankings import CellShares

_PARTS = ["horizon_first", "horizon_last"]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """What the forecast of one target, for a part of the horizon of one window, rests on."""

    window: int
    target: str
    horizon_first: int
    horizon_last: int
    cells: tuple[Cell, ...]  # the largest, in falling order


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The rows of a profile about one target and part of the horizon, put together to cells."""

    target: str
    horizon_first: int
    horizon_last: int
    linear_share: float
    not_read: tuple[str, ...]
    rows: np.ndarray  # numbers of the rows of the profile
    of_rows: CellShares  # of these rows
    number: np.ndarray  # of the cell that each of them belongs to
    cells: list[tuple[str, str, int, int]]  # feature, role, lag_first, lag_last

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Return the shares of the cells, from values (windows, rows): (windows, cells)."""
        own = values[:, self.rows]
        of_rows = self.of_rows.of_target(own, self.target, self.linear_share, self.not_read)
        shares = np.zeros((len(self.cells), len(values)))
        np.add.at(shares, self.number, of_rows.T)
        return shares.T

    def cell(self, number: int, share: float) -> Cell:
        """Return a cell by its number."""
        feature, role, first, last = self.cells[number]
        return Cell(feature=feature, role=role, lag_first=first, lag_last=last, share=share)


class Reasons:
    """Finds the largest cells of windows, batch by batch.

    Their `count` is that asked for, or that of all cells where they are fewer.
    """

    def __init__(self, fitted: FittedForecaster, count: int) -> None:
        """Prepare to find so many cells at most for each target and part of the horizon.

        Raises:
            UsageError: the number is less than 1.
        """
        require(
            count >= 1, "`explain` must be at least 1 cell.", f"explain={count}", "For example 3."
        )
        self.fitted = fitted
        self.count = count
        self.found: list[Reason] = []
        self._parts: list[_Part] = []  # none before the first windows
        self._num_windows = 0

    def add(self, batch: WindowBatch, outputs: dict[str, np.ndarray]) -> None:
        """Find the largest cells of the next windows, from what the model gave for them.

        Raises:
            UsageError: the scores do not compare features.
        """
        sums = self._sums(batch, outputs)
        if not self._parts:  # later profiles differ in their means only, which are not read
            self._parts = _parts_of(profile_frame(self.fitted, sums), self.fitted)
            self.count = min(self.count, max(len(part.cells) for part in self._parts))
        values = self._by_row(sums)  # (windows, rows)
        for part in self._parts:
            shares = part.shares(values)  # (windows, cells)
            order = np.argsort(-shares, axis=1, kind="stable")[:, : self.count]
            for i, largest in enumerate(order):
                cells = [part.cell(j, float(shares[i, j])) for j in largest if shares[i, j] > 0]
                self.found.append(
                    Reason(
                        window=self._num_windows + i,
                        target=part.target,
                        horizon_first=part.horizon_first,
                        horizon_last=part.horizon_last,
                        cells=tuple(cells),
                    )
                )
        self._num_windows += len(values)

    def _sums(self, batch: WindowBatch, outputs: dict[str, np.ndarray]) -> AttentionSums:
        """Return the scores of a batch, each window kept whole."""
        # Relative to the mean of its own window, as the profile of this window alone would be.
        levels = batch.inputs.mean(axis=1, keepdims=True)
        parts = parts_of_batch(self.fitted, batch, outputs, levels)
        sums = {name: ProfileSum(np.arange(len(batch.inputs))) for name in parts}
        for name, part in parts.items():
            sums[name].add(part)
        return AttentionSums(**sums)

    def _by_row(self, sums: AttentionSums) -> np.ndarray:
        """Return what each window has for each row of the profile: (windows, rows)."""
        fitted = self.fitted
        values = [fitted.profile(sums.attention).in_rows(sums.attention.kept_scores())]
        ahead, linear = sums.future_attention, sums.linear_inputs
        if ahead is not None:
            values.append(fitted.future_profile(ahead).in_rows(ahead.kept_scores()))
        if linear is not None:
            path = (fitted.linear, fitted.linear_shares, fitted.schema)
            values.append(linear_rows(linear.kept_scores(), *path, lookback=fitted.lookback))
        return np.concatenate(values, axis=1)


def check_cells_compare(profile: pd.DataFrame, attention: str | None) -> None:
    """Raise a UsageError for scores that do not compare the cells of different features."""
    if ranks_features(profile):
        return
    raise UsageError(
        "The cells of a window can be compared only by attention scores that compare features. "
        f"Received: a model with attention {attention}. {describe_scores(profile)} Fit one with "
        "--attention bottleneck, or see these scores with `tsattn explain --window`."
    )


def _parts_of(rows: pd.DataFrame, fitted: FittedForecaster) -> list[_Part]:
    """Return the targets and parts of the horizon that the rows of a profile are about.

    Raises:
        UsageError: the scores do not compare features.
    """
    check_cells_compare(rows, fitted.options.attention)
    targets, is_apart, parts = fitted.schema.targets, fitted.targets_apart, []
    for target, linear_share in fitted.shares_by_target.items():
        is_own = rows["target"].isin([target, "*"])
        network = attention_rows(rows[is_own])
        is_linear = is_own & ~rows.index.isin(network.index)
        for first, last in network[_PARTS].drop_duplicates().itertuples(index=False):
            of_part = network.index[network["horizon_first"] == first]
            used = np.flatnonzero(rows.index.isin(of_part) | is_linear)
            own = rows.iloc[used]
            table, number = merged_cells(own)
            parts.append(
                _Part(
                    target=target,
                    horizon_first=int(first),
                    horizon_last=int(last),
                    linear_share=linear_share,
                    not_read=tuple(name for name in targets if name != target and is_apart),
                    rows=used,
                    of_rows=CellShares(own),
                    number=number,
                    cells=list(table.itertuples(index=False, name=None)),
                )
            )
    return parts
