"""A forecast from states that belong to one feature each: the `per-feature` encoder."""

from typing import Any

from keras import layers, ops

from tsattn.layers import (
    FeatureStateAttention,
    LearnedQueries,
    PerFeatureRecurrent,
)
from tsattn.models.encoders import NAME, RECURRENT_LAYERS
from tsattn.models.heads import Decoded
from tsattn.models.window_shape import WindowShape
from tsattn.segments import Edges, horizon_parts

STEP_SHARE = 2  # units for each unit of the network of the steps
_SCOPES = {
    "per-dimension": ("per-dimension", "additive"),
    "shared": ("shared", "additive"),
    "additive": ("all", "additive"),
    "luong": ("all", "luong"),
    # The gates in front have the scores; behind them each feature has a softmax of its own.
    "bottleneck": ("per-dimension", "additive"),
}
# Nobody is told that a state belongs to one feature.
_READ_AT_THE_GATES = ("bottleneck", "none")


def decode_by_feature(
    sequence: Any,
    future: Any,
    levels: Any,
    shape: WindowShape,
    *,
    attention: str,
    cell: str,
    segment: int,
    units: int,
    num_layers: int,
    dropout: float,
    num_quantiles: int | None,
) -> Decoded:
    """Encode each feature of a window (batch, lookback, features) by itself, and forecast.

    One recurrent layer reads every feature, segment by segment (Lin et al. 2023, SegRNN, arXiv
    2308.11200). For each target and each part of the horizon a query weighs the states of the
    target and of all covariates; targets do not read one another, but for the gates of a
    bottleneck, which are computed from all features. The query is made of what is known ahead of
    the part, of `levels` (batch, features, numbers), what is read of spread and level of the
    window, and of the target's last state; with attention, the last state decides where to look
    only, unless the scores are those of gates in front: the last state of each feature is then
    added to its context (Luong et al. 2015, arXiv 1508.04025, equation 5, reads both), since means
    of states learn products of features late. A dense layer of contexts and query gives the steps
    of the part, and a small network that all steps share adds what follows from what is known ahead
    of each of them.

    Where no scores are made of the states, a target is read less what follows from the values known
    ahead at the same step, and gets back what follows from them at the steps forecast: a regression
    with autocorrelated errors, which the other layers forecast (Box & Jenkins 1970).

    Args:
        sequence: asinh of the window.
        future: asinh of what is known ahead; None where nothing is.
        levels: See above; None where nothing is read.
        shape: The sizes of the window.
        attention: `"bottleneck"` for a window that passed the gates, or that over the states.
        cell: `"gru"` or `"lstm"`.
        segment: Steps read at once.
        units: Hidden units.
        num_layers: Recurrent layers.
        dropout: Share of the states that is dropped in training.
        num_quantiles: Number of quantiles forecast; None forecasts a point.

    Returns:
        The forecast, and the scores (batch, targets, parts, segments, channels): the channels are
        the target and the covariates, or one for all. Behind a bottleneck there are none: those
        of the gates are the scores.
    """
    explained = None
    if shape.num_future_covariates and attention in _READ_AT_THE_GATES:
        sequence, explained = _explain(sequence, future, shape, units)
    states = _states(sequence, levels, cell, segment, units, num_layers)
    states = layers.Dropout(dropout)(_of_targets(states, shape))
    # (batch * targets, 1 + covariates, segments, units)
    last = states[:, 0, -1]  # (batch * targets, units)
    edges = horizon_parts(shape.horizon)
    # (batch * targets, parts, units)
    known = _known(sequence, future, levels, shape, units, edges)
    if attention == "none":
        flat = layers.Flatten()(states[:, :, -1])
        contexts = ops.repeat(flat[:, None], len(edges), axis=1)
        scores = None
    else:
        scope, score = _SCOPES[attention]
        query = known + layers.Dense(units, name="last_state")(last)[:, None]
        name = "segment_attention" if attention == "bottleneck" else NAME
        layer = FeatureStateAttention(units, scope, score, name=name)
        contexts, scores = layer(query, states, return_attention_scores=True)
        if attention == "bottleneck":
            contexts = contexts + states[:, None, :, -1]
        contexts = layers.Reshape((len(edges), -1))(contexts)
    mixed = layers.Concatenate(name="context")([contexts, known])
    mixed = layers.Dense(units, activation="relu", name="mix")(mixed)
    mixed = layers.Dropout(dropout)(mixed)
    forecast = _head(mixed, shape, edges, num_quantiles)
    if future is not None:
        forecast = forecast + _of_steps(mixed, future, shape, units, edges, num_quantiles)
    if explained is not None:
        forecast = forecast + (explained if num_quantiles is None else explained[..., None])
    return Decoded(forecast, None if attention == "bottleneck" else _scores(scores, shape))


