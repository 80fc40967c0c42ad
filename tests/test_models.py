import keras
import numpy as np
import pytest

from tsattn.config import STRUCTURES
from tsattn.models import WindowShape, build_forecaster, training_model
from tsattn.profiles import RANKING, describe_channels

SHAPE = WindowShape(lookback=11, horizon=7, num_features=3, num_targets=2)
AHEAD = SHAPE._replace(num_future_covariates=1, num_calendar_features=4)
VARIANTS = [
    (structure.attention, structure.placement, cell)
    for structure in STRUCTURES
    if (structure.encoder, structure.decoder) == ("joint", "direct")
    for cell in ("gru", "lstm")
]


def inputs_for(shape: WindowShape, batch: int = 2) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    sizes = {"inputs": (shape.lookback, shape.num_features)}
    if shape.num_future_features:
        sizes["future_inputs"] = (shape.horizon, shape.num_future_features)
    return {
        name: generator.normal(size=(batch, *size)).astype("float32")
        for name, size in sizes.items()
    }


@pytest.mark.parametrize(("attention", "placement", "cell"), VARIANTS)
def test_forecaster_gives_forecast_and_scores(attention: str, placement: str, cell: str) -> None:
    model = build_forecaster(SHAPE, attention=attention, placement=placement, cell=cell, units=5)
    outputs = model(inputs_for(SHAPE))
    assert tuple(outputs["forecast"].shape) == (2, 7, 2)
    if attention == "none":
        assert "attention_scores" not in outputs
        return
    _, measure, channels = describe_channels("joint", attention, placement, ("a", "b", "c"), 5)
    scores = keras.ops.convert_to_numpy(outputs["attention_scores"])
    assert scores.shape == (2, 11, len(channels))
    assert (scores >= 0).all()
    if measure == "share":
        axes = (1, 2) if attention in RANKING else 1
        np.testing.assert_allclose(scores.sum(axis=axes), 1, rtol=1e-5)


@pytest.mark.parametrize("normalization", ["last", "standard", "robust", "none"])
def test_forecaster_starts_at_the_level_of_the_window(normalization: str) -> None:
    inputs = inputs_for(AHEAD)
    forecast = build_forecaster(AHEAD, units=5, normalization=normalization)(inputs)["forecast"]
    window = inputs["inputs"][:, :, :2]
    level = {
        "last": window[:, -1],
        "standard": window.mean(axis=1),
        "robust": np.median(window, axis=1),
        "none": 0 * window[:, -1],
    }
    expected = np.repeat(level[normalization][:, None], 7, axis=1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(forecast), expected, atol=1e-5)


@pytest.mark.parametrize("normalization", ["last", "standard", "robust"])
def test_forecaster_follows_a_shift_of_its_window(normalization: str) -> None:
    model = build_forecaster(AHEAD, units=5, num_layers=2, normalization=normalization)
    generator = np.random.default_rng(1)
    model.set_weights([generator.normal(size=w.shape, scale=0.3) for w in model.get_weights()])
    inputs = inputs_for(AHEAD)
    shifted = {name: array.copy() for name, array in inputs.items()}
    shifted["inputs"] += 10
    shifted["future_inputs"][:, :, 0] += 10  # the covariate; the calendar has no level
    first, second = (
        keras.ops.convert_to_numpy(model(arrays)["forecast"]) for arrays in (inputs, shifted)
    )
    np.testing.assert_allclose(second, first + 10, rtol=1e-3, atol=1e-3)


def test_forecaster_reads_what_is_known_ahead() -> None:
    model = build_forecaster(AHEAD, units=5, normalization="none")
    generator = np.random.default_rng(1)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    inputs = inputs_for(AHEAD)
    first = keras.ops.convert_to_numpy(model(inputs)["forecast"])
    inputs["future_inputs"][:, 4] += 1
    changed = keras.ops.convert_to_numpy(model(inputs)["forecast"]) != first
    assert changed[:, 4].any()
    assert not changed[:, [0, 1, 2, 3, 5, 6]].any()


def test_forecaster_gives_quantiles() -> None:
    outputs = build_forecaster(AHEAD, units=5, num_quantiles=3)(inputs_for(AHEAD))
    assert tuple(outputs["forecast"].shape) == (2, 7, 2, 3)


def randomized(model):
    generator = np.random.default_rng(1)
    model.set_weights([generator.normal(size=w.shape, scale=0.5) for w in model.get_weights()])
    return model


