"""What a training makes small."""

from collections.abc import Sequence
from typing import Any

import keras

from tsattn.layers import QuantileLoss


def make_loss(name: str, quantile_levels: Sequence[float] | None) -> keras.losses.Loss:
    """Return the loss of a name of `tsattn.config.LOSSES`."""
    if name == "quantile":
        return QuantileLoss(quantile_levels or ())
    losses = {
        "mae": keras.losses.MeanAbsoluteError,
        "mse": keras.losses.MeanSquaredError,
        "huber": keras.losses.Huber,
    }
    return losses[name]()


class MemberLoss(keras.losses.Loss):
    """A loss of each member by itself, where forecasts of several follow one another."""

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__()
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss (batch, members * horizon[, targets])."""
        members = y_pred.shape[1] // y_true.shape[1]
        return self.loss.call(keras.ops.tile(y_true, (1, members, 1)), y_pred)
