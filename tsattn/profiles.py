"""Attention profiles: attention scores summed over many windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

SHARED = "shared"
MAX_KEPT_WINDOWS = 2_000
RANKING = ("input", "variable")  # attentions whose shares sum to 1 over features and lags together


@dataclass(frozen=True, kw_only=True)
class AttentionProfile:
    """Mean and spread of the attention scores of every channel and lag, over many windows.

    What a channel is, `kind` says: a feature, a hidden unit, or all features together ("shared").
    Scores of measure "share" sum to 1 over the lags of a channel, so they say *when*, and rank no
    channel over another; but for the attentions in `RANKING`, where all channels together do.
    Scores of measure "nats" add up over lags and channels.
    """

    target: str  # the target forecast, or "*" where all targets share the attention
    channels: tuple[str, ...]
    kind: str
    measure: str
    horizon: int
    mean: np.ndarray  # (lags, channels), row i is lag i + 1
    std: np.ndarray  # (lags, channels)
    quantiles: np.ndarray  # (3, lags, channels): 10, 50 and 90 %, over evenly spaced windows
    num_windows: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per channel and lag, in the columns of `attention/profile.csv`."""
        lags, channels = self.mean.shape
        lag = np.tile(np.arange(1, lags + 1), channels)
        columns = {
            "target": self.target,
            "feature": np.repeat(np.array(self.channels, dtype=object), lags),
            "kind": self.kind,
            "role": "past",
            "horizon_first": 1,
            "horizon_last": self.horizon,
            "lag_first": lag,
            "lag_last": lag,
            "measure": self.measure,
            "mean": self.mean.T.ravel(),
            "std": self.std.T.ravel(),
            "p10": self.quantiles[0].T.ravel(),
            "p50": self.quantiles[1].T.ravel(),
            "p90": self.quantiles[2].T.ravel(),
            "num_windows": self.num_windows,
        }
        return pd.DataFrame(columns, index=range(lags * channels))


class ProfileSum:
    """Adds up attention scores batch by batch; memory does not grow with the windows.

    Mean and standard deviation are over every window. Quantiles, and the scores that are kept
    whole, are those of at most `MAX_KEPT_WINDOWS` evenly spaced windows.
    """

    def __init__(self, kept: np.ndarray) -> None:
        """Prepare to keep the scores of the windows with these numbers, in rising order."""
        self.kept = kept
        self.num_windows = 0
        self._scores: list[np.ndarray] = []
        self._sum: np.ndarray | float = 0.0
        self._squares: np.ndarray | float = 0.0

    def add(self, scores: np.ndarray) -> None:
        """Add the scores (windows, steps, channels) of the next windows."""
        first, last = np.searchsorted(self.kept, [self.num_windows, self.num_windows + len(scores)])
        self._scores.append(scores[self.kept[first:last] - self.num_windows])
        exact = scores.astype(np.float64)
        self._sum = self._sum + exact.sum(axis=0)
        self._squares = self._squares + np.square(exact).sum(axis=0)
        self.num_windows += len(scores)

    def kept_scores(self) -> np.ndarray:
        """Return the scores of the kept windows: (kept, steps, channels)."""
        return np.concatenate(self._scores)

    def profile(
        self, *, target: str, channels: Sequence[str], kind: str, measure: str, horizon: int
    ) -> AttentionProfile:
        """Return the profile of the windows added so far; steps are turned into lags."""
        mean = np.asarray(self._sum) / self.num_windows
        variance = np.asarray(self._squares) / self.num_windows - np.square(mean)
        quantiles = np.quantile(self.kept_scores(), [0.1, 0.5, 0.9], axis=0)
        return AttentionProfile(
            target=target,
            channels=tuple(channels),
            kind=kind,
            measure=measure,
            horizon=horizon,
            mean=mean[::-1],
            std=np.sqrt(np.maximum(variance, 0))[::-1],
            quantiles=quantiles[:, ::-1],
            num_windows=self.num_windows,
        )


def describe_channels(
    attention: str, placement: str, features: Sequence[str], units: int
) -> tuple[str, str, tuple[str, ...]]:
    """Return what the channels of an attention are, what its scores measure, and their names.

    Kind: "feature", "unit" or "shared". Measure: "share" or "nats".
    """
    if attention == "bottleneck":
        return "feature", "nats", tuple(features)
    if attention in RANKING or (attention, placement) == ("per-dimension", "before"):
        return "feature", "share", tuple(features)
    if attention == "per-dimension":
        return "unit", "share", tuple(f"unit_{i:03d}" for i in range(units))
    return "shared", "share", (SHARED,)


def describe_scores(profile: pd.DataFrame) -> str:
    """Return a sentence that says what the scores of a profile mean, and what they do not."""
    kind, measure = profile["kind"].iloc[0], profile["measure"].iloc[0]
    if measure == "nats":
        return (
            "The nats are how much information about each cell the model may read: they add up "
            "over lags and features, and rank both."
        )
    if kind == "feature" and ranks_features(profile):
        return (
            "The shares of all features and lags together sum to 1. They weigh states of a "
            "recurrent layer, which know earlier lags too."
        )
    if kind == "feature":
        return (
            "For each feature the shares over its lags sum to 1: they say when the model looks at "
            "the feature, not how much the feature matters."
        )
    if kind == "unit":
        return (
            "The channels are hidden units of the recurrent layer, each a mix of all features up "
            "to its step; for each the shares over the lags sum to 1."
        )
    return (
        "All features share one softmax over the lags, which sums to 1: it says when the model "
        "looks, not at which feature."
    )


def ranks_features(profile: pd.DataFrame) -> bool:
    """Return whether the scores of a profile compare features, not only the lags of each."""
    if profile["kind"].iloc[0] != "feature":
        return False
    masses = profile.groupby("feature", sort=False)["mean"].sum()
    return profile["measure"].iloc[0] != "share" or not np.allclose(masses, 1, atol=1e-3)


def summarize_profile(profile: pd.DataFrame) -> pd.DataFrame:
    """Return one row per channel of a profile: where its attention peaks, and how sharply.

    Columns: `feature`; `mass`, its share of the whole, only where the scores rank features;
    `peak_lag`; `share` of the channel's own attention at the peak; `times_uniform`, that share
    divided by 1 / lags; `lags_for_half`, the number of lags that hold half of the attention.
    """
    whole = profile["mean"].sum()
    rows = []
    for name, group in profile.groupby("feature", sort=False):
        mass = group["mean"].sum()
        shares = group["mean"].to_numpy() / (mass or 1.0)
        peak = int(np.argmax(shares))
        rows.append(
            {
                "feature": name,
                "mass": float(mass / (whole or 1.0)),
                "peak_lag": int(group["lag_first"].iloc[peak]),
                "share": float(shares[peak]),
                "times_uniform": float(shares[peak] * len(shares)),
                "lags_for_half": int(np.searchsorted(np.sort(shares)[::-1].cumsum(), 0.5) + 1),
            }
        )
    summary = pd.DataFrame(rows)
    if ranks_features(profile):
        return summary.sort_values("mass", ascending=False, kind="stable", ignore_index=True)
    return summary.drop(columns="mass")
