from dataclasses import replace

import numpy as np
import pytest

from tsattn.following import MOST_FACTOR, RATE, FollowedIntervals
from tsattn.intervals import LEAST_DIFFICULTY, Calibration

HORIZON = 3


def _calibration(levels=(80,), num_targets=1):
    return Calibration(
        levels=levels,
        radii=np.ones((len(levels), HORIZON, num_targets)),
        typical=np.ones((1, num_targets)),
        seasonality=1,
        num_windows=99,
    )


def _inputs(count, num_targets=1):
    return np.full((count, 1, num_targets), 0.0)  # one step: as restless as LEAST_DIFFICULTY


def _followed(count, calibration=None, borders=(0,)):
    return FollowedIntervals(calibration or _calibration(), np.arange(count), borders)


def _bounds(followed, actual, forecast=None, start=0):
    index = slice(start, start + len(actual))
    forecast = np.zeros_like(actual) if forecast is None else forecast
    inputs = _inputs(len(actual), actual.shape[2])
    return followed.bounds(index, inputs, np.ones((1, 1)), forecast, None, actual)[0]


def test_followed_intervals_agree_with_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    levels, num_targets, count = (50, 90), 2, 40
    actual = generator.normal(size=(count, HORIZON, num_targets)) * 0.15
    forecast = generator.normal(size=actual.shape) * 0.02
    calibration = _calibration(levels, num_targets)
    low, high = calibration.intervals(_inputs(count, num_targets), np.ones((1, 1)), forecast)
    log = np.zeros((len(levels), num_targets))
    misses = np.zeros((count, HORIZON, *log.shape))
    allowed = [[0.5], [0.1]]
    expected = np.zeros((2, *low.shape))

    def of_row(row):  # the windows that forecast it began up to HORIZON - 1 rows before
        made = [(row - step, step) for step in range(HORIZON) if 0 <= row - step < count]
        return RATE * (np.mean([misses[place] for place in made], axis=0) - allowed)

    for i in range(count):
        if i:
            log += of_row(i - 1)
        for j in range(len(levels)):
            for k in range(num_targets):
                for step in range(HORIZON):
                    middle, factor = forecast[i, step, k], np.exp(log[j, k])
                    below = middle - factor * (middle - low[i, step, k, j])
                    above = middle + factor * (high[i, step, k, j] - middle)
                    expected[:, i, step, k, j] = below, above
                    misses[i, step, j, k] = not below <= actual[i, step, k] <= above
    followed = _followed(count, calibration)
    first = _bounds(followed, actual[:7], forecast=forecast[:7])
    second = _bounds(followed, actual[7:], forecast=forecast[7:], start=7)
    found = [np.concatenate(parts) for parts in zip(first, second, strict=True)]
    assert found == pytest.approx(expected)
    assert followed.factors_at(count) == pytest.approx(np.exp(log + of_row(count - 1)))


def test_followed_intervals_hold_what_they_promise_when_errors_grow() -> None:
    actual = np.random.default_rng(1).normal(size=(6000, 1, 1)).repeat(HORIZON, axis=1)
    actual *= 0.1 * 1.5  # half as large again as those of the validation rows
    calibration = _calibration()
    one = np.quantile(np.abs(np.random.default_rng(2).normal(size=100_000)), 0.8)
    calibration.radii[:] = one
    followed = _followed(6000, calibration)
    lower, upper = _bounds(followed, actual)
    held = ((lower[..., 0] <= actual) & (actual <= upper[..., 0])).mean()
    assert held == pytest.approx(0.80, abs=0.02)  # 0.60 without
    assert followed.factors_at(6000).item() == pytest.approx(1.5, rel=0.1)


def test_followed_intervals_stay_as_they_are_where_they_hold_what_they_promise() -> None:
    # Far ahead, the errors of neighbours go together.
    count, horizon = 4000, 336
    steps = np.arange(1, horizon + 1)
    walk = np.random.default_rng(3).normal(size=count + horizon).cumsum()
    origins = np.arange(count)
    actual = (walk[origins[:, None] + steps] - walk[origins, None])[..., None]
    radii = np.array([1.2816 / LEAST_DIFFICULTY * np.sqrt(steps)])[..., None]
    calibration = replace(_calibration(), radii=radii)
    followed = _followed(count, calibration)
    lower, upper = _bounds(followed, actual)
    held = ((lower[..., 0] <= actual) & (actual <= upper[..., 0])).mean()
    assert held == pytest.approx(0.80, abs=0.03)


def test_followed_intervals_read_no_target_before_it_is_known() -> None:
    actual = np.zeros((20, HORIZON, 1))
    changed = actual.copy()
    changed[8:] = 9.0  # of the origins 8 and later, as if their rows were others
    first = _bounds(_followed(20), actual)[1]
    second = _bounds(_followed(20), changed)[1]
    is_other = (first != second).any(axis=(1, 2, 3))
    assert is_other.tolist() == [False] * 9 + [True] * 11  # row 8 is known at origin 9


def test_followed_intervals_begin_anew_with_every_series() -> None:
    actual = np.full((20, HORIZON, 1), 9.0)
    followed = _followed(20, borders=(0, 12))
    upper = _bounds(followed, actual)[1]
    assert (upper[12:] == upper[:8]).all()
    assert followed.factors_at(20).item() == pytest.approx(np.exp(RATE * 0.8 * 8))


def test_followed_intervals_skip_rows_without_a_forecast() -> None:
    actual = np.full((3, HORIZON, 1), 9.0)
    followed = FollowedIntervals(_calibration(), np.array([0, 1, 50]), (0,))
    upper = _bounds(followed, actual)[1]
    narrow = upper[0, 0].item()
    after = np.exp(RATE * 0.8 * np.array([0, 1, HORIZON + 1]))  # rows 0 to 3 of those before 50
    assert upper[:, 0, 0, 0] == pytest.approx(narrow * after)
    assert followed.factors_at(51).item() == pytest.approx(np.exp(RATE * 0.8 * (HORIZON + 2)))


def test_followed_intervals_miss_where_the_forecast_is_not_finite() -> None:
    followed = _followed(20)
    _bounds(followed, np.zeros((20, HORIZON, 1)), forecast=np.full((20, HORIZON, 1), np.inf))
    assert followed.factors_at(20).item() > 1


@pytest.mark.parametrize(("actual", "factor"), [(9.0, MOST_FACTOR), (0.0, 1 / MOST_FACTOR)])
def test_followed_intervals_have_a_largest_and_a_smallest_factor(actual, factor) -> None:
    followed = _followed(60_000, _calibration(levels=(1, 99)))
    lower, upper = _bounds(followed, np.full((60_000, HORIZON, 1), actual))
    found = followed.factors_at(60_000)
    assert found[1 if actual else 0].item() == pytest.approx(factor)  # the level that is far off
    assert 1 / MOST_FACTOR <= found.min() <= found.max() <= MOST_FACTOR
    assert (lower <= 0).all()
    assert (upper >= 0).all()
    assert (upper[..., 0] <= upper[..., 1]).all()
