"""Train, val and test rows in the order of time."""

import math

import numpy as np
import pandas as pd
import pytest

from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries
from tsattn.data.splits import split_series
from tsattn.data.windows import find_origins
from tsattn.errors import DataError


def series_of(*lengths):
    borders = np.cumsum([0, *lengths])
    return TimeSeries(
        schema=Schema(targets=("y",), freq="h"),
        values=np.zeros((borders[-1], 1), dtype=np.float32),
        offsets=np.zeros(1),
        times=pd.RangeIndex(borders[-1]),
        filled=np.zeros(borders[-1], dtype=bool),
        series_ids=tuple(f"s{i}" for i in range(len(lengths))),
        borders=borders,
    )


def counts(split):
    return [
        [part.stop - part.start for part in split.part(name)] for name in ("train", "val", "test")
    ]


def test_split_series_by_fractions_by_hand():
    split = split_series(series_of(10), (0.7, 0.1, 0.2))
    assert (split.train, split.val, split.test) == ((slice(0, 7),), (slice(7, 8),), (slice(8, 10),))


def test_split_series_is_floor_floor_and_the_rest_for_every_length():
    for rows in range(1, 211):
        [train], [val], [test] = counts(split_series(series_of(rows), (0.7, 0.1, 0.2)))
        assert train == math.floor(7 * rows / 10)
        assert test == math.floor(2 * rows / 10)
        assert train + val + test == rows


def test_split_series_leaves_the_last_rows_where_fractions_sum_to_less():
    assert counts(split_series(series_of(20), (0.5, 0.1, 0.2))) == [[10], [2], [4]]


def test_split_series_may_be_without_test():
    assert counts(split_series(series_of(11), (0.8, 0.2, 0.0))) == [[8], [3], [0]]


def test_split_series_splits_each_series_by_itself():
    split = split_series(series_of(10, 20), (0.7, 0.1, 0.2))
    assert split.train == (slice(0, 7), slice(10, 24))
    assert split.test == (slice(8, 10), slice(26, 30))


def test_split_series_by_counts_leaves_rows_beyond_the_last():
    split = split_series(series_of(31), (13, 5, 7))
    assert (split.train, split.val, split.test) == (
        (slice(0, 13),),
        (slice(13, 18),),
        (slice(18, 25),),
    )


def test_split_series_refuses_more_rows_than_there_are():
    with pytest.raises(DataError, match=r"13\+5\+7 for 23 rows of series 's1'\. Lower the counts"):
        split_series(series_of(31, 23), (13, 5, 7))


def test_the_usual_split_of_etth1_has_the_usual_number_of_windows():
    series = series_of(17_420)
    split = split_series(series, (8640, 2880, 2880))
    windows = {
        name: len(find_origins(series, split.part(name), lookback=96, horizon=96).origins)
        for name in ("train", "val", "test")
    }
    assert windows == {"train": 8449, "val": 2785, "test": 2785}
