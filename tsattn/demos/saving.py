"""Writing the result of a demonstration: a folder that is complete or absent."""

import json
from pathlib import Path

import numpy as np

from tsattn.demos.running import DemoResult
from tsattn.model_directory import write_manifest
from tsattn.outputs import DEMO, atomic_directory
from tsattn.plots.demos import plot_demo_epochs, plot_demo_scores
from tsattn.plots.style import save_figure


def save_demo(result: DemoResult, path: str | Path, *, overwrite: bool = False) -> None:
    """Write figures, scores and the result of a demonstration to a new folder.

    `result.json` has the figures, `scores.npz` the scores and the truth of the test windows and
    the frames of the training, `scores.png` scores and truth, and `epochs.png` the scores while
    they form.

    Raises:
        UsageError: the output exists, and may not or must not be overwritten.
        OutputError: it cannot be written.
    """
    with atomic_directory(Path(path), overwrite=overwrite, kind=DEMO) as directory:
        text = json.dumps(result.to_json(), indent=2, allow_nan=False)
        (directory / "result.json").write_text(f"{text}\n", "utf-8")
        np.savez_compressed(
            directory / "scores.npz", scores=result.scores, truth=result.truth, frames=result.frames
        )
        _write_figures(result, directory)
        write_manifest(directory, None, kind=DEMO)


def _write_figures(result: DemoResult, directory: Path) -> None:
    """Draw the shown windows; scores over the steps of a horizon as their mean over windows."""
    shown = result.truth[: result.frames.shape[1]]
    scores, frames = result.scores, result.frames
    if scores.ndim == 3:
        last, truth = scores.mean(axis=0), shown[0]  # (horizon, cells)
        frames = frames.mean(axis=1)  # (1 + epochs, horizon, cells)
    else:
        last, truth = frames[-1], shown  # (shown windows, cells)
    names = {"cell_name": result.demo.cell_name, "row_name": result.demo.row_name}
    title = f"{result.name}, {result.variant}: {result.demo.title}"
    mean = None if scores.ndim == 3 else scores.mean(axis=0)
    scores_figure = plot_demo_scores(
        last, truth, mean, title=title, num_windows=len(scores), **names
    )
    save_figure(scores_figure, directory / "scores.png")
    epochs_figure = plot_demo_epochs(frames, truth, title=title, **names)
    save_figure(epochs_figure, directory / "epochs.png")
