"""Fits tsattn and forecasts every test window; run by `scripts/bench_peers`.

Usage: python run_tsattn.py FOLDER

FOLDER holds `job.json`, which names the data; `forecasts.npz` and `times.json` are added. A fit is
all that `tsattn.fit` does from the file on, without the test of the attention profile: with the
linear path, the intervals, and the errors on validation rows. The test rows are not part of it.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from tsattn import FitOptions, fit
from tsattn.backend import start_keras
from tsattn.forecasts import point_and_quantiles
from tsattn.running import compile_for, run_batches
from tsattn.tensor_names import FORECAST


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text("utf-8"))
    start_keras()
    started = time.perf_counter()
    result = fit(job["data"], FitOptions(**job["options"]), check=False)
    fitted = time.perf_counter()
    forecaster, series = result.fitted, result.series
    unseen = forecaster.unseen_rows(series)
    windows = forecaster.windows(series, forecaster.find_origins(series, unseen).origins)
    compile_for(forecaster.model, len(windows))
    forecasts = [
        point_and_quantiles(outputs[FORECAST], forecaster.quantile_levels)[0][:, :, 0]
        for _, _, outputs in run_batches(forecaster.model, windows)
    ]
    done = time.perf_counter()

    origins, values = windows.origins, windows.values[:, 0]
    np.savez(
        folder / "forecasts.npz",
        origins=origins,
        forecast=np.concatenate(forecasts),
        actual=values[origins[:, None] + np.arange(windows.horizon)],
        last=values[origins - 1],
    )
    times = {"fit_seconds": fitted - started, "predict_seconds": done - fitted}
    (folder / "times.json").write_text(json.dumps(times), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
