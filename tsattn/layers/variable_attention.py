"""Attention over the steps of each feature, then over the features."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import last_step, masked_softmax, zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class VariableAttention(keras.layers.Layer):
    """Weigh the steps of each feature's own states, and then the features.

    For feature n, `e_nt = v_n . tanh(h_nt W_n + b_n)`, the temporal scores are their softmax over
    the steps, and the context is `g_n = sum_t scores_nt h_nt`. With the last unmasked state,
    `z_n = [g_n; h_nT]`, and the variable scores are the softmax of `u . z_n` over the features.
    It is placed after an encoder that keeps the states of the features apart, so that a score
    speaks of one feature; what follows mixes one forecast per feature by the variable scores.

    It is the mixture attention of IMV-LSTM, Guo et al. 2019 (arXiv 1905.12034), section 3.2,
    with point forecasts in place of densities.

    Args:
        units: Size of the hidden layer of the temporal scores.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        states: (batch, features, steps, channels), with fixed numbers of features and channels.
        mask: (batch, steps) booleans; masked steps are read as zeros and get the score zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, features, 2 channels). The scores are a pair: (batch, features, steps), which sum
        to 1 over the steps, and (batch, features), which sum to 1 over the features.

    Raises:
        ValueError: the states do not have four axes, or no fixed number of features and channels.

    Example:
        >>> import numpy as np
        >>> layer = VariableAttention(5)
        >>> outputs, (temporal, variable) = layer(
        ...     np.ones((2, 3, 11, 7), "float32"), return_attention_scores=True
        ... )
        >>> tuple(outputs.shape), tuple(temporal.shape), tuple(variable.shape)
        ((2, 3, 14), (2, 3, 11), (2, 3))
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, states_shape: tuple[int | None, ...]) -> None:
        """Create the weights of each feature, and the vector they share."""
        if len(states_shape) != 4 or states_shape[1] is None or states_shape[3] is None:
            raise ValueError(
                "The states must be (batch, features, steps, channels) with fixed numbers of "
                f"features and channels. Received: states_shape={states_shape}. Keep the states "
                "of each feature apart."
            )
        features, channels = states_shape[1], states_shape[3]
        self.step_kernel = self.add_weight(
            name="step_kernel",
            shape=(features, channels, self.units),
            initializer="glorot_uniform",
        )
        self.step_bias = self.add_weight(
            name="step_bias", shape=(features, self.units), initializer="zeros"
        )
        self.step_vector = self.add_weight(
            name="step_vector", shape=(features, self.units), initializer="glorot_uniform"
        )
        self.variable_vector = self.add_weight(
            name="variable_vector", shape=(2 * channels,), initializer="glorot_uniform"
        )

    def call(self, states: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the summary of each feature, and the scores of both kinds if asked for."""
        if mask is not None:
            mask = ops.expand_dims(mask, 1)  # (batch, 1, steps)
        states = zero_masked(states, mask)
        hidden = ops.einsum("bntc,ncu->bntu", states, self.step_kernel)
        hidden = ops.tanh(hidden + ops.expand_dims(self.step_bias, 1))
        temporal = masked_softmax(ops.einsum("bntu,nu->bnt", hidden, self.step_vector), mask)
        context = ops.einsum("bnt,bntc->bnc", temporal, states)
        outputs = ops.concatenate([context, last_step(states, mask)], axis=-1)
        variable = ops.softmax(ops.matmul(outputs, self.variable_vector), axis=-1)
        return (outputs, (temporal, variable)) if return_attention_scores else outputs

    def compute_mask(self, states: Any, previous_mask: Any = None) -> None:
        """Return no mask: the steps are gone."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "units": self.units}
