"""The forecaster: normalise, attend and encode, decode; one Keras model with two outputs."""

from typing import Any, NamedTuple

import keras
from keras import layers

from tsattn.layers import WindowScaling, WindowStatistics
from tsattn.models.encoders import encode

FORECAST = "forecast"
ATTENTION_SCORES = "attention_scores"


class WindowShape(NamedTuple):
    """The sizes of a window. Features are in the order targets, past and future covariates."""

    lookback: int
    horizon: int
    num_features: int
    num_targets: int
    num_future_covariates: int = 0
    num_calendar_features: int = 0

    @property
    def num_future_features(self) -> int:
        """Number of the features known ahead."""
        return self.num_future_covariates + self.num_calendar_features


def build_forecaster(
    shape: WindowShape,
    *,
    attention: str = "per-dimension",
    placement: str = "before",
    cell: str = "gru",
    units: int = 64,
    num_layers: int = 1,
    dropout: float = 0.0,
    normalization: str = "last",
    num_quantiles: int | None = None,
) -> keras.Model:
    """Build a forecaster with the `joint` encoder: all features enter one recurrent layer.

    Args:
        shape: Sizes of the windows.
        attention: A name of `tsattn.config.ATTENTIONS`.
        placement: The attention stands `"before"` the recurrent layers or `"after"` them, see
            `tsattn.config.ATTENTION_PLACEMENTS`.
        cell: `"gru"` or `"lstm"`.
        units: Hidden units of each recurrent layer.
        num_layers: Number of recurrent layers.
        dropout: Share of the encoded window that is dropped in training.
        normalization: What is taken off each window and put back on the forecast: `"last"`,
            `"standard"` or `"none"`.
        num_quantiles: Number of quantiles forecast; None forecasts a point.

    Returns:
        A model of `inputs` (batch, lookback, features) and, if anything is known ahead,
        `future_inputs` (batch, horizon, future features), that returns a dictionary of `forecast`
        (batch, horizon, targets[, quantiles]) and, with attention, `attention_scores` (batch,
        lookback, channels): features, hidden units or one channel for all.
    """
    inputs = layers.Input((shape.lookback, shape.num_features), name="inputs")
    future = None
    if shape.num_future_features:
        future = layers.Input((shape.horizon, shape.num_future_features), name="future_inputs")
    tensors = {"inputs": inputs} if future is None else {"inputs": inputs, "future_inputs": future}

    sequence, statistics = inputs, None
    if normalization != "none":
        statistics = WindowStatistics(normalization)(inputs)
        sequence = WindowScaling()(inputs, statistics)
        if future is not None and shape.num_future_covariates:
            first = shape.num_features - shape.num_future_covariates
            columns = range(first, shape.num_features)
            future = WindowScaling(columns)(future, statistics)

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
    forecast = _decode(context, future, shape, units, num_quantiles)
    if statistics is not None:
        columns = range(shape.num_targets)
        forecast = WindowScaling(columns, "denormalize")(forecast, statistics)
    outputs = {FORECAST: layers.Identity(name=FORECAST)(forecast)}
    if scores is not None:
        outputs[ATTENTION_SCORES] = layers.Identity(name=ATTENTION_SCORES)(scores)
    return keras.Model(tensors, outputs, name="forecaster")


def _decode(
    context: Any, future: Any, shape: WindowShape, units: int, num_quantiles: int | None
) -> Any:
    """Return a forecast (batch, horizon, targets[, quantiles]) for all steps at once."""
    per_step = shape.num_targets * (num_quantiles or 1)
    if future is None:
        forecast = layers.Dense(shape.horizon * per_step, kernel_initializer="zeros", name="head")(
            context
        )
    else:
        hidden = max(units // 4, 1)
        steps = layers.Dense(shape.horizon * hidden, name="horizon_states")(context)
        steps = layers.Reshape((shape.horizon, hidden))(steps)
        steps = layers.Concatenate()([steps, future])
        steps = layers.Dense(units, activation="relu", name="horizon_mix")(steps)
        forecast = layers.Dense(per_step, kernel_initializer="zeros", name="head")(steps)
    size = (shape.num_targets,) if num_quantiles is None else (shape.num_targets, num_quantiles)
    return layers.Reshape((shape.horizon, *size))(forecast)
