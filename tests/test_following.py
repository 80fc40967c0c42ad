import numpy as np
import pytest

from tsattn.following import RATE, FollowedIntervals
from tsattn.intervals import MOST_FACTOR, Calibration

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


def _bounds(followed, actual, origins=None, series=None, forecast=None, start=0):
    count = len(actual)
    origins = np.arange(start, start + count) if origins is None else np.array(origins)
    series = np.zeros(count, dtype=int) if series is None else np.array(series)
    forecast = np.zeros_like(actual) if forecast is None else forecast
    inputs = _inputs(count, actual.shape[2])
    return followed.bounds(origins, series, inputs, forecast, None, actual)


def test_followed_intervals_agree_with_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    levels, num_targets, count = (50, 90), 2, 40
    actual = generator.normal(size=(count, HORIZON, num_targets)) * 0.15
    forecast = generator.normal(size=actual.shape) * 0.02
    calibration = _calibration(levels, num_targets)
    low, high = calibration.intervals(_inputs(count, num_targets), forecast)
    log, misses = np.zeros((len(levels), num_targets)), []
    expected = np.zeros((2, *low.shape))
    for i in range(count):
        if i >= HORIZON:  # the targets of the window that began so many rows before are known
            log += RATE * (misses[i - HORIZON] - [[0.5], [0.1]])
        misses.append(np.zeros_like(log))
        for j in range(len(levels)):
            for k in range(num_targets):
                for step in range(HORIZON):
                    middle, factor = forecast[i, step, k], np.exp(log[j, k])
                    below = middle - factor * (middle - low[i, step, k, j])
                    above = middle + factor * (high[i, step, k, j] - middle)
                    expected[:, i, step, k, j] = below, above
                    holds = below <= actual[i, step, k] <= above
                    misses[i][j, k] += (not holds) / HORIZON
    followed = FollowedIntervals(calibration, HORIZON, num_targets)
    first = _bounds(followed, actual[:7], forecast=forecast[:7])
    second = _bounds(followed, actual[7:], forecast=forecast[7:], start=7)
    found = [np.concatenate(parts) for parts in zip(first, second, strict=True)]
    assert found == pytest.approx(expected)
    for missed in misses[count - HORIZON :]:
        log += RATE * (missed - [[0.5], [0.1]])
    assert followed.factor() == pytest.approx(np.exp(log))


def test_followed_intervals_hold_what_they_promise_when_errors_grow() -> None:
    actual = np.random.default_rng(1).normal(size=(6000, 1, 1)).repeat(HORIZON, axis=1)
    actual *= 0.1 * 1.5  # half as large again as those of the validation rows
    calibration = _calibration()
    one = np.quantile(np.abs(np.random.default_rng(2).normal(size=100_000)), 0.8)
    calibration.radii[:] = one
    followed = FollowedIntervals(calibration, HORIZON, 1)
    lower, upper = _bounds(followed, actual)
    held = ((lower[..., 0] <= actual) & (actual <= upper[..., 0])).mean()
    assert held == pytest.approx(0.80, abs=0.02)  # 0.60 without
    assert followed.factor().item() == pytest.approx(1.5, rel=0.15)


def test_followed_intervals_read_no_target_before_it_is_known() -> None:
    actual = np.zeros((20, HORIZON, 1))
    changed = actual.copy()
    changed[8:] = 9.0  # of the origins 8 and later
    first = _bounds(FollowedIntervals(_calibration(), HORIZON, 1), actual)[1]
    second = _bounds(FollowedIntervals(_calibration(), HORIZON, 1), changed)[1]
    is_other = (first != second).any(axis=(1, 2, 3))
    assert is_other.tolist() == [False] * (8 + HORIZON) + [True] * (20 - 8 - HORIZON)


def test_followed_intervals_begin_anew_with_every_series() -> None:
    actual = np.full((20, HORIZON, 1), 9.0)
    calibration = _calibration()
    followed = FollowedIntervals(calibration, HORIZON, 1)
    upper = _bounds(followed, actual, series=[0] * 12 + [1] * 8)[1]
    assert (upper[12:] == upper[:8]).all()
    logs = RATE * 0.8 * np.array([12, 8])
    assert followed.factor().item() == pytest.approx(np.exp(logs.mean()))


@pytest.mark.parametrize(("actual", "factor"), [(9.0, MOST_FACTOR), (0.0, 1 / MOST_FACTOR)])
def test_followed_intervals_have_a_largest_and_a_smallest_factor(actual, factor) -> None:
    followed = FollowedIntervals(_calibration(levels=(1, 99)), HORIZON, 1)
    lower, upper = _bounds(followed, np.full((60_000, HORIZON, 1), actual))
    which = 0 if actual else 1  # what is always missed grows fast where little may be missed
    assert followed.factor()[1 - which].item() == factor
    assert (lower <= 0).all()
    assert (upper >= 0).all()
    assert (upper[..., 0] <= upper[..., 1]).all()
