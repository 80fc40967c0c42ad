"""A trained forecaster with all that belongs to it."""

from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd

from tsattn.baselines import Forecaster, LinearBaseline, baseline_forecasters
from tsattn.config import FitOptions, parse_quantile_levels
from tsattn.data.calendar import calendar_names
from tsattn.data.frequency import seasonality
from tsattn.data.inputs import scaled_windows
from tsattn.data.scaling import Scaler
from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries
from tsattn.data.windows import Windows
from tsattn.models import WindowShape, build_forecaster
from tsattn.profiles import AttentionProfile, ProfileSum, describe_channels


@dataclass(frozen=True, kw_only=True)
class FittedForecaster:
    """The model and what is needed to feed it, to score it and to read its attention."""

    options: FitOptions  # lookback, horizon and placement are settled
    schema: Schema
    scaler: Scaler
    model: keras.Model
    linear: LinearBaseline
    naive_mae: np.ndarray  # (targets,) seasonal-naive MAE of the train rows, original units
    # The last time of each series that was used in training or validation; None without times.
    seen_until: dict[str, str] | None
    data_path: str | None = None
    data_sha256: str | None = None

    @property
    def lookback(self) -> int:
        """Past steps in a window."""
        return self.options.lookback or 0

    @property
    def horizon(self) -> int:
        """Steps ahead that are forecast."""
        return self.options.horizon or 0

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """The quantile levels forecast, () for a point forecast."""
        return parse_quantile_levels(self.options)

    def windows(self, series: TimeSeries, origins: np.ndarray) -> Windows:
        """Return windows of a series as the model reads them."""
        return scaled_windows(
            series, self.scaler, origins, lookback=self.lookback, horizon=self.horizon
        )

    def baselines(self, series: TimeSeries) -> dict[str, Forecaster]:
        """Return the baselines for windows of a series."""
        return baseline_forecasters(seasonality(self.schema.freq), series.borders, self.linear)

    def profile(self, attention: ProfileSum) -> AttentionProfile:
        """Return the attention profile of the scores added up."""
        targets = self.schema.targets
        kind, measure, channels = describe_channels(
            self.options.attention,
            self.options.placement or "",
            self.schema.features,
            self.options.units,
        )
        return attention.profile(
            target=targets[0] if len(targets) == 1 else "*",
            channels=channels,
            kind=kind,
            measure=measure,
            horizon=self.horizon,
        )


def build_model(options: FitOptions, schema: Schema) -> keras.Model:
    """Build the untrained model that options and schema describe."""
    shape = WindowShape(
        lookback=options.lookback or 0,
        horizon=options.horizon or 0,
        num_features=len(schema.features),
        num_targets=len(schema.targets),
        num_future_covariates=len(schema.future_covariates),
        num_calendar_features=len(calendar_names(schema.calendar or ())),
    )
    return build_forecaster(
        shape,
        attention=options.attention,
        placement=options.placement or "",
        cell=options.cell,
        units=options.units,
        num_layers=options.num_layers,
        dropout=options.dropout,
        normalization=options.normalization,
        num_quantiles=len(parse_quantile_levels(options)) or None,
    )


def time_text(time: object) -> str:
    """Return a time as ISO text, or a row number as digits."""
    return time.isoformat() if isinstance(time, pd.Timestamp) else str(time)
