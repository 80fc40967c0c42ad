"""Attention of queries over the states of every feature, kept apart by feature."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import masked_softmax, zero_masked

SCOPES = ("all", "per-dimension", "shared")
SCORES = ("additive", "luong")


@keras.saving.register_keras_serializable(package="tsattn")
class FeatureStateAttention(keras.layers.Layer):
    """Let queries weigh the states of every feature, and sum them up feature by feature.

    The logit of query `q` for the state `h` of a feature at a step is

    - `additive`: `v . tanh(W1 q + W2 h)` (Bahdanau et al. 2014, arXiv 1409.0473, appendix A.1.2),
    - `luong`: `h^T W q` (Luong et al. 2015, arXiv 1508.04025, section 3.1, "general").

    The scores are a softmax of the logits over the steps of each feature (`per-dimension`), over
    all steps of all features (`all`), or over the steps, by the mean of the logits over the
    features (`shared`). The context of a feature is the sum of score times state over its steps.
    With `all` it is multiplied by the number of features, so that uniform scores give the mean
    state of each feature, as they do with the other scopes. Contexts of features stay apart: what
    reads them can weigh each by itself. It is placed after `PerFeatureRecurrent`.

    Args:
        units: Size in which additive scores compare queries and states.
        scope: `"all"`, `"per-dimension"` or `"shared"`.
        score: `"additive"` or `"luong"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: (batch, queries, query channels).
        states: (batch, features, steps, channels).
        states_mask: (batch, steps) booleans; masked steps get the score zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, queries, features, channels). The scores are (batch, queries, features, steps) and
        sum to 1 over the steps, with the scope `all` over features and steps; with `shared` they
        are (batch, queries, 1, steps).

    Raises:
        ValueError: the scope or the score is unknown.

    Example:
        >>> import numpy as np
        >>> layer, states = FeatureStateAttention(5), np.ones((2, 3, 11, 5), "float32")
        >>> context, scores = layer(states[:, 0, :7], states, return_attention_scores=True)
        >>> tuple(context.shape), tuple(scores.shape)
        ((2, 7, 3, 5), (2, 7, 3, 11))
    """

    def __init__(
        self, units: int, scope: str = "all", score: str = "additive", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        for name, value, choices in (("scope", scope, SCOPES), ("score", score, SCORES)):
            if value not in choices:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value!r}. "
                    "Use one of these."
                )
        self.units = units
        self.scope = scope
        self.score = score
        self.supports_masking = True

    def build(
        self, query_shape: tuple[int | None, ...], states_shape: tuple[int | None, ...]
    ) -> None:
        """Create the projections of queries and states."""
        size = self.units if self.score == "additive" else states_shape[-1]
        self.query_dense = keras.layers.Dense(
            size, use_bias=False, dtype=self.dtype_policy, name="query_dense"
        )
        self.query_dense.build(query_shape)
        if self.score == "luong":
            return
        self.key_dense = keras.layers.Dense(
            size, use_bias=False, dtype=self.dtype_policy, name="key_dense"
        )
        self.score_dense = keras.layers.Dense(
            1, use_bias=False, dtype=self.dtype_policy, name="score_dense"
        )
        self.key_dense.build(states_shape)
        self.score_dense.build((None, size))

    def call(
        self,
        query: Any,
        states: Any,
        states_mask: Any = None,
        return_attention_scores: bool = False,
    ) -> Any:
        """Return the context of each query and feature, and the scores if asked for."""
        if states_mask is not None:
            states_mask = ops.expand_dims(states_mask, 1)  # (batch, 1, steps)
            states = zero_masked(states, states_mask)
            states_mask = ops.expand_dims(states_mask, 1)  # (batch, 1, 1, steps)
        scores = self._softmax(self._logits(query, states), states_mask)
        context = ops.einsum("bqft,bftc->bqfc", self._of_every_feature(scores, states), states)
        return (context, scores) if return_attention_scores else context

    def _logits(self, query: Any, states: Any) -> Any:
        """Return the logits (batch, queries, features, steps)."""
        queries = self.query_dense(query)
        if self.score == "luong":
            return ops.einsum("bqc,bftc->bqft", queries, states)
        keys = self.key_dense(states)
        compared = ops.tanh(queries[:, :, None, None] + keys[:, None])
        return self.score_dense(compared)[..., 0]

    def _softmax(self, logits: Any, mask: Any) -> Any:
        """Return the scores in the shape of the logits; with one feature for all if shared."""
        if self.scope == "shared":
            logits = ops.mean(logits, axis=2, keepdims=True)
        if self.scope != "all":
            return masked_softmax(logits, mask)
        queries, features, steps = logits.shape[1:]
        if mask is not None:
            mask = ops.broadcast_to(mask, ops.shape(logits))
            mask = ops.reshape(mask, (-1, queries, features * steps))
        scores = masked_softmax(ops.reshape(logits, (-1, queries, features * steps)), mask)
        return ops.reshape(scores, (-1, queries, features, steps))

    def _of_every_feature(self, scores: Any, states: Any) -> Any:
        """Return what the states are multiplied by: (batch, queries, features, steps)."""
        features = states.shape[1]
        return (
            ops.repeat(scores, features, axis=2)
            if self.scope == "shared"
            else scores * (features if self.scope == "all" else 1)
        )

    def compute_mask(self, query: Any, previous_mask: Any = None) -> None:
        """Return no mask: the axes are others."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "scope": self.scope,
            "score": self.score,
        }
