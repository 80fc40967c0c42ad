"""Scaling by the train rows alone."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tsattn.baselines import seasonal_naive
from tsattn.data.inputs import scaled_windows
from tsattn.data.scaling import Scaler, check_targets, fit_scaler
from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries
from tsattn.data.series_scales import SeriesScales, fit_series_scales
from tsattn.errors import DataError

FEATURES = ("y", "x", "flat")


def series_of(values, lengths=None, offset=0.0, targets=("y", "x")) -> TimeSeries:
    """Return values (rows, features) as series of some lengths, one below the other."""
    lengths = [len(values)] if lengths is None else lengths
    return TimeSeries(
        schema=Schema(targets=targets, past_covariates=FEATURES[len(targets) : values.shape[1]]),
        values=np.asarray(values, dtype=np.float32),
        offsets=np.full(values.shape[1], offset),
        times=pd.RangeIndex(len(values)),
        filled=np.zeros(len(values), dtype=bool),
        series_ids=tuple("abcdefg"[: len(lengths)]),
        borders=np.cumsum([0, *lengths]),
    )


def scaled(scaler, series):
    """Return the values of some series scaled, and the scales of their targets."""
    scales = scaler.target_scales(series)
    return scaler.transform(series, scales), scales


@pytest.fixture
def values():
    values = np.random.default_rng(3).normal(5.0, 3.0, size=(61, 3)).astype(np.float32)
    values[:, 2] = 7
    values[[2, 40], 1] = np.nan
    return values


@pytest.fixture
def scaler(values):
    return fit_scaler(values, (slice(0, 11), slice(30, 47)), FEATURES)


def test_fit_scaler_by_hand():
    scaler = fit_scaler(np.array([[1.0], [3.0], [np.nan], [99.0]]), [slice(0, 3)], ["y"])
    assert (scaler.mean[0], scaler.std[0], scaler.constant) == (2.0, 1.0, ())


def test_fit_scaler_finds_features_whose_level_carries_over():
    generator = np.random.default_rng(7)
    steps = generator.normal(size=(2003, 1))
    day = np.sin(2 * np.pi * np.arange(2003) / 24)[:, None]
    values = np.hstack([steps, steps.cumsum(axis=0), day + 0.1 * steps, np.full_like(steps, 7)])
    values[5, :3] = np.nan
    names = ["noise", "walk", "day", "flat"]
    parts = [slice(0, 1009), slice(1009, 1999), slice(1999, 2003)]  # the last has no window
    assert fit_scaler(values, parts, names, lookback=24).drifting == ("walk",)
    assert fit_scaler(values, parts, names, lookback=1).drifting == ()
    assert fit_scaler(values, parts, names, lookback=5).drifting == ("walk", "day")
    assert fit_scaler(values[:11], [slice(0, 11)], names, lookback=24).drifting == ()


def test_fit_scaler_measures_the_train_rows_only(values, scaler):
    train = np.concatenate([values[:11], values[30:47]]).astype(np.float64)
    np.testing.assert_allclose(scaler.mean, np.nanmean(train, axis=0))
    np.testing.assert_allclose(scaler.std[:2], np.nanstd(train, axis=0)[:2])
    assert scaler.constant == ("flat",)


def test_transform_and_its_inverse(values, scaler):
    found, scales = scaled(scaler, series_of(values))
    assert found.dtype == np.float32
    expected = (values[:, :2] - scaler.mean[:2]) / scaler.std[:2]
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-5)
    original = scales.original(found[:, None, :2], np.arange(len(values)))
    assert original.dtype == np.float64
    np.testing.assert_allclose(original[:, 0], values[:, :2], atol=1e-5)
    np.testing.assert_array_equal(scales.sizes(np.arange(3)), np.ones((3, 2)))


def test_transform_keeps_a_constant_feature_at_zero_and_what_is_missing_missing(values, scaler):
    values[50:, 2] = 1000
    values[60, 2] = np.nan
    found = scaled(scaler, series_of(values))[0][:, 2]
    assert (found[:60] == 0).all()
    assert np.isnan(found[60])


def test_quantiles_are_in_units_of_the_data(values, scaler):
    quantiles = np.random.default_rng(5).normal(size=(2, 7, 2, 3))
    original = scaled(scaler, series_of(values))[1].original(quantiles, np.array([4, 9]))
    for i in range(2):
        expected = quantiles[:, :, i] * scaler.std[i] + scaler.mean[i]
        np.testing.assert_allclose(original[:, :, i], expected, rtol=1e-6)


PANEL = np.array(
    [[1, 9], [3, 9], [5, 9], [80, 2], [40, 4], [7, 0], [7, 1], [1.001, 5], [1, 7], [0, 1], [0, 2]],
    dtype=float,
)
LENGTHS = (3, 2, 2, 2, 2)
TRAIN = (slice(0, 2), slice(3, 5), slice(5, 7), slice(7, 9), slice(9, 11))
CALM = 0.25 * 20 / np.hypot(60, 20)  # of a size; the median of std / size is that of the second


@pytest.fixture
def panel():
    """Return five series, of which two do not change and one hardly does, and their scaler."""
    series = series_of(PANEL, LENGTHS, targets=("y",))
    scaler = fit_scaler(series.values, TRAIN, FEATURES[:2])
    return series, replace(scaler, series=fit_series_scales(series, TRAIN))


def test_targets_of_a_panel_are_scaled_by_their_series(panel):
    series, scaler = panel
    found, scales = scaled(scaler, series)
    stds = [1, 20, *(np.array([7, 1.0005]) * CALM), 1]
    np.testing.assert_allclose(scales.std[:, 0], stds, rtol=1e-6)
    np.testing.assert_allclose(scales.mean[:, 0], [2, 60, 7, 1.0005, 0])
    near = 0.0005 / (1.0005 * CALM)
    np.testing.assert_allclose(found[:, 0], [-1, 1, 3, 1, -1, 0, 0, near, -near, 0, 0], atol=1e-5)
    other = (PANEL[:, 1] - scaler.mean[1]) / scaler.std[1]
    np.testing.assert_allclose(found[:, 1], other, rtol=1e-5)
    rows = np.arange(len(PANEL))
    original = scales.original(found[:, None, :1], rows)
    np.testing.assert_allclose(original.ravel(), PANEL[:, 0], atol=1e-5)
    sizes = scales.sizes(rows).ravel()
    np.testing.assert_allclose(sizes, np.repeat(stds, LENGTHS) / scaler.std[0], rtol=1e-6)


@pytest.mark.parametrize(("others", "std"), [(0, 0.5), (2, 0.0171)])
def test_series_of_zeros_with_one_small_value_have_a_quarter_of_the_median(others, std):
    """With three such values they have their own standard deviation, about .1 x sqrt(.03)."""
    values = np.zeros((200, 1))
    values[: 1 + others] = 0.1
    values[100:] = np.resize([5, 1], (100, 1))
    both = (slice(0, 100), slice(100, 200), slice(100, 200))  # so that 2 is the median
    series = series_of(np.concatenate([values, values[100:]]), (100, 100, 100), targets=("y",))
    scales = fit_series_scales(series, both)
    np.testing.assert_allclose(scales.std[:, 0], [std, 2, 2], rtol=1e-2)


@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_windows_of_a_series_that_was_not_trained_with_have_scales_of_their_own(panel, offset):
    _, scaler = panel
    values = np.array([99, 10, 20, 30, 7000, 4, 6, 8, 0, 0, 0, 1])[:, None]
    series = series_of(values - offset, (5, 7), offset=offset, targets=("y",))
    series = replace(series, series_ids=("new", "b"))
    scaler = replace(scaler, features=("y",))
    windows = scaled_windows(series, scaler, np.array([3, 4, 8, 11]), lookback=3, horizon=1)
    batch = windows.gather(slice(None))
    for row, (origin, std) in enumerate(zip([3, 4], [np.std([99, 10, 20]), 0], strict=True)):
        past = values[origin - 3 : origin, 0]
        std = std or max(past.std(), CALM * np.hypot(past.mean(), past.std()))
        np.testing.assert_allclose(batch.inputs[row, :, 0], (past - past.mean()) / std, rtol=1e-5)
        expected = (values[origin] - past.mean()) / std
        np.testing.assert_allclose(batch.targets[row, :, 0], expected, rtol=1e-5)
        np.testing.assert_allclose(windows.sizes([row]), [[std / scaler.std[0]]], rtol=1e-6)
    np.testing.assert_allclose(batch.inputs[2, :, 0], (values[5:8, 0] - 60) / 20, rtol=1e-5)
    original = windows.original(batch.targets, slice(None))
    np.testing.assert_allclose(original[:, 0, 0], [30, 7000, 0, 1], atol=1e-3)
    quantiles = windows.original(batch.targets[..., None].repeat(2, axis=-1), slice(None))
    np.testing.assert_allclose(quantiles[:, 0, 0, 1], [30, 7000, 0, 1], atol=1e-3)
    naive = seasonal_naive(windows, slice(None), 2, np.array([0, 0, 5, 5]))
    again = windows.original(naive, slice(None))
    np.testing.assert_allclose(again[:, 0, 0], [10, 20, 6, 0], atol=1e-4)


def test_windows_of_zeros_of_a_new_series_have_the_least_scale(panel):
    _, scaler = panel
    assert scaler.series.usable(np.zeros((1, 1)), np.zeros((1, 1))) == scaler.series.std.min()


def test_scales_are_extended_by_new_series(panel):
    series, scaler = panel
    other = replace(series, series_ids=("a", "x", "y", "b", "z"))
    found = scaler.series.extended(fit_series_scales(other, TRAIN))
    assert found.series_ids == ("a", "b", "c", "d", "e", "x", "y", "z")
    np.testing.assert_array_equal(found.std[[0, 1, 5]], scaler.series.std[[0, 1, 1]])
    np.testing.assert_array_equal(found.mean[[0, 1, 5]], scaler.series.mean[[0, 1, 1]])


def test_a_panel_in_which_no_series_changes_has_a_scale():
    series = series_of(np.array([[1.0], [1.0], [5.0], [5.0]]), (2, 2), targets=("y",))
    scales = fit_series_scales(series, (slice(0, 2), slice(2, 2)))  # the second without train rows
    np.testing.assert_array_equal(scales.std, np.ones((2, 1)))
    np.testing.assert_array_equal(scales.mean, np.ones((2, 1)))


def test_scales_of_series_survive_json(panel):
    _, scaler = panel
    again = Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert isinstance(again.series, SeriesScales)
    assert again.to_json() == scaler.to_json()


def test_scaler_survives_json(scaler):
    again = Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert again.to_json() == scaler.to_json()


def test_check_targets_refuses_a_target_that_is_constant_or_missing(values, scaler):
    check_targets(scaler, ["y", "x"], "data.csv")
    with pytest.raises(
        DataError, match=r"Received: 'flat', always 7 .*Name another target .*--drop"
    ):
        check_targets(scaler, ["y", "flat"], "data.csv")
    values[:, 0] = np.nan
    with pytest.raises(DataError, match=r"Received: 'y', .*or missing there"):
        check_targets(fit_scaler(values, [slice(0, 47)], FEATURES), ["y"], "data.csv")


def test_scaler_does_not_depend_on_the_offsets():
    data = 1e9 + np.sin(np.arange(61.0))[:, None]
    found, scalers = [], []
    for offset in (1e9, 1e9 - 0.7, 1e9 + 1.3):
        series = series_of(data - offset, offset=offset, targets=("y",))
        scalers.append(fit_scaler(series.values, [slice(0, 61)], ["y"], offsets=series.offsets))
        found.append(scaled(scalers[0], series))
    for i in range(3):
        np.testing.assert_allclose(scalers[i].mean, data.mean(), rtol=0, atol=1e-6)
        np.testing.assert_allclose(found[i][0], found[0][0], atol=1e-5)
        original = found[0][1].original(found[i][0][:, None], np.arange(61))
        np.testing.assert_allclose(original[:, 0], data, rtol=0, atol=1e-5)
