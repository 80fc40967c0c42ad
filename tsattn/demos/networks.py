"""The small models of the demonstrations: what they forecast, and their attention scores."""

from typing import Any

import keras
from keras import layers, ops

from tsattn.demos import catalog
from tsattn.demos.entropy_price import EntropyPrice
from tsattn.demos.problems import source_steps
from tsattn.layers import (
    AttentionDecoder,
    BahdanauAttention,
    DenseAttention,
    FeedForwardAttention,
    LuongAttention,
    ReverseTimeAttention,
    SelfAttention,
    TemporalAttention,
)

UNITS = 32
SMALL_UNITS = 16
RETAIN_UNITS = 8
STATE_UNITS = 6
# The prices of weights and of entropy, see `_hello_dense` and `_before`.
DENSE_PRICE = 0.003
SCORE_PRICE = 0.1
ENTROPY_PRICE, WARM_UP = 0.1, 256
_RECURRENT = {"gru": layers.GRU, "lstm": layers.LSTM}


def build_network(name: str, variant: str) -> tuple[keras.Model, keras.Model]:
    """Build the model of a demonstration.

    Returns:
        The model that is trained, and one with the same weights that returns the scores: (batch,
        cells), or (batch, horizon, cells).
    """
    build = {
        "hello-dense": _hello_dense,
        "hello-recurrent": _hello_recurrent,
        "after-delimiter": _after_delimiter,
        "find-maximum": _find_maximum,
        "reordered-sequence": _reordered_sequence,
    }[name]
    inputs, outputs, scores = build(variant)
    return keras.Model(inputs, outputs), keras.Model(inputs, scores)


def _hello_dense(_: str) -> tuple[Any, Any, Any]:
    """Attend to a vector, then read it by two dense layers.

    The first one's kernel has a price. Without it, it can scale feature 1 up as well as the
    attention can, and the attention stops growing once the loss is near zero.
    """
    inputs = keras.Input((catalog.DENSE_FEATURES,))
    attended, scores = DenseAttention()(inputs, return_attention_scores=True)
    hidden = layers.Dense(
        SMALL_UNITS, activation="relu", kernel_regularizer=keras.regularizers.L2(DENSE_PRICE)
    )(attended)
    return inputs, layers.Dense(1, activation="sigmoid")(hidden), scores


def _hello_recurrent(variant: str) -> tuple[Any, Any, Any]:
    """Attend before or after a recurrent layer, or to values that are local to their step.

    After a recurrent layer the peak is free to move: the state of step 11, 12, ... still carries
    step 10, so that attending to it serves the forecast as well. States kept apart per feature
    (`PerFeatureRecurrent`) do not change that, since each of them carries its own step 10 on.
    What holds the peak at step 10 are values that are local to their step, as those of
    `ReverseTimeAttention`: its recurrent layers make the scores only, and no other value than
    that of step 10 knows the target.
    """
    if variant == "reverse-time":
        inputs = _recurrent_inputs()
        context, (scores, _) = ReverseTimeAttention(RETAIN_UNITS)(
            inputs, return_attention_scores=True
        )
        return inputs, layers.Dense(1, activation="sigmoid")(context), scores
    placement, kind = variant.split("-", 1)
    scope, cell = kind.rsplit("-", 1)
    return (_before if placement == "before" else _after)(scope, _RECURRENT[cell])


def _recurrent_inputs() -> Any:
    return keras.Input((catalog.RECURRENT_STEPS, catalog.RECURRENT_FEATURES))


def _before(scope: str, recurrent: Any) -> tuple[Any, Any, Any]:
    """Multiply the inputs by the scores, then read them by a recurrent layer.

    Only the product of score and kernel is determined by the data, and the gates of the recurrent
    layer alone can pick step 10 out, so that nothing makes the scores sharp by themselves: the
    demonstration asks for it by a price of their entropy (`EntropyPrice`).

    The kernel of the attention has a price too: with it step 10 can switch the score of any step,
    say 18, on and off, and what is then read is the score, not a value.
    """
    inputs = _recurrent_inputs()
    attended, scores = TemporalAttention(
        scope, kernel_regularizer=keras.regularizers.L2(SCORE_PRICE)
    )(inputs, return_attention_scores=True)
    state = recurrent(SMALL_UNITS)(EntropyPrice(ENTROPY_PRICE, WARM_UP)(attended, scores))
    outputs = layers.Dense(1, activation="sigmoid")(state)
    return inputs, outputs, ops.mean(scores, axis=-1)


