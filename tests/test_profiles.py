"""Attention profiles: by target, part of the horizon, segment of lags and channel."""

import numpy as np
import pandas as pd
import pytest

from tsattn.config import STRUCTURES
from tsattn.profiles import (
    AttentionProfile,
    ProfileSum,
    attention_rows,
    describe_channels,
    describe_scores,
    ranks_features,
    summarize_profile,
)

PROFILE_COLUMNS = [
    "target", "feature", "kind", "role", "horizon_first", "horizon_last", "lag_first", "lag_last",
    "measure", "mean", "std", "p10", "p50", "p90", "num_windows",
]  # fmt: skip
TARGETS, PARTS, SEGMENTS, CHANNELS = 2, 3, 5, 2
NAMES = {
    "targets": ["load", "wind"],
    "horizon_parts": [(1, 4), (5, 8), (9, 11)],
    "lags": [(1, 3), (4, 6), (7, 9), (10, 12), (13, 14)],
    "channels": [["load", "plan"], ["wind", "plan"]],
    "kind": "feature",
    "measure": "share",
}


def scores(windows: int = 13) -> np.ndarray:
    """Return shares (windows, targets, parts, segments, channels) that sum to 1 over the last."""
    generator = np.random.default_rng(0)
    shares = generator.uniform(size=(windows, TARGETS, PARTS, SEGMENTS, CHANNELS))
    return (shares / shares.sum((3, 4), keepdims=True)).astype("float32")


def added(*batches: np.ndarray, kept=(1, 7)) -> ProfileSum:
    total = ProfileSum(np.array(kept))
    for batch in batches:
        total.add(batch)
    return total


def test_profile_to_frame_by_hand() -> None:
    mean = np.array([[[[0.5, 0.25], [0.125, 0.125]]]])  # one target and part, two lags, channels
    profile = AttentionProfile(
        targets=("load",),
        horizon_parts=[(1, 7)],
        lags=[(1, 2), (3, 3)],
        channels=(("load", "plan"),),
        kind="feature",
        measure="share",
        mean=mean,
        std=mean / 10,
        quantiles=np.stack([mean / 2, mean, 2 * mean]),
        num_windows=13,
    )
    frame = profile.to_frame()
    assert list(frame.columns) == PROFILE_COLUMNS
    assert frame.to_dict("list") == {
        "target": ["load"] * 4,
        "feature": ["load", "load", "plan", "plan"],
        "kind": ["feature"] * 4,
        "role": ["past"] * 4,
        "horizon_first": [1] * 4,
        "horizon_last": [7] * 4,
        "lag_first": [1, 3, 1, 3],
        "lag_last": [2, 3, 2, 3],
        "measure": ["share"] * 4,
        "mean": [0.5, 0.125, 0.25, 0.125],
        "std": [0.05, 0.0125, 0.025, 0.0125],
        "p10": [0.25, 0.0625, 0.125, 0.0625],
        "p50": [0.5, 0.125, 0.25, 0.125],
        "p90": [1.0, 0.25, 0.5, 0.25],
        "num_windows": [13] * 4,
    }


def test_profile_is_the_same_in_batches_and_turns_steps_into_lags() -> None:
    shares = scores()
    frame = added(shares[:4], shares[4:11], shares[11:]).profile(**NAMES).to_frame()
    assert len(frame) == TARGETS * PARTS * SEGMENTS * CHANNELS
    for row in frame.itertuples():
        i = NAMES["targets"].index(row.target)
        part = NAMES["horizon_parts"].index((row.horizon_first, row.horizon_last))
        lag = NAMES["lags"].index((row.lag_first, row.lag_last))
        channel = NAMES["channels"][i].index(row.feature)
        cell = shares[:, i, part, SEGMENTS - 1 - lag, channel]
        expected = [cell.mean(), cell.std(), *np.quantile(cell[[1, 7]], [0.1, 0.5, 0.9])]
        actual = [row.mean, row.std, row.p10, row.p50, row.p90]
        np.testing.assert_allclose(actual, expected, rtol=1e-4)
    sums = frame.groupby(["target", "horizon_first"])["mean"].sum()
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


