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
    drifting = [schema.features.index(name) for name in scaler.drifting]
    targets = [i for i in drifting if i < len(schema.targets)]
    # The level of a covariate may matter; a second view has them without.
    first = targets if options.attention == "bottleneck" else drifting
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
        normalized=first if is_auto else None,
        second_view=drifting if options.views == 2 else (),
        constant=[schema.features.index(name) for name in scaler.constant],
        num_quantiles=len(levels) or None,
        median=levels.index(0.5) if levels else 0,
        linear_inputs=linear.inputs if has_path else None,
    )
    if has_path:
        model.get_layer(LINEAR_PATH).kernel.assign(linear.weights)
    return model


def most_views(options: FitOptions, schema: Schema, scaler: Scaler) -> int:
    """Return 2 where a second view of the window has something to add to the first, else 1.

    Behind gates, with `normalization="auto"`, only targets are measured from their windows: the
    level of a covariate may matter. The second view has those that drift without it, since it may
    be another one tomorrow.
    """
    if options.attention != "bottleneck" or options.normalization != "auto":
        return 1
    drifting, targets = set(scaler.drifting), set(schema.targets)
    return 2 if drifting & targets and drifting - targets else 1


def linear_shares(model: keras.Model) -> np.ndarray:
    """Return the share (targets,) of the linear path in the forecast of each target."""
    return np.asarray(keras.ops.convert_to_numpy(model.get_layer(LINEAR_PATH).share))
