"""Taking a model as a directory or as a fitted forecaster."""

from pathlib import Path

from tsattn.fitted import FittedForecaster
from tsattn.model_directory import load_fitted
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.progress import Progress

Model = str | Path | FittedForecaster
RUNTIME = "onnx"


def open_fitted(model: Model, runtime: str, progress: Progress) -> FittedForecaster:
    """Return a forecaster, that of a directory with a runtime of `tsattn.config.RUNTIMES`.

    Raises:
        UsageError: the runtime is unknown.
        ModelDirectoryError: the directory is missing, altered, or of another format.
    """
    if isinstance(model, FittedForecaster):
        return model
    fitted = load_fitted(model, runtime=runtime)
    if runtime == "onnx" and not isinstance(fitted.model, OnnxForecaster):
        progress.note(f"{model}: there is no model.onnx; Keras was loaded, which takes longer")
    return fitted
