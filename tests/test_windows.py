"""Windows: indices into the rows, and which of them a split has."""

import numpy as np
import pandas as pd
import pytest

from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries
from tsattn.data.splits import split_series
from tsattn.data.windows import (
    choose_lookback_horizon,
    evenly_spaced,
    find_origins,
    make_windows,
)
from tsattn.errors import DataError, UsageError

ROWS, FEATURES, FUTURE = 61, 3, 2
LOOKBACK, HORIZON, TARGETS = 11, 7, 2


@pytest.fixture
def values():
    return np.random.default_rng(3).normal(size=(ROWS, FEATURES)).astype(np.float32)


@pytest.fixture
def future_values():
    return np.random.default_rng(5).normal(size=(ROWS, FUTURE)).astype(np.float32)


@pytest.fixture
def windows(values, future_values):
    return make_windows(
        values,
        lookback=LOOKBACK,
        horizon=HORIZON,
        num_targets=TARGETS,
        future_values=future_values,
    )


def test_make_windows_by_hand():
    windows = make_windows(np.arange(6.0)[:, None], lookback=3, horizon=2)
    batch = windows.gather(slice(None))
    np.testing.assert_array_equal(windows.origins, [3, 4])
    np.testing.assert_array_equal(batch.inputs[:, :, 0], [[0, 1, 2], [1, 2, 3]])
    np.testing.assert_array_equal(batch.targets[:, :, 0], [[3, 4], [4, 5]])
    assert batch.future_inputs.shape == (2, 2, 0)


def test_gather_is_the_plain_loop(windows, values, future_values):
    index = np.array([31, 2, 5, 5, 0])
    batch = windows.gather(index)
    for i, origin in enumerate(windows.origins[index]):
        ahead = slice(origin, origin + HORIZON)
        np.testing.assert_array_equal(batch.inputs[i], values[origin - LOOKBACK : origin])
        np.testing.assert_array_equal(batch.targets[i], values[ahead, :TARGETS])
        np.testing.assert_array_equal(batch.future_inputs[i], future_values[ahead])


def test_batches_yield_every_window_once_and_keep_the_last_smaller_one(windows):
    parts = list(windows.batches(13))
    assert [len(batch.inputs) for _, batch in parts] == [13, 13, 13, 5]
    inputs = np.concatenate([batch.inputs for _, batch in parts])
    np.testing.assert_array_equal(inputs, windows.gather(slice(None)).inputs)
    assert len(windows) == ROWS - LOOKBACK - HORIZON + 1 == 44


def test_windows_hold_the_rows_once(windows, values):
    assert np.shares_memory(windows.values, values)
    assert windows.take(slice(3, 5)).values is windows.values


def test_spread_takes_evenly_spaced_windows_from_first_to_last(windows):
    spread = windows.spread(5).origins
    assert (spread[0], spread[-1], len(spread)) == (windows.origins[0], windows.origins[-1], 5)
    np.testing.assert_array_equal(evenly_spaced(3, 5), [0, 1, 2])
    np.testing.assert_array_equal(evenly_spaced(9, 3), [0, 4, 8])


def test_make_windows_with_a_stride(values):
    windows = make_windows(values, lookback=LOOKBACK, horizon=HORIZON, stride=13)
    np.testing.assert_array_equal(windows.origins, [11, 24, 37, 50])


@pytest.mark.parametrize(
    ("rows", "lookback", "horizon", "remedy"),
    [(17, 11, 7, "lookback of at most 10"), (5, 3, 5, "horizon of less than 5")],
)
def test_make_windows_refuses_rows_without_room(rows, lookback, horizon, remedy):
    received = rf"lookback={lookback}, horizon={horizon} for {rows} rows\. Use a {remedy}"
    with pytest.raises(DataError, match=received):
        make_windows(np.zeros((rows, 1)), lookback=lookback, horizon=horizon)


@pytest.mark.parametrize(
    ("options", "received", "remedy"),
    [
        ({"values": np.zeros(ROWS)}, r"shape \(61,\)", r"values\[:, None\]"),
        ({"lookback": 0}, "lookback=0", "Give positive integers"),
        ({"stride": -1}, "stride=-1", "Give positive integers"),
        ({"future_values": np.zeros((60, 1))}, "60 and 61 rows", "Give one row for each"),
        ({"origins": np.array([10])}, "origins from 10 to 10", "Use 11 to 54"),
        ({"origins": np.array([11, 55])}, "origins from 11 to 55 of 61", "Use 11 to 54"),
    ],
)
def test_make_windows_refuses_what_does_not_fit(values, options, received, remedy):
    given = {"values": values, "lookback": LOOKBACK, "horizon": HORIZON} | options
    with pytest.raises(UsageError, match=rf"Received: .*{received}.*{remedy}"):
        make_windows(given.pop("values"), **given)


