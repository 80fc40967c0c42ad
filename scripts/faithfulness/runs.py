"""Fitting a problem, and testing the profiles of the model."""

import time
from typing import Any

import numpy as np
import pandas as pd

from faithfulness.attributions import integrated_gradients
from faithfulness.problems import GRADIENTS, METHODS, OCCLUSION, PROFILE, Problem
from faithfulness.scoring import hits, peak_lags, real_and_shuffled
from faithfulness.wrong_profiles import WRONG
from tsattn import FitOptions, fit
from tsattn.cells import Cells
from tsattn.pipeline.measuring import cells_of, measure, occlusion_effects
from tsattn.profile_frames import profile_frame

DRIVERS = ("x0", "x1", "x2")  # of Toy1, with one true lag each


def run(problem: Problem, method: str, seed: int, more: dict[str, Any]) -> dict[str, Any]:
    """Fit a problem; return the errors, and the measures of each profile of the model.

    `profiles` holds them by the name of the profile: that of the attention, of occlusion, of
    integrated gradients, and of wrong ones.
    """
    started = time.perf_counter()
    options = {"target": problem.target, **problem.options, **METHODS[method], **more}
    result = fit(problem.make(), FitOptions(**options, seed=seed), check=False)
    fitted, shown = result.fitted, result.evaluations["test"]
    seconds = time.perf_counter() - started

    def measured(frame: pd.DataFrame) -> dict[str, Any]:
        found = measure(fitted, frame, shown.windows, series=result.series)
        assert found is not None  # only a test in limited time can be nothing
        cells = cells_of(fitted, frame)
        return {
            "verdict": found["verdict"],
            "reasons": found["reasons"],
            "tau": found["agreement"]["by_cell"],
            "skill": found["agreement"]["skill_over_uniform"],
            "deletion": found["deletion"]["ratio"],
            "uniform": found["uniform"],
            **_known(problem, cells, cells.mass),
        }

    profile = profile_frame(fitted, shown)
    profiles = {PROFILE: measured(profile)}
    gradients = integrated_gradients(fitted, shown.windows)
    # Occlusion of the same cells as the gradients: all features and lags, whatever the attention.
    effects = occlusion_effects(fitted, gradients.profile, shown.windows)
    cells = cells_of(fitted, gradients.profile)
    profiles[OCCLUSION] = _known(problem, cells, effects)
    profiles[GRADIENTS] = measured(gradients.profile) | {"incomplete": gradients.gap}
    for name in problem.wrong if method == "gates" else ():
        profiles[name] = measured(WRONG[name](profile, fitted, shown.windows))
    return {
        "mse": float(shown.scores["model"]["scaled"].mse),
        "linear_mse": float(shown.scores["linear"]["scaled"].mse),
        "linear_share": float(fitted.linear_shares[0]),
        "peaks": peak_lags(cells_of(fitted, profile), DRIVERS),
        "profiles": profiles,
        "fit_seconds": seconds,
        "seconds": time.perf_counter() - started,
    }


def _known(problem: Problem, cells: Cells, mass: np.ndarray) -> dict[str, Any]:
    """Return the measures that need what is known of a problem."""
    found: dict[str, Any] = {}
    if problem.truth:
        found["hits"] = hits(cells, mass, problem.truth, problem.target)
    if problem.copied:
        found["shuffled"] = real_and_shuffled(cells, mass, problem.copied)
    return found
