"""Attention over the features at every step of a recurrent encoder."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import zero_masked

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


@keras.saving.register_keras_serializable(package="tsattn")
class InputAttention(keras.layers.Layer):
    """Encode a window by a recurrent cell that weighs the features anew at every step.

    At step t, with `h` and `s` the states of the cell before it and `x^k` the whole window of
    feature k, `logits_tk = v . tanh(W [h; s] + U x^k)`, the scores are their softmax over the
    features, and the cell reads `features * scores_t * x_t`, so that uniform attention is the
    identity. It is placed on the inputs in place of a recurrent layer; attention over the steps
    may follow.

    It is the first stage of DA-RNN, Qin et al. 2017 (arXiv 1704.02971), equations 8 to 11, times
    the number of features. A GRU has no `s`.

    Args:
        units: Size of the states.
        cell: `"lstm"` or `"gru"`.
        return_sequences: Whether to return the hidden state of every step, or of the last.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, features), with a fixed number of steps and features.
        mask: (batch, steps) booleans; masked steps are read as zeros, keep the states and get the
            score zero.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, steps, units), and the mask is passed on; or (batch, units) for the last step. The
        scores are (batch, steps, features) and sum to 1 over the features.

    Raises:
        ValueError: the cell is unknown, or the number of steps or features is not fixed.

    Example:
        >>> import numpy as np
        >>> layer = InputAttention(5)
        >>> outputs, scores = layer(np.ones((2, 11, 3), "float32"), return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape)
        ((2, 11, 5), (2, 11, 3))
    """

    def __init__(
        self, units: int, cell: str = "lstm", return_sequences: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(
                f"`cell` must be one of {', '.join(CELLS)}. Received: cell={cell!r}. "
                "Use one of these."
            )
        self.units = units
        self.cell = cell
        self.return_sequences = return_sequences
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the projection of the windows and the recurrent layer."""
        steps, features = input_shape[-2:]
        if len(input_shape) != 3 or steps is None or features is None:
            raise ValueError(
                "The number of steps and of features must be fixed. Received: "
                f"input_shape={input_shape}. Declare the input as Input((steps, features))."
            )
        self.key_dense = keras.layers.Dense(
            steps, use_bias=False, dtype=self.dtype_policy, name="key_dense"
        )
        self.key_dense.build((None, features, steps))
        step_cell = InputAttentionCell(
            self.units, self.cell, steps, features, dtype=self.dtype_policy, name="step_cell"
        )
        self.recurrence = keras.layers.RNN(
            step_cell, return_sequences=True, dtype=self.dtype_policy, name="recurrence"
        )
        self.recurrence.build((None, steps, features + 1))

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the hidden states, and the scores if asked for."""
        inputs = zero_masked(inputs, mask)
        keys = self.key_dense(ops.transpose(inputs, (0, 2, 1)))  # (batch, features, steps)
        zeros = self.recurrence.cell.recurrent_cell.get_initial_state(ops.shape(inputs)[0])
        unmasked = ops.ones_like(inputs[..., :1])
        if mask is not None:
            unmasked = ops.expand_dims(ops.cast(mask, inputs.dtype), -1)
        states = self.recurrence(
            ops.concatenate([inputs, unmasked], axis=-1),
            initial_state=[*keras.tree.flatten(zeros), keys],
        )
        outputs, scores = states[..., : self.units], states[..., self.units :]
        if not self.return_sequences:
            outputs = outputs[:, -1]
        scores = zero_masked(scores, mask)
        return (outputs, scores) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask of the sequence, if a sequence is returned."""
        return previous_mask if self.return_sequences else None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "cell": self.cell,
            "return_sequences": self.return_sequences,
        }


class InputAttentionCell(keras.layers.Layer):
    """Weigh the features of one step and pass them to a recurrent cell.

    Keras passes no constants to a cell, so the projected windows are carried in its state. The
    mask comes with the inputs, since on JAX the mask of `keras.layers.RNN` needs outputs in the
    shape of the first state.

    Args:
        units: Size of the states.
        cell: `"lstm"` or `"gru"`.
        steps: Steps of the window.
        features: Features of the window.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, features + 1): the step, and 1 or, if it is masked, 0.
        states: Those of the recurrent cell (batch, units), then the projected windows (batch,
            features, steps).

    Output shape:
        (batch, units + features): the hidden state and the scores, which sum to 1 over the
        features; and the new states.
    """

    def __init__(self, units: int, cell: str, steps: int, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = steps
        self.features = features
        self.recurrent_cell = CELLS[cell](units, dtype=self.dtype_policy, name="recurrent_cell")
        recurrent_sizes = keras.tree.flatten(self.recurrent_cell.state_size)
        self.state_size = [*recurrent_sizes, (features, steps)]
        self.output_size = units + features
        self.query_dense = keras.layers.Dense(
            steps, use_bias=False, dtype=self.dtype_policy, name="query_dense"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        query_size = sum(keras.tree.flatten(self.recurrent_cell.state_size))
        self.recurrent_cell.build((None, self.features))
        self.query_dense.build((None, query_size))
        self.score_vector = self.add_weight(
            name="score_vector", shape=(self.steps,), initializer="glorot_uniform"
        )

    def call(self, inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Return the hidden state with the scores, and the new states."""
        *recurrent_states, keys = states
        query = self.query_dense(ops.concatenate(recurrent_states, axis=-1))  # (batch, steps)
        hidden = ops.tanh(ops.expand_dims(query, 1) + keys)  # (batch, features, steps)
        scores = ops.softmax(ops.einsum("bft,t->bf", hidden, self.score_vector), axis=-1)
        _, new_states = self.recurrent_cell(
            self.features * scores * inputs[:, :-1], recurrent_states
        )
        unmasked = inputs[:, -1:] > 0
        new_states = [
            ops.where(unmasked, new, old)
            for new, old in zip(new_states, recurrent_states, strict=True)
        ]
        return ops.concatenate([new_states[0], scores], axis=-1), [*new_states, keys]
