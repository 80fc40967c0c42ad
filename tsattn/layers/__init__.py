"""Keras layers of the forecasters; importing this package registers them for loading."""

from tsattn.layers.quantile_loss import QuantileLoss
from tsattn.layers.temporal_attention import TemporalAttention
from tsattn.layers.window_scaling import WindowScaling, WindowStatistics

__all__ = ["QuantileLoss", "TemporalAttention", "WindowScaling", "WindowStatistics"]
