"""Keras models made of the package's layers."""

from tsattn.models.forecaster import LINEAR_PATH, build_forecaster
from tsattn.models.members import all_layers
from tsattn.models.training_model import TARGETS, training_model
from tsattn.models.window_shape import WindowShape

__all__ = [
    "LINEAR_PATH",
    "TARGETS",
    "WindowShape",
    "all_layers",
    "build_forecaster",
    "training_model",
]
