"""The tasks of `scripts/bench_peers`: their rows, their test windows, and how they are scored."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from peers.processes import run_script
from price_inputs import KNOWN_AHEAD

LOOKBACK, HORIZON = 168, 24
TASKS = ("np-known", "de-known", "np-past", "de-past")


@dataclass(frozen=True, kw_only=True)
class Task:
    """The scaled rows of a task and its test windows, as tsattn makes them."""

    data: Path
    options: dict[str, Any]  # of a fit
    rows: dict[str, np.ndarray]  # scaled columns: y, known0 ..., past0 ..., calendar0 ...
    windows: dict[str, np.ndarray]  # origins, targets, last_value; num_train, num_val, num_test

    def score(self, found: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return the errors of a forecast.

        Raises:
            RuntimeError: it is not of the windows of this task.
        """
        origins, targets = self.windows["origins"], self.windows["targets"]
        if not np.array_equal(found["origins"], origins):
            raise RuntimeError("its windows have other origins than those of tsattn")
        if not np.allclose(found["actual"], targets, atol=1e-5):
            raise RuntimeError("its windows have other targets than those of tsattn")
        last = errors(found["last"][:, None], found["actual"])
        wanted = errors(self.windows["last_value"], targets)
        if not np.allclose(last, wanted, rtol=0, atol=1e-4):
            raise RuntimeError(f"its windows have other last values than those of tsattn: {last}")
        mse, mae = errors(found["forecast"], found["actual"])
        scores = {"mse": mse, "mae": mae, "last_value": last, "last_value_of_tsattn": wanted}
        return {"windows": len(origins), "first_row": int(origins[0]), **scores}


def make_task(name: str, data_folder: Path) -> Task:
    """Read and scale the rows of a task, in a process of its own, so that this one stays small."""
    place, inputs = name.split("-")
    data = data_folder / f"{place.upper()}.csv"
    if not data.exists():
        sys.exit(f"--data must hold {data.name}. Received: {data_folder}.")
    options: dict[str, Any] = {"target": "OT", "lookback": LOOKBACK, "horizon": HORIZON}
    if inputs == "known":
        options["future_covariates"] = KNOWN_AHEAD[place.upper()]
    with tempfile.TemporaryDirectory() as folder:
        job = {"data": str(data), "options": {**options, "split": "0.7,0.1,0.2"}}
        run_script([sys.executable], "prepare.py", Path(folder), job)
        return Task(
            data=data,
            options=options,
            rows=arrays(Path(folder) / "rows.npz"),
            windows=arrays(Path(folder) / "windows.npz"),
        )


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as found:
        return dict(found)


def errors(forecast: np.ndarray, actual: np.ndarray) -> list[float]:
    """Return MSE and MAE over all windows and steps."""
    difference = forecast.astype(np.float64) - actual
    return [round(float(np.mean(error)), 5) for error in (difference**2, np.abs(difference))]
