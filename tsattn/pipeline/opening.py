"""Taking a model as a directory or as a fitted forecaster."""

import os
from pathlib import Path
from typing import Any, Protocol

from tsattn.config import require
from tsattn.errors import UsageError
from tsattn.fitted import FittedForecaster
from tsattn.model_directory import load_fitted
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.progress import Progress


class Estimator(Protocol):
    """What an `AttentionForecaster` is once it was fitted or loaded."""

    fitted_: FittedForecaster


Model = str | Path | FittedForecaster | Estimator
RUNTIME = "onnx"


def open_fitted(model: Model, runtime: str, progress: Progress) -> FittedForecaster:
    """Return a forecaster, that of a directory with a runtime of `tsattn.config.RUNTIMES`.

    Raises:
        UsageError: the runtime is unknown, or the model is neither of the two.
        ModelDirectoryError: the directory is missing, altered, or of another format.
    """
    place = place_of(model)
    if place is None:
        held: FittedForecaster = _held(model)
        return held
    fitted = load_fitted(place, runtime=runtime)
    if runtime == "onnx" and not isinstance(fitted.model, OnnxForecaster):
        progress.note(f"{model}: there is no model.onnx; Keras was loaded, which takes longer")
    return fitted


def place_of(model: Model) -> Path | None:
    """Return the directory of a model; None for a forecaster in memory.

    Raises:
        UsageError: it is neither of the two.
    """
    if isinstance(model, str | os.PathLike):
        return Path(model)
    if not isinstance(_held(model), FittedForecaster):
        raise UsageError(
            "A model must be a model directory or a fitted forecaster. Received: "
            f"{type(model).__name__}. Give the path of a directory, or a forecaster after `fit`."
        )
    return None


def directory_of(model: str | Path) -> Path:
    """Return the directory of a model that must have one; raise a UsageError for another."""
    require(
        isinstance(model, str | os.PathLike),
        "Only a model directory has what this reads and writes.",
        type(model).__name__,
        "Save the forecaster, and give the path of its directory.",
    )
    return Path(model)


def _held(model: Any) -> Any:
    return getattr(model, "fitted_", model)
