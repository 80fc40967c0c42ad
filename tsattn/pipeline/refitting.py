"""Profiles of models that are fitted anew: with other seeds, and with shuffled covariates."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tsattn.config import FitOptions, require
from tsattn.data.rows import group_rows
from tsattn.faithfulness import seed_stability, separation
from tsattn.fitted import FittedForecaster
from tsattn.pipeline.fitting import fit
from tsattn.pipeline.measuring import cells_of
from tsattn.pipeline.tables import Data, as_table
from tsattn.profile_frames import profile_frame
from tsattn.profiles import ranks_features
from tsattn.progress import Progress

_SHUFFLED = " (shuffled)"


def profile_stability(
    fitted: FittedForecaster, data: Data, profile: pd.DataFrame, seeds: int, progress: Progress
) -> dict[str, Any]:
    """Return how alike the profiles of several seeds are, the first that of the model itself."""
    masses = [cells_of(fitted, profile).mass]
    for seed in range(fitted.options.seed + 1, fitted.options.seed + seeds):
        progress.note(f"fitting anew with seed {seed}")
        other, frame = _refitted(data, replace(fitted.options, seed=seed), progress)
        masses.append(cells_of(other, frame).mass)
    return {"num_seeds": seeds, "stability": seed_stability(masses)}


def shuffled_copies(fitted: FittedForecaster, data: Data, progress: Progress) -> dict[str, Any]:
    """Return how well a profile tells covariates from copies of them that are shuffled in time.

    Every covariate gets a copy whose values are in another order, within its series and where it
    has values, so that they have the same distribution and drive nothing.
    """
    schema = fitted.schema
    covariates = (*schema.past_covariates, *schema.future_covariates)
    require(
        bool(covariates),
        "Only covariates can be told from shuffled copies of them.",
        "a model without covariates",
        "Leave --refit out.",
    )
    frame, source, _ = as_table(data, schema.csv_hints)
    copies = {name: name + _SHUFFLED for name in covariates}
    while set(copies.values()) & set(frame.columns):
        copies = {name: copy + _SHUFFLED for name, copy in copies.items()}
    generator = np.random.default_rng(0)
    groups = list(group_rows(frame, schema, source).values())
    for name, copy in copies.items():
        values = frame[name].to_numpy(copy=True)
        for rows in groups:
            known = rows[pd.notna(values[rows])]
            values[known] = values[generator.permutation(known)]
        frame = frame.assign(**{copy: values})
    options = replace(
        fitted.options,
        past_covariates=[*schema.past_covariates, *(copies[n] for n in schema.past_covariates)],
        future_covariates=[
            *schema.future_covariates, *(copies[n] for n in schema.future_covariates)
        ],
        drop=(),
    )  # fmt: skip
    progress.note(f"fitting anew with {len(copies)} shuffled covariates")
    other, profile = _refitted(frame, options, progress)
    require(
        ranks_features(profile),
        "Covariates can be told from shuffled copies only by scores that compare features.",
        f"a model with attention {fitted.options.attention}",
        "Leave --refit out, or fit with --attention bottleneck.",
    )
    cells = cells_of(other, profile)
    mass = pd.Series(cells.mass).groupby(cells.table["feature"]).sum()
    real = [float(mass.get(name, 0.0)) for name in copies]
    shuffled = [float(mass.get(name, 0.0)) for name in copies.values()]
    return {"num_shuffled": len(copies), **separation(real, shuffled)}


def _refitted(
    data: Data, options: FitOptions, progress: Progress
) -> tuple[FittedForecaster, pd.DataFrame]:
    """Fit anew; return the forecaster, and its profile over test windows (validation without)."""
    result = fit(data, options, check=False, progress=progress)
    shown = result.evaluations.get("test", result.evaluations["val"])
    return result.fitted, profile_frame(result.fitted, shown)
