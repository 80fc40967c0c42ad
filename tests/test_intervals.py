import numpy as np
import pytest

from tsattn.coverage import IntervalSum
from tsattn.intervals import (
    LEAST_DIFFICULTY,
    Calibration,
    base_bounds,
    calibrate,
    conformal_rank,
    difficulty,
    enough_windows,
    num_measures,
    restlessness,
)

ONE = np.ones((1, 1))  # every series is of the common size


@pytest.mark.parametrize(
    ("num_windows", "level", "rank"),
    [
        (9, 80, 8),  # 10 x 0.8
        (10, 80, 9),  # 8.8
        (19, 95, 19),
        (18, 95, 19),  # one more than there are
        (99, 7, 7),  # 100 x 0.07 is 7.000000000000001 as a float
        (39, 97.5, 39),
        (1000, 95, 951),  # 950.95
    ],
)
def test_conformal_rank_is_that_of_split_conformal(num_windows, level, rank) -> None:
    assert conformal_rank(num_windows, level) == rank


@pytest.mark.parametrize(
    ("num_windows", "num_apart", "rank"),
    [(1000, 1000, 801), (1000, 10, 880), (1000, 4, 1000), (1000, 2, 1200)],  # n 0.8 (m + 1) / m
)
def test_conformal_rank_of_windows_that_overlap_is_higher(num_windows, num_apart, rank) -> None:
    assert conformal_rank(num_windows, 80, num_apart) == rank


def test_calibrate_counts_windows_apart_by_their_origins() -> None:
    windows, horizon = 100, 8
    errors = np.arange(1.0, windows + 1)[:, None, None].repeat(horizon, axis=1)
    given = (np.ones((windows, 1, 1)), ONE, errors, np.zeros_like(errors))
    arguments = {"levels": (80,), "seasonality": 1}
    near = calibrate(*given, origins=np.arange(windows), **arguments).radii[0, :, 0]
    # 100 windows up to four steps ahead, then 50: 0.8 x 101 and 0.8 x 100 x 51 / 50
    assert near.tolist() == [81] * 4 + [82] * 4
    far = calibrate(*given, origins=2 * np.arange(windows), **arguments).radii[0, :, 0]
    assert far.tolist() == [81] * 8
    once = calibrate(*given, origins=np.zeros(windows, dtype=int), **arguments).radii[0, :, 0]
    assert once.tolist() == [windows] * 8  # the largest error is the most there is


@pytest.mark.parametrize(("level", "least"), [(80, 4), (95, 19), (97.5, 39), (50, 1), (99.9, 999)])
def test_enough_windows_is_the_least_number_with_a_rank(level, least) -> None:
    assert enough_windows(level) == least
    assert conformal_rank(least, level) <= least
    assert conformal_rank(least - 1, level) > least - 1


def test_calibrate_takes_the_score_of_the_rank_at_each_step_and_target() -> None:
    windows, horizon, targets = 11, 3, 2
    generator = np.random.default_rng(0)
    measured = np.ones((windows, 2, targets))
    forecast, actual = generator.normal(size=(2, windows, horizon, targets))
    arguments = {"levels": (50, 80), "seasonality": 1}
    found = calibrate(measured, ONE, actual, forecast, origins=np.arange(windows), **arguments)
    for step in range(horizon):
        for target in range(targets):
            errors = sorted(abs(actual[:, step, target] - forecast[:, step, target]))
            assert found.radii[0, step, target] == errors[5]  # rank 12 x 0.5 = 6
            assert found.radii[1, step, target] == errors[9]  # rank ceil(9.6) = 10
    assert found.num_windows == windows


def test_calibrate_divides_errors_by_the_difficulty() -> None:
    # Two kinds of windows, one three times as restless as the other, with errors to match.
    measured = np.array([1.0, 3.0, 1.0, 3.0])[:, None, None]
    forecast = np.zeros((4, 1, 1))
    actual = np.array([2.0, -6.0, -2.0, 6.0])[:, None, None]
    arguments = {"levels": (80,), "seasonality": 1}
    found = calibrate(measured, ONE, actual, forecast, origins=np.arange(4), **arguments)
    assert found.typical.item() == 2  # the mean, so the difficulties are 0.5 and 1.5
    assert found.radii.item() == 4
    inputs = np.array([[0.0, 0.0], [0.0, 4.0]])[:, :, None]
    calibration = Calibration(
        levels=(80,),
        radii=np.array([[[4.0]]]),
        typical=np.array([[1.0], [2.0]]),
        seasonality=1,
        num_windows=4,
    )
    lower, upper = calibration.intervals(inputs, ONE, np.full((2, 1, 1), 10.0))
    # The second window: standard deviation 2 of 1, step 4 of 2. The first one stands still.
    assert upper.ravel() == pytest.approx([10 + 4 * LEAST_DIFFICULTY, 18])
    assert lower.ravel() == pytest.approx([10 - 4 * LEAST_DIFFICULTY, 2])


