"""Several networks in one, each with weights of its own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import layers, ops

from tsattn.models.gates import View
from tsattn.models.heads import Decoded

MEMBERS = "member_forecasts"  # the layer


def decode_by_members(decode: Callable[[View], Decoded], views: Sequence[View]) -> Decoded:
    """Decode with several networks, each a model within the model.

    Args:
        decode: Builds the layers of one network that reads a view.
        views: What each network reads.

    Returns:
        The forecasts one after another, (batch, members * horizon, targets[, quantiles]), and the
        mean of the scores.
    """
    forecasts, scores = [], []
    for i, view in enumerate(views):
        read = view._replace(scores=None, future_scores=None)
        own = View(*(None if x is None else keras.Input(x.shape[1:]) for x in read))
        outputs = [x for x in decode(own) if x is not None]
        member = keras.Model(_there(own), outputs, name=f"member_{i}")
        forecast, *its_scores = member(_there(read))
        forecasts.append(forecast)
        scores += its_scores
    mean = ops.mean(ops.stack(scores), axis=0) if scores else None
    return Decoded(ops.concatenate(forecasts, axis=1), mean)


def _there(view: View) -> list[Any]:
    return [x for x in view if x is not None]


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
