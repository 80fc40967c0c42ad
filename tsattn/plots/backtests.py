"""The figure of the folds of a backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsattn.plots.accuracy import LINES, MARKERS
from tsattn.plots.style import GREY, finish, new_figure, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LABELS = 12


def plot_fold_errors(folds: pd.DataFrame, unit: str = "") -> Figure:
    """Plot the MAE of the model in each fold beside the baselines; ticks are first times.

    A dotted line stands at each fold in which a model was fitted.

    Args:
        folds: `fold, forecaster, first_time, is_refitted, mae`; other columns are ignored.
        unit: Unit of the target.
    """
    numbers = np.sort(folds["fold"].unique())
    firsts = folds.drop_duplicates("fold").set_index("fold")
    figure = new_figure(min(max(7.0, 2.5 + 0.5 * len(numbers)), 14), 4.6)
    axes = figure.subplots()
    names = [name for name in LINES if name in set(folds["forecaster"])]
    errors = folds.pivot(index="fold", columns="forecaster", values="mae")
    errors = errors.reindex(index=numbers).replace([np.inf, -np.inf], np.nan)
    for name in names:
        marker = MARKERS.get(name, "o")
        width = 2.2 if name == "model" else 1.3
        axes.plot(
            numbers, errors[name], **LINES[name], marker=marker, linewidth=width, label=words(name)
        )
    for fold in numbers[firsts.loc[numbers, "is_refitted"].to_numpy(dtype=bool)]:
        label = "fitted anew" if fold == numbers[0] else None
        axes.axvline(fold, color=GREY, linewidth=0.8, linestyle=":", zorder=0, label=label)
    shown = numbers[:: -(-len(numbers) // _MOST_LABELS)]
    labels = [_short(firsts.loc[fold, "first_time"]) for fold in shown]
    axes.set_xticks(shown, [f"{fold}\n{label}" for fold, label in zip(shown, labels, strict=True)])
    axes.set_xlim(numbers[0] - 0.4, numbers[-1] + 0.4)
    if np.nanmax(errors[names].to_numpy()) > 0:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("fold and its first time")
    axes.set_ylabel(f"MAE{f' ({unit})' if unit else ' (units of the data)'}", parse_math=False)
    return finish(figure, "error of each fold, learnt from earlier rows only")


def _short(time: object) -> str:
    """Return a time as date and clock on two lines, the clock left out at midnight."""
    date, _, clock = str(time).partition("T")
    return date if clock[:5] in ("", "00:00") else f"{date}\n{clock[:5]}"
