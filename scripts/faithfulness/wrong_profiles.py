"""Profiles that are wrong by construction: none of them may be trusted."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from tsattn.attention_sums import mean_values, sum_attention
from tsattn.controls import untrained
from tsattn.data.windows import Windows
from tsattn.fitted import FittedForecaster
from tsattn.models import LINEAR_PATH
from tsattn.profile_frames import profile_frame
from tsattn.profiles import attention_rows


def features_shuffled(
    profile: pd.DataFrame, fitted: FittedForecaster, windows: Windows
) -> pd.DataFrame:
    """Return a profile whose past rows each belong to another feature."""
    is_past = profile["role"] == "past"
    names = profile.loc[is_past, "feature"].unique()
    order = np.random.default_rng(17).permutation(len(names))
    others = dict(zip(names[order], names[np.roll(order, 1)], strict=True))
    renamed = profile["feature"].where(~is_past, profile["feature"].map(others))
    return profile.assign(feature=renamed)


def random_weights(
    profile: pd.DataFrame, fitted: FittedForecaster, windows: Windows
) -> pd.DataFrame:
    """Return the profile of a network that learnt nothing, beside the same linear path."""
    other = untrained(fitted)
    if fitted.linear_shares.any():
        other.network.get_layer(LINEAR_PATH).share.assign(fitted.linear_shares)
    return profile_frame(other, sum_attention(other, windows, mean_values(windows)))


def bounded_logits(
    profile: pd.DataFrame, fitted: FittedForecaster, windows: Windows
) -> pd.DataFrame:
    """Return what a softmax over the lags shows whose logits went through `tanh`.

    The logits are those of the true masses of each feature, as far as `tanh` lets them: of n lags
    none can have more than e^2 / (e^2 + n - 1).
    """
    rows = attention_rows(profile)
    rows = rows[rows["role"] == "past"].reset_index(drop=True)
    by_feature = rows.groupby("feature")["mean"]
    spread = by_feature.transform("std").replace(0, 1)
    weights = np.exp(np.tanh((rows["mean"] - by_feature.transform("mean")) / spread))
    shares = weights / weights.groupby(rows["feature"]).transform("sum")
    return rows.assign(mean=shares, measure="share")


WRONG: dict[str, Callable[[pd.DataFrame, FittedForecaster, Windows], pd.DataFrame]] = {
    "features shuffled": features_shuffled,
    "random weights": random_weights,
    "bounded logits": bounded_logits,
}
