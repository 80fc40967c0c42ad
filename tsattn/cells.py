"""The cells of a profile: what can be replaced in a window, and the mass that each is said to have.

A cell is a feature at a lag, or at a segment of lags.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsattn.profiles import attention_rows, ranks_features
from tsattn.rankings import mean_shares

ALL_FEATURES = "*"
_COLUMNS = ("feature", "role", "lag_first", "lag_last")


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
    `tsattn.rankings.cell_shares`; horizon parts are added up, and what the linear path reads where
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
    named = (
        rows.assign(mass=shares) if is_feature else rows.assign(mass=shares, feature=ALL_FEATURES)
    )
    keys = ["feature", "role", "lag_first"]
    attention = attention_rows(named).groupby(keys, sort=False)["lag_last"].max().reset_index()
    longest = math.ceil(len(attention) / most)
    tables, masses = [], []
    for (feature, role), part in attention.groupby(["feature", "role"], sort=False):
        part = part.sort_values("lag_first")
        edges = part["lag_first"].to_numpy()[::longest]
        ends = np.append(
            part["lag_last"].to_numpy()[longest - 1 :: longest], part["lag_last"].max()
        )
        own = named[(named["feature"] == feature) & (named["role"] == role)]
        own = own[own["lag_first"].between(edges[0], part["lag_last"].max())]
        place = np.searchsorted(edges, own["lag_first"], side="right") - 1
        masses.append(np.bincount(place, own["mass"], len(edges)))
        tables.append(
            pd.DataFrame({"lag_first": edges, "lag_last": ends[: len(edges)]}).assign(
                feature=str(feature), role=str(role)
            )
        )
    table = pd.concat(tables, ignore_index=True)
    number = table.groupby(["feature", "role"], sort=False).ngroup().to_numpy()
    return Cells(
        table=table,
        mass=np.concatenate(masses),
        groups=np.zeros(len(table), int) if ranks or not is_feature else number,
        by_feature=number,
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
