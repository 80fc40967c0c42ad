"""The simple forecasts every model is compared with."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.linear_model import Ridge

from tsattn import linear_fitting
from tsattn.baselines import LinearBaseline, baseline_forecasters, last_value, seasonal_naive
from tsattn.data.windows import make_windows
from tsattn.linear_fitting import SELECTIVITY, fit_linear
from tsattn.linear_moments import moments_of
from tsattn.ridge_regression import RIDGE_STRENGTHS

ROWS, FEATURES, FUTURE, TARGETS = 307, 3, 2, 2
LOOKBACK, HORIZON = 11, 7


@pytest.fixture
def arrays():
    generator = np.random.default_rng(3)
    values = generator.normal(size=(ROWS, FEATURES)).cumsum(axis=0).astype(np.float32)
    return values, generator.normal(size=(ROWS, FUTURE)).astype(np.float32)


@pytest.fixture
def windows(arrays):
    values, future_values = arrays
    return make_windows(
        values,
        lookback=LOOKBACK,
        horizon=HORIZON,
        num_targets=TARGETS,
        future_values=future_values,
    )


def test_last_value_repeats_it(windows):
    batch = windows.gather(slice(5))
    forecast = last_value(batch, HORIZON)
    assert forecast.shape == (5, HORIZON, TARGETS)
    for step in range(HORIZON):
        np.testing.assert_array_equal(forecast[:, step], batch.inputs[:, -1, :TARGETS])


@pytest.mark.parametrize("seasonality", [1, 5, 7, 13])
def test_seasonal_naive_is_the_plain_loop(windows, arrays, seasonality):
    values = arrays[0].copy()
    values[20, 0] = np.nan
    gappy = make_windows(values, lookback=LOOKBACK, horizon=HORIZON, num_targets=TARGETS)
    first_rows = np.where(gappy.origins < 101, 0, 100)
    index = slice(0, 131)
    forecast = seasonal_naive(gappy, index, seasonality, first_rows[index])
    assert forecast.shape == (131, HORIZON, TARGETS)
    for window, origin in enumerate(gappy.origins[index]):
        for step in range(HORIZON):
            row = origin + step
            while row >= origin:
                row -= seasonality
            for target in range(TARGETS):
                expected = values[row, target] if row >= first_rows[window] else np.nan
                expected = values[origin - 1, target] if np.isnan(expected) else expected
                np.testing.assert_equal(forecast[window, step, target], expected)


def lags_and_known(batch, columns, levels) -> np.ndarray:
    """Return lags of some features, and what is known ahead, relative to the last values.

    The last values of the targets `levels` come first.
    """
    ahead = batch.future_inputs - batch.inputs[:, -1:, -FUTURE:]
    lagged = (batch.inputs - batch.inputs[:, -1:])[:, :, columns]
    last = batch.inputs[:, -1, levels]
    return np.hstack([last, lagged.reshape(len(last), -1), ahead.reshape(len(last), -1)])


def left_of_level(found: float, steps: int, num_rows: int) -> float:
    """Return the largest share of a level that would be found so small, by Kendall's bias."""

    def too_low(left: float) -> float:
        rho = left ** (1 / steps)
        bias = (1 + rho) / (1 - rho) * (1 - left) + 2 * steps * left
        return left - bias / num_rows - found

    shares = np.linspace(1 - 1e-6, 1e-6, 10_001)
    above = next((i for i, share in enumerate(shares) if too_low(share) < 0), len(shares) - 1)
    return 1.0 if above == 0 else float(brentq(too_low, shares[above], shares[above - 1]))


