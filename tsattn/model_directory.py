"""The model directory: written whole, checked when read."""

import hashlib
import importlib.metadata
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tsattn.baselines import LinearBaseline
from tsattn.config import FitOptions, option_names
from tsattn.data.scaling import Scaler
from tsattn.data.schema import Schema
from tsattn.errors import ModelDirectoryError
from tsattn.fitted import FittedForecaster, build_model
from tsattn.outputs import MANIFEST
from tsattn.report import write_json

FORMAT_VERSION = 1
_PACKAGES = ("tsattn", "keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn")
_CHUNK = 1 << 20


def save_fitted(directory: Path, fitted: FittedForecaster) -> None:
    """Write the model, and what is needed to use it, into an existing folder."""
    # A model that was set up for running would take its optimizer along.
    plain = build_model(fitted.options, fitted.schema)
    plain.set_weights(fitted.model.get_weights())
    plain.save(directory / "model.keras")
    options = {name: value for name, value in asdict(fitted.options).items() if value is not None}
    data = {
        "path": fitted.data_path,
        "sha256": fitted.data_sha256,
        "seen_until": fitted.seen_until,
    }
    write_json(directory / "config.json", {"options": options, "data": data})
    write_json(directory / "schema.json", fitted.schema.to_json())
    naive_mae = [float(value) if np.isfinite(value) else None for value in fitted.naive_mae]
    scaler = {**fitted.scaler.to_json(), "seasonal_naive_mae": naive_mae}
    write_json(directory / "scaler.json", scaler)
    np.savez_compressed(
        directory / "linear.npz",
        inputs=np.array(fitted.linear.inputs),
        strength=np.array(fitted.linear.strength),
        weights=fitted.linear.weights,
        num_calendar_features=np.array(fitted.linear.num_calendar_features),
    )


def write_manifest(directory: Path, data_sha256: str | None) -> None:
    """Write the format, the package versions and the hash of every file; the last file to write."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    files = {
        path.relative_to(directory).as_posix(): file_sha256(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    content = {
        "format_version": FORMAT_VERSION,
        "packages": versions,
        "data_sha256": data_sha256,
        "files": files,
    }
    write_json(directory / MANIFEST, content)


def check_directory(directory: Path) -> None:
    """Check that a folder is a model directory of a known format, unaltered.

    Raises:
        ModelDirectoryError: it is missing, newer than this package, or a file was changed.
    """
    manifest = read_json(directory / MANIFEST)
    version = manifest.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelDirectoryError(
            f"A model directory must have format {FORMAT_VERSION} or older. Received: {directory} "
            f"with format {version!r}. Upgrade tsattn to read it."
        )
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise _altered(directory / MANIFEST, "it lists no files")
    for name, digest in files.items():
        path = directory / name
        if not path.resolve().is_relative_to(directory.resolve()):
            raise _altered(path, "it lies outside the directory")
        if not path.is_file():
            raise _altered(path, "it is missing")
        if file_sha256(path) != digest:
            raise _altered(path, "its content has changed since it was written")


def load_fitted(directory: str | Path) -> FittedForecaster:
    """Load a model directory, after checking it.

    The network is built from `config.json` and only its weights are read from `model.keras`, so
    that nothing in the directory can name code to run.

    Raises:
        ModelDirectoryError: it is missing, altered, or of another format.
    """
    directory = Path(directory)
    check_directory(directory)
    config = read_json(directory / "config.json")
    content = read_json(directory / "scaler.json")
    try:
        known = set(option_names())
        options = FitOptions(**{k: v for k, v in config["options"].items() if k in known})
        schema = Schema.from_json(read_json(directory / "schema.json"))
        naive_mae = np.array(content["seasonal_naive_mae"], dtype=np.float64)
        model = build_model(options, schema)
        model.load_weights(directory / "model.keras")
        with np.load(directory / "linear.npz") as arrays:
            linear = LinearBaseline(
                inputs=str(arrays["inputs"]),
                strength=float(arrays["strength"]),
                weights=arrays["weights"],
                num_calendar_features=int(arrays["num_calendar_features"]),
            )
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise _altered(directory, f"it cannot be read ({error})") from None
    return FittedForecaster(
        options=options,
        schema=schema,
        scaler=Scaler.from_json(content),
        model=model,
        linear=linear,
        naive_mae=naive_mae,
        seen_until=config["data"]["seen_until"],
        data_path=config["data"]["path"],
        data_sha256=config["data"]["sha256"],
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a model directory; raise a ModelDirectoryError if that fails."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelDirectoryError(
            f"A model must be a directory written by `tsattn fit`. Received: {path.parent}, which "
            f"has no {path.name}. Check the path, or fit the model again."
        ) from None
    except (OSError, ValueError) as error:
        raise _altered(path, f"it cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise _altered(path, "it is not a JSON object")
    return content


def _altered(path: Path, what: str) -> ModelDirectoryError:
    return ModelDirectoryError(
        f"A model directory must be as it was written. Received: {path}: {what}. "
        "Restore the directory from a copy, or fit the model again."
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder one after another."""
    digest = hashlib.sha256()
    paths = sorted(path.rglob("*")) if path.is_dir() else [path]
    for part in paths:
        if part.is_file():
            with part.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()
