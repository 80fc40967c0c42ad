"""Attention whose scores come from each step by itself."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import masked_softmax, zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class FeedForwardAttention(keras.layers.Layer):
    """Sum up a sequence, each step weighed by a score of its own values.

    `e_t = x_t . w + b_t`, through `tanh` unless that is turned off; the scores are the softmax of
    `e` over the steps, and the output is `sum_t scores_t x_t`. It is placed on a sequence of
    inputs or after a recurrent layer that returns its sequence.

    `tanh` bounds the logits: no weight can exceed `e^2 / (e^2 + steps - 1)`, that is 0.45 of 10
    steps and 0.07 of 96. Turn it off where the attention must be able to peak.

    It is the attention of Raffel & Ellis 2015 (arXiv 1512.08756), equations 1 to 3.

    Args:
        use_bias: Whether each step has a bias, which needs a fixed number of steps.
        use_tanh: Whether the logits go through `tanh`.
        kernel_initializer: Initializer of `w` (channels,).
        bias_initializer: Initializer of `b` (steps,).
        kernel_regularizer: Regularizer of `w`.
        bias_regularizer: Regularizer of `b`.
        kernel_constraint: Constraint on `w`.
        bias_constraint: Constraint on `b`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels), with a fixed number of channels.
        mask: (batch, steps) booleans; masked steps are read as zeros and get the score zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, channels). The scores are (batch, steps) and sum to 1 over the steps.

    Raises:
        ValueError: the number of channels is not fixed, or that of the steps with a bias.

    Example:
        >>> import numpy as np
        >>> layer = FeedForwardAttention(use_tanh=False)
        >>> outputs, scores = layer(np.ones((2, 11, 3), "float32"), return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape)
        ((2, 3), (2, 11))
    """

    def __init__(
        self,
        use_bias: bool = True,
        use_tanh: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_bias = use_bias
        self.use_tanh = use_tanh
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel and the bias."""
        if len(input_shape) != 3 or input_shape[2] is None:
            raise ValueError(
                "The inputs must be (batch, steps, channels) with a fixed number of channels. "
                f"Received: input_shape={input_shape}. Declare the input as "
                "Input((steps, channels))."
            )
        if self.use_bias and input_shape[1] is None:
            raise ValueError(
                "The number of steps must be fixed where each has a bias. Received: "
                f"input_shape={input_shape}. Fix it, or pass use_bias=False."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[2],),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(input_shape[1],),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the weighted sum of the steps, and the scores if asked for."""
        inputs = zero_masked(inputs, mask)
        logits = ops.einsum("btc,c->bt", inputs, self.kernel)
        if self.bias is not None:
            logits = logits + self.bias
        if self.use_tanh:
            logits = ops.tanh(logits)
        scores = masked_softmax(logits, mask)
        outputs = ops.einsum("bt,btc->bc", scores, inputs)
        return (outputs, scores) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return no mask: the steps are gone."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "use_tanh": self.use_tanh,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }
