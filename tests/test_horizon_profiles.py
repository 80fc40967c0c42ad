"""What a recurrent decoder looks at for each horizon step, added up over windows."""

import numpy as np
import pandas as pd
import pytest

import tsattn.profiles
from tsattn.horizon_profiles import HORIZON_COLUMNS, horizon_frame, summarize_horizon
from tsattn.profiles import ProfileSum, num_kept

WINDOWS, HORIZON, LOOKBACK = 13, 3, 5


def scores() -> np.ndarray:
    """Return shares (windows, horizon, lookback) that sum to 1 over the steps."""
    shares = np.random.default_rng(0).uniform(size=(WINDOWS, HORIZON, LOOKBACK))
    return (shares / shares.sum(-1, keepdims=True)).astype("float32")


def added(*parts: np.ndarray) -> ProfileSum:
    total = ProfileSum(np.array([1, 7]))
    for part in parts:
        total.add(part)
    return total


def test_horizon_frame_by_hand() -> None:
    # two windows, two horizon steps, three steps of lookback, the oldest first
    first = np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    second = np.array([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])
    frame = horizon_frame(added(np.stack([first, second])), "load")
    assert list(frame.columns) == list(HORIZON_COLUMNS)
    assert frame["horizon_step"].tolist() == [1, 1, 1, 2, 2, 2]
    assert frame["lag"].tolist() == [1, 2, 3, 1, 2, 3]
    assert frame["mean"].tolist() == [0.25, 0.25, 0.5, 0.5, 0.25, 0.25]
    assert frame["std"].tolist() == [0, 0, 0, 0.5, 0.25, 0.25]
    assert set(frame["num_windows"]) == {2}
    assert set(frame["target"]) == {"load"}


def test_horizon_frame_is_the_same_in_batches() -> None:
    shares = scores()
    frame = horizon_frame(added(shares[:4], shares[4:11], shares[11:]), "*")
    for row in frame.itertuples():
        cell = shares[:, row.horizon_step - 1, LOOKBACK - row.lag]
        np.testing.assert_allclose([row.mean, row.std], [cell.mean(), cell.std()], rtol=1e-4)
    np.testing.assert_allclose(frame.groupby("horizon_step")["mean"].sum(), 1, rtol=1e-6)
    kept = added(shares[:4], shares[4:11], shares[11:]).kept_scores()
    np.testing.assert_array_equal(kept, shares[[1, 7]])


def test_summary_says_where_each_horizon_step_looks() -> None:
    frame = pd.DataFrame(
        {
            "horizon_step": [1, 1, 2, 2],
            "lag": [1, 2, 1, 2],
            "mean": [0.25, 0.75, 1.0, 0.0],
        }
    )
    summary = summarize_horizon(frame)
    assert summary.to_dict("list") == {
        "horizon_step": [1, 2],
        "peak_lag": [2, 1],
        "peak_share": [0.75, 1.0],
        "times_uniform": [1.5, 2.0],
        "mean_lag": [1.75, 1.0],
    }


@pytest.mark.parametrize(
    ("shape", "windows"),
    [((11, 3), 2_000), ((720, 720), 96), ((7_000, 7_000), 1), ((96, 321), 1_622)],
)
def test_kept_scores_fit_into_200_mb(shape, windows: int) -> None:
    assert num_kept(shape) == windows
    assert windows == 1 or 4 * windows * np.prod(shape) <= 200_000_000
    assert tsattn.profiles.MAX_KEPT_WINDOWS == 2_000
