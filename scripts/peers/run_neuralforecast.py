"""Fits a model of NeuralForecast and forecasts every test window; run by `scripts/bench_peers`.

Usage: python run_neuralforecast.py FOLDER

FOLDER holds `job.json` and `rows.npz`, the scaled columns by name; `forecasts.npz` and `times.json`
are added. The rows are numbered, and the model is fitted on the first of them only, for so many
steps: nothing is chosen by validation rows.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast, models
from neuralforecast.losses.pytorch import MAE

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def make_model(job: dict[str, Any]) -> Any:
    """Return the model: every setting that is not given here or in the job is the default."""
    return getattr(models, job["class"])(
        **job["settings"],
        h=job["horizon"],
        input_size=job["lookback"],
        futr_exog_list=job["known"],
        hist_exog_list=job["past"],
        loss=MAE(),
        scaler_type="robust",
        windows_batch_size=128,
        max_steps=job["steps"],
        random_seed=job["seed"],
        alias="forecast",
        **QUIET,
    )


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text("utf-8"))
    with np.load(folder / "rows.npz") as columns:
        rows = pd.DataFrame(dict(columns))
    rows.insert(0, "ds", np.arange(len(rows)))
    rows.insert(0, "unique_id", "series")
    horizon = job["horizon"]
    forecaster = NeuralForecast(models=[make_model(job)], freq=1)
    started = time.perf_counter()
    forecaster.fit(rows[: job["num_train"]])
    fitted = time.perf_counter()
    found = forecaster.cross_validation(
        rows, n_windows=None, test_size=job["num_test"], step_size=1, refit=False, use_fitted=True
    )
    done = time.perf_counter()

    by_window = {name: found[name].to_numpy().reshape(-1, horizon) for name in found.columns[1:]}
    cutoffs = by_window["cutoff"]
    steps = by_window["ds"] - cutoffs
    assert (cutoffs == cutoffs[:, :1]).all()
    assert (steps == np.arange(1, horizon + 1)).all()
    np.savez(
        folder / "forecasts.npz",
        origins=cutoffs[:, 0] + 1,
        forecast=by_window["forecast"],
        actual=by_window["y"],
        last=rows["y"].to_numpy()[cutoffs[:, 0]],
    )
    times = {"fit_seconds": fitted - started, "predict_seconds": done - fitted}
    (folder / "times.json").write_text(json.dumps(times), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
