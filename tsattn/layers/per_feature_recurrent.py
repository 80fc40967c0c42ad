"""A recurrent layer that reads each feature by itself."""

from typing import Any

import keras
from keras import ops

CELLS = ("gru", "lstm")


@keras.saving.register_keras_serializable(package="tsattn")
class PerFeatureRecurrent(keras.layers.Layer):
    """Run one recurrent layer over each feature apart, so that its states belong to one feature.

    Batch and features are folded into one axis, and all features share the weights; what tells
    them apart is an embedding of the feature, read at every step beside its value (the channel
    independence of Nie et al. 2023, PatchTST, section 3.1, with the variable embedding of Lin et
    al. 2023, SegRNN, section 4.2). It is placed before attention that is about features, such as
    `VariableAttention`.

    Args:
        units: Hidden units.
        cell: `"gru"` or `"lstm"`.
        embedding_units: Size of the embedding of a feature.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, features), with a fixed number of steps and features.
        mask: (batch, steps) booleans; masked steps keep the state.

    Output shape:
        (batch, features, steps, units).

    Raises:
        ValueError: the cell is unknown, or the number of steps or features is not fixed.

    Example:
        >>> import numpy as np
        >>> PerFeatureRecurrent(5)(np.ones((2, 11, 3), "float32")).shape
        (2, 3, 11, 5)
    """

    def __init__(
        self, units: int, cell: str = "gru", embedding_units: int = 4, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(
                f"`cell` must be one of {', '.join(CELLS)}. Received: cell={cell!r}. "
                "Use one of these."
            )
        self.units = units
        self.cell = cell
        self.embedding_units = embedding_units
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the embeddings and the recurrent layer."""
        steps, features = input_shape[1:]
        if steps is None or features is None:
            raise ValueError(
                "The number of steps and of features must be fixed. Received: "
                f"input_shape={input_shape}. Declare the input as Input((steps, features))."
            )
        self.embedding = self.add_weight(
            name="embedding",
            shape=(features, self.embedding_units),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
        )
        layer = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[self.cell]
        self.recurrence = layer(
            self.units, return_sequences=True, dtype=self.dtype_policy, name="recurrence"
        )
        self.recurrence.build((None, steps, 1 + self.embedding_units))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the states of every feature and step."""
        steps, features = inputs.shape[1:]
        values = ops.expand_dims(
            ops.transpose(inputs, (0, 2, 1)), -1
        )  # (batch, features, steps, 1)
        embedding = ops.broadcast_to(
            self.embedding[None, :, None, :],
            (ops.shape(inputs)[0], features, steps, self.embedding_units),
        )
        folded = ops.reshape(
            ops.concatenate([values, embedding], axis=-1), (-1, steps, 1 + self.embedding_units)
        )  # (batch * features, steps, 1 + embedding)
        if mask is not None:
            mask = ops.repeat(mask, features, axis=0)
        states = self.recurrence(folded, mask=mask)
        return ops.reshape(states, (-1, features, steps, self.units))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return no mask: the axes are others."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "cell": self.cell,
            "embedding_units": self.embedding_units,
        }
