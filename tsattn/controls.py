"""Models to compare a trained one with: its attention set to uniform, or its weights random."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import keras
import numpy as np

from tsattn.building import build_model
from tsattn.fitted import FittedForecaster
from tsattn.layers import BottleneckAttention
from tsattn.layers.bottleneck_attention import LEAST_POWER
from tsattn.models import LINEAR_PATH, all_gates, all_layers, nats_of_gates

# The layers of `tsattn.models` that make the scores shown, and their weights without which all
# logits are equal.
_ATTENTION_LAYERS = ("attention", "temporal_attention", "decoder")
_LOGIT_WEIGHTS = (
    "score_kernel", "score_vector", "score_dense", "step_vector", "variable_vector", "step_dense",
    "query", "scale",
)  # fmt: skip
_OWN_WEIGHTS = ("kernel", "bias")  # of a layer that is nothing but its logits
_LOGITS_ONLY = ("TemporalAttention", "FeedForwardAttention")


@contextmanager
def uniform_attention(model: keras.Model, inputs: dict[str, np.ndarray]) -> Iterator[None]:
    """Set the attention of a model to uniform for a while; every layer of gates to their mean.

    Args:
        model: A forecaster with attention.
        inputs: Those of some windows, which say what the gates are.
    """
    gates = all_gates(model)
    nats = {}
    if gates:
        nats = nats_of_gates(model, gates)(inputs)
    before = model.get_weights()
    try:
        for gate in gates:
            of_gate = keras.ops.convert_to_numpy(nats[gate.name])
            power = keras.ops.convert_to_numpy(gate.power)
            _set_gates(gate, float(_gates(of_gate, power).mean()))
        for layer in all_layers(model):
            if layer.name in _ATTENTION_LAYERS and layer not in gates:
                _zero_logits(layer)
        yield
    finally:
        model.set_weights(before)


@contextmanager
def network_alone(model: keras.Model) -> Iterator[None]:
    """Take the linear path of a model out of its forecast for a while."""
    if LINEAR_PATH not in {layer.name for layer in model.layers}:
        yield
        return
    share = model.get_layer(LINEAR_PATH).share
    before = keras.ops.convert_to_numpy(share)
    try:
        share.assign(np.zeros(share.shape))
        yield
    finally:
        share.assign(before)


def _gates(nats: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return the gates that pass so many nats of cells of such power, see `BottleneckAttention`."""
    signal = np.maximum(np.expm1(2 * nats.astype(np.float64)), 0)
    ratio = np.sqrt(signal / np.maximum(power, LEAST_POWER))  # g / (1 - g)
    return np.asarray(ratio / (1 + ratio))


def _set_gates(layer: BottleneckAttention, gate: float) -> None:
    gate = min(max(gate, 1e-6), 1 - 1e-6)
    logit = np.log(gate / (1 - gate)) / layer.bias_learning_factor
    layer.bias.assign(np.full(layer.bias.shape, logit))
    layer.context_dense.kernel.assign(np.zeros(layer.context_dense.kernel.shape))


def _zero_logits(layer: keras.layers.Layer) -> None:
    is_logits_only = type(layer).__name__ in _LOGITS_ONLY
    for weight in layer.trainable_weights:
        parts = weight.path.split("/")
        named = any(name in part for part in parts for name in _LOGIT_WEIGHTS)
        if named or (is_logits_only and parts[-1] in _OWN_WEIGHTS):
            weight.assign(np.zeros(weight.shape))


def untrained(fitted: FittedForecaster, seed: int = 0) -> FittedForecaster:
    """Return a forecaster of the same structure, and of signals as strong, with random weights."""
    keras.utils.set_random_seed(seed)
    model = build_model(fitted.options, fitted.schema, fitted.scaler, fitted.linear)
    measured = {gate.name: gate.power for gate in all_gates(fitted.network)}
    for gate in all_gates(model):
        if gate.name in measured:
            gate.power.assign(measured[gate.name])
    return replace(fitted, model=model)
