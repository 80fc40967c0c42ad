"""The epochs of a training: running them, what is kept of each, and when to stop."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from tsattn.data.windows import Windows
from tsattn.errors import TrainingDivergedError
from tsattn.models import price_of_nat
from tsattn.training_batches import TrainingBatches
from tsattn.validation_loss import validation_loss


class Epoch(NamedTuple):
    """What one epoch ended with."""

    epoch: int
    loss: float
    val_loss: float
    learning_rate: float
    seconds: float


def run_epochs(
    trainer: keras.Model,
    batches: TrainingBatches,
    epochs: Iterable[int],
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train on every batch of each epoch, until a callback stops the training.

    On TensorFlow `Model.fit` hands batches over through `tf.data`, whose end of an epoch waits now
    and then for its tuning of itself to wake up, doing nothing, as long as the epoch has taken. On
    JAX a step takes some milliseconds more so.

    Args:
        trainer: A compiled model.
        batches: What to train on.
        epochs: Their numbers, from 0.
        callbacks: Are told of the training, of epochs and of the end of batches, as by `fit`, with
            the `loss` of each batch and the mean of an epoch.
    """
    told = keras.callbacks.CallbackList(list(callbacks), model=trainer)
    trainer.stop_training = False
    told.on_train_begin()
    for epoch in epochs:
        told.on_epoch_begin(epoch)
        losses = []
        for number, (inputs, targets) in enumerate(batches.draw()):
            losses.append(float(trainer.train_on_batch(inputs, targets)))
            told.on_train_batch_end(number, {"loss": losses[-1]})
        told.on_epoch_end(epoch, {"loss": np.mean(losses)})
        if trainer.stop_training:
            break
    told.on_train_end()


class EpochEnd(keras.callbacks.Callback):
    """Validates on every window after each epoch, keeps the history, stops at NaN."""

    def __init__(
        self,
        model: keras.Model,
        val_windows: Windows,
        loss: keras.losses.Loss,
        num_batches: int,
        on_batch: Callable[[int, int], None] | None,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> None:
        super().__init__()
        self.forecaster = model
        self.val_windows = val_windows
        self.loss = loss
        self.num_batches = num_batches
        self.on_batch = on_batch
        self.on_epoch = on_epoch
        self.history: list[Epoch] = []
        self.started = 0.0
        # A bottleneck is chosen by what it was trained for: the forecast, and the nats it takes.
        self.price_per_nat = price_of_nat(model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time."""
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Check the loss of a batch."""
        self._check_finite("loss", logs["loss"], f"batch {batch + 1} of ")
        if self.on_batch:
            self.on_batch(batch + 1, self.num_batches)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Validate, and add a row to the history and `val_loss` to what others are told."""
        logs["val_loss"] = self._val_loss()
        self._check_finite("val_loss", logs["val_loss"])
        self.history.append(
            Epoch(
                epoch=epoch + 1,
                loss=float(logs["loss"]),
                val_loss=logs["val_loss"],
                learning_rate=float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
                seconds=round(time.perf_counter() - self.started, 3),
            )
        )
        if self.on_epoch:
            self.on_epoch(self.history[-1])

    def _check_finite(self, name: str, loss: float, where: str = "") -> None:
        if not math.isfinite(loss):
            raise TrainingDivergedError(
                f"The loss must stay finite. Received: {name}={loss} in {where}epoch "
                f"{len(self.history) + 1}. Lower --learning-rate or --clip-norm, or look for "
                "extreme values in the data."
            )

    def _val_loss(self) -> float:
        found = validation_loss(self.forecaster, self.val_windows, self.loss)
        price = self.price_per_nat
        return found.loss + (price * found.scores if price else 0.0)  # of others they may be NaN


class StopWhenOverfitted(keras.callbacks.EarlyStopping):
    """Stops early, but not while train windows are forecast no better than validation windows.

    As long as nothing is known by heart, a validation loss that does not fall for some epochs goes
    up and down with steps that are still large, and falls with the learning rate.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Count the epochs without improvement, and stop after too many if need be."""
        super().on_epoch_end(epoch, logs)
        if logs["loss"] >= logs["val_loss"]:
            self.model.stop_training = False
