"""A forecast that is an exact sum of what each input of a window contributes to it."""

import math
from typing import Any

import keras
from keras import ops

from tsattn.layers.reverse_time_attention import ReverseTimeAttention

# Numbers per window that are held at once while contributions are averaged over the outputs.
_NUMBERS_AT_ONCE = 1 << 15


@keras.saving.register_keras_serializable(package="tsattn")
class ReverseTimeForecast(keras.layers.Layer):
    """Read a window by `ReverseTimeAttention` and forecast by one dense layer of its context.

    Nothing but a bias stands between the context and the outputs, so that they are the sum of the
    `contributions` of single inputs (step, feature) and the bias. The scores tell the size of
    these contributions: their absolute value times the scale of the output, averaged over the
    outputs. The average is taken a few outputs at a time, so that the contributions (batch, steps,
    features, outputs) never exist as a whole.

    Args:
        units: Size of the context, and of the recurrent layers that give the scores of the steps.
        num_outputs: Numbers forecast.
        dropout: Share of the context that is dropped in training.
        kernel_initializer: Of the dense layer; with `"zeros"` the outputs start at zero.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, features), with fixed numbers of both.
        scale: (batch, num_outputs): what one of each output is worth in the unit of the scores;
            None for 1.
        training: Whether part of the context is dropped.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, num_outputs). The scores are (batch, steps, features), 0 or more; they carry no
        gradient and do not sum to 1.

    Raises:
        ValueError: the inputs are not (batch, steps, features) with fixed numbers of both.

    Example:
        >>> import numpy as np
        >>> layer, windows = ReverseTimeForecast(5, 7), np.ones((2, 11, 3), "float32")
        >>> outputs, scores = layer(windows, return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape), tuple(layer.contributions(windows).shape)
        ((2, 7), (2, 11, 3), (2, 11, 3, 7))
    """

    def __init__(
        self,
        units: int,
        num_outputs: int,
        dropout: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.num_outputs = num_outputs
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(
        self,
        inputs_shape: tuple[int | None, ...],
        scale_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Create the attention and the dense layer."""
        if len(inputs_shape) != 3 or None in inputs_shape[1:]:
            raise ValueError(
                "The inputs must be (batch, steps, features) with fixed numbers of both. Received: "
                f"inputs_shape={inputs_shape}. Declare the input as Input((steps, features))."
            )
        dtype = self.dtype_policy
        self.attention = ReverseTimeAttention(self.units, dtype=dtype, name="attention")
        self.head = keras.layers.Dense(
            self.num_outputs, kernel_initializer=self.kernel_initializer, dtype=dtype, name="head"
        )
        self.context_dropout = keras.layers.Dropout(self.dropout, dtype=dtype)
        self.attention.build(inputs_shape)
        self.head.build((inputs_shape[0], self.units))

    def call(
        self,
        inputs: Any,
        scale: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
    ) -> Any:
        """Return the outputs, and the scores if asked for."""
        context, (step_scores, weights) = self.attention(inputs, return_attention_scores=True)
        outputs = self.head(self.context_dropout(context, training=training))
        if not return_attention_scores:
            return outputs
        if scale is None:
            scale = ops.ones((1, self.num_outputs), self.compute_dtype)
        effects = self._mean_effects(ops.stop_gradient(weights), scale, inputs.shape[2])
        step_scores = ops.expand_dims(ops.stop_gradient(step_scores), -1)  # (batch, steps, 1)
        return outputs, step_scores * ops.abs(ops.stop_gradient(inputs)) * effects

    def contributions(self, inputs: Any) -> Any:
        """Return what each input adds to each output: (batch, steps, features, outputs).

        Their sum over steps and features, and the bias of `head`, is the output.
        """
        if not self.built:
            self.build(tuple(inputs.shape))
        return self.attention.contributions(inputs, self.head.kernel)

    def _mean_effects(self, weights: Any, scale: Any, features: int) -> Any:
        """Return how far a 1 in each input moves the outputs on average: (batch, steps, features).

        It leaves out the scores of the steps. The dense layer's kernel, through the embedding, is
        (units, features x outputs); of its outputs as many are applied at once as fit.
        """
        dtype = self.compute_dtype
        size = max(_NUMBERS_AT_ONCE // (weights.shape[1] * features), 1)
        size = min(size, self.num_outputs)
        count = math.ceil(self.num_outputs / size)
        padding = [[0, 0], [0, count * size - self.num_outputs]]  # outputs of kernel and scale zero
        embedding = ops.stop_gradient(ops.cast(self.attention.embedding.kernel, dtype))
        kernel = ops.stop_gradient(ops.cast(self.head.kernel, dtype))
        kernel = ops.reshape(ops.pad(kernel, padding), (self.units, count, size))
        scale = ops.pad(ops.cast(scale, dtype) / self.num_outputs, padding)
        scale = ops.reshape(scale, (-1, count, size))

        def add(i: Any, total: Any) -> Any:
            through = ops.einsum("ku,uo->uko", embedding, ops.take(kernel, i, axis=1))
            effects = ops.abs(ops.tensordot(weights, through, axes=1))  # (batch, steps, ., outputs)
            return total + ops.einsum("btko,bo->btk", effects, self._rows(scale, i, weights))

        nothing = ops.zeros_like(ops.tensordot(weights, ops.transpose(embedding), axes=1))
        return ops.fori_loop(0, count, add, nothing)

    def _rows(self, scale: Any, i: Any, weights: Any) -> Any:
        """Return part i of the scale, one row for each window."""
        part = ops.take(scale, i, axis=1)
        return ops.broadcast_to(part, (ops.shape(weights)[0], part.shape[1]))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "num_outputs": self.num_outputs,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
