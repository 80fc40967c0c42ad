"""Which features a forecast rests on: shares, with intervals over windows."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from tsattn.profiles import attention_rows

RANKING_COLUMNS = ("target", "feature", "role", "share", "low", "high", "rank")
RANKING_MEANING = (
    "Share: how much of the forecast rests on a feature, attention and any linear path together; "
    "low and high bound it with 95 % over windows (a bootstrap of blocks of them)"
)
LEAST_BLOCKS = 8
_MOST_BLOCKS = 200
_MOST_NUMBERS = 1 << 25  # of the sums of all blocks
_NUM_DRAWS = 1_000
_NO_ROWS = np.zeros(0, int)
_INTERVAL = (0.025, 0.975)


def blocks_of(steps: np.ndarray, length: int, size_of_one: int = 1) -> np.ndarray:
    """Return the number, from 0 on, of the block of time that each window is in: (windows,).

    Series of a panel, whose windows may go up and down together, share their blocks.

    Args:
        steps: (windows,) where their origins are in time, see `TimeSeries.steps_of`.
        length: Steps in a block at least.
        size_of_one: How many numbers are added up for each block; it bounds how many blocks there
            are, which are at most 200.
    """
    most = max(min(_MOST_BLOCKS, _MOST_NUMBERS // max(size_of_one, 1)), LEAST_BLOCKS)
    after = steps - steps.min()
    count = int(np.clip((after.max() + 1) // length, 1, most))
    of_each = after * count // (after.max() + 1)
    return np.asarray(np.unique(of_each, return_inverse=True)[1])


class CellShares:
    """The share of every row of a profile in the forecast of one target after the other.

    The forecast is `(1 - s) network + s linear path`. So a row of the attention has `1 - s` times
    its share in all rows of the attention, and a row of the linear path `s` times its share in all
    contributions, which are exact. What the rows are about is found once.
    """

    def __init__(self, profile: pd.DataFrame) -> None:
        """Read what the rows are about, in the columns of `attention/profile.csv`."""
        is_network = profile.index.isin(attention_rows(profile).index)
        # Numbers of rows by what they are of, the network or the linear path, and by target.
        self._numbers = profile.groupby([is_network, profile["target"].to_numpy()]).indices
        self._features = pd.Categorical(profile["feature"])

    def of_target(
        self, values: np.ndarray, target: str, linear_share: float, not_read: Collection[str]
    ) -> np.ndarray:
        """Return the shares of the rows in the forecast of a target.

        Args:
            values: (..., rows) what the rows have: their means, or their sums over some windows.
            target: The target.
            linear_share: The share `s` of the linear path in the forecast of the target.
            not_read: Features that have rows, but that the network of this target does not read.

        Returns:
            (..., rows), 0 for rows that are not about this target. They sum to 1 over the rows, or
            to less where attention or path have no mass at all.
        """
        network, path = (
            np.concatenate([self._numbers.get((of, name), _NO_ROWS) for name in (target, "*")])
            for of in (True, False)
        )
        network = network[~self._features[network].isin(list(not_read))]
        shares = np.zeros(np.shape(values))
        for rows, weight in ((network, 1 - linear_share), (path, linear_share)):
            part = values[..., rows]
            total = part.sum(axis=-1, keepdims=True)
            shares[..., rows] = weight * part / np.where(total > 0, total, 1.0)
        return shares


def mean_shares(
    profile: pd.DataFrame,
    values: np.ndarray,
    linear_shares: Mapping[str, float],
    *,
    targets_apart: bool,
) -> np.ndarray:
    """Return `CellShares` on average over the targets: (..., rows).

    Args:
        profile: Rows of attention and linear path.
        values: (..., rows) what the rows have.
        linear_shares: Share of the linear path in the forecast of each target.
        targets_apart: Whether the network of a target reads none of the other targets.
    """
    rows, shares = CellShares(profile), np.zeros(np.shape(values))
    for target, share in linear_shares.items():
        others = _not_read(target, linear_shares, targets_apart)
        shares += rows.of_target(values, target, share, others) / len(linear_shares)
    return shares


def _not_read(target: str, targets: Collection[str], targets_apart: bool) -> list[str]:
    return [name for name in targets if name != target] if targets_apart else []


def feature_ranking(
    profile: pd.DataFrame,
    blocks: np.ndarray,
    linear_shares: Mapping[str, float],
    *,
    targets_apart: bool = False,
) -> pd.DataFrame:
    """Return which features the forecast of each target rests on, in falling order.

    The share of a feature adds up the shares of its rows, see `CellShares`: of network and linear
    path, each weighted by its share in the forecast. The interval holds 95 % of the shares in
    1,000 samples of as many blocks of consecutive windows, drawn with replacement (Carlstein 1986,
    "The use of subseries values"); blocks as long as a window reaches are nearly independent of
    one another. With fewer than 8 blocks there is none.

    Args:
        profile: A profile whose scores rank features, in the columns of `attention/profile.csv`.
        blocks: (blocks, rows) sums of every row over the windows of each block.
        linear_shares: The share of the linear path in the forecast of each target.
        targets_apart: Whether the network of a target reads none of the other targets.

    Returns:
        The columns of `attention/ranking.csv`; `low` and `high` are NaN with too few blocks.
    """
    keys = ["target", "feature", "role", "measure"]
    group = profile.groupby(keys, sort=False).ngroup().to_numpy()
    sums = np.zeros((len(blocks), group.max() + 1))
    np.add.at(sums.T, group, blocks.T)  # (blocks, groups)
    groups = profile.drop_duplicates(keys)[keys].reset_index(drop=True)
    even = np.full(len(blocks), 1 / len(blocks))
    draws = np.random.default_rng(0).multinomial(len(blocks), even, size=_NUM_DRAWS)
    rows, rankings = CellShares(groups), []
    for target, linear_share in linear_shares.items():
        others = _not_read(target, linear_shares, targets_apart)
        # (groups,), then (draws, groups)
        share = rows.of_target(sums.sum(axis=0), target, linear_share, others)
        drawn = rows.of_target(draws @ sums, target, linear_share, others)
        low, high = np.quantile(_by_feature(groups, drawn), _INTERVAL, axis=0)
        few = len(blocks) < LEAST_BLOCKS
        ranking = groups.drop_duplicates(["feature", "role"])[["feature", "role"]].assign(
            target=target,
            share=_by_feature(groups, share),
            low=np.nan if few else low,
            high=np.nan if few else high,
        )
        is_read = ranking["share"].gt(0) | ~ranking["feature"].isin(others)
        ranking = ranking[is_read].sort_values("share", ascending=False, kind="stable")
        rankings.append(ranking.assign(rank=np.arange(1, len(ranking) + 1)))
    return pd.concat(rankings, ignore_index=True)[list(RANKING_COLUMNS)]


def _by_feature(groups: pd.DataFrame, shares: np.ndarray) -> np.ndarray:
    """Add up shares (..., groups) by feature and role, in the order they first appear in."""
    number = groups.groupby(["feature", "role"], sort=False).ngroup().to_numpy()
    is_in = number[:, None] == np.arange(number.max() + 1)  # (groups, features)
    return np.asarray(shares @ is_in)