def series_of(values, filled=(), borders=None):
    """Return series of a target, a past covariate and a future covariate."""
    values = np.asarray(values, dtype=np.float32)
    is_filled = np.zeros(len(values), dtype=bool)
    is_filled[list(filled)] = True
    borders = np.array(borders or [0, len(values)])
    return TimeSeries(
        schema=Schema(targets=("y",), past_covariates=("x",), future_covariates=("f",), freq="h"),
        values=values,
        offsets=np.zeros(values.shape[1]),
        times=pd.RangeIndex(len(values)),
        filled=is_filled,
        series_ids=tuple(f"s{i}" for i in range(len(borders) - 1)),
        borders=borders,
    )


def test_find_origins_lets_inputs_reach_back_but_not_before_the_series():
    series = series_of(np.zeros((20, 3)))
    parts = (slice(0, 10), slice(10, 20))
    assert list(find_origins(series, parts[:1], lookback=3, horizon=2).origins) == list(range(3, 9))
    assert list(find_origins(series, parts[1:], lookback=3, horizon=2).origins) == list(
        range(10, 19)
    )


@pytest.mark.parametrize("score_filled", [False, True])
@pytest.mark.parametrize("stride", [1, 3])
def test_find_origins_is_the_plain_loop(score_filled, stride):
    generator = np.random.default_rng(17)
    values = generator.normal(size=(211, 3))
    values[generator.random(values.shape) < 0.02] = np.nan
    filled = np.flatnonzero(generator.random(211) < 0.03)
    series = series_of(values, filled, borders=[0, 97, 100, 211])
    parts = (slice(40, 97), slice(98, 100), slice(100, 190))
    found = find_origins(
        series, parts, lookback=5, horizon=3, stride=stride, score_filled=score_filled
    )
    kept, num_missing, num_filled = [], 0, 0
    for part, start in zip(parts, series.borders[:-1], strict=True):
        for origin in range(max(part.start, start + 5), part.stop - 3 + 1, stride):
            past, ahead = slice(origin - 5, origin), slice(origin, origin + 3)
            if np.isnan([*series.values[past].flat, *series.values[ahead, ::2].flat]).any():
                num_missing += 1
            elif series.filled[ahead].any() and not score_filled:
                num_filled += 1
            else:
                kept.append(origin)
    np.testing.assert_array_equal(found.origins, kept)
    assert (found.num_missing, found.num_filled) == (num_missing, num_filled)
    assert num_missing > 0


def test_find_origins_never_crosses_series():
    series = series_of(np.zeros((30, 3)), borders=[0, 13, 30])
    split = split_series(series, (0.7, 0.1, 0.2))
    for name in ("train", "val", "test"):
        origins = find_origins(series, split.part(name), lookback=4, horizon=2).origins
        first, last = series.series_of(origins - 4), series.series_of(origins + 1)
        np.testing.assert_array_equal(first, last)


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        (None, (48, 12)),
        ("s", (384, 96)),
        ("15min", (384, 96)),
        ("30min", (192, 48)),
        ("h", (168, 24)),
        ("6h", (28, 4)),
        ("D", (56, 14)),
        ("B", (56, 14)),
        ("7D", (52, 8)),
        ("MS", (36, 12)),
        ("3ME", (16, 4)),
        ("12MS", (10, 3)),
    ],
)
def test_choose_lookback_horizon_follows_the_frequency(freq, expected):
    assert choose_lookback_horizon(freq, 20_011) == expected


@pytest.mark.parametrize("freq", [None, "15min", "h", "D", "MS"])
def test_choose_lookback_horizon_leaves_windows_in_each_part_of_few_rows(freq):
    for rows in [*range(11, 211), 499, 997]:
        series = series_of(np.zeros((rows, 3)))
        split = split_series(series, (0.7, 0.1, 0.2))
        lookback, horizon = choose_lookback_horizon(freq, rows)
        for name in ("train", "val", "test"):
            found = find_origins(series, split.part(name), lookback=lookback, horizon=horizon)
            assert len(found.origins) > 0, (rows, name)