def reference_forecasts(train, val, batch, target) -> tuple[np.ndarray, np.ndarray]:
    """Return forecast and error on val of each kind and strength, the intercept penalised."""
    forecasts, errors = [], []
    kinds = [([target], [target]), ([target], [target])]
    kinds += [(list(range(FEATURES)), list(range(TARGETS)))]
    kinds += [(columns, []) for columns, _ in kinds]
    for number, (columns, levels) in enumerate(kinds):
        size = LOOKBACK + len(levels) if number in (0, 3) else None  # nothing known ahead
        x, x_val, x_new = (
            np.hstack(
                [lags_and_known(part, columns, levels)[:, :size], np.ones((len(part.inputs), 1))]
            )
            for part in (train, val, batch)
        )
        found = []
        for strength in RIDGE_STRENGTHS:
            ridge = Ridge(alpha=strength * len(x), fit_intercept=False)
            mean, mean_val, mean_new = (
                part.inputs[:, :, target].mean(axis=1, keepdims=True)
                for part in (train, val, batch)
            )
            ridge.fit(x.astype(np.float64), train.targets[:, :, target] - mean)
            if levels:  # less of the return to the mean that a random walk feigns
                own = ridge.coef_[:, levels.index(target)]
                for step in range(HORIZON):
                    own[step] = max(own[step], left_of_level(1 + own[step], step + 1, len(x)) - 1)
            forecast = ridge.predict(x_val.astype(np.float64)) + mean_val
            error = np.square(forecast - val.targets[:, :, target]).sum()
            found.append((error, ridge.predict(x_new) + mean_new))
        errors.append([error for error, _ in found])
        forecasts.append([forecast for _, forecast in found])
    return np.array(forecasts), np.array(errors)


def test_linear_is_the_mean_of_ridges_weighed_by_their_errors(windows, monkeypatch):
    monkeypatch.setattr(linear_fitting, "needless_features", lambda *_: [])  # see further below
    train, val = windows.take(slice(0, 199)), windows.take(slice(199, 251))
    linear = fit_linear(train, val)
    batches = [part.gather(slice(None)) for part in (train, val, windows)]
    found = [reference_forecasts(*batches, target) for target in range(TARGETS)]
    errors = sum(errors for _, errors in found)
    best = errors.argmin(axis=1)
    parts = errors.min(axis=1) ** -SELECTIVITY
    parts /= parts.sum()
    assert parts.max() < 0.9  # or it was one of them
    forecast = linear.forecast(batches[-1])
    for target, (forecasts, _) in enumerate(found):
        expected = sum(
            part * of_kind[i] for part, of_kind, i in zip(parts, forecasts, best, strict=True)
        )
        np.testing.assert_allclose(forecast[:, :, target], expected, atol=2e-3)


def test_linear_learns_an_exact_rule():
    x = np.random.default_rng(5).normal(size=(401, 1))
    y = np.roll(x, 3, axis=0) * 2 + 1
    values = np.hstack([y, x]).astype(np.float32)
    windows = make_windows(values, lookback=5, horizon=2, num_targets=1)
    linear = fit_linear(windows.take(slice(0, 300)), windows.take(slice(300, 350)))
    batch = windows.take(slice(350, None)).gather(slice(None))
    assert linear.inputs == "all"
    np.testing.assert_allclose(linear.forecast(batch), batch.targets, atol=0.02)


def returns_to_its_mean(values: np.ndarray, horizon: int) -> float:
    """Return how much of a level the linear forecast takes off it after a horizon."""
    windows = make_windows(values[:, None].astype(np.float32), lookback=3, horizon=horizon)
    count = len(windows) * 4 // 5
    linear = fit_linear(windows.take(slice(count)), windows.take(slice(count, None)))
    assert linear.inputs == "own"
    return -float(linear.weights[0, 2, -1])  # that of the last value


def test_linear_lets_a_series_return_to_its_mean() -> None:
    noise = np.random.default_rng(2).normal(size=3001)
    values = np.zeros(3001)
    for step in range(1, 3001):
        values[step] = 0.95 * values[step - 1] + noise[step]
    # Half of the candidates read no level.
    assert 0.3 < returns_to_its_mean(values, 24) < 1 - 0.95**24


def test_linear_takes_no_random_walk_for_one_that_returns() -> None:
    walks = np.random.default_rng(4).normal(size=(160, 401)).cumsum(axis=1)
    found = [returns_to_its_mean(walk, 48) for walk in walks]
    assert np.mean(found) < 0.12  # .26 if the bias was left


def test_linear_lets_a_short_series_return_to_a_mean_that_is_near() -> None:
    series = np.random.default_rng(4).normal(size=(20, 401))
    for step in range(1, 401):
        series[:, step] += 0.95 * series[:, step - 1]
    found = [returns_to_its_mean(values, 48) for values in series]
    assert np.mean(found) > 0.5  # .3 with the bias of a random walk taken off


