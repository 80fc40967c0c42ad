"""Several networks in one: each reads the same, with weights of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import layers, ops

from tsattn.models.heads import Decoded

MEMBERS = "member_forecasts"  # the layer


def decode_by_members(decode: Callable[..., Decoded], members: int, *read: Any) -> Decoded:
    """Decode with several networks, each a model within the model.

    Args:
        decode: Builds the layers of one network from tensors like those read.
        members: How many networks there are.
        *read: Tensors that the networks read; None for what there is not.

    Returns:
        The forecasts one after another, (batch, members * horizon, targets[, quantiles]), and the
        mean of the scores.
    """
    tensors = [x for x in read if x is not None]
    forecasts, scores = [], []
    for i in range(members):
        own = [None if x is None else keras.Input(x.shape[1:]) for x in read]
        outputs = [x for x in decode(*own) if x is not None]
        inputs = [x for x in own if x is not None]
        forecast, *its_scores = keras.Model(inputs, outputs, name=f"member_{i}")(tensors)
        forecasts.append(forecast)
        scores += its_scores
    mean = ops.mean(ops.stack(scores), axis=0) if scores else None
    return Decoded(ops.concatenate(forecasts, axis=1), mean)


def mean_forecast(forecasts: Any, members: int) -> Any:
    """Return the mean of forecasts that follow one another, see `decode_by_members`."""
    forecasts = layers.Identity(name=MEMBERS)(forecasts)
    return ops.mean(ops.stack(ops.split(forecasts, members, axis=1)), axis=0)


def all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers of a model, those of its members among them."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        else:
            yield layer
