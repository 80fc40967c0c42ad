"""What the test of a profile measures, and its verdict."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd

from tsattn.attention_sums import AttentionSums, one_profile
from tsattn.baselines import last_value
from tsattn.cells import Cells, cell_masks, profile_cells
from tsattn.controls import network_alone, uniform_attention, untrained
from tsattn.data.calendar import calendar_names
from tsattn.data.series import TimeSeries
from tsattn.data.windows import Windows
from tsattn.faithfulness import (
    FRACTIONS,
    agreement,
    agreement_in_groups,
    deletion_order,
    distance,
    gain_over,
    gap,
    num_replaced,
    skill_over_uniform,
)
from tsattn.fitted import FittedForecaster
from tsattn.forecasts import point_and_quantiles
from tsattn.occlusion import Masks, OccludedWindows
from tsattn.profile_frames import profile_frame
from tsattn.profiles import ProfileSum, ranks_features
from tsattn.rankings import blocks_of
from tsattn.running import model_inputs, run_batches
from tsattn.tensor_names import ATTENTION_SCORES, FORECAST, FUTURE_SCORES
from tsattn.verdicts import judge

MOST_CELLS = 400
_QUICK_CELLS = 120
_MOST_RUNS = 40_000  # windows run through the network, to replace every cell
_WINDOWS = (48, 256)  # whose cells are replaced, least and most
_SCORED_WINDOWS = 2_000
_STRETCH = 3  # times as long a quick test may take, where it has the fewest windows
_MORE_MASKS = 60  # beside those of the cells: of features, and in the order of the masses


def measure(
    fitted: FittedForecaster,
    profile: pd.DataFrame,
    windows: Windows,
    *,
    series: TimeSeries,
    seconds: float | None = None,
) -> dict[str, Any] | None:
    """Return the content of `attention/faithfulness.json`: measures, verdict and reasons.

    Every cell, or segment of cells where there would be more than `MOST_CELLS`, is replaced in
    evenly spaced windows: in at most 256, and fewer where that would be more than 40,000 runs of
    the network. So the cost is bounded, whatever the lookback and the number of features.

    Args:
        fitted: The forecaster.
        profile: The profile to test, in the columns of `attention/profile.csv`.
        windows: Windows to test it on, in order of series and time.
        series: What they are of.
        seconds: About as long it may take, with fewer windows, and with segments of lags in place
            of single lags above `_QUICK_CELLS` cells, or three times as long with the fewest
            windows; None for a full test.

    Returns:
        The content, or None where the time does not suffice.
    """
    started = time.perf_counter()
    findings: dict[str, Any] = _accuracy(fitted, windows, series)
    spent = time.perf_counter() - started
    cells = cells_of(fitted, profile, MOST_CELLS if seconds is None else _QUICK_CELLS)
    runs = len(cells) + _MORE_MASKS  # of a window
    count = min(_MOST_RUNS // runs, _WINDOWS[1])
    if seconds is not None:
        speed = min(len(windows), _SCORED_WINDOWS) / spent / runs  # half of it, to be sure
        if speed * (_STRETCH * seconds - spent) < _WINDOWS[0]:
            return None
        count = min(count, int(speed * (seconds - spent)))
    count = max(count, _WINDOWS[0])
    # Nothing tells how to add a linear path to scores that compare no features: the network alone
    # is tested then.
    ranks = ranks_features(profile)
    occluded = OccludedWindows(fitted, windows.spread(count), with_linear_path=ranks)
    findings |= {"num_windows": len(occluded.batch.inputs), "num_cells": len(cells)}
    findings |= _compare(fitted, cells, occluded)
    shares = fitted.linear_shares  # (targets,)
    findings["linear_path"] = {
        "share": float(shares.mean()),
        "least_share": float(shares.min()),
        "in_profile": ranks,
    }
    findings["randomisation"] = _randomisation(fitted, cells, windows.spread(64))
    return judge(findings) | findings


def cells_of(fitted: FittedForecaster, profile: pd.DataFrame, most: int = MOST_CELLS) -> Cells:
    """Return the cells of a profile of a forecaster."""
    return profile_cells(
        profile,
        fitted.shares_by_target,
        targets_apart=fitted.targets_apart,
        most=most,
    )


def _accuracy(fitted: FittedForecaster, windows: Windows, series: TimeSeries) -> dict[str, Any]:
    """Compare with the simplest forecasts, and with the attention set to uniform."""
    scored = windows.spread(_SCORED_WINDOWS)
    seasonal = fitted.baselines(series)["seasonal_naive"]
    errors: dict[str, list[np.ndarray]] = {}
    for index, batch, outputs in run_batches(fitted.network, scored):
        forecasts = {
            "model": _point(fitted, outputs),
            "train_mean": np.zeros_like(batch.targets),
            "last_value": last_value(batch, scored.horizon),
            "seasonal_naive": seasonal(scored, index, batch),
        }
        for name, forecast in forecasts.items():
            errors.setdefault(name, []).append(_errors(forecast, batch.targets))
    together = {name: np.concatenate(parts) for name, parts in errors.items()}
    blocks = blocks_of(series.steps_of(scored.origins), scored.lookback + scored.horizon)
    model = together.pop("model")
    inputs = model_inputs(scored.spread(_WINDOWS[1]).gather(slice(None)))
    with network_alone(fitted.network):
        alone = _mse_of(fitted, scored) if fitted.linear_shares.any() else float(model.mean())
        with uniform_attention(fitted.network, inputs):
            uniform = _mse_of(fitted, scored)
    return {
        "signal": gain_over(model, together, blocks),
        "uniform": {"mse": alone, "uniform_mse": uniform},
    }


def _mse_of(fitted: FittedForecaster, windows: Windows) -> float:
    """Return the mean squared error of the model as its weights are now."""
    errors = [
        _errors(_point(fitted, outputs), batch.targets)
        for _, batch, outputs in run_batches(fitted.network, windows)
    ]
    return float(np.concatenate(errors).mean())


def _point(fitted: FittedForecaster, outputs: dict[str, np.ndarray]) -> np.ndarray:
    return point_and_quantiles(outputs[FORECAST], fitted.quantile_levels)[0]


def _errors(forecast: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each window: (windows,)."""
    return np.asarray(np.square(forecast - targets, dtype=np.float64).mean(axis=(1, 2)))


