"""Writes the scaled rows of a task and what its test windows are; run by `scripts/bench_peers`.

Usage: python prepare.py FOLDER

FOLDER holds `job.json` with the data and options of a fit; `rows.npz` and `windows.npz` are added.
"""

import json
import sys
from pathlib import Path

import numpy as np

from tsattn import FitOptions
from tsattn.backend import start_keras


def main(folder: Path) -> None:
    from tsattn.baselines import last_value
    from tsattn.pipeline.preparing import prepare

    job = json.loads((folder / "job.json").read_text("utf-8"))
    prepared = prepare(job["data"], FitOptions(**job["options"]))
    windows = prepared.windows["test"]
    batch = windows.gather(slice(None))
    num_rows = {
        f"num_{name}": prepared.split.part(name)[0].stop - prepared.split.part(name)[0].start
        for name in ("train", "val", "test")
    }
    np.savez(
        folder / "windows.npz",
        origins=windows.origins,
        targets=batch.targets[:, :, 0],
        last_value=last_value(batch, windows.horizon)[:, :, 0],
        **num_rows,
    )
    # The target comes first, the future covariates last; after them, known ahead, the calendar.
    num_covariates = len(prepared.series.schema.future_covariates)
    past = windows.values[:, 1 : windows.values.shape[1] - num_covariates]
    known = windows.future_values
    kinds = {
        "past": past,
        "known": known[:, :num_covariates],
        "calendar": known[:, num_covariates:],
    }
    columns = {f"{kind}{i}": column for kind, of in kinds.items() for i, column in enumerate(of.T)}
    np.savez(folder / "rows.npz", y=windows.values[:, 0], **columns)


if __name__ == "__main__":
    start_keras()
    main(Path(sys.argv[1]))
