"""Training a forecaster on windows."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from tsattn.checkpoints import Checkpoint, KeepCheckpoint
from tsattn.data.windows import Windows
from tsattn.errors import TrainingDivergedError, TrainingInterruptedError
from tsattn.gate_closing import CloseGates
from tsattn.interruptions import held_interruptions
from tsattn.losses import MemberLoss, make_loss
from tsattn.models import TARGETS, price_of_nat, training_model
from tsattn.optimizers import make_optimizer
from tsattn.running import compile_for, helps_to_compile
from tsattn.schedules import (
    DrawsByEpoch,
    Schedule,
    closing_epochs,
    num_warm_up_epochs,
    rising_and_falling,
)
from tsattn.training_batches import TrainingBatches
from tsattn.validation_loss import validation_loss


class Epoch(NamedTuple):
    """What one epoch ended with."""

    epoch: int
    loss: float
    val_loss: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class History:
    """The epochs of a training; the model holds the weights of the best one.

    The best is one after the warm-up, see `tsattn.schedules`.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    interrupted: bool = False

    def to_frame(self) -> pd.DataFrame:
        """Return one row per epoch."""
        return pd.DataFrame(self.epochs, columns=Epoch._fields)


def train(
    model: keras.Model,
    train_windows: Windows,
    val_windows: Windows,
    *,
    loss: str = "mae",
    quantile_levels: Sequence[float] | None = None,
    optimizer: str = "adam",
    learning_rate: float = 0.004,
    batch_size: int = 128,
    epochs: int = 10,
    patience: int = 5,
    clip_norm: float = 1.0,
    windows_per_epoch: int | None = None,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    is_warm: bool = False,
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> History:
    """Train until the validation loss has not fallen for `patience` epochs.

    The learning rate rises in a line at first and then falls with a cosine to the last epoch
    (Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5, without restarts). The model ends with
    the weights of its best epoch, also when it is interrupted from the keyboard, which is heeded at
    the end of a batch. A linear path has no share in the forecast yet, see `tsattn.blending`.

    The nats of `BottleneckAttention` cost nothing in the first three epochs (fewer if no more are
    asked for), which do not count for stopping and the best epoch. In the second half of the epochs
    gates that are not needed are closed, see `CloseGates`. A recurrent decoder reads the true
    previous targets in the first epoch, and more and more often its own forecasts; validation
    always runs on its own.

    Args:
        model: A forecaster, see `tsattn.models.build_forecaster`.
        train_windows: Windows to learn from.
        val_windows: Windows to stop by; all of them count.
        loss: `"mae"`, `"mse"`, `"huber"` or `"quantile"`.
        quantile_levels: The levels of the quantile loss.
        optimizer: `"adam"` or `"muon"`, see `tsattn.optimizers`.
        learning_rate: Largest step size.
        batch_size: Windows per batch.
        epochs: Epochs at most.
        patience: Epochs without improvement after which training stops.
        clip_norm: Largest global norm of the gradient.
        windows_per_epoch: Windows drawn for each epoch; None takes all of them.
        seed: Seed of the order of the windows.
        checkpoint: Where the state is kept after each epoch; a state that is there is gone on
            from, and what comes out is the same as without the break.
        is_warm: Whether the model was trained before: nats have their price and a decoder reads
            its own forecasts from the first epoch on, every epoch counts, and no gates are closed.
        on_batch: Called with (batches done, batches of the epoch) after a batch.
        on_epoch: Called after an epoch.

    Raises:
        TrainingDivergedError: the loss became NaN or infinite.
        TrainingInterruptedError: interrupted before the end of the first epoch that counts.
        UsageError: the checkpoint is of another training.
    """
    loss_function = make_loss(loss, quantile_levels)
    trainer = training_model(model)
    batches = TrainingBatches(
        train_windows, batch_size, windows_per_epoch, seed, with_targets=_is_told_targets(trainer)
    )
    compile_for(model, len(val_windows) * epochs)
    warm_up = 0 if is_warm else num_warm_up_epochs(model, epochs)
    rate = rising_and_falling(learning_rate, len(batches) * epochs)
    trainer.compile(
        optimizer=make_optimizer(optimizer, trainer, rate, clip_norm),
        loss=MemberLoss(loss_function),
        jit_compile=_helps_to_compile(trainer, len(batches) * batches.batch_size * epochs),
    )
    trainer.optimizer.build(trainer.trainable_variables)  # else TensorFlow traces the step twice
    keeper = _EpochEnd(model, val_windows, loss_function, len(batches), on_batch, on_epoch)
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=patience,
        restore_best_weights=True,
        start_from_epoch=warm_up,
    )
    schedule = Schedule(model.layers, epochs, warm_up, is_warm=is_warm)
    closed_at = set() if is_warm else closing_epochs(epochs, warm_up)
    closing = CloseGates(model, train_windows, val_windows, loss_function, closed_at)
    callbacks = [schedule, DrawsByEpoch(seed), keeper, stopping, closing]
    interrupted, done, is_over = False, 0, False
    if checkpoint is not None:
        keep = KeepCheckpoint(checkpoint, keeper.history, stopping, epochs)
        callbacks.append(keep)
        keep.restore(trainer)
        if keep.state is not None:
            keeper.history += _epochs_of(keep.state.epochs)
            done, is_over = len(keeper.history), keep.state.is_over
            batches.skip(done)
    try:
        with held_interruptions() as release:
            heed = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: release())
            if not is_over:
                _run_epochs(trainer, batches, range(done, epochs), [*callbacks, heed])
    except KeyboardInterrupt:
        if stopping.best_weights is None:
            raise TrainingInterruptedError(
                f"Training was interrupted before the end of epoch {warm_up + 1}, the first that "
                "counts. Received: Ctrl-C. There is no model to keep; nothing was written."
            ) from None
        trainer.set_weights(stopping.best_weights)
        interrupted = True
    return History(
        epochs=tuple(keeper.history),
        best_epoch=min(keeper.history[warm_up:], key=lambda epoch: epoch.val_loss).epoch,
        interrupted=interrupted,
    )


def _run_epochs(
    trainer: keras.Model,
    batches: TrainingBatches,
    epochs: Iterable[int],
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train on every batch of each epoch, until a callback stops the training.

    `Model.fit` hands batches over through `tf.data`, whose end of an epoch waits now and then for
    its tuning of itself to wake up, doing nothing, as long as the epoch has taken.
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


def _epochs_of(rows: Sequence[Sequence[float]]) -> list[Epoch]:
    return [Epoch(int(number), *values) for number, *values in rows]


def _helps_to_compile(trainer: keras.Model, num_windows: int) -> bool:
    """Return whether XLA will speed up a training; not that of a decoder on TensorFlow.

    At a lookback of 96, a step took 4 times as long with XLA at a horizon of 24, 1.4 times at 96.
    """
    if keras.config.backend() == "tensorflow" and _is_told_targets(trainer):
        return False
    return helps_to_compile(trainer, num_windows)


def _is_told_targets(trainer: keras.Model) -> bool:
    return any(tensor.name == TARGETS for tensor in trainer.inputs)


class _EpochEnd(keras.callbacks.Callback):
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
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._check_finite("loss", (logs or {}).get("loss", 0.0), f"batch {batch + 1} of ")
        if self.on_batch:
            self.on_batch(batch + 1, self.num_batches)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
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
