"""The forecaster: normalise, attend and encode, decode; one Keras model with two outputs."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from tsattn.layers import LinearPath, WeightedMean, WindowScaling, WindowStatistics
from tsattn.models.gates import PRICE_AHEAD, PRICE_OF_ALL, View, pass_gates
from tsattn.models.heads import Decoded, decode_by_contributions, decode_directly
from tsattn.models.members import MEMBER_MEAN, decode_by_members, mean_of
from tsattn.models.per_feature import decode_by_feature
from tsattn.models.recurrent_decoder import decode_recurrently
from tsattn.models.window_shape import WindowShape
from tsattn.segments import choose_segment
from tsattn.tensor_names import ATTENTION_SCORES, FORECAST, FUTURE_SCORES

LINEAR_PATH = "linear_path"


def build_forecaster(
    shape: WindowShape,
    *,
    encoder: str = "joint",
    segment: int | None = None,
    attention: str = "per-dimension",
    placement: str = "before",
    decoder: str = "direct",
    cell: str = "gru",
    units: int = 64,
    num_layers: int = 1,
    members: int = 1,
    dropout: float = 0.0,
    normalization: str = "last",
    normalized: Sequence[int] | None = None,
    second_view: Sequence[int] = (),
    constant: Sequence[int] = (),
    num_quantiles: int | None = None,
    median: int = 0,
    linear_inputs: str | None = None,
) -> keras.Model:
    """Build a forecaster.

    Args:
        shape: Sizes of the windows.
        encoder: `"joint"`: all features enter one recurrent layer together; `"per-feature"`: it
            reads each feature by itself, segment by segment, and everything through asinh, so that
            extremes, also such as training never had, stay near the values that it knows.
        segment: Steps that the per-feature encoder reads at once; None for `choose_segment`.
        attention: A name of `tsattn.config.ATTENTIONS`.
        placement: The attention stands `"before"` the recurrent layers or `"after"` them, see
            `tsattn.config.STRUCTURES`.
        decoder: `"direct"` forecasts all steps at once; `"recurrent"` one after another, and
            attends to the states of the encoder at each: with `"additive"` or `"luong"` attention.
        cell: `"gru"` or `"lstm"`; `"reverse-time"` attention has GRUs.
        units: Hidden units of each recurrent layer.
        num_layers: Number of recurrent layers.
        members: How many networks with weights of their own read a view of the window, behind the
            same gates if there are any. The forecast and the scores are their means, each with
            the share that it is given after training (Lakshminarayanan et al. 2017, "Deep
            ensembles"); a recurrent decoder has one.
        dropout: Share of the encoded window (of its states, which a recurrent decoder attends to)
            that is dropped in training.
        normalization: What is taken off each window and put back on the forecast: `"last"`,
            `"standard"`, `"robust"` or `"none"`.
        normalized: Features that are measured from their windows; None for all.
        second_view: Features that a second network, behind gates of its own, measures from their
            windows by `"robust"`. It reads no level, where the first one reads those of
            `normalized`; without it none is read. Empty for no such network.
        constant: Features that are always zero.
        num_quantiles: Number of quantiles forecast; None forecasts a point.
        median: Which of the quantiles is the median.
        linear_inputs: What a linear path beside the network reads, see `LinearPath`; None for no
            such path.

    Returns:
        A model of `inputs` (batch, lookback, features) and, if anything is known ahead,
        `future_inputs` (batch, horizon, future features), that returns a dictionary of `forecast`
        (batch, horizon, targets[, quantiles]) and, with attention, `attention_scores` (batch,
        lookback, channels): features, hidden units or one channel for all; of the recurrent
        decoder they are (batch, horizon, lookback), of the per-feature encoder (batch, targets,
        parts of the horizon, segments, channels), see `decode_by_feature`. With `"bottleneck"`
        attention and anything known ahead there are `future_scores` (batch, horizon, future
        features) too.
    """
    inputs = layers.Input((shape.lookback, shape.num_features), name="inputs")
    future = None
    if shape.num_future_features:
        future = layers.Input((shape.horizon, shape.num_future_features), name="future_inputs")
    tensors = {"inputs": inputs} if future is None else {"inputs": inputs, "future_inputs": future}

    views = [(normalization, range(shape.num_features) if normalized is None else normalized)]
    if second_view:
        views.append(("robust", second_view))
    sizes: dict[str, Any] = {"units": units, "dropout": dropout, "num_quantiles": num_quantiles}
    if attention != "reverse-time":
        sizes |= {"attention": attention, "cell": cell, "num_layers": num_layers}

    def see(number: int, method: str, measured: Sequence[int]) -> View:
        reads_level = bool(second_view) and number == 0
        view = _normalise(inputs, future, shape, method, measured, reads_level=reads_level)
        if encoder == "per-feature":
            view = view._replace(sequence=_compress(view.sequence), future=_compress(view.future))
        if attention != "bottleneck":
            return view
        first = shape.num_features - shape.num_future_covariates
        has_level = [] if view.levels is None else measured
        return pass_gates(
            view,
            [i for i in has_level if number == 0 or i < shape.num_targets],
            constant=constant,
            future_constant=[i - first for i in constant if i >= first],
            number=number,
            num_views=len(views),
            price=PRICE_AHEAD * len(views) if shape.num_future_covariates else PRICE_OF_ALL,
        )

    def decode(view: View) -> Decoded:
        sequence, future, levels, statistics = view[:4]
        if encoder == "per-feature":
            steps = segment or choose_segment(shape.lookback)
            decoded = decode_by_feature(sequence, future, levels, shape, segment=steps, **sizes)
        elif attention == "reverse-time":
            decoded = decode_by_contributions(sequence, future, statistics, shape, **sizes)
        elif decoder == "recurrent":
            decoded = decode_recurrently(sequence, future, shape, **sizes)
        else:
            decoded = decode_directly(sequence, future, shape, placement=placement, **sizes)
        if statistics is None:
            return decoded
        columns = range(shape.num_targets)
        forecast = WindowScaling(columns, "denormalize")(decoded.forecast, statistics)
        return decoded._replace(forecast=forecast)

    seen = [see(number, *measured) for number, measured in enumerate(views)]
    read = [view for view in seen for _ in range(members)]
    decoded = [decode(read[0])] if len(read) == 1 else decode_by_members(decode, read)
    mean = WeightedMean(name=MEMBER_MEAN)
    forecast = mean_of([network.forecast for network in decoded], mean)
    if linear_inputs is not None:
        path = LinearPath(linear_inputs, shape.num_calendar_features, median, name=LINEAR_PATH)
        forecast = path(forecast, inputs, tensors.get("future_inputs"))
    scores = [
        network.scores if view.scores is None else view.scores
        for view, network in zip(read, decoded, strict=True)
    ]
    outputs = {
        FORECAST: forecast,
        ATTENTION_SCORES: mean_of(scores, mean),
        FUTURE_SCORES: mean_of([view.future_scores for view in read], mean),
    }
    named = {
        name: layers.Identity(name=name)(tensor)
        for name, tensor in outputs.items()
        if tensor is not None
    }
    return keras.Model(tensors, named, name="forecaster")


def _normalise(
    inputs: Any,
    future: Any,
    shape: WindowShape,
    normalization: str,
    measured: Sequence[int],
    *,
    reads_level: bool,
) -> View:
    """Take level and spread off a window and what is known ahead of the same features.

    The spread is read beside what is left. The level is put back on the forecast, and is read only
    if there is another view that does not: it may be one tomorrow that was never seen.
    """
    if normalization == "none" or not measured:
        return View(inputs, future, None, None)
    statistics = WindowStatistics(normalization, measured)(inputs)
    numbers = [] if normalization == "last" else [ops.log(statistics[:, 1])]
    numbers += [statistics[:, 0]] if reads_level else []
    levels = ops.stack(numbers, axis=-1) if numbers else None
    sequence = WindowScaling(range(shape.num_features))(inputs, statistics)
    if future is not None and shape.num_future_covariates:
        first = shape.num_features - shape.num_future_covariates
        columns = range(first, shape.num_features)
        future = WindowScaling(columns)(future, statistics)
    return View(sequence, future, levels, statistics)


def _compress(values: Any) -> Any:
    """Return asinh of scaled values, or None of none: nearly themselves near 0, logarithms far off.

    Uniejewski et al. 2018, "Variance stabilizing transformations for electricity spot price
    forecasting", IEEE Transactions on Power Systems 33(2).
    """
    return None if values is None else ops.arcsinh(values)
