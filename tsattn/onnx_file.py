"""The file `model.onnx` of a model directory: how it is read, and what it must hold."""

import math
from pathlib import Path

import numpy as np

from tsattn.config import FitOptions
from tsattn.data.calendar import calendar_names
from tsattn.data.schema import Schema
from tsattn.fitted import FittedForecaster
from tsattn.model_checks import check_network_size
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.profiles import ProfileSum
from tsattn.segments import horizon_parts, segment_lags
from tsattn.tensor_names import (
    ATTENTION_SCORES,
    FORECAST,
    FUTURE_INPUTS,
    FUTURE_SCORES,
    INPUTS,
)

ONNX_FILE = "model.onnx"
_MOST_NUMBERS = 1 << 25  # of a batch in one array: 128 MiB
# A graph takes more than the weights, which it may hold twice.
_TIMES_KERAS, _GRAPH_BYTES = 4, 4 << 20
# What a file must not mention: the key of data in other files, and operations that are none of
# ONNX, such as those that run what another program compiled.
_NOT_IN_IT = {b"location": "data outside of it", b"com.microsoft": "operations that are not ONNX"}
_PROBES = 2


def read_onnx(
    directory: Path, options: FitOptions, schema: Schema, linear_shares: np.ndarray
) -> OnnxForecaster:
    """Return the network of a folder with `model.onnx` and `model.keras`.

    A graph is a program, if one that can only compute: it may take any time and memory.

    Raises:
        ValueError: it is no network with the inputs of these options, or its size is not that of
            the one in `model.keras`.
    """
    path = directory / ONNX_FILE
    check_network_size(path, options, schema)
    largest = _TIMES_KERAS * (directory / "model.keras").stat().st_size + _GRAPH_BYTES
    _require(path.stat().st_size <= largest, "it is too large for the network of config.json")
    content = path.read_bytes()
    for text, what in _NOT_IN_IT.items():
        _require(text not in content, f"it refers to {what}")
    numbers = _numbers_at_once(options, schema)
    model = OnnxForecaster(
        content,
        windows_at_once=max(_MOST_NUMBERS // numbers, 1),
        linear_shares=linear_shares,
    )
    wanted = _input_shapes(options, schema)
    _require(set(model.inputs) == set(wanted), f"its inputs are {sorted(model.inputs)}")
    for name, (kind, (batch, *shape)) in model.inputs.items():
        is_right = kind == "tensor(float)" and not isinstance(batch, int)
        _require(is_right and tuple(shape) == wanted[name], f"{name} has another shape or type")
    return model


def check_onnx_outputs(fitted: FittedForecaster) -> None:
    """Raise a ValueError unless the outputs for windows of zeros are such as the options say."""
    options, schema = fitted.options, fitted.schema
    outputs = fitted.model.predict_on_batch(
        {
            name: np.zeros((_PROBES, *shape), "float32")
            for name, shape in _input_shapes(options, schema).items()
        }
    )
    quantiles = (len(fitted.quantile_levels),) if fitted.quantile_levels else ()
    shape = (_PROBES, fitted.horizon, len(schema.targets), *quantiles)
    _require(FORECAST in outputs, f"its outputs are {sorted(outputs)}")
    _require(outputs[FORECAST].shape == shape, f"{FORECAST} has another shape")
    for name, values in outputs.items():
        is_number = values.dtype == np.float32 and bool(np.isfinite(values).all())
        _require(is_number, f"{name} has values that are not numbers")
    has_scores = ATTENTION_SCORES in outputs
    _require(has_scores == (options.attention != "none"), f"{ATTENTION_SCORES} are not as they say")
    shapes = _input_shapes(options, schema)
    if FUTURE_SCORES in outputs or (options.attention == "bottleneck" and FUTURE_INPUTS in shapes):
        is_right = FUTURE_SCORES in outputs and FUTURE_INPUTS in shapes
        shape = (_PROBES, *shapes.get(FUTURE_INPUTS, ()))
        is_right = is_right and outputs[FUTURE_SCORES].shape == shape
        _require(is_right, f"{FUTURE_SCORES} are not as they say")
    if has_scores:
        scores = outputs[ATTENTION_SCORES]
        _require(len(scores) == _PROBES, f"{ATTENTION_SCORES} have another shape")
        if options.decoder == "recurrent":
            shape = (_PROBES, fitted.horizon, fitted.lookback)
            _require(scores.shape == shape, f"{ATTENTION_SCORES} have another shape")
            scores = scores.mean(axis=1)
        attention = ProfileSum(np.arange(_PROBES))
        attention.add(scores)
        fitted.profile(attention)  # which needs just the right number of them


def _input_shapes(options: FitOptions, schema: Schema) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input without the batch."""
    shapes: dict[str, tuple[int, ...]] = {INPUTS: (options.lookback or 0, len(schema.features))}
    known = len(schema.future_covariates) + len(calendar_names(schema.calendar or ()))
    return shapes | ({FUTURE_INPUTS: (options.horizon or 0, known)} if known else {})


def _numbers_at_once(options: FitOptions, schema: Schema) -> int:
    """Return about how many numbers the largest array holds for one window.

    It holds the scores, or what the attention over the states of features compares.
    """
    lookback, horizon = options.lookback or 1, options.horizon or 1
    num_features, num_targets = len(schema.features), len(schema.targets)
    if options.decoder == "recurrent":
        return lookback * horizon
    if options.encoder != "per-feature":
        return lookback * max(num_features, options.units or 1)
    parts, segments = horizon_parts(horizon), segment_lags(lookback, options.segment or 1)
    of_each = (len(parts), 1 + num_features - num_targets, len(segments), options.units or 1)
    return max(num_targets * math.prod(of_each), lookback * num_features)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
