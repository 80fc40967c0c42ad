"""The per-feature encoder: what its forecasts and scores are made of."""

import attention_references as references
import keras
import numpy as np
import pytest

from tsattn.config import STRUCTURES
from tsattn.data.windows import make_windows
from tsattn.models import WindowShape, build_forecaster, training_model
from tsattn.segments import horizon_parts
from tsattn.training import train

# A lookback of 11 is no multiple of 4; a horizon of 29 is 15 steps and 14.
LOOKBACK, SEGMENT, SEGMENTS = 11, 4, 3
ALONE = WindowShape(lookback=LOOKBACK, horizon=7, num_features=1, num_targets=1)
COVARIATES = ALONE._replace(num_features=3)
TARGETS = ALONE._replace(num_features=5, num_targets=2, horizon=29)
AHEAD = TARGETS._replace(num_future_covariates=1, num_calendar_features=4)
SHAPES = {
    "alone": ALONE,
    "covariates": COVARIATES,
    "targets only": ALONE._replace(num_features=3, num_targets=3),
    "targets and parts": TARGETS,
    "ahead": AHEAD,
}
ATTENTIONS = [structure.attention for structure in STRUCTURES if structure.encoder == "per-feature"]


def inputs_for(shape: WindowShape, batch: int = 2) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    sizes = {"inputs": (shape.lookback, shape.num_features)}
    if shape.num_future_features:
        sizes["future_inputs"] = (shape.horizon, shape.num_future_features)
    return {
        name: generator.normal(size=(batch, *size)).astype("float32")
        for name, size in sizes.items()
    }


def build(shape: WindowShape, attention: str = "additive", **options) -> keras.Model:
    """Build a model of random weights."""
    defaults = {"placement": "after", "units": 5, "segment": SEGMENT, "normalization": "standard"}
    model = build_forecaster(
        shape, encoder="per-feature", attention=attention, **{**defaults, **options}
    )
    generator = np.random.default_rng(1)
    model.set_weights([generator.normal(size=w.shape, scale=0.4) for w in model.get_weights()])
    return model


