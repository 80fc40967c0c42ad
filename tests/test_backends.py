"""Every variant trains, and reloads in a fresh process, on every backend."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from synthetic import load_frame

from tsattn.config import ATTENTION_PLACEMENTS

BACKENDS = ("tensorflow", "jax", "torch")
BLOCKS = [*itertools.product(["per-dimension", "shared"], ["before", "after"]), ("none", None)]
VARIANTS = [
    {"attention": attention, "placement": placement, "cell": cell}
    for (attention, placement), cell in itertools.product(BLOCKS, ["gru", "lstm"])
]
# Their layers are tested on the backend of the test run; here they are reloaded on the default one.
MECHANISMS = [
    {"attention": attention, "placement": placement, "cell": "gru"}
    for attention, placements in ATTENTION_PLACEMENTS.items()
    for placement in placements
    if (attention, placement) not in BLOCKS
]
TRAIN = """
import json, sys
from pathlib import Path
import pandas as pd
from tsattn import AttentionForecaster
data, folder, backend, variants = sys.argv[1:]
frame = pd.read_csv(data)
forecasts = []
for i, variant in enumerate(json.loads(variants)):
    forecaster = AttentionForecaster(
        target="load", lookback=7, horizon=3, units=5, epochs=1, backend=backend, **variant
    ).fit(frame)
    from tsattn.model_directory import save_fitted, write_manifest
    (Path(folder) / str(i)).mkdir()
    save_fitted(Path(folder) / str(i), forecaster.fitted_)
    write_manifest(Path(folder) / str(i), None)
    forecasts.append(forecaster.predict(frame).forecast.tolist())
print(json.dumps(forecasts))
"""
RELOAD = """
import json, sys
import keras, numpy, pandas as pd
import tsattn, tsattn.layers
data, folder, backend, count = sys.argv[1:]
assert keras.config.backend() == backend
frame = pd.read_csv(data)
forecasts = []
for i in range(int(count)):
    model = keras.saving.load_model(f"{folder}/{i}/model.keras")
    outputs = model({"inputs": numpy.ones((2, 7, 3), "float32"),
                     "future_inputs": numpy.ones((2, 3, 4), "float32")})
    if "attention_scores" in outputs:
        assert (keras.ops.convert_to_numpy(outputs["attention_scores"]) >= 0).all()
    forecasts.append(tsattn.load(f"{folder}/{i}").predict(frame).forecast.tolist())
print(json.dumps(forecasts))
"""


def run(code: str, *arguments: object, **environment: str) -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_variant_trains_and_reloads_in_a_fresh_process(backend: str, tmp_path) -> None:
    data = tmp_path / "data.csv"
    load_frame(151).to_csv(data, index=False)
    variants = VARIANTS + (MECHANISMS if backend == "tensorflow" else [])
    trained = run(TRAIN, data, tmp_path, backend, json.dumps(variants))
    reloaded = run(RELOAD, data, tmp_path, backend, len(variants), KERAS_BACKEND=backend)
    np.testing.assert_allclose(reloaded, trained, rtol=1e-5)
    other = BACKENDS[BACKENDS.index(backend) - 1]
    elsewhere = run(RELOAD, data, tmp_path, other, 3, KERAS_BACKEND=other)
    np.testing.assert_allclose(elsewhere, trained[:3], rtol=1e-3)
