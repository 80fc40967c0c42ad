"""Attention within blocks of steps, then over the blocks."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import masked_softmax, zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class HierarchicalAttention(keras.layers.Layer):
    """Sum up the steps of each block by attention, then the blocks.

    Within a block, `u_t = tanh(x_t W + b)`, the scores are the softmax of `u_t . a` over its
    steps, and the block is `s = sum_t scores_t x_t`. Over the blocks the same is done to `s` with
    weights of its own. A block is for instance a day of 24 hours. It is placed on a sequence of
    inputs or after a recurrent layer that returns its sequence.

    It is the attention of Yang et al. 2016 (Hierarchical Attention Networks for Document
    Classification), equations 5 to 10, without the recurrent layer between the two.

    Args:
        block_steps: Steps in a block.
        units: Size of `u`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels), with fixed numbers of steps and channels; the number of
            steps is a multiple of the block.
        mask: (batch, steps) booleans; masked steps are read as zeros and get the score zero, and
            so do blocks that are masked altogether.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, channels). The scores are a pair: (batch, blocks, block steps), which sum to 1 over
        the steps of a block, and (batch, blocks), which sum to 1 over the blocks.

    Raises:
        ValueError: the number of steps is not fixed, or not a multiple of the block.

    Example:
        >>> import numpy as np
        >>> layer = HierarchicalAttention(block_steps=11, units=5)
        >>> outputs, (within, over) = layer(
        ...     np.ones((2, 77, 3), "float32"), return_attention_scores=True
        ... )
        >>> tuple(outputs.shape), tuple(within.shape), tuple(over.shape)
        ((2, 3), (2, 7, 11), (2, 7))
    """

    def __init__(self, block_steps: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.block_steps = block_steps
        self.units = units
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of the two levels."""
        steps = input_shape[1] if len(input_shape) == 3 else None
        if self.block_steps < 1 or steps is None or steps % self.block_steps:
            raise ValueError(
                "The number of steps must be fixed and a multiple of `block_steps`. Received: "
                f"block_steps={self.block_steps}, input_shape={input_shape}. Change one of the two."
            )
        self.blocks = steps // self.block_steps
        self.step_dense = self._hidden("step_dense", input_shape[-1])
        self.block_dense = self._hidden("block_dense", input_shape[-1])
        self.step_vector = self.add_weight(
            name="step_vector", shape=(self.units,), initializer="glorot_uniform"
        )
        self.block_vector = self.add_weight(
            name="block_vector", shape=(self.units,), initializer="glorot_uniform"
        )

    def _hidden(self, name: str, channels: int | None) -> Any:
        """Return a built dense layer with `tanh`."""
        dense = keras.layers.Dense(
            self.units, activation="tanh", dtype=self.dtype_policy, name=name
        )
        dense.build((None, channels))
        return dense

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the weighted sum of the blocks, and the scores of both levels if asked for."""
        inputs = zero_masked(inputs, mask)
        steps = ops.reshape(inputs, (-1, self.blocks, self.block_steps, inputs.shape[-1]))
        block_mask = None
        if mask is not None:
            mask = ops.reshape(mask, (-1, self.blocks, self.block_steps))
            block_mask = ops.any(mask, axis=-1)  # (batch, blocks)
        within = masked_softmax(ops.matmul(self.step_dense(steps), self.step_vector), mask)
        blocks = ops.einsum("bnt,bntc->bnc", within, steps)
        over = masked_softmax(ops.matmul(self.block_dense(blocks), self.block_vector), block_mask)
        outputs = ops.einsum("bn,bnc->bc", over, blocks)
        return (outputs, (within, over)) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return no mask: the steps are gone."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "block_steps": self.block_steps,
            "units": self.units,
        }
