"""`explain --by`: the attention profile of groups of windows."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsattn import plots
from tsattn.attention_sums import mean_values, sum_attention
from tsattn.fitted import FittedForecaster
from tsattn.forecasts import FLOAT_FORMAT
from tsattn.model_directory import write_manifest
from tsattn.outputs import PROFILE, atomic_directory
from tsattn.pipeline.opening import RUNTIME, Model
from tsattn.pipeline.shown_windows import (
    ShownWindows,
    check_profile_output,
    open_explainable,
    shown_windows,
)
from tsattn.pipeline.tables import Data
from tsattn.profile_frames import profile_frame
from tsattn.profiles import ranks_features, summarize_profile
from tsattn.progress import Progress
from tsattn.rankings import feature_ranking
from tsattn.running import compile_for
from tsattn.window_groups import WindowGroups, group_windows, groups_by_column


class GroupedExplanation(NamedTuple):
    """What the attention of a model looks at in groups of windows."""

    by: str
    meaning: str  # what the names of the groups say
    profile: pd.DataFrame  # group, num_windows, and the columns of `attention/profile.csv`
    # group, num_windows, feature, and the columns of `summarize_profile`; with `total`, the share
    # of attention and linear path together, where scores rank features.
    summary: pd.DataFrame
    skipped: tuple[str, ...]  # why, for each series of a panel that was left out
    num_series: int  # that the windows are of


def explain_groups(
    model: Model,
    data: Data,
    *,
    by: str,
    split: str = "all",
    series: str | None = None,
    runtime: str = RUNTIME,
    on_skip: Callable[[str], None] | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> GroupedExplanation:
    """Return what the attention of a model looks at in groups of windows of some data.

    The contributions of a linear path are relative to the means over all the windows, not over
    those of a group. What a recurrent decoder looks at for each horizon step is left out.

    Args:
        model: A model directory or a fitted forecaster.
        data: A table with the columns of the training data, and of `by`.
        by: See `tsattn.window_groups.group_windows`.
        split: See `explain_windows`.
        series: The id of a series of a panel; None for all.
        runtime: What runs a model directory: `"onnx"` or `"keras"`.
        on_skip: Of a panel: is told why a series is skipped, see `explain_windows`.
        output: A folder to write `profile_by.csv`, `summary_by.csv` and a plot to.
        overwrite: Whether a profile folder may be replaced.
        progress: Where notes and progress go.

    Raises:
        UsageError: the model has no attention, the column is unknown or makes too many groups, or
            the output exists or is the model.
        DataError: the data holds no window.
    """
    check_profile_output(output, model, overwrite=overwrite)
    progress = progress or Progress()
    fitted = open_explainable(model, runtime, progress)
    shown = shown_windows(
        fitted, data, split=split, series=series, on_skip=on_skip, progress=progress
    )
    groups = group_windows(by, shown.windows, shown.series, shown.table, shown.source)
    if by in shown.table.columns and not groups_by_column(by, shown.series):
        progress.note(
            f"{shown.source}: by={by} is the {groups.meaning}, not the column of that name; to "
            "group by that, add a copy of it with another name"
        )
    explanation = _explain_each(shown, by, groups, progress)
    if output is not None:
        _write(explanation, output, overwrite)
    return explanation


def _explain_each(
    shown: ShownWindows, by: str, groups: WindowGroups, progress: Progress
) -> GroupedExplanation:
    """Return the profile of one group after another, so that memory holds the sums of one."""
    fitted, windows = shown.fitted, shown.windows
    compile_for(fitted.model, len(windows))
    levels, largest = mean_values(windows), int(np.bincount(groups.number).max())
    profiles, summaries, done = [], [], 0
    with progress.bar("reading the attention") as bar:
        for i, name in enumerate(groups.names):
            own = windows.take(np.flatnonzero(groups.number == i))
            before = done
            sums = sum_attention(
                fitted,
                own,
                levels,
                batch_size=largest,
                on_batch=lambda count, _, before=before: bar(before + count, len(windows)),  # type: ignore[misc]
            )
            done += len(own)
            profile = profile_frame(fitted, sums)
            size = {"group": name, "num_windows": len(own)}
            summaries.append(_with(size, summary_of(fitted, profile)))
            profiles.append(_with(size, profile.drop(columns="num_windows")))
    return GroupedExplanation(
        by=by,
        meaning=groups.meaning,
        profile=pd.concat(profiles, ignore_index=True),
        summary=pd.concat(summaries, ignore_index=True),
        skipped=shown.skipped,
        num_series=shown.num_series,
    )


def _with(first: dict[str, object], frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with columns of one value each in front."""
    return frame[[]].assign(**first).join(frame)  # type: ignore[arg-type]


def summary_of(fitted: FittedForecaster, profile: pd.DataFrame) -> pd.DataFrame:
    """Return `summarize_profile`, with the roles and, where scores rank features, `total`.

    `total` is the share of a feature in the forecast, attention and linear path together, as in
    `attention/ranking.csv`, on average over targets. A feature that only the linear path reads has
    no peak.
    """
    summary = summarize_profile(profile)
    if "role" not in summary:
        summary.insert(1, "role", profile["role"].iloc[0])
    if not ranks_features(profile):
        return summary
    shares, apart = fitted.shares_by_target, fitted.targets_apart
    means = profile["mean"].to_numpy()[None]  # one block: shares do not depend on its size
    ranking = feature_ranking(profile, means, shares, targets_apart=apart)
    total = ranking.groupby(["feature", "role"], sort=False)["share"].sum() / len(shares)
    summary = total.rename("total").reset_index().merge(summary, how="left")
    return summary.sort_values("total", ascending=False, kind="stable", ignore_index=True)


def _write(explanation: GroupedExplanation, output: Path, overwrite: bool) -> None:
    with atomic_directory(output, overwrite=overwrite, kind=PROFILE) as folder:
        for name, frame in (("profile", explanation.profile), ("summary", explanation.summary)):
            path = folder / f"{name}_by.csv"
            frame.to_csv(path, index=False, float_format=FLOAT_FORMAT)
        figure = plots.plot_groups(explanation.summary, explanation.by, explanation.meaning)
        plots.save_figure(figure, folder / "groups.png")
        write_manifest(folder, None, kind=PROFILE)
