"""The optimizers of a training."""

import re
from typing import Any

import keras

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
        weight_decay=0.0,
        adam_weight_decay=0.0,
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
