import keras
import numpy as np
import pytest

from tsattn.config import ATTENTION_PLACEMENTS
from tsattn.models import WindowShape, build_forecaster
from tsattn.profiles import RANKING, describe_channels

SHAPE = WindowShape(lookback=11, horizon=7, num_features=3, num_targets=2)
AHEAD = SHAPE._replace(num_future_covariates=1, num_calendar_features=4)
VARIANTS = [
    (attention, placement, cell)
    for attention, placements in ATTENTION_PLACEMENTS.items()
    for placement in placements or ("before",)
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
    kind, measure, channels = describe_channels(attention, placement, ("a", "b", "c"), 5)
    scores = keras.ops.convert_to_numpy(outputs["attention_scores"])
    assert scores.shape == (2, 11, len(channels))
    assert (scores >= 0).all()
    if measure == "share":
        axes = (1, 2) if attention in RANKING else 1
        np.testing.assert_allclose(scores.sum(axis=axes), 1, rtol=1e-5)


@pytest.mark.parametrize("normalization", ["last", "standard", "none"])
def test_forecaster_starts_at_the_level_of_the_window(normalization: str) -> None:
    inputs = inputs_for(AHEAD)
    forecast = build_forecaster(AHEAD, units=5, normalization=normalization)(inputs)["forecast"]
    window = inputs["inputs"][:, :, :2]
    level = {"last": window[:, -1], "standard": window.mean(axis=1), "none": 0 * window[:, -1]}
    expected = np.repeat(level[normalization][:, None], 7, axis=1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(forecast), expected, atol=1e-5)


@pytest.mark.parametrize("normalization", ["last", "standard"])
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
