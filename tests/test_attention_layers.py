import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from tsattn.layers import reverse_time_forecast
from tsattn.layers.attention_decoder import AttentionDecoder
from tsattn.layers.bahdanau_attention import BahdanauAttention
from tsattn.layers.bottleneck_attention import BottleneckAttention
from tsattn.layers.dense_attention import DenseAttention
from tsattn.layers.feature_state_attention import FeatureStateAttention
from tsattn.layers.feed_forward_attention import FeedForwardAttention
from tsattn.layers.hierarchical_attention import HierarchicalAttention
from tsattn.layers.input_attention import InputAttention
from tsattn.layers.luong_attention import LuongAttention
from tsattn.layers.masking import last_step, masked_softmax
from tsattn.layers.multi_head_self_attention import MultiHeadSelfAttention
from tsattn.layers.reverse_time_attention import ReverseTimeAttention
from tsattn.layers.reverse_time_forecast import ReverseTimeForecast
from tsattn.layers.self_attention import SelfAttention
from tsattn.layers.variable_attention import VariableAttention

BATCH, STEPS, FEATURES, UNITS, HORIZON = 2, 11, 3, 5, 7
WINDOW = (STEPS, FEATURES)
STATE = (UNITS,)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A layer, the shapes it is called with and what its scores sum to 1 over."""

    name: str
    make: Callable[..., Any]
    inputs: dict[str, Any]  # argument of the call: shape without the batch, or a list of shapes
    # Of each score the axis, or axes; None: not a softmax.
    sums: tuple[int | tuple[int, ...] | None, ...] = (-1,)
    outputs: tuple[int, ...]  # shape without the batch
    scores: tuple[tuple[int, ...], ...]  # shapes without the batch
    masked: str | None = None  # the argument that `mask_argument` masks
    mask_argument: str = "mask"
    step_axis: int = 1  # of the masked argument
    score_step_axes: tuple[int | None, ...] = (-1,)  # of each score
    trained: Callable[..., Any] = lambda outputs, scores: outputs  # what the loss is taken of
    untrained: str | None = None  # end of the path of a weight without gradient


def on_windows(name: str, make: Callable[..., Any], **rest: Any) -> Case:
    """Make a case of a layer that is called with maskable windows."""
    return Case(name=name, make=make, inputs={"inputs": WINDOW}, masked="inputs", **rest)


def to_state(name: str, make: Callable[..., Any], size: int) -> Case:
    """Make a case of a layer that sums up a window by one score for each step."""
    return on_windows(name, make, outputs=(size,), scores=((STEPS,),))


def to_steps(name: str, make: Callable[..., Any]) -> Case:
    """Make a case of self-attention."""
    return on_windows(name, make, outputs=(STEPS, UNITS), scores=((STEPS, STEPS),))


def decoder(name: str, make: Callable[..., Any], **more_inputs: Any) -> Case:
    """Make a case of the decoder."""
    return Case(
        name=name,
        make=make,
        inputs={"states": WINDOW, "initial_state": STATE, **more_inputs},
        outputs=(HORIZON, 2),
        scores=((HORIZON, STEPS),),
        masked="states",
        mask_argument="states_mask",
    )


def of_features(name: str, make: Callable[..., Any], features: int, **rest: Any) -> Case:
    """Make a case of queries over the states of features."""
    return Case(
        name=name,
        make=make,
        inputs={"query": (HORIZON, 2), "states": (FEATURES, STEPS, UNITS)},
        outputs=(HORIZON, FEATURES, UNITS),
        scores=((HORIZON, features, STEPS),),
        masked="states",
        mask_argument="states_mask",
        step_axis=2,
        **rest,
    )


CASES = [
    Case(
        name="dense",
        make=lambda **kw: DenseAttention("he_uniform", "ones", **kw),
        inputs={"inputs": (FEATURES,)},
        outputs=(FEATURES,),
        scores=((FEATURES,),),
    ),
    to_state("luong", lambda **kw: LuongAttention(UNITS, "he_uniform", **kw), UNITS),
    to_state("feed-forward", lambda **kw: FeedForwardAttention(**kw), FEATURES),
    to_state(
        "feed-forward plain",
        lambda **kw: FeedForwardAttention(use_bias=False, use_tanh=False, **kw),
        FEATURES,
    ),
    to_state(
        "feed-forward restrained",
        lambda **kw: FeedForwardAttention(
            kernel_initializer="he_uniform",
            bias_initializer="ones",
            kernel_regularizer="l2",
            bias_regularizer="l1",
            kernel_constraint="unit_norm",
            bias_constraint="non_neg",
            **kw,
        ),
        FEATURES,
    ),
    Case(
        name="bahdanau",
        make=lambda **kw: BahdanauAttention(UNITS, **kw),
        inputs={"query": (2,), "states": WINDOW},
        outputs=(FEATURES,),
        scores=((STEPS,),),
        masked="states",
        mask_argument="states_mask",
    ),
    Case(
        name="bahdanau queries",
        make=lambda **kw: BahdanauAttention(UNITS, **kw),
        inputs={"query": (HORIZON, 2), "states": WINDOW},
        outputs=(HORIZON, FEATURES),
        scores=((HORIZON, STEPS),),
        masked="states",
        mask_argument="states_mask",
    ),
    to_steps("self dot", lambda **kw: SelfAttention(UNITS, "dot", **kw)),
    to_steps("self scaled-dot", lambda **kw: SelfAttention(UNITS, causal=True, **kw)),
    to_steps(
        "self multiplicative",
        lambda **kw: SelfAttention(UNITS, "multiplicative", width=2, causal=True, **kw),
    ),
    to_steps(
        "self additive",
        lambda **kw: SelfAttention(UNITS, "additive", width=2, use_bias=True, diversity=0.5, **kw),
    ),
    on_windows(
        "multi-head",
        lambda **kw: MultiHeadSelfAttention(2, UNITS, dropout=0.1, **kw),
        outputs=WINDOW,
        scores=((2, STEPS, STEPS),),
        untrained="key/bias",  # the softmax cancels it
    ),
    Case(
        name="hierarchical",
        make=lambda **kw: HierarchicalAttention(STEPS, UNITS, **kw),
        inputs={"inputs": (HORIZON * STEPS, FEATURES)},
        outputs=(FEATURES,),
        scores=((HORIZON, STEPS), (HORIZON,)),
        sums=(-1, -1),
        masked="inputs",
        score_step_axes=(None, None),
    ),
    on_windows(
        "input lstm",
        lambda **kw: InputAttention(UNITS, **kw),
        outputs=(STEPS, UNITS),
        scores=(WINDOW,),
        score_step_axes=(1,),
    ),
    on_windows(
        "input gru",
        lambda **kw: InputAttention(UNITS, "gru", return_sequences=False, **kw),
        outputs=(UNITS,),
        scores=(WINDOW,),
        score_step_axes=(1,),
    ),
    Case(
        name="variable",
        make=lambda **kw: VariableAttention(HORIZON, **kw),
        inputs={"states": (FEATURES, STEPS, UNITS)},
        outputs=(FEATURES, 2 * UNITS),
        scores=((FEATURES, STEPS), (FEATURES,)),
        sums=(-1, -1),
        masked="states",
        step_axis=2,
        score_step_axes=(-1, None),
        trained=lambda outputs, scores: ops.einsum("bfc,bf->bc", outputs, scores[1]),
    ),
    of_features(
        "feature states",
        lambda **kw: FeatureStateAttention(UNITS, **kw),
        FEATURES,
        sums=((2, 3),),
    ),
    of_features(
        "feature states per-dimension",
        lambda **kw: FeatureStateAttention(UNITS, "per-dimension", "luong", **kw),
        FEATURES,
    ),
    of_features(
        "feature states shared",
        lambda **kw: FeatureStateAttention(UNITS, "shared", **kw),
        1,
    ),
    on_windows(
        "reverse-time",
        lambda **kw: ReverseTimeAttention(UNITS, **kw),
        outputs=(UNITS,),
        scores=((STEPS,), (STEPS, UNITS)),
        sums=(-1, None),
        score_step_axes=(-1, 1),
    ),
    Case(
        name="reverse-time forecast",
        make=lambda **kw: ReverseTimeForecast(UNITS, HORIZON, 0.1, **kw),
        inputs={"inputs": WINDOW, "scale": (HORIZON,)},
        outputs=(HORIZON,),
        scores=(WINDOW,),
        sums=(None,),
    ),
    on_windows(
        "bottleneck",
        lambda **kw: BottleneckAttention(
            beta=0.01,
            initial_gate=0.9,
            bias_learning_factor=2.0,
            noise_scale=[0.1, 0.2, 0.3],
            seed=1,
            **kw,
        ),
        outputs=WINDOW,
        scores=(WINDOW,),
        sums=(None,),
        score_step_axes=(1,),
    ),
    decoder("decoder gru", lambda **kw: AttentionDecoder(UNITS, HORIZON, 2, **kw)),
    decoder(
        "decoder lstm",
        lambda **kw: AttentionDecoder(UNITS, HORIZON, 2, "lstm", "luong", seed=1, **kw),
        initial_state=[STATE, STATE],
        future_inputs=(HORIZON, 3),
        first_input=(2,),
        targets=(HORIZON, 2),
    ),
]
MASKED_CASES = [case for case in CASES if case.masked]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(params=MASKED_CASES, ids=lambda case: case.name)
def masked_case(request: pytest.FixtureRequest) -> Case:
    return request.param


def random_inputs(case: Case, batch: int = BATCH) -> dict[str, Any]:
    generator = np.random.default_rng(7)

    def draw(shape: Any) -> Any:
        if isinstance(shape, list):
            return [draw(one) for one in shape]
        return generator.normal(size=(batch, *shape)).astype("float32")

    return {name: draw(shape) for name, shape in case.inputs.items()}


def random_mask(case: Case, batch: int = BATCH) -> np.ndarray:
    """Mask steps at the start, within and at the end; the last window altogether."""
    steps = case.inputs[case.masked][case.step_axis - 1]
    mask = np.ones((batch, steps), bool)
    mask[0, [0, 4, 5, -1]] = False
    mask[-1] = False
    return mask


def called(layer: Any, inputs: dict[str, Any], **arguments: Any) -> Any:
    first, *others = inputs
    return layer(inputs[first], **{name: inputs[name] for name in others}, **arguments)


def with_scores(layer: Any, inputs: dict[str, Any], **arguments: Any) -> tuple[Any, list[Any]]:
    outputs, scores = called(layer, inputs, return_attention_scores=True, **arguments)
    scores = scores if isinstance(scores, tuple) else (scores,)
    return to_numpy(outputs), [to_numpy(one) for one in scores]


def to_numpy(tensor: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(tensor))


def symbolic_inputs(case: Case) -> dict[str, Any]:
    def declare(shape: Any) -> Any:
        return [declare(one) for one in shape] if isinstance(shape, list) else keras.Input(shape)

    return {name: declare(shape) for name, shape in case.inputs.items()}


def model_of(case: Case) -> Any:
    inputs = symbolic_inputs(case)
    results = called(case.make(), inputs, return_attention_scores=True)
    return keras.Model(keras.tree.flatten(inputs), case.trained(*results))


def test_config_makes_the_same_layer(case: Case) -> None:
    layer = case.make(name="named")
    config = layer.get_config()
    arguments = [
        name
        for name, argument in inspect.signature(type(layer).__init__).parameters.items()
        if argument.kind is argument.POSITIONAL_OR_KEYWORD and name != "self"
    ]
    assert set(arguments) <= set(config)
    assert all(hasattr(layer, name) for name in arguments)
    assert type(layer).from_config(config).get_config() == config
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert restored.get_config() == config


def test_shapes_are_the_same_eager_and_symbolic(case: Case) -> None:
    outputs, scores = with_scores(case.make(), random_inputs(case))
    assert outputs.shape == (BATCH, *case.outputs)
    assert [score.shape for score in scores] == [(BATCH, *shape) for shape in case.scores]
    symbolic = called(case.make(), symbolic_inputs(case), return_attention_scores=True)
    assert [tuple(tensor.shape) for tensor in keras.tree.flatten(symbolic)] == [
        (None, *shape) for shape in (case.outputs, *case.scores)
    ]


def test_outputs_alone_are_the_same(case: Case) -> None:
    layer, inputs = case.make(), random_inputs(case)
    alone = to_numpy(called(layer, inputs))
    np.testing.assert_allclose(alone, with_scores(layer, inputs)[0], atol=1e-6)


@pytest.mark.parametrize(("policy", "dtype"), [(None, "float32"), ("mixed_float16", "float16")])
def test_outputs_are_finite_in_the_dtype_of_the_policy(
    case: Case, policy: str | None, dtype: str
) -> None:
    layer = case.make(dtype=policy)
    outputs, scores = with_scores(layer, random_inputs(case))
    for tensor in (outputs, *scores):
        assert tensor.dtype == dtype
        assert np.isfinite(tensor).all()
    assert {weight.dtype for weight in layer.trainable_weights} == {"float32"}


def test_scores_sum_to_one(case: Case) -> None:
    _, scores = with_scores(case.make(), random_inputs(case))
    for score, axis in zip(scores, case.sums, strict=True):
        if axis is not None:
            assert (score >= 0).all()
            np.testing.assert_allclose(score.sum(axis), 1, rtol=1e-5)


def test_masked_steps_change_nothing(masked_case: Case) -> None:
    layer, inputs, mask = masked_case.make(), random_inputs(masked_case), random_mask(masked_case)
    before = with_scores(layer, inputs, **{masked_case.mask_argument: mask})
    steps_last = np.moveaxis(inputs[masked_case.masked], masked_case.step_axis, 1)  # a view
    steps_last[~mask] = np.nan
    after = with_scores(layer, inputs, **{masked_case.mask_argument: mask})
    np.testing.assert_array_equal(after[0], before[0])
    for score, score_before in zip(after[1], before[1], strict=True):
        np.testing.assert_array_equal(score, score_before)
    assert np.isfinite(after[0]).all()


def test_masked_steps_get_no_score(masked_case: Case) -> None:
    mask = random_mask(masked_case)
    _, scores = with_scores(
        masked_case.make(), random_inputs(masked_case), **{masked_case.mask_argument: mask}
    )
    axes = zip(scores, masked_case.sums, masked_case.score_step_axes, strict=True)
    for score, axis, step_axis in axes:
        if step_axis is not None:
            steps_second = np.moveaxis(score, step_axis, 1)
            assert (steps_second[~mask] == 0).all()
            assert (steps_second[mask] != 0).any()
        if axis is not None:
            sums = score.sum(axis)
            assert np.isclose(sums[0], 1, rtol=1e-5).any()
            assert (np.isclose(sums, 1, rtol=1e-5) | (sums == 0)).all()


def test_mask_of_everything_is_no_mask(masked_case: Case) -> None:
    layer, inputs = masked_case.make(), random_inputs(masked_case)
    mask = np.ones_like(random_mask(masked_case))
    masked = with_scores(layer, inputs, **{masked_case.mask_argument: mask})
    unmasked = with_scores(layer, inputs)
    np.testing.assert_allclose(masked[0], unmasked[0], atol=1e-6)
    for score, unmasked_score in zip(masked[1], unmasked[1], strict=True):
        np.testing.assert_allclose(score, unmasked_score, atol=1e-6)


def test_mask_in_mixed_precision_is_finite(masked_case: Case) -> None:
    outputs, scores = with_scores(
        masked_case.make(dtype="mixed_float16"),
        random_inputs(masked_case),
        **{masked_case.mask_argument: random_mask(masked_case)},
    )
    assert all(np.isfinite(tensor).all() for tensor in (outputs, *scores))


def test_mask_of_the_inputs_is_found(masked_case: Case) -> None:
    layer, inputs, mask = masked_case.make(), random_inputs(masked_case), random_mask(masked_case)
    expected = with_scores(layer, inputs, **{masked_case.mask_argument: mask})
    steps_second = np.moveaxis(inputs[masked_case.masked], masked_case.step_axis, 1)
    if steps_second.ndim != 3:
        pytest.skip("keras.layers.Masking marks sequences of vectors only")
    steps_second[~mask] = -9
    inputs[masked_case.masked] = keras.layers.Masking(-9)(inputs[masked_case.masked])
    found = with_scores(layer, inputs)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(found[1][0], expected[1][0], atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_training_step_changes_every_weight(case: Case, masked: bool) -> None:
    if masked and case.masked is None:
        pytest.skip("the layer takes no mask")
    inputs, arguments = symbolic_inputs(case), {}
    if masked:
        arguments[case.mask_argument] = keras.Input(random_mask(case).shape[1:], dtype="bool")
    layer = case.make()
    outputs = case.trained(*called(layer, inputs, return_attention_scores=True, **arguments))
    model = keras.Model(keras.tree.flatten([inputs, arguments]), outputs)
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    before = [to_numpy(weight) for weight in layer.trainable_weights]
    data = keras.tree.flatten(random_inputs(case, 5))
    data += [random_mask(case, 5)] if masked else []
    history = model.fit(data, np.ones((5, *outputs.shape[1:]), "float32"), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert before
    for weight, weight_before in zip(layer.trainable_weights, before, strict=True):
        assert np.isfinite(to_numpy(weight)).all()
        if not (case.untrained and weight.path.endswith(case.untrained)):
            assert (to_numpy(weight) != weight_before).any(), weight.path


def test_saved_model_gives_the_same_outputs(case: Case, tmp_path: Path) -> None:
    model, data = model_of(case), keras.tree.flatten(random_inputs(case))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0), model.predict(data, verbose=0), atol=1e-6
    )
    assert [weight.path for weight in loaded.weights] == [weight.path for weight in model.weights]


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() == "torch", reason="has no XLA")
def test_layers_train_with_xla(case: Case) -> None:
    model = model_of(case)
    model.compile("adam", "mse", jit_compile=True)
    data = keras.tree.flatten(random_inputs(case))
    targets = np.ones((BATCH, *model.output_shape[1:]), "float32")
    assert np.isfinite(model.fit(data, targets, epochs=2, verbose=0).history["loss"]).all()


WINDOWS = np.zeros((BATCH, *WINDOW), "float32")
ERRORS = [
    (lambda: DenseAttention()(WINDOWS), r"Received: input_shape=\(2, 11, 3\).*Input\(\(features"),
    (lambda: LuongAttention(UNITS)(WINDOWS[0]), r"Received: input_shape=\(11, 3\).*Input\(\("),
    (lambda: FeedForwardAttention()(WINDOWS[0]), r"Received: input_shape=\(11, 3\).*Input\(\("),
    (
        lambda: FeedForwardAttention()(keras.Input((None, FEATURES))),
        r"Received: input_shape=\(None, None, 3\).*use_bias=False",
    ),
    (
        lambda: BahdanauAttention(UNITS)(WINDOWS[..., None], WINDOWS),
        r"Received: query_shape=\(2, 11, 3, 1\).*Reshape",
    ),
    (lambda: SelfAttention(UNITS, "cosine"), r"Received: score='cosine'.*Use one of these"),
    (lambda: SelfAttention(UNITS, width=-1), r"Received: width=-1.*Pass None"),
    (lambda: SelfAttention(UNITS, diversity=-1), r"Received: diversity=-1.*Pass 0"),
    (
        lambda: HierarchicalAttention(5, UNITS)(WINDOWS),
        r"Received: block_steps=5, input_shape=\(2, 11, 3\).*Change one",
    ),
    (lambda: InputAttention(UNITS, "rnn"), r"Received: cell='rnn'.*Use one of these"),
    (
        lambda: InputAttention(UNITS)(keras.Input((None, FEATURES))),
        r"Received: input_shape=\(None, None, 3\).*Input\(\(steps",
    ),
    (
        lambda: VariableAttention(UNITS)(WINDOWS),
        r"Received: states_shape=\(2, 11, 3\).*Keep the states",
    ),
    (
        lambda: FeatureStateAttention(UNITS, "each"),
        r"Received: scope='each'\. Use one of these",
    ),
    (
        lambda: FeatureStateAttention(UNITS, score="dot"),
        r"Received: score='dot'\. Use one of these",
    ),
    (
        lambda: ReverseTimeForecast(UNITS, HORIZON)(WINDOWS[0]),
        r"Received: inputs_shape=.*Declare the input",
    ),
    (
        lambda: ReverseTimeAttention(UNITS)(WINDOWS[0]),
        r"Received: input_shape=\(11, 3\).*Input\(\(steps",
    ),
    (lambda: BottleneckAttention(initial_gate=1), r"Received: initial_gate=1\. Use"),
    (
        lambda: BottleneckAttention(noise_scale=[1, 2])(WINDOWS),
        r"Received: noise_scale=\[1\.0, 2\.0\] for 3 features\. Pass 3",
    ),
    (
        lambda: BottleneckAttention()(keras.Input((None, FEATURES))),
        r"Received: input_shape=\(None, None, 3\).*Input\(\(steps",
    ),
    (lambda: AttentionDecoder(UNITS, HORIZON, 1, "rnn"), r"Received: cell='rnn'.*Use one"),
    (
        lambda: AttentionDecoder(UNITS, HORIZON, 1, score="dot"),
        r"Received: score='dot'.*Use one of these",
    ),
    (
        lambda: AttentionDecoder(UNITS, HORIZON, 1)(
            keras.Input((None, FEATURES)), keras.Input(STATE)
        ),
        r"Received: states_shape=\(None, None, 3\).*Input\(\(steps",
    ),
    (
        lambda: AttentionDecoder(UNITS, HORIZON, 1, "lstm")(WINDOWS, WINDOWS[:, 0]),
        r"Received: initial_state_shape=\(2, 3\), units=5\. Pass the state",
    ),
    (
        lambda: AttentionDecoder(FEATURES, HORIZON, 1)(
            WINDOWS, WINDOWS[:, 0], future_inputs=WINDOWS
        ),
        r"Received: future_inputs_shape=\(2, 11, 3\), horizon=7\. Pass \(batch, 7",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_say_what_came_and_what_to_do(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_masked_softmax_of_far_apart_logits() -> None:
    # The masked logit is the highest, and far above the others.
    scores = to_numpy(
        masked_softmax(ops.array([[-1e6, -1e6, 0.0]]), ops.array([[True, True, False]]))
    )
    np.testing.assert_allclose(scores, [[0.5, 0.5, 0]])


def test_masked_softmax_of_one_entry_is_one_without_a_warning() -> None:
    logits = np.array([[3.0], [-1.0]])
    np.testing.assert_array_equal(to_numpy(masked_softmax(ops.array(logits), None)), [[1], [1]])
    mask = ops.array([[True], [False]])
    np.testing.assert_array_equal(to_numpy(masked_softmax(ops.array(logits), mask)), [[1], [0]])


@pytest.mark.parametrize("scope", ["all", "per-dimension", "shared"])
def test_feature_state_attention_over_one_state_warns_of_nothing(scope: str) -> None:
    layer = FeatureStateAttention(UNITS, scope)
    states = np.ones((BATCH, 1, 1, UNITS), "float32")
    context, (scores,) = with_scores(layer, {"query": states[:, 0], "states": states})
    np.testing.assert_array_equal(scores, np.ones((BATCH, 1, 1, 1)))
    np.testing.assert_array_equal(context, states[:, None, 0])


def test_last_step_is_the_last_unmasked() -> None:
    inputs = np.arange(6.0).reshape(2, 3, 1)
    mask = ops.array([[True, True, False], [False, False, False]])
    np.testing.assert_array_equal(to_numpy(last_step(ops.array(inputs), mask)), [[1.0], [0.0]])
    np.testing.assert_array_equal(to_numpy(last_step(ops.array(inputs), None)), [[2.0], [5.0]])


def test_feed_forward_tanh_bounds_the_largest_weight() -> None:
    windows = np.zeros((1, STEPS, 1), "float32")
    windows[:, 1:] = -100
    windows[:, 0] = 100
    bound = np.exp(2) / (np.exp(2) + STEPS - 1)
    for use_tanh, largest in ((True, bound), (False, 1)):
        layer = FeedForwardAttention(use_tanh=use_tanh, kernel_initializer="ones")
        _, scores = layer(windows, return_attention_scores=True)
        np.testing.assert_allclose(to_numpy(scores).max(), largest, rtol=1e-5)


def test_feed_forward_regularizers_and_constraints_apply() -> None:
    layer = FeedForwardAttention(
        kernel_initializer="ones",
        bias_initializer="ones",
        kernel_regularizer=keras.regularizers.L2(1.0),
        bias_regularizer=keras.regularizers.L1(1.0),
        kernel_constraint="unit_norm",
        bias_constraint="non_neg",
    )
    layer(WINDOWS)
    assert sorted(float(to_numpy(loss)) for loss in layer.losses) == [FEATURES, STEPS]
    assert layer.kernel.constraint is layer.kernel_constraint
    assert layer.bias.constraint is layer.bias_constraint


def test_self_attention_reads_only_what_it_may() -> None:
    inputs = random_inputs(next(case for case in CASES if case.name == "self dot"))
    layer = SelfAttention(UNITS, causal=True, width=2)
    _, (scores,) = with_scores(layer, inputs)
    distance = np.arange(STEPS)[:, None] - np.arange(STEPS)
    permitted = (distance >= 0) & (distance <= 2)
    assert (scores[:, permitted] > 0).all()
    assert (scores[:, ~permitted] == 0).all()


def test_self_attention_diversity_is_zero_for_distinct_rows() -> None:
    # Width 0 leaves only the step itself, so that the scores are the identity.
    for width, at_least, at_most in ((0, 0, 0), (None, 0.1, np.inf)):
        layer = SelfAttention(UNITS, width=width, diversity=1.0)
        layer(WINDOWS)
        (loss,) = layer.losses
        assert at_least <= float(to_numpy(loss)) <= at_most
    # All scores are 1 / 11, so all products are, too: 110 / 121 + 11 (10 / 11)^2 = 10.
    np.testing.assert_allclose(to_numpy(loss), STEPS - 1, rtol=1e-5)


def test_multi_head_drops_scores_in_training() -> None:
    layer = MultiHeadSelfAttention(2, UNITS, dropout=0.5)
    inputs = np.random.default_rng(1).normal(size=(BATCH, *WINDOW)).astype("float32")
    assert (to_numpy(layer(inputs, training=True)) != to_numpy(layer(inputs))).any()


def test_input_attention_is_uniform_without_evidence() -> None:
    inputs = {"inputs": np.random.default_rng(1).normal(size=(BATCH, *WINDOW)).astype("float32")}
    layer = InputAttention(UNITS, "gru")
    layer.build((None, *WINDOW))
    layer.recurrence.cell.score_vector.assign(np.zeros(STEPS))
    outputs, (scores,) = with_scores(layer, inputs)
    np.testing.assert_allclose(scores, 1 / FEATURES, rtol=1e-5)
    gru = keras.layers.GRU(UNITS, return_sequences=True)
    gru.build((None, *WINDOW))
    gru.set_weights(layer.recurrence.cell.recurrent_cell.get_weights())
    np.testing.assert_allclose(outputs, to_numpy(gru(inputs["inputs"])), atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_reverse_time_contributions_sum_to_the_output(masked: bool) -> None:
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(BATCH, *WINDOW)).astype("float32")
    kernel = generator.normal(size=(UNITS, HORIZON)).astype("float32")
    mask = np.arange(STEPS) % 3 > 0
    mask = np.stack([mask, ~mask]) if masked else None
    layer = ReverseTimeAttention(UNITS)
    contributions = to_numpy(layer.contributions(inputs, kernel, mask=mask))
    assert contributions.shape == (BATCH, *WINDOW, HORIZON)
    if masked:
        assert (contributions[~mask] == 0).all()
    expected = to_numpy(layer(inputs, mask=mask)) @ kernel
    np.testing.assert_allclose(contributions.sum((1, 2)), expected, atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 4 * STEPS * FEATURES, 1 << 15])
def test_reverse_time_forecast_is_the_sum_of_its_contributions(monkeypatch, at_once: int) -> None:
    monkeypatch.setattr(reverse_time_forecast, "_NUMBERS_AT_ONCE", at_once)
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(BATCH, *WINDOW)).astype("float32")
    scale = generator.uniform(1, 2, size=(BATCH, HORIZON)).astype("float32")
    layer = ReverseTimeForecast(UNITS, HORIZON)
    layer.build(inputs.shape)
    layer.set_weights([generator.normal(size=w.shape) for w in layer.get_weights()])
    outputs, scores = layer(inputs, scale, return_attention_scores=True)
    contributions = to_numpy(layer.contributions(inputs))  # (batch, steps, features, outputs)
    whole = contributions.sum((1, 2)) + to_numpy(layer.head.bias)
    np.testing.assert_allclose(to_numpy(outputs), whole, rtol=1e-4, atol=1e-4)
    expected = (np.abs(contributions) * scale[:, None, None]).mean(-1)
    np.testing.assert_allclose(to_numpy(scores), expected, rtol=1e-4, atol=1e-6)
    _, unscaled = layer(inputs, return_attention_scores=True)
    expected = np.abs(contributions).mean(-1)
    np.testing.assert_allclose(to_numpy(unscaled), expected, rtol=1e-4, atol=1e-6)


def test_bottleneck_starts_open_and_counts_nats() -> None:
    layer = BottleneckAttention(beta=0.5, initial_gate=0.9, bias_learning_factor=2.0)
    ones = np.ones((BATCH, *WINDOW), "float32")
    outputs, nats = layer(ones, return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(outputs), 0.9, rtol=1e-5)
    each = np.log(1 + 0.9**2 / 0.1**2) / 2
    np.testing.assert_allclose(to_numpy(nats), each, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(layer.bias), np.log(9) / 2, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(layer.losses[0]), 0.5 * STEPS * FEATURES * each, rtol=1e-5)
    layer.penalty.assign(0.0)
    layer(ones)
    assert float(to_numpy(layer.losses[0])) == 0


def test_bottleneck_noise_is_scaled_and_only_in_training() -> None:
    scales = [0.0, 1.0, 10.0]
    zeros = np.zeros((101, *WINDOW), "float32")
    layer = BottleneckAttention(initial_gate=0.5, noise_scale=scales, seed=3)
    assert (to_numpy(layer(zeros)) == 0).all()
    noise = to_numpy(layer(zeros, training=True))
    np.testing.assert_allclose(noise.std((0, 1)), 0.5 * np.array(scales), rtol=0.1)
    assert (noise != to_numpy(layer(zeros, training=True)))[..., 1:].all()
    again = BottleneckAttention(initial_gate=0.5, noise_scale=scales, seed=3)
    np.testing.assert_array_equal(to_numpy(again(zeros, training=True)), noise)


@pytest.mark.parametrize("training", [False, True])
def test_bottleneck_passes_nothing_of_closed_cells_whatever_is_read(training: bool) -> None:
    layer = BottleneckAttention(initial_gate=0.5)
    layer.build((None, *WINDOW))
    layer.context_dense.kernel.assign(np.ones((FEATURES, FEATURES)))
    cells = np.zeros(WINDOW, dtype=bool)
    cells[3, 1] = cells[7, 0] = True
    layer.close(cells)
    np.testing.assert_array_equal(to_numpy(layer.is_closed()), cells)
    huge = np.full((BATCH, *WINDOW), 1e4, "float32")
    outputs, nats = layer(huge, training=training, return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(outputs)[:, cells], 0, atol=1e-12)
    np.testing.assert_allclose(to_numpy(nats)[:, cells], 0, atol=1e-12)
    np.testing.assert_allclose(to_numpy(outputs)[:, ~cells], 1e4, rtol=1e-5)


def decoder_outputs(layer: Any, probability: float | None, **arguments: Any) -> np.ndarray:
    generator = np.random.default_rng(1)
    inputs = {
        "states": generator.normal(size=(BATCH, *WINDOW)).astype("float32"),
        "initial_state": generator.normal(size=(BATCH, *STATE)).astype("float32"),
        "targets": generator.normal(size=(BATCH, HORIZON, 1)).astype("float32"),
    }
    if not layer.built:
        called(layer, inputs)
    if probability is not None:
        layer.teacher_probability.assign(probability)
    return to_numpy(called(layer, inputs, **arguments))


def test_decoder_reads_the_truth_with_its_probability() -> None:
    layer = AttentionDecoder(UNITS, HORIZON, 1, seed=3)
    own = decoder_outputs(layer, 1.0, training=False)
    truth = decoder_outputs(layer, 1.0, training=True)
    np.testing.assert_array_equal(own[:, 0], truth[:, 0])
    assert (own[:, 1:] != truth[:, 1:]).all()
    np.testing.assert_array_equal(own, decoder_outputs(layer, 0.0, training=True))


def test_decoder_draws_the_truth_by_its_seed() -> None:
    def outputs(probability: float) -> np.ndarray:
        keras.utils.set_random_seed(5)
        layer = AttentionDecoder(UNITS, HORIZON, 1, seed=3)
        return decoder_outputs(layer, probability, training=True)

    np.testing.assert_array_equal(outputs(0.5), outputs(0.5))
    assert (outputs(0.5) != outputs(0.0)).any()
    assert (outputs(0.5) != outputs(1.0)).any()


def test_decoder_starts_from_the_first_input() -> None:
    layer = AttentionDecoder(UNITS, HORIZON, 1)
    zeros = decoder_outputs(layer, None, first_input=np.zeros((BATCH, 1), "float32"))
    np.testing.assert_array_equal(decoder_outputs(layer, None), zeros)
    ones = decoder_outputs(layer, None, first_input=np.ones((BATCH, 1), "float32"))
    assert (ones != zeros).all()


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_contributions_take_any_number_type(dtype: str) -> None:
    layer = ReverseTimeAttention(5, dtype=dtype)
    inputs, kernel = np.ones((2, 11, 3)), np.ones((5, 7))  # float64
    assert tuple(layer.contributions(inputs, kernel).shape) == (2, 11, 3, 7)


def test_arguments_may_be_numpy_numbers_and_functions() -> None:
    layer = BottleneckAttention(noise_scale=np.float32(0.5))
    assert layer.get_config()["noise_scale"] == 0.5
    outputs = LuongAttention(5, kernel_initializer=keras.initializers.Ones())(np.ones((2, 11, 3)))
    assert tuple(outputs.shape) == (2, 5)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: HierarchicalAttention(0, 5)(np.ones((2, 12, 3))), "block_steps=0"),
        (lambda: HierarchicalAttention(4, 5)(np.ones((2, 12))), r"input_shape=\(2, 12\)"),
        (lambda: SelfAttention(5)(np.ones((2, 12))), r"input_shape=\(2, 12\)"),
        (lambda: AttentionDecoder(5, horizon=0, num_outputs=1), "horizon=0"),
    ],
)
def test_wrong_sizes_are_named(make, received: str) -> None:
    with pytest.raises(ValueError, match=f"Received: .*{received}"):
        make()
