"""The model that is trained: the weights of a forecaster, and what it is told in training only."""

import keras
from keras import layers, ops

from tsattn.layers import AttentionDecoder, WindowScaling, WindowStatistics
from tsattn.models.members import MEMBERS
from tsattn.models.recurrent_decoder import decode_with_truth
from tsattn.tensor_names import FORECAST

TARGETS = "targets"


def training_model(model: keras.Model) -> keras.Model:
    """Return a model with the weights of a forecaster that returns the forecast only.

    That of several members returns all of theirs, (batch, members * horizon, targets[, quantiles]):
    each learns to forecast by itself.

    That of a recurrent decoder has one more input, `targets` (batch, horizon, targets), which the
    decoder reads in training, normalised like the window, with its `teacher_probability`; true
    targets are those of all quantiles.
    """
    has_members = MEMBERS in {layer.name for layer in model.layers}
    forecast = model.get_layer(MEMBERS if has_members else FORECAST).output
    if not any(isinstance(layer, AttentionDecoder) for layer in model.layers):
        return keras.Model(model.inputs, forecast)
    _, horizon, num_targets, *quantiles = forecast.shape
    targets = keras.Input((horizon, num_targets), name=TARGETS)
    statistics = next((x.output for x in model.layers if isinstance(x, WindowStatistics)), None)
    truth, columns = targets, range(num_targets)
    if statistics is not None:
        truth = WindowScaling(columns)(targets, statistics)
    if quantiles:
        truth = ops.repeat(truth, quantiles[0], axis=-1)
    outputs = decode_with_truth(model, truth)
    outputs = layers.Reshape((horizon, num_targets, *quantiles))(outputs)
    if statistics is not None:
        outputs = WindowScaling(columns, "denormalize")(outputs, statistics)
    inputs = {tensor.name: tensor for tensor in [*model.inputs, targets]}
    return keras.Model(inputs, outputs)
