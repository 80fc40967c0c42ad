"""How far one attention profile of a model lies from another."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsattn.profiles import attention_rows, ranks_features
from tsattn.rankings import mean_shares

_CELL = (
    "target", "feature", "kind", "role", "horizon_first", "horizon_last", "lag_first", "lag_last",
    "measure",
)  # fmt: skip
RANKED_MEANING = (
    "Distances are half the sum of the absolute differences of shares, from 0 to 1. The total is "
    "the share of the forecast, attention and any linear path together, that rests on other "
    "cells than before; lags: the same among the lags of one feature, whatever its own share"
)
UNRANKED_MEANING = (
    "Distances are half the sum of the absolute differences of shares over lags, from 0 to 1; the "
    "total is their mean. The scores do not compare features, and a linear path is left out"
)


class ProfileDistance(NamedTuple):
    """How far a profile lies from a reference."""

    total: float  # from 0 to 1
    # feature, role; before, now and change (its shares in the forecast) where scores rank features;
    # lags: the distance over its lags, NaN where the feature had or has no mass at all
    features: pd.DataFrame
    meaning: str


def profile_distance(
    profile: pd.DataFrame,
    reference: pd.DataFrame,
    linear_shares: Mapping[str, float],
    *,
    targets_apart: bool,
) -> ProfileDistance:
    """Return how far a profile lies from a reference: half the L1 distance of their shares.

    Where scores rank features, the shares are those of all cells in the forecast, see
    `tsattn.rankings.CellShares`, on average over targets. Elsewhere they are those of each feature
    over its lags, and the linear path is left out.

    Args:
        profile: Rows in the columns of `attention/profile.csv`.
        reference: The same cells over other windows.
        linear_shares: Share of the linear path in the forecast of each target.
        targets_apart: Whether the network of a target reads none of the other targets.

    Raises:
        ValueError: the profiles have other cells, so they are not of one model.
    """
    if not _same_cells(profile, reference):
        raise ValueError(
            "Profiles are compared cell by cell. Received: profiles with other cells. "
            "Make both with the same model."
        )
    if not ranks_features(reference):
        return _over_lags(attention_rows(profile), attention_rows(reference))
    now, before = (
        mean_shares(frame, frame["mean"].to_numpy(), linear_shares, targets_apart=targets_apart)
        for frame in (profile, reference)
    )
    rows = []
    for (feature, role), own in profile.reset_index(drop=True).groupby(
        ["feature", "role"], sort=False
    ):
        was, has = before[own.index], now[own.index]
        rows.append(
            {
                "feature": feature,
                "role": role,
                "before": was.sum(),
                "now": has.sum(),
                "change": has.sum() - was.sum(),
                "lags": _half_l1(was, has),
            }
        )
    features = pd.DataFrame(rows).sort_values(
        "change", key=lambda change: -change.abs(), kind="stable", ignore_index=True
    )
    return ProfileDistance(float(np.abs(now - before).sum() / 2), features, RANKED_MEANING)


def _same_cells(profile: pd.DataFrame, reference: pd.DataFrame) -> bool:
    return len(profile) == len(reference) and all(
        bool((profile[name].to_numpy() == reference[name].to_numpy()).all()) for name in _CELL
    )


def _half_l1(before: np.ndarray, now: np.ndarray) -> float:
    """Return half the L1 distance of two rows of numbers, each divided by its sum."""
    if before.sum() <= 0 or now.sum() <= 0:
        return float("nan")
    return float(np.abs(now / now.sum() - before / before.sum()).sum() / 2)


def _over_lags(profile: pd.DataFrame, reference: pd.DataFrame) -> ProfileDistance:
    """Return the distances of scores that are a softmax over the lags of each feature."""
    frame = profile.assign(before=reference["mean"].to_numpy())
    parts = ["target", "horizon_first", "feature", "role"]
    rows = [
        {
            "feature": feature,
            "role": role,
            "lags": _half_l1(own["before"].to_numpy(), own["mean"].to_numpy()),
        }
        for (_, _, feature, role), own in frame.groupby(parts, sort=False)
    ]
    features = pd.DataFrame(rows).groupby(["feature", "role"], sort=False)["lags"].mean()
    features = features.sort_values(ascending=False, kind="stable")
    return ProfileDistance(float(features.mean()), features.reset_index(), UNRANKED_MEANING)
