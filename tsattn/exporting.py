"""Exporting a trained network to ONNX, so that a forecast need not start Keras."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

import tsattn.layers  # noqa: F401 - those of a network that is loaded here
from tsattn.backend import is_tensorflow_on_cpu, silent_stderr
from tsattn.data.windows import Windows
from tsattn.fitted import FittedForecaster
from tsattn.onnx_file import ONNX_FILE, check_onnx_outputs, read_onnx
from tsattn.running import run_batches

TOLERANCE = 1e-4  # in standard deviations of the target; of scores, in shares or nats
_LONGEST = 300  # characters of another library's message that are shown


def export_fitted(directory: Path, fitted: FittedForecaster, windows: Windows) -> str | None:
    """Write `model.onnx` beside the `model.keras` of a folder, if that is possible.

    The converter reads what TensorFlow traces, and from a GPU that is a recurrent layer that ONNX
    does not know: other networks are loaded on TensorFlow on the CPU, in a process of their own.
    The network is then read as for a forecast, and its outputs for a batch of windows are compared
    with those of Keras.

    Returns:
        Why there is no such file; None if there is.
    """
    path = directory / ONNX_FILE
    index, _, expected = next(run_batches(fitted.model, windows))
    try:
        if is_tensorflow_on_cpu():
            _export(fitted.model, path)
        else:
            _export_elsewhere(directory / "model.keras", path)
        model = read_onnx(directory, fitted.options, fitted.schema, fitted.linear_shares)
        check_onnx_outputs(replace(fitted, model=model))
        windows = replace(windows, origins=windows.origins[index])
        for part, _, outputs in run_batches(model, windows):
            _check_same(outputs, {name: values[part] for name, values in expected.items()})
    except Exception as error:  # those of the exporter have no class in common
        path.unlink(missing_ok=True)
        return " ".join(str(error or type(error).__name__).split())[:_LONGEST]
    return None


def _export(model: keras.Model, path: Path) -> None:
    """Export a network, whatever the exporter has to say.

    `keras.Model.export` calls the same converter, but traces the network four times before, and
    the converter then copies the whole graph before each of its three dozen steps, to go back to if
    a step fails: half of the time. Here a step that fails ends the export.
    """
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")
    with silent_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter's use of TensorFlow
        import tensorflow as tf
        import tf2onnx

        shapes = {
            tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name)
            for tensor in model.inputs
        }
        network = tf.function(lambda windows: model(windows, training=False), autograph=False)
        tf2onnx.convert.from_function(network, [shapes], output_path=path)


def _export_elsewhere(source: Path, path: Path) -> None:
    """Export a `.keras` file in another process."""
    done = subprocess.run(
        [sys.executable, "-m", "tsattn.exporting", str(source), str(path)],
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit code {done.returncode}")


def _check_same(outputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        if name not in outputs:
            raise ValueError(f"{name} is not among its outputs")
        if not np.allclose(outputs[name], values, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            difference = float(np.abs(outputs[name] - values).max())
            raise ValueError(f"its {name} differs from that of Keras by up to {difference:.2g}")


def _main(source: str, path: str) -> None:
    """Load a network and export it."""
    _export(keras.saving.load_model(source), Path(path))


if __name__ == "__main__":
    _main(*sys.argv[1:])
