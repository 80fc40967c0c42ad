"""Gates on all that a forecaster reads: the window, its levels, and what is known ahead."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from tsattn.layers import BottleneckAttention
from tsattn.models.encoders import NAME

_LEVEL = "level_"
PRICE_OF_ALL = 0.02  # in units of the loss, of a nat of every cell
PRICE_AHEAD = 0.03  # in each view, where covariates are known ahead: much is learnt by heart


class View(NamedTuple):
    """What a network reads of a window, and the nats of it that pass the gates, if there are any.

    Attributes:
        sequence: (batch, lookback, features).
        future: (batch, horizon, future features); None where nothing is known ahead.
        levels: (batch, features, 1 or 2) logarithms of the scales of the features, and their shifts
            if those are read too; None where there is nothing to read.
        statistics: (batch, 2, features) shifts and scales; None where nothing is taken off.
        scores: (batch, lookback, features).
        future_scores: (batch, horizon, future features).
    """

    sequence: Any
    future: Any
    levels: Any
    statistics: Any
    scores: Any = None
    future_scores: Any = None


def pass_gates(
    view: View,
    measured: Sequence[int],
    *,
    constant: Sequence[int] = (),
    future_constant: Sequence[int] = (),
    number: int = 0,
    num_views: int = 1,
    price: float = PRICE_OF_ALL,
) -> View:
    """Put a gate on every cell of a window, on its levels and on every cell known ahead.

    The price of a nat is such that a nat of every cell costs `price` however many cells there are,
    and however many views. What is read of the spread and level of a feature is read of all its
    steps alike: these nats are shared out among them.

    There is no noise behind the gate of a constant feature: it would have to stay open to hold the
    noise back, and so have nats although there is nothing to read.

    Args:
        view: What there is to read.
        measured: The features whose levels are read.
        constant: The features that are always zero.
        future_constant: The future features that are always zero.
        number: Which of the views it is.
        num_views: How many there are.
        price: Of a nat of every cell, in units of the loss.
    """
    sequence, future, levels = view.sequence, view.future, view.levels
    known = None
    if measured:  # (batch, 1 or 2, measured)
        known = ops.take(ops.transpose(levels, (0, 2, 1)), list(measured), axis=2)
    cells = [x.shape[1] * x.shape[2] for x in (sequence, future, known) if x is not None]
    beta = price / sum(cells) / num_views

    def gate(values: Any, prefix: str, silent: Sequence[int] = ()) -> tuple[Any, Any]:
        noise = [float(i not in silent) for i in range(values.shape[2])] if silent else 1.0
        name = f"{prefix}{NAME}" if number == 0 else f"{prefix}{NAME}_{number}"
        layer = BottleneckAttention(beta, noise_scale=noise, name=name)
        passed, nats = layer(values, return_attention_scores=True)
        return passed, nats

    passed, scores = gate(sequence, "", constant)
    read = None
    if known is not None:
        read, nats = gate(known, _LEVEL)
        read = ops.transpose(_in_their_places(read, measured, sequence.shape[2]), (0, 2, 1))
        of_feature = ops.sum(nats, axis=1, keepdims=True)
        of_feature = _in_their_places(of_feature, measured, sequence.shape[2])
        scores = scores + of_feature / sequence.shape[1]
    ahead = future_scores = None
    if future is not None:
        ahead, future_scores = gate(future, "future_", future_constant)
    return View(passed, ahead, read, view.statistics, scores, future_scores)


def all_gates(model: keras.Model) -> list[BottleneckAttention]:
    """Return every layer of gates, those of levels too; [] without any."""
    return [layer for layer in model.layers if isinstance(layer, BottleneckAttention)]


def gates_of_cells(model: keras.Model) -> list[BottleneckAttention]:
    """Return the gates of the window and of what is known ahead, of every view; [] without any."""
    return [gate for gate in all_gates(model) if not gate.name.startswith(_LEVEL)]


def nats_of_gates(model: keras.Model, gates: Sequence[BottleneckAttention]) -> keras.Model:
    """Return a model of the same inputs, of the nats that pass each layer of gates, by its name."""
    return keras.Model(model.inputs, {gate.name: gate.output[1] for gate in gates})


def price_of_nat(model: keras.Model) -> float:
    """Return the price of a nat in the scores of a model, the mean of its views; 0 without gates.

    While the views have equal shares, it is what their nats cost in training.
    """
    # one of each view
    return sum(gate.beta for gate in all_gates(model) if gate.name.startswith(NAME))


def _in_their_places(values: Any, features: Sequence[int], num_features: int) -> Any:
    """Return (batch, n, features) of values (batch, n, some of these), zeros for the others."""
    order = list(features)
    with_zero = ops.pad(values, ((0, 0), (0, 0), (0, 1)))
    places = [order.index(i) if i in order else len(order) for i in range(num_features)]
    return ops.take(with_zero, places, axis=2)
