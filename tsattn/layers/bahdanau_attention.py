"""Additive attention of queries over the states of an encoder."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class BahdanauAttention(keras.layers.Layer):
    """Read the states of an encoder as one query, or each of several, weighs them.

    `logits_qt = v . tanh(W1 q + W2 h_t)`, the scores are their softmax over the steps, and the
    context is `sum_t scores_qt h_t`. It is placed between an encoder that returns its sequence and
    whatever asks: the encoder's last state, or a decoder's states.

    It is the alignment model of Bahdanau et al. 2014 (arXiv 1409.0473), appendix A.1.2; the
    softmax and the sum are those of `keras.layers.AdditiveAttention`.

    Args:
        units: Size in which queries and states are compared.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: (batch, query channels), or (batch, queries, query channels).
        states: (batch, steps, channels).
        states_mask: (batch, steps) booleans; masked states are read as zeros and get the score
            zero. Keras passes the mask of the states on by this name.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, channels), or (batch, queries, channels). The scores are (batch, steps), or (batch,
        queries, steps), and sum to 1 over the steps.

    Raises:
        ValueError: the query has neither 2 nor 3 axes.

    Example:
        >>> import numpy as np
        >>> layer, states = BahdanauAttention(5), np.ones((2, 11, 3), "float32")
        >>> context, scores = layer(states[:, -1], states, return_attention_scores=True)
        >>> tuple(context.shape), tuple(scores.shape)
        ((2, 3), (2, 11))
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(
        self, query_shape: tuple[int | None, ...], states_shape: tuple[int | None, ...]
    ) -> None:
        """Create the two projections and the attention."""
        if len(query_shape) not in (2, 3):
            raise ValueError(
                "The query must be (batch, channels) or (batch, queries, channels). Received: "
                f"query_shape={query_shape}. Reshape the query."
            )
        self.query_dense = keras.layers.Dense(
            self.units, use_bias=False, dtype=self.dtype_policy, name="query_dense"
        )
        self.key_dense = keras.layers.Dense(
            self.units, use_bias=False, dtype=self.dtype_policy, name="key_dense"
        )
        self.attention = keras.layers.AdditiveAttention(dtype=self.dtype_policy, name="attention")
        self.query_dense.build(query_shape)
        self.key_dense.build(states_shape)
        keys_shape = (*states_shape[:2], self.units)
        self.attention.build([(query_shape[0], None, self.units), states_shape, keys_shape])

    def call(
        self,
        query: Any,
        states: Any,
        states_mask: Any = None,
        return_attention_scores: bool = False,
    ) -> Any:
        """Return the context of each query, and the scores if asked for."""
        states = zero_masked(states, states_mask)
        queries = query if len(query.shape) == 3 else query[:, None]  # (batch, queries, channels)
        context, scores = self.attention(
            [self.query_dense(queries), states, self.key_dense(states)],
            mask=None if states_mask is None else [None, _some_unmasked(states_mask)],
            return_attention_scores=True,
        )
        if states_mask is not None:
            scores = ops.where(states_mask[:, None], scores, ops.zeros_like(scores))
        if len(query.shape) == 2:
            context, scores = context[:, 0], scores[:, 0]
        return (context, scores) if return_attention_scores else context

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "units": self.units}


def _some_unmasked(mask: Any) -> Any:
    """Unmask the windows that are masked altogether, of which Keras' softmax may be NaN."""
    return ops.logical_or(mask, ops.logical_not(ops.any(mask, axis=1, keepdims=True)))
