"""Attention over steps and features with an exact contribution of each input."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import masked_softmax, zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class ReverseTimeAttention(keras.layers.Layer):
    """Sum up a window by scores from recurrent layers that read it backwards.

    The steps are embedded, `v_t = x_t E`, and two GRUs read them from the last to the first. The
    states `g_t` of one give the scores of the steps, the softmax of `w . g_t` over them; the
    states `h_t` of the other give `weights_t = tanh(W h_t + b)`. The context is `sum_t scores_t
    weights_t * v_t`. The values are local to their step, so that a linear output is a sum of
    contributions of single inputs, which `contributions` returns. It is placed on the inputs.

    A window that is masked altogether has the score zero everywhere, and the context zero.

    It is RETAIN, Choi et al. 2016 (arXiv 1608.05745), section 2.2, without the bias of the
    step scores, which the softmax cancels.

    Args:
        units: Size of the embedding, the GRUs and the context.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, features), with a fixed number of features.
        mask: (batch, steps) booleans; masked steps are skipped and get the score zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, units). The scores are a pair: (batch, steps), which sum to 1 over the steps, and
        the weights (batch, steps, units), between -1 and 1.

    Raises:
        ValueError: the inputs are not (batch, steps, features) with a fixed number of features.

    Example:
        >>> import numpy as np
        >>> layer, windows = ReverseTimeAttention(5), np.ones((2, 11, 3), "float32")
        >>> context, (scores, weights) = layer(windows, return_attention_scores=True)
        >>> tuple(context.shape), tuple(scores.shape), tuple(weights.shape)
        ((2, 5), (2, 11), (2, 11, 5))
        >>> tuple(layer.contributions(windows, np.ones((5, 7), "float32")).shape)
        (2, 11, 3, 7)
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the embedding, the two recurrent layers and what reads their states."""
        if len(input_shape) != 3 or input_shape[2] is None:
            raise ValueError(
                "The inputs must be (batch, steps, features) with a fixed number of features. "
                f"Received: input_shape={input_shape}. Declare the input as "
                "Input((steps, features))."
            )
        dtype = self.dtype_policy
        self.embedding = keras.layers.Dense(
            self.units, use_bias=False, dtype=dtype, name="embedding"
        )
        # Not cuDNN, which rejects the masks of reversed windows.
        self.step_recurrence = keras.layers.GRU(
            self.units, return_sequences=True, use_cudnn=False, dtype=dtype, name="step_recurrence"
        )
        self.weight_recurrence = keras.layers.GRU(
            self.units,
            return_sequences=True,
            use_cudnn=False,
            dtype=dtype,
            name="weight_recurrence",
        )
        self.step_dense = keras.layers.Dense(1, use_bias=False, dtype=dtype, name="step_dense")
        self.weight_dense = keras.layers.Dense(
            self.units, activation="tanh", dtype=dtype, name="weight_dense"
        )
        embedded_shape = (*input_shape[:2], self.units)
        self.embedding.build(input_shape)
        for layer in (
            self.step_recurrence,
            self.weight_recurrence,
            self.step_dense,
            self.weight_dense,
        ):
            layer.build(embedded_shape)

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the context, and the scores and weights if asked for."""
        embedded = self.embedding(zero_masked(inputs, mask))
        step_states = self._read_backwards(self.step_recurrence, embedded, mask)
        weight_states = self._read_backwards(self.weight_recurrence, embedded, mask)
        scores = masked_softmax(self.step_dense(step_states)[..., 0], mask)
        weights = zero_masked(self.weight_dense(weight_states), mask)
        context = ops.einsum("bt,btu->bu", scores, weights * embedded)
        return (context, (scores, weights)) if return_attention_scores else context

    def _read_backwards(self, recurrence: Any, embedded: Any, mask: Any) -> Any:
        """Return the states (batch, steps, units) of a recurrent layer fed from last to first."""
        reversed_mask = None if mask is None else ops.flip(mask, axis=1)
        states = recurrence(ops.flip(embedded, axis=1), mask=reversed_mask)
        return ops.flip(states, axis=1)

    def contributions(self, inputs: Any, output_kernel: Any, mask: Any = None) -> Any:
        """Split `context @ output_kernel` into what each input adds to it.

        Args:
            inputs: (batch, steps, features).
            output_kernel: (units, outputs), of a linear layer that reads the context.
            mask: (batch, steps) booleans, or None.

        Returns:
            (batch, steps, features, outputs); the sum over steps and features is the output of
            the linear layer without its bias. Masked steps contribute zero.
        """
        inputs = ops.cast(inputs, self.compute_dtype)
        output_kernel = ops.cast(output_kernel, self.compute_dtype)
        _, (scores, weights) = self(inputs, mask=mask, return_attention_scores=True)
        scored = ops.expand_dims(scores, -1) * zero_masked(inputs, mask)
        effects = ops.einsum(
            "ku,btu,uo->btko",
            ops.cast(self.embedding.kernel, self.compute_dtype),
            weights,
            output_kernel,
        )
        return ops.expand_dims(scored, -1) * effects

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return no mask: the steps are gone."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "units": self.units}