def _after(scope: str, recurrent: Any) -> tuple[Any, Any, Any]:
    """Multiply the states of a recurrent layer by the scores, then read all of them."""
    inputs = _recurrent_inputs()
    states = recurrent(SMALL_UNITS, return_sequences=True)(inputs)
    attended, scores = TemporalAttention(scope)(states, return_attention_scores=True)
    outputs = layers.Dense(1, activation="sigmoid")(layers.Flatten()(attended))
    return inputs, outputs, ops.mean(scores, axis=-1)


def _after_delimiter(variant: str) -> tuple[Any, Any, Any]:
    """Sum up the states of a GRU: a step knows by its state whether a zero came before it.

    `reverse-time` reads these states from the last to the first, and `shared` computes its scores
    from the mean of the channels of each state.
    """
    inputs = keras.Input((catalog.DELIMITER_STEPS, 1))
    states = layers.GRU(UNITS, return_sequences=True)(inputs)
    context, scores = _summary(variant, states)
    return inputs, layers.Dense(1)(context), scores


def _find_maximum(variant: str) -> tuple[Any, Any, Any]:
    """Sum up the numbers themselves, whose logit is their multiple, or the states of a GRU."""
    inputs = keras.Input((catalog.MAXIMUM_STEPS, 1))
    steps = inputs
    if variant.endswith("-gru"):
        steps = layers.GRU(UNITS, return_sequences=True)(inputs)
    context, scores = _summary(variant.removesuffix("-gru"), steps)
    return inputs, layers.Dense(1)(context), scores


def _summary(mechanism: str, states: Any) -> tuple[Any, Any]:
    """Return the summary (batch, channels) of some states, and the scores (batch, steps)."""
    asked = {"return_attention_scores": True}
    if mechanism == "luong":
        context, scores = LuongAttention(UNITS)(states, **asked)
    elif mechanism == "bahdanau":
        context, scores = BahdanauAttention(UNITS)(states[:, -1], states, **asked)
    elif mechanism == "feed-forward":
        context, scores = FeedForwardAttention(use_bias=False, use_tanh=False)(states, **asked)
    elif mechanism == "self":
        outputs, scores = SelfAttention(UNITS)(states, **asked)
        context, scores = outputs[:, -1], scores[:, -1]  # what the last step attends to
    elif mechanism == "reverse-time":
        context, (scores, _) = ReverseTimeAttention(UNITS)(states, **asked)
    else:
        # A kernel of zeros would leave the scores the same for every window at first.
        outputs, scores = TemporalAttention(mechanism, kernel_initializer="identity")(
            states, **asked
        )
        context, scores = layers.GlobalAveragePooling1D()(outputs), scores[..., 0]
    return context, scores


def _reordered_sequence(variant: str) -> tuple[Any, Any, Any]:
    """Write the sequence anew, step by step, with `AttentionDecoder`.

    The states it attends to are local, a dense layer of the number and the position of a step, and
    it starts from zeros: so the scores are the only way from a number to the output. The states are
    small: the mean of larger ones can carry all numbers at once, which the decoder then keeps, and
    the scores need not choose. With a GRU as the encoder, whose last state the decoder starts from
    (`permuted-gru`), a state carries the numbers before it too: the decoder could then read a
    number at a later step, or at none.
    No true previous output is told: numbers drawn independently say nothing about the next.
    """
    steps = catalog.REORDERED_STEPS
    inputs = keras.Input((steps, 1 + steps))
    if variant.endswith("-gru"):
        states = layers.GRU(UNITS, return_sequences=True)(inputs)
        first_state = states[:, -1]
    else:
        states = layers.Dense(STATE_UNITS, activation="tanh")(inputs)
        first_state = ops.zeros_like(ops.repeat(states[:, -1, :1], UNITS, axis=1))
    horizon = len(source_steps(variant.removesuffix("-gru")))
    outputs, scores = AttentionDecoder(UNITS, horizon=horizon, num_outputs=1)(
        states, first_state, return_attention_scores=True
    )
    return inputs, outputs, scores
