"""What the linear path of a forecaster rests on."""

import numpy as np
import pandas as pd

from tsattn.baselines import LinearBaseline
from tsattn.data.calendar import calendar_names
from tsattn.data.schema import Schema
from tsattn.profiles import ProfileSum, attention_rows

ALL_LINEAR = (
    "The forecast is all linear path: the profile is its contributions, and the attention of the "
    "network has no part in it."
)
LINEAR_MEANING = (
    "Beside the attention a linear path has a share of the forecast. Contribution: the sizes of "
    "what the lags of a feature add to the forecast through it, added up, in standard deviations "
    "of the target."
)


def linear_frame(
    magnitudes: ProfileSum,
    linear: LinearBaseline,
    shares: np.ndarray,
    schema: Schema,
    *,
    lookback: int,
    horizon: int,
) -> pd.DataFrame:
    """Return the contributions of the linear path in the columns of `attention/profile.csv`.

    A contribution is share times weight times value: of the target relative to its mean in the
    window, and of other features relative to their mean, see `sizes_read`. The row has its size on
    average over the steps of the horizon, in standard deviations of the target. It is exact: with
    their signs and a constant, they add up to what the linear path adds to a multiple of that mean.

    Args:
        magnitudes: Sizes (windows, targets, regressors), see `LinearBaseline.sizes_read`, added up.
        linear: The weights of the path.
        shares: (targets,) shares of the path in the forecast.
        schema: Names of targets, covariates and calendar fields.
        lookback: Past steps in a window.
        horizon: Steps ahead that are forecast.
    """
    weights = _weights(linear, shares, schema, lookback)
    mean, std = (weights * values for values in magnitudes.mean_and_std())
    quantiles = weights * np.quantile(magnitudes.kept_scores(), [0.1, 0.5, 0.9], axis=0)
    frames = []
    for i, target in enumerate(schema.targets):
        cells = _cells(linear.inputs, target, schema, lookback, horizon)
        feature, role, lag = zip(*cells, strict=True)
        columns = {
            "target": target,
            "feature": feature,
            "kind": "feature",
            "role": role,
            "horizon_first": 1,
            "horizon_last": horizon,
            "lag_first": lag,
            "lag_last": lag,
            "measure": "contribution",
            "mean": mean[i],
            "std": std[i],
            "p10": quantiles[0, i],
            "p50": quantiles[1, i],
            "p90": quantiles[2, i],
            "num_windows": magnitudes.num_windows,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat([frame for frame, share in zip(frames, shares, strict=True) if share > 0])


def linear_blocks(
    magnitudes: ProfileSum,
    linear: LinearBaseline,
    shares: np.ndarray,
    schema: Schema,
    *,
    lookback: int,
) -> np.ndarray:
    """Return the rows of `linear_frame`, added up over blocks of windows: (blocks, rows)."""
    return linear_rows(magnitudes.block_sums, linear, shares, schema, lookback=lookback)


def linear_rows(
    sizes: np.ndarray,
    linear: LinearBaseline,
    shares: np.ndarray,
    schema: Schema,
    *,
    lookback: int,
) -> np.ndarray:
    """Return the contributions of each window, or sum of windows, by row of `linear_frame`.

    Sizes (count, targets, regressors) of what is read become (count, rows).
    """
    contributions = _weights(linear, shares, schema, lookback) * sizes
    return np.asarray(contributions[:, shares > 0].reshape(len(sizes), -1))


def _weights(
    linear: LinearBaseline, shares: np.ndarray, schema: Schema, lookback: int
) -> np.ndarray:
    """Return the mean size, over the horizon, of each weight: (targets, regressors)."""
    weights = linear.weights_of_values(lookback, len(schema.features))
    return np.asarray(np.abs(weights).mean(axis=2) * shares[:, None])


def _cells(
    inputs: str, target: str, schema: Schema, lookback: int, horizon: int
) -> list[tuple[str, str, int]]:
    """Return feature, role and lag of each regressor of a target."""
    features = schema.features if inputs == "all" else (target,)
    cells = [(name, "past", lag) for lag in range(lookback, 0, -1) for name in features]
    if inputs != "own":
        steps = range(1, horizon + 1)
        cells += [(name, "future", 1 - step) for step in steps for name in schema.future_covariates]
        cells += [(name, "future", 0) for name in calendar_names(schema.calendar or ())]
    return cells


def is_all_linear(shares: dict[str, float]) -> bool:
    """Return whether the linear path has all of the forecast of every target."""
    return bool(shares) and min(shares.values()) >= 1


def without_idle_attention(profile: pd.DataFrame, shares: dict[str, float]) -> pd.DataFrame:
    """Leave out the attention of networks that have no part in the forecast.

    What is left of a target whose forecast is all linear path are the contributions to it.

    Args:
        profile: The columns of `attention/profile.csv`.
        shares: Share of the linear path in the forecast of each target.
    """
    idle = [target for target, share in shares.items() if share >= 1]
    is_attention = profile.index.isin(attention_rows(profile).index)
    is_idle = profile["target"].isin(idle) | is_all_linear(shares)
    return profile if is_attention.all() else profile[~(is_attention & is_idle)]


def summarize_linear(profile: pd.DataFrame) -> pd.DataFrame | None:
    """Return what the linear path rests on by feature, or None for a profile without such a path.

    Columns: `feature`, `role`, `contribution` (the mean sizes of its lags added up) and `peak_lag`,
    in falling order; features that contribute nothing are left out.
    """
    rows = profile.drop(attention_rows(profile).index)
    if rows.empty:
        return None
    cells = rows.groupby(["feature", "role", "lag_first"], sort=False)["mean"].mean().reset_index()
    groups = cells.groupby(["feature", "role"], sort=False)
    peaks = cells.loc[groups["mean"].idxmax()]
    summary = groups["mean"].sum().rename("contribution").reset_index()
    summary["peak_lag"] = peaks["lag_first"].to_numpy()
    summary = summary[summary["contribution"] > 0]
    return summary.sort_values("contribution", ascending=False, kind="stable", ignore_index=True)