def walks(num_rows: int, stays: float, seed: int) -> np.ndarray:
    """Return two series that have nothing to do with one another: (rows, 2)."""
    values = np.random.default_rng(seed).normal(size=(num_rows, 2)).astype(np.float32)
    for row in range(1, num_rows):
        values[row] += stays * values[row - 1]
    return values


def test_linear_reads_the_level_of_a_feature_that_the_target_follows() -> None:
    values = walks(2003, stays=0.9, seed=1)
    noise = 0.2 * np.random.default_rng(2).normal(size=2000)
    followed = np.column_stack([values[:-3, 1] + noise, values[3:, 1]])  # three steps behind
    windows = make_windows(followed.astype(np.float32), lookback=5, horizon=1, num_targets=1)
    linear = fit_linear(windows.take(slice(1000)), windows.take(slice(1000, 1500)))
    batch = windows.take(slice(1500, None)).gather(slice(None))
    errors = linear.forecast(batch) - batch.targets
    assert linear.reads_levels(5, 2)
    assert np.square(errors).mean() < 1.1 * noise.var()  # 1.45 without the level


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("rows", "horizon"), [(2000, 1), (1000, 80)])
def test_linear_reads_no_level_of_a_feature_that_wanders_by_itself(rows, horizon, seed) -> None:
    windows = make_windows(walks(rows, 1, seed), lookback=5, horizon=horizon, num_targets=1)
    first, second = rows * 7 // 10, rows * 8 // 10
    linear = fit_linear(windows.take(slice(first)), windows.take(slice(first, second)))
    assert not linear.reads_levels(5, 2)


def values_read(linear, lookback: int, num_features: int) -> set[tuple[int, int]]:
    """Return (lag, feature) of the lagged values that the first target is a sum of."""
    weights = np.abs(linear.weights_of_values(lookback, num_features)[0]).max(axis=1)
    lagged = weights[: lookback * num_features].reshape(lookback, num_features)
    return {(lookback - step, feature) for step, feature in np.argwhere(lagged > 1e-6)}


def test_linear_reads_just_the_values_that_the_target_is_a_sum_of() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(size=(4000, 3))
    for row in range(5, 4000):
        values[row, 0] = 0.5 * values[row - 3, 0] + 0.4 * values[row - 5, 1] + values[row, 0] / 4
    windows = make_windows(values.astype(np.float32), lookback=6, horizon=1, num_targets=1)
    linear = fit_linear(windows.take(slice(3000)), windows.take(slice(3000, None)))
    assert values_read(linear, 6, 3) == {(3, 0), (5, 1)}
    weights = linear.weights_of_values(6, 3)[0, :, 0].reshape(6, 3)
    assert weights[3, 0] == pytest.approx(0.5, abs=0.02)
    assert weights[1, 1] == pytest.approx(0.4, abs=0.02)


def test_linear_reads_few_values_of_one_target_and_all_of_another() -> None:
    generator = np.random.default_rng(5)
    plan = walks(3000, stays=0.9, seed=9)[:, 0]
    values = np.concatenate([0.3 * generator.normal(size=(3000, 2)), plan[:, None]], axis=1)
    values[2:, 0] += plan[:-2]
    windows = make_windows(values.astype(np.float32), lookback=9, horizon=1, num_targets=2)
    linear = fit_linear(windows.take(slice(2000)), windows.take(slice(2000, None)))
    assert values_read(linear, 9, 3) == {(2, 2)}
    of_noise = linear.weights_of_values(9, 3)[1]
    assert (of_noise != 0).all()


def test_linear_reads_what_is_known_ahead_and_only_that_where_it_tells_all() -> None:
    generator = np.random.default_rng(6)
    plan = walks(3004, stays=0.95, seed=7)[:, :1].astype(np.float32)
    load = 2 * plan + 0.1 * generator.normal(size=(3004, 1))
    values = np.concatenate([load, plan], axis=1).astype(np.float32)
    windows = make_windows(values, lookback=6, horizon=2, num_targets=1, future_values=plan)
    linear = fit_linear(windows.take(slice(2000)), windows.take(slice(2000, None)))
    weights = linear.weights_of_values(6, 2)[0]
    assert values_read(linear, 6, 2) == set()
    np.testing.assert_allclose(weights[-2:], [[2, 0], [0, 2]], atol=0.03)


