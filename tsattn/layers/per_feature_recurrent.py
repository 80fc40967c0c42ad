"""A recurrent layer that reads each feature by itself."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import zero_masked

CELLS = ("gru", "lstm")


@keras.saving.register_keras_serializable(package="tsattn")
class PerFeatureRecurrent(keras.layers.Layer):
    """Run one recurrent layer over each feature apart, so that its states belong to one feature.

    Batch and features are folded into one axis, and all features share the weights; what tells
    them apart is an embedding of the feature, read at every step beside its value (the channel
    independence of Nie et al. 2023, PatchTST, section 3.1, with the variable embedding of Lin et
    al. 2023, SegRNN, section 4.2). With a `segment` of several steps it reads as many values at
    once (SegRNN, section 4.1), which makes it faster and more accurate over long windows. It is
    placed before attention that is about features, such as `FeatureStateAttention`.

    Args:
        units: Hidden units.
        cell: `"gru"` or `"lstm"`.
        embedding_units: Size of the embedding of a feature.
        segment: Steps read at once; the number of steps must be a multiple of it.
        projection_units: Size of a dense layer with a ReLU between a segment and the recurrent
            layer; None for none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, features), with a fixed number of steps and features.
        context: (batch, features, numbers) that are read with every segment of a feature, such as
            the level and the spread that were taken off it; or None.
        mask: (batch, steps) booleans; masked values are read as zeros, and segments that are
            masked altogether keep the state.
        inputs_mask: The same; the name by which Keras passes it on beside a context.

    Output shape:
        (batch, features, segments, units).

    Raises:
        ValueError: the cell is unknown, the number of steps or features is not fixed, or the
            steps are no multiple of the segment.

    Example:
        >>> import numpy as np
        >>> PerFeatureRecurrent(5)(np.ones((2, 11, 3), "float32")).shape
        (2, 3, 11, 5)
        >>> PerFeatureRecurrent(5, segment=4)(np.ones((2, 12, 3), "float32")).shape
        (2, 3, 3, 5)
    """

    def __init__(
        self,
        units: int,
        cell: str = "gru",
        embedding_units: int = 4,
        segment: int = 1,
        projection_units: int | None = None,
        **kwargs: Any,
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
        self.segment = segment
        self.projection_units = projection_units
        self.supports_masking = True

    def build(
        self, inputs_shape: tuple[int | None, ...], context_shape: tuple[Any, ...] | None = None
    ) -> None:
        """Create the embeddings and the recurrent layer."""
        steps, features = inputs_shape[1:]
        if steps is None or features is None:
            raise ValueError(
                "The number of steps and of features must be fixed. Received: "
                f"inputs_shape={inputs_shape}. Declare the input as Input((steps, features))."
            )
        if self.segment < 1 or steps % self.segment:
            raise ValueError(
                "The number of steps must be a multiple of the segment. Received: "
                f"segment={self.segment} for {steps} steps. Use a segment that divides {steps}."
            )
        self.embedding = self.add_weight(
            name="embedding",
            shape=(features, self.embedding_units),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
        )
        size = self.segment + self.embedding_units
        size += 0 if context_shape is None else context_shape[-1]
        self.projection = None
        if self.projection_units is not None:
            self.projection = keras.layers.Dense(
                self.projection_units, "relu", dtype=self.dtype_policy, name="projection"
            )
            self.projection.build((None, None, size))
            size = self.projection_units
        layer = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[self.cell]
        self.recurrence = layer(
            self.units, return_sequences=True, dtype=self.dtype_policy, name="recurrence"
        )
        self.recurrence.build((None, steps // self.segment, size))

    def call(
        self, inputs: Any, context: Any = None, mask: Any = None, inputs_mask: Any = None
    ) -> Any:
        """Return the states of every feature and segment."""
        mask = inputs_mask if mask is None else mask
        steps, features = inputs.shape[1:]
        segments = steps // self.segment
        values = ops.transpose(zero_masked(inputs, mask), (0, 2, 1))
        values = ops.reshape(values, (-1, features, segments, self.segment))
        embedding = ops.cast(self.embedding, values.dtype)[None, :, None, :]
        read = [values, ops.zeros_like(values[..., :1]) + embedding]
        if context is not None:
            read.append(ops.repeat(ops.expand_dims(context, 2), segments, axis=2))
        together = ops.concatenate(read, axis=-1)
        folded = ops.reshape(together, (-1, segments, together.shape[-1]))
        if self.projection is not None:
            folded = self.projection(folded)
        if mask is not None:
            mask = ops.any(ops.reshape(mask, (-1, segments, self.segment)), axis=-1)
            mask = ops.repeat(mask, features, axis=0)
        states = self.recurrence(folded, mask=mask)
        return ops.reshape(states, (-1, features, segments, self.units))

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
            "segment": self.segment,
            "projection_units": self.projection_units,
        }
