"""`explain`: the attention profile of a model, as saved or on new data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tsattn.cells import forecast_profile
from tsattn.config import require
from tsattn.errors import DataError, UsageError
from tsattn.evaluation import evaluate_fitted
from tsattn.horizon_profiles import horizon_frame
from tsattn.model_directory import (
    check_directory,
    read_options,
    write_manifest,
)
from tsattn.outputs import PROFILE, atomic_directory
from tsattn.pipeline.grouping import explain_groups
from tsattn.pipeline.opening import RUNTIME, Model, directory_of, open_fitted
from tsattn.pipeline.shown_windows import (
    check_attention,
    check_choice,
    check_profile_output,
    open_explainable,
    shown_windows,
)
from tsattn.pipeline.tables import Data
from tsattn.profile_frames import profile_frame
from tsattn.progress import Progress
from tsattn.report import ranking_frame, write_attention
from tsattn.running import compile_for
from tsattn.saved_attention import (
    read_faithfulness,
    read_horizon_profile,
    read_linear_shares,
    read_profile,
    read_ranking,
)


class Explanation(NamedTuple):
    """What the attention of a model looks at, over many windows."""

    profile: pd.DataFrame  # the columns of `attention/profile.csv`
    horizon: pd.DataFrame | None  # those of `attention/horizon.csv`; None without such a decoder
    ranking: pd.DataFrame | None  # those of `attention/ranking.csv`; None if nothing ranks features
    linear_shares: dict[str, float]  # of the linear path in the forecast of each target
    cells: pd.DataFrame | None  # see `tsattn.cells.forecast_profile`
    faithfulness: dict[str, Any] | None = None  # what the test of the profile found; None: untested
    skipped: tuple[str, ...] = ()  # why, for each series of a panel that was left out
    num_series: int | None = None  # that the windows are of; None for a saved profile


def saved_explanation(model: str | Path) -> Explanation:
    """Return what was saved with a model, over its test windows (validation without test).

    Raises:
        ModelDirectoryError: the directory is missing or altered.
        UsageError: the model has no attention.
    """
    directory = directory_of(model)
    check_directory(directory)
    options = read_options(directory)
    check_attention(options.attention)
    is_recurrent = options.decoder == "recurrent"
    profile, shares = read_profile(directory), read_linear_shares(directory)
    return Explanation(
        profile=profile,
        horizon=read_horizon_profile(directory) if is_recurrent else None,
        ranking=read_ranking(directory),
        linear_shares=shares,
        cells=forecast_profile(profile, shares, targets_apart=options.targets_apart),
        faithfulness=read_faithfulness(directory),
    )


def saved_profile(model: str | Path) -> pd.DataFrame:
    """Return the profile saved with a model; see `saved_explanation`."""
    return saved_explanation(model).profile


def explain(
    model: Model,
    data: Data,
    *,
    split: str = "all",
    window: object | None = None,
    series: str | None = None,
    by: str | None = None,
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the attention profile of a model over windows of some data.

    With `by` it is that of each group of windows, see `explain_groups`. The other arguments and
    errors are those of `explain_windows`.
    """
    check_choice(split, window, series, by)
    if by is not None:
        return explain_groups(
            model,
            data,
            by=by,
            split=split,
            series=series,
            runtime=runtime,
            on_skip=on_skip,
            output=output,
            overwrite=overwrite,
            progress=progress,
        ).profile
    return explain_windows(
        model,
        data,
        split=split,
        window=window,
        series=series,
        runtime=runtime,
        on_skip=on_skip,
        output=output,
        overwrite=overwrite,
        progress=progress,
    ).profile


