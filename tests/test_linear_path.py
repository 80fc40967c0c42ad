"""The linear path: the layer, its share in the forecast, and what it rests on."""

import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from tsattn import FitOptions
from tsattn.attention_sums import mean_values
from tsattn.baselines import LinearBaseline, regressors
from tsattn.blending import blend_linear_path, cautious_share
from tsattn.cli.printing import print_explanation
from tsattn.data.schema import Schema
from tsattn.data.windows import make_windows
from tsattn.layers import LinearPath
from tsattn.linear_profiles import ALL_LINEAR, linear_frame
from tsattn.models import WindowShape, build_forecaster
from tsattn.pipeline.explaining import saved_explanation
from tsattn.pipeline.fitting import fit, save
from tsattn.profiles import ProfileSum
from tsattn.running import run_batches

ROWS, FEATURES, TARGETS, COVARIATES, CALENDAR = 101, 5, 2, 1, 2
LOOKBACK, HORIZON = 11, 7
REGRESSORS = {
    "own": LOOKBACK,
    "own and known": LOOKBACK + HORIZON * COVARIATES + CALENDAR,
    "all": LOOKBACK * FEATURES + HORIZON * COVARIATES + CALENDAR,
}
LEVELS = np.array([0.3, -0.2, 0.7, 0.0, 1.1], "float32")
SCHEMA = Schema(
    time_columns=("time",),
    targets=("load", "wind"),
    past_covariates=("sun", "rain"),
    future_covariates=("plan",),
    calendar=("hour",),
    freq="h",
)


