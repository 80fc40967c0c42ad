"""Measuring what arrives at the gates of a network, before it is trained."""

import keras
import numpy as np

from tsattn.data.windows import Windows
from tsattn.models import all_gates
from tsattn.profiles import ProfileSum
from tsattn.running import compile_for, run_batches

_MOST_WINDOWS = 2_048


def measure_signals(model: keras.Model, windows: Windows) -> None:
    """Tell the gates of a network how much each cell varies from window to window.

    Args:
        model: A forecaster; nothing that is trained stands in front of its gates.
        windows: Windows to train on, of which evenly spaced ones are read.
    """
    gates = all_gates(model)
    if not gates:
        return
    arriving = keras.Model(model.inputs, {gate.name: gate.input for gate in gates})
    windows = windows.spread(_MOST_WINDOWS)
    compile_for(arriving, len(windows))
    sums = {gate.name: ProfileSum(kept=np.empty(0, int)) for gate in gates}
    for _, _, values in run_batches(arriving, windows):
        for name, of_gate in values.items():
            sums[name].add(of_gate)
    for gate in gates:
        _, std = sums[gate.name].mean_and_std()
        gate.power.assign(np.square(std))
