"""A fit in a process of its own, so that its memory can be told; here or on a Dask worker."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tsattn.config import FitOptions
from tsattn.errors import SOME_SKIPPED, TsattnError, error_with
from tsattn.json_files import write_json
from tsattn.model_directory import write_manifest
from tsattn.outputs import MANIFEST
from tsattn.page import write_page


def fit_apart(data: Path, options: FitOptions, model: Path) -> dict[str, Any]:
    """Fit a model in a process of its own.

    Returns:
        Its metrics, with `seconds`, `megabytes` (None where the system does not tell) and
        `skipped`: why series of a panel were left out.

    Raises:
        TsattnError: what the fit ended with.
    """
    model.parent.mkdir(exist_ok=True)
    given = {name: value for name, value in asdict(options).items() if value not in (None, ())}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "options.json"
        config.write_text(json.dumps(given), "utf-8")
        command = [sys.executable, "-m", "tsattn.pipeline.leashed", "fit", str(data)]
        messages = Path(folder) / "messages"
        started = time.perf_counter()
        with (
            messages.open("wb") as stream,
            subprocess.Popen(
                [*command, "--config", str(config), "-o", str(model), "--quiet"],
                stdin=subprocess.PIPE,  # which stays open as long as this process lives
                stdout=subprocess.DEVNULL,
                stderr=stream,
            ) as process,
        ):
            try:
                code, megabytes = _wait(process)
            except BaseException:
                process.kill()
                process.wait()
                raise
        said = messages.read_text("utf-8", errors="replace")
        if code not in (0, SOME_SKIPPED):
            raise _failure(code, said)
    metrics: dict[str, Any] = json.loads((model / "metrics.json").read_text("utf-8"))
    return {
        **metrics,
        "seconds": time.perf_counter() - started,
        "megabytes": megabytes,
        "skipped": [line for line in said.splitlines() if line.startswith("Skipped: ")],
    }


def _wait(process: "subprocess.Popen[bytes]") -> tuple[int, float | None]:
    """Wait for a process; return its exit code and, where the system tells, its peak memory."""
    if not hasattr(os, "wait4"):
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return process.returncode, usage.ru_maxrss / unit


def _failure(code: int, messages: str) -> TsattnError:
    """Return the error that a fit ended with."""
    lines = [line for line in messages.splitlines() if line.startswith("Error: ")]
    text = lines[-1].removeprefix("Error: ") if lines else messages.strip()[-500:]
    return error_with(code, text or f"A fit ended with exit code {code}.")


Files = Sequence[tuple[str, bytes]]


def pack(path: Path) -> Files:
    """Return the contents of a file, or of all files of a folder, by their names in it."""
    paths = sorted(path.rglob("*")) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    return tuple(
        (each.relative_to(root).as_posix(), each.read_bytes()) for each in paths if each.is_file()
    )


def unpack(files: Files, folder: Path) -> None:
    """Write files into a folder."""
    for name, content in files:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


@dataclass(frozen=True, kw_only=True)
class FittedFiles:
    """A model that was fitted elsewhere."""

    metrics: dict[str, Any]  # see `fit_apart`
    files: Files

    def write(self, model: Path, data: Path) -> None:
        """Write the model directory as that of a fit to data that lies here."""
        unpack(self.files, model)
        config = json.loads((model / "config.json").read_text("utf-8"))
        config["data"]["path"] = str(data)
        write_json(model / "config.json", config)
        write_page(model)
        (model / MANIFEST).unlink()  # or it would hold its own hash
        write_manifest(model, config["data"]["sha256"])


@dataclass(frozen=True, kw_only=True)
class FitTask:
    """A fit with the data that it needs, for a worker that shares no folder with this process."""

    data: str
    is_folder: bool
    files: Files
    options: FitOptions

    @classmethod
    def of(cls, data: Path, files: Files, options: FitOptions) -> "FitTask":
        """Return the task, on the backend that this process would use."""
        backend = options.backend or os.environ.get("KERAS_BACKEND")
        return cls(
            data=str(data),
            is_folder=data.is_dir(),
            files=files,
            options=replace(options, backend=backend),
        )

    def run(self) -> FittedFiles:
        """Fit the model.

        Raises:
            TsattnError: what the fit ended with.
        """
        with tempfile.TemporaryDirectory(prefix="tsattn-fit-") as name:
            folder = Path(name)
            place = folder / "data" / Path(self.data).name
            unpack(self.files, place if self.is_folder else place.parent)
            try:
                metrics = fit_apart(place, self.options, folder / "models" / "model")
            except TsattnError as error:
                raise type(error)(str(error).replace(str(place), self.data)) from None
            return FittedFiles(metrics=metrics, files=pack(folder / "models" / "model"))
