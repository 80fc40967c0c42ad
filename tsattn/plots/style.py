"""What the figures share: colours, panels, ticks and words."""

from __future__ import annotations

import math
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any colour vision; the dashes, without colours.
BLUE, RED, GREY = "#0072B2", "#D55E00", "#666666"
_ROUND_STEPS = (1, 3, 6, 12, 24, 48, 72, 96, 120, 168, 240, 336, 480, 720)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write the figure as a PNG, the same bytes for the same figure.

    A letter that the font lacks becomes a box.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(path, format="png", metadata={"Software": None})


def round_ticks(first: int, last: int, most: int) -> list[int]:
    """Return about `most` round numbers from first to last, and 1 where it lies there."""
    step = next((s for s in _ROUND_STEPS if last - first <= s * most), (last - first) // most)
    ticks = range(math.ceil(first / step) * step, last + 1, step)
    apart = [tick for tick in ticks if abs(tick - 1) > step / 2]
    return sorted([1, *apart]) if first <= 1 <= last else list(ticks)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def panel_grid(figure: Figure, count: int, columns: int, **share: Any) -> list[Axes]:
    """Return `count` axes in a grid, with tick labels at the foot of each column."""
    grid = figure.subplots(math.ceil(count / columns), columns, squeeze=False, **share)
    for axes in grid.flat[count:]:
        axes.remove()
    for axes in grid.flat[max(0, count - columns) : count]:
        axes.tick_params(labelbottom=True)
    return list(grid.flat[:count])


def finish(figure: Figure, *notes: str) -> Figure:
    """Put the notes above the axes and one legend below them."""
    width = int(11 * figure.get_figwidth())
    lines = [textwrap.fill(note, width) for note in notes if note]
    if lines:
        figure.suptitle("\n".join(lines), fontsize=10, parse_math=False)
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=6,
            frameon=False,
        )
    return figure


def words(name: object) -> str:
    """Return a name with spaces for its underscores."""
    return str(name).replace("_", " ")


def with_unit(name: object, unit: str) -> str:
    """Return a name with its unit behind it."""
    return f"{name} ({unit})" if unit else str(name)


def wrap(name: object, width: int) -> str:
    """Break a name at spaces and underscores over at most three lines."""
    breakable = str(name).replace("_", "_\t")
    lines = textwrap.wrap(breakable, width, expand_tabs=False, replace_whitespace=False)
    lines = [line.replace("\t", "") for line in lines]
    return "\n".join(lines if len(lines) <= 3 else [*lines[:2], lines[2][: width - 1] + "…"])
