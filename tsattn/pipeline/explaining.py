"""`explain`: the attention profile of a model, as saved or on new data."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tsattn.config import FitOptions, require
from tsattn.data.series import TimeSeries
from tsattn.data.splits import split_series
from tsattn.data.windows import find_origins
from tsattn.errors import DataError, UsageError
from tsattn.evaluation import Evaluation
from tsattn.fitted import FittedForecaster
from tsattn.horizon_profiles import horizon_frame
from tsattn.model_directory import (
    check_directory,
    read_options,
    write_manifest,
)
from tsattn.option_checks import parse_split
from tsattn.outputs import PROFILE, atomic_directory, check_output
from tsattn.pipeline.evaluating import evaluate_fitted
from tsattn.pipeline.known_rows import read_known
from tsattn.pipeline.opening import RUNTIME, Model, open_fitted
from tsattn.pipeline.tables import Data
from tsattn.progress import Progress
from tsattn.report import profile_frame, ranking_frame, write_attention
from tsattn.running import compile_for
from tsattn.saved_attention import (
    read_faithfulness,
    read_horizon_profile,
    read_profile,
    read_ranking,
)

SPLITS = ("train", "val", "test", "all")


class Explanation(NamedTuple):
    """What the attention of a model looks at, over many windows."""

    profile: pd.DataFrame  # the columns of `attention/profile.csv`
    horizon: pd.DataFrame | None  # those of `attention/horizon.csv`; None without such a decoder
    ranking: pd.DataFrame | None  # those of `attention/ranking.csv`; None if nothing ranks features
    faithfulness: dict[str, Any] | None = None  # what the test of the profile found; None: untested


def saved_explanation(model: str | Path) -> Explanation:
    """Return what was saved with a model, over its test windows (validation without test).

    Raises:
        ModelDirectoryError: the directory is missing or altered.
        UsageError: the model has no attention.
    """
    directory = Path(model)
    check_directory(directory)
    options = read_options(directory)
    _check_attention(options)
    is_recurrent = options.decoder == "recurrent"
    return Explanation(
        profile=read_profile(directory),
        horizon=read_horizon_profile(directory) if is_recurrent else None,
        ranking=read_ranking(directory),
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
    runtime: str = RUNTIME,
    output: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the attention profile of a model over windows of some data.

    The arguments and errors are those of `explain_windows`.
    """
    return explain_windows(
        model,
        data,
        split=split,
        runtime=runtime,
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
    ranking = explain_windows(fitted, data, split=split, progress=progress).ranking
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
    horizon = explain_windows(fitted, data, split=split, progress=progress).horizon
    assert horizon is not None
    return horizon


def explain_windows(
    model: Model,
    data: Data,
    *,
    split: str = "all",
    runtime: str = RUNTIME,
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
        runtime: What runs a model directory: `"onnx"` or `"keras"`.
        output: A folder to write profile, scores and plots to.
        overwrite: Whether a profile folder may be replaced.
        progress: Where notes and progress go.

    Raises:
        UsageError: the model has no attention, or the output exists or is the model.
        DataError: the data holds no window.
    """
    require(split in SPLITS, "`split` must be known.", repr(split), f"Use {', '.join(SPLITS)}.")
    if output is not None:
        place = None if isinstance(model, FittedForecaster) else Path(model)
        check_output(output, overwrite=overwrite, is_directory=True, kind=PROFILE, apart_from=place)
    progress = progress or Progress()
    fitted = open_fitted(model, runtime, progress)
    _check_attention(fitted.options)
    series, source = read_known(data, fitted.schema, progress)
    evaluation = _evaluate_part(fitted, series, split, source, progress)
    if output is not None:
        with atomic_directory(output, overwrite=overwrite, kind=PROFILE) as directory:
            write_attention(directory, directory, fitted, evaluation)
            write_manifest(directory, None, kind=PROFILE)
    if evaluation.attention is None:
        raise DataError(f"{source}: the model gave no scores.")
    horizon = evaluation.horizon_attention
    return Explanation(
        profile=profile_frame(fitted, evaluation),
        horizon=horizon_frame(horizon, fitted.profile_target) if horizon else None,
        ranking=ranking_frame(fitted, evaluation),
    )


def _evaluate_part(
    fitted: FittedForecaster, series: TimeSeries, split: str, source: str, progress: Progress
) -> Evaluation:
    if split == "all":
        borders = zip(series.borders[:-1], series.borders[1:], strict=True)
        parts = [slice(int(start), int(end)) for start, end in borders]
    else:
        parts = list(split_series(series, parse_split(fitted.options.split)).part(split))
    found = find_origins(
        series,
        parts,
        lookback=fitted.lookback,
        horizon=fitted.horizon,
        score_filled=fitted.options.score_filled,
    )
    if not len(found.origins):
        raise DataError(
            f"{source}: the data must hold a window of {fitted.lookback} + {fitted.horizon} rows. "
            f"Received: {series.num_rows} rows, split {split}. Give more data."
        )
    windows = fitted.windows(series, found.origins)
    compile_for(fitted.model, len(windows))
    with progress.bar("reading the attention") as bar:
        return evaluate_fitted(fitted, series, windows, on_batch=bar)


def _check_attention(options: FitOptions) -> None:
    if options.attention == "none":
        raise UsageError(
            "A model must have attention to be explained. Received: a model with attention none. "
            "Fit one with --attention bottleneck."
        )
