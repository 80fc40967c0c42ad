"""Attention profiles: attention scores summed over many windows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsattn.segments import Edges

SHARED = "shared"
MAX_KEPT_WINDOWS = 2_000
MAX_KEPT_SCORES = 50_000_000  # 200 MB
CONTRIBUTION_UNIT = "standard deviations of the target"
RANKING = ("input", "variable")  # joint attentions whose shares sum to 1 over all cells together


@dataclass(frozen=True, kw_only=True)
class AttentionProfile:
    """Mean and spread of the attention scores over many windows.

    They are those of each target, part of the horizon, lag or segment of lags, and channel. What a
    channel is, `kind` says: a feature, a hidden unit, or all features together ("shared"). Scores
    of measure "share" sum to 1 over the lags of a channel, so they say *when*, and rank no channel
    over another; unless all channels together sum to 1, see `ranks_features`. Scores of measure
    "nats" and "contribution" add up over lags and channels.
    """

    targets: tuple[str, ...]  # what is forecast; "*" where all targets share the attention
    horizon_parts: Edges  # first and last step of each part of the horizon
    lags: Edges  # first and last lag of each segment, in the order of the means
    channels: tuple[tuple[str, ...], ...]  # of each target
    kind: str
    measure: str
    mean: np.ndarray  # (targets, parts, segments, channels)
    std: np.ndarray  # (targets, parts, segments, channels)
    quantiles: np.ndarray  # (3, ...): 10, 50 and 90 %, over evenly spaced windows
    num_windows: int
    role: str = "past"  # or "future": what is known ahead, at lag 1 - h for horizon step h

    def to_frame(self) -> pd.DataFrame:
        """Return one row per channel and lag, in the columns of `attention/profile.csv`.

        Their order is that of `in_rows`.
        """
        targets, parts, segments, channels = self.mean.shape
        target, part, channel, segment = (
            index.ravel() for index in np.indices((targets, parts, channels, segments))
        )
        names = np.array(self.channels, dtype=object)  # (targets, channels)
        first_step, last_step = np.array(self.horizon_parts).T
        first_lag, last_lag = np.array(self.lags).T
        mean, std, *quantiles = (
            np.swapaxes(values, 2, 3).ravel() for values in (self.mean, self.std, *self.quantiles)
        )
        columns = {
            "target": np.array(self.targets, dtype=object)[target],
            "feature": names[target, channel],
            "kind": self.kind,
            "role": self.role,
            "horizon_first": first_step[part],
            "horizon_last": last_step[part],
            "lag_first": first_lag[segment],
            "lag_last": last_lag[segment],
            "measure": self.measure,
            "mean": mean,
            "std": std,
            **dict(zip(("p10", "p50", "p90"), quantiles, strict=True)),
            "num_windows": self.num_windows,
        }
        return pd.DataFrame(columns, index=range(len(target)))

    def in_rows(self, scores: np.ndarray) -> np.ndarray:
        """Return scores (..., steps, channels) as a model gives them, by row: (count, rows)."""
        newest_first = scores.reshape(len(scores), *self.mean.shape)[:, :, :, ::-1]
        return np.swapaxes(newest_first, 3, 4).reshape(len(scores), -1)


class ProfileSum:
    """Adds up attention scores batch by batch; memory does not grow with the windows.

    Mean and standard deviation are over every window. Quantiles, and the scores that are kept
    whole, are those of evenly spaced windows, see `num_kept`. Sums over blocks of windows tell how
    much the means would vary.
    """

    def __init__(self, kept: np.ndarray, blocks: np.ndarray | None = None) -> None:
        """Prepare to keep the scores of the windows with these numbers, in rising order.

        `blocks` (windows,) numbers the block of each window; None for no sums over blocks.
        """
        self.kept = kept
        self.blocks = np.empty(0, int) if blocks is None else blocks
        self.block_sums = np.empty(0, np.float32)  # (blocks, ...)
        self.num_windows = 0
        self._scores: list[np.ndarray] = []
        self._sum: np.ndarray | float = 0.0
        self._squares: np.ndarray | float = 0.0

    def add(self, scores: np.ndarray) -> None:
        """Add the scores (windows, ...) of the next windows, such as (windows, steps, channels)."""
        first, last = np.searchsorted(self.kept, [self.num_windows, self.num_windows + len(scores)])
        self._scores.append(scores[self.kept[first:last] - self.num_windows])
        self._sum = self._sum + scores.sum(axis=0, dtype=np.float64)
        self._squares = self._squares + np.einsum(
            "w...,w...->...", scores, scores, dtype=np.float64
        )
        self._add_to_blocks(scores)
        self.num_windows += len(scores)

    def _add_to_blocks(self, scores: np.ndarray) -> None:
        if not len(self.blocks):
            return
        if not len(self.block_sums):
            self.block_sums = np.zeros((self.blocks.max() + 1, *scores.shape[1:]), np.float32)
        of_windows = self.blocks[self.num_windows : self.num_windows + len(scores)]
        order = np.argsort(of_windows, kind="stable")
        blocks, starts = np.unique(of_windows[order], return_index=True)
        self.block_sums[blocks] += np.add.reduceat(scores[order], starts, axis=0)

    def kept_scores(self) -> np.ndarray:
        """Return the scores of the kept windows: (kept, ...)."""
        return np.concatenate(self._scores)

    def mean_and_std(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation over the windows added so far: (...) each."""
        mean = np.asarray(self._sum) / self.num_windows
        variance = np.asarray(self._squares) / self.num_windows - np.square(mean)
        return mean, np.sqrt(np.maximum(variance, 0))

    def profile(
        self,
        *,
        targets: Sequence[str],
        horizon_parts: Edges,
        lags: Edges,
        channels: Sequence[Sequence[str]],
        kind: str,
        measure: str,
        role: str = "past",
    ) -> AttentionProfile:
        """Return the profile of the windows added so far; steps are turned into lags.

        The scores are (windows, steps, channels), or (windows, targets, parts of the horizon,
        steps, channels). The lags are those of the steps from the last to the first.
        """
        mean, std = self.mean_and_std()
        quantiles = np.quantile(self.kept_scores(), [0.1, 0.5, 0.9], axis=0)
        shape = (len(targets), len(horizon_parts), len(lags), len(channels[0]))
        return AttentionProfile(
            targets=tuple(targets),
            horizon_parts=horizon_parts,
            lags=lags,
            channels=tuple(map(tuple, channels)),
            kind=kind,
            measure=measure,
            mean=mean.reshape(shape)[:, :, ::-1],
            std=std.reshape(shape)[:, :, ::-1],
            quantiles=quantiles.reshape(3, *shape)[:, :, :, ::-1],
            num_windows=self.num_windows,
            role=role,
        )


