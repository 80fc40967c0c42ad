"""The quantile (pinball) loss for several levels at once."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tsattn")
class QuantileLoss(keras.losses.Loss):
    """Mean pinball loss over the quantile levels (Koenker & Bassett 1978, equation 3.1).

    Args:
        quantile_levels: Probabilities between 0 and 1.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: Dtype policy of the loss.

    Call arguments:
        y_true: (batch, horizon, targets).
        y_pred: (batch, horizon, targets, quantiles).
    """

    def __init__(
        self,
        quantile_levels: Sequence[float],
        reduction: str = "sum_over_batch_size",
        name: str = "quantile",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.quantile_levels = list(quantile_levels)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each window, step and target."""
        levels = ops.array(self.quantile_levels, dtype=y_pred.dtype)
        error = ops.expand_dims(y_true, -1) - y_pred
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the loss."""
        return {**super().get_config(), "quantile_levels": self.quantile_levels}
