"""Several networks in one, each with weights of its own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import layers, ops

from tsattn.models.gates import View
from tsattn.models.heads import Decoded

MEMBERS = "member_forecasts"  # the layer
MEMBER_MEAN = "member_mean"  # the layer with the share of each


def decode_by_members(decode: Callable[[View], Decoded], views: Sequence[View]) -> list[Decoded]:
    """Decode with several networks, each a model within the model.

    Args:
        decode: Builds the layers of one network that reads a view.
        views: What each network reads.

    Returns:
        What each of them returns. The layer `MEMBERS` has their forecasts one after another,
        (batch, members * horizon, targets[, quantiles]).
    """
    forecasts, scores = [], []
    for i, view in enumerate(views):
        read = view._replace(scores=None, future_scores=None)
        own = View(*(None if x is None else keras.Input(x.shape[1:]) for x in read))
        outputs = [x for x in decode(own) if x is not None]
        member = keras.Model(_there(own), outputs, name=f"member_{i}")
        forecast, *its_scores = member(_there(read))
        forecasts.append(forecast)
        scores.append(its_scores[0] if its_scores else None)
    joined = layers.Identity(name=MEMBERS)(ops.concatenate(forecasts, axis=1))
    apart = ops.split(joined, len(views), axis=1)
    return [Decoded(*outputs) for outputs in zip(apart, scores, strict=True)]


def _there(view: View) -> list[Any]:
    return [x for x in view if x is not None]


def mean_of(tensors: Sequence[Any], mean: keras.Layer) -> Any:
    """Return the mean of what each member has, or None where none has any."""
    if tensors[0] is None or len(tensors) == 1:
        return tensors[0]
    return mean(list(tensors))


def all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers of a model, those of its members among them."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        else:
            yield layer
