"""Closing the gates of cells that forecasts are no worse without."""

from collections.abc import Collection
from typing import Any

import keras
import numpy as np

from tsattn.data.windows import Windows
from tsattn.gate_signals import mean_and_std
from tsattn.layers import BottleneckAttention
from tsattn.models import gates_of_cells, nats_of_gates
from tsattn.validation_loss import validation_loss

MAY_COST = 1.0005  # times the loss
_FEWEST_WINDOWS, _MOST_WINDOWS = 256, 1_024
_MOST_VALUES = 200_000  # forecast each time
_PARTS = 64  # of all gates: how closely their number is found


def close_needless_gates(
    model: keras.Model,
    train: Windows,
    val: Windows,
    loss: keras.losses.Loss,
) -> tuple[int, int]:
    """Close as many gates as leave train and validation windows at most `MAY_COST` times the loss.

    Those that let the fewest nats pass are closed first. In training a gate that is not needed
    closes ever more slowly, since a nat costs the less of the loss the fewer there are; and what
    little it lets pass the network goes on reading. How many it may be is found by bisection, on
    evenly spaced windows, to the next of `_PARTS` parts. One gate at least stays open.

    Args:
        model: A trained forecaster; its linear path has no share yet.
        train: Windows that it was trained on: val alone may not need what later windows do.
        val: Validation windows.
        loss: What it was trained for.

    Returns:
        How many gates are closed, and how many there are: of cells of the window and of what is
        known ahead, of every view; (0, 0) for a model without gates.
    """
    gates = gates_of_cells(model)
    if not gates:
        return 0, 0
    num_windows = _MOST_VALUES // (val.horizon * val.num_targets)
    num_windows = min(max(num_windows, _FEWEST_WINDOWS), _MOST_WINDOWS)
    train, val = train.spread(num_windows), val.spread(num_windows)
    nats = mean_and_std(nats_of_gates(model, gates), val)
    biases = [keras.ops.convert_to_numpy(gate.bias).copy() for gate in gates]
    means = np.concatenate([nats[gate.name][0].ravel() for gate in gates])
    order = np.argsort(means, kind="stable")

    def close_first(count: int) -> None:
        closed = np.zeros(len(order), dtype=bool)
        closed[order[:count]] = True
        first = 0
        for gate, bias in zip(gates, biases, strict=True):
            gate.bias.assign(bias)
            gate.close(closed[first : first + bias.size].reshape(bias.shape))
            first += bias.size

    def loss_of(part: Windows) -> float:
        return validation_loss(model, part, loss).loss

    allowed = [(part, MAY_COST * loss_of(part)) for part in (train, val)]
    count, too_many = _num_closed(gates), len(order)
    while too_many - count > max(len(order) // _PARTS, 1):
        middle = (count + too_many) // 2
        close_first(middle)
        if all(loss_of(part) <= most for part, most in allowed):
            count = middle
        else:
            too_many = middle
    close_first(count)
    return _num_closed(gates), len(order)


def _num_closed(gates: list[BottleneckAttention]) -> int:
    return sum(int(keras.ops.convert_to_numpy(gate.is_closed()).sum()) for gate in gates)


class CloseGates(keras.callbacks.Callback):
    """Closes gates as `close_needless_gates` does when some epochs begin.

    What the others learn after that is to do without what little the closed ones let pass.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Windows,
        val: Windows,
        loss: keras.losses.Loss,
        epochs: Collection[int],
    ) -> None:
        super().__init__()
        self.forecaster = model
        self.train = train
        self.val = val
        self.loss = loss
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Close gates, if it is one of the epochs; the first is 0."""
        if epoch in self.epochs:
            close_needless_gates(self.forecaster, self.train, self.val, self.loss)
