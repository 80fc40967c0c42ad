"""Reading a window: recurrent layers and an attention mechanism give a context and the scores."""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import layers, ops

from tsattn.layers import (
    BahdanauAttention,
    FeedForwardAttention,
    InputAttention,
    LuongAttention,
    MultiHeadSelfAttention,
    PerFeatureRecurrent,
    SelfAttention,
    TemporalAttention,
    VariableAttention,
)

NUM_HEADS = 4
RECURRENT_LAYERS = {"gru": layers.GRU, "lstm": layers.LSTM}
NAME = "attention"


class Encoded(NamedTuple):
    """An encoded window."""

    context: Any  # (batch, context channels)
    scores: Any  # (batch, lookback, channels of the attention), None without attention


def encode(
    sequence: Any, *, attention: str, placement: str, cell: str, units: int, num_layers: int
) -> Encoded:
    """Encode a window (batch, lookback, features).

    The arguments are those of `build_forecaster`.
    """
    if attention in ("none", "bottleneck"):  # gates stand in front of all that is read
        return Encoded(recurrent(sequence, cell, units, num_layers), None)
    if attention == "input":
        return _input(sequence, cell, units, num_layers)
    if attention == "variable":
        return _variable(sequence, cell, units)
    if placement == "before":
        attended, scores = _BEFORE[attention](sequence, units)
        return Encoded(recurrent(attended, cell, units, num_layers), scores)
    states = recurrent(sequence, cell, units, num_layers, return_sequences=True)
    return _AFTER[attention](states, units)


def recurrent(
    sequence: Any, cell: str, units: int, num_layers: int, *, return_sequences: bool = False
) -> Any:
    """Return the last state (batch, units), or all states (batch, lookback, units)."""
    for i in range(num_layers):
        keeps_steps = return_sequences or i < num_layers - 1
        layer = RECURRENT_LAYERS[cell]
        sequence = layer(units, return_sequences=keeps_steps, name=f"recurrent_{i}")(sequence)
    return sequence


def _temporal_before(scope: str) -> Callable[[Any, int], tuple[Any, Any]]:
    def attend(sequence: Any, units: int) -> tuple[Any, Any]:
        layer = TemporalAttention(scope, name=NAME)
        attended, scores = layer(sequence, return_attention_scores=True)
        return attended, scores

    return attend


def _temporal_after(scope: str) -> Callable[[Any, int], Encoded]:
    def attend(states: Any, units: int) -> Encoded:
        attended, scores = TemporalAttention(scope, name=NAME)(states, return_attention_scores=True)
        # The layer multiplies by the number of steps: the mean is the sum of score times state.
        return Encoded(layers.GlobalAveragePooling1D(name="context")(attended), scores)

    return attend


def _self_before(sequence: Any, units: int) -> tuple[Any, Any]:
    attended, scores = SelfAttention(units, name=NAME)(sequence, return_attention_scores=True)
    return attended, _over_steps(ops.mean(scores, axis=1))  # the mean over the queries


def _multi_head_before(sequence: Any, units: int) -> tuple[Any, Any]:
    attended, scores = _multi_head(units)(sequence, return_attention_scores=True)
    return attended, _over_steps(ops.mean(scores, axis=(1, 2)))  # over heads and queries


def _luong(states: Any, units: int) -> Encoded:
    context, scores = LuongAttention(units, name=NAME)(states, return_attention_scores=True)
    return Encoded(context, _over_steps(scores))


def _feed_forward(states: Any, units: int) -> Encoded:
    # tanh would bound the logits, and no score could stand out in a long window.
    layer = FeedForwardAttention(use_tanh=False, name=NAME)
    context, scores = layer(states, return_attention_scores=True)
    return Encoded(context, _over_steps(scores))


def _additive(states: Any, units: int) -> Encoded:
    last = states[:, -1]
    layer = BahdanauAttention(units, name=NAME)
    context, scores = layer(last, states, return_attention_scores=True)
    return Encoded(layers.Concatenate(name="context")([context, last]), _over_steps(scores))


def _self_after(states: Any, units: int) -> Encoded:
    attended, scores = SelfAttention(units, name=NAME)(states, return_attention_scores=True)
    return Encoded(attended[:, -1], _over_steps(scores[:, -1]))  # what the last step looks at


def _multi_head_after(states: Any, units: int) -> Encoded:
    attended, scores = _multi_head(units)(states, return_attention_scores=True)
    return Encoded(attended[:, -1], _over_steps(ops.mean(scores[:, :, -1], axis=1)))


def _multi_head(units: int) -> MultiHeadSelfAttention:
    return MultiHeadSelfAttention(NUM_HEADS, max(units // NUM_HEADS, 1), name=NAME)


def _input(sequence: Any, cell: str, units: int, num_layers: int) -> Encoded:
    """Attend to features at every step, then to steps: the two stages of DA-RNN."""
    states, over_features = InputAttention(units, cell, name=NAME)(
        sequence, return_attention_scores=True
    )
    if num_layers > 1:
        states = recurrent(states, cell, units, num_layers - 1, return_sequences=True)
    last = states[:, -1]
    context, over_steps = BahdanauAttention(units, name="temporal_attention")(
        last, states, return_attention_scores=True
    )
    context = layers.Concatenate(name="context")([context, last])
    return Encoded(context, over_features * _over_steps(over_steps))


def _variable(sequence: Any, cell: str, units: int) -> Encoded:
    """Attend to the steps of every feature, then to features: the mixture of IMV-LSTM."""
    states = PerFeatureRecurrent(units, cell, name="recurrent_0")(sequence)
    parts, (over_steps, over_features) = VariableAttention(units, name=NAME)(
        states, return_attention_scores=True
    )
    over_features = ops.expand_dims(over_features, -1)  # (batch, features, 1)
    context = ops.sum(over_features * parts, axis=1)
    return Encoded(context, ops.transpose(over_features * over_steps, (0, 2, 1)))


def _over_steps(scores: Any) -> Any:
    """Return scores (batch, lookback) as those of one channel: (batch, lookback, 1)."""
    return ops.expand_dims(scores, -1)


_BEFORE = {
    "per-dimension": _temporal_before("per-dimension"),
    "shared": _temporal_before("shared"),
    "self": _self_before,
    "multi-head": _multi_head_before,
}
_AFTER = {
    "per-dimension": _temporal_after("per-dimension"),
    "shared": _temporal_after("shared"),
    "luong": _luong,
    "feed-forward": _feed_forward,
    "additive": _additive,
    "self": _self_after,
    "multi-head": _multi_head_after,
}
