"""Keras models made of the package's layers."""

from tsattn.models.forecaster import LINEAR_PATH, build_forecaster
from tsattn.models.gates import all_gates, gates_of_cells, nats_of_gates, price_of_nat
from tsattn.models.members import MEMBER_MEAN, all_layers
from tsattn.models.training_model import TARGETS, training_model
from tsattn.models.window_shape import WindowShape

__all__ = [
    "LINEAR_PATH",
    "MEMBER_MEAN",
    "TARGETS",
    "WindowShape",
    "all_gates",
    "all_layers",
    "build_forecaster",
    "gates_of_cells",
    "nats_of_gates",
    "price_of_nat",
    "training_model",
]