def _compare(fitted: FittedForecaster, cells: Cells, occluded: OccludedWindows) -> dict[str, Any]:
    """Replace cells one by one, by feature, and in the order of profile and of occlusion."""
    names = _Names(fitted)
    whole = _whole(occluded, names, cells)
    targets = occluded.batch.targets

    def run(chosen: list[np.ndarray]) -> Iterator[np.ndarray]:
        return occluded.forecasts(names.masks(cells, part) for part in chosen)

    def change(forecasts: Iterable[np.ndarray]) -> np.ndarray:
        return np.array([float(np.abs(forecast - whole).mean()) for forecast in forecasts])

    everything = np.arange(len(cells))
    features = [np.flatnonzero(cells.by_feature == i) for i in np.unique(cells.by_feature)]
    effects = change(run([np.array([i]) for i in everything]))
    of_features = change(run([*features, everything]))
    counts = num_replaced(len(cells))
    curves: dict[str, dict[str, Any]] = {}
    for name, mass in (("profile", cells.mass), ("occlusion", effects)):
        order = deletion_order(mass, cells.groups)
        most = list(run([order[:count] for count in counts]))
        least = run([order[len(order) - count :] for count in counts])
        kept = run([order[count:] for count in counts])
        scale = of_features[-1] or 1.0
        curves[name] = {
            "gap": gap(_mse(most, targets), _mse(least, targets)),
            "comprehensiveness": _by_percent(change(most) / scale),
            "sufficiency": _by_percent(change(kept) / scale),
        }
    by_feature = None
    if len(features) > 1 and not cells.groups.any():
        masses = np.array([cells.mass[part].sum() for part in features])
        by_feature = agreement(masses, of_features[:-1])
    reference = curves["occlusion"]["gap"]
    return {
        "agreement": {
            "by_cell": agreement_in_groups(cells.mass, effects, cells.groups),
            "by_feature": by_feature,
            "skill_over_uniform": skill_over_uniform(cells.mass, effects, cells.groups),
        },
        "deletion": {
            "gap": curves["profile"]["gap"],
            "occlusion_gap": reference,
            "ratio": curves["profile"]["gap"] / reference if reference > 0 else None,
        },
        **{
            measure: {name: curve[measure] for name, curve in curves.items()}
            for measure in ("comprehensiveness", "sufficiency")
        },
        "outside": _outside(names, cells, occluded, whole, float(of_features[-1])),
    }


