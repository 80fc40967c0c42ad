"""Keras models made of the package's layers."""

from tsattn.models.forecaster import WindowShape, build_forecaster

__all__ = ["WindowShape", "build_forecaster"]
