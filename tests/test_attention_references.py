import attention_references as references
import keras
import numpy as np
import pytest

from tsattn.layers import (
    AttentionDecoder,
    BahdanauAttention,
    BottleneckAttention,
    DenseAttention,
    FeatureStateAttention,
    FeedForwardAttention,
    HierarchicalAttention,
    InputAttention,
    LuongAttention,
    MultiHeadSelfAttention,
    PerFeatureRecurrent,
    ReverseTimeAttention,
    SelfAttention,
    VariableAttention,
)

BATCH, STEPS, CHANNELS, UNITS, QUERIES = 2, 11, 3, 5, 7
HORIZON = 3
TOLERANCE = 1e-5


def mask_of(*rows: str) -> np.ndarray:
    """Return the mask drawn by the rows, with a dot for each masked step."""
    return np.array([[character != "." for character in row] for row in rows])


MASKS = {
    "none": None,
    "holes": mask_of("xx..xxx.xxx", "xxxxx.x.x.x"),
    "tails": mask_of("xxxxxxxx...", "xxxxx......"),
    "heads": mask_of("...xxxxxxxx", "......xxxxx"),
    "mixed": mask_of("xxxxxxxxxxx", "..x.xx..x.."),
}
BLOCK_MASKS = {
    "none": None,
    "holes": mask_of("x..x.xxxxx.x", "xxxx....xx.x"),
    "tails": mask_of("xxxxxxxxxx..", "xxx........."),
    "heads": mask_of("......xxxxxx", "...xxxxxxxxx"),
}
masked = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def random_array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def masked_array(mask: np.ndarray | None, *shape: int, seed: int = 0) -> np.ndarray:
    """Return random entries, and NaN at the masked steps, which nobody may read."""
    array = random_array(*shape, seed=seed)
    if mask is not None:
        array[~mask] = np.nan
    return array


def to_numpy(tensor: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


def randomize(layer: keras.layers.Layer) -> None:
    """Replace the trainable weights, some of which start at zero, by different random ones."""
    generator = np.random.default_rng(7)
    for weight in layer.trainable_variables:
        weight.assign(generator.normal(scale=0.7, size=weight.shape).astype("float32"))


def weights_of(layer: keras.layers.Layer) -> list[np.ndarray]:
    return [to_numpy(weight) for weight in layer.trainable_variables]


def call_randomized(layer: keras.layers.Layer, *inputs: object, **arguments: object) -> object:
    """Build and randomize the layer, then return its outputs and scores."""
    layer.build(*[np.shape(value) for value in inputs])
    randomize(layer)
    return layer(*inputs, return_attention_scores=True, **arguments)


def assert_close(actual: object, expected: object) -> None:
    """Compare arrays or nested tuples of them."""
    if isinstance(expected, tuple):
        assert len(actual) == len(expected)
        for actual_part, expected_part in zip(actual, expected, strict=True):
            assert_close(actual_part, expected_part)
        return
    assert np.all(np.isfinite(expected))
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=TOLERANCE, atol=TOLERANCE)


def assert_sums_to_one(scores: np.ndarray, kept: np.ndarray | None = None) -> None:
    """Check the sums over the last axis: 1 where kept, elsewhere 0."""
    sums = to_numpy(scores).sum(-1)
    expected = np.ones(sums.shape) if kept is None else np.broadcast_to(kept, sums.shape)
    np.testing.assert_allclose(sums, expected, atol=TOLERANCE)


def test_dense_attention():
    inputs = random_array(BATCH, CHANNELS)
    layer = DenseAttention()
    actual = call_randomized(layer, inputs)
    dense = layer.score_dense
    assert_close(
        actual,
        references.dense_attention(inputs, to_numpy(dense.kernel), to_numpy(dense.bias)),
    )
    assert_sums_to_one(actual[1])


@masked
def test_luong_attention(mask):
    inputs = masked_array(mask, BATCH, STEPS, CHANNELS)
    layer = LuongAttention(UNITS)
    actual = call_randomized(layer, inputs, mask=mask)
    kernels = to_numpy(layer.score_kernel), to_numpy(layer.output_kernel)
    assert_close(actual, references.luong_attention(inputs, mask, *kernels))
    assert_sums_to_one(actual[1])


