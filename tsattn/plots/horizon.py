"""The figure of what a recurrent decoder looks at for each step of the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsattn.plots.attention import set_colours
from tsattn.plots.style import finish, new_figure, round_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEANING = (
    "at each horizon step the shares over the lags sum to 1: when the decoder looks for it, not at "
    "which feature"
)


def plot_horizon_heatmap(horizon: pd.DataFrame) -> Figure:
    """Plot the mean attention as an image, horizon steps by lags, lag 1 at the right.

    The first target is drawn. Step 1 is at the top.

    Args:
        horizon: the columns of `attention/horizon.csv`.
    """
    from matplotlib.ticker import PercentFormatter

    targets = horizon["target"].unique()
    part = horizon[horizon["target"] == targets[0]]
    image = part.pivot(index="horizon_step", columns="lag", values="mean")  # (horizon, lags)
    steps, lags = len(image), image.shape[1]
    figure = new_figure(11, 2.6 + min(0.17 * steps, 6))
    axes = figure.subplots()
    drawn = axes.imshow(
        image.to_numpy(),
        aspect="auto",
        interpolation="nearest" if max(steps, lags) < 800 else "auto",
        extent=(0.5, lags + 0.5, steps + 0.5, 0.5),
    )
    note = set_colours(drawn, image.to_numpy())
    bar = figure.colorbar(drawn, ax=axes, format=PercentFormatter(1.0), pad=0.01, aspect=25)
    bar.set_label(f"mean share of attention{note}", parse_math=False)
    axes.set_xticks(round_ticks(1, lags, 14))
    axes.set_yticks(round_ticks(1, steps, 12))
    axes.set_xlim(lags + 0.5, 0.5)  # the past at the left
    axes.set_xlabel("lag (steps; 1 = last known)")
    axes.set_ylabel("horizon step (steps ahead)")
    more = f", first of {len(targets)} targets" if len(targets) > 1 else ""
    windows = f"{int(np.max(part['num_windows'])):,} windows"
    return finish(figure, f"target {targets[0]}, {windows}{more}", MEANING)
