"""Integrated gradients: what is compared with attention (Sundararajan et al. 2017, 1703.01365)."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tsattn.data.calendar import calendar_names
from tsattn.data.windows import Windows
from tsattn.fitted import FittedForecaster
from tsattn.occlusion import OccludedWindows
from tsattn.profiles import ProfileSum
from tsattn.running import model_inputs
from tsattn.tensor_names import FORECAST, INPUTS

MEASURE = "attribution"
NUM_WINDOWS = 200
NUM_STEPS = 32
_AT_ONCE = 512  # windows


class Attribution(NamedTuple):
    """Mean sizes of the attributions, and how much of the change of the forecast they miss."""

    profile: pd.DataFrame  # the columns of `attention/profile.csv`
    gap: float  # mean size of what is missing, relative to the mean size of the changes


def integrated_gradients(fitted: FittedForecaster, windows: Windows) -> Attribution:
    """Return the attributions of evenly spaced windows to all inputs, past and known ahead.

    The path goes straight from another window, moved to the level and the spread of the window as
    occlusion does, to the window. What is attributed is the sum of the forecast over the horizon.
    """
    occluded = OccludedWindows(fitted, windows.spread(NUM_WINDOWS))
    ends, starts = model_inputs(occluded.batch), model_inputs(occluded.replacing)
    parts, missed, change = _attribute(fitted, starts, ends)
    sizes = [np.abs(part) for part in parts.values()]
    return Attribution(_frame(fitted, sizes), float(np.abs(missed).mean() / np.abs(change).mean()))


def _attribute(
    fitted: FittedForecaster,
    starts: dict[str, np.ndarray],
    ends: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return attributions by input, what they miss of the change (windows,), and the change."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in ends}
    changes = []
    size = max(_AT_ONCE // NUM_STEPS, 1)
    for first in range(0, len(ends[INPUTS]), size):
        end = {name: array[first : first + size] for name, array in ends.items()}
        start = {name: array[first : first + size] for name, array in starts.items()}
        for name, part in _attributions(fitted, start, end).items():
            found[name].append(part)
        totals = [_total(fitted, inputs).numpy() for inputs in (end, start)]
        changes.append(totals[0] - totals[1])
    parts = {name: np.concatenate(arrays) for name, arrays in found.items()}
    change = np.concatenate(changes)
    return parts, sum(part.sum(axis=(1, 2)) for part in parts.values()) - change, change


def _attributions(
    fitted: FittedForecaster,
    start: dict[str, np.ndarray],
    end: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return the attributions (windows, steps, features) to each input."""
    import tensorflow as tf

    shares = (np.arange(NUM_STEPS) + 0.5) / NUM_STEPS  # the midpoint rule
    count = len(next(iter(end.values())))
    between = {}
    for name, array in end.items():
        moves = shares[:, None, None, None] * (array - start[name])
        # (NUM_STEPS, windows, steps, features), then the first two axes as one
        between[name] = tf.constant((start[name] + moves).reshape(-1, *array.shape[1:]), "float32")
    with tf.GradientTape() as tape:
        tape.watch(between)
        total = _total(fitted, between)
    gradients = tape.gradient(total, between, unconnected_gradients="zero")
    return {
        name: (end[name] - start[name])
        * gradient.numpy().reshape(NUM_STEPS, count, *gradient.shape[1:]).mean(axis=0)
        for name, gradient in gradients.items()
    }


def _total(fitted: FittedForecaster, inputs: dict[str, Any]) -> Any:
    """Return the sum of the point forecast over horizon and targets: a tensor."""
    import tensorflow as tf

    outputs = fitted.network(inputs, training=False)[FORECAST]
    levels = fitted.quantile_levels
    if levels:
        outputs = outputs[..., levels.index(0.5)]
    return tf.reduce_sum(outputs, axis=(1, 2))  # (windows,)


def _frame(fitted: FittedForecaster, sizes: list[np.ndarray]) -> pd.DataFrame:
    """Return the profile of sizes of attributions: of the past, then of what is known ahead."""
    schema, horizon = fitted.schema, fitted.horizon
    known = (*schema.future_covariates, *calendar_names(schema.calendar or ()))
    past_lags = [(lag, lag) for lag in range(1, fitted.lookback + 1)]
    ahead_lags = [(1 - step, 1 - step) for step in range(horizon, 0, -1)]
    parts = [("past", schema.features, past_lags), ("future", known, ahead_lags)]
    frames = []
    for (role, features, lags), array in zip(parts, sizes, strict=False):
        total = ProfileSum(np.arange(len(array)))
        total.add(array)
        profile = total.profile(
            targets=[fitted.profile_target],
            horizon_parts=[(1, horizon)],
            lags=lags,
            channels=[features],
            kind="feature",
            measure=MEASURE,
            role=role,
        )
        frames.append(profile.to_frame())
    # The forecast is (1 - s) network + s linear path, and so is what a test takes from a profile.
    # These attributions are of both together: so they stand for either one.
    frames += [frame.assign(measure="contribution") for frame in frames]
    return pd.concat(frames, ignore_index=True)