@masked
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("use_tanh", [True, False])
def test_feed_forward_attention(mask, use_bias, use_tanh):
    inputs = masked_array(mask, BATCH, STEPS, CHANNELS)
    layer = FeedForwardAttention(use_bias=use_bias, use_tanh=use_tanh)
    actual = call_randomized(layer, inputs, mask=mask)
    bias = to_numpy(layer.bias) if use_bias else None
    expected = references.feed_forward_attention(
        inputs, mask, to_numpy(layer.kernel), bias, use_tanh
    )
    assert_close(actual, expected)
    assert_sums_to_one(actual[1])


@masked
@pytest.mark.parametrize("queries", [(), (QUERIES,)], ids=["one-query", "queries"])
def test_bahdanau_attention(mask, queries):
    query = random_array(BATCH, *queries, 2, seed=1)
    states = masked_array(mask, BATCH, STEPS, CHANNELS)
    layer = BahdanauAttention(UNITS)
    actual = call_randomized(layer, query, states, states_mask=mask)
    weights = layer.query_dense.kernel, layer.key_dense.kernel, layer.attention.scale
    expected = references.bahdanau_attention(query, states, mask, *map(to_numpy, weights))
    assert_close(actual, expected)
    assert_sums_to_one(actual[1])


def projections_of(*layers: keras.layers.Layer) -> list[tuple[np.ndarray, np.ndarray | float]]:
    return [
        (to_numpy(layer.kernel), 0.0 if layer.bias is None else to_numpy(layer.bias))
        for layer in layers
    ]


@masked
@pytest.mark.parametrize(
    ("causal", "width"), [(False, None), (True, None), (False, 2), (True, 2), (False, 0)]
)
@pytest.mark.parametrize("score", ["dot", "scaled-dot", "multiplicative", "additive"])
def test_self_attention(mask, score, causal, width):
    inputs = masked_array(mask, BATCH, STEPS, CHANNELS)
    use_bias = causal
    layer = SelfAttention(UNITS, score, causal, width, use_bias=use_bias, diversity=0.3)
    actual = call_randomized(layer, inputs, mask=mask)
    projections = projections_of(layer.query_dense, layer.key_dense, layer.value_dense)
    kernel = None if layer.score_kernel is None else to_numpy(layer.score_kernel)
    expected = references.self_attention(inputs, mask, projections, score, kernel, causal, width)
    assert_close(actual, expected)
    assert_sums_to_one(actual[1], references.all_steps(inputs, mask))
    (loss,) = layer.losses
    assert_close(loss, 0.3 * references.diversity_penalty(expected[1], mask))


@masked
def test_multi_head_self_attention(mask):
    inputs = masked_array(mask, BATCH, STEPS, CHANNELS)
    layer = MultiHeadSelfAttention(num_heads=2, key_dim=UNITS)
    actual = call_randomized(layer, inputs, mask=mask)
    weights = weights_of(layer)
    projections = list(zip(weights[0:6:2], weights[1:6:2], strict=True))
    expected = references.multi_head_self_attention(inputs, mask, projections, *weights[6:])
    assert_close(actual, expected)
    assert_sums_to_one(actual[1], references.all_steps(inputs, mask)[:, None])


@pytest.mark.parametrize("mask", BLOCK_MASKS.values(), ids=BLOCK_MASKS)
def test_hierarchical_attention(mask):
    inputs = masked_array(mask, BATCH, 12, CHANNELS)
    layer = HierarchicalAttention(4, UNITS)
    actual = call_randomized(layer, inputs, mask=mask)
    within = layer.step_dense.kernel, layer.step_dense.bias, layer.step_vector
    over = layer.block_dense.kernel, layer.block_dense.bias, layer.block_vector
    expected = references.hierarchical_attention(
        inputs, mask, 4, tuple(map(to_numpy, within)), tuple(map(to_numpy, over))
    )
    assert_close(actual, expected)
    blocks = references.all_steps(inputs, mask).reshape(BATCH, 3, 4)
    assert_sums_to_one(actual[1][0], blocks.any(-1))
    assert_sums_to_one(actual[1][1])


