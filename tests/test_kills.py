"""Killed before each step that changes a file: what is left is whole, and stops no later run."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tsattn.json_files import write_json
from tsattn.locks import output_lock
from tsattn.outputs import (
    MANIFEST,
    MODEL,
    atomic_directory,
    atomic_file,
    check_output,
    remove_folder,
    working_folder,
)
from tsattn.pipeline.fold_store import Fold, FoldStore
from tsattn.progress import Progress

KEY = {"folds": 2}
CHANGES = {"os.mkdir", "os.rmdir", "os.rename", "os.remove", "os.truncate", "shutil.rmtree"}


def replace_model(folder: Path) -> None:
    """Replace a model, and remove the checkpoint of its training."""
    model, kept = folder / "model", folder / "model.checkpoint"
    check_output(model, overwrite=True, is_directory=True)
    with output_lock(model):
        for state in ("first", "second"):
            with atomic_directory(kept, overwrite=True) as new:
                (new / "state").write_text(state)
                write_json(new / MANIFEST, {"kind": MODEL})
        with atomic_directory(model, overwrite=True) as new:
            (new / "plots").mkdir()
            for name in ("weights", "plots/loss"):
                (new / name).write_text("new")
            write_json(new / MANIFEST, {"kind": MODEL})
        remove_folder(kept)


def replace_forecast(folder: Path) -> None:
    """Replace a forecast that was put together in a working folder."""
    output = folder / "forecast.csv"
    with output_lock(output), working_folder(output) as work:
        (work / "piece").write_text("new")
        with atomic_file(output, overwrite=True) as path:
            path.write_text((work / "piece").read_text())


def go_on_with_folds(folder: Path) -> None:
    """Keep the folds of a backtest that are missing, write it, and remove them."""
    output = folder / "backtest"
    with output_lock(output):
        store = FoldStore(folder / "backtest.folds", KEY, Progress(quiet=True))
        for number in range(2):
            if store.read(number) is None:
                store.write(number, Fold(result={"n": number}, forecasts=None, cells=None))
        with atomic_directory(output, overwrite=True) as new:
            (new / "folds").write_text("new")
            write_json(new / MANIFEST, {"kind": MODEL})
        store.remove()


def is_change(event: str, arguments: tuple) -> bool:
    """Return whether something happens to a file; ctypes exchanges two."""
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return event in CHANGES or event.startswith("ctypes.")


def run_until(step: int, work: Callable[[Path], None], folder: Path) -> None:
    """Do the work in this process, and die before a step that changes a file."""
    done = 0

    def die_in_time(event: str, arguments: tuple) -> None:
        nonlocal done
        if is_change(event, arguments):
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die_in_time)
    work(folder)


def killed(step: int, work: Callable[[Path], None], folder: Path) -> bool:
    """Do the work in another process; return whether it came to the step at which it is killed."""
    process = multiprocessing.get_context("fork").Process(
        target=run_until, args=(step, work, folder)
    )
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def content(path: Path) -> dict[str, str]:
    parts = [part for part in path.rglob("*") if part.is_file()] if path.is_dir() else [path]
    return {str(part.relative_to(path)): part.read_text() for part in parts}


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (replace_model, "model"),
        (replace_forecast, "forecast.csv"),
        (go_on_with_folds, "backtest"),
    ],
)
def test_kill_before_any_step_leaves_old_or_new_and_stops_no_later_run(
    work, name, tmp_path
) -> None:
    def start(folder: Path) -> Path:
        """Return the place of an output, where an old one is."""
        folder.mkdir()
        work(folder)
        output = folder / name
        for part in [part for part in output.rglob("*") if part.is_file()] or [output]:
            if part.name != MANIFEST:
                part.write_text("old")
        return output

    output = start(tmp_path / "old")
    old = content(output)
    work(output.parent)
    new, seen, step = content(output), set(), 1
    assert new != old
    while True:
        output = start(tmp_path / str(step))
        is_killed = killed(step, work, output.parent)
        found = content(output)
        assert found in (old, new), f"step {step}"
        seen.add("old" if found == old else "new")
        if not is_killed:
            break
        killed(step // 2, work, output.parent)  # and once more over what is left
        work(output.parent)
        assert content(output) == new, f"step {step}"
        assert os.listdir(output.parent) == [name], f"step {step}"
        step += 1
    assert seen == {"old", "new"}
    assert step > 15
