"""A model directory as bytes that another machine can open."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tsattn.backend import select_backend
from tsattn.fitted import FittedForecaster
from tsattn.model_checks import reading
from tsattn.model_directory import CALIBRATION, FORECASTER_FILES, load_fitted, write_manifest
from tsattn.onnx_file import ONNX_FILE


@dataclass(frozen=True, kw_only=True)
class PortableModel:
    """The files of a model directory that a forecast needs."""

    files: tuple[tuple[str, bytes], ...]
    runtime: str
    backend: str | None  # of Keras; None: the default

    @classmethod
    def read(cls, directory: Path, runtime: str) -> "PortableModel":
        """Read a model directory that was checked before.

        Raises:
            ModelDirectoryError: a file is missing.
        """
        paths = [directory / name for name in FORECASTER_FILES]
        paths += [
            path for path in (directory / CALIBRATION, directory / ONNX_FILE) if path.exists()
        ]
        files = []
        for path in paths:
            with reading(path):
                files.append((path.name, path.read_bytes()))
        return cls(
            files=tuple(files),
            runtime=runtime,
            backend=os.environ.get("KERAS_BACKEND"),
        )

    def open(self) -> FittedForecaster:
        """Return the forecaster; this process opens it once.

        Raises:
            As `load_fitted`.
        """
        return _opened(self)


@lru_cache(maxsize=1)
def _opened(model: PortableModel) -> FittedForecaster:
    if model.backend and (model.runtime == "keras" or ONNX_FILE not in dict(model.files)):
        select_backend(model.backend)
    with TemporaryDirectory(prefix="tsattn-model-") as name:
        folder = Path(name)
        for file, content in model.files:
            (folder / file).write_bytes(content)
        write_manifest(folder, None)
        return load_fitted(folder, runtime=model.runtime)
