"""Building the Keras model that options and schema describe."""

import keras
import numpy as np

from tsattn.baselines import LinearBaseline
from tsattn.config import FitOptions
from tsattn.data.calendar import calendar_names
from tsattn.data.scaling import Scaler
from tsattn.data.schema import Schema
from tsattn.models import LINEAR_PATH, WindowShape, build_forecaster
from tsattn.option_checks import parse_quantile_levels


def build_model(
    options: FitOptions, schema: Schema, scaler: Scaler, linear: LinearBaseline
) -> keras.Model:
    """Build the untrained model that options, schema and scaler describe.

    Its linear path has the weights of the baseline, and no share in the forecast yet.
    """
    levels = parse_quantile_levels(options)
    has_path = options.linear_path == "blend"
    is_auto = options.normalization == "auto"
    # The level that is taken off a covariate would have to pass gates of its own.
    measured = schema.targets if options.attention == "bottleneck" else schema.features
    drifting = [schema.features.index(name) for name in scaler.drifting if name in measured]
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
        units=options.units or 0,
        num_layers=options.num_layers,
        members=options.members or 1,
        dropout=options.dropout,
        normalization="standard" if is_auto else options.normalization,
        normalized=drifting if is_auto else None,
        constant=[schema.features.index(name) for name in scaler.constant],
        num_quantiles=len(levels) or None,
        median=levels.index(0.5) if levels else 0,
        linear_inputs=linear.inputs if has_path else None,
    )
    if has_path:
        model.get_layer(LINEAR_PATH).kernel.assign(linear.weights)
    return model


def linear_shares(model: keras.Model) -> np.ndarray:
    """Return the share (targets,) of the linear path in the forecast of each target."""
    return np.asarray(keras.ops.convert_to_numpy(model.get_layer(LINEAR_PATH).share))
