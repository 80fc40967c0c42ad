"""The finished folds of a backtest, kept so that it can go on after an interruption."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tsattn.errors import ModelDirectoryError, OutputError, UsageError
from tsattn.fitted import FittedForecaster
from tsattn.json_files import write_json
from tsattn.model_directory import load_fitted, save_fitted, write_manifest
from tsattn.outputs import FOLD, atomic_directory, remove_folder, remove_leftovers
from tsattn.progress import Progress

_KEY = "backtest.json"
_RESULT, _FORECASTS, _CELLS = "result.json", "forecasts.parquet", "cells.parquet"


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What was found in a fold."""

    result: dict[str, Any]  # metrics and times, JSON-ready
    forecasts: pd.DataFrame | None  # None without windows
    cells: pd.DataFrame | None  # feature, role, lag_first, mass of the profile; None without


class FoldStore:
    """A working folder that belongs to one key: the options and the data of a backtest.

    Each fold, and each model that later folds use too, is a folder of its own in it, whole or
    absent. A folder of another key is emptied first.
    """

    def __init__(self, folder: Path, key: dict[str, Any], progress: Progress) -> None:
        self.folder = folder
        key = dict(json.loads(json.dumps(key)))  # tuples become lists, as they are read
        found = self._found_key()
        if found is not None and found != key:
            progress.note(
                f"{folder}: the folds of another backtest; its options or data were others, so "
                "that this one starts afresh"
            )
            self.remove()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
            if found != key:  # killed while it is written, it would lose the folds
                write_json(folder / _KEY, key)
        except OSError as error:
            raise OutputError(
                f"The output must be writable. Received: {folder} ({error.strerror or error}). "
                "Free space or permissions, or name another output."
            ) from error

    def _found_key(self) -> Any:
        """Return the key of the folder there is; None without one, {} for a key that is broken."""
        path = self.folder / _KEY
        is_there = self.folder.is_symlink() or self.folder.exists()
        if not is_there or (self.folder.is_dir() and not any(self.folder.iterdir())):
            return None
        if not path.is_file():
            raise UsageError(
                "The finished folds of a backtest need a folder of their own. Received: "
                f"{self.folder}, which is something else. Name another output."
            )
        try:
            return json.loads(path.read_text("utf-8"))
        except (ValueError, RecursionError):
            return {}

    def read(self, number: int) -> Fold | None:
        """Return a finished fold; None if it is not there, or not as it was written."""
        folder = self.folder / f"fold-{number + 1:04d}"
        try:
            result = json.loads((folder / _RESULT).read_text("utf-8"))
            tables = [
                pd.read_parquet(folder / name) if (folder / name).exists() else None
                for name in (_FORECASTS, _CELLS)
            ]
        except (OSError, ValueError):  # of pyarrow too
            return None
        return Fold(result=result, forecasts=tables[0], cells=tables[1])

    def write(self, number: int, fold: Fold) -> None:
        """Keep a finished fold."""
        path = self.folder / f"fold-{number + 1:04d}"
        with atomic_directory(path, overwrite=True, kind=FOLD) as folder:
            write_json(folder / _RESULT, fold.result)
            for name, table in ((_FORECASTS, fold.forecasts), (_CELLS, fold.cells)):
                if table is not None:
                    table.to_parquet(folder / name, index=False)
            write_manifest(folder, None, kind=FOLD)

    def read_model(self, number: int) -> FittedForecaster | None:
        """Return the model that was fitted in a fold; None if it is not there, or altered."""
        try:
            return load_fitted(self.folder / f"model-{number + 1:04d}")
        except ModelDirectoryError:
            return None

    def write_model(self, number: int, fitted: FittedForecaster) -> None:
        """Keep a model that later folds use too."""
        with atomic_directory(self.folder / f"model-{number + 1:04d}", overwrite=True) as folder:
            save_fitted(folder, fitted)
            write_manifest(folder, fitted.data_sha256)

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        remove_folder(self.folder)
