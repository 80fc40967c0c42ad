"""The figure of the attention in groups of windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsattn.plots.attention import set_colours
from tsattn.plots.style import finish, new_figure, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_FEATURES = 32
_MOST_TEXTS = 300


def plot_groups(summary: pd.DataFrame, by: str, meaning: str) -> Figure:
    """Plot how much of each group's forecast rests on each feature, as an image with numbers.

    Where scores do not rank features, the lag at which each peaks is shown instead, coloured by
    the share it has of the feature's own attention.

    Args:
        summary: `group, num_windows, feature, role, peak_lag, peak_share` and `total` where scores
            rank features; groups in the order of their rows.
        by: What the windows are grouped by.
        meaning: What the names of the groups say.
    """
    from matplotlib.ticker import PercentFormatter

    ranks = "total" in summary
    value = "total" if ranks else "peak_share"
    ahead = summary["role"].eq("future").map({True: " (ahead)", False: ""})
    labelled = summary.assign(label=summary["feature"] + ahead)
    means = labelled.groupby("label", sort=False)[value].mean()
    order = means.sort_values(ascending=False, kind="stable").index[:MAX_FEATURES]
    sizes = labelled.drop_duplicates("group").set_index("group")["num_windows"]
    table = labelled.pivot(index="label", columns="group", values=value)
    image = table.reindex(index=order, columns=sizes.index)
    figure = new_figure(max(5.0, 3 + 0.62 * len(sizes)), 2.6 + 0.3 * len(order))
    axes = figure.subplots()
    drawn = axes.imshow(image.to_numpy(), aspect="auto", interpolation="nearest")
    note = set_colours(drawn, image.to_numpy())
    label = "share of the forecast" if ranks else "share at the peak"
    bar = figure.colorbar(drawn, ax=axes, format=PercentFormatter(1.0), pad=0.01, aspect=25)
    bar.set_label(label + note, parse_math=False)
    if image.size <= _MOST_TEXTS:
        lags = labelled.pivot(index="label", columns="group", values="peak_lag")
        shown = image if ranks else lags.reindex(index=order, columns=sizes.index)
        levels = np.asarray(drawn.norm(image.to_numpy()))
        for row, values in enumerate(shown.to_numpy()):
            for column, number in enumerate(values):
                text = "" if pd.isna(number) else f"{number:.0%}" if ranks else f"{number:.0f}"
                is_dark = bool(levels[row, column] < 0.6)
                axes.text(
                    column, row, text, ha="center", va="center", fontsize=7,
                    color="white" if is_dark else "black", parse_math=False,
                )  # fmt: skip
    names = [f"{wrap(group, 18)}\n({count:,})" for group, count in sizes.items()]
    turn = 0 if len(sizes) <= 12 and max(map(len, names)) <= 14 else 90
    axes.set_xticks(range(len(sizes)), names, fontsize=7, rotation=turn, parse_math=False)
    features = [wrap(name, 40) for name in order]
    axes.set_yticks(range(len(order)), features, fontsize=8, parse_math=False)
    axes.set_xlabel(f"{wrap(by, 60)} (number of windows)", parse_math=False)
    left_out = table.shape[0] - len(order)
    return finish(
        figure,
        f"groups: {meaning}",
        "attention and any linear path together" if ranks else "the numbers: the lag of the peak",
        f"{left_out} features with less left out" if left_out else "",
    )
