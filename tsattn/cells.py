"""The cells of a profile: what a forecast rests on, and what can be replaced in a window.

A cell is a feature at a lag, at a segment of lags, or at a step that is known ahead.
"""

import math
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsattn.profiles import attention_rows, ranks_features
from tsattn.rankings import mean_shares

ALL_FEATURES = "*"
_COLUMNS = ("feature", "role", "lag_first", "lag_last")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A feature at a lag, a segment of lags, or a step that is known ahead."""

    feature: str
    role: str  # "past" or "future"
    lag_first: int
    lag_last: int
    share: float  # of the forecast, attention and linear path together

    @property
    def name(self) -> str:
        """Feature and lag, as in `temperature@lag3`, or step that is known ahead."""
        place = f"step{1 - self.lag_first}" if self.role == "future" else f"lag{self.lag_first}"
        if self.role == "past" and self.lag_last > self.lag_first:
            place += f"-{self.lag_last}"
        return f"{self.feature}@{place}"

    def __str__(self) -> str:
        digits = 0 if self.share >= 0.0995 else 1
        return f"{self.name}: {self.share:.{digits}%}"

    def to_json(self) -> dict[str, Any]:
        """Return the cell as JSON-ready values: `lag_first` and `lag_last`, or `step`."""
        ahead = self.role == "future"
        place = (
            {"step": 1 - self.lag_first}
            if ahead
            else {"lag_first": self.lag_first, "lag_last": self.lag_last}
        )
        return {"feature": self.feature, "role": self.role, **place, "share": self.share}


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of the attention of a profile."""

    table: pd.DataFrame  # feature, role, lag_first, lag_last
    mass: np.ndarray  # (cells,) shares in the forecast, the linear path included
    groups: np.ndarray  # (cells,) masses compare with one another within a group only
    by_feature: np.ndarray  # (cells,) number of feature and role

    def __len__(self) -> int:
        return len(self.mass)


def profile_cells(
    profile: pd.DataFrame,
    linear_shares: Mapping[str, float],
    *,
    targets_apart: bool,
    most: int,
) -> Cells:
    """Return the cells that the attention of a profile has rows for.

    Their mass is the mean over the targets of their share in the forecast, see
    `tsattn.rankings.CellShares`; horizon parts are added up, and what the linear path reads where
    the attention has a cell too is added to it. Lags next to one another are put together where
    there would be more than `most` cells. Where the scores do not compare features, masses compare
    within a feature only, and a linear path, which nothing tells how to add, is left out. Channels
    that are not features stand for all features together.

    Args:
        profile: Rows in the columns of `attention/profile.csv`.
        linear_shares: Share of the linear path in the forecast of each target.
        targets_apart: Whether the network of a target reads none of the other targets.
        most: Cells at most, but one for each feature.
    """
    ranks = ranks_features(profile)
    rows = profile if ranks else attention_rows(profile)
    linear = linear_shares if ranks else dict.fromkeys(linear_shares, 0.0)
    shares = mean_shares(rows, rows["mean"].to_numpy(), linear, targets_apart=targets_apart)
    is_feature = rows["kind"].iloc[0] == "feature"
    table, number = merged_cells(rows if is_feature else rows.assign(feature=ALL_FEATURES))
    table["mass"] = np.bincount(number, shares, len(table))
    table = table[: number[: len(attention_rows(rows))].max() + 1]  # its cells come first
    longest = math.ceil(len(table) / most)
    parts = [
        _put_together(part.sort_values("lag_first"), longest)
        for _, part in table.groupby(["feature", "role"], sort=False)
    ]
    table = pd.concat(parts, ignore_index=True)
    number = table.groupby(["feature", "role"], sort=False).ngroup().to_numpy()
    return Cells(
        table=table[list(_COLUMNS)],
        mass=table["mass"].to_numpy(),
        groups=np.zeros(len(table), int) if ranks or not is_feature else number,
        by_feature=number,
    )


def _put_together(cells: pd.DataFrame, longest: int) -> pd.DataFrame:
    """Return the cells of a feature, so many next to one another put together to one."""
    starts = np.arange(0, len(cells), longest)
    return cells.iloc[starts].assign(
        lag_last=np.maximum.reduceat(cells["lag_last"].to_numpy(), starts),
        mass=np.add.reduceat(cells["mass"].to_numpy(), starts),
    )


