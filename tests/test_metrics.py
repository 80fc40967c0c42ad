"""Errors summed over every window."""

import json

import numpy as np
import pytest

from tsattn.metrics import ScoreSum, is_no_worse, seasonal_naive_mae, skill

WINDOWS, HORIZON, TARGETS = 23, 7, 2


@pytest.fixture
def arrays():
    generator = np.random.default_rng(3)
    return generator.normal(size=(2, WINDOWS, HORIZON, TARGETS)).astype(np.float32)


def scored(forecast, actual, unit="original", naive_mae=None, batch=5):
    total = ScoreSum(forecast.shape[1], [f"t{i}" for i in range(forecast.shape[2])], unit)
    for start in range(0, len(forecast), batch):
        total.add(forecast[start : start + batch], actual[start : start + batch])
    return total.scores(naive_mae)


def test_scores_by_hand():
    forecast, actual = np.array([[[1.0], [2.0]]]), np.array([[[3.0], [2.0]]])
    content = scored(forecast, actual, naive_mae=np.array([4.0])).to_json()
    assert content["mse"] == {"overall": 2, "per_target": {"t0": 2}, "per_horizon_step": [4, 0]}
    assert content["mae"]["overall"] == 1
    assert content["rmse"]["overall"] == pytest.approx(np.sqrt(2))
    assert content["rmse"]["per_horizon_step"] == [2, 0]
    assert content["smape"]["per_horizon_step"] == [100, 0]  # 200 * |1 - 3| / (1 + 3)
    assert content["mase"]["overall"] == 0.25


def test_scores_are_the_plain_loop_whatever_the_batches(arrays):
    forecast, actual = arrays
    naive_mae = np.array([0.5, 2.0])
    squared, absolute, percentage, relative = [], [], [], []
    for window in range(WINDOWS):
        for step in range(HORIZON):
            for target in range(TARGETS):
                f, a = float(forecast[window, step, target]), float(actual[window, step, target])
                squared.append((f - a) ** 2)
                absolute.append(abs(f - a))
                percentage.append(200 * abs(f - a) / (abs(f) + abs(a)))
                relative.append(abs(f - a) / naive_mae[target])
    for batch in (1, 5, WINDOWS):
        content = scored(forecast, actual, naive_mae=naive_mae, batch=batch).to_json()
        for metric, values in (
            ("mse", squared),
            ("mae", absolute),
            ("smape", percentage),
            ("mase", relative),
        ):
            assert content[metric]["overall"] == pytest.approx(np.mean(values), rel=1e-5)
        assert content["rmse"]["overall"] == pytest.approx(np.sqrt(np.mean(squared)), rel=1e-5)


def test_scaled_scores_hold_only_what_has_no_unit(arrays):
    assert set(scored(*arrays, unit="scaled").to_json()) == {"mse", "mae", "rmse"}


def test_smape_of_two_zeros_is_zero():
    zeros = np.zeros((1, 1, 1))
    assert scored(zeros, zeros).to_json()["smape"]["overall"] == 0


@pytest.mark.parametrize("naive_mae", [None, np.array([0.0, np.nan])])
def test_mase_without_a_denominator_is_none(arrays, naive_mae):
    content = scored(*arrays, naive_mae=naive_mae).to_json()
    assert content["mase"]["overall"] is None
    json.dumps(content, allow_nan=False)


def test_scores_of_no_windows_are_none():
    content = ScoreSum(HORIZON, ["y"], "original").scores().to_json()
    assert content["mse"]["overall"] is None
    assert content["mae"]["per_horizon_step"] == [None] * HORIZON


def test_skill_is_the_share_of_the_error_that_is_gone(arrays):
    forecast, actual = arrays
    model, baseline = scored(actual + 1, actual), scored(actual + 2, actual)
    assert skill(model, baseline) == pytest.approx(0.75)
    assert skill(model, scored(actual, actual)) is None
    assert skill(model, scored(actual + 1.000001, actual)) == 0
    assert skill(scored(actual + 1.000001, actual), model) == 0


def test_seasonal_naive_mae_by_hand():
    values = np.array([[1.0], [5.0], [2.0], [9.0], [100.0]])
    assert seasonal_naive_mae(values, [slice(0, 4)], 1, 2) == pytest.approx([2.5])


def test_seasonal_naive_mae_is_the_plain_loop_over_series():
    values = np.random.default_rng(5).normal(size=(61, 3))
    values[[7, 31], 0] = np.nan
    parts = (slice(0, 23), slice(30, 33), slice(40, 59))
    expected = []
    for target in range(2):
        changes = [
            abs(values[row, target] - values[row - 5, target])
            for part in parts
            for row in range(part.start + 5, part.stop)
        ]
        expected.append(np.nanmean(changes))
    np.testing.assert_allclose(seasonal_naive_mae(values, parts, 2, 5), expected)


def test_seasonal_naive_mae_of_too_few_rows_is_missing():
    assert np.isnan(seasonal_naive_mae(np.zeros((5, 1)), [slice(0, 5)], 1, 7)).all()


def test_error_is_no_worse_but_for_rounding() -> None:
    errors = np.random.default_rng(1).normal(size=10_001).astype(np.float32)
    one, other = np.square(errors).mean(), np.square(errors[::-1], dtype=np.float64).mean()
    assert is_no_worse(one, other)
    assert is_no_worse(other, one)
    assert is_no_worse(0.0, 0.0)
    assert not is_no_worse(1.0001 * one, one)
    assert not is_no_worse(1e-9, 0.0)
    assert not is_no_worse(np.nan, one)
