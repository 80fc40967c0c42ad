"""Training a forecaster on windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import pandas as pd

from tsattn.checkpoints import Checkpoint, KeepCheckpoint
from tsattn.data.windows import Windows
from tsattn.epochs import Epoch, EpochEnd, StopWhenOverfitted, run_epochs
from tsattn.errors import TrainingInterruptedError
from tsattn.gate_closing import CloseGates
from tsattn.interruptions import held_interruptions
from tsattn.losses import MemberLoss, make_loss
from tsattn.models import TARGETS, training_model
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

    It goes on nevertheless while the training does not overfit, see `StopWhenOverfitted`. The
    learning rate rises in a line at first and then falls with a cosine to the last epoch
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
        patience: Epochs without improvement after which a training that overfits is stopped.
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
    keeper = EpochEnd(model, val_windows, loss_function, len(batches), on_batch, on_epoch)
    stopping = StopWhenOverfitted(
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
    interrupted, to_do = False, range(epochs)
    if checkpoint is not None:
        keep = KeepCheckpoint(checkpoint, keeper.history, stopping, epochs)
        callbacks.append(keep)
        keep.restore(trainer)
        if keep.state is not None:
            keeper.history += _epochs_of(keep.state.epochs)
            done = len(keeper.history)
            batches.skip(done)
            to_do = range(done, done if keep.state.is_over else epochs)
    try:
        with held_interruptions() as release:
            heed = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: release())
            run_epochs(trainer, batches, to_do, [*callbacks, heed])
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
        best_epoch=stopping.best_epoch + 1,
        interrupted=interrupted,
    )


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
