"""The figure of how far a profile has moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsattn.plots.style import BLUE, GREY, RED, finish, new_figure, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_FEATURES = 24


def plot_drift(features: pd.DataFrame, total: float, against: str) -> Figure:
    """Plot the shares of each feature before and now, and the distance over its lags.

    Args:
        features: `feature, role, lags`, and `before, now` where scores rank features.
        total: The distance of the whole profiles.
        against: What `before` is.
    """
    from matplotlib.ticker import PercentFormatter

    shown = features.head(MAX_FEATURES).iloc[::-1]  # the first at the top
    ahead = shown["role"].eq("future").map({True: " (ahead)", False: ""})
    places = np.arange(len(shown))
    panels = ["shares", "lags"] if "now" in shown else ["lags"]
    figure = new_figure(5.5 * len(panels), 2.2 + 0.34 * len(shown))
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, panel in zip(grid, panels, strict=True):
        if panel == "shares":
            axes.barh(places + 0.2, shown["before"], height=0.38, color=GREY, label=against)
            axes.barh(places - 0.2, shown["now"], height=0.38, color=BLUE, label="new data")
            axes.set_xlabel("share of the forecast")
        else:
            axes.barh(places, shown["lags"].fillna(0), height=0.6, color=RED)
            axes.set_xlabel("distance over its lags (0 %: the same, 100 %: none in common)")
            axes.set_xlim(0, max(0.1, float(shown["lags"].max(skipna=True) or 0) * 1.05))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    names = [wrap(name, 40) for name in shown["feature"] + ahead]
    grid[0].set_yticks(places, names, fontsize=8, parse_math=False)
    left_out = len(features) - len(shown)
    return finish(
        figure,
        f"attention on new data against {against}: total distance {total:.1%}",
        f"{left_out} features with less left out" if left_out else "",
    )
