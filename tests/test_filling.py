"""Filling looks back, never ahead."""

import numpy as np
import pandas as pd
import pytest

from tsattn.data.filling import fill_missing
from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries


def series_of(values, fill, freq="3ME", borders=None):
    values = np.asarray(values, dtype=np.float32)
    return TimeSeries(
        schema=Schema(targets=("y",), past_covariates=("x",), freq=freq, fill=fill),
        values=values,
        offsets=np.zeros(values.shape[1]),
        times=pd.RangeIndex(len(values)),
        filled=np.zeros(len(values), dtype=bool),
        series_ids=("",),
        borders=np.array(borders or [0, len(values)]),
    )


def test_ffill_by_hand():
    nan = np.nan
    values, filled = fill_missing(
        series_of([[nan, 1], [2, nan], [nan, nan], [nan, 5], [6, nan]], "ffill")
    )
    np.testing.assert_array_equal(values, [[nan, 1], [2, 1], [2, 1], [2, 5], [6, 5]])
    np.testing.assert_array_equal(filled, [False, False, True, True, False])


def test_seasonal_by_hand():
    nan = np.nan
    column = [1, 2, nan, 4, nan, 6, 7, nan, nan, nan, nan]  # four steps in a season
    values, filled = fill_missing(series_of([[value, 0] for value in column], "seasonal"))
    np.testing.assert_array_equal(values[:, 0], [1, 2, 2, 4, 1, 6, 7, 4, 1, 6, 7])
    np.testing.assert_array_equal(np.flatnonzero(filled), [2, 4, 7, 8, 9, 10])


def filled_by_a_loop(column, period):
    known = list(column)
    if period:
        for row in range(period, len(known)):
            if np.isnan(known[row]):
                known[row] = known[row - period]
    for row in range(1, len(known)):
        if np.isnan(known[row]):
            known[row] = known[row - 1]
    return known


@pytest.mark.parametrize(("fill", "period"), [("ffill", None), ("seasonal", 4)])
def test_fill_missing_is_the_plain_loop_for_each_series(fill, period):
    generator = np.random.default_rng(11)
    values = generator.normal(size=(61, 2)).astype(np.float32)
    values[generator.random(values.shape) < 0.4] = np.nan
    borders = [0, 23, 24, 61]
    given = values.copy()
    found, filled = fill_missing(series_of(values, fill, borders=borders))
    for start, end in zip(borders[:-1], borders[1:], strict=True):
        for i in range(2):
            expected = filled_by_a_loop(values[start:end, i], period)
            np.testing.assert_array_equal(found[start:end, i], np.float32(expected))
    was_filled = np.isnan(values[:, 0]) & ~np.isnan(found[:, 0])
    np.testing.assert_array_equal(filled, was_filled)
    np.testing.assert_array_equal(values, given)


def test_fill_missing_does_not_look_ahead():
    generator = np.random.default_rng(13)
    values = generator.normal(size=(37, 2))
    values[generator.random(values.shape) < 0.4] = np.nan
    whole, _ = fill_missing(series_of(values, "seasonal"))
    part, _ = fill_missing(series_of(values[:19], "seasonal"))
    np.testing.assert_array_equal(whole[:19], part)
