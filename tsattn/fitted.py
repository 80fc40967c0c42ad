"""A trained forecaster with all that belongs to it."""

from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd

from tsattn.baselines import Forecaster, LinearBaseline, baseline_forecasters
from tsattn.config import FitOptions
from tsattn.data.calendar import calendar_names
from tsattn.data.frequency import seasonality
from tsattn.data.inputs import scaled_windows
from tsattn.data.scaling import Scaler
from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries
from tsattn.data.windows import Windows
from tsattn.intervals import Calibration
from tsattn.models import LINEAR_PATH, WindowShape, build_forecaster
from tsattn.option_checks import parse_quantile_levels
from tsattn.profiles import AttentionProfile, ProfileSum, describe_channels
from tsattn.segments import horizon_parts, segment_lags


@dataclass(frozen=True, kw_only=True)
class FittedForecaster:
    """The model and what is needed to feed it, to score it and to read its attention."""

    options: FitOptions  # lookback, horizon, attention and placement are settled
    schema: Schema
    scaler: Scaler
    model: keras.Model
    linear: LinearBaseline
    naive_mae: np.ndarray  # (targets,) seasonal-naive MAE of the train rows, original units
    # The last time of each series that was used in training or validation; None without times.
    seen_until: dict[str, str] | None
    calibration: Calibration | None = None  # None without intervals
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

    @property
    def profile_target(self) -> str:
        """What the attention is for: the target, or "*" where all targets share it."""
        return self.schema.targets[0] if len(self.schema.targets) == 1 else "*"

    @property
    def linear_shares(self) -> np.ndarray:
        """Share (targets,) of the linear path in the forecast of each target."""
        if self.options.linear_path != "blend":
            return np.zeros(len(self.schema.targets))
        return np.asarray(keras.ops.convert_to_numpy(self.model.get_layer(LINEAR_PATH).share))

    def profile(self, attention: ProfileSum) -> AttentionProfile:
        """Return the attention profile of the scores added up."""
        options, features, targets = self.options, self.schema.features, self.schema.targets
        by_target = options.encoder == "per-feature" and options.attention != "bottleneck"
        covariates = features[len(targets) :]
        readers = [(name, (name, *covariates)) for name in targets]
        described = [
            describe_channels(
                options.encoder or "",
                options.attention or "",
                options.placement or "",
                read,
                options.units,
            )
            for _, read in (readers if by_target else [(self.profile_target, features)])
        ]
        kind, measure, _ = described[0]
        return attention.profile(
            targets=targets if by_target else [self.profile_target],
            horizon_parts=horizon_parts(self.horizon) if by_target else [(1, self.horizon)],
            lags=segment_lags(self.lookback, (options.segment or 1) if by_target else 1),
            channels=[names for _, _, names in described],
            kind=kind,
            measure=measure,
        )


def build_model(options: FitOptions, schema: Schema, linear: LinearBaseline) -> keras.Model:
    """Build the untrained model that options and schema describe.

    Its linear path has the weights of the baseline, and no share in the forecast yet.
    """
    levels = parse_quantile_levels(options)
    has_path = options.linear_path == "blend"
    shape = WindowShape(
        lookback=options.lookback or 0,
        horizon=options.horizon or 0,
        num_features=len(schema.features),
        num_targets=len(schema.targets),
        num_future_covariates=len(schema.future_covariates),
        num_calendar_features=len(calendar_names(schema.calendar or ())),
    )
    model = build_forecaster(
        shape,
        encoder=options.encoder or "",
        segment=options.segment,
        decoder=options.decoder,
        attention=options.attention or "",
        placement=options.placement or "",
        cell=options.cell,
        units=options.units,
        num_layers=options.num_layers,
        dropout=options.dropout,
        normalization=options.normalization,
        num_quantiles=len(levels) or None,
        median=levels.index(0.5) if levels else 0,
        linear_inputs=linear.inputs if has_path else None,
    )
    if has_path:
        model.get_layer(LINEAR_PATH).kernel.assign(linear.weights)
    return model


def time_text(time: object) -> str:
    """Return a time as ISO text, or a row number as digits."""
    return time.isoformat() if isinstance(time, pd.Timestamp) else str(time)
