"""A mean of tensors, each with a share that is assigned."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="tsattn")
class WeightedMean(keras.layers.Layer):
    """Return the mean of tensors of one shape, each with its share.

    The shares are equal until others are assigned; they are not trained, and should sum to 1. The
    layer may be called several times, each time with as many tensors.

    Call arguments:
        inputs: Tensors of one shape.

    Output shape:
        That of one of them.

    Example:
        >>> import numpy as np
        >>> layer = WeightedMean()
        >>> float(layer([np.ones(1), np.zeros(1)])[0])
        0.5
    """

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Create the share of each tensor."""
        number = len(input_shape)
        self.shares = self.add_weight(
            name="shares",
            shape=(number,),
            initializer=keras.initializers.Constant(1 / number),
            trainable=False,
        )

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the mean."""
        return sum(self.shares[i] * tensor for i, tensor in enumerate(inputs))

    def load_own_variables(self, store: Any) -> None:
        """Load the shares; they stay equal for a model from before there were any."""
        if len(store.keys()):
            super().load_own_variables(store)
