import keras
import numpy as np
import pytest

import tsattn.layers
from tsattn.layers import (
    LearnedQueries,
    PerFeatureRecurrent,
    QuantileLoss,
    TemporalAttention,
    WindowScaling,
    WindowStatistics,
)

BATCH, STEPS, CHANNELS = 2, 11, 3
CASES = {
    "per-feature recurrent": lambda: PerFeatureRecurrent(5, "lstm", embedding_units=2),
    "per-dimension": lambda: TemporalAttention("per-dimension"),
    "shared": lambda: TemporalAttention("shared", kernel_regularizer="l2"),
    "last": lambda: WindowStatistics("last"),
    "standard": lambda: WindowStatistics("standard", channels=[0, 2], epsilon=0.01),
    "robust": lambda: WindowStatistics("robust", channels=[0, 2], epsilon=0.01),
}


def random_array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def to_numpy(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def randomized(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Replace the weights, some of which start at zero, by random ones."""
    weights = [random_array(*w.shape, seed=7 + i) for i, w in enumerate(layer.get_weights())]
    layer.set_weights(weights)
    return layer


@pytest.mark.parametrize("name", CASES)
def test_layer_config_round_trip_gives_the_same_layer(name: str) -> None:
    layer = CASES[name]()
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("name", CASES)
def test_layer_symbolic_and_eager_calls_agree_in_shape_and_dtype(name: str) -> None:
    layer = CASES[name]()
    symbolic = layer(keras.Input((STEPS, CHANNELS)))
    eager = layer(random_array(BATCH, STEPS, CHANNELS))
    assert tuple(symbolic.shape[1:]) == tuple(eager.shape[1:])
    assert keras.backend.standardize_dtype(eager.dtype) == "float32"
    assert symbolic.dtype == "float32"


@pytest.mark.parametrize("name", CASES)
def test_layer_keeps_a_lower_precision(name: str) -> None:
    layer = CASES[name]()
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    outputs = half(random_array(BATCH, STEPS, CHANNELS))
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    assert np.isfinite(to_numpy(outputs)).all()


@pytest.mark.parametrize("name", CASES)
def test_layer_ignores_what_is_masked(name: str) -> None:
    layer = CASES[name]()
    inputs = random_array(BATCH, STEPS, CHANNELS)
    layer.build(inputs.shape)
    randomized(layer)
    mask = np.ones((BATCH, STEPS), dtype=bool)
    mask[0, 7:] = mask[1, :2] = False
    changed = np.where(mask[:, :, None], inputs, 1e3).astype("float32")
    first, second = (to_numpy(layer(array, mask=mask)) for array in (inputs, changed))
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_layer_trains_one_step_and_reloads(name: str, tmp_path) -> None:
    inputs = keras.Input((STEPS, CHANNELS))
    hidden = CASES[name]()(inputs)
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(hidden))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = [weight.copy() for weight in model.get_weights()]
    x = random_array(BATCH, STEPS, CHANNELS)
    assert np.isfinite(model.train_on_batch(x, np.ones((BATCH, 1), "float32")))
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(model(x)), to_numpy(again(x)), rtol=1e-5, atol=1e-6)


def plain_temporal_attention(x, kernel, bias, scope, mask):
    """The layer in loops."""
    outputs, scores = np.zeros_like(x), np.zeros((*x.shape[:2], bias.shape[1]), x.dtype)
    for b in range(len(x)):
        kept = [t for t in range(x.shape[1]) if mask[b, t]]
        for c in range(bias.shape[1]):
            read = x[b].mean(axis=1) if scope == "shared" else x[b, :, c]
            if scope == "shared":
                read = np.array([x[b, s].mean() for s in range(x.shape[1])])
            logits = {t: sum(read[s] * kernel[s, t] for s in kept) + bias[t, c] for t in kept}
            total = sum(np.exp(value) for value in logits.values())
            for t in kept:
                scores[b, t, c] = np.exp(logits[t]) / total
        for t in kept:
            for c in range(x.shape[2]):
                score = scores[b, t, 0 if scope == "shared" else c]
                outputs[b, t, c] = len(kept) * score * x[b, t, c]
    return outputs, scores


@pytest.mark.parametrize("scope", ["per-dimension", "shared"])
@pytest.mark.parametrize("masked", [False, True])
def test_temporal_attention_agrees_with_loops(scope: str, masked: bool) -> None:
    x = random_array(BATCH, STEPS, CHANNELS)
    layer = TemporalAttention(scope)
    layer.build(x.shape)
    randomized(layer)
    mask = np.ones((BATCH, STEPS), dtype=bool)
    if masked:
        mask[0, :5] = mask[1, 3] = False
    outputs, scores = layer(x, mask=mask if masked else None, return_attention_scores=True)
    expected = plain_temporal_attention(x, *layer.get_weights(), scope, mask)
    np.testing.assert_allclose(to_numpy(outputs), expected[0], atol=1e-5)
    np.testing.assert_allclose(to_numpy(scores), expected[1], atol=1e-5)
    np.testing.assert_allclose(to_numpy(scores).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("scope", ["per-dimension", "shared"])
def test_temporal_attention_starts_as_the_identity(scope: str) -> None:
    x = random_array(BATCH, STEPS, CHANNELS)
    outputs, scores = TemporalAttention(scope)(x, return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(outputs), x, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(scores), 1 / STEPS, rtol=1e-5)


def test_temporal_attention_gives_a_masked_window_no_score() -> None:
    x = random_array(BATCH, STEPS, CHANNELS)
    mask = np.array([[False] * STEPS, [True] * STEPS])
    outputs, scores = TemporalAttention()(x, mask=mask, return_attention_scores=True)
    assert (to_numpy(outputs)[0] == 0).all()
    assert (to_numpy(scores)[0] == 0).all()


def test_window_statistics_by_hand() -> None:
    x = np.array([[[1.0], [3.0], [5.0]]], dtype="float32")
    np.testing.assert_allclose(to_numpy(WindowStatistics("last")(x))[0, :, 0], [5, 1])
    shift, scale = to_numpy(WindowStatistics("standard", epsilon=0.0)(x))[0, :, 0]
    np.testing.assert_allclose([shift, scale], [3, np.sqrt(8 / 3)], rtol=1e-6)


def test_window_statistics_of_some_channels_leave_the_others() -> None:
    x = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]]], dtype="float32")
    statistics = to_numpy(WindowStatistics("standard", channels=[1], epsilon=0.0)(x))
    np.testing.assert_allclose(statistics[0, :, 0], [0, 1])
    np.testing.assert_allclose(statistics[0, :, 1], [5, np.sqrt(26 / 3)], rtol=1e-6)


def test_window_statistics_last_is_the_last_unmasked_step() -> None:
    x = np.array([[[1.0], [3.0], [5.0]]], dtype="float32")
    mask = np.array([[True, True, False]])
    assert to_numpy(WindowStatistics("last")(x, mask=mask))[0, 0, 0] == 3
    np.testing.assert_allclose(to_numpy(WindowStatistics("standard")(x, mask=mask))[0, 0, 0], 2)


@pytest.mark.parametrize("steps", [1, 2, 10, 11])
def test_window_statistics_robust_agree_with_numpy_where_masked(steps: int) -> None:
    x = random_array(2, STEPS, CHANNELS)
    is_kept = np.random.default_rng(1).permutation(STEPS) < steps
    statistics = to_numpy(WindowStatistics("robust", epsilon=0.0)(x, mask=np.stack([is_kept] * 2)))
    kept = x[:, is_kept]
    median = np.median(kept, axis=1)
    deviation = np.abs(kept - median[:, None]).mean(axis=1)
    np.testing.assert_allclose(statistics[:, 0], median, rtol=1e-5)
    np.testing.assert_allclose(statistics[:, 1], deviation * np.sqrt(np.pi / 2), rtol=1e-5)


def test_window_statistics_robust_of_a_masked_window_and_of_normal_values() -> None:
    x = random_array(2, 4000, 1)
    mask = np.array([[True] * 4000, [False] * 4000])
    statistics = to_numpy(WindowStatistics("robust", epsilon=0.01)(x, mask=mask))
    np.testing.assert_allclose(statistics[0, 1], x[0].std(), rtol=0.02)
    np.testing.assert_allclose(statistics[1, :, 0], [0, 0.1], rtol=1e-5)


@pytest.mark.parametrize("method", ["last", "standard", "robust"])
def test_window_scaling_is_undone(method: str) -> None:
    x = random_array(BATCH, STEPS, CHANNELS)
    statistics = WindowStatistics(method)(x)
    scaled = WindowScaling()(x, statistics)
    again = WindowScaling(direction="denormalize")(scaled, statistics)
    np.testing.assert_allclose(to_numpy(again), x, rtol=1e-4, atol=1e-5)


def test_window_scaling_of_some_columns_leaves_the_rest() -> None:
    x = random_array(BATCH, STEPS, CHANNELS)
    statistics = WindowStatistics("standard")(x)
    future = random_array(BATCH, 7, 5, seed=1)
    scaled = to_numpy(WindowScaling([2, 0])(future, statistics))
    shift, scale = to_numpy(statistics)[:, 0], to_numpy(statistics)[:, 1]
    for i, column in enumerate([2, 0]):
        expected = (future[:, :, i] - shift[:, None, column]) / scale[:, None, column]
        np.testing.assert_allclose(scaled[:, :, i], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scaled[:, :, 2:], future[:, :, 2:])


def test_window_scaling_round_trips_through_its_config() -> None:
    layer = WindowScaling(range(2), "denormalize")
    again = WindowScaling.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_quantile_loss_agrees_with_loops() -> None:
    levels = (0.1, 0.5, 0.9)
    actual, forecast = random_array(2, 7, 3), random_array(2, 7, 3, len(levels), seed=1)
    total = 0.0
    for b, h, c in np.ndindex(actual.shape):
        for q, level in enumerate(levels):
            error = actual[b, h, c] - forecast[b, h, c, q]
            total += level * error if error > 0 else (level - 1) * error
    loss = QuantileLoss(levels)
    np.testing.assert_allclose(to_numpy(loss(actual, forecast)), total / forecast.size, rtol=1e-5)
    assert QuantileLoss.from_config(loss.get_config()).quantile_levels == list(levels)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: TemporalAttention("both"), "scope='both'"),
        (lambda: PerFeatureRecurrent(5, "rnn"), "cell='rnn'"),
        (lambda: WindowStatistics("first"), "method='first'"),
        (lambda: WindowScaling(direction="up"), "direction='up'"),
    ],
)
def test_layer_names_the_choices_for_an_unknown_one(make, received: str) -> None:
    with pytest.raises(ValueError, match=f"must be one of.*Received: {received}. Use one"):
        make()


def test_temporal_attention_needs_a_fixed_number_of_steps() -> None:
    with pytest.raises(ValueError, match=r"must be fixed. Received: .*None.* Declare the input"):
        TemporalAttention()(keras.Input((None, CHANNELS)))


@pytest.mark.parametrize("segment", [0, 2, 12])
def test_per_feature_recurrent_needs_segments_that_divide_the_steps(segment: int) -> None:
    with pytest.raises(ValueError, match=f"Received: segment={segment} for 11 steps. Use a segm"):
        PerFeatureRecurrent(5, segment=segment)(keras.Input((STEPS, CHANNELS)))


def test_per_feature_recurrent_needs_a_fixed_number_of_steps() -> None:
    with pytest.raises(ValueError, match=r"must be fixed. Received: .*None.* Declare the input"):
        PerFeatureRecurrent(5)(keras.Input((None, CHANNELS)))


def test_every_layer_is_exported() -> None:
    assert set(tsattn.layers.__all__) >= {type(make()).__name__ for make in CASES.values()}


def test_per_feature_recurrent_keeps_the_features_apart() -> None:
    layer = PerFeatureRecurrent(5)
    x = random_array(BATCH, STEPS, CHANNELS)
    first = to_numpy(layer(x))
    x[:, 4, 1] += 1
    changed = np.abs(to_numpy(layer(x)) - first).max(axis=(0, 3)) > 1e-6  # (features, steps)
    assert not changed[[0, 2]].any()
    assert not changed[1, :4].any()
    assert changed[1, 4:].all()


def test_per_feature_recurrent_is_the_recurrent_layer_on_each_feature() -> None:
    layer = PerFeatureRecurrent(5)
    x = random_array(BATCH, STEPS, CHANNELS)
    states = to_numpy(layer(x))
    for k in range(CHANNELS):
        embedding = np.tile(to_numpy(layer.embedding)[k], (BATCH, STEPS, 1))
        alone = layer.recurrence(np.concatenate([x[:, :, k : k + 1], embedding], axis=2))
        np.testing.assert_allclose(states[:, k], to_numpy(alone), atol=1e-5)


def test_per_feature_recurrent_reads_segments_of_each_feature_beside_its_context() -> None:
    layer = PerFeatureRecurrent(5, "lstm", segment=4, projection_units=7)
    x, context = random_array(BATCH, 12, CHANNELS), random_array(BATCH, CHANNELS, 2, seed=1)
    states = to_numpy(layer(x, context))
    assert states.shape == (BATCH, CHANNELS, 3, 5)
    for k in range(CHANNELS):
        segments = x[:, :, k].reshape(BATCH, 3, 4)
        beside = np.concatenate(
            [np.tile(to_numpy(layer.embedding)[k], (BATCH, 1)), context[:, k]], 1
        )
        read = np.concatenate([segments, np.repeat(beside[:, None], 3, axis=1)], axis=2)
        alone = to_numpy(layer.recurrence(layer.projection(read)))
        np.testing.assert_allclose(states[:, k], alone, atol=1e-5)


def test_per_feature_recurrent_keeps_the_state_over_masked_segments() -> None:
    layer = PerFeatureRecurrent(5, segment=4)
    mask = np.ones((BATCH, 12), dtype=bool)
    mask[0, 4:8] = mask[1, 5] = False
    states = to_numpy(layer(random_array(BATCH, 12, CHANNELS), mask=mask))
    np.testing.assert_array_equal(states[0, :, 1], states[0, :, 0])
    assert (states[1, :, 1] != states[1, :, 0]).all()


@pytest.mark.parametrize("with_context", [False, True])
def test_per_feature_recurrent_finds_the_mask_of_its_inputs(with_context: bool) -> None:
    layer = PerFeatureRecurrent(5, segment=4)
    x, context = random_array(BATCH, 12, CHANNELS), random_array(BATCH, CHANNELS, 2, seed=1)
    beside = [context] if with_context else []
    mask = np.ones((BATCH, 12), dtype=bool)
    mask[0, 8:] = mask[1, :4] = False
    expected = to_numpy(layer(x, *beside, mask=mask))
    x[~mask] = -9
    found = to_numpy(layer(keras.layers.Masking(-9)(x), *beside))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_per_feature_recurrent_of_segments_trains_one_step_and_reloads(tmp_path) -> None:
    def make(**more) -> PerFeatureRecurrent:
        return PerFeatureRecurrent(5, "lstm", 2, segment=4, projection_units=7, **more)

    layer = make(name="named")
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    shapes = (12, CHANNELS), (CHANNELS, 2)
    data = [random_array(BATCH, *shape, seed=i) for i, shape in enumerate(shapes)]
    half = make(dtype="mixed_float16")(*data)
    assert keras.backend.standardize_dtype(half.dtype) == "float16"
    inputs = [keras.Input(shape) for shape in shapes]
    states = layer(*inputs)
    assert tuple(states.shape) == (None, CHANNELS, 3, 5)
    model = keras.Model(inputs, states)
    model.compile("sgd", "mse", jit_compile=False)
    before = [weight.copy() for weight in model.get_weights()]
    model.train_on_batch(data, np.ones((BATCH, CHANNELS, 3, 5), "float32"))
    assert len(before) == 6  # embedding, projection, recurrent layer
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(again(data)), to_numpy(model(data)), atol=1e-6)


def test_learned_queries_are_the_same_for_every_window(tmp_path) -> None:
    layer = LearnedQueries(7, 5)
    first = to_numpy(layer(random_array(BATCH, STEPS, CHANNELS)))
    assert first.shape == (BATCH, 7, 5)
    for window in first:
        np.testing.assert_array_equal(window, to_numpy(layer.queries))
    assert to_numpy(layer.queries).std() > 0  # they tell the parts apart from the start
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    half = LearnedQueries(7, 5, dtype="mixed_float16")(random_array(BATCH, STEPS))
    assert keras.backend.standardize_dtype(half.dtype) == "float16"

    inputs = keras.Input((STEPS, CHANNELS))
    symbolic = LearnedQueries(7, 5)(inputs)
    assert tuple(symbolic.shape) == (None, 7, 5)
    model = keras.Model(inputs, symbolic)
    model.compile("sgd", "mse")
    before = model.get_weights()[0].copy()
    x = random_array(BATCH, STEPS, CHANNELS)
    model.train_on_batch(x, np.ones((BATCH, 7, 5), "float32"))
    assert (model.get_weights()[0] != before).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))
