"""Attention profiles: attention scores summed over many windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

KINDS = ("feature", "unit", "shared")
SHARED = "shared"
MAX_KEPT_WINDOWS = 2_000


@dataclass(frozen=True, kw_only=True)
class AttentionProfile:
    """Mean and spread of the attention scores of every channel and lag, over many windows.

    What a channel is, `kind` says: a feature, a hidden unit, or all features together ("shared").
    Scores of measure "share" sum to 1 over the lags of a channel, so they say *when*, and rank no
    channel over another.
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


def channel_names(
    attention: str, placement: str, features: Sequence[str], units: int
) -> tuple[str, tuple[str, ...]]:
    """Return the kind of the channels that an attention block scores, and their names."""
    if attention == "shared":
        return "shared", (SHARED,)
    if placement == "before":
        return "feature", tuple(features)
    return "unit", tuple(f"unit_{i:03d}" for i in range(units))


def describe_kind(kind: str) -> str:
    """Return a sentence that says what the channels of a profile are, and are not."""
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


def summarize_profile(profile: pd.DataFrame) -> pd.DataFrame:
    """Return one row per channel of a profile: where its attention peaks, and how sharply.

    Columns: `feature`, `peak_lag`, `share` at the peak, `times_uniform` (the share divided by
    1 / lags) and `lags_for_half`, the number of lags that hold half of the attention.
    """
    rows = []
    for name, group in profile.groupby("feature", sort=False):
        shares = group["mean"].to_numpy()
        peak = int(np.argmax(shares))
        ordered = np.sort(shares)[::-1].cumsum()
        rows.append(
            {
                "feature": name,
                "peak_lag": int(group["lag_first"].iloc[peak]),
                "share": float(shares[peak]),
                "times_uniform": float(shares[peak] * len(shares)),
                "lags_for_half": int(np.searchsorted(ordered, 0.5 * shares.sum()) + 1),
            }
        )
    return pd.DataFrame(rows)
