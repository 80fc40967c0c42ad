"""Every variant trains, and reloads in a fresh process, on every backend."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import load_frame

from tsattn.config import STRUCTURES

BACKENDS = ("tensorflow", "jax", "torch")
JOINT = {"encoder": "joint", "linear_path": "none", "horizon": 3}
BLOCKS = [*itertools.product(["per-dimension", "shared"], ["before", "after"]), ("none", None)]
VARIANTS = [
    {**JOINT, "attention": attention, "placement": placement, "cell": cell}
    for (attention, placement), cell in itertools.product(BLOCKS, ["gru", "lstm"])
]
# Their layers are tested on the backend of the test run; here they are reloaded on the default one.
MECHANISMS = [
    {**JOINT, "attention": structure.attention, "placement": structure.placement, "cell": "gru"}
    for structure in STRUCTURES
    if (structure.encoder, structure.decoder) == ("joint", "direct")
    and (structure.attention, structure.placement) not in BLOCKS
]
DECODERS = [
    {**JOINT, "attention": "additive", "decoder": "recurrent", "cell": "gru"},
    {**JOINT, "attention": "luong", "decoder": "recurrent", "cell": "lstm"},
]
# A lookback of 7 is no multiple of 3, and a horizon of 29 has two parts.
PER_FEATURE = [
    {"attention": "additive", "segment": 3, "target": "load,wind", "future_covariates": "plan"},
    {
        "attention": "luong", "segment": 3, "horizon": 29, "num_layers": 2, "cell": "lstm",
        "target": "all", "loss": "quantile", "linear_path": "blend",
    },
    {
        "attention": "per-dimension", "future_covariates": "plan", "loss": "quantile",
        "horizon": 3, "views": 1,
    },
    {"attention": "shared", "segment": 7, "normalization": "none", "horizon": 3},
    {
        "attention": "bottleneck", "segment": 2, "normalization": "robust", "target": "load,wind",
        "horizon": 29,
    },
    {"attention": "none", "segment": 3, "target": "load,wind", "horizon": 29, "cell": "lstm"},
]  # fmt: skip
# Their scores are computed in ways of their own: on every backend.
EVERYWHERE = [
    *[{"encoder": "per-feature", "horizon": 29, "units": 5, **variant} for variant in PER_FEATURE],
    *DECODERS,
    {**JOINT, "attention": "reverse-time", "placement": "before", "cell": "gru"},
    {**JOINT, "attention": "bottleneck", "placement": "before", "cell": "gru"},
]
SCORES = """
import numpy
def checksum(model):
    import keras  # after its backend was chosen
    generator = numpy.random.default_rng(0)
    inputs = {tensor.name: generator.normal(size=(2, *tensor.shape[1:])).astype("float32")
              for tensor in sorted(model.inputs, key=lambda tensor: tensor.name, reverse=True)}
    # JAX would compile every operation by itself
    run = model.predict_on_batch if keras.config.backend() == "jax" else model
    outputs = {name: keras.ops.convert_to_numpy(output) for name, output in run(inputs).items()}
    forecast = outputs["forecast"]
    sums = [float(forecast.ravel() @ numpy.cos(numpy.arange(forecast.size)))]
    scores = outputs.get("attention_scores")
    if scores is None:
        return sums
    assert (scores >= 0).all()
    return [*sums, float(scores.ravel() @ numpy.arange(scores.size))]
def forecasts(forecaster, data):
    latest = data
    if "plan" in forecaster.fitted_.schema.future_covariates:
        latest, ahead = data[: -forecaster.horizon], data[-forecaster.horizon :]
        return [*forecaster.predict(latest, future=ahead[["time", "plan"]]).forecast]
    return [*forecaster.predict(latest).forecast]
"""
TRAIN = """
import json, sys
from pathlib import Path
import pandas as pd
from tsattn import AttentionForecaster
data, folder, backend, variants = sys.argv[1:]
frame = pd.read_csv(data)
results = []
for i, variant in enumerate(json.loads(variants)):
    options = {"target": "load", "lookback": 7, "units": 5, "epochs": 1, **variant}
    options["split"] = "0.6,0.2,0.2"  # one number of windows twice: less to compile
    forecaster = AttentionForecaster(backend=backend, **options).fit(frame)
    from tsattn.model_directory import save_fitted, write_manifest
    (Path(folder) / str(i)).mkdir()
    save_fitted(Path(folder) / str(i), forecaster.fitted_)
    write_manifest(Path(folder) / str(i), None)
    sums = checksum(forecaster.fitted_.model)
    results.append([*forecasts(forecaster, frame), *sums])
print(json.dumps(results))
"""
RELOAD = """
import json, sys
import keras, numpy, pandas as pd
import tsattn, tsattn.layers
data, folder, backend, count = sys.argv[1:]
assert keras.config.backend() == backend
if backend == "tensorflow":  # tracing takes most of the time, and the training was traced
    import tensorflow
    tensorflow.config.run_functions_eagerly(True)
frame = pd.read_csv(data)
results = []
for i in range(int(count)):
    model = keras.saving.load_model(f"{folder}/{i}/model.keras")
    forecaster = tsattn.load(f"{folder}/{i}")
    sums = checksum(model)
    numpy.testing.assert_allclose(sums, checksum(forecaster.fitted_.model), atol=1e-4)
    results.append([*forecasts(forecaster, frame), *sums])
print(json.dumps(results))
"""


def run(code: str, *arguments: object, **environment: str) -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        # on JAX compiling takes most of the time
        env={
            **os.environ,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "JAX_COMPILATION_CACHE_DIR": str(Path(arguments[1]) / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_variant_trains_and_reloads_in_a_fresh_process(backend: str, tmp_path) -> None:
    data = tmp_path / "data.csv"
    load_frame(300).to_csv(data, index=False)
    on_default = [variant for variant in MECHANISMS if variant not in EVERYWHERE]
    # The blocks have both cells on the default backend, and one of them on each of the others.
    blocks = {"tensorflow": VARIANTS + on_default, "jax": VARIANTS[::2], "torch": VARIANTS[1::2]}
    variants = EVERYWHERE + blocks[backend]
    trained = run(SCORES + TRAIN, data, tmp_path, backend, json.dumps(variants))
    reloaded = run(SCORES + RELOAD, data, tmp_path, backend, len(variants), KERAS_BACKEND=backend)
    assert_same(reloaded, trained, rtol=1e-5)
    other = BACKENDS[BACKENDS.index(backend) - 1]
    count = len(EVERYWHERE) + 1
    elsewhere = run(SCORES + RELOAD, data, tmp_path, other, count, KERAS_BACKEND=other)
    assert_same(elsewhere, trained[:count], rtol=1e-3)


def assert_same(actual: list[list[float]], expected: list[list[float]], *, rtol: float) -> None:
    """Compare the forecasts and sums of several models, which are of different lengths."""
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