def _explain(sequence: Any, future: Any, shape: WindowShape, units: int) -> tuple[Any, Any]:
    """Return the window less what the values known ahead explain of its targets, and that of later.

    One small network, the same for all steps, reads the values of a step. The first are asinh of
    (batch, lookback, features), the second (batch, horizon, targets) on the scale of the targets.
    """
    few = max(units // STEP_SHARE, 1)
    network = [
        layers.Dense(few, activation="relu", name="explain_known"),
        layers.Dense(few, activation="relu", name="explain_mix"),
        layers.Dense(shape.num_targets, kernel_initializer="zeros", name="explain_targets"),
    ]

    def explained(known: Any) -> Any:
        for layer in network:
            known = layer(known)
        return known

    targets, covariates = shape.num_targets, shape.num_future_covariates
    past = explained(sequence[:, :, shape.num_features - covariates :])
    left = ops.arcsinh(ops.sinh(sequence[:, :, :targets]) - past)
    sequence = ops.concatenate([left, sequence[:, :, targets:]], axis=2)
    return sequence, explained(future[:, :, :covariates])


def _states(
    sequence: Any, levels: Any, cell: str, segment: int, units: int, num_layers: int
) -> Any:
    """Return the states (batch, features, segments, units) of each feature."""
    lookback, features = sequence.shape[1:]
    missing = -lookback % segment
    if missing:  # the first segment is filled up, so that the last ends with the window
        sequence = ops.pad(sequence, ((0, 0), (missing, 0), (0, 0)))
    encoder = PerFeatureRecurrent(
        units, cell, segment=segment, projection_units=units, name="recurrent_0"
    )
    states = encoder(sequence) if levels is None else encoder(sequence, levels)
    segments = states.shape[2]
    for i in range(1, num_layers):
        folded = ops.reshape(states, (-1, segments, units))
        layer = RECURRENT_LAYERS[cell](units, return_sequences=True, name=f"recurrent_{i}")
        states = ops.reshape(layer(folded), (-1, features, segments, units))
    return states


def _of_targets(states: Any, shape: WindowShape) -> Any:
    """Give each target its own states and those of the covariates; batch and targets are folded.

    (batch, features, ...) becomes (batch * targets, 1 + covariates, ...).
    """
    targets, covariates = shape.num_targets, shape.num_features - shape.num_targets
    if targets == 1:
        return states
    own = ops.expand_dims(states[:, :targets], 2)  # (batch, targets, 1, segments, units)
    if covariates:
        others = ops.repeat(ops.expand_dims(states[:, targets:], 1), targets, axis=1)
        own = ops.concatenate([own, others], axis=2)
    return ops.reshape(own, (-1, 1 + covariates, *states.shape[2:]))


def _known(
    sequence: Any, future: Any, levels: Any, shape: WindowShape, units: int, edges: Edges
) -> Any:
    """Return what is known of each part of the horizon: (batch * targets, parts, units).

    It is the sum of embeddings of the target and of the part, of the spread and level of the
    window, and of what is known ahead for the steps of the part.
    """
    parts, targets = len(edges), shape.num_targets
    known = LearnedQueries(parts, units, name="part_queries")(sequence)[:, None]
    if targets > 1:
        of_targets = LearnedQueries(targets, units, name="target_queries")(sequence)
        known = known + of_targets[:, :, None]
    if levels is not None:
        level = layers.Dense(units, name="level")(levels[:, :targets])
        known = known + level[:, :, None]
    if future is not None:
        size = edges[0][1]
        filled = ops.pad(future, ((0, 0), (0, parts * size - shape.horizon), (0, 0)))
        of_parts = ops.reshape(filled, (-1, 1, parts, size * shape.num_future_features))
        known = known + layers.Dense(units, name="known_ahead")(of_parts)
    return ops.reshape(known, (-1, parts, units))


def _head(mixed: Any, shape: WindowShape, edges: Edges, num_quantiles: int | None) -> Any:
    """Return the forecast (batch, horizon, targets[, quantiles]) of parts next to one another."""
    quantiles, size = num_quantiles or 1, edges[0][1]
    steps = layers.Dense(size * quantiles, kernel_initializer="zeros", name="head")(mixed)
    steps = ops.reshape(steps, (-1, shape.num_targets, len(edges) * size, quantiles))
    forecast = ops.transpose(steps[:, :, : shape.horizon], (0, 2, 1, 3))
    return shape.as_forecast(forecast, num_quantiles)


def _of_steps(
    mixed: Any, future: Any, shape: WindowShape, units: int, edges: Edges, num_quantiles: int | None
) -> Any:
    """Return what each step adds to the forecast (batch, horizon, targets[, quantiles]).

    One small network, the same for all steps, has a state of the step, made from `mixed` (batch *
    targets, parts, units), and what is known ahead of this very step.
    """
    size, steps = edges[0][1], len(edges) * edges[0][1]
    few = max(units // STEP_SHARE, 1)
    states = layers.Dense(size * few, name="step_states")(mixed)
    states = ops.reshape(states, (-1, shape.num_targets, steps, few))[:, :, : shape.horizon]
    known = layers.Dense(few, use_bias=False, name="step_known_ahead")(future)[:, None]
    hidden = layers.Dense(few, activation="relu", name="step_mix")(ops.relu(states + known))
    added = layers.Dense(num_quantiles or 1, kernel_initializer="zeros", name="step_head")(hidden)
    return shape.as_forecast(ops.transpose(added, (0, 2, 1, 3)), num_quantiles)


def _scores(scores: Any, shape: WindowShape) -> Any:
    """Return scores (batch * targets, parts, channels, segments) with their axes apart."""
    if scores is None:
        return None
    parts, channels, segments = scores.shape[1:]
    scores = ops.reshape(scores, (-1, shape.num_targets, parts, channels, segments))
    return ops.transpose(scores, (0, 1, 2, 4, 3))