def num_kept(shape_of_one: Sequence[int]) -> int:
    """Return of how many windows the scores are kept whole, by their shape without the windows."""
    return min(MAX_KEPT_WINDOWS, max(MAX_KEPT_SCORES // math.prod(shape_of_one), 1))


def describe_channels(
    encoder: str, attention: str, placement: str, features: Sequence[str], units: int
) -> tuple[str, str, tuple[str, ...]]:
    """Return what the channels of an attention are, what its scores measure, and their names.

    Kind: "feature", "unit" or "shared". Measure: "share", "nats" or "contribution".
    """
    if encoder == "per-feature" and attention not in ("bottleneck", "shared"):
        return "feature", "share", tuple(features)
    if attention == "bottleneck":
        return "feature", "nats", tuple(features)
    if attention == "reverse-time":
        return "feature", "contribution", tuple(features)
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
    if measure == "contribution":
        return (
            "A contribution is what the value of one feature at one lag adds to the forecast or "
            f"takes off it, in {CONTRIBUTION_UNIT}: its size, on average over the horizon. With "
            "their signs they add up to the forecast, so they rank features and lags."
        )
    if kind == "feature" and ranks_features(profile):
        return (
            "The shares of all features and lags together sum to 1. They weigh states of a "
            "recurrent layer, which know earlier lags too" + _segments(profile) + "."
        )
    if kind == "feature":
        return (
            "For each feature the shares over its lags sum to 1: they say when the model looks at "
            "the feature, not how much the feature matters" + _segments(profile) + "."
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


def _segments(profile: pd.DataFrame) -> str:
    """Say that lags are read in segments, if they are."""
    attention = attention_rows(profile)
    longest = int((attention["lag_last"] - attention["lag_first"]).max()) + 1
    return f"; lags are read in segments of {longest}" if longest > 1 else ""


def attention_rows(profile: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a profile that are about the attention, not about the linear path."""
    rows: pd.DataFrame = profile[profile["measure"] == profile["measure"].iloc[0]]
    return rows


def ranks_features(profile: pd.DataFrame) -> bool:
    """Return whether the scores of a profile compare features, not only the lags of each."""
    attention = attention_rows(profile)
    if attention["kind"].iloc[0] != "feature":
        return False
    masses = attention.groupby(["target", "horizon_first", "feature"], sort=False)["mean"].sum()
    return attention["measure"].iloc[0] != "share" or not np.allclose(masses, 1, atol=1e-3)


def summarize_profile(profile: pd.DataFrame) -> pd.DataFrame:
    """Return one row per channel of a profile: where its attention peaks, and how sharply.

    Means over the targets that read a channel and over the parts of the horizon are summed up. A
    segment of lags counts as one lag, that of its newest step.

    A channel that has nothing at all is left out.

    Columns: `feature`; `role`, past or future, only if there are both; `mass`, its share of the
    whole, only where the scores rank features; `peak_lag`; `peak_share`, what the peak has of the
    channel's own attention; `times_uniform`, that share divided by 1 / lags; `lags_for_half`, the
    number of lags that hold half of the attention.
    """
    parts = attention_rows(profile)[["target", "horizon_first"]].drop_duplicates()
    cell = ["feature", "role", "lag_first"]
    sums = attention_rows(profile).groupby(cell, sort=False)["mean"].sum()
    cells = (sums / len(parts)).reset_index()
    whole = cells["mean"].sum()
    rows = []
    for (name, role), group in cells.groupby(["feature", "role"], sort=False):
        mass = group["mean"].sum()
        if not mass and whole:
            continue
        shares = group["mean"].to_numpy() / (mass or 1.0)
        peak = int(np.argmax(shares))
        rows.append(
            {
                "feature": name,
                "role": role,
                "mass": float(mass / (whole or 1.0)),
                "peak_lag": int(group["lag_first"].iloc[peak]),
                "peak_share": float(shares[peak]),
                "times_uniform": float(shares[peak] * len(shares)),
                "lags_for_half": int(np.searchsorted(np.sort(shares)[::-1].cumsum(), 0.5) + 1),
            }
        )
    summary = pd.DataFrame(rows)
    if summary["role"].nunique() == 1:
        summary = summary.drop(columns="role")
    if ranks_features(profile):
        return summary.sort_values("mass", ascending=False, kind="stable", ignore_index=True)
    return summary.drop(columns="mass")