def random_array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def to_numpy(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def windows(seed: int = 0, rows: int = ROWS):
    """Return windows whose last feature and the calendar are known ahead."""
    values = random_array(rows, FEATURES, seed=seed).cumsum(axis=0)
    calendar = random_array(rows, CALENDAR, seed=seed + 1)
    return make_windows(
        values,
        lookback=LOOKBACK,
        horizon=HORIZON,
        num_targets=TARGETS,
        future_values=np.concatenate([values[:, -1:], calendar], axis=1),
    )


def baseline(inputs: str, seed: int = 3, scale: float = 0.1) -> LinearBaseline:
    weights = scale * random_array(TARGETS, REGRESSORS[inputs] + 1, HORIZON, seed=seed)
    return LinearBaseline(inputs=inputs, weights=weights, num_calendar_features=CALENDAR)


def path_of(linear: LinearBaseline, share=(0.25, 1.0), median: int = 0) -> LinearPath:
    layer = LinearPath(linear.inputs, CALENDAR, median)
    layer.build((None, HORIZON, TARGETS), (None, LOOKBACK, FEATURES), (None, HORIZON, 3))
    layer.kernel.assign(linear.weights)
    layer.share.assign(np.array(share, "float32"))
    return layer


@pytest.mark.parametrize("inputs", REGRESSORS)
def test_linear_path_is_the_share_of_the_linear_baseline(inputs: str) -> None:
    linear, batch = baseline(inputs), windows().gather(slice(13))
    layer, expected = path_of(linear), linear.forecast(batch)
    np.testing.assert_allclose(
        to_numpy(layer.linear_forecast(batch.inputs, batch.future_inputs)),
        expected, rtol=1e-4, atol=1e-4,
    )  # fmt: skip
    forecast = random_array(13, HORIZON, TARGETS, seed=7)
    blended = to_numpy(layer(forecast, batch.inputs, batch.future_inputs))
    share = np.array([0.25, 1.0])
    np.testing.assert_allclose(
        blended, (1 - share) * forecast + share * expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("inputs", REGRESSORS)
def test_linear_path_moves_all_quantiles_as_the_median(inputs: str) -> None:
    linear, batch = baseline(inputs), windows().gather(slice(13))
    layer = path_of(linear, median=1)
    forecast = np.sort(random_array(13, HORIZON, TARGETS, 3, seed=7), axis=-1)
    blended = to_numpy(layer(forecast, batch.inputs, batch.future_inputs))
    gap = linear.forecast(batch) - forecast[..., 1]
    expected = forecast + (np.array([0.25, 1.0]) * gap)[..., None]
    np.testing.assert_allclose(blended, expected, rtol=1e-4, atol=1e-4)
    assert (np.diff(blended, axis=-1) >= -1e-5).all()  # as far apart as before


@pytest.mark.parametrize("inputs", ["own", "all"])
def test_linear_path_needs_nothing_known_ahead(inputs: str) -> None:
    alone = windows().gather(slice(13))._replace(future_inputs=np.empty((13, HORIZON, 0)))
    size = LOOKBACK * (FEATURES if inputs == "all" else 1) + 1
    linear = LinearBaseline(inputs=inputs, weights=random_array(TARGETS, size, HORIZON))
    layer = LinearPath(inputs)
    forecast = random_array(13, HORIZON, TARGETS, seed=7)
    np.testing.assert_array_equal(to_numpy(layer(forecast, alone.inputs)), forecast)  # no share
    layer.kernel.assign(linear.weights)
    layer.share.assign([1.0, 1.0])
    np.testing.assert_allclose(
        to_numpy(layer(forecast, alone.inputs)), linear.forecast(alone), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("inputs", REGRESSORS)
def test_linear_path_is_saved_with_its_weights_and_not_trained(inputs: str, tmp_path) -> None:
    shapes = (HORIZON, TARGETS), (LOOKBACK, FEATURES), (HORIZON, 1 + CALENDAR)
    tensors = [keras.Input(shape) for shape in shapes]
    layer = LinearPath(inputs, CALENDAR, name="path")
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    outputs = layer(*tensors)
    assert tuple(outputs.shape) == (None, HORIZON, TARGETS)
    assert outputs.dtype == "float32"
    assert layer.trainable_weights == []
    layer.kernel.assign(baseline(inputs).weights)
    layer.share.assign([0.5, 0.25])
    model = keras.Model(tensors, outputs)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    data = [random_array(2, *shape, seed=i) for i, shape in enumerate(shapes)]
    np.testing.assert_allclose(to_numpy(again(data)), to_numpy(model(data)), rtol=1e-6)
    half = LinearPath(inputs, CALENDAR, dtype="mixed_float16")(*data)
    assert keras.backend.standardize_dtype(half.dtype) == "float16"


def test_linear_path_says_what_came_and_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"must be one of own, .*inputs='known'\. Use one of"):
        LinearPath("known")
    with pytest.raises(ValueError, match=r"must be fixed. Received: .*None.* Declare the input"):
        LinearPath()(keras.Input((HORIZON, 1)), keras.Input((None, FEATURES)))


def last(inputs: str) -> list[int]:
    """Return the place of the last value of each target among its regressors."""
    places = (LOOKBACK - 1) * FEATURES + np.arange(TARGETS)
    return places.tolist() if inputs == "all" else [LOOKBACK - 1] * TARGETS


def test_linear_baseline_is_a_weighted_sum_of_what_it_reads() -> None:
    batch = windows().gather(slice(13))
    for inputs, count in REGRESSORS.items():
        linear = baseline(inputs)
        weights = linear.weights_of_values(LOOKBACK, FEATURES)
        assert weights.shape == (TARGETS, count, HORIZON)
        changes = []
        for levels in (np.zeros(FEATURES, "float32"), LEVELS):
            values = linear.values_read(batch, levels)
            assert values.shape == (13, TARGETS, count)
            changes.append(np.einsum("wtr,trh->wht", values, weights))
        start = batch.inputs[:, :, :TARGETS].mean(axis=1, keepdims=True)
        of_own_level = np.stack([linear.weights[i, place] for i, place in enumerate(last(inputs))])
        forecast = changes[0] + linear.weights[:, -1].T + start * (1 + of_own_level.T)
        np.testing.assert_allclose(forecast, linear.forecast(batch), rtol=1e-4, atol=1e-3)
        # other levels move every forecast by the same constant
        constant = np.ptp(changes[1] - changes[0], axis=0)
        np.testing.assert_allclose(constant, 0, atol=1e-3)


def test_what_is_known_ahead_counts_from_the_level_of_its_past() -> None:
    batch = windows().gather(slice(13))
    values = baseline("all").values_read(batch, LEVELS)
    ahead = values[:, :, LOOKBACK * FEATURES :][:, :, : HORIZON * COVARIATES]
    expected = batch.future_inputs[:, :, :COVARIATES] - LEVELS[-COVARIATES:]
    np.testing.assert_allclose(ahead[:, 0], expected.reshape(13, -1), rtol=1e-5)
    own = baseline("own and known").values_read(batch, LEVELS)[:, 0, LOOKBACK:]
    known = batch.future_inputs[:, :, :COVARIATES].reshape(13, -1)
    np.testing.assert_allclose(own[:, : HORIZON * COVARIATES], known, rtol=1e-5)


def test_mean_values_are_of_the_rows_that_windows_read() -> None:
    values = np.zeros((60, 2), "float32")
    values[20:30, 1] = values[50:59, 1] = 5.0  # the last rows of each of two series
    origins = np.array([25, 27, 30, 55, 59])
    many = make_windows(values, lookback=5, horizon=1, origins=origins)
    np.testing.assert_allclose(mean_values(many), [0.0, 5.0])


def test_linear_baseline_reads_levels_by_the_weights_of_the_last_values_alone() -> None:
    linear, batch = baseline("all"), windows().gather(slice(13))
    inputs, future = batch.inputs + LEVELS, batch.future_inputs.copy()
    future[:, :, :COVARIATES] += LEVELS[-COVARIATES:]
    moved = linear.forecast(batch._replace(inputs=inputs, future_inputs=future))
    places = slice((LOOKBACK - 1) * FEATURES, LOOKBACK * FEATURES)
    by_levels = np.einsum("p,tph->ht", LEVELS, linear.weights[:, places])
    expected = linear.forecast(batch) + LEVELS[:TARGETS] + by_levels
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-3)


def blended_model(linear: LinearBaseline, **options):
    shape = WindowShape(LOOKBACK, HORIZON, FEATURES, TARGETS, COVARIATES, CALENDAR)
    model = build_forecaster(
        shape, encoder="per-feature", attention="additive", placement="after", units=5,
        linear_inputs=linear.inputs, **options,
    )  # fmt: skip
    model.get_layer("linear_path").kernel.assign(linear.weights)
    return model


def ridge_weights(batch, inputs: str) -> np.ndarray:
    """Return the weights of a ridge regression of each target."""
    weights = []
    for target in range(TARGETS):
        x = regressors(batch, inputs, CALENDAR, target)
        changes = batch.targets[:, :, target] - batch.inputs[:, -1:, target]
        weights.append(np.linalg.solve(x.T @ x + len(x) * np.eye(x.shape[1]), x.T @ changes))
    return np.stack(weights).astype("float32")


def forecasts(model, many) -> np.ndarray:
    return np.concatenate([outputs["forecast"] for _, _, outputs in run_batches(model, many)])


@pytest.mark.parametrize("inputs", REGRESSORS)
@pytest.mark.parametrize("num_quantiles", [None, 3])
def test_blend_has_the_share_with_the_least_squared_error_and_a_standard_error_more(
    inputs: str, num_quantiles
) -> None:
    many = windows(seed=5, rows=600)
    batch = many.gather(slice(None))
    # Twice what fits best, so that about half of it is.
    linear = replace(baseline(inputs), weights=2 * ridge_weights(batch, inputs))
    model = blended_model(linear, num_quantiles=num_quantiles, median=1 if num_quantiles else 0)
    before = forecasts(model, many)
    shares = blend_linear_path(model, many)
    point = before[..., 1] if num_quantiles else before
    gap, error = linear.forecast(batch) - point, batch.targets - point
    count = len(many) // (LOOKBACK + HORIZON)
    assert count > 2
    block = np.arange(len(many)) * count // len(many)
    products, squares = (
        np.array([part[block == i].sum(axis=(0, 1)) for i in range(count)])
        for part in (gap * error, np.square(gap))
    )
    least = products.sum(axis=0) / squares.sum(axis=0)
    without = np.array(
        [
            np.delete(products, i, axis=0).sum(axis=0) / np.delete(squares, i, axis=0).sum(axis=0)
            for i in range(count)
        ]
    )
    expected = np.clip(least + without.std(axis=0) * np.sqrt(count - 1), 0, 1)
    np.testing.assert_allclose(shares, expected, rtol=1e-3, atol=1e-5)
    assert ((shares > 0.1) & (shares < 0.99)).any()
    np.testing.assert_allclose(to_numpy(model.get_layer("linear_path").share), shares, rtol=1e-6)
    after = forecasts(model, many)
    after = after[..., 1] if num_quantiles else after

    def mse(forecast):
        return np.square(forecast - batch.targets).mean(axis=(0, 1))

    assert (mse(after) <= mse(linear.forecast(batch)) * (1 + 1e-4)).all()
    np.testing.assert_allclose(after, point + np.array(shares) * gap, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(blend_linear_path(model, many), shares, rtol=1e-5)  # once more


def test_share_is_larger_where_few_blocks_speak_for_the_network() -> None:
    generator = np.random.default_rng(0)
    said = generator.normal(0.5, 0.3, size=(64, 1))
    few, many = (cautious_share(said[:n], np.ones((n, 1))) for n in (4, 64))
    assert 0.5 < many < 0.6 < few <= 1
    assert cautious_share(np.array([[0.5]]), np.ones((1, 1))) == 0.5  # no error is known
    np.testing.assert_array_equal(cautious_share(np.zeros((3, 2)), np.zeros((3, 2))), [0, 0])


def test_blend_takes_no_path_that_is_worse_and_all_of_one_that_is_exact() -> None:
    many = windows(seed=5)
    batch = many.gather(slice(None))
    linear = baseline("own", scale=0.0)
    model = blended_model(linear)
    # The path forecasts the truth of the first target, and the opposite of that of the second.
    path = model.get_layer("linear_path")
    point, first = forecasts(model, many.take(slice(0, 1))), many.take(slice(0, 1))
    truth = batch.targets[0] - batch.inputs[0, -1, :TARGETS]  # (horizon, targets)
    opposite = 2 * point[0] - batch.targets[0] - batch.inputs[0, -1, :TARGETS]
    weights = np.zeros_like(linear.weights)
    weights[0, -1], weights[1, -1] = truth[:, 0], opposite[:, 1]
    path.kernel.assign(weights)
    np.testing.assert_allclose(blend_linear_path(model, first), [1, 0], atol=1e-4)


def test_blend_of_a_model_without_a_path_is_nothing() -> None:
    shape = WindowShape(LOOKBACK, HORIZON, FEATURES, TARGETS, COVARIATES, CALENDAR)
    model = build_forecaster(shape, units=5)
    np.testing.assert_array_equal(blend_linear_path(model, windows()), [0, 0])


def named_cells(inputs: str, target: str) -> list[tuple[str, str, int]]:
    """Name feature, role and lag of each regressor, one after another."""
    past = SCHEMA.features if inputs == "all" else (target,)
    cells = [(name, "past", LOOKBACK - step) for step in range(LOOKBACK) for name in past]
    if inputs != "own":
        cells += [("plan", "future", -step) for step in range(HORIZON)]
        cells += [("hour_sin", "future", 0), ("hour_cos", "future", 0)]
    return cells


@pytest.mark.parametrize("inputs", REGRESSORS)
def test_linear_frame_agrees_with_a_loop_over_windows(inputs: str) -> None:
    linear, shares, many = baseline(inputs), np.array([0.25, 0.75]), windows()
    total = ProfileSum(np.array([0, 3, 4]))
    for _, batch in many.batches(17):
        total.add(np.abs(linear.values_read(batch, LEVELS)))
    frame = linear_frame(total, linear, shares, SCHEMA, lookback=LOOKBACK, horizon=HORIZON)
    sizes = {}
    batch = many.gather(slice(None))
    for i, target in enumerate(SCHEMA.targets):
        cells = named_cells(inputs, target)
        assert len(cells) == REGRESSORS[inputs]
        for r, (name, role, lag) in enumerate(cells):
            each = []
            for w in range(len(many)):
                if role == "past":
                    column = SCHEMA.features.index(name)
                    own = batch.inputs[w, :, column].mean()
                    start = own if name == target else LEVELS[column]
                    value = batch.inputs[w, -lag, column] - start
                elif name == "plan":
                    start = LEVELS[SCHEMA.features.index(name)] if inputs == "all" else 0.0
                    value = batch.future_inputs[w, -lag, 0] - start
                else:
                    value = batch.future_inputs[w, 0, 1 + ("hour_sin", "hour_cos").index(name)]
                weight = linear.weights[i, r]
                if role == "past" and lag == 1:
                    lags = [j for j, cell in enumerate(cells) if cell[:2] == (name, "past")]
                    others = lags[:-1]
                    if inputs == "all":  # where the plan ahead is relative to its last value too
                        ahead = [j for j, cell in enumerate(cells) if cell[1] == "future"]
                        others += [j for j in ahead if cells[j][0] == name]
                    weight = (name == target) + weight - linear.weights[i, others].sum(axis=0)
                each.append(np.mean(np.abs(shares[i] * weight * value)))
            sizes[target, name, role, lag] = np.array(each)
    assert len(frame) == len(sizes)
    for row in frame.itertuples():
        each = sizes[row.target, row.feature, row.role, row.lag_first]
        expected = [each.mean(), each.std(), *np.quantile(each[[0, 3, 4]], [0.1, 0.5, 0.9])]
        actual = [row.mean, row.std, row.p10, row.p50, row.p90]
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)
    assert set(frame.measure) == {"contribution"}
    assert set(frame.kind) == {"feature"}
    assert (frame.lag_first == frame.lag_last).all()
    assert set(zip(frame.horizon_first, frame.horizon_last, strict=True)) == {(1, HORIZON)}
    assert set(frame.num_windows) == {len(many)}


def test_linear_frame_leaves_out_targets_without_a_share() -> None:
    linear, total = baseline("own"), ProfileSum(np.array([0]))
    total.add(np.abs(linear.values_read(windows().gather(slice(3)), LEVELS)))
    shares = np.array([0.0, 0.5])
    frame = linear_frame(total, linear, shares, SCHEMA, lookback=LOOKBACK, horizon=HORIZON)
    assert set(frame.target) == {"wind"}
    assert set(frame.feature) == {"wind"}
    assert frame.lag_first.tolist() == list(range(LOOKBACK, 0, -1))
    assert isinstance(frame, pd.DataFrame)


def test_what_is_all_linear_path_is_shown_by_its_contributions(tmp_path, capsys) -> None:
    generator = np.random.default_rng(8)
    noise, wind = generator.normal(size=(2, 3000))
    for row in range(1, 3000):
        wind[row] += 0.9 * wind[row - 1]
    times = pd.date_range("2024-01-01", periods=3000, freq="h")
    frame = pd.DataFrame({"time": times, "load": noise / 2, "wind": wind, "rain": noise[::-1]})
    frame.loc[2:, "load"] += wind[:-2]
    options = FitOptions(
        target="load", lookback=6, horizon=1, units=3, epochs=1, level="none", calendar="none"
    )
    save(fit(frame, options), tmp_path / "model")
    explanation = saved_explanation(tmp_path / "model")
    assert explanation.linear_shares == {"load": 1.0}
    assert set(explanation.profile["measure"]) == {"nats", "contribution"}
    print_explanation(explanation, None, as_json=False)
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert lines[:3] == [["cell", "share"], ["wind@lag2", "100.0%"], []]
    assert ["wind", "100.0%", "2"] in [line[:3] for line in lines]
    assert "rain  " not in printed.split("low  ")[0]
    assert "nats" not in printed
    assert ALL_LINEAR in printed
    print_explanation(explanation, None, as_json=True)
    content = json.loads(capsys.readouterr().out)
    assert [row["feature"] for row in content["summary"]] == ["wind"]
    assert content["linear_path"][0]["peak_lag"] == 2
    (cell,) = content["cells"]
    assert cell["share"] == pytest.approx(1)
    assert {row["measure"] for row in content["profile"]} == {"nats", "contribution"}
    page = (tmp_path / "model" / "report.html").read_text("utf-8")
    assert ALL_LINEAR in page
    assert "nats" not in page
