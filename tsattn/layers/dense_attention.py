"""Attention over the entries of a vector."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="tsattn")
class DenseAttention(keras.layers.Layer):
    """Weigh the features of a vector by a softmax over them.

    `scores = softmax(x K + b)` and `outputs = scores * x`. It is placed on vectors without steps,
    before dense layers.

    It is the dense attention block of P. Rémy's keras-attention-mechanism (2017).

    Args:
        kernel_initializer: Initializer of `K` (features, features).
        bias_initializer: Initializer of `b` (features,).
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, features), with a fixed number of features. There are no steps to mask.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, features). The scores have the same shape and sum to 1 over the features.

    Raises:
        ValueError: the inputs are not (batch, features) with a fixed number of features.

    Example:
        >>> import numpy as np
        >>> layer = DenseAttention()
        >>> outputs, scores = layer(np.ones((2, 3), "float32"), return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape)
        ((2, 3), (2, 3))
    """

    def __init__(
        self,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the layer that computes the scores."""
        if len(input_shape) != 2 or input_shape[1] is None:
            raise ValueError(
                "The inputs must be (batch, features) with a fixed number of features. Received: "
                f"input_shape={input_shape}. Declare the input as Input((features,))."
            )
        self.score_dense = keras.layers.Dense(
            input_shape[1],
            activation="softmax",
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            dtype=self.dtype_policy,
            name="score_dense",
        )
        self.score_dense.build(input_shape)

    def call(self, inputs: Any, return_attention_scores: bool = False) -> Any:
        """Return the weighted features, and the scores if asked for."""
        scores = self.score_dense(inputs)
        outputs = scores * inputs
        return (outputs, scores) if return_attention_scores else outputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
