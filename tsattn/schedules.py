"""What changes in a training: the learning rate, the price of a nat, the truth that is told."""

import math
from typing import Any

import keras
import numpy as np

from tsattn.layers import AttentionDecoder, BottleneckAttention

WARM_UP_EPOCHS = 3
_FEWEST_EPOCHS, _MOST_EPOCHS = 6, 100
_WINDOWS_PER_BATCH = 128
# Where batch and targets are folded, a batch has as many windows of each target as make these
# together, but some at least, and there are no more batches than that.
_FOLDED_PER_BATCH, _FEWEST_PER_BATCH, _MOST_BATCHES = 256, 16, 1_000


def num_warm_up_epochs(model: keras.Model, epochs: int) -> int:
    """Return for how many epochs the nats of a model cost nothing; at least one epoch is priced.

    Without a price, the recurrent layers learn to use the cells before their gates close.
    """
    has_price = any(isinstance(layer, BottleneckAttention) for layer in model.layers)
    return min(WARM_UP_EPOCHS, epochs - 1) if has_price else 0


def closing_epochs(epochs: int, warm_up: int) -> set[int]:
    """Return the epochs, the first of which is 0, that gates are closed before.

    That is after half of the epochs and after every eighth more; one with a price comes first.
    """
    return {epochs * part // 8 for part in range(4, 8)} - set(range(warm_up + 1))


def teacher_probability(epoch: int, epochs: int) -> float:
    """Return how often a decoder is told the truth in an epoch, the first of which is 0.

    It falls in a line from 1 in the first epoch to 0 after half of the epochs asked for.
    """
    return max(0.0, 1.0 - 2 * epoch / epochs)


class Schedule(keras.callbacks.Callback):
    """Sets, at the beginning of each epoch, the weights of layers that are not trained."""

    def __init__(
        self,
        layers: list[keras.layers.Layer],
        epochs: int,
        warm_up: int,
        *,
        is_warm: bool = False,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.epochs = epochs
        self.warm_up = warm_up
        self.is_warm = is_warm

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Assign the price and the probability of the epoch."""
        for layer in self.layers:
            if isinstance(layer, BottleneckAttention):
                layer.penalty.assign(layer.beta if epoch >= self.warm_up else 0.0)
            elif isinstance(layer, AttentionDecoder):
                told = 0.0 if self.is_warm else teacher_probability(epoch, self.epochs)
                layer.teacher_probability.assign(told)


class DrawsByEpoch(keras.callbacks.Callback):
    """Makes random draws on PyTorch depend on seed and epoch alone.

    There they come from one generator, whose state no checkpoint has; elsewhere each layer has its
    own, which is one of its variables.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Seed the generator for an epoch."""
        if keras.config.backend() == "torch":
            drawn = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
            keras.utils.set_random_seed(int(drawn[0]))


def choose_batch_size(num_folded: int) -> int:
    """Return the number of windows of a batch, where so many targets are folded into it."""
    if num_folded == 1:
        return _WINDOWS_PER_BATCH
    return max(_FOLDED_PER_BATCH // num_folded, _FEWEST_PER_BATCH)


def choose_num_batches(num_batches: int, views: int, num_folded: int) -> int:
    """Return how many batches a training has: views share them, and folded targets need fewer."""
    shared = math.ceil(num_batches / views)
    return shared if num_folded == 1 else min(shared, _MOST_BATCHES)


def most_windows_per_epoch(num_batches: int, batch_size: int) -> int:
    """Return how many windows an epoch may have, for the fewest epochs to have so many batches."""
    return math.ceil(num_batches * batch_size / _FEWEST_EPOCHS)


def windows_per_epoch(asked: int | None, num_windows: int, views: int) -> int:
    """Return how many windows are drawn for an epoch: of two views half as many as are asked for.

    The networks of both read each window, so that an epoch takes as long as with one view. None
    asks for all windows.
    """
    return math.ceil(min(asked or num_windows, num_windows) / views)


def choose_epochs(
    num_windows: int, batch_size: int, num_batches: int = 2_000, views: int = 1
) -> int:
    """Return as many epochs as have so many batches, but from 6 to 100.

    Args:
        num_windows: Windows drawn for an epoch.
        batch_size: Windows of a batch.
        num_batches: Batches of all epochs.
        views: Views of a window; of two there may be 200 epochs.
    """
    of_epoch = math.ceil(num_windows / batch_size)
    wanted = math.ceil(num_batches / of_epoch)
    return min(max(_FEWEST_EPOCHS, wanted), views * _MOST_EPOCHS)


def rising_and_falling(
    learning_rate: float, num_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate of each step: a short rise, and a cosine to a fiftieth."""
    rise = min(num_steps // 20 + 1, 200)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 20,
        max(num_steps - rise, 1),
        alpha=0.02,
        warmup_target=learning_rate,
        warmup_steps=rise,
    )
