"""One step of the decoder that attends to the encoder's states."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import masked_softmax

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}
SCORES = ("additive", "luong")


class AttentionDecoderCell(keras.layers.Layer):
    """Take one step of `AttentionDecoder`, which has the formulae.

    Keras passes no constants to a cell, so the encoder's states are carried in its state.

    Args:
        units: Size of the decoder's states.
        num_outputs: Numbers forecast at each step.
        cell: `"gru"` or `"lstm"`.
        score: `"additive"` or `"luong"`.
        steps: Steps of the encoder's states.
        channels: Channels of the encoder's states.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, 1 + num_outputs + future features): whether to read the true previous
            output (1 or 0), that output, and the future inputs.
        states: Those of the recurrent cell (batch, units); the previous output (batch,
            num_outputs); the keys (batch, steps, units); the encoder's states (batch, steps,
            channels) and their mask (batch, steps).

    Output shape:
        (batch, num_outputs + steps): the output and the scores, which sum to 1 over the steps; and
        the new states.
    """

    def __init__(
        self,
        units: int,
        num_outputs: int,
        cell: str,
        score: str,
        steps: int,
        channels: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.num_outputs = num_outputs
        self.score = score
        self.channels = channels
        self.recurrent_cell = CELLS[cell](units, dtype=self.dtype_policy, name="recurrent_cell")
        recurrent_sizes = keras.tree.flatten(self.recurrent_cell.state_size)
        carried_sizes = [num_outputs, (steps, units), (steps, channels), steps]
        self.state_size = [*recurrent_sizes, *carried_sizes]
        self.output_size = num_outputs + steps
        self.output_dense = keras.layers.Dense(
            num_outputs, dtype=self.dtype_policy, name="output_dense"
        )

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the weights."""
        self.recurrent_cell.build((None, self.channels + input_shape[-1] - 1))
        self.output_dense.build((None, self.units + self.channels))
        if self.score == "luong":
            self.score_kernel = self.add_weight(
                name="score_kernel",
                shape=(self.channels, self.units),
                initializer="glorot_uniform",
            )
            return
        self.query_dense = keras.layers.Dense(
            self.units, use_bias=False, dtype=self.dtype_policy, name="query_dense"
        )
        self.key_dense = keras.layers.Dense(
            self.units, use_bias=False, dtype=self.dtype_policy, name="key_dense"
        )
        self.query_dense.build((None, self.units))
        self.key_dense.build((None, self.channels))
        self.score_vector = self.add_weight(
            name="score_vector", shape=(self.units,), initializer="glorot_uniform"
        )

    def keys(self, encoder_states: Any) -> Any:
        """Return what the queries are compared with (batch, steps, units), once for all steps."""
        if self.score == "luong":
            return ops.matmul(encoder_states, self.score_kernel)
        return self.key_dense(encoder_states)

    def call(self, inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Return the output with the scores, and the new states."""
        *recurrent_states, previous, keys, encoder_states, mask = states
        truth, future_inputs = (
            inputs[:, 1 : 1 + self.num_outputs],
            inputs[:, 1 + self.num_outputs :],
        )
        previous = ops.where(inputs[:, :1] > 0, truth, previous)
        scores = masked_softmax(self._logits(recurrent_states[0], keys), mask > 0)
        context = ops.einsum("bt,btc->bc", scores, encoder_states)
        hidden, recurrent_states = self.recurrent_cell(
            ops.concatenate([context, previous, future_inputs], axis=-1), recurrent_states
        )
        output = self.output_dense(ops.concatenate([hidden, context], axis=-1))
        new_states = [*recurrent_states, output, keys, encoder_states, mask]
        return ops.concatenate([output, scores], axis=-1), new_states

    def _logits(self, query: Any, keys: Any) -> Any:
        """Return the logits (batch, steps) of a query (batch, units)."""
        if self.score == "luong":
            return ops.einsum("btu,bu->bt", keys, query)
        hidden = ops.tanh(ops.expand_dims(self.query_dense(query), 1) + keys)
        return ops.einsum("btu,u->bt", hidden, self.score_vector)
