"""Attention of the steps of a sequence to one another."""

import math
from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import masked_softmax, zero_masked

SCORES = ("dot", "scaled-dot", "multiplicative", "additive")


@keras.saving.register_keras_serializable(package="tsattn")
class SelfAttention(keras.layers.Layer):
    """Replace each step of a sequence by a weighted sum over the steps.

    Queries, keys and values are `q = x Wq`, `k = x Wk` and `v = x Wv`. The logits of step t over
    the steps s are, by the name of the score,

    - `dot`: `q_t . k_s`,
    - `scaled-dot`: `q_t . k_s / sqrt(units)` (Vaswani et al. 2017, equation 1),
    - `multiplicative`: `q_t^T M k_s` (Luong et al. 2015, section 3.1),
    - `additive`: `a . tanh(q_t + k_s)` (Bahdanau et al. 2014, appendix A.1.2),

    the scores are their softmax over s, and the output is `sum_s scores_ts v_s`. It is placed on a
    sequence of inputs or after a recurrent layer that returns its sequence, as intra-attention is
    in Cheng et al. 2016 (arXiv 1601.06733). The diversity penalty is that of Lin et al. 2017
    (arXiv 1703.03130), equation 8.

    Args:
        units: Size of the queries, keys, values and outputs.
        score: `"dot"`, `"scaled-dot"`, `"multiplicative"` or `"additive"`.
        causal: Whether a step attends to itself and earlier steps only.
        width: Largest distance between a step and those it attends to; None for any.
        use_bias: Whether queries, keys and values have a bias. With the first two scores the bias
            of the keys changes nothing.
        diversity: Weight of the penalty `||A A^T - I||_F^2` on the scores `A` of a window, which
            pushes the rows apart; its mean over the batch is added to the loss.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels), with a fixed number of channels.
        mask: (batch, steps) booleans; masked steps are not attended to, their rows of scores and
            their outputs are zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, steps, units), and the mask is passed on. The scores are (batch, steps, steps), and
        their rows sum to 1 over the last axis.

    Raises:
        ValueError: the score is unknown, or the width or the diversity is negative.

    Example:
        >>> import numpy as np
        >>> layer = SelfAttention(5, causal=True)
        >>> outputs, scores = layer(np.ones((2, 11, 3), "float32"), return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape)
        ((2, 11, 5), (2, 11, 11))
    """

    def __init__(
        self,
        units: int,
        score: str = "scaled-dot",
        causal: bool = False,
        width: int | None = None,
        use_bias: bool = False,
        diversity: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score not in SCORES:
            raise ValueError(
                f"`score` must be one of {', '.join(SCORES)}. Received: score={score!r}. "
                "Use one of these."
            )
        if width is not None and width < 0:
            raise ValueError(
                f"`width` must be 0 or more. Received: width={width}. Pass None for any distance."
            )
        if diversity < 0:
            raise ValueError(
                f"`diversity` must be 0 or more. Received: diversity={diversity}. "
                "Pass 0 for no penalty."
            )
        self.units = units
        self.score = score
        self.causal = causal
        self.width = width
        self.use_bias = use_bias
        self.diversity = diversity
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the projections, and the weight of the score if it has one."""
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                "The inputs must be (batch, steps, channels) with a fixed number of channels. "
                f"Received: input_shape={input_shape}. Declare it as Input((steps, channels))."
            )
        self.query_dense = self._projection("query_dense", input_shape)
        self.key_dense = self._projection("key_dense", input_shape)
        self.value_dense = self._projection("value_dense", input_shape)
        self.score_kernel = None
        if self.score in ("multiplicative", "additive"):
            axes = 2 if self.score == "multiplicative" else 1
            self.score_kernel = self.add_weight(
                name="score_kernel", shape=(self.units,) * axes, initializer="glorot_uniform"
            )

    def _projection(self, name: str, input_shape: tuple[int | None, ...]) -> Any:
        """Return a built dense layer to the units."""
        dense = keras.layers.Dense(
            self.units, use_bias=self.use_bias, dtype=self.dtype_policy, name=name
        )
        dense.build(input_shape)
        return dense

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the weighted sums, and the scores if asked for."""
        inputs = zero_masked(inputs, mask)
        logits = self._logits(self.query_dense(inputs), self.key_dense(inputs))
        scores = masked_softmax(logits, self._permitted(ops.shape(inputs)[1], mask))
        if self.diversity:
            self.add_loss(self.diversity * ops.mean(_overlap(scores, mask)))
        outputs = ops.matmul(scores, self.value_dense(inputs))
        return (outputs, scores) if return_attention_scores else outputs

    def _logits(self, queries: Any, keys: Any) -> Any:
        """Return the logits (batch, steps, steps) of queries and keys (batch, steps, units)."""
        if self.score == "additive":
            sums = ops.tanh(ops.expand_dims(queries, 2) + ops.expand_dims(keys, 1))
            return ops.einsum("btsu,u->bts", sums, self.score_kernel)
        if self.score == "multiplicative":
            queries = ops.matmul(queries, self.score_kernel)
        elif self.score == "scaled-dot":
            queries = queries / math.sqrt(self.units)
        return ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))

    def _permitted(self, steps: Any, mask: Any) -> Any:
        """Return which scores may differ from 0, to broadcast to (batch, steps, steps)."""
        positions = ops.arange(steps)
        ahead = ops.expand_dims(positions, 0) - ops.expand_dims(positions, 1)  # s - t
        permitted = None
        if self.causal:
            permitted = ahead <= 0
        if self.width is not None:
            near = ops.absolute(ahead) <= self.width
            permitted = near if permitted is None else ops.logical_and(permitted, near)
        if mask is not None:
            both = ops.logical_and(ops.expand_dims(mask, 2), ops.expand_dims(mask, 1))
            permitted = both if permitted is None else ops.logical_and(permitted, both)
        return permitted

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "score": self.score,
            "causal": self.causal,
            "width": self.width,
            "use_bias": self.use_bias,
            "diversity": self.diversity,
        }


def _overlap(scores: Any, mask: Any) -> Any:
    """Return `||A A^T - I||_F^2` of each window (batch,), without its masked steps."""
    scores = ops.cast(scores, "float32")  # the sum of squares can exceed float16
    products = ops.matmul(scores, ops.transpose(scores, (0, 2, 1)))
    identity = ops.eye(ops.shape(scores)[1])
    if mask is not None:
        identity = identity * ops.expand_dims(ops.cast(mask, "float32"), -1)
    return ops.sum(ops.square(products - identity), axis=(1, 2))
