"""Attention of the last state over all states, many to one."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import last_step, masked_softmax, zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class LuongAttention(keras.layers.Layer):
    """Sum up a sequence of states by the attention its last state pays to all of them.

    With `h_T` the last unmasked step, `logits_t = h_t^T W h_T`, the scores are their softmax over
    the steps, the context is `sum_t scores_t h_t`, and the output is `tanh([context; h_T] K)`. It
    is placed after a recurrent layer that returns its sequence.

    It is the "general" score of Luong et al. 2015 (arXiv 1508.04025), section 3.1, with
    the last state of the encoder in place of a decoder's.

    Args:
        units: Size of the output.
        kernel_initializer: Initializer of `W` (channels, channels) and `K` (2 channels, units).
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels), with a fixed number of channels.
        mask: (batch, steps) booleans; masked steps are read as zeros and get the score zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, units). The scores are (batch, steps) and sum to 1 over the steps.

    Raises:
        ValueError: the inputs are not (batch, steps, channels) with a fixed number of channels.

    Example:
        >>> import numpy as np
        >>> layer = LuongAttention(5)
        >>> outputs, scores = layer(np.ones((2, 11, 3), "float32"), return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape)
        ((2, 5), (2, 11))
    """

    def __init__(
        self, units: int, kernel_initializer: Any = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the two kernels."""
        if len(input_shape) != 3 or input_shape[2] is None:
            raise ValueError(
                "The inputs must be (batch, steps, channels) with a fixed number of channels. "
                f"Received: input_shape={input_shape}. Declare the input as "
                "Input((steps, channels))."
            )
        channels = input_shape[2]
        # Copies, since one initializer gives both kernels the same numbers.
        self.score_kernel = self.add_weight(
            name="score_kernel",
            shape=(channels, channels),
            initializer=self._initializer(),
        )
        self.output_kernel = self.add_weight(
            name="output_kernel",
            shape=(2 * channels, self.units),
            initializer=self._initializer(),
        )

    def _initializer(self) -> Any:
        """Return the initializer anew, since one that is used twice gives the same numbers."""
        initializer = self.kernel_initializer
        return initializer.clone() if hasattr(initializer, "clone") else initializer

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the summary of the sequence, and the scores if asked for."""
        inputs = zero_masked(inputs, mask)
        last = last_step(inputs, mask)  # (batch, channels)
        query = ops.matmul(last, ops.transpose(self.score_kernel))
        scores = masked_softmax(ops.einsum("btc,bc->bt", inputs, query), mask)
        context = ops.einsum("bt,btc->bc", scores, inputs)
        joined = ops.concatenate([context, last], axis=-1)  # (batch, 2 channels)
        outputs = ops.tanh(ops.matmul(joined, self.output_kernel))
        return (outputs, scores) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return no mask: the steps are gone."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
