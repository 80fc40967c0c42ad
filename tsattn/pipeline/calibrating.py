"""Calibrating the prediction intervals of a trained forecaster."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tsattn.data.frequency import seasonality
from tsattn.data.windows import Windows
from tsattn.evaluation import Evaluation
from tsattn.fitted import FittedForecaster
from tsattn.intervals import Calibration, calibrate, enough_windows, restlessness
from tsattn.option_checks import parse_levels
from tsattn.progress import Progress

_BATCH = 1024


def calibrated(
    fitted: FittedForecaster, val: Evaluation, progress: Progress
) -> tuple[FittedForecaster, list[str]]:
    """Return a forecaster with the intervals asked for, and the notes on those left out.

    The windows are those whose forecasts the evaluation kept: all, or evenly spaced ones.

    Args:
        fitted: a trained forecaster.
        val: its evaluation on validation windows.
        progress: where the notes go too.
    """
    calibration, notes = _calibration(fitted, val, parse_levels(fitted.options.level))
    for note in notes:
        progress.note(note)
    return replace(fitted, calibration=calibration), notes


def _calibration(
    fitted: FittedForecaster, val: Evaluation, levels: Sequence[float]
) -> tuple[Calibration | None, list[str]]:
    forecast, season = val.forecast, seasonality(fitted.schema.freq)
    assert forecast.actual is not None
    num_windows = len(forecast.origins)
    enough = [level for level in levels if enough_windows(level) <= num_windows]
    notes = [
        f"no {level:g} % intervals: they need {enough_windows(level)} validation windows, there "
        f"are {num_windows}. Give more data, or more of it to validation with --split"
        for level in levels
        if level not in enough
    ]
    if not enough:
        return None, notes
    windows = replace(val.windows, origins=forecast.origins)
    calibration = calibrate(
        _measured(windows, season),
        windows.sizes(slice(None)),
        forecast.actual,
        forecast.forecast,
        forecast.quantiles,
        origins=forecast.origins,
        levels=enough,
        seasonality=season,
        quantile_levels=fitted.quantile_levels,
    )
    if not np.isfinite(calibration.radii).all():
        return None, [*notes, "no intervals: the validation errors are not finite numbers"]
    return calibration, notes


def _measured(windows: Windows, season: int) -> np.ndarray:
    """Return the restlessness of every window: (windows, measures, targets)."""
    parts = [
        restlessness(batch.inputs, windows.num_targets, season)
        for _, batch in windows.batches(_BATCH)
    ]
    return np.concatenate(parts)
