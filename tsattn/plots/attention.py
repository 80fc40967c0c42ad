"""The figures of the attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsattn.plots.style import (
    BLUE,
    GREY,
    RED,
    finish,
    new_figure,
    panel_grid,
    round_ticks,
    with_unit,
    wrap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MAX_PANELS = 24
MAX_FEATURES = 64  # of a heat map
_MEASURES = {
    "share": "share of attention",
    "nats": "information (nats)",
    "contribution": "contribution to the forecast",
    "forecast": "share of the forecast",
}
# What an axis means where its name does not say it.
_MEANINGS = {
    "contribution": (
        "a contribution: what a feature's value at a lag adds to the forecast or takes off it "
        "(mean size over the horizon)"
    ),
    "forecast": "a share of the forecast: how much of it rests on a feature at a lag",
}
_KINDS = {
    "feature": "feature",
    "unit": "hidden unit, not a feature",
    "shared": "all features together",
}


def plot_profile(profile: pd.DataFrame, unit: str = "") -> Figure:
    """Plot the attention profile of each feature over the lags, lag 1 at the right.

    The first target and horizon part are drawn, and of more than `MAX_PANELS` features those
    furthest from uniform (from zero, where the measure is not a share).

    Args:
        profile: the columns of `attention/profile.csv`.
        unit: unit of a contribution.
    """
    from matplotlib.ticker import PercentFormatter

    part, title = _first_part(profile)
    measure, kind = part["measure"].iloc[0], part["kind"].iloc[0]
    share = measure == "share"
    level = _uniform(part) if share else pd.Series(0.0, part["feature"].unique())
    part, comparable = _most_uneven(part, level)
    features = part["feature"].unique()
    columns = min(4, math.ceil(math.sqrt(len(features))))
    rows = math.ceil(len(features) / columns)
    figure = new_figure(6 + 1.6 * columns, 4 if rows == 1 else 1.8 + 1.55 * rows)
    panels = panel_grid(figure, len(features), columns, sharex=True, sharey=comparable)
    for axes, feature in zip(panels, features, strict=True):
        _draw_profile(axes, part[part["feature"] == feature].sort_values("lag_first"))
        if share:
            label = f"uniform ({100 * level[feature]:.3g} %)" if level.nunique() == 1 else "uniform"
            axes.axhline(level[feature], color=RED, linestyle="--", linewidth=1, label=label)
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_title(wrap(feature, 32), fontsize=9, parse_math=False)
        axes.tick_params(labelsize=8)
    for axes in panels:
        _set_lag_axis(axes, part, 16 // columns)
        if part[["mean", "p10"]].min().min() >= 0:
            axes.set_ylim(bottom=0)
    for axes in panels[-columns:]:
        axes.set_xlabel(_lag_label(part), fontsize=8)
    label = wrap(with_unit(_MEASURES[measure], unit), 40)
    figure.supylabel(label, fontsize=10, parse_math=False)
    left_out, near = len(level) - len(features), "uniform" if share else "zero"
    return finish(
        figure,
        title,
        _KINDS[kind] if kind == "shared" else f"each panel: a {_KINDS[kind]}",
        f"{left_out} of {len(level)} left out: the nearest to {near}" if left_out else "",
        "" if comparable else "the panels have different scales",
        _MEANINGS.get(measure, ""),
    )


def _most_uneven(part: pd.DataFrame, level: pd.Series) -> tuple[pd.DataFrame, bool]:
    """Return the rows of the features furthest from their level and whether one scale fits all."""
    distance = (part["mean"] - part["feature"].map(level)).abs().groupby(part["feature"]).sum()
    part = part[part["feature"].isin(distance.nlargest(MAX_PANELS).index)]
    peaks = part["mean"].abs().groupby(part["feature"]).max()
    return part, bool(peaks.max() <= 10 * peaks[peaks > 0].median())


def _uniform(part: pd.DataFrame) -> pd.Series:
    """Return the share each feature would have at each lag if the attention were uniform."""
    means = part.groupby("feature", sort=False)["mean"]
    sums_to_one = np.allclose(means.sum(), 1, atol=0.02)  # the softmax is over the lags
    return 1 / means.size() if sums_to_one else means.mean() * 0 + part["mean"].mean()


def _draw_profile(axes: Axes, rows: pd.DataFrame) -> None:
    x, columns = rows["lag_first"].to_numpy(), rows[["mean", "p10", "p90"]].to_numpy()
    if (rows["lag_first"] != rows["lag_last"]).any():  # a segment: level over its lags
        x, columns = _edges(rows).ravel(), columns.repeat(2, axis=0)
    mean, low, high = columns.T
    axes.fill_between(x, low, high, color=BLUE, alpha=0.25, linewidth=0, label="p10 to p90")
    marker = "o" if len(x) < 3 else ""
    axes.plot(x, mean, color=BLUE, linewidth=1.5, marker=marker, label="mean over windows")


def plot_heatmap(profile: pd.DataFrame, unit: str = "") -> Figure:
    """Plot the mean of the attention profile as an image, features by lags, lag 1 at the right.

    The first target and horizon part are drawn, and of more than `MAX_FEATURES` features those of
    the largest means. Means of both signs get a diverging map.

    Args:
        profile: the columns of `attention/profile.csv`.
        unit: unit of a contribution.
    """
    from matplotlib.ticker import PercentFormatter

    part, title = _first_part(profile)
    kind, measure = part["kind"].iloc[0], part["measure"].iloc[0]
    count = part["feature"].nunique()
    if kind == "feature":
        peaks = part["mean"].abs().groupby(part["feature"], sort=False).max()
        part = part[part["feature"].isin(peaks.nlargest(MAX_FEATURES).index)]
    features, edges = part["feature"].unique(), _edges(part)
    left_out = count - len(features)
    image = np.full((len(features), int(np.ptp(edges))), np.nan)  # (features, lags)
    spans = (edges - edges.min()).astype(int)
    for row, (first, last), mean in zip(
        pd.factorize(part["feature"])[0], spans, part["mean"], strict=True
    ):
        image[row, first:last] = mean
    row_height, most_labels = (0.1, 24) if kind == "unit" else (0.17, 64)
    figure = new_figure(11, 2.6 + row_height * min(len(features), 64))
    axes = figure.subplots()
    axes.set_facecolor("lightgrey")
    drawn = axes.imshow(
        image,
        aspect="auto",
        interpolation="nearest" if image.shape[1] < 800 else "auto",
        extent=(edges.min(), edges.max(), len(features) - 0.5, -0.5),
    )
    label = wrap(f"mean {with_unit(_MEASURES[measure], unit)}", 28) + set_colours(drawn, image)
    percent = PercentFormatter(1.0) if measure in ("share", "forecast") else None
    bar = figure.colorbar(drawn, ax=axes, format=percent, pad=0.01, aspect=25)
    bar.set_label(label, parse_math=False)
    ticks = np.arange(0, len(features), math.ceil(len(features) / most_labels))
    labels = [wrap(feature, 60) for feature in features[ticks]]
    axes.set_yticks(ticks, labels, fontsize=8, parse_math=False)
    _set_lag_axis(axes, part, 14)
    axes.set_xlabel(_lag_label(part))
    axes.set_ylabel(_KINDS[kind])
    meaning = _MEANINGS.get(measure, "")
    if measure == "forecast" and part["target"].iloc[0] == "*":
        meaning += ", on average over the targets"
    least = f"{left_out} of {count} left out: those with the least" if left_out else ""
    return finish(figure, title, least, meaning)


def set_colours(drawn: AxesImage, image: np.ndarray) -> str:
    """Choose the colour map and its scale; return what the label has to say about them."""
    from matplotlib.colors import Normalize, PowerNorm

    largest = float(np.nanmax(np.abs(image))) or 1.0
    if np.nanmin(image) < 0:
        drawn.set(cmap="PuOr_r", norm=Normalize(-largest, largest))
        return ""
    if largest > 10 * np.nanmean(image):  # few cells hold most: show the others too
        drawn.set(cmap="viridis", norm=PowerNorm(0.5, 0, largest))
        return "\n(colours by square root)"
    drawn.set(cmap="viridis", norm=Normalize(0, largest))
    return ""


def _first_part(profile: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows of the first target and horizon part, and a title that says so."""
    parts = {"target": "targets", "horizon_first": "horizon parts", "kind": "kinds"}
    parts["measure"] = "measures"
    part = profile[profile.groupby(list(parts), sort=False, dropna=False).ngroup() == 0]
    row = part.iloc[0]
    title = [] if pd.isna(row["target"]) else [f"target {row['target']}"]
    title.append(f"horizon steps {row['horizon_first']} to {row['horizon_last']}")
    title.append(f"{row['num_windows']:,} windows")
    counts = profile[list(parts)].nunique(dropna=False)
    title += [f"first of {counts[name]} {parts[name]}" for name in parts if counts[name] > 1]
    return part, ", ".join(title)


def _edges(rows: pd.DataFrame) -> np.ndarray:
    """Return where each row begins and ends on the lag axis: (rows, 2)."""
    lags = np.sort(rows[["lag_first", "lag_last"]].to_numpy(), axis=1)
    return lags + [-0.5, 0.5]


def _set_lag_axis(axes: Axes, part: pd.DataFrame, most: int) -> None:
    edges = _edges(part)
    first, last = int(edges.min() + 0.5), int(edges.max() - 0.5)
    ticks = round_ticks(max(first, 1), last, most)
    axes.set_xticks([first, *ticks] if 1 - first > (last - first) / 12 else ticks)
    axes.set_xlim(edges.max(), edges.min())  # the past at the left
    if first < 1:
        axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")


def _lag_label(part: pd.DataFrame) -> str:
    future = ", below: horizon" if part["lag_first"].min() < 1 else ""
    return f"lag (steps; 1 = last known{future})"
