"""The figures of the demonstrations: scores beside the true cells, at the end and as they form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tsattn.plots.style import BLUE, GREY, RED, finish, new_figure, panel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.ticker import Formatter

MAX_FRAMES = 12
TRUE_CELL, COLOURS = "true cell", "colours by square root"


def plot_demo_scores(
    scores: np.ndarray,
    truth: np.ndarray,
    mean: np.ndarray | None,
    *,
    title: str,
    cell_name: str,
    row_name: str,
    num_windows: int,
) -> Figure:
    """Plot scores as an image with the true cells framed, above it their mean over windows.

    Args:
        scores: (rows, cells): of some windows, or the mean of a score for each horizon step.
        truth: Booleans (rows, cells).
        mean: Mean scores of all windows (cells,); None to leave it out.
        title: What is shown.
        cell_name: What a cell is.
        row_name: What a row is.
        num_windows: Windows in the mean.
    """
    figure = new_figure(8, 4.6 if mean is None else 6.2)
    if mean is None:
        axes, note = figure.subplots(), f"mean over {num_windows:,} test windows"
    else:
        above, axes = figure.subplots(2, sharex=True, height_ratios=(1, 2))
        _draw_mean(above, mean, truth)
        note = f"above: mean over {num_windows:,} test windows; below: {len(scores)} of them"
    drawn = _draw_scores(axes, scores, truth, highest=float(scores.max()))
    axes.set_xlabel(f"{cell_name} (from 0)")
    axes.set_ylabel(f"{row_name} (from 0)")
    _mark_ticks(axes, scores.shape, most=20)
    bar = figure.colorbar(drawn, ax=axes, format=_percent(), pad=0.01, aspect=25)
    bar.set_label(f"share of attention of a {row_name}\n({COLOURS})")
    return finish(figure, title, note)


def _draw_mean(axes: Axes, mean: np.ndarray, truth: np.ndarray) -> None:
    """Draw bars, those of cells that are true in every window in another colour."""
    cells = np.arange(len(mean))
    is_true = truth.all(axis=0)
    axes.bar(cells[~is_true], mean[~is_true], color=BLUE, label="mean score")
    if is_true.any():
        axes.bar(cells[is_true], mean[is_true], color=RED)
    uniform = 1 / len(mean)
    axes.axhline(uniform, color=GREY, linestyle="--", linewidth=1, label=f"uniform ({uniform:.1%})")
    axes.yaxis.set_major_formatter(_percent())
    axes.set_ylabel("mean share\nof attention")


def plot_demo_epochs(
    frames: np.ndarray, truth: np.ndarray, *, title: str, cell_name: str, row_name: str
) -> Figure:
    """Plot the scores before the training and after epochs, at most `MAX_FRAMES` of them.

    Args:
        frames: (1 + epochs, rows, cells); the first are the scores before the training.
        truth: Booleans (rows, cells).
        title: What is shown.
        cell_name: What a cell is.
        row_name: What a row is.
    """
    last = len(frames) - 1
    count = min(MAX_FRAMES, len(frames))
    columns = min(4, count)
    count -= count % columns  # the rows are full
    epochs = np.linspace(0, last, count).round().astype(int)
    rows = math.ceil(len(epochs) / columns)
    figure = new_figure(2.9 * columns, 1.6 + 2.0 * rows)
    panels = panel_grid(figure, len(epochs), columns, sharex=True, sharey=True)
    highest = float(frames[epochs].max())
    for axes, epoch in zip(panels, epochs, strict=True):
        drawn = _draw_scores(axes, frames[epoch], truth, highest=highest)
        axes.set_title("before training" if epoch == 0 else f"epoch {epoch}", fontsize=9)
        _mark_ticks(axes, truth.shape, most=8)
    bar = figure.colorbar(drawn, ax=panels, format=_percent(), pad=0.01, aspect=40)
    bar.set_label(f"share of attention of a {row_name} ({COLOURS})")
    for axes in panels[-columns:]:
        axes.set_xlabel(f"{cell_name} (from 0)", fontsize=9)
    figure.supylabel(f"{row_name} (from 0)", fontsize=10)
    return finish(figure, title)


def _draw_scores(axes: Axes, scores: np.ndarray, truth: np.ndarray, *, highest: float) -> AxesImage:
    """Draw (rows, cells) by the square root, with a frame around each true cell."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import PowerNorm
    from matplotlib.patches import Rectangle

    image = axes.imshow(
        scores, aspect="auto", interpolation="nearest", norm=PowerNorm(0.5, 0, highest)
    )
    frames = [Rectangle((cell - 0.5, row - 0.5), 1, 1) for row, cell in np.argwhere(truth)]
    axes.add_collection(
        PatchCollection(frames, facecolor="none", edgecolor=RED, linewidth=1.3), autolim=False
    )
    axes.plot([], [], "s", markerfacecolor="none", markeredgecolor=RED, label=TRUE_CELL)
    return image


def _mark_ticks(axes: Axes, shape: tuple[int, ...], *, most: int) -> None:
    rows, cells = shape
    axes.set_xticks(range(0, cells, max(1, math.ceil(cells / most))))
    axes.set_yticks(range(0, rows, max(1, math.ceil(rows / most))))


def _percent() -> Formatter:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0)