def _whole(occluded: OccludedWindows, names: "_Names", cells: Cells) -> np.ndarray:
    """Return the forecast when nothing is replaced."""
    return next(occluded.forecasts([names.masks(cells, [])]))


def occlusion_effects(
    fitted: FittedForecaster, profile: pd.DataFrame, windows: Windows, num_windows: int = 256
) -> np.ndarray:
    """Return how much the forecast changes when each cell of a profile is replaced: (cells,).

    The cells are those of `cells_of`; the mean size of the change is in standard deviations of the
    target.
    """
    cells, names = cells_of(fitted, profile), _Names(fitted)
    with_path = ranks_features(profile)
    occluded = OccludedWindows(fitted, windows.spread(num_windows), with_linear_path=with_path)
    whole = _whole(occluded, names, cells)
    changed = occluded.forecasts(names.masks(cells, [i]) for i in range(len(cells)))
    return np.array([float(np.abs(forecast - whole).mean()) for forecast in changed])


def _by_percent(values: np.ndarray) -> dict[str, float]:
    return {f"{fraction:.0%}": float(v) for fraction, v in zip(FRACTIONS, values, strict=True)}


def _mse(forecasts: Iterable[np.ndarray], targets: np.ndarray) -> list[float]:
    return [float(_errors(forecast, targets).mean()) for forecast in forecasts]


def _outside(
    names: "_Names", cells: Cells, occluded: OccludedWindows, whole: np.ndarray, inside: float
) -> dict[str, float]:
    """Return how much the forecast changes with what the profile has no rows for.

    `inside` is the change when every cell is replaced; `known_ahead` when all future inputs without
    rows are; `level` when level and spread of the windows are. In standard deviations of the
    targets, and they do not add up.
    """
    found = {"inside": inside}
    masks = names.unlisted(cells)
    if masks[1].any():
        changed = next(occluded.forecasts([masks]))
        found["known_ahead"] = float(np.abs(changed - whole).mean())
    shifted = occluded.shifted()
    if shifted is not None:
        found["level"] = float(np.abs(shifted - whole).mean())
    return found


class _Names:
    """Where the cells of a forecaster are in its windows."""

    def __init__(self, fitted: FittedForecaster) -> None:
        schema = fitted.schema
        self._features = list(schema.features)
        self._future = [*schema.future_covariates, *calendar_names(schema.calendar or ())]
        self._sizes = (fitted.lookback, fitted.horizon)

    def masks(self, cells: Cells, chosen: Any) -> Masks:
        return cell_masks(cells, chosen, self._features, self._future, *self._sizes)

    def unlisted(self, cells: Cells) -> Masks:
        """Return the future inputs that no cell stands for."""
        past, future = self.masks(cells, range(len(cells)))
        return np.zeros_like(past), ~future


def _randomisation(fitted: FittedForecaster, cells: Cells, windows: Windows) -> dict[str, float]:
    """Return how far the profile is from that of random weights: 0 the same, 1 another one."""
    other = untrained(fitted)
    inputs = model_inputs(windows.gather(slice(None)))
    masses = []
    for model in (fitted.network, other.network):
        outputs = model(inputs)  # without compiling: these few windows are all
        scores = keras.ops.convert_to_numpy(outputs[ATTENTION_SCORES])
        ahead = outputs.get(FUTURE_SCORES)
        sums = AttentionSums(
            attention=_summed(one_profile(scores, fitted.options.decoder)),
            future_attention=None if ahead is None else _summed(ahead),
        )
        profile = profile_frame(other, sums)
        masses.append(cells_of(other, profile, len(cells)).mass)
    return {"distance": distance(*masses)}


def _summed(scores: Any) -> ProfileSum:
    scores = np.asarray(keras.ops.convert_to_numpy(scores))
    total = ProfileSum(np.arange(len(scores)))
    total.add(scores)
    return total
