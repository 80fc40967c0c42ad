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
    moments = mean_and_std(arriving, windows.spread(_MOST_WINDOWS))
    for gate in gates:
        gate.power.assign(np.square(moments[gate.name][1]))


def mean_and_std(model: keras.Model, windows: Windows) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return mean and standard deviation over the windows of each output of a model."""
    compile_for(model, len(windows))
    sums: dict[str, ProfileSum] = {}
    for _, _, outputs in run_batches(model, windows):
        for name, values in outputs.items():
            sums.setdefault(name, ProfileSum(kept=np.empty(0, int))).add(values)
    return {name: of_output.mean_and_std() for name, of_output in sums.items()}
