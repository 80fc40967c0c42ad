"""Checkpoints: the state of a training after its last whole epoch, to go on from."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tsattn.errors import UsageError
from tsattn.json_files import write_json
from tsattn.outputs import CHECKPOINT, MANIFEST, atomic_directory, check_output, remove_folder

_STATE, _ARRAYS = "state.json", "arrays.npz"


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """What a training goes on from."""

    epochs: list[list[float]]  # a row of the history for each epoch that is done
    is_over: bool  # nothing is left to train
    wait: int  # epochs without improvement
    best: float | None  # lowest validation loss; None before the first epoch that counts
    best_epoch: int
    variables: list[np.ndarray]  # of the network: weights, and the states of its random draws
    optimizer: list[np.ndarray]
    best_weights: list[np.ndarray] | None


class Checkpoint:
    """A folder for the state of one training, whole at any moment.

    Args:
        folder: Where it is kept.
        key: What the training is of, JSON-ready: options and data. A state of another key is
            refused.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any]) -> None:
        self.folder = folder
        self.key = dict(json.loads(json.dumps(key)))  # tuples become lists, as they are read
        check_output(folder, overwrite=True, is_directory=True, kind=CHECKPOINT)

    def read(self) -> TrainingState | None:
        """Return the state that is kept; None if there is none.

        Raises:
            UsageError: it is of other options or data, or cannot be read.
        """
        if not (self.folder / MANIFEST).exists():
            return None
        try:
            content = json.loads((self.folder / _STATE).read_text("utf-8"))
            self._check_key(content["key"])
            with (
                (self.folder / _ARRAYS).open("rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                lists: dict[str, Any] = {
                    name: [arrays[f"{name}_{i}"] for i in range(count)]
                    for name, count in content["num_arrays"].items()
                }
            given: dict[str, Any] = {"best_weights": None, **content["state"], **lists}
            return TrainingState(**given)
        except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(
                f"A checkpoint must be as it was written. Received: {self.folder} ({error}). "
                "Remove it to start from the first epoch."
            ) from None

    def _check_key(self, found: Mapping[str, Any]) -> None:
        names = sorted(set(found) | set(self.key))
        differing = [
            f"{name}={found.get(name)} (now {self.key.get(name)})"
            for name in names
            if found.get(name) != self.key.get(name)
        ]
        if differing:
            raise UsageError(
                "--resume goes on from a checkpoint of the same options and data. Received: "
                f"{self.folder}, made with {', '.join(differing)}. Give what it was made with, or "
                "remove it to start from the first epoch."
            )

    def write(self, state: TrainingState) -> None:
        """Keep a state in place of the one before."""
        lists = {
            "variables": state.variables,
            "optimizer": state.optimizer,
            **({"best_weights": state.best_weights} if state.best_weights is not None else {}),
        }
        scalars = {
            name: getattr(state, name)
            for name in ("epochs", "is_over", "wait", "best", "best_epoch")
        }
        counts = {name: len(arrays) for name, arrays in lists.items()}
        content = {"key": self.key, "state": scalars, "num_arrays": counts}
        named: dict[str, Any] = {
            f"{name}_{i}": array for name, arrays in lists.items() for i, array in enumerate(arrays)
        }
        with atomic_directory(self.folder, overwrite=True, kind=CHECKPOINT) as folder:
            write_json(folder / _STATE, content)
            np.savez(folder / _ARRAYS, **named)
            write_json(folder / MANIFEST, {"kind": CHECKPOINT, "format_version": 1})

    def remove(self) -> None:
        """Remove the folder."""
        remove_folder(self.folder)


class KeepCheckpoint(keras.callbacks.Callback):
    """Keeps a checkpoint after each epoch, and puts the state of one back before the first.

    It stands after early stopping in the list of callbacks, whose state it keeps too.

    Args:
        checkpoint: Where states are kept.
        history: The rows of the history, to which another callback adds.
        stopping: Early stopping, with the best weights.
        epochs: Epochs at most.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        history: Sequence[tuple[float, ...]],
        stopping: keras.callbacks.EarlyStopping,
        epochs: int,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.history = history
        self.stopping = stopping
        self.epochs = epochs
        self.state = checkpoint.read()

    def restore(self, trainer: keras.Model) -> None:
        """Give a compiled model, and its built optimizer, the state that was kept, if any."""
        if self.state is None:
            return
        for variables, arrays in (
            (_variables(trainer), self.state.variables),
            (trainer.optimizer.variables, self.state.optimizer),
        ):
            for variable, array in zip(variables, arrays, strict=True):
                variable.assign(array)

    def on_train_begin(self, logs: Any = None) -> None:
        """Put the state of early stopping back, which it has cleared."""
        if self.state is None:
            return
        self.stopping.wait = self.state.wait
        self.stopping.best_epoch = self.state.best_epoch
        self.stopping.best_weights = self.state.best_weights
        if self.state.best is not None:
            self.stopping.best = self.state.best

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the state after an epoch."""
        model, stopping = self.model, self.stopping
        best = stopping.best_weights
        self.checkpoint.write(
            TrainingState(
                epochs=[list(row) for row in self.history],
                is_over=bool(model.stop_training) or epoch + 1 == self.epochs,
                wait=stopping.wait,
                best=None if best is None else float(stopping.best),
                best_epoch=stopping.best_epoch,
                variables=_arrays(_variables(model)),
                optimizer=_arrays(model.optimizer.variables),
                best_weights=best,
            )
        )


def _variables(trainer: keras.Model) -> list[Any]:
    """Return the weights, and the states of random draws, but not those of metrics."""
    of_metrics = {id(variable) for metric in trainer.metrics for variable in metric.variables}
    return [variable for variable in trainer.variables if id(variable) not in of_metrics]


def _arrays(variables: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]
