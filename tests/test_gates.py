"""Gates on all that a forecaster reads, and the nats they count."""

import keras
import numpy as np
import pytest

from tsattn.data.windows import make_windows
from tsattn.gate_signals import measure_signals
from tsattn.models import WindowShape, build_forecaster, price_of_nat
from tsattn.segments import choose_segment

SHAPE = WindowShape(
    lookback=11, horizon=7, num_features=3, num_targets=1, num_future_covariates=1,
    num_calendar_features=2,
)  # fmt: skip
GATES = ("attention", "level_attention", "future_attention")


def inputs_for(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "inputs": generator.normal(size=(2, 11, 3)).astype("float32"),
        "future_inputs": generator.normal(size=(2, 7, 3)).astype("float32"),
    }


def build(normalization="standard", normalized=(0, 2), encoder="per-feature", second_view=()):
    model = build_forecaster(
        SHAPE, encoder=encoder, segment=choose_segment(11) if encoder == "per-feature" else None,
        attention="bottleneck", units=5, normalization=normalization, normalized=normalized,
        second_view=second_view,
    )  # fmt: skip
    generator = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(size=weight.shape, scale=0.4))
    return model


def set_gates(model: keras.Model, name: str, logit: float) -> None:
    """Set every gate of a layer to sigmoid(logit), whatever it reads."""
    layer = model.get_layer(name)
    layer.bias.assign(np.full(layer.bias.shape, logit / layer.bias_learning_factor))
    layer.context_dense.kernel.assign(np.zeros(layer.context_dense.kernel.shape))


def run(model: keras.Model, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: keras.ops.convert_to_numpy(part) for name, part in model(inputs).items()}


@pytest.mark.parametrize("encoder", ["per-feature", "joint"])
def test_scores_count_window_and_future(encoder: str) -> None:
    model = build(encoder=encoder)
    for name in ("attention", "future_attention"):
        set_gates(model, name, 0.0)
    outputs = run(model, inputs_for(0))
    assert outputs["attention_scores"].shape == (2, 11, 3)
    nats = np.log(2) / 2  # of a gate that is half open: ln(1 + 1) / 2
    np.testing.assert_allclose(outputs["future_scores"], np.full((2, 7, 3), nats), rtol=1e-5)
    np.testing.assert_allclose(outputs["attention_scores"][:, :, 1], nats, rtol=1e-5)


@pytest.mark.parametrize("encoder", ["per-feature", "joint"])
def test_nats_grow_with_how_much_a_cell_varies(encoder: str) -> None:
    """The signals measured are those that arrive: behind asinh for the per-feature encoder."""
    model = build("none", None, encoder)
    generator = np.random.default_rng(2)
    values = generator.normal(size=(307, 3)) * [1.0, 0.1, 3.0]
    values[:, 1] += 5  # what does not vary is no signal
    read = make_windows(
        values, lookback=11, horizon=7, num_targets=1, future_values=values[:, :3] * [0, 1, 2]
    )
    measure_signals(model, read)
    batch = read.gather(slice(None))
    arriving = {"attention": batch.inputs, "future_attention": batch.future_inputs}
    for name, array in arriving.items():
        signal = np.arcsinh(array) if encoder == "per-feature" else array
        power = signal.astype(np.float64).var(axis=0)
        np.testing.assert_allclose(model.get_layer(name).power, power, rtol=1e-3, atol=1e-6)
        set_gates(model, name, 1.0)
    outputs = run(model, {"inputs": batch.inputs, "future_inputs": batch.future_inputs})
    for name, scores in zip(arriving, ("attention_scores", "future_scores"), strict=True):
        power = np.maximum(model.get_layer(name).power, 0.001)
        ratio = np.exp(2.0) * power  # of signal and noise
        expected = np.broadcast_to(np.log(1 + ratio) / 2, outputs[scores].shape)
        np.testing.assert_allclose(outputs[scores], expected, rtol=1e-3, atol=1e-4)
    assert 0 < outputs["future_scores"][:, :, 0].max() < 0.005  # it is always 0


def test_nats_of_levels_are_shared_out_among_the_steps() -> None:
    model = build()
    for name in GATES:
        set_gates(model, name, -50.0)
    set_gates(model, "level_attention", 0.0)
    scores = run(model, inputs_for(0))["attention_scores"]
    expected = np.array([1, 0, 1]) * np.log(2) / 2 / 11  # feature 1 is not measured
    np.testing.assert_allclose(scores, np.broadcast_to(expected, scores.shape), atol=1e-6)


@pytest.mark.parametrize("encoder", ["per-feature", "joint"])
def test_nothing_goes_around_closed_gates(encoder: str) -> None:
    model = build("none", None, encoder)
    for name in ("attention", "future_attention"):
        set_gates(model, name, -50.0)
    first, second = (run(model, inputs_for(seed))["forecast"] for seed in (0, 1))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_of_measured_targets_only_level_and_spread_go_around() -> None:
    model = build("standard", [0])
    for name in GATES:
        set_gates(model, name, -50.0)
    relative = []
    for seed in (0, 1):
        inputs = inputs_for(seed)
        window = inputs["inputs"][:, :, 0].astype("float64")
        level, spread = window.mean(axis=1), np.sqrt(window.var(axis=1) + 1e-5)
        forecast = run(model, inputs)["forecast"][:, :, 0]
        relative.append((forecast - level[:, None]) / spread[:, None])
    np.testing.assert_allclose(relative[0], relative[1], atol=1e-4)


