"""The arrays a model reads: scaled values, and what is known ahead."""

import numpy as np

from tsattn.data.calendar import calendar_features
from tsattn.data.scaling import Scaler
from tsattn.data.series import TimeSeries
from tsattn.data.windows import Windows, make_windows


def scaled_windows(
    series: TimeSeries, scaler: Scaler, origins: np.ndarray, *, lookback: int, horizon: int
) -> Windows:
    """Return windows over the scaled values of a series.

    Known ahead are the future covariates, scaled, and the calendar features, in this order.

    Args:
        series: The series; its schema names the calendar fields.
        scaler: Fitted on the series' features.
        origins: (windows,) rows of the first target steps.
        lookback: Past steps in a window.
        horizon: Steps ahead to forecast.
    """
    schema = series.schema
    scales = scaler.target_scales(series)
    values = scaler.transform(series, scales)
    known = values[:, len(schema.features) - len(schema.future_covariates) :]
    calendar = calendar_features(series.times, schema.calendar or ())
    return make_windows(
        values,
        lookback=lookback,
        horizon=horizon,
        num_targets=len(schema.targets),
        future_values=np.concatenate([known, calendar], axis=1),
        origins=origins,
        scales=scales,
    )
