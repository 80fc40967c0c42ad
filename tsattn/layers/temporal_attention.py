"""Attention over the steps of a window, for each channel by itself or shared by all."""

from typing import Any

import keras
from keras import ops

SCOPES = ("per-dimension", "shared")


@keras.saving.register_keras_serializable(package="tsattn")
class TemporalAttention(keras.layers.Layer):
    """Weigh the steps of a sequence by a softmax over them.

    The logits of a channel are an affine map of that channel's own steps, `logits_t = sum_s x_s
    W_st + b_t`. With scope `per-dimension` each channel has its softmax over the steps, and a bias
    of its own; with `shared` the mean of the channels gives one softmax for all. The output is
    `steps * scores * inputs`, so that uniform attention is the identity and the scale of the
    inputs is kept. Placed before a recurrent layer the channels are features; after it they are
    hidden units.

    Both scopes come from the attention block of P. Rémy's keras-attention-mechanism (2017), which
    had no bias per channel and did not multiply by the number of steps.

    Args:
        scope: `"per-dimension"` or `"shared"`.
        kernel_initializer: Initializer of `W` (steps, steps); zeros start at uniform attention.
        bias_initializer: Initializer of `b` (steps, channels), or (steps, 1) if shared.
        kernel_regularizer: Regularizer of `W`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels), with a fixed number of steps.
        mask: (batch, steps) booleans; masked steps are read as zeros and get the score zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, steps, channels). The scores are (batch, steps, channels), or (batch, steps, 1) if
        shared; they sum to 1 over the steps.

    Raises:
        ValueError: the scope is unknown, or the number of steps or channels is not fixed.

    Example:
        >>> import numpy as np
        >>> layer = TemporalAttention()
        >>> outputs, scores = layer(np.ones((2, 11, 3), "float32"), return_attention_scores=True)
        >>> outputs.shape, scores.shape
        ((2, 11, 3), (2, 11, 3))
    """

    def __init__(
        self,
        scope: str = "per-dimension",
        kernel_initializer: Any = "zeros",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if scope not in SCOPES:
            raise ValueError(
                f"`scope` must be one of {', '.join(SCOPES)}. Received: scope={scope!r}. "
                "Use one of these."
            )
        self.scope = scope
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self.softmax = keras.layers.Softmax(axis=1, dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel and the bias."""
        steps, channels = input_shape[1:]
        if steps is None or channels is None:
            raise ValueError(
                "The number of steps and of channels must be fixed. Received: "
                f"input_shape={input_shape}. Declare the input as Input((steps, channels))."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(steps, steps),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(steps, channels if self.scope == "per-dimension" else 1),
            initializer=self.bias_initializer,
        )
        self.softmax.build((None, *self.bias.shape))

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the weighted steps, and the scores if asked for."""
        steps = inputs.shape[1]
        if mask is not None:
            mask = ops.expand_dims(mask, -1)  # (batch, steps, 1)
            inputs = ops.where(mask, inputs, ops.zeros_like(inputs))
        channels = inputs
        if self.scope == "shared":
            channels = ops.mean(inputs, axis=-1, keepdims=True)
        logits = ops.einsum("bsc,st->btc", channels, self.kernel) + self.bias
        if steps == 1:
            scores = 1 + 0 * logits  # Keras warns of its softmax here; the gradient is the same
        elif mask is None:
            scores = self.softmax(logits)
        else:
            scores = self.softmax(logits, mask=ops.broadcast_to(mask, ops.shape(logits)))
        if mask is not None:
            scores = ops.where(mask, scores, ops.zeros_like(scores))
            steps = ops.sum(ops.cast(mask, inputs.dtype), axis=1, keepdims=True)
        outputs = steps * scores * inputs
        return (outputs, scores) if return_attention_scores else outputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "scope": self.scope,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
