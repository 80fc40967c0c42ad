"""From what was read of a window to the forecast of all horizon steps at once."""

from typing import Any, NamedTuple

from keras import layers, ops

from tsattn.layers import ReverseTimeForecast
from tsattn.models.encoders import NAME, encode
from tsattn.models.window_shape import WindowShape


class Decoded(NamedTuple):
    """A forecast of normalised targets, and what the attention looked at for it."""

    forecast: Any  # (batch, horizon, targets[, quantiles])
    # (batch, lookback, channels), or (batch, horizon, lookback) of a recurrent decoder; None
    # without attention.
    scores: Any


def decode_directly(
    sequence: Any,
    future: Any,
    shape: WindowShape,
    *,
    attention: str,
    placement: str,
    cell: str,
    units: int,
    num_layers: int,
    dropout: float,
    num_quantiles: int | None,
) -> Decoded:
    """Encode a window (batch, lookback, features) and forecast from its context."""
    context, scores = encode(
        sequence,
        attention=attention,
        placement=placement,
        cell=cell,
        units=units,
        num_layers=num_layers,
    )
    if dropout:
        context = layers.Dropout(dropout)(context)
    per_step = shape.num_targets * (num_quantiles or 1)
    if future is None:
        head = layers.Dense(shape.horizon * per_step, kernel_initializer="zeros", name="head")
        forecast = head(context)
    else:
        hidden = max(units // 4, 1)
        steps = layers.Dense(shape.horizon * hidden, name="horizon_states")(context)
        steps = layers.Reshape((shape.horizon, hidden))(steps)
        steps = layers.Concatenate()([steps, future])
        steps = layers.Dense(units, activation="relu", name="horizon_mix")(steps)
        forecast = layers.Dense(per_step, kernel_initializer="zeros", name="head")(steps)
    return Decoded(shape.as_forecast(forecast, num_quantiles), scores)


def decode_by_contributions(
    sequence: Any,
    future: Any,
    statistics: Any,
    shape: WindowShape,
    *,
    units: int,
    dropout: float,
    num_quantiles: int | None,
) -> Decoded:
    """Forecast a sum of what each cell of a window contributes, see `ReverseTimeForecast`.

    What is known ahead adds its own part to each horizon step, so that the contributions of the
    window stay exact. The scores are contributions to the scaled target, averaged over horizon
    steps, targets and, if there are any, quantiles: `statistics` (batch, 2, channels), which the
    forecast is multiplied by later, multiply them already.
    """
    per_step = shape.num_targets * (num_quantiles or 1)
    num_outputs = shape.horizon * per_step
    scale = None
    if statistics is not None:
        scale = ops.repeat(statistics[:, 1, : shape.num_targets], num_quantiles or 1, axis=-1)
        scale = ops.tile(scale, (1, shape.horizon))  # (batch, num_outputs)
    layer = ReverseTimeForecast(units, num_outputs, dropout, "zeros", name=NAME)
    outputs, scores = layer(sequence, scale, return_attention_scores=True)
    forecast = layers.Reshape((shape.horizon, per_step))(outputs)
    if future is not None:
        steps = layers.Dense(units, activation="relu", name="future_mix")(future)
        ahead = layers.Dense(per_step, kernel_initializer="zeros", name="future_head")(steps)
        forecast = layers.Add()([forecast, ahead])
    return Decoded(shape.as_forecast(forecast, num_quantiles), scores)
