"""Gates that measure how much information is read from each step of each feature."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tsattn.layers.masking import zero_masked

_CLOSED_LOGIT = -50.0
LEAST_POWER = 1e-3  # what hardly varied so far may vary tomorrow: to read it has a price


@keras.saving.register_keras_serializable(package="tsattn")
class BottleneckAttention(keras.layers.Layer):
    """Read each cell (step, feature) of a window through a noisy gate, at a price per nat.

    `logits = f b + x_t C` with a bias `b` per cell and scores `x_t C` computed from the step, and
    gates `g = sigmoid(logits)`. In training the output is `g x + (1 - g) noise`, otherwise `g x`;
    of a gate that was closed, see `close`, it is 0.
    Of a cell whose values vary by `power` times the variance of the noise, such a channel carries
    at most `ln(1 + power g^2 / (1 - g)^2) / 2` nats, which is `softplus(2 logits + ln power) / 2`;
    `penalty` times their sum, averaged over the batch, is added to the loss. So only the cells that
    help the forecast stay open, and the scores compare steps and features alike. It is placed on
    the inputs, before a recurrent layer. `power` is a weight that is not trained, 1 until it is
    assigned, and counts as .001 where it is less: the inputs should have the spread of the noise,
    or theirs should be measured.

    It is the information bottleneck of Schulz et al. 2020 (arXiv 2001.00396), section 3, placed on
    the inputs and trained with the model; the nats are the capacity of a channel with Gaussian
    noise.

    Args:
        beta: First value of the weight `penalty`, the price of a nat. It is not trained: assign
            to it to raise it from 0 in the course of the training.
        initial_gate: Gate of every cell before training, between 0 and 1.
        bias_learning_factor: `f`: how much faster the logits of the cells learn than other
            weights, with an optimizer such as Adam whose steps do not depend on the scale of the
            gradient. The weight `b` starts at `logit(initial_gate) / f`.
        noise_scale: Standard deviation of the noise, one number or one for each feature.
        seed: Seed of the noise.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, features), with a fixed number of steps and features.
        mask: (batch, steps) booleans; masked steps have output, gate and nats 0.
        training: Whether noise replaces what the gates hold back.
        return_attention_scores: Whether to return the nats too.

    Output shape:
        (batch, steps, features), and the mask is passed on. The scores have the same shape: the
        nats of each cell, 0 or more, which do not sum to 1 over any axis.

    Raises:
        ValueError: the initial gate is not between 0 and 1, the number of steps or features is not
            fixed, or there is not one noise scale for each feature.

    Example:
        >>> import numpy as np
        >>> layer = BottleneckAttention()
        >>> outputs, nats = layer(np.ones((2, 11, 3), "float32"), return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(nats.shape)
        ((2, 11, 3), (2, 11, 3))
    """

    def __init__(
        self,
        beta: float = 0.0003,
        initial_gate: float = 0.95,
        bias_learning_factor: float = 20.0,
        noise_scale: float | Sequence[float] = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 < initial_gate < 1:
            raise ValueError(
                "`initial_gate` must lie between 0 and 1. Received: "
                f"initial_gate={initial_gate}. Use for instance 0.95."
            )
        self.beta = beta
        self.initial_gate = initial_gate
        self.bias_learning_factor = bias_learning_factor
        self.noise_scale = (
            [float(scale) for scale in noise_scale]
            if isinstance(noise_scale, Sequence)
            else float(noise_scale)
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the biases, the scores computed from the steps, and the price."""
        if len(input_shape) != 3 or None in input_shape[1:]:
            raise ValueError(
                "The number of steps and of features must be fixed. Received: "
                f"input_shape={input_shape}. Declare the input as Input((steps, features))."
            )
        features = input_shape[2]
        if isinstance(self.noise_scale, list) and len(self.noise_scale) != features:
            raise ValueError(
                "`noise_scale` must be one number or one for each feature. Received: "
                f"noise_scale={self.noise_scale} for {features} features. Pass {features} numbers."
            )
        logit = math.log(self.initial_gate / (1 - self.initial_gate))
        self.bias = self.add_weight(
            name="bias",
            shape=input_shape[1:],
            initializer=keras.initializers.Constant(logit / self.bias_learning_factor),
        )
        self.context_dense = keras.layers.Dense(
            features,
            use_bias=False,
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            name="context_dense",
        )
        self.context_dense.build(input_shape)
        self.power = self.add_weight(
            name="power",
            shape=input_shape[1:],
            initializer="ones",
            trainable=False,
            autocast=False,
        )
        self.penalty = self.add_weight(
            name="penalty",
            shape=(),
            initializer=keras.initializers.Constant(self.beta),
            trainable=False,
            autocast=False,
        )

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
    ) -> Any:
        """Return what passes the gates, and the nats if asked for."""
        inputs = zero_masked(inputs, mask)
        is_open = ops.cast(ops.logical_not(self.is_closed()), self.compute_dtype)
        logits = self.bias_learning_factor * self.bias + is_open * self.context_dense(inputs)
        gates = ops.sigmoid(logits)
        nats = zero_masked(ops.softplus(2 * logits + self._log_power()) / 2, mask)
        self._add_price(nats)
        outputs = gates * inputs
        if training:
            outputs = outputs + is_open * (1 - gates) * self._noise(inputs)
        outputs = zero_masked(outputs, mask)
        return (outputs, nats) if return_attention_scores else outputs

    def close(self, cells: Any) -> None:
        """Close the gates of some cells, booleans (steps, features): neither values nor noise pass.

        They have no nats, and training does not open them again.
        """
        closed = _CLOSED_LOGIT / self.bias_learning_factor
        bias = ops.convert_to_tensor(self.bias)
        self.bias.assign(ops.where(ops.convert_to_tensor(cells), closed, bias))

    def is_closed(self) -> Any:
        """Return which gates are closed, booleans (steps, features)."""
        return self.bias_learning_factor * ops.convert_to_tensor(self.bias) < _CLOSED_LOGIT / 2

    def _log_power(self) -> Any:
        """Return the logarithm of the power, in the type of the logits."""
        return ops.cast(ops.log(ops.maximum(self.power, LEAST_POWER)), self.compute_dtype)

    def _add_price(self, nats: Any) -> None:
        """Add the price of the nats to the loss, in float32: their sum exceeds float16."""
        nats = ops.cast(nats, "float32")
        self.add_loss(self.penalty * ops.mean(ops.sum(nats, axis=(1, 2))))

    def _noise(self, inputs: Any) -> Any:
        """Draw normal noise in the shape of the inputs, in the scale of each feature."""
        noise = keras.random.normal(
            ops.shape(inputs), dtype=self.compute_dtype, seed=self.seed_generator
        )
        return noise * ops.convert_to_tensor(self.noise_scale, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "beta": self.beta,
            "initial_gate": self.initial_gate,
            "bias_learning_factor": self.bias_learning_factor,
            "noise_scale": self.noise_scale,
            "seed": self.seed,
        }