def test_errors_are_clearly_less_only_where_blocks_agree() -> None:
    errors = np.random.default_rng(3).normal(size=800) + 10
    is_clearly_less = linear_fitting.is_clearly_less
    assert is_clearly_less(errors - 1, errors, 100)
    assert not is_clearly_less(errors, errors, 100)
    assert not is_clearly_less(errors, errors - 1, 100)
    once = errors.copy()
    once[:50] -= 16  # the same mean, in one place
    assert not is_clearly_less(once, errors, 100)
    assert not is_clearly_less(errors - 1, errors, 101)  # seven windows apart are too few


def test_linear_far_ahead_of_noise_is_close_to_its_mean() -> None:
    values = np.random.default_rng(2).normal(size=(90, 1)).astype(np.float32)
    windows = make_windows(values, lookback=12, horizon=6)
    linear = fit_linear(windows.take(slice(0, 40)), windows.take(slice(40, None)))
    batch = windows.gather(slice(None))
    of_mean = batch.inputs.mean(axis=1, keepdims=True) - batch.targets
    error = linear.forecast(batch) - batch.targets
    # 1.15 times as large if the penalty draws to the last value
    assert np.square(error).mean() < 1.05 * np.square(of_mean).mean()


def test_linear_uses_what_is_known_ahead():
    known = np.random.default_rng(7).normal(size=(401, 1)).astype(np.float32)
    windows = make_windows(known.cumsum(axis=0), lookback=3, horizon=2, future_values=known)
    linear = fit_linear(windows.take(slice(0, 300)), windows.take(slice(300, None)))
    batch = windows.gather(slice(None))
    np.testing.assert_allclose(linear.forecast(batch), batch.targets, atol=0.02)


def test_moments_are_those_of_all_windows_at_once(windows, monkeypatch):
    whole = moments_of(windows, "all", 0)
    monkeypatch.setattr("tsattn.linear_moments.BATCH", 13)
    parts = moments_of(windows, "all", 0)
    for name in ("gram", "moment", "squares"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-9)


def test_moments_give_the_squared_error_of_any_weights(windows) -> None:
    moments = moments_of(windows, "all", 0)
    weights = np.random.default_rng(8).normal(size=moments.moment.shape).astype(np.float32)
    linear = LinearBaseline(inputs="all", weights=weights)
    batch = windows.gather(slice(None))
    squared = np.square(linear.forecast(batch) - batch.targets, dtype=np.float64)
    expected = squared.mean(axis=0).T
    np.testing.assert_allclose(moments.errors(weights), expected, rtol=1e-5)
    columns = np.array([2, 5, 7])
    weights[:, np.setdiff1d(np.arange(weights.shape[1]), columns)] = 0
    part = moments.part(slice(1, 2), columns)
    rest = LinearBaseline(inputs="all", weights=weights).forecast(batch) - batch.targets
    expected = np.square(rest[:, :, 1], dtype=np.float64).mean(axis=0)
    np.testing.assert_allclose(part.errors(weights[1:2, columns])[0], expected, rtol=1e-5)


def driven(num_rows: int, num_idle: int) -> np.ndarray:
    """Return a target, what it follows three steps later, and others it has nothing to do with."""
    values = np.random.default_rng(10).normal(size=(num_rows, 2 + num_idle)).astype(np.float32)
    values[3:, 0] += values[:-3, 1]
    return values


def sizes_of_features(linear: LinearBaseline, lookback: int, num_features: int) -> np.ndarray:
    """Return the largest weight of the values of each feature, those known ahead left out."""
    weights = np.abs(linear.weights_of_values(lookback, num_features)).max(axis=(0, 2))
    return weights[: lookback * num_features].reshape(lookback, num_features).max(axis=0)