def test_intervals_of_a_series_are_relative_to_its_size() -> None:
    generator = np.random.default_rng(5)
    forecast, errors = generator.normal(size=(2, 99, 3, 2))
    inputs = generator.normal(size=(99, 7, 2))
    sizes = 2.0 ** generator.integers(-9, 9, size=(99, 2))
    measured, arguments = restlessness(inputs, 2, 1), {"levels": (80,), "seasonality": 1}
    arguments["origins"] = np.arange(99)
    same = calibrate(measured, np.ones((99, 2)), forecast + errors, forecast, **arguments)
    apart = calibrate(measured, sizes, forecast + sizes[:, None] * errors, forecast, **arguments)
    np.testing.assert_allclose(apart.radii, same.radii)
    lower, upper = same.intervals(inputs, ONE, forecast)
    of_size = apart.intervals(inputs, sizes, forecast)
    np.testing.assert_allclose(of_size[1] - of_size[0], sizes[:, None, :, None] * (upper - lower))


def test_calibrate_of_quantiles_widens_or_shrinks_them() -> None:
    # Conformalised quantile regression: scores max(low - y, y - high), negative inside.
    quantiles = np.tile([-1.0, 0.0, 1.0], (9, 1, 1, 1))
    actual = np.array([0, 0.1, 0.2, 0.3, -0.4, 0.5, -0.6, 0.7, 3])[:, None, None]
    arguments = {"levels": (80, 90), "seasonality": 1, "quantile_levels": (0.1, 0.5, 0.9)}
    arguments["origins"] = np.arange(9)
    measured = np.ones((9, 1, 1))
    found = calibrate(measured, ONE, actual, np.zeros((9, 1, 1)), quantiles, **arguments)
    assert found.radii.ravel() == pytest.approx([-0.3, 2])  # ranks 8 and 9 of 9
    constant = np.zeros((1, 2, 1))
    still = Calibration(
        levels=(80, 90),
        radii=found.radii,
        typical=np.ones((2, 1)),
        seasonality=1,
        num_windows=9,
        quantile_levels=(0.1, 0.5, 0.9),
    )
    lower, upper = still.intervals(constant, ONE, np.zeros((1, 1, 1)), quantiles[:1])
    assert lower.ravel() == pytest.approx([-1 + 0.3 * LEAST_DIFFICULTY, -1 - 2 * LEAST_DIFFICULTY])
    assert upper.ravel() == pytest.approx([1 - 0.3 * LEAST_DIFFICULTY, 1 + 2 * LEAST_DIFFICULTY])


def test_intervals_hold_the_forecast_and_lie_within_each_other() -> None:
    calibration = Calibration(
        levels=(50, 80, 95),
        radii=np.array([-5.0, 2.0, 1.0])[:, None, None],
        typical=np.ones((1, 1)),
        seasonality=1,
        num_windows=19,
    )
    lower, upper = calibration.intervals(np.ones((1, 1, 1)), ONE, np.full((1, 1, 1), 7.0))
    radius = 2 * LEAST_DIFFICULTY
    assert lower.ravel() == pytest.approx([7, 7 - radius, 7 - radius])
    assert upper.ravel() == pytest.approx([7, 7 + radius, 7 + radius])


def test_base_bounds_are_the_nearest_quantiles() -> None:
    quantiles = np.arange(5.0)[None, None, None]
    levels, forecast = (0.05, 0.1, 0.5, 0.8, 0.95), np.zeros((1, 1, 1))
    nearest = {80: (1, 4), 90: (0, 4), 99: (0, 4), 60: (1, 3)}
    for level, expected in nearest.items():
        bounds = base_bounds(forecast, quantiles, levels, level)
        assert tuple(bound.item() for bound in bounds) == expected
    assert base_bounds(forecast, None, (), 80) == (forecast, forecast)


