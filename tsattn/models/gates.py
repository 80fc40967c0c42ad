"""Gates on all that a forecaster reads: the window, its levels, and what is known ahead."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from tsattn.layers import BottleneckAttention
from tsattn.models.encoders import NAME

PRICE_OF_ALL = 0.02  # in units of the loss, of a nat of every cell


class Gated(NamedTuple):
    """What passes the gates, and the nats that may pass."""

    sequence: Any  # (batch, lookback, features)
    levels: Any  # (batch, features, 2), None where no feature is measured from its window
    future: Any  # (batch, horizon, future features), None where nothing is known ahead
    scores: Any  # (batch, lookback, features)
    future_scores: Any  # (batch, horizon, future features) or None


def pass_gates(
    sequence: Any,
    levels: Any,
    future: Any,
    normalized: Sequence[int],
    *,
    constant: Sequence[int] = (),
    future_constant: Sequence[int] = (),
) -> Gated:
    """Put a gate on every cell of a window, on its levels and on every cell known ahead.

    The price of a nat is such that a nat of every cell costs the same however many cells there are.
    What is read of the level and spread of a feature is read of all its steps alike: these nats are
    shared out among them.

    There is no noise behind the gate of a constant feature: it would have to stay open to hold the
    noise back, and so have nats although there is nothing to read.

    Args:
        sequence: (batch, lookback, features).
        levels: (batch, features, 2) level and spread of the features, or None.
        future: (batch, horizon, future features) or None.
        normalized: The features that are measured from the level and spread of their window; the
            levels of the others say nothing.
        constant: The features that are always zero.
        future_constant: The future features that are always zero.
    """
    num_levels = 0 if levels is None else 2 * len(normalized)
    cells = [x.shape[1] * x.shape[2] for x in (sequence, future) if x is not None]
    beta = PRICE_OF_ALL / (sum(cells) + num_levels)

    def gate(values: Any, name: str, silent: Sequence[int] = ()) -> tuple[Any, Any]:
        noise = [float(i not in silent) for i in range(values.shape[2])] if silent else 1.0
        layer = BottleneckAttention(beta, noise_scale=noise, name=name)
        passed, nats = layer(values, return_attention_scores=True)
        return passed, nats

    passed, scores = gate(sequence, NAME, constant)
    if levels is not None:
        known = ops.take(ops.transpose(levels, (0, 2, 1)), list(normalized), axis=2)
        read, nats = gate(known, f"level_{NAME}")  # (batch, 2, normalized)
        levels = ops.transpose(_in_their_places(read, normalized, sequence.shape[2]), (0, 2, 1))
        of_feature = ops.sum(nats, axis=1, keepdims=True)
        of_feature = _in_their_places(of_feature, normalized, sequence.shape[2])
        scores = scores + of_feature / sequence.shape[1]
    ahead = future_scores = None
    if future is not None:
        ahead, future_scores = gate(future, f"future_{NAME}", future_constant)
    return Gated(passed, levels, ahead, scores, future_scores)


def _in_their_places(values: Any, features: Sequence[int], num_features: int) -> Any:
    """Return (batch, n, features) of values (batch, n, some of these), zeros for the others."""
    order = list(features)
    with_zero = ops.pad(values, ((0, 0), (0, 0), (0, 1)))
    places = [order.index(i) if i in order else len(order) for i in range(num_features)]
    return ops.take(with_zero, places, axis=2)