@masked
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("return_sequences", [True, False])
def test_input_attention(mask, cell, return_sequences):
    inputs = masked_array(mask, BATCH, STEPS, CHANNELS)
    layer = InputAttention(UNITS, cell, return_sequences)
    actual = call_randomized(layer, inputs, mask=mask)
    step_cell = layer.recurrence.cell
    kernels = step_cell.query_dense.kernel, layer.key_dense.kernel, step_cell.score_vector
    outputs, scores = references.input_attention(
        inputs, mask, cell, *map(to_numpy, kernels), weights_of(step_cell.recurrent_cell)
    )
    assert_close(actual, (outputs if return_sequences else outputs[:, -1], scores))
    assert_sums_to_one(actual[1], references.all_steps(inputs, mask))


@masked
def test_variable_attention(mask):
    states = random_array(BATCH, CHANNELS, STEPS, UNITS)
    if mask is not None:
        states[np.broadcast_to(~mask[:, None], states.shape[:3])] = np.nan
    layer = VariableAttention(QUERIES)
    actual = call_randomized(layer, states, mask=mask)
    weights = layer.step_kernel, layer.step_bias, layer.step_vector, layer.variable_vector
    expected = references.variable_attention(states, mask, *map(to_numpy, weights))
    assert_close(actual, expected)
    assert_sums_to_one(actual[1][0])
    assert_sums_to_one(actual[1][1])


@masked
@pytest.mark.parametrize("scope", ["all", "per-dimension", "shared"])
@pytest.mark.parametrize("score", ["additive", "luong"])
def test_feature_state_attention(mask, scope, score):
    query = random_array(BATCH, QUERIES, 2, seed=1)
    states = random_array(BATCH, CHANNELS, STEPS, HORIZON + 1)
    if mask is not None:
        states[np.broadcast_to(~mask[:, None], states.shape[:3])] = np.nan
    layer = FeatureStateAttention(UNITS, scope, score)
    actual = call_randomized(layer, query, states, states_mask=mask)
    weights = [layer.query_dense.kernel]
    if score == "additive":
        weights += [layer.key_dense.kernel, layer.score_dense.kernel]
    weights = [np.squeeze(to_numpy(weight)) for weight in weights]
    expected = references.feature_state_attention(query, states, mask, scope, weights)
    assert_close(actual, expected)
    if scope == "all":
        np.testing.assert_allclose(to_numpy(actual[1]).sum((2, 3)), 1, atol=TOLERANCE)
    else:
        assert_sums_to_one(actual[1])


@pytest.mark.parametrize("scope", ["all", "per-dimension", "shared"])
def test_feature_state_attention_without_evidence_takes_the_mean(scope):
    states = random_array(BATCH, CHANNELS, STEPS, UNITS)
    layer = FeatureStateAttention(UNITS, scope)
    layer.build((BATCH, QUERIES, 2), states.shape)
    layer.score_dense.kernel.assign(np.zeros((UNITS, 1)))
    context = to_numpy(layer(random_array(BATCH, QUERIES, 2), states))
    expected = np.repeat(states.mean(2, dtype="float64")[:, None], QUERIES, axis=1)
    np.testing.assert_allclose(context, expected, atol=TOLERANCE)


@pytest.mark.parametrize("mask", BLOCK_MASKS.values(), ids=BLOCK_MASKS)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize(
    ("segment", "projection_units", "numbers"),
    [(1, None, None), (4, None, 2), (3, 7, None), (4, 7, 2), (12, 7, 2)],
)
def test_per_feature_recurrent(mask, cell, segment, projection_units, numbers):
    inputs = masked_array(mask, BATCH, 12, CHANNELS)
    context = None if numbers is None else random_array(BATCH, CHANNELS, numbers, seed=1)
    layer = PerFeatureRecurrent(
        UNITS, cell, embedding_units=2, segment=segment, projection_units=projection_units
    )
    layer.build(inputs.shape, None if context is None else context.shape)
    randomize(layer)
    projection = None
    if projection_units is not None:
        projection = to_numpy(layer.projection.kernel), to_numpy(layer.projection.bias)
    expected = references.per_feature_recurrent(
        inputs,
        mask,
        cell,
        segment,
        to_numpy(layer.embedding),
        weights_of(layer.recurrence),
        projection,
        context,
    )
    assert_close(layer(inputs, context, mask=mask), expected)


