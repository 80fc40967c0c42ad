"""A trained forecaster with all that belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from tsattn.data.windows import Origins, Windows, origins_of_fit
from tsattn.intervals import Calibration
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.option_checks import parse_quantile_levels
from tsattn.profiles import AttentionProfile, ProfileSum, describe_channels
from tsattn.segments import horizon_parts, segment_lags

if TYPE_CHECKING:  # a forecaster in ONNX is used without loading it
    import keras


@dataclass(frozen=True, kw_only=True)
class FittedForecaster:
    """The model and what is needed to feed it, to score it and to read its attention."""

    options: FitOptions  # lookback, horizon, attention and placement are settled
    schema: Schema
    scaler: Scaler
    model: "keras.Model | OnnxForecaster"
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

    def find_origins(self, series: TimeSeries, parts: Sequence[slice]) -> Origins:
        """Return the origins whose targets lie in some parts of a series, as in the fit."""
        return origins_of_fit(series, parts, self.options)

    def unseen_rows(self, series: TimeSeries) -> list[slice]:
        """Return the rows of each series after those used in training or validation.

        They are all rows of a series that was not trained with, and of rows that carry no time.
        """
        parts = []
        for series_id, rows in zip(series.series_ids, series.parts, strict=True):
            seen = (self.seen_until or {}).get(series_id)
            first = rows.start
            if seen is not None:
                times = series.times[rows]
                is_time = isinstance(times, pd.DatetimeIndex)
                first += int((times <= (pd.Timestamp(seen) if is_time else int(seen))).sum())
            parts.append(slice(first, rows.stop))
        return parts

    def baselines(self, series: TimeSeries) -> dict[str, Forecaster]:
        """Return the baselines for windows of a series."""
        return baseline_forecasters(seasonality(self.schema.freq), series.borders, self.linear)

    @property
    def profile_target(self) -> str:
        """What the attention is for: the target, or "*" where all targets share it."""
        return self.schema.targets[0] if len(self.schema.targets) == 1 else "*"

    @property
    def network(self) -> "keras.Model":
        """The model in Keras.

        Raises:
            ValueError: it is in ONNX.
        """
        if isinstance(self.model, OnnxForecaster):
            raise ValueError(
                "This needs a network in Keras. Received: one in ONNX. Load it with runtime keras."
            )
        return self.model

    @property
    def linear_shares(self) -> np.ndarray:
        """Share (targets,) of the linear path in the forecast of each target."""
        if isinstance(self.model, OnnxForecaster):
            return self.model.linear_shares
        if self.options.linear_path != "blend":
            return np.zeros(len(self.schema.targets))
        from tsattn.building import linear_shares

        return linear_shares(self.model)

    @property
    def shares_by_target(self) -> dict[str, float]:
        """Share of the linear path in the forecast of each target, by its name."""
        return dict(zip(self.schema.targets, self.linear_shares.tolist(), strict=True))

    @property
    def targets_apart(self) -> bool:
        """Whether the network of a target reads none of the other targets."""
        return self.options.targets_apart

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
                options.units or 0,
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

    def future_profile(self, attention: ProfileSum) -> AttentionProfile:
        """Return the profile of the nats of what is known ahead."""
        known = (*self.schema.future_covariates, *calendar_names(self.schema.calendar or ()))
        return attention.profile(
            targets=[self.profile_target],
            horizon_parts=[(1, self.horizon)],
            lags=[(1 - step, 1 - step) for step in range(self.horizon, 0, -1)],
            channels=[known],
            kind="feature",
            measure="nats",
            role="future",
        )


def time_text(time: object) -> str:
    """Return a time as ISO text, or a row number as digits."""
    return time.isoformat() if isinstance(time, pd.Timestamp) else str(time)
