"""The figures of the training and of the forecasts."""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

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
    words,
    wrap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_TARGETS = 4
MAX_ORIGINS = 4
_LONG = 168  # a longer horizon gets wide panels and thin lines
LINES: dict[str, dict[str, Any]] = {
    "model": {"color": BLUE, "linestyle": "-"},
    "last_value": {"color": "#E69F00", "linestyle": ":"},
    "seasonal_naive": {"color": "#009E73", "linestyle": "--"},
    "linear": {"color": RED, "linestyle": "-."},
}
_BASELINES = ("last_value", "seasonal_naive", "linear")
MARKERS = {"last_value": "v", "seasonal_naive": "s", "linear": "D"}


def plot_loss(history: pd.DataFrame, best_epoch: int | None = None) -> Figure:
    """Plot the loss of each epoch on train and val and mark the best epoch.

    Args:
        history: `epoch, loss, val_loss`; other columns are ignored.
        best_epoch: the epoch that was kept; None: that of the lowest val_loss.
    """
    from matplotlib.ticker import MaxNLocator

    epoch, train, val = history[["epoch", "loss", "val_loss"]].to_numpy(dtype=float).T
    figure = new_figure(8, 4.2)
    axes = figure.subplots()
    marker = "o" if len(epoch) < 3 else ""
    axes.plot(epoch, train, color=GREY, marker=marker, label="train")
    axes.plot(epoch, val, color=BLUE, marker=marker, label="val")
    if np.isfinite(val).any():
        best = int(np.nanargmin(val)) if best_epoch is None else list(epoch).index(best_epoch)
        axes.axvline(epoch[best], color=RED, linewidth=1, linestyle=":")
        label = f"best epoch: {epoch[best]:.0f} (val {val[best]:.4g})"
        axes.scatter(epoch[best], val[best], s=90, c="none", edgecolors=RED, lw=2, label=label)
    lowest, highest = np.nanmin([train, val]), np.nanmax([train, val])
    axes.set_yscale("log" if 0 < 20 * lowest < highest else "linear")
    axes.set_xlim(epoch[0] - 0.5, epoch[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel="loss (scaled values)")
    return finish(figure)


def plot_forecast(
    examples: pd.DataFrame, past: pd.DataFrame, unit: str = "", title: str = ""
) -> Figure:
    """Plot some windows: the recent past, what came, the forecast and the baselines.

    The first `MAX_TARGETS` targets and `MAX_ORIGINS` evenly spaced origins are drawn; two origins
    where the horizon is long.

    Args:
        examples: `target, origin_time, time, horizon_step, actual, forecast`, with the baselines
            there are and the intervals (`lower_80, upper_80 ...`), or else the quantiles
            (`q0.1 ...`). Times are datetimes or row numbers.
        past: `target, origin_time, time, value`: known steps before each origin.
        unit: unit of the values.
        title: what stands above the panels, such as the name of the series.
    """
    num_targets = examples["target"].nunique()
    examples, past = _select_windows(examples, past)
    targets = examples["target"].unique()
    origins = examples["origin_time"].drop_duplicates().sort_values()
    horizon, alone = examples["horizon_step"].nunique(), len(targets) == 1
    columns = min(len(origins), 1 if horizon > _LONG else 2) if alone else len(origins)
    rows = math.ceil(len(targets) * len(origins) / columns)
    width = 13 if columns > 2 else 11 if columns * rows > 1 else 8
    figure = new_figure(width, 1 + (2.4 if rows > 1 else 3.2) * rows)
    # One or two steps need a close view: every panel then has its own scale.
    share = False if horizon < 3 else "all" if alone else "row"
    panels = panel_grid(figure, len(targets) * len(origins), columns, sharey=share)
    cut: list[str] = []
    for axes, (target, origin) in zip(panels, itertools.product(targets, origins), strict=True):
        of_target = [frame[frame["target"] == target] for frame in (examples, past)]
        of_window = [frame[frame["origin_time"] == origin] for frame in of_target]
        label = _draw_window(axes, *of_window)
        names = _limit(axes, *(of_target if share else of_window))
        cut += names if alone else [f"{name} of {target}" for name in names]
        if axes in panels[::columns] or not share:
            axes.set_ylabel(wrap(with_unit(target, unit), 30), parse_math=False)
        if axes in panels[-columns:]:
            axes.set_xlabel(label)
    return finish(
        figure,
        title,
        f"first {len(targets)} of {num_targets} targets" if num_targets > len(targets) else "",
        f"beyond the axis: {', '.join(dict.fromkeys(cut))}" if cut else "",
    )


def _select_windows(
    examples: pd.DataFrame, past: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the windows to draw, in order of time, and a past that suits them."""
    horizon = examples["horizon_step"].nunique()
    targets = examples["target"].unique()[:MAX_TARGETS]
    origins = examples["origin_time"].drop_duplicates().sort_values()
    count = min(MAX_ORIGINS if horizon <= _LONG else 2, len(origins))
    origins = origins.iloc[np.linspace(0, len(origins) - 1, count).round().astype(int)]
    examples, past = (
        frame[frame["target"].isin(targets) & frame["origin_time"].isin(origins)]
        for frame in (examples, past)
    )
    recent = max(12, min(2 * horizon, max(_LONG, horizon // 3)))
    past = past.sort_values("time").groupby(["target", "origin_time"]).tail(recent)
    return examples.sort_values("horizon_step", kind="stable"), past


def _draw_window(axes: Axes, window: pd.DataFrame, known: pd.DataFrame) -> str:
    """Draw one window with a title; return the label of its time axis."""
    width = 1 if len(window) > _LONG else 2
    dot, size = ("o", 6 if len(window) == 1 else 4) if len(window) < 3 else ("", 0)
    x, time_label = _set_time_axis(axes, pd.concat([known["time"], window["time"]]))
    truth, ahead = [*known["value"], *window["actual"]], x[len(known) :]
    axes.plot(x, truth, color="black", linewidth=0.7 * width, label="actual")
    axes.scatter(ahead, window["actual"], color="black", s=size**2)
    for name in _BASELINES:
        if name in window:
            line = axes.plot(ahead, window[name], label=words(name), lw=0.6 * width, **LINES[name])
            line[0].set(marker=dot and MARKERS[name], markersize=size, markerfacecolor="none")
    for i, (label, low, high) in enumerate(_bands(window)):
        bounds, alpha = (window[low], window[high]), 0.2 + 0.15 * i
        if len(window) == 1:  # a band over one step has no width
            axes.vlines(ahead, *bounds, color=BLUE, alpha=alpha, linewidth=9, label=label)
        else:
            axes.fill_between(ahead, *bounds, color=BLUE, alpha=alpha, lw=0, label=label)
    axes.plot(ahead, window["forecast"], dot + "-", color=BLUE, linewidth=width, label="forecast")
    axes.axvline(ahead[0], color=GREY, linewidth=0.8, linestyle=":")
    start = window["time"].iloc[0]
    text = f"{start:%Y-%m-%d %H:%M}" if isinstance(start, pd.Timestamp) else f"row {start}"
    axes.set_title(f"forecast from {text}", fontsize=9)
    return time_label


def _limit(axes: Axes, rows: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    """Leave baselines and bands some room beyond the rest; return those it cuts."""
    core = np.concatenate([rows["actual"], rows["forecast"], known["value"]]).astype(float)
    low, high = np.nanmin(core), np.nanmax(core)
    room = (high - low) / 2 or abs(high) / 2 or 1.0
    edges = {edge: label for label, *pair in _bands(rows) for edge in pair}
    extras = rows[[name for name in _BASELINES if name in rows] + list(edges)]
    bottom = max(np.nanmin([*extras.min(), low]), low - room)
    top = min(np.nanmax([*extras.max(), high]), high + room)
    axes.set_ylim(bottom - 0.1 * room, top + 0.1 * room)
    beyond = (extras < bottom) | (extras > top)
    return [edges.get(str(name), words(name)) for name in extras if beyond[name].any()]


def plot_horizon_error(errors: pd.DataFrame, unit: str = "") -> Figure:
    """Plot the mean absolute error at each horizon step, as bars where there is only one.

    The scale ends at four times the model's largest error, so that a bad baseline does not
    squash the rest; what is beyond is said in numbers.

    Args:
        errors: `forecaster, horizon_step, mae`; a forecaster is `model` or a baseline.
        unit: unit of the errors.
    """
    errors = errors.dropna(subset=["mae"]).sort_values("horizon_step", kind="stable")
    spans = errors.groupby("forecaster", sort=False)["mae"].agg(["min", "max"])
    reference = spans["max"].get("model", spans["max"].min())
    top = min(spans["max"].max(), 4 * reference) or spans["max"].max() or 1.0
    figure = new_figure(8, 4.2)
    axes = figure.subplots()
    if errors["horizon_step"].nunique() == 1:
        _draw_error_bars(axes, errors, top)
    else:
        _draw_error_lines(axes, errors)
    axes.set_ylim(0, 1.08 * top)
    axes.set_ylabel(f"mean absolute error ({unit or 'original units'})", parse_math=False)
    cut = [
        f"{words(name)} ({low:,.4g} to {high:,.4g})"
        if low < high
        else f"{words(name)} ({high:,.4g})"
        for name, low, high in spans[spans["max"] > top].itertuples()
    ]
    return finish(figure, f"beyond the scale: {', '.join(cut)}" if cut else "")


def _draw_error_bars(axes: Axes, errors: pd.DataFrame, top: float) -> None:
    colours = [LINES.get(name, {"color": GREY})["color"] for name in errors["forecaster"]]
    bars = axes.bar(errors["forecaster"].map(words), errors["mae"].clip(upper=top), color=colours)
    labels = [f"{mae:,.4g}" + (" (bar cut)" if mae > top else "") for mae in errors["mae"]]
    axes.bar_label(bars, labels, padding=2)
    axes.set_xlabel(f"forecaster, at horizon step {errors['horizon_step'].iloc[0]}")


def _draw_error_lines(axes: Axes, errors: pd.DataFrame) -> None:
    for name, rows in errors.groupby("forecaster", sort=False):
        style = {"linewidth": 3, "zorder": 3} if name == "model" else {"linewidth": 1.5}
        style |= LINES.get(str(name), {"color": GREY})
        axes.plot(rows["horizon_step"], rows["mae"], label=words(name), **style)
    first, last = errors["horizon_step"].agg(["min", "max"])
    axes.set_xlim(first, last)
    axes.set_xticks(round_ticks(first, last, 12))
    axes.set_xlabel("horizon step (steps ahead)")


def _set_time_axis(axes: Axes, times: pd.Series) -> tuple[np.ndarray, str]:
    """Prepare the x axis for datetimes or row numbers; return the positions and a label."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.ticker import MaxNLocator

    if not pd.api.types.is_datetime64_any_dtype(times.dtype):
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        return times.to_numpy(), "row"
    zone = times.dt.tz
    locator = AutoDateLocator(zone, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    formatter = ConciseDateFormatter(locator, zone, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    utc = times.dt.tz_convert(None) if zone else times
    return date2num(utc), f"time ({zone})" if zone else "time"  # type: ignore[no-untyped-call]


def _bands(rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return label, lower and upper column of the bands to draw, the widest first.

    They are the intervals; where there are none, one from the lowest quantile to the highest.
    """
    found = (re.fullmatch(r"lower_(\d+(?:\.\d+)?)", str(name)) for name in rows)
    levels = sorted((match[1] for match in found if match), key=float, reverse=True)
    bands = [(f"{level} % interval", f"lower_{level}", f"upper_{level}") for level in levels]
    names = [str(name) for name in rows if re.fullmatch(r"q0\.\d+", str(name))]
    names.sort(key=lambda name: float(name[1:]))
    if not bands and len(names) > 1:
        label = f"{names[0][1:]} to {names[-1][1:]} quantile"
        bands.append((label, names[0], names[-1]))
    return bands