@masked
def test_reverse_time_attention(mask):
    inputs = masked_array(mask, BATCH, STEPS, CHANNELS)
    layer = ReverseTimeAttention(UNITS)
    context, (alphas, betas) = call_randomized(layer, inputs, mask=mask)
    embedding = to_numpy(layer.embedding.kernel)
    expected_context, (expected_alphas, expected_betas) = references.reverse_time_attention(
        inputs,
        mask,
        embedding,
        weights_of(layer.step_recurrence),
        weights_of(layer.weight_recurrence),
        to_numpy(layer.step_dense.kernel)[:, 0],
        to_numpy(layer.weight_dense.kernel),
        to_numpy(layer.weight_dense.bias),
    )
    assert_close((context, alphas), (expected_context, expected_alphas))
    # The weights of a masked step are multiplied by a score of 0.
    kept = references.all_steps(inputs, mask)
    assert_close(to_numpy(betas)[kept], expected_betas[kept])
    assert_sums_to_one(alphas)

    output_kernel = random_array(UNITS, 2, seed=3)
    contributions = layer.contributions(inputs, output_kernel, mask=mask)
    expected = references.reverse_time_contributions(
        inputs, mask, embedding, expected_alphas, expected_betas, output_kernel
    )
    assert_close(contributions, expected)
    assert_close(to_numpy(contributions).sum((1, 2)), to_numpy(context) @ output_kernel)


@masked
@pytest.mark.parametrize("training", [True, False])
def test_bottleneck_attention(mask, training):
    inputs = masked_array(mask, BATCH, STEPS, CHANNELS)
    layer = BottleneckAttention(beta=0.01, bias_learning_factor=2.0, noise_scale=0.0)
    layer.build(inputs.shape)
    power = np.random.default_rng(3).uniform(0.1, 3, size=inputs.shape[1:]).astype("float32")
    randomize(layer)
    layer.power.assign(power)
    actual = layer(inputs, mask=mask, training=training, return_attention_scores=True)
    outputs, nats, price = references.bottleneck_attention(
        inputs, mask, 2 * to_numpy(layer.bias), to_numpy(layer.context_dense.kernel), power, 0.01
    )
    assert_close(actual, (outputs, nats))
    (loss,) = layer.losses
    assert_close(loss, price)


def test_bottleneck_attention_starts_open():
    inputs = random_array(BATCH, STEPS, CHANNELS)
    outputs, nats = BottleneckAttention(initial_gate=0.95)(inputs, return_attention_scores=True)
    assert_close(outputs, 0.95 * inputs.astype("float64"))
    assert_close(nats, np.full(inputs.shape, 0.5 * np.log(1 + 19.0**2)))


def test_bottleneck_attention_adds_noise_in_training():
    mask = np.broadcast_to(MASKS["mixed"][1], (997, STEPS))
    inputs = masked_array(mask, 997, STEPS, CHANNELS)
    layer = BottleneckAttention(initial_gate=0.8, noise_scale=[0.5, 1.0, 3.0], seed=1)
    outputs = to_numpy(layer(inputs, mask=mask, training=True))
    assert np.all(outputs[~mask] == 0)
    noise = (outputs[mask] - 0.8 * inputs[mask]) / 0.2
    np.testing.assert_allclose(noise.std(0), [0.5, 1.0, 3.0], rtol=0.05)
    np.testing.assert_allclose(noise.mean(0) / [0.5, 1.0, 3.0], 0, atol=0.05)
    again = to_numpy(layer(inputs, mask=mask, training=True))
    assert not np.allclose(outputs, again)


DECODER_CASES = {
    "alone": {},
    "future": {"future_inputs": random_array(BATCH, HORIZON, 2, seed=5)},
    "first": {"first_input": random_array(BATCH, 2, seed=6)},
    "teacher": {
        "first_input": random_array(BATCH, 2, seed=6),
        "future_inputs": random_array(BATCH, HORIZON, 3, seed=5),
        "targets": random_array(BATCH, HORIZON, 2, seed=8),
    },
}