@pytest.mark.parametrize(("lookback", "season"), [(11, 5), (11, 6), (11, 1), (1, 24), (2, 1)])
def test_restlessness_agrees_with_a_plain_loop(lookback, season) -> None:
    inputs = np.random.default_rng(1).normal(size=(3, lookback, 4)).astype("float32")
    found = restlessness(inputs, 2, season)
    assert found.shape == (3, num_measures(lookback, season), 2)
    for window in range(3):
        for target in range(2):
            values = inputs[window, :, target].astype(float)
            expected = [values.std()]
            for apart in (1, season):
                if lookback >= (2 * apart if apart > 1 else 2) and (apart > 1 or len(expected) < 2):
                    changes = [abs(b - a) for a, b in zip(values, values[apart:], strict=False)]
                    expected.append(sum(changes) / len(changes))
            assert found[window, :, target] == pytest.approx(expected)


def test_difficulty_is_the_mean_relative_to_the_typical() -> None:
    measured = np.array([[[2.0], [9.0]], [[0.0], [0.0]]])
    assert difficulty(measured, np.array([[1.0], [3.0]])).ravel().tolist() == [
        2.5,
        LEAST_DIFFICULTY,
    ]


@pytest.mark.parametrize("with_quantiles", [False, True])
def test_intervals_cover_new_windows_of_an_exchangeable_problem(with_quantiles) -> None:
    """Errors grow with the restlessness of the window; two targets, of which one is skewed."""
    generator = np.random.default_rng(3)
    windows, lookback, horizon = 6000, 7, 5
    size = generator.lognormal(size=(windows, 1, 1))
    inputs = size * generator.normal(size=(windows, lookback, 2))
    noise = generator.normal(size=(windows, horizon, 2))
    noise[..., 1] = np.exp(noise[..., 1]) - 1
    actual, forecast = size * noise, np.zeros((windows, horizon, 2))
    quantiles = np.stack([forecast - 0.5, forecast, forecast + 0.5], axis=-1)
    given = quantiles if with_quantiles else None
    fit, new = slice(0, 3000), slice(3000, None)
    calibration = calibrate(
        restlessness(inputs[fit], 2, 1),
        ONE,
        actual[fit],
        forecast[fit],
        None if given is None else given[fit],
        origins=np.arange(3000),
        levels=(80, 95),
        seasonality=1,
        quantile_levels=(0.1, 0.5, 0.9) if with_quantiles else (),
    )
    count = IntervalSum((80, 95), ("a", "b"))
    for start in range(3000, 6000, 700):  # batch by batch
        part = slice(start, min(start + 700, 6000))
        bounds = calibration.intervals(
            inputs[part], ONE, forecast[part], None if given is None else given[part]
        )
        count.add(*bounds, actual[part])
    found = count.coverage()
    assert found.coverage.shape == (horizon, 2, 2)
    np.testing.assert_allclose(found.coverage[..., 0], 0.80, atol=0.03)
    np.testing.assert_allclose(found.coverage[..., 1], 0.95, atol=0.02)
    # Calm windows and restless ones are covered alike.
    lower, upper = calibration.intervals(
        inputs[new], ONE, forecast[new], None if given is None else given[new]
    )
    held = (lower <= actual[new][..., None]) & (actual[new][..., None] <= upper)
    calm = size[new].ravel() < 1
    if with_quantiles:  # these are of one width
        return
    assert abs(held[calm].mean() - held[~calm].mean()) < 0.04


def test_coverage_counts_and_averages() -> None:
    count = IntervalSum((80,), ("a", "b"))
    actual = np.array([[[1.0, 5.0]], [[3.0, np.inf]]])  # (windows, horizon, targets)
    lower = np.array([[[0.0, 6.0]], [[0.0, 0.0]]])[..., None]
    upper = np.array([[[2.0, 7.0]], [[3.0, np.inf]]])[..., None]
    count.add(lower[:1], upper[:1], actual[:1])
    count.add(lower[1:], upper[1:], actual[1:])
    assert count.coverage().to_json() == {
        "80": {
            "coverage": {
                "overall": 0.75,
                "per_target": {"a": 1.0, "b": 0.5},
                "per_horizon_step": [0.75],
            },
            "mean_width": {
                "overall": None,
                "per_target": {"a": 2.5, "b": None},
                "per_horizon_step": [None],
            },
        }
    }