def test_one_price_for_every_nat() -> None:
    model = build()
    cells = 11 * 3 + 2 + 7 * 3
    for name in GATES:
        assert model.get_layer(name).beta == pytest.approx(0.03 / cells)
    alone = build_forecaster(
        SHAPE._replace(num_future_covariates=0), attention="bottleneck", units=5
    )  # fmt: skip
    assert price_of_nat(alone) < price_of_nat(model)  # only the calendar is known ahead


def test_views_have_gates_of_their_own_and_the_price_of_one() -> None:
    model = build(normalized=[0], second_view=[0, 2])
    sizes = (11 * 3 + 2 + 7 * 3, 11 * 3 + 1 + 7 * 3)  # the second one does not read the level
    for name in GATES:
        for of_view, cells in zip((name, f"{name}_1"), sizes, strict=True):
            assert model.get_layer(of_view).beta == pytest.approx(0.06 / cells / 2)
            set_gates(model, of_view, 0.0)
    assert price_of_nat(model) == pytest.approx(sum(0.06 / cells / 2 for cells in sizes))
    scores = run(model, inputs_for(0))
    nats = np.log(2) / 2  # both are half open
    np.testing.assert_allclose(scores["attention_scores"][:, :, 1], nats, rtol=1e-5)
    np.testing.assert_allclose(scores["future_scores"], np.full((2, 7, 3), nats), rtol=1e-5)


def test_nats_of_views_have_the_shares_of_their_networks() -> None:
    model = build(normalized=[0], second_view=[0, 2])
    for name in GATES:
        set_gates(model, f"{name}_1", -50.0)
    scores = {}
    for share in (1.0, 0.25, 0.0):
        model.get_layer("member_mean").shares.assign([share, 1 - share])
        scores[share] = run(model, inputs_for(0))
    for name in ("attention_scores", "future_scores"):
        assert scores[1.0][name].min() > 0
        np.testing.assert_allclose(scores[0.25][name], scores[1.0][name] / 4, rtol=1e-5)
        np.testing.assert_allclose(scores[0.0][name], 0, atol=1e-6)


@pytest.mark.parametrize("second_view", [[], [0, 2]])
def test_a_view_does_not_read_the_level_of_the_target(second_view: list[int]) -> None:
    """It may be one tomorrow that was never seen; of two views the first one reads it."""
    moved, wider = ({k: v.copy() for k, v in inputs_for(0).items()} for _ in range(2))
    moved["inputs"][:, :, 0] += 3
    wider["inputs"][:, :, 0] *= 3
    model = build(normalized=[0], second_view=second_view)
    for name in ("level_attention", "level_attention_1")[: 1 + bool(second_view)]:
        set_gates(model, name, 3.0)
    if second_view:
        here, there = (run(model, inputs)["forecast"] for inputs in (inputs_for(0), moved))
        assert np.abs(there - here - 3).max() > 1e-2
        model.get_layer("member_mean").shares.assign([0, 1])
    here, there, stretched = (
        run(model, inputs)["forecast"] for inputs in (inputs_for(0), moved, wider)
    )
    np.testing.assert_allclose(there, here + 3, atol=1e-4)
    assert np.abs(stretched - 3 * here).max() > 1e-2  # the spread is read


def test_second_view_has_no_level_of_a_covariate() -> None:
    """The forecast is the mean of two networks: with the first one shut, no level moves it."""
    moved = {name: values.copy() for name, values in inputs_for(0).items()}
    moved["inputs"][:, :, 2] += 3  # the window, and what is known ahead of the same covariate
    moved["future_inputs"][:, :, 0] += 3
    model = build(normalized=[0], second_view=[0, 2])
    both = [run(model, inputs)["forecast"] for inputs in (inputs_for(0), moved)]
    assert np.abs(both[1] - both[0]).max() > 1e-2
    for name in GATES:
        set_gates(model, name, -50.0)
    second = [run(model, inputs)["forecast"] for inputs in (inputs_for(0), moved)]
    np.testing.assert_allclose(second[1], second[0], atol=1e-5)
    moved["inputs"][:, -1, 2] += 3  # one value
    assert np.abs(run(model, moved)["forecast"] - second[0]).max() > 1e-3


def test_constant_feature_has_no_noise_to_hold_back() -> None:
    """Else its gates would stay open, and it would have nats although nothing is read."""
    shape = WindowShape(
        lookback=5, horizon=3, num_features=3, num_targets=1, num_future_covariates=1,
        num_calendar_features=0,
    )  # fmt: skip
    for encoder in ("per-feature", "joint"):
        model = build_forecaster(
            shape, encoder=encoder, attention="bottleneck", units=5, constant=[1, 2]
        )
        past, ahead = (model.get_layer(name) for name in ("attention", "future_attention"))
        assert past.noise_scale == [1.0, 0.0, 0.0]
        assert ahead.noise_scale == [0.0]
        passed = past(np.zeros((2, 5, 3), "float32"), training=True)
        noise = np.abs(keras.ops.convert_to_numpy(passed)).max(axis=(0, 1))
        assert noise[0] > 0
        np.testing.assert_array_equal(noise[1:], 0)
