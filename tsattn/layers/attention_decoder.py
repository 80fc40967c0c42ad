"""A recurrent decoder that attends to the encoder's states at every step of the horizon."""

from typing import Any

import keras
from keras import ops

from tsattn.layers.attention_decoder_cell import CELLS, SCORES, AttentionDecoderCell
from tsattn.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="tsattn")
class AttentionDecoder(keras.layers.Layer):
    """Forecast step by step, reading the encoder's states anew at every step.

    At step i of the horizon, the query `q` is the hidden state of the decoder before it; the
    scores are the softmax over the encoder's steps of the logits

    - `additive`: `v . tanh(W1 q + W2 h_t)` (Bahdanau et al. 2014, appendix A.1.2),
    - `luong`: `h_t^T W q` (Luong et al. 2015, section 3.1, "general");

    the context is `c = sum_t scores_it h_t`; the cell reads `[c; previous output; future
    inputs_i]`, and the output is a dense layer of `[hidden state; c]`. The previous output is the
    decoder's own. In training, where targets are given, it is the true one with the probability
    `teacher_probability`, a weight that is not trained and starts at 1: assign to it to lower it
    in the course of the training (scheduled sampling, Bengio et al. 2015, arXiv 1506.03099).
    It is placed after a recurrent encoder that returns its sequence and its state.

    Args:
        units: Size of the decoder's states, which is that of the initial state.
        horizon: Steps to forecast.
        num_outputs: Numbers forecast at each step.
        cell: `"gru"` or `"lstm"`.
        score: `"additive"` or `"luong"`.
        seed: Seed of the choice between true and own previous outputs.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        states: States of the encoder (batch, steps, channels), with fixed numbers of both.
        initial_state: Of the cell: (batch, units) for a GRU, two of these for an LSTM.
        future_inputs: (batch, horizon, features) known for the horizon, or None.
        first_input: Previous output of the first step (batch, num_outputs); None for zeros.
        targets: True outputs (batch, horizon, num_outputs), or None; read in training only.
        states_mask: (batch, steps) booleans; masked states are read as zeros and get the score
            zero. Keras passes the mask of the states on by this name.
        training: Whether the targets are read.
        return_attention_scores: Whether to return the scores too.

    Output shape:
        (batch, horizon, num_outputs). The scores are (batch, horizon, steps) and sum to 1 over the
        steps.

    Raises:
        ValueError: the cell or the score is unknown, the numbers of steps and channels are not
            fixed, the initial state does not fit the cell, or the future inputs not the horizon.

    Example:
        >>> import numpy as np
        >>> layer, states = AttentionDecoder(5, horizon=7, num_outputs=1), np.ones((2, 11, 5))
        >>> outputs, scores = layer(states, states[:, -1], return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(scores.shape)
        ((2, 7, 1), (2, 7, 11))
    """

    def __init__(
        self,
        units: int,
        horizon: int,
        num_outputs: int,
        cell: str = "gru",
        score: str = "additive",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if horizon < 1:
            raise ValueError(
                f"`horizon` must be at least 1. Received: horizon={horizon}. Give a larger number."
            )
        if cell not in CELLS:
            raise ValueError(
                f"`cell` must be one of {', '.join(CELLS)}. Received: cell={cell!r}. "
                "Use one of these."
            )
        if score not in SCORES:
            raise ValueError(
                f"`score` must be one of {', '.join(SCORES)}. Received: score={score!r}. "
                "Use one of these."
            )
        self.units = units
        self.horizon = horizon
        self.num_outputs = num_outputs
        self.cell = cell
        self.score = score
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(
        self,
        states_shape: tuple[int | None, ...],
        initial_state_shape: Any,
        future_inputs_shape: tuple[Any, ...] | None = None,
    ) -> None:
        """Create the recurrent layer and the probability of the true previous output."""
        steps, channels = states_shape[-2:]
        if len(states_shape) != 3 or steps is None or channels is None:
            raise ValueError(
                "The numbers of steps and channels of the states must be fixed. Received: "
                f"states_shape={states_shape}. Declare the encoder's input as "
                "Input((steps, features))."
            )
        if future_inputs_shape is not None and future_inputs_shape[1] != self.horizon:
            raise ValueError(
                "`future_inputs` must have a step for each of the horizon. Received: "
                f"future_inputs_shape={future_inputs_shape}, horizon={self.horizon}. Pass "
                f"(batch, {self.horizon}, features)."
            )
        step_cell = AttentionDecoderCell(
            self.units,
            self.num_outputs,
            self.cell,
            self.score,
            steps,
            channels,
            dtype=self.dtype_policy,
            name="step_cell",
        )
        self._check_initial_state(initial_state_shape, step_cell)
        self.recurrence = keras.layers.RNN(
            step_cell, return_sequences=True, dtype=self.dtype_policy, name="recurrence"
        )
        step_size = 1 + self.num_outputs
        if future_inputs_shape is not None:
            step_size += future_inputs_shape[2]
        self.recurrence.build((None, self.horizon, step_size))
        self.teacher_probability = self.add_weight(
            name="teacher_probability",
            shape=(),
            initializer="ones",
            trainable=False,
            autocast=False,
        )

    def _check_initial_state(self, initial_state_shape: Any, step_cell: Any) -> None:
        """Raise unless the initial state fits the cell."""
        nested = isinstance(initial_state_shape[0], list | tuple)
        shapes = initial_state_shape if nested else [initial_state_shape]
        sizes = keras.tree.flatten(step_cell.recurrent_cell.state_size)
        if [shape[-1] for shape in shapes] != sizes:
            raise ValueError(
                f"The initial state of a {self.cell} must be {len(sizes)} of (batch, units). "
                f"Received: initial_state_shape={initial_state_shape}, units={self.units}. Pass "
                "the state that an encoder of the same kind and units returns."
            )

    def call(
        self,
        states: Any,
        initial_state: Any,
        future_inputs: Any = None,
        first_input: Any = None,
        targets: Any = None,
        states_mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
    ) -> Any:
        """Return the forecast, and the scores if asked for."""
        states = zero_masked(states, states_mask)
        if first_input is None:
            first_input = ops.zeros((ops.shape(states)[0], self.num_outputs), states.dtype)
        if targets is None or not training:
            step_inputs = self._no_truth(states)
        else:
            step_inputs = self._truth(first_input, targets)
        if future_inputs is not None:
            step_inputs = ops.concatenate([step_inputs, future_inputs], axis=-1)
        if states_mask is None:
            states_mask = ops.ones_like(states[..., 0], dtype="bool")
        carried = [first_input, self.recurrence.cell.keys(states), states, states_mask]
        results = self.recurrence(
            step_inputs, initial_state=[*keras.tree.flatten(initial_state), *carried]
        )
        outputs, scores = results[..., : self.num_outputs], results[..., self.num_outputs :]
        return (outputs, scores) if return_attention_scores else outputs

    def _no_truth(self, states: Any) -> Any:
        """Return zeros (batch, horizon, 1 + num_outputs): no step reads a true output."""
        shape = (ops.shape(states)[0], self.horizon, 1 + self.num_outputs)
        return ops.zeros(shape, states.dtype)

    def _truth(self, first_input: Any, targets: Any) -> Any:
        """Return which steps read the true previous output, and that output."""
        first_input = ops.expand_dims(first_input, 1)
        previous = ops.concatenate([first_input, targets[:, :-1]], axis=1)
        draws = keras.random.uniform(
            (ops.shape(targets)[0], self.horizon, 1), seed=self.seed_generator
        )
        chosen = ops.cast(draws < self.teacher_probability, previous.dtype)
        return ops.concatenate([chosen, previous], axis=-1)  # (batch, horizon, 1 + num_outputs)

    def compute_mask(self, states: Any, previous_mask: Any = None) -> None:
        """Return no mask: the steps are those of the horizon."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "horizon": self.horizon,
            "num_outputs": self.num_outputs,
            "cell": self.cell,
            "score": self.score,
            "seed": self.seed,
        }
