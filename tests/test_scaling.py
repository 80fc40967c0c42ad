"""Scaling by the train rows alone."""

import json

import numpy as np
import pytest

from tsattn.data.scaling import Scaler, check_targets, fit_scaler
from tsattn.errors import DataError

FEATURES = ("y", "x", "flat")


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
    scaled = scaler.transform(values)
    assert scaled.dtype == np.float32
    expected = (values[:, :2] - scaler.mean[:2]) / scaler.std[:2]
    np.testing.assert_allclose(scaled[:, :2], expected, rtol=1e-5)
    np.testing.assert_allclose(scaler.inverse_transform(scaled, range(3)), values, atol=1e-5)


def test_transform_keeps_a_constant_feature_at_zero_and_what_is_missing_missing(values, scaler):
    values[50:, 2] = 1000
    values[60, 2] = np.nan
    scaled = scaler.transform(values)[:, 2]
    assert (scaled[:60] == 0).all()
    assert np.isnan(scaled[60])


def test_inverse_transform_takes_quantiles(scaler):
    quantiles = np.random.default_rng(5).normal(size=(2, 7, 1, 3))
    original = scaler.inverse_transform(quantiles, [1])
    np.testing.assert_allclose(original, quantiles * scaler.std[1] + scaler.mean[1], rtol=1e-6)


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
    scaled, scalers = [], []
    for offset in (1e9, 1e9 - 0.7, 1e9 + 1.3):
        offsets = np.array([offset])
        values = (data - offsets).astype(np.float32)
        scalers.append(fit_scaler(values, [slice(0, 61)], ["y"], offsets=offsets))
        scaled.append(scalers[0].transform(values, offsets=offsets))
    for i in range(3):
        np.testing.assert_allclose(scalers[i].mean, data.mean(), rtol=0, atol=1e-6)
        np.testing.assert_allclose(scaled[i], scaled[0], atol=1e-5)
        original = scalers[0].inverse_transform(scaled[i], [0])
        assert original.dtype == np.float64
        np.testing.assert_allclose(original, data, rtol=0, atol=1e-5)
