"""`predict --explain`: the largest cells of each window, beside the forecast and in a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tsattn.data.series import NO_ID, TimeSeries
from tsattn.data.time_zone import as_written
from tsattn.fitted import FittedForecaster, time_text
from tsattn.forecast_files import ForecastSpool
from tsattn.hashing import file_sha256
from tsattn.json_files import write_json
from tsattn.outputs import atomic_file, explanation_path
from tsattn.window_reasons import Reason, Reasons

MEANING = (
    "share: how much of the forecast of this window, for this target and part of the horizon, "
    "rests on the cell; attention and any linear path together. lag: steps back from "
    "origin_time, 1 is the last known row. step: the horizon step of what is known ahead"
)


class ExplainedForecast(NamedTuple):
    """A forecast, and what it rests on where that was asked for."""

    forecast: pd.DataFrame
    explanation: dict[str, Any] | None  # JSON-ready, see `reasons_to_json`


def explanation_of(reasons: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what `forecast.explanation.json` holds, but for the forecast it belongs to."""
    key = ("series_id", "target", "origin_time", "horizon_first")
    return {
        "meaning": MEANING,
        "windows": sorted(reasons, key=lambda entry: [entry.get(name, "") for name in key]),
    }


def add_reasons(
    forecast: pd.DataFrame, reasons: Reasons, series: TimeSeries, origins: np.ndarray
) -> pd.DataFrame:
    """Return a forecast with columns `why_1`, `why_2`, … of the largest cells.

    A cell is written as `feature@lag3: 41%`, a segment of lags as `feature@lag1-24: 41%`, and what
    is known ahead as `feature@step2: 12%`. Where fewer cells have a share, the rest is empty.

    Args:
        forecast: Rows as `Forecast.to_frame` gives them.
        reasons: What was found for each window.
        series: The series of the windows.
        origins: Origin of each window.
    """
    names = _series_names(series, origins)
    texts: dict[tuple[str, str, int], list[str | None]] = {}
    for reason in reasons.found:
        cells: list[str | None] = [str(cell) for cell in reason.cells]
        cells += [None] * (reasons.count - len(cells))
        for step in range(reason.horizon_first, reason.horizon_last + 1):
            texts[names[reason.window], reason.target, step] = cells
    ids = forecast["series_id"] if "series_id" in forecast else [NO_ID] * len(forecast)
    keys = zip(ids, forecast["target"], forecast["horizon_step"], strict=True)
    rows = [texts[key] for key in keys]
    columns = [f"why_{i + 1}" for i in range(reasons.count)]
    return forecast.join(pd.DataFrame(rows, columns=columns, index=forecast.index, dtype=object))


def reasons_to_json(
    fitted: FittedForecaster, reasons: Reasons, series: TimeSeries, origins: np.ndarray
) -> list[dict[str, Any]]:
    """Return the cells by target, origin and part of the horizon, as JSON-ready values."""
    names = _series_names(series, origins)
    shares = fitted.shares_by_target

    def entry(reason: Reason) -> dict[str, Any]:
        name = names[reason.window]
        time = as_written(series.times[origins[reason.window]], series.schema)
        return {
            **({"series_id": name} if name != NO_ID else {}),
            "target": reason.target,
            "origin_time": time_text(time) if isinstance(time, pd.Timestamp) else int(time),
            "horizon_first": reason.horizon_first,
            "horizon_last": reason.horizon_last,
            "linear_path": shares[reason.target],
            "cells": [cell.to_json() for cell in reason.cells],
        }

    return [entry(reason) for reason in reasons.found]


def _series_names(series: TimeSeries, origins: np.ndarray) -> Sequence[str]:
    return [series.series_ids[i] for i in series.series_of(origins)]


def write_explained(
    spool: ForecastSpool,
    explanation: dict[str, Any] | None,
    path: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write forecasts and, where there is one, their explanation beside them.

    The explanation holds the hash of the forecast it belongs to. It appears right after it.
    """
    if explanation is None:
        spool.write(path, overwrite=overwrite)
        return
    with atomic_file(explanation_path(path), overwrite=overwrite) as beside:
        spool.write(path, overwrite=overwrite)
        belongs_to = {"file": path.name, "sha256": file_sha256(path)}
        write_json(beside, {"forecast": belongs_to, **explanation})
