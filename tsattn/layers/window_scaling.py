"""Normalising each window by its own level and spread, and undoing it on the forecast."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

METHODS = ("last", "standard", "robust")
DIRECTIONS = ("normalize", "denormalize")
_OF_NORMAL = math.sqrt(math.pi / 2)  # standard deviation by mean absolute deviation


@keras.saving.register_keras_serializable(package="tsattn")
class WindowStatistics(keras.layers.Layer):
    """Measure the shift and the scale of every channel of a window.

    `last` takes the last step as the shift and 1 as the scale (Zeng et al. 2023, NLinear, section
    4.2); `standard` takes the mean and the standard deviation over the steps (Kim et al. 2022,
    RevIN, equation 1); `robust` the median and the mean absolute deviation from it, times
    sqrt(pi / 2), so that of normally distributed values it is their standard deviation (Huber and
    Ronchetti 2009, "Robust Statistics", section 1.1): a few extremes move neither by much.

    Args:
        method: `"last"`, `"standard"` or `"robust"`.
        channels: The channels that are measured; the others have shift 0 and scale 1. None: all.
        epsilon: Added to the square of the scale before the root is taken.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels).
        mask: (batch, steps) booleans; masked steps are left out. A window that is masked
            altogether has shift 0.

    Output shape:
        (batch, 2, channels): shift and scale.

    Raises:
        ValueError: the method is unknown.

    Example:
        >>> import numpy as np
        >>> WindowStatistics("last")(np.ones((2, 11, 3), "float32")).shape
        (2, 2, 3)
    """

    def __init__(
        self,
        method: str = "last",
        channels: Sequence[int] | None = None,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if method not in METHODS:
            raise ValueError(
                f"`method` must be one of {', '.join(METHODS)}. Received: method={method!r}. "
                "Use one of these."
            )
        self.method = method
        self.channels = None if channels is None else list(channels)
        self.epsilon = epsilon
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return shift and scale."""
        statistics = self._measure(inputs, mask)
        if self.channels is None:
            return statistics
        is_measured = [channel in self.channels for channel in range(inputs.shape[2])]
        others = ops.array([[0.0], [1.0]], dtype=statistics.dtype)
        return ops.where(ops.array(is_measured), statistics, others)

    def _measure(self, inputs: Any, mask: Any) -> Any:
        """Return shift and scale of every channel."""
        steps = inputs.shape[1]
        if mask is None:
            weights = ops.ones_like(inputs[:, :, :1])
        else:
            weights = ops.expand_dims(ops.cast(mask, inputs.dtype), -1)  # (batch, steps, 1)
        if self.method == "last":
            later = ops.flip(ops.cumsum(ops.flip(weights, axis=1), axis=1), axis=1)
            is_last = weights * ops.cast(ops.equal(later, 1), inputs.dtype)
            shift = ops.sum(is_last * inputs, axis=1, keepdims=True)
            return ops.concatenate([shift, ops.ones_like(shift)], axis=1)
        count = (
            ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1) if mask is not None else steps
        )
        if self.method == "robust":
            shift = _median(inputs, mask)
            sizes = weights * ops.absolute(inputs - shift)
            deviation = _OF_NORMAL * ops.sum(sizes, axis=1, keepdims=True) / count
            scale = ops.sqrt(ops.square(deviation) + self.epsilon)
            return ops.concatenate([shift, scale], axis=1)
        shift = ops.sum(weights * inputs, axis=1, keepdims=True) / count
        variance = ops.sum(weights * ops.square(inputs - shift), axis=1, keepdims=True) / count
        return ops.concatenate([shift, ops.sqrt(variance + self.epsilon)], axis=1)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return no mask: the steps are gone."""
        return

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "method": self.method,
            "channels": self.channels,
            "epsilon": self.epsilon,
        }


def _median(values: Any, mask: Any) -> Any:
    """Return the median (batch, 1, channels) over the steps that are not masked; 0 of none."""
    steps = values.shape[1]
    if mask is None:
        ordered = ops.sort(values, axis=1)
        return (ordered[:, (steps - 1) // 2] + ordered[:, steps // 2])[:, None] / 2
    kept = ops.expand_dims(ops.cast(mask, "bool"), -1)  # (batch, steps, 1)
    ordered = ops.sort(ops.where(kept, values, math.inf), axis=1)
    count = ops.sum(ops.cast(kept, "int32"), axis=1, keepdims=True)  # (batch, 1, 1)
    number = ops.reshape(ops.arange(steps, dtype="int32"), (1, steps, 1))
    is_middle = ops.logical_or(
        ops.equal(number, ops.maximum(count - 1, 0) // 2), ops.equal(number, count // 2)
    )
    is_middle = ops.logical_and(is_middle, number < count)  # (batch, steps, 1)
    middle = ops.sum(ops.where(is_middle, ordered, 0.0), axis=1, keepdims=True)
    found = ops.sum(ops.cast(is_middle, values.dtype), axis=1, keepdims=True)
    return middle / ops.maximum(found, 1)


@keras.saving.register_keras_serializable(package="tsattn")
class WindowScaling(keras.layers.Layer):
    """Apply the statistics of a window to some of its channels, or undo them.

    Args:
        columns: For each channel of the inputs, the channel of the statistics that belongs to it;
            channels beyond these are left as they are. None: channel i belongs to channel i.
        direction: `"normalize"`: (x - shift) / scale, or `"denormalize"`: x * scale + shift.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, steps, channels), or (batch, steps, channels, quantiles).
        statistics: (batch, 2, statistics channels), from `WindowStatistics`.

    Output shape:
        That of the inputs. A mask is passed on.

    Raises:
        ValueError: the direction is unknown.

    Example:
        >>> import numpy as np
        >>> windows = np.random.rand(2, 11, 3).astype("float32")
        >>> WindowScaling()(windows, WindowStatistics("last")(windows)).shape
        (2, 11, 3)
    """

    def __init__(
        self,
        columns: Sequence[int] | None = None,
        direction: str = "normalize",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if direction not in DIRECTIONS:
            raise ValueError(
                f"`direction` must be one of {', '.join(DIRECTIONS)}. Received: "
                f"direction={direction!r}. Use one of these."
            )
        self.columns = None if columns is None else list(columns)
        self.direction = direction
        self.supports_masking = True

    def call(self, inputs: Any, statistics: Any) -> Any:
        """Return the inputs scaled."""
        if self.columns is not None:
            statistics = ops.take(statistics, ops.array(self.columns, dtype="int32"), axis=2)
            untouched = inputs.shape[2] - len(self.columns)
            if untouched:
                statistics = ops.concatenate([statistics, self._identity(statistics, untouched)], 2)
        shift, scale = statistics[:, :1], statistics[:, 1:]  # (batch, 1, channels)
        if len(inputs.shape) == 4:
            shift, scale = ops.expand_dims(shift, -1), ops.expand_dims(scale, -1)
        if self.direction == "normalize":
            return (inputs - shift) / scale
        return inputs * scale + shift

    def _identity(self, statistics: Any, channels: int) -> Any:
        """Return shift 0 and scale 1 for some channels: (batch, 2, channels)."""
        zeros = ops.zeros_like(ops.repeat(statistics[:, :1, :1], channels, axis=2))
        return ops.concatenate([zeros, zeros + 1], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "columns": self.columns, "direction": self.direction}