@masked
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("score", ["additive", "luong"])
@pytest.mark.parametrize("case", DECODER_CASES)
def test_attention_decoder(mask, cell, score, case):
    arguments = DECODER_CASES[case]
    states = masked_array(mask, BATCH, STEPS, CHANNELS)
    initial_state = [random_array(BATCH, UNITS, seed=seed) for seed in (1, 2)]
    if cell == "gru":
        initial_state.pop()
    layer = AttentionDecoder(UNITS, HORIZON, 2, cell, score)
    future_inputs = arguments.get("future_inputs")
    layer.build(
        states.shape,
        initial_state[0].shape if cell == "gru" else [part.shape for part in initial_state],
        None if future_inputs is None else future_inputs.shape,
    )
    randomize(layer)
    actual = layer(
        states,
        initial_state[0] if cell == "gru" else initial_state,
        states_mask=mask,
        training="targets" in arguments,
        return_attention_scores=True,
        **arguments,
    )
    step_cell = layer.recurrence.cell
    if score == "luong":
        score_weights = (step_cell.score_kernel,)
    else:
        score_weights = (
            step_cell.query_dense.kernel,
            step_cell.key_dense.kernel,
            step_cell.score_vector,
        )
    expected = references.attention_decoder(
        states,
        mask,
        initial_state,
        arguments.get("first_input"),
        HORIZON,
        cell,
        weights_of(step_cell.recurrent_cell),
        to_numpy(step_cell.output_dense.kernel),
        to_numpy(step_cell.output_dense.bias),
        tuple(map(to_numpy, score_weights)),
        future_inputs,
        arguments.get("targets"),
    )
    assert_close(actual, expected)
    assert_sums_to_one(actual[1])


FULLY_MASKED = {
    "luong": lambda: LuongAttention(UNITS),
    "feed-forward": lambda: FeedForwardAttention(),
    "self": lambda: SelfAttention(UNITS, diversity=0.3),
    "multi-head": lambda: MultiHeadSelfAttention(2, UNITS),
    "hierarchical": lambda: HierarchicalAttention(4, UNITS),
    "input": lambda: InputAttention(UNITS),
    "reverse-time": lambda: ReverseTimeAttention(UNITS),
    "bottleneck": lambda: BottleneckAttention(),
}


@pytest.mark.parametrize("name", FULLY_MASKED)
def test_fully_masked_window_has_no_scores(name):
    inputs = random_array(BATCH, 12, CHANNELS)
    mask = np.array([[False], [True]]).repeat(12, 1)
    layer = FULLY_MASKED[name]()
    outputs, scores = call_randomized(layer, inputs, mask=mask)
    assert np.all(np.isfinite(to_numpy(outputs)))
    if name == "reverse-time":
        scores = scores[0]
    for part in scores if isinstance(scores, tuple) else (scores,):
        assert np.all(to_numpy(part)[0] == 0)
    assert np.all(np.isfinite([to_numpy(loss) for loss in layer.losses]))


def test_fully_masked_states_have_no_scores():
    mask = np.array([[False], [True]]).repeat(STEPS, 1)
    states = random_array(BATCH, STEPS, CHANNELS)
    context, scores = call_randomized(
        BahdanauAttention(UNITS), random_array(BATCH, QUERIES, 2), states, states_mask=mask
    )
    assert np.all(to_numpy(context)[0] == 0)
    assert np.all(to_numpy(scores)[0] == 0)

    states = random_array(BATCH, CHANNELS, STEPS, UNITS)
    outputs, scores = call_randomized(VariableAttention(QUERIES), states, mask=mask)
    assert np.all(np.isfinite(to_numpy(outputs)))
    assert np.all(to_numpy(scores[0])[0] == 0)
    assert np.all(np.isfinite(to_numpy(scores[1])))

    for scope in ("all", "per-dimension", "shared"):
        context, scores = call_randomized(
            FeatureStateAttention(UNITS, scope),
            random_array(BATCH, QUERIES, 2),
            states,
            states_mask=mask,
        )
        assert np.all(to_numpy(context)[0] == 0)
        assert np.all(to_numpy(scores)[0] == 0)
        assert np.all(to_numpy(context)[1] != 0)

    layer = AttentionDecoder(UNITS, HORIZON, 2)
    outputs, scores = layer(
        random_array(BATCH, STEPS, CHANNELS),
        random_array(BATCH, UNITS),
        states_mask=mask,
        return_attention_scores=True,
    )
    assert np.all(np.isfinite(to_numpy(outputs)))
    assert np.all(to_numpy(scores)[0] == 0)
