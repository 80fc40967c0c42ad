"""Attention of the steps of a sequence to one another, several times over."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class MultiHeadSelfAttention(keras.layers.Layer):
    """Replace each step of a sequence by weighted sums over the steps, one for each head.

    Each head has queries, keys and values of its own and scaled dot-product scores; a dense layer
    joins the heads. It is placed on a sequence of inputs or after a recurrent layer that returns
    its sequence. The mean of the scores over the heads is `ops.mean(scores, axis=1)`.

    It is the multi-head attention of Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.2,
    computed by `keras.layers.MultiHeadAttention`.

    Args:
        num_heads: Number of heads.
        key_dim: Size of the queries, keys and values of a head.
        dropout: Share of the scores dropped in training. The scores returned are those before.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels), with a fixed number of channels.
        mask: (batch, steps) booleans; masked steps are not attended to, their rows of scores and
            their outputs are zero.
        training: Whether to drop scores.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, steps, channels), and the mask is passed on. The scores are (batch, heads, steps,
        steps), and their rows sum to 1 over the last axis.

    Raises:
        ValueError: the number of heads or their size is not positive, as Keras says.

    Example:
        >>> import numpy as np
        >>> layer = MultiHeadSelfAttention(num_heads=2, key_dim=5)
        >>> outputs, scores = layer(np.ones((2, 11, 3), "float32"), return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape)
        ((2, 11, 3), (2, 2, 11, 11))
    """

    def __init__(self, num_heads: int, key_dim: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.dropout = dropout
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the attention."""
        self.attention = keras.layers.MultiHeadAttention(
            self.num_heads,
            self.key_dim,
            dropout=self.dropout,
            dtype=self.dtype_policy,
            name="attention",
        )
        self.attention.build(input_shape, input_shape)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
    ) -> Any:
        """Return the joined heads, and the scores if asked for."""
        inputs = zero_masked(inputs, mask)
        # Always with the scores: without them Keras takes fused kernels, and not all of these are
        # finite in a window that is masked altogether.
        outputs, scores = self.attention(
            inputs,
            inputs,
            attention_mask=None if mask is None else ops.expand_dims(mask, 1),
            training=training,
            return_attention_scores=True,
        )
        if mask is not None:
            both = ops.logical_and(mask[:, None, :, None], mask[:, None, None, :])
            scores = ops.where(both, scores, ops.zeros_like(scores))
            outputs = zero_masked(outputs, mask)
        return (outputs, scores) if return_attention_scores else outputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "dropout": self.dropout,
        }
