"""The optimizers of a training."""

import re
from typing import Any

import keras

from tsattn.backend import is_tensorflow_on_cpu
from tsattn.models import all_gates

_FEW_EPOCHS = 10


def choose_optimizer(epochs: int, num_future_covariates: int) -> str:
    """Return the name of the optimizer for so many epochs at most.

    Muon learns what is known ahead in fewer steps, and noise too: it is for windows that have
    covariates known ahead, and that are not seen often.
    """
    return "muon" if num_future_covariates and epochs <= _FEW_EPOCHS else "adam"


def make_optimizer(
    name: str, model: keras.Model, learning_rate: Any, clip_norm: float
) -> keras.optimizers.Optimizer:
    """Return an optimizer.

    Args:
        name: `"adam"`, or `"muon"`: see `MatrixOptimizer`.
        model: What is trained.
        learning_rate: A number or a schedule.
        clip_norm: Largest global norm of the gradient.
    """
    if name == "adam":
        return keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm)
    return MatrixOptimizer(
        learning_rate,
        weight_decay=None,
        adam_weight_decay=None,
        global_clipnorm=clip_norm,
        # Tables of numbers that are learnt each by itself.
        exclude_layers=[f"^{re.escape(gate.name)}/" for gate in all_gates(model)],
    )


class MatrixOptimizer(keras.optimizers.Muon):
    """Muon for weights that are matrices, Adam for all others (Jordan et al. 2024, "Muon").

    A step moves a matrix along the nearest orthogonal one to its mean gradient, so that all its
    directions learn alike, about as far as Adam would (Liu et al. 2025, arXiv 2502.16982).
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a step, with the shape of the gradient, which TensorFlow does not always know."""
        gradient = keras.ops.reshape(gradient, variable.shape)
        super().update_step(gradient, variable, learning_rate)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Return about the nearest orthogonal matrix; of an x far from square by `S` alone.

        An iteration X <- (a I + b S + c S^2) X with S = X X' multiplies X by a polynomial of the
        first S. So S alone is iterated, whose sides are the shorter of X, and X multiplied once.
        That takes true float32, which GPUs may not multiply in: on TensorFlow on the CPU only.
        """
        ops, longer, shorter = keras.ops, max(x.shape), min(x.shape)
        if longer < 1.5 * shorter or not is_tensorflow_on_cpu():
            return super().zeropower_via_newtonschulz5(x, steps)
        x = x / (ops.norm(x) + self.epsilon)
        is_tall = x.shape[0] == longer
        gram = ops.matmul(ops.transpose(x), x) if is_tall else ops.matmul(x, ops.transpose(x))
        identity = product = ops.eye(shorter, dtype=x.dtype)
        for _ in range(steps):
            square = ops.matmul(gram, gram)
            factor = self.muon_a * identity + self.muon_b * gram + self.muon_c * square
            product = ops.matmul(factor, product)
            gram = ops.matmul(factor, ops.matmul(factor, gram))
        return ops.matmul(x, product) if is_tall else ops.matmul(product, x)
