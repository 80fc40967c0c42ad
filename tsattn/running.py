"""Running a forecaster over windows."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tsattn.backend import is_tensorflow_on_cpu
from tsattn.data.windows import WindowBatch, Windows
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.tensor_names import ATTENTION_SCORES, FORECAST, FUTURE_INPUTS, INPUTS

if TYPE_CHECKING:  # a forecaster in ONNX is run without loading it
    import keras

PREDICT_BATCH = 512
_MOST_SCORES = 1 << 25  # of a batch, or numbers that they are made of: 128 MiB
_FEW_WINDOWS = 4_000


def model_inputs(batch: WindowBatch) -> dict[str, np.ndarray]:
    """Return the arrays of a batch under the names of the model's inputs."""
    if batch.future_inputs.shape[2]:
        return {INPUTS: batch.inputs, FUTURE_INPUTS: batch.future_inputs}
    return {INPUTS: batch.inputs}


def helps_to_compile(model: "keras.Model", num_windows: int) -> bool:
    """Return whether XLA will speed up a run of a model over so many windows.

    It speeds up recurrent layers on JAX, and on TensorFlow without a GPU, after a start of seconds.
    There it slows down the training of a recurrent decoder, see `train`, and makes the attention
    over the states of features 4 times slower.
    """
    import keras

    from tsattn.layers import FeatureStateAttention
    from tsattn.models import all_layers

    if keras.config.backend() != "tensorflow":
        return bool(keras.config.backend() == "jax")
    if any(isinstance(layer, FeatureStateAttention) for layer in all_layers(model)):
        return False
    return num_windows > _FEW_WINDOWS and is_tensorflow_on_cpu()


def compile_for(model: "keras.Model | OnnxForecaster", num_windows: int) -> None:
    """Set a model up for forecasting so many windows."""
    if isinstance(model, OnnxForecaster):  # it was, when it was opened
        return
    model.compile(jit_compile=helps_to_compile(model, num_windows))


def windows_at_once(model: "keras.Model | OnnxForecaster") -> int:
    """Return how many windows a batch may have, for what attention compares to fit into memory."""
    if isinstance(model, OnnxForecaster):
        return model.windows_at_once
    from tsattn.layers import FeatureStateAttention
    from tsattn.models import all_layers

    names = {layer.name for layer in model.layers}
    if ATTENTION_SCORES not in names:
        return PREDICT_BATCH
    sizes: list[int] = [math.prod(model.get_layer(ATTENTION_SCORES).output.shape[1:])]
    num_targets = model.get_layer(FORECAST).output.shape[2]
    for layer in all_layers(model):
        if isinstance(layer, FeatureStateAttention):  # batch and targets are folded
            query, states = layer.input
            compared = query.shape[1] * math.prod(states.shape[1:3])  # queries, features, steps
            sizes.append(compared * layer.units * num_targets)
    return max(_MOST_SCORES // max(sizes), 1)


def run_batches(
    model: "keras.Model | OnnxForecaster", windows: Windows, batch_size: int | None = None
) -> Iterator[tuple[slice, WindowBatch, dict[str, np.ndarray]]]:
    """Run a model over every window; yield (index, batch, outputs) batch by batch.

    Every batch is filled up to one size, so that nothing is compiled twice; the outputs are those
    of the batch's own windows. The size is that of the windows, or `batch_size` where several parts
    of them are run one after another; at most what is good for the memory.
    """
    size = min(PREDICT_BATCH, batch_size or len(windows), windows_at_once(model))
    for index, batch in windows.batches(size):
        count = len(batch.inputs)
        inputs = model_inputs(batch)
        if count < size:
            inputs = {
                name: np.concatenate([array, np.zeros((size - count, *array.shape[1:]), "float32")])
                for name, array in inputs.items()
            }
        outputs = model.predict_on_batch(inputs)
        yield index, batch, {name: np.asarray(array[:count]) for name, array in outputs.items()}