def test_profile_of_scores_by_step_has_one_target_and_part() -> None:
    shares = scores()[:, 0, 0]  # (windows, steps, channels)
    profile = added(shares).profile(
        targets=["*"], horizon_parts=[(1, 7)], lags=[(i, i) for i in range(1, 6)],
        channels=[["load", "plan"]], kind="feature", measure="nats",
    )  # fmt: skip
    assert profile.mean.shape == (1, 1, SEGMENTS, CHANNELS)
    np.testing.assert_allclose(profile.mean[0, 0], shares.mean(0)[::-1], rtol=1e-5)
    assert set(profile.to_frame().target) == {"*"}


def linear_rows() -> pd.DataFrame:
    """Return a row of a linear path, which is about something else than attention."""
    frame = added(scores()).profile(**{**NAMES, "measure": "contribution"}).to_frame()
    return frame.assign(mean=99.0)


def test_summary_averages_the_targets_and_parts() -> None:
    frame = added(scores()).profile(**NAMES).to_frame()
    summary = summarize_profile(pd.concat([frame, linear_rows()], ignore_index=True))
    assert ranks_features(frame)
    assert set(summary.feature) == {"load", "wind", "plan"}
    assert summary["mass"].is_monotonic_decreasing
    assert summary["mass"].sum() == pytest.approx(1)
    means = scores().mean(axis=(0, 2))[:, ::-1]  # (targets, lags, channels)
    by_lag = {
        "load": means[0, :, 0] / 2,
        "wind": means[1, :, 0] / 2,
        "plan": means[:, :, 1].sum(axis=0) / 2,
    }
    for row in summary.itertuples():
        shares = by_lag[row.feature] / by_lag[row.feature].sum()
        assert row.mass == pytest.approx(by_lag[row.feature].sum(), rel=1e-4)
        assert row.peak_lag == NAMES["lags"][int(np.argmax(shares))][0]
        assert row.peak_share == pytest.approx(shares.max(), rel=1e-4)
        assert row.times_uniform == pytest.approx(shares.max() * SEGMENTS, rel=1e-4)
        half = np.sort(shares)[::-1].cumsum()
        assert row.lags_for_half == int((half < 0.5).sum()) + 1


def test_shares_of_each_channel_alone_rank_nothing() -> None:
    shares = scores()
    shares /= shares.sum(axis=3, keepdims=True)
    frame = added(shares).profile(**NAMES).to_frame()
    assert not ranks_features(frame)
    assert "mass" not in summarize_profile(frame)
    assert "For each feature the shares over its lags sum to 1" in describe_scores(frame)
    together = added(scores()).profile(**NAMES).to_frame()
    assert "The shares of all features and lags together sum to 1" in describe_scores(together)


def test_attention_rows_are_not_those_of_the_linear_path() -> None:
    frame = added(scores()).profile(**NAMES).to_frame()
    both = pd.concat([frame, linear_rows()], ignore_index=True)
    pd.testing.assert_frame_equal(attention_rows(both), frame)
    assert ranks_features(both)


FEATURES, SHARED = ("feature", "share", ("a", "b")), ("shared", "share", ("shared",))
DESCRIBED = {
    ("per-feature", "additive", "after"): FEATURES,
    ("per-feature", "luong", "after"): FEATURES,
    ("per-feature", "per-dimension", "after"): FEATURES,
    ("per-feature", "shared", "after"): SHARED,
    ("per-feature", "bottleneck", "before"): ("feature", "nats", ("a", "b")),
    ("joint", "per-dimension", "before"): FEATURES,
    ("joint", "per-dimension", "after"): ("unit", "share", ("unit_000", "unit_001", "unit_002")),
    ("joint", "input", "before"): FEATURES,
    ("joint", "variable", "after"): FEATURES,
    ("joint", "bottleneck", "before"): ("feature", "nats", ("a", "b")),
    ("joint", "reverse-time", "before"): ("feature", "contribution", ("a", "b")),
}


@pytest.mark.parametrize("structure", [s for s in STRUCTURES if s.attention != "none"])
def test_channels_of_every_structure_are_described(structure) -> None:
    key = (structure.encoder, structure.attention, structure.placement)
    assert describe_channels(*key, ("a", "b"), 3) == DESCRIBED.get(key, SHARED)
