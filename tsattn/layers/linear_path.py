"""A linear forecast that is blended into another one."""

from typing import Any

import keras
from keras import ops

INPUTS = ("own", "own and known", "all")


@keras.saving.register_keras_serializable(package="tsattn")
class LinearPath(keras.layers.Layer):
    """Blend a forecast with a linear one of the same window, by a share for each target.

    The linear forecast of a target is its last known value plus a weighted sum of the lagged
    values relative to the last one of their feature, of the last ones as they are, of the known
    future covariates (relative to their last value too, where the lags of all features are read)
    and of the first step of the calendar features, plus a constant. The output is `forecast +
    share * (linear forecast - forecast)`; of quantiles, all move as the median does. Shares and
    weights are not trained but assigned: the share is 0 until then, and what is trained before it
    is trained as if the path was not there. It is placed on the forecast.

    Args:
        inputs: What the linear forecast reads: `"own"`, the lags of the target; `"own and known"`,
            these and what is known ahead; `"all"`, the lags of all features and what is known
            ahead.
        num_calendar_features: How many of the last future inputs are calendar features.
        median: Which of the quantiles of a forecast is the median.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        forecast: (batch, horizon, targets), or (batch, horizon, targets, quantiles).
        window: (batch, steps, features), the targets first.
        future_inputs: (batch, horizon, future features), or None.

    Output shape:
        That of the forecast.

    Raises:
        ValueError: the inputs are unknown, or the number of steps or features is not fixed.

    Example:
        >>> import numpy as np
        >>> layer = LinearPath()
        >>> layer(np.zeros((2, 7, 1), "float32"), np.ones((2, 11, 3), "float32")).shape
        (2, 7, 1)
    """

    def __init__(
        self,
        inputs: str = "own",
        num_calendar_features: int = 0,
        median: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if inputs not in INPUTS:
            raise ValueError(
                f"`inputs` must be one of {', '.join(INPUTS)}. Received: inputs={inputs!r}. "
                "Use one of these."
            )
        self.inputs = inputs
        self.num_calendar_features = num_calendar_features
        self.median = median

    def build(
        self,
        forecast_shape: tuple[int | None, ...],
        window_shape: tuple[int | None, ...],
        future_inputs_shape: tuple[Any, ...] | None = None,
    ) -> None:
        """Create the weights and the share of each target, all of them 0."""
        horizon, targets = forecast_shape[1:3]
        steps, features = window_shape[1:]
        if steps is None or features is None:
            raise ValueError(
                "The number of steps and of features must be fixed. Received: "
                f"window_shape={window_shape}. Declare the input as Input((steps, features))."
            )
        size = steps * (features if self.inputs == "all" else 1) + 1
        if self.inputs != "own" and future_inputs_shape is not None:
            covariates = future_inputs_shape[2] - self.num_calendar_features
            size += horizon * covariates + self.num_calendar_features
        self.kernel = self.add_weight(
            name="kernel", shape=(targets, size, horizon), initializer="zeros", trainable=False
        )
        self.share = self.add_weight(
            name="share", shape=(targets,), initializer="zeros", trainable=False
        )

    def call(self, forecast: Any, window: Any, future_inputs: Any = None) -> Any:
        """Return the blended forecast."""
        point = forecast
        if len(forecast.shape) == 4:
            point = forecast[..., self.median]
        change = self.share * (self.linear_forecast(window, future_inputs) - point)
        return forecast + (change if len(forecast.shape) == 3 else ops.expand_dims(change, -1))

    def linear_forecast(self, window: Any, future_inputs: Any = None) -> Any:
        """Return the linear forecast alone: (batch, horizon, targets)."""
        known = self._known(window, future_inputs)
        targets = range(self.share.shape[0])
        if self.inputs == "all":  # the same regressors for every target
            regressors = [self._regressors(window, known)] * len(targets)
        else:
            regressors = [self._regressors(window[:, :, i : i + 1], known) for i in targets]
        forecasts = [
            regressors[i] @ self.kernel[i, :-1] + self.kernel[i, -1] + window[:, -1, i, None]
            for i in targets
        ]
        return ops.stack(forecasts, axis=2)

    @staticmethod
    def _regressors(lagged: Any, known: list[Any]) -> Any:
        """Return the lags relative to the last ones, and what is known: (batch, regressors)."""
        last = lagged[:, -1:]
        relative = ops.concatenate([lagged[:, :-1] - last, last], axis=1)
        size = relative.shape[1] * relative.shape[2]
        return ops.concatenate([ops.reshape(relative, (-1, size)), *known], axis=-1)

    def _known(self, window: Any, future_inputs: Any) -> list[Any]:
        """Return the regressors known ahead, each (batch, regressors)."""
        if self.inputs == "own" or future_inputs is None:
            return []
        horizon, features = future_inputs.shape[1:]
        covariates = features - self.num_calendar_features
        calendar = future_inputs[:, 0, covariates:]
        if not covariates:
            return [calendar]
        known = future_inputs[:, :, :covariates]
        if self.inputs == "all":
            known = known - window[:, -1:, window.shape[2] - covariates :]
        return [ops.reshape(known, (-1, horizon * covariates)), calendar]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "inputs": self.inputs,
            "num_calendar_features": self.num_calendar_features,
            "median": self.median,
        }
