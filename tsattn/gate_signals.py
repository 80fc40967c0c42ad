"""Measuring what arrives at the gates of a network, before it is trained."""

import keras
import numpy as np

from tsattn.data.windows import Windows
from tsattn.layers import BottleneckAttention
from tsattn.running import compile_for, run_batches

_MOST_WINDOWS = 2_048


def measure_signals(model: keras.Model, windows: Windows) -> None:
    """Tell the gates of a network how much each cell varies from window to window.

    Args:
        model: A forecaster; nothing that is trained stands in front of its gates.
        windows: Windows to train on, of which evenly spaced ones are read.
    """
    gates = [layer for layer in model.layers if isinstance(layer, BottleneckAttention)]
    if not gates:
        return
    arriving = keras.Model(model.inputs, {gate.name: gate.input for gate in gates})
    windows = windows.spread(_MOST_WINDOWS)
    compile_for(arriving, len(windows))
    sums = {gate.name: np.zeros((2, *gate.power.shape)) for gate in gates}
    for _, _, values in run_batches(arriving, windows):
        for name, of_gate in values.items():
            of_gate = of_gate.astype(np.float64)
            sums[name] += np.stack([of_gate.sum(axis=0), np.square(of_gate).sum(axis=0)])
    for gate in gates:
        mean, square = sums[gate.name] / len(windows)
        gate.power.assign(np.maximum(square - np.square(mean), 0.0))