def test_linear_leaves_out_features_it_is_no_worse_without() -> None:
    values = driven(1200, num_idle=6)
    windows = make_windows(
        values, lookback=24, horizon=4, num_targets=1, future_values=values[:, -2:]
    )
    linear = fit_linear(windows.take(slice(900)), windows.take(slice(900, None)))
    sizes = sizes_of_features(linear, 24, 8)
    assert sizes[1] > 0.5
    np.testing.assert_array_equal(sizes[2:], 0)
    np.testing.assert_array_equal(linear.weights[:, 24 * 8 : -1], 0)  # what is known ahead of them


def test_linear_keeps_a_feature_that_validation_rows_cannot_tell_of() -> None:
    values = np.random.default_rng(10).normal(size=(1200, 2)).astype(np.float32)
    holidays = np.arange(30, 900, 60)  # in train rows only
    values[:, 1] = np.isin(np.arange(1200), holidays) / 0.13
    values[holidays + 3, 0] += 4
    windows = make_windows(values, lookback=24, horizon=4, num_targets=1)
    linear = fit_linear(windows.take(slice(870)), windows.take(slice(930, None)))
    assert sizes_of_features(linear, 24, 2)[1] > 0.1


def test_linear_keeps_a_feature_that_train_rows_clearly_speak_for() -> None:
    values = driven(1200, num_idle=0)
    values[903:, 0] -= 1.5 * values[900:-3, 1]  # the opposite in validation rows
    windows = make_windows(values, lookback=24, horizon=4, num_targets=1)
    linear = fit_linear(windows.take(slice(870)), windows.take(slice(930, None)))
    assert sizes_of_features(linear, 24, 2)[1] > 0


def test_linear_keeps_a_feature_that_one_target_needs_for_one_step() -> None:
    values = np.random.default_rng(13).normal(size=(1800, 6)).astype(np.float32)
    values[1:, 0] += values[:-1, 5]
    windows = make_windows(values, lookback=6, horizon=24, num_targets=5)
    linear = fit_linear(windows.take(slice(1200)), windows.take(slice(1230, None)))
    assert linear.weights_of_values(6, 6)[0, 5 * 6 + 5, 0] > 0.3  # lag 1


def test_linear_keeps_a_feature_that_tells_the_next_of_many_steps() -> None:
    values = np.random.default_rng(14).normal(size=(3600, 2)).astype(np.float32)
    values[1:, 0] += 0.4 * values[:-1, 1]
    windows = make_windows(values, lookback=6, horizon=96, num_targets=1)
    linear = fit_linear(windows.take(slice(2500)), windows.take(slice(2600, None)))
    assert linear.weights_of_values(6, 2)[0, 5 * 2 + 1, 0] > 0.1  # lag 1


def test_linear_leaves_out_most_features_of_noise_and_none_by_few_validation_windows() -> None:
    values = driven(1200, num_idle=20)
    windows = make_windows(values, lookback=6, horizon=1, num_targets=1)
    train = windows.take(slice(900))
    linear = fit_linear(train, windows.take(slice(900, None)))
    assert (sizes_of_features(linear, 6, 22)[2:] == 0).sum() > 10
    linear = fit_linear(train, windows.take(slice(900, 950)))  # not eight windows apart
    assert (sizes_of_features(linear, 6, 22) > 0).all()


def test_linear_leaves_out_one_of_two_covariates_that_are_known_ahead() -> None:
    values = driven(1200, num_idle=2)
    values[:, 0] += 2 * values[:, 2]  # as it is known ahead
    calendar = np.sin(np.arange(1200) / 4)[:, None]
    known = np.concatenate([values[:, 2:], calendar], axis=1).astype(np.float32)
    windows = make_windows(values, lookback=6, horizon=4, num_targets=1, future_values=known)
    train, val = windows.take(slice(900)), windows.take(slice(900, None))
    linear = fit_linear(train, val, num_calendar_features=1)
    sizes = sizes_of_features(linear, 6, 4)
    assert (sizes[:3] > 0).all()
    assert sizes[3] == 0
    ahead = linear.weights[0, 6 * 4 : -2].reshape(4, 2, 4)  # steps, covariates, horizon
    assert (np.diagonal(ahead[:, 0]) > 1.5).all()
    np.testing.assert_array_equal(ahead[:, 1], 0)
    assert (linear.weights[0, -2] != 0).all()  # the calendar