def run(model: keras.Model, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: keras.ops.convert_to_numpy(part) for name, part in model(inputs).items()}


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("name", SHAPES)
def test_forecast_and_scores_have_their_shapes(attention: str, name: str) -> None:
    shape = SHAPES[name]
    cell, quantiles = ("lstm", 3) if name in ("alone", "ahead") else ("gru", None)
    outputs = run(build(shape, attention, cell=cell, num_quantiles=quantiles), inputs_for(shape))
    forecast = (2, shape.horizon, shape.num_targets) + ((3,) if quantiles else ())
    assert outputs["forecast"].shape == forecast
    assert np.isfinite(outputs["forecast"]).all()
    if attention == "none":
        assert set(outputs) == {"forecast"}
        return
    scores, parts = outputs["attention_scores"], len(horizon_parts(shape.horizon))
    assert (scores >= 0).all()
    if attention == "bottleneck":
        assert scores.shape == (2, LOOKBACK, shape.num_features)
        return
    channels = 1 + shape.num_features - shape.num_targets
    channels = 1 if attention == "shared" else channels
    assert scores.shape == (2, shape.num_targets, parts, SEGMENTS, channels)
    axes = (3, 4) if attention in ("additive", "luong") else 3
    np.testing.assert_allclose(scores.sum(axis=axes), 1, rtol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("normalization", ["last", "standard", "robust", "none"])
def test_forecast_agrees_with_loops(name: str, normalization: str) -> None:
    shape = SHAPES[name]
    model, inputs = build(shape, normalization=normalization), inputs_for(shape)
    outputs = run(model, inputs)
    names = {
        "recurrent_0", "part_queries", "target_queries", "level", "known_ahead", "last_state",
        "attention", "mix", "head", "step_states", "step_known_ahead", "step_mix", "step_head",
    }  # fmt: skip
    weights = {
        layer.name: [np.asarray(weight, "float64") for weight in layer.get_weights()]
        for layer in model.layers
        if layer.name in names
    }
    for b in range(2):
        window = inputs["inputs"][b].astype("float64")
        level, spread = np.zeros(shape.num_features), np.ones(shape.num_features)
        if normalization == "last":
            level = window[-1]
        elif normalization == "standard":
            level, spread = window.mean(axis=0), window.std(axis=0)
        elif normalization == "robust":
            level = np.median(window, axis=0)
            spread = np.abs(window - level).mean(axis=0) * np.sqrt(np.pi / 2)
        future = None
        if shape.num_future_features:
            future = inputs["future_inputs"][b].astype("float64")
            future[:, 0] = (future[:, 0] - level[-1]) / spread[-1]  # the last feature
        forecast, scores = references.per_feature_forecast(
            np.arcsinh((window - level) / spread),
            None if future is None else np.arcsinh(future),
            weights,
            (shape.horizon, shape.num_targets, shape.num_features),
            SEGMENT,
            horizon_parts(shape.horizon),
            spread if normalization in ("standard", "robust") else None,
        )
        columns = slice(shape.num_targets)
        expected = level[columns] + spread[columns] * forecast
        np.testing.assert_allclose(outputs["forecast"][b], expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(outputs["attention_scores"][b], scores, atol=1e-4)


# The gates of a bottleneck read all features of their step.
@pytest.mark.parametrize("attention", [name for name in ATTENTIONS if name != "bottleneck"])
def test_targets_do_not_read_one_another(attention: str) -> None:
    model, inputs = build(AHEAD, attention), inputs_for(AHEAD)
    before = run(model, inputs)
    inputs["inputs"][:, 2, 1] += 1  # the second target
    other = run(model, inputs)
    np.testing.assert_array_equal(other["forecast"][:, :, 0], before["forecast"][:, :, 0])
    assert (other["forecast"][:, :, 1] != before["forecast"][:, :, 1]).all()
    inputs["inputs"][:, 2, 2] += 1  # a covariate
    covariate = run(model, inputs)
    assert (covariate["forecast"] != other["forecast"]).any(axis=1).all()


def test_contexts_of_features_stay_apart() -> None:
    model, inputs = build(COVARIATES, "per-dimension"), inputs_for(COVARIATES)
    mix = model.get_layer("mix")
    kernel = mix.get_weights()[0]
    kernel[5:10] = 0  # the context of the first covariate
    mix.set_weights([kernel, mix.get_weights()[1]])
    before = run(model, inputs)["forecast"]
    inputs["inputs"][:, 3, 1] += 1
    np.testing.assert_allclose(run(model, inputs)["forecast"], before, atol=1e-6)
    inputs["inputs"][:, 3, 2] += 1
    assert (run(model, inputs)["forecast"] != before).any()


def test_forecast_of_a_part_reads_what_is_known_ahead_of_it() -> None:
    model, inputs = build(AHEAD), inputs_for(AHEAD)
    before = run(model, inputs)["forecast"]
    inputs["future_inputs"][:, 20, 2] += 1  # step 21, of the second part: steps 16 to 29
    changed = run(model, inputs)["forecast"] != before
    assert changed[:, 15:].any(axis=1).all()
    assert not changed[:, :15].any()


def test_forecast_of_unknown_extremes_stays_near_that_of_extremes() -> None:
    model, inputs = build(AHEAD, normalization="none"), inputs_for(AHEAD)
    forecasts = []
    for extreme in (0, 10, 100):
        inputs["inputs"][:, :, 4] = inputs["future_inputs"][:, :, 0] = extreme
        forecasts.append(run(model, inputs)["forecast"])
    usual, further = np.abs(np.diff(forecasts, axis=0)).mean(axis=(1, 2, 3))
    assert further < 2 * usual  # ten times as far


@pytest.mark.parametrize("num_quantiles", [None, 3])
def test_what_is_known_ahead_explains_past_and_future_targets_alike(
    num_quantiles: int | None,
) -> None:
    options = {"normalization": "none", "num_quantiles": num_quantiles}
    model, nothing = build(AHEAD, "none", **options), build(AHEAD, "none", **options)
    layers = [model.get_layer(f"explain_{name}") for name in ("known", "mix", "targets")]
    kept = [layer.get_weights() for layer in layers]
    nothing.get_layer("explain_targets").set_weights([np.zeros_like(x) for x in kept[-1]])

    def explained(known: np.ndarray) -> np.ndarray:
        hidden = np.arcsinh(known)
        for kernel, bias in kept[:-1]:
            hidden = np.maximum(hidden @ kernel + bias, 0)
        return hidden @ kept[-1][0] + kept[-1][1]

    inputs = inputs_for(AHEAD)
    expected = run(nothing, inputs)["forecast"]
    of_future = explained(inputs["future_inputs"][:, :, :1])
    expected = expected + (of_future if num_quantiles is None else of_future[..., None])
    inputs["inputs"][:, :, :2] += explained(inputs["inputs"][:, :, 4:])
    np.testing.assert_allclose(run(model, inputs)["forecast"], expected, rtol=1e-4, atol=1e-4)


def test_first_segment_is_filled_up_with_zeros() -> None:
    model = build(TARGETS, normalization="none")
    longer = build(TARGETS._replace(lookback=12), normalization="none")
    inputs = inputs_for(TARGETS)
    filled = np.concatenate([np.zeros((2, 1, 5), "float32"), inputs["inputs"]], axis=1)
    expected, outputs = run(longer, {"inputs": filled}), run(model, inputs)
    for name, output in outputs.items():
        np.testing.assert_allclose(output, expected[name], atol=1e-5)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("normalization", ["last", "standard"])
def test_forecast_starts_at_the_level_of_the_window(attention: str, normalization: str) -> None:
    inputs = inputs_for(AHEAD)
    model = build_forecaster(
        AHEAD, encoder="per-feature", attention=attention, units=5, normalization=normalization
    )
    window = inputs["inputs"][:, :, :2]
    level = window[:, -1:] if normalization == "last" else window.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(run(model, inputs)["forecast"], level.repeat(29, 1), atol=1e-5)


@pytest.mark.parametrize("attention", ["additive", "none"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_more_recurrent_layers_keep_features_apart(attention: str, cell: str) -> None:
    model, inputs = build(TARGETS, attention, num_layers=3, cell=cell), inputs_for(TARGETS)
    assert {"recurrent_0", "recurrent_1", "recurrent_2"} <= {layer.name for layer in model.layers}
    before = run(model, inputs)["forecast"]
    inputs["inputs"][:, 2, 1] += 1
    changed = run(model, inputs)["forecast"] != before
    assert not changed[:, :, 0].any()
    assert changed[:, :, 1].all()


def test_segment_is_chosen_from_the_lookback() -> None:
    model = build(COVARIATES._replace(lookback=53), segment=None)
    assert model.get_layer("recurrent_0").segment == 13
    assert model.get_layer("attention_scores").output.shape == (None, 1, 1, 5, 3)


def test_dropout_is_for_training() -> None:
    model, inputs = build(TARGETS, dropout=0.5), inputs_for(TARGETS)
    before = run(model, inputs)["forecast"]
    np.testing.assert_array_equal(run(model, inputs)["forecast"], before)
    trainer = training_model(model)
    trained = keras.ops.convert_to_numpy(trainer(inputs, training=True))
    assert (trained != before).any()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(trainer(inputs)), before, atol=1e-6)


def test_product_of_features_is_learnt_behind_gates() -> None:
    """Neither factor says anything by itself, so that no linear forecast has a part in it."""
    values = np.random.default_rng(5).normal(size=(6_000, 3))
    values[:, 0] = np.roll(values[:, 1], 1) * np.roll(values[:, 2], 2)
    part = {"lookback": 10, "horizon": 1, "num_targets": 1}
    val = make_windows(values[5_000:], **part)
    keras.utils.set_random_seed(1)
    shape = WindowShape(lookback=10, horizon=1, num_features=3, num_targets=1)
    model = build_forecaster(
        shape, encoder="per-feature", attention="bottleneck", units=32, normalization="none"
    )
    history = train(model, make_windows(values[:5_000], **part), val, epochs=8, learning_rate=0.01)
    nothing = np.abs(values[5_010:, 0]).mean()
    assert history.epochs[-1].val_loss < 0.5 * nothing
