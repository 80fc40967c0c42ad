"""The model directory: written whole, checked when read."""

import contextlib
import importlib.metadata
import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tsattn.backend import start_keras
from tsattn.baselines import LinearBaseline
from tsattn.config import RUNTIMES, FitOptions, require
from tsattn.data.scaling import Scaler
from tsattn.data.schema import Schema
from tsattn.errors import ModelDirectoryError, UsageError
from tsattn.fitted import FittedForecaster
from tsattn.hashing import file_hashes, file_sha256
from tsattn.json_files import write_json
from tsattn.model_checks import (
    altered,
    check_linear_path,
    check_network_size,
    checked_calibration,
    checked_data,
    checked_linear,
    checked_linear_shares,
    checked_options,
    checked_scaler,
    checked_schema,
    reading,
)
from tsattn.onnx_file import ONNX_FILE, check_onnx_outputs, read_onnx
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.outputs import MANIFEST, MODEL, atomic_directory

FORMAT_VERSION = 2  # from 2 on, series of a panel have scales of their own
CALIBRATION = "calibration.json"  # of a model with intervals
_PACKAGES = (
    "tsattn", "keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn", "onnx",
    "onnxruntime", "tf2onnx",
)  # fmt: skip
FORECASTER_FILES = ("model.keras", "config.json", "schema.json", "scaler.json", "linear.npz")


def save_fitted(directory: Path, fitted: FittedForecaster) -> None:
    """Write the model, and what is needed to use it, into an existing folder."""
    from tsattn.building import build_model

    # A model that was set up for running would take its optimizer along.
    plain = build_model(fitted.options, fitted.schema, fitted.scaler, fitted.linear)
    plain.set_weights(fitted.network.get_weights())
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
    if fitted.calibration:
        write_json(directory / CALIBRATION, fitted.calibration.to_json())
    np.savez_compressed(
        directory / "linear.npz",
        inputs=np.array(fitted.linear.inputs),
        weights=fitted.linear.weights,
        num_calendar_features=np.array(fitted.linear.num_calendar_features),
        shares=fitted.linear_shares,
    )