def describe_forecast(forecast: pd.DataFrame) -> str:
    """Return a sentence that says what the shares of a `forecast_profile` mean."""
    over = ", on average over the targets" if forecast["target"].iloc[0] == "*" else ""
    return (
        "Share: how much of the forecast rests on a feature at a lag, attention and any linear "
        f"path together{over}."
    )


def largest_cells(forecast: pd.DataFrame, most: int | None = None) -> list[Cell]:
    """Return the cells of a `forecast_profile` that have a share, so many, in falling order."""
    table = forecast[forecast["mean"] > 0].sort_values("mean", ascending=False, kind="stable")
    table = table.head(len(table) if most is None else most)
    return [
        Cell(feature=feature, role=role, lag_first=first, lag_last=last, share=share)
        for feature, role, first, last, share in table[[*_COLUMNS, "mean"]].itertuples(index=False)
    ]


def merged_cells(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the cells of a profile, and the number of the cell that each row belongs to.

    Every cell of the attention is one; what the linear path reads of the same feature at the same
    lag, or at one of the same segment, belongs to it; the rest are cells of their own, which come
    last.

    Args:
        rows: Rows in the columns of `attention/profile.csv`, those of the attention first.

    Returns:
        `feature, role, lag_first, lag_last`, and (rows,) numbers.
    """
    cells: list[tuple[str, str, int, int]] = []
    of_feature: dict[tuple[str, str], list[tuple[int, int]]] = {}  # first lags and cells, in order
    numbers = []
    columns = (rows[name].tolist() for name in _COLUMNS)
    for feature, role, first, last in zip(*columns, strict=True):
        places = of_feature.setdefault((feature, role), [])
        place = bisect(places, (first, len(cells)))
        number = places[place - 1][1] if place else len(cells)
        if not place or cells[number][3] < first:  # the lag is in no cell so far
            number = len(cells)
            places.insert(place, (first, number))
            cells.append((feature, role, first, last))
        numbers.append(number)
    return pd.DataFrame(cells, columns=list(_COLUMNS)), np.array(numbers)


def forecast_profile(
    profile: pd.DataFrame, linear_shares: Mapping[str, float], *, targets_apart: bool
) -> pd.DataFrame | None:
    """Return what the forecast rests on, attention and linear path put together.

    Args:
        profile: Rows in the columns of `attention/profile.csv`.
        linear_shares: Share of the linear path in the forecast of each target.
        targets_apart: Whether the network of a target reads none of the other targets.

    Returns:
        A row of measure "forecast" for each cell, in columns of `attention/profile.csv`. The means
        are shares in the forecast, see `tsattn.rankings.CellShares`, of all parts of the horizon
        together and on average over the targets; they sum to 1, or to less where the attention has
        no mass at all. None where the scores do not compare features, or no shares are known.
    """
    if not linear_shares or not ranks_features(profile):
        return None
    shares = mean_shares(
        profile, profile["mean"].to_numpy(), linear_shares, targets_apart=targets_apart
    )
    table, number = merged_cells(profile)
    first = profile.iloc[0]
    return table.assign(
        target=next(iter(linear_shares)) if len(linear_shares) == 1 else "*",
        kind=first["kind"],
        horizon_first=1,
        horizon_last=profile["horizon_last"].max(),
        measure="forecast",
        mean=np.bincount(number, shares, len(table)),
        num_windows=first["num_windows"],
    )


def cell_masks(
    cells: Cells,
    chosen: Iterable[int],
    features: Sequence[str],
    future_features: Sequence[str],
    lookback: int,
    horizon: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return which values some cells stand for.

    Returns:
        Booleans (lookback, features) and (horizon, future features).
    """
    past = np.zeros((lookback, len(features)), dtype=bool)
    future = np.zeros((horizon, len(future_features)), dtype=bool)
    table = cells.table.iloc[list(chosen)]
    for feature, role, first, last in zip(
        *(table[name].tolist() for name in _COLUMNS), strict=True
    ):
        if role == "future":  # horizon step h, from 1, has lag 1 - h
            future[-last : 1 - first, future_features.index(feature)] = True
        else:
            columns = slice(None) if feature == ALL_FEATURES else features.index(feature)
            past[lookback - last : lookback - first + 1, columns] = True
    return past, future
