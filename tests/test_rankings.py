"""Rankings of features: attention and linear path together, with intervals over windows."""

import numpy as np
import pandas as pd
import pytest
from synthetic import SMALL, load_frame

import tsattn
from tsattn import FitOptions
from tsattn.errors import UsageError
from tsattn.pipeline.explaining import explain_windows, saved_explanation
from tsattn.pipeline.fitting import fit, save
from tsattn.profiles import ProfileSum
from tsattn.rankings import LEAST_BLOCKS, RANKING_COLUMNS, blocks_of, feature_ranking


def rows(*cells: tuple[str, str, str, str], measure: str = "nats") -> pd.DataFrame:
    """Return profile rows of (target, feature, role, measure)."""
    return pd.DataFrame(cells, columns=["target", "feature", "role", "measure"]).assign(
        kind="feature"
    )


PROFILE = rows(
    ("*", "load", "past", "nats"),
    ("*", "load", "past", "nats"),
    ("*", "wind", "past", "nats"),
    ("*", "sun", "past", "nats"),
    ("*", "sun", "future", "nats"),
    ("load", "load", "past", "contribution"),
    ("load", "sun", "future", "contribution"),
    ("wind", "wind", "past", "contribution"),
)
SUMS = np.array([1.0, 2.0, 5.0, 1.0, 1.0, 0.3, 0.1, 0.7])


def shares_of(ranking: pd.DataFrame, target: str) -> dict[tuple[str, str], float]:
    part = ranking[ranking["target"] == target]
    return {(row.feature, row.role): row.share for row in part.itertuples()}


def test_ranking_by_hand() -> None:
    blocks = np.tile(SUMS, (LEAST_BLOCKS, 1))
    ranking = feature_ranking(PROFILE, blocks, {"load": 0.25, "wind": 0.0})
    assert tuple(ranking.columns) == RANKING_COLUMNS
    assert shares_of(ranking, "load") == pytest.approx(
        {
            ("wind", "past"): 0.75 * 0.5,
            ("load", "past"): 0.75 * 0.3 + 0.25 * 0.75,
            ("sun", "future"): 0.75 * 0.1 + 0.25 * 0.25,
            ("sun", "past"): 0.75 * 0.1,
        }
    )
    assert ranking["rank"].tolist() == [1, 2, 3, 4] * 2
    assert ranking.groupby("target")["share"].is_monotonic_decreasing.all()
    np.testing.assert_allclose(ranking["low"], ranking["share"])  # blocks are all the same
    np.testing.assert_allclose(ranking["high"], ranking["share"])


def test_ranking_of_targets_that_do_not_read_one_another() -> None:
    blocks = np.tile(SUMS, (LEAST_BLOCKS, 1))
    ranking = feature_ranking(PROFILE, blocks, {"load": 0.25, "wind": 1.0}, targets_apart=True)
    assert shares_of(ranking, "load") == pytest.approx(
        {
            ("load", "past"): 0.75 * 0.6 + 0.25 * 0.75,
            ("sun", "future"): 0.75 * 0.2 + 0.25 * 0.25,
            ("sun", "past"): 0.75 * 0.2,
        }
    )
    assert shares_of(ranking, "wind")["wind", "past"] == 1


def test_interval_covers_the_share_as_often_as_it_says() -> None:
    generator, hits = np.random.default_rng(3), 0
    for _ in range(200):
        parts = generator.gamma(4.0, size=(40, 3)) * [1.0, 2.0, 5.0]
        ranking = feature_ranking(PROFILE[1:4].reset_index(drop=True), parts, {"x": 0.0})
        truth = ranking["feature"].map({"load": 0.125, "wind": 0.25, "sun": 0.625})
        hits += ((ranking["low"] <= truth) & (truth <= ranking["high"])).sum()
    assert 0.9 < hits / 600 < 0.98