def test_linear_tries_no_features_where_that_is_too_much(monkeypatch) -> None:
    monkeypatch.setattr("tsattn.needless_features._MAX_PRODUCTS", 0)
    windows = make_windows(driven(1200, num_idle=2), lookback=6, horizon=4, num_targets=1)
    linear = fit_linear(windows.take(slice(900)), windows.take(slice(900, None)))
    assert (sizes_of_features(linear, 6, 4) > 0).all()


@pytest.mark.parametrize("limit", ["MAX_WEIGHTS", "MAX_REGRESSORS"])
def test_linear_beyond_a_limit_reads_the_lags_of_targets_alone(windows, monkeypatch, limit) -> None:
    assert fit_linear(windows, windows).inputs == "all"
    monkeypatch.setattr(linear_fitting, limit, 20)
    assert fit_linear(windows, windows).inputs != "all"


@pytest.mark.parametrize("num_targets", [1, 3])
def test_linear_of_a_wide_table_reads_the_lags_of_the_target_alone(num_targets: int) -> None:
    values = np.random.default_rng(12).normal(size=(700, 321)).astype(np.float32)
    values[7:, :3] += values[:-7, :3]
    windows = make_windows(values, lookback=168, horizon=24, num_targets=num_targets)
    train, val = windows.take(slice(400)), windows.take(slice(400, None))
    linear = fit_linear(train, val)  # 53,929 regressors of all lags: a table of 23 GB
    assert linear.inputs == "own"
    assert linear.weights.shape == (num_targets, 169, 24)
    for target, weights in enumerate(linear.weights):
        own = values[:, target : target + 1]
        alone = fit_linear(*(replace(part, values=own, num_targets=1) for part in (train, val)))
        np.testing.assert_array_equal(weights, alone.weights[0])


def test_linear_of_a_wide_table_reads_what_is_known_ahead() -> None:
    values = np.random.default_rng(12).normal(size=(500, 60)).astype(np.float32)
    known = values[:, -1:]
    values[:, 0] = known[:, 0] + 0.1 * values[:, 0]
    windows = make_windows(values, lookback=96, horizon=4, num_targets=1, future_values=known)
    linear = fit_linear(windows.take(slice(250)), windows.take(slice(250, None)))
    assert linear.inputs == "own and known"
    batch = windows.gather(slice(250, None))
    assert np.square(linear.forecast(batch) - batch.targets).mean() < 0.1


def test_linear_of_many_windows_takes_evenly_spaced_ones(windows, monkeypatch):
    monkeypatch.setattr(linear_fitting, "MAX_LINEAR_WINDOWS", 53)
    limited = fit_linear(windows, windows)
    spread = windows.spread(53)
    np.testing.assert_array_equal(limited.weights, fit_linear(spread, spread).weights)


def test_baseline_forecasters_agree_in_shape_and_respect_the_borders(windows):
    linear = fit_linear(windows, windows)
    index = slice(90, 113)
    batch = windows.gather(index)
    forecasters = baseline_forecasters(24, np.array([0, 100, ROWS]), linear)
    assert list(forecasters) == ["last_value", "seasonal_naive", "linear"]
    for forecaster in forecasters.values():
        assert forecaster(windows, index, batch).shape == (23, HORIZON, TARGETS)
    seasonal = forecasters["seasonal_naive"](windows, index, batch)
    just_after = int(np.flatnonzero(windows.origins[index] == 110)[0])
    expected = np.repeat(windows.values[None, 109, :TARGETS], HORIZON, axis=0)
    np.testing.assert_array_equal(seasonal[just_after], expected)


def test_linear_reads_the_calendar_of_the_first_step_only():
    generator = np.random.default_rng(3)
    angle = 2 * np.pi * np.arange(401) / 7
    calendar = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    values = np.sin(angle + 1)[:, None] + 0.01 * generator.normal(size=(401, 1))
    windows = make_windows(values, lookback=3, horizon=5, future_values=calendar)
    linear = fit_linear(
        windows.take(slice(0, 300)), windows.take(slice(300, None)), num_calendar_features=2
    )
    assert linear.inputs == "own and known"
    assert linear.weights.shape == (1, 3 + 2 + 1, 5)
    batch = windows.gather(slice(None))
    np.testing.assert_allclose(linear.forecast(batch), batch.targets, atol=0.06)