def write_manifest(directory: Path, data_sha256: str | None, *, kind: str = MODEL) -> None:
    """Write kind, format, package versions and the hash of every file; the last file to write."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    content = {
        "kind": kind,
        "format_version": FORMAT_VERSION,
        "packages": versions,
        "data_sha256": data_sha256,
        "files": file_hashes(directory),
    }
    write_json(directory / MANIFEST, content)


def check_directory(directory: Path) -> frozenset[str]:
    """Check that a folder is a model directory of a known format, unaltered; return its files.

    Raises:
        ModelDirectoryError: it is missing, newer than this package, or a file was changed.
    """
    manifest = read_json(directory / MANIFEST)
    kind, version = manifest.get("kind", MODEL), manifest.get("format_version")
    if kind != MODEL:
        raise ModelDirectoryError(
            f"A model must be a directory written by `tsattn fit`. Received: {directory} of kind "
            f"{kind!r:.50}. Check the path, or fit the model again."
        )
    # True would be an integer too.
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise ModelDirectoryError(
            f"A model directory must have format {FORMAT_VERSION} or older. Received: {directory} "
            f"with format {version!r:.50}. Upgrade tsattn to read it."
        )
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise altered(directory / MANIFEST, "it lists no files")
    for name in FORECASTER_FILES:
        if name not in files:
            raise altered(directory / MANIFEST, f"it does not list {name}")
    for name, digest in files.items():
        with reading(directory / MANIFEST):
            _check_file(directory, name, digest)
    return frozenset(files)


def _check_file(directory: Path, name: str, digest: object) -> None:
    path = directory / name
    if not path.resolve().is_relative_to(directory.resolve()):
        raise altered(path, "it lies outside the directory")
    if not path.is_file():
        raise altered(path, "it is missing")
    if file_sha256(path) != digest:
        raise altered(path, "its content has changed since it was written")


def load_fitted(directory: str | Path, *, runtime: str = "keras") -> FittedForecaster:
    """Load a model directory, after checking it.

    Nothing in the directory can name code to run, or files to read.

    Args:
        directory: The model directory.
        runtime: `"keras"`: the network is built from `config.json`, and only its weights are read
            from `model.keras`. `"onnx"`: it is `model.onnx`, and Keras is not loaded; a directory
            without that file is loaded as with `"keras"`.

    Raises:
        UsageError: the runtime is unknown, or needs Keras where it is not installed.
        ModelDirectoryError: it is missing, altered, or of another format.
    """
    require(runtime in RUNTIMES, "`runtime` must be known.", repr(runtime), "Use onnx, keras.")
    directory = Path(directory)
    while True:
        read = _manifest_text(directory)
        try:
            fitted = _load(directory, runtime)
        except ModelDirectoryError:
            if _manifest_text(directory) == read:
                raise
            continue
        if _manifest_text(directory) == read:  # else another run has put a new model in its place
            return fitted


def _manifest_text(directory: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return (directory / MANIFEST).read_bytes()
    return None


def _load(directory: Path, runtime: str) -> FittedForecaster:
    files = check_directory(directory)
    options = read_options(directory)
    schema = read_schema(directory)
    with reading(directory / "config.json"):
        data_path, data_sha256, seen_until = checked_data(
            read_json(directory / "config.json"), schema
        )
    with reading(directory / "scaler.json"):
        scaler, naive_mae = checked_scaler(read_json(directory / "scaler.json"), schema)
    with reading(directory / "linear.npz"):
        linear = checked_linear(directory / "linear.npz", options, schema)
    calibration = None
    if CALIBRATION in files:
        with reading(directory / CALIBRATION):
            content = read_json(directory / CALIBRATION)
            calibration = checked_calibration(content, options, schema)
    if runtime == "onnx" and ONNX_FILE in files:
        with reading(directory / "linear.npz"):
            shares = checked_linear_shares(directory / "linear.npz", options, schema)
        with reading(directory / ONNX_FILE):
            model = read_onnx(directory, options, schema, shares)
    else:
        model = _read_keras(directory, options, schema, scaler, linear)
    fitted = FittedForecaster(
        options=options,
        schema=schema,
        scaler=scaler,
        model=model,
        linear=linear,
        naive_mae=naive_mae,
        seen_until=seen_until,
        calibration=calibration,
        data_path=data_path,
        data_sha256=data_sha256,
    )
    if isinstance(model, OnnxForecaster):
        with reading(directory / ONNX_FILE):
            check_onnx_outputs(fitted)
    return fitted


def _read_keras(
    directory: Path, options: FitOptions, schema: Schema, scaler: Scaler, linear: LinearBaseline
) -> Any:
    """Return the Keras model of a directory."""
    try:
        start_keras()
    except ModuleNotFoundError as error:
        raise UsageError(
            "Without model.onnx, or with runtime keras, a model needs Keras and its backend. "
            f"Received: {error} for {directory}. Install them, or use a directory with model.onnx."
        ) from None
    from tsattn.building import build_model

    weights = directory / "model.keras"
    with reading(weights), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        check_network_size(weights, options, schema)
        check_linear_path(weights, options)
        model = build_model(options, schema, scaler, linear)
        model.load_weights(weights)
    if not all(np.isfinite(array).all() for array in model.get_weights()):
        raise altered(weights, "its weights are not finite numbers")
    return model


def read_options(directory: Path) -> FitOptions:
    """Return the options of a model directory; raise a ModelDirectoryError if that fails."""
    path = directory / "config.json"
    with reading(path):
        return checked_options(read_json(path))


def read_schema(directory: Path) -> Schema:
    """Return the schema of a model directory; raise a ModelDirectoryError if that fails."""
    path = directory / "schema.json"
    with reading(path):
        return checked_schema(read_json(path))


@contextmanager
def changing(directory: Path) -> Iterator[Path]:
    """Give a copy of a model directory to change, which then takes its place.

    Files that others have put there stay, and stay out of the manifest.
    """
    manifest = read_json(directory / MANIFEST)
    foreign = file_hashes(directory).keys() - {*manifest["files"], MANIFEST}
    with atomic_directory(directory, overwrite=True, is_kept=True) as new:
        shutil.copytree(directory, new, dirs_exist_ok=True)
        (new / MANIFEST).unlink()
        yield new
        hashes = {name: text for name, text in file_hashes(new).items() if name not in foreign}
        write_json(new / MANIFEST, {**manifest, "files": hashes})


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a model directory; raise a ModelDirectoryError if that fails."""
    with reading(path):
        try:
            content = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise ModelDirectoryError(
                f"A model must be a directory written by `tsattn fit`. Received: {path.parent}, "
                f"which has no {path.name}. Check the path, or fit the model again."
            ) from None
        except NotADirectoryError:
            raise ModelDirectoryError(
                f"A model must be a directory written by `tsattn fit`. Received: {path.parent}, "
                "a file. Name the model first, then the data."
            ) from None
    if not isinstance(content, dict):
        raise altered(path, "it is not a JSON object")
    return content