def rank_features(
    model: Model,
    data: Data,
    *,
    split: str = "all",
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return which features the forecast of each target rests on, over windows of some data.

    Returns:
        `target, feature, role, share, low, high, rank`. The shares of a target sum to 1: those of
        the attention, weighted by the share of the network in the forecast, and those of the
        contributions of the linear path, weighted by its share. `low` and `high` bound a share
        with 95 % over windows; see `tsattn.rankings.feature_ranking`.

    Raises:
        UsageError: nothing ranks the features. The others are those of `explain_windows`.
    """
    fitted = open_fitted(model, runtime, progress or Progress())
    ranking = explain_windows(fitted, data, split=split, on_skip=on_skip, progress=progress).ranking
    if ranking is None:
        raise UsageError(
            "Features can be ranked only by attention scores that compare them. Received: a model "
            f"with attention {fitted.options.attention}. Fit one with --attention bottleneck."
        )
    return ranking


def explain_horizon(
    model: Model,
    data: Data,
    *,
    split: str = "all",
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return what a recurrent decoder looks at for each horizon step, over windows of some data.

    Returns:
        One row per horizon step and lag, in the columns of `attention/horizon.csv`. At every
        horizon step the means sum to 1 over the lags.

    Raises:
        UsageError: the decoder is not recurrent. The others are those of `explain_windows`.
    """
    fitted = open_fitted(model, runtime, progress or Progress())
    require(
        fitted.options.decoder == "recurrent",
        "Only a recurrent decoder looks anew at each horizon step.",
        f"a model with decoder {fitted.options.decoder}",
        "Fit one with --decoder recurrent, or call `explain`.",
    )
    horizon = explain_windows(fitted, data, split=split, on_skip=on_skip, progress=progress).horizon
    assert horizon is not None
    return horizon


def explain_windows(
    model: Model,
    data: Data,
    *,
    split: str = "all",
    window: object | None = None,
    series: str | None = None,
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Explanation:
    """Return what the attention of a model looks at over windows of some data.

    Args:
        model: A model directory or a fitted forecaster.
        data: A table with the columns of the training data.
        split: `"all"` its windows, or those of `"train"`, `"val"` or `"test"` when the data is
            split as the model's training data was.
        window: The origin of the only window: the time of its first forecast step, which a forecast
            calls `origin_time`, or its row number where the rows carry no time. None for all.
        series: With `window`, the id of its series in a panel.
        runtime: What runs a model directory: `"onnx"` or `"keras"`.
        on_skip: Of a panel: is told why a series is skipped, one that cannot be read or holds no
            window, while the others are explained; None: one that cannot be read is an error.
        output: A folder to write profile, scores and plots to.
        overwrite: Whether a profile folder may be replaced.
        progress: Where notes and progress go.

    Raises:
        UsageError: the model has no attention, the window or the series is not one of the data, or
            the output exists or is the model.
        SchemaMismatchError: the data differs from the training data.
        DataError: the data holds no such window, or a series at fault that may not be skipped.
    """
    check_choice(split, window, series)
    check_profile_output(output, model, overwrite=overwrite)
    progress = progress or Progress()
    fitted = open_explainable(model, runtime, progress)
    shown = shown_windows(
        fitted,
        data,
        split=split,
        window=window,
        series=series,
        on_skip=on_skip,
        progress=progress,
    )
    compile_for(fitted.model, len(shown.windows))
    with progress.bar("reading the attention") as bar:
        # Only the attention is shown, so hardly a forecast is kept, and no interval is made.
        evaluation = evaluate_fitted(
            replace(fitted, calibration=None),
            shown.series,
            shown.windows,
            on_batch=bar,
            max_forecast_rows=0,
        )
    if output is not None:
        with atomic_directory(output, overwrite=overwrite, kind=PROFILE) as directory:
            write_attention(directory, directory, fitted, evaluation)
            write_manifest(directory, None, kind=PROFILE)
    if evaluation.attention is None:
        raise DataError(f"{shown.source}: the model gave no scores.")
    horizon = evaluation.horizon_attention
    profile = profile_frame(fitted, evaluation)
    return Explanation(
        profile=profile,
        horizon=horizon_frame(horizon, fitted.profile_target) if horizon else None,
        ranking=ranking_frame(fitted, evaluation, profile),
        linear_shares=fitted.shares_by_target,
        cells=forecast_profile(
            profile, fitted.shares_by_target, targets_apart=fitted.targets_apart
        ),
        skipped=shown.skipped,
        num_series=shown.num_series,
    )