def to_numpy(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("normalization", ["last", "standard", "none"])
@pytest.mark.parametrize("num_quantiles", [None, 3])
@pytest.mark.parametrize("shape", [SHAPE, AHEAD])
def test_contributions_add_up_to_the_forecast(shape, num_quantiles, normalization) -> None:
    model = randomized(
        build_forecaster(
            shape,
            attention="reverse-time",
            units=5,
            dropout=0.1,
            normalization=normalization,
            num_quantiles=num_quantiles,
        )
    )
    inputs = inputs_for(shape)
    outputs = {name: to_numpy(output) for name, output in model(inputs).items()}
    window = inputs["inputs"]
    shift, spread = np.zeros((2, 1, 3)), np.ones((2, 1, 3))
    if normalization == "last":
        shift = window[:, -1:]
    elif normalization == "standard":
        shift, spread = window.mean(1, keepdims=True), window.std(1, keepdims=True)
    layer = model.get_layer("attention")
    contributions = to_numpy(layer.contributions((window - shift) / spread))
    size = (7, 2) if num_quantiles is None else (7, 2, 3)
    contributions = contributions.reshape(2, 11, 3, *size)  # (batch, steps, features, ...)
    whole = contributions.sum((1, 2)) + to_numpy(layer.head.bias).reshape(size)
    if shape is AHEAD:
        ahead = inputs["future_inputs"].copy()
        ahead[..., 0] = (ahead[..., 0] - shift[..., 2]) / spread[..., 2]
        mix, head = model.get_layer("future_mix"), model.get_layer("future_head")
        whole += to_numpy(head(mix(ahead))).reshape(2, *size)
    level, unit = (part[:, 0, :2].reshape(2, 1, 2) for part in (shift, spread))
    if num_quantiles:
        level, unit = level[..., None], unit[..., None]
    normalised = (outputs["forecast"] - level) / unit
    np.testing.assert_allclose(normalised, whole, rtol=1e-4, atol=1e-4)
    scaled = np.abs(contributions) * unit[:, None, None]
    expected = scaled.reshape(2, 11, 3, -1).mean(-1)
    np.testing.assert_allclose(outputs["attention_scores"], expected, rtol=1e-3, atol=1e-5)


RECURRENT = [
    ("additive", "gru", 1, None, SHAPE),
    ("luong", "lstm", 2, 3, AHEAD),
    ("additive", "lstm", 1, 3, SHAPE),
    ("luong", "gru", 3, None, AHEAD),
]


@pytest.mark.parametrize(("attention", "cell", "num_layers", "num_quantiles", "shape"), RECURRENT)
@pytest.mark.parametrize("normalization", ["last", "standard", "none"])
def test_recurrent_decoder_attends_at_every_horizon_step(
    attention, cell, num_layers, num_quantiles, shape, normalization
) -> None:
    model = randomized(
        build_forecaster(
            shape,
            attention=attention,
            placement="after",
            decoder="recurrent",
            cell=cell,
            units=5,
            num_layers=num_layers,
            normalization=normalization,
            num_quantiles=num_quantiles,
        )
    )
    inputs = inputs_for(shape)
    outputs = {name: to_numpy(output) for name, output in model(inputs).items()}
    assert outputs["forecast"].shape == (2, 7, 2, *([3] if num_quantiles else []))
    assert outputs["attention_scores"].shape == (2, 7, 11)
    np.testing.assert_allclose(outputs["attention_scores"].sum(-1), 1, rtol=1e-5)
    assert (np.ptp(outputs["attention_scores"], axis=1) > 0).all()  # anew at every step
    trainer = training_model(model)
    assert trainer.get_layer("decoder") is model.get_layer("decoder")
    targets = np.random.default_rng(2).normal(size=(2, 7, 2)).astype("float32")
    told = {**inputs, "targets": targets}
    np.testing.assert_allclose(to_numpy(trainer(told)), outputs["forecast"], atol=1e-5)


def test_recurrent_decoder_is_told_the_normalised_truth_in_training() -> None:
    model = build_forecaster(
        SHAPE, attention="additive", decoder="recurrent", units=5, normalization="standard"
    )
    randomized(model)
    inputs, trainer = inputs_for(SHAPE), training_model(model)
    decoder = model.get_layer("decoder")
    decoder.teacher_probability.assign(1.0)
    own = to_numpy(model(inputs)["forecast"])
    told = to_numpy(trainer({**inputs, "targets": own}, training=True))
    np.testing.assert_allclose(told, own, rtol=1e-4, atol=1e-4)  # its own forecast is the truth
    other = own.copy()
    other[:, 3] += 1
    changed = to_numpy(trainer({**inputs, "targets": other}, training=True)) != told
    assert changed[:, 4].all()
    assert not changed[:, :4].any()
    decoder.teacher_probability.assign(0.0)
    alone = to_numpy(trainer({**inputs, "targets": other}, training=True))
    np.testing.assert_allclose(alone, own, rtol=1e-4, atol=1e-4)


def test_training_model_of_a_direct_decoder_has_the_inputs_of_the_forecaster() -> None:
    model = build_forecaster(AHEAD, units=5)
    trainer = training_model(model)
    assert {tensor.name for tensor in trainer.inputs} == {"inputs", "future_inputs"}
    forecast = to_numpy(model(inputs_for(AHEAD))["forecast"])
    np.testing.assert_array_equal(to_numpy(trainer(inputs_for(AHEAD))), forecast)
