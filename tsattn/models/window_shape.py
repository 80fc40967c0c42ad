"""The sizes of the windows that a forecaster reads and forecasts."""

from typing import Any, NamedTuple

from keras import layers


class WindowShape(NamedTuple):
    """The sizes of a window. Features are in the order targets, past and future covariates."""

    lookback: int
    horizon: int
    num_features: int
    num_targets: int
    num_future_covariates: int = 0
    num_calendar_features: int = 0

    @property
    def num_future_features(self) -> int:
        """Number of the features known ahead."""
        return self.num_future_covariates + self.num_calendar_features

    def as_forecast(self, outputs: Any, num_quantiles: int | None) -> Any:
        """Return outputs as a forecast (batch, horizon, targets[, quantiles])."""
        quantiles = () if num_quantiles is None else (num_quantiles,)
        return layers.Reshape((self.horizon, self.num_targets, *quantiles))(outputs)