def test_too_few_blocks_have_no_interval() -> None:
    ranking = feature_ranking(PROFILE, np.tile(SUMS, (LEAST_BLOCKS - 1, 1)), {"load": 0.0})
    assert ranking["low"].isna().all()
    assert ranking["high"].isna().all()


def test_nothing_read_has_no_share() -> None:
    ranking = feature_ranking(PROFILE, np.zeros((LEAST_BLOCKS, 8)), {"load": 0.0})
    assert (ranking["share"] == 0).all()


@pytest.mark.parametrize("sizes", [[13], [1, 5, 7], [4, 4, 4, 1]])
def test_block_sums_are_the_same_in_batches(sizes: list[int]) -> None:
    scores = np.random.default_rng(0).uniform(size=(13, 5, 2)).astype("float32")
    blocks = np.array([0, 0, 1, 1, 2, 2, 2, 0, 1, 1, 2, 3, 3])  # two series, one below the other
    total = ProfileSum(np.array([0]), blocks)
    for batch in np.split(scores, np.cumsum(sizes)[:-1]):
        total.add(batch)
    expected = [scores[blocks == i].sum(axis=0) for i in range(4)]
    np.testing.assert_allclose(total.block_sums, expected, rtol=1e-5)


def test_blocks_are_as_long_as_a_window_reaches_and_shared_by_series() -> None:
    assert blocks_of(np.arange(13) + 7, 3).tolist() == [0] * 4 + [1] * 3 + [2] * 3 + [3] * 3
    panel = np.concatenate([np.arange(7), np.arange(13)])
    np.testing.assert_array_equal(blocks_of(panel, 3)[7:], blocks_of(np.arange(13), 3))
    np.testing.assert_array_equal(blocks_of(panel, 3)[:7], blocks_of(np.arange(13), 3)[:7])
    assert blocks_of(np.array([0, 1, 90, 91]), 3).tolist() == [0, 0, 1, 1]  # none without windows


def test_blocks_are_bounded_in_number() -> None:
    assert blocks_of(np.arange(1_000_000), 3, 10).max() + 1 == 200
    assert blocks_of(np.arange(1_000_000), 3, 1 << 30).max() + 1 == LEAST_BLOCKS
    assert blocks_of(np.arange(2), 30, 10).tolist() == [0, 0]


def test_saved_ranking_is_that_of_its_windows(model_directory, csv_path, result) -> None:
    ranking = saved_explanation(model_directory).ranking
    assert ranking is not None
    assert set(zip(ranking["feature"], ranking["role"], strict=True)) >= {
        ("load", "past"), ("wind", "past"), ("plan", "past"),
    }  # fmt: skip
    assert ranking["share"].sum() == pytest.approx(1)
    again = tsattn.rank_features(model_directory, csv_path, split="test")
    pd.testing.assert_frame_equal(again, ranking, rtol=1e-3, check_dtype=False)
    explained = explain_windows(result.fitted, csv_path)
    cells, whole = explained.cells, explained.ranking  # 294 windows: 22 blocks
    assert cells is not None
    assert whole is not None
    of_features = cells.groupby(["feature", "role"])["mean"].sum()
    np.testing.assert_allclose(
        of_features[list(zip(whole["feature"], whole["role"], strict=True))], whole["share"]
    )
    assert ((whole["low"] <= whole["share"]) & (whole["share"] <= whole["high"])).all()


def test_attention_that_ranks_nothing_has_no_ranking(tmp_path, csv_path) -> None:
    result = fit(csv_path, FitOptions(**{**SMALL, "epochs": 1}, attention="per-dimension"))
    save(result, tmp_path / "model")
    assert not (tmp_path / "model" / "attention" / "ranking.csv").exists()
    assert saved_explanation(tmp_path / "model").ranking is None
    with pytest.raises(UsageError, match=r"attention per-dimension\. Fit one with --attention"):
        tsattn.rank_features(tmp_path / "model", load_frame())
