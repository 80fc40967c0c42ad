"""Imports point one way, and the front door is what it says."""

import ast
import importlib
from pathlib import Path

import pytest

import tsattn

ROOT = Path(tsattn.__file__).parent
# Each layer with the layers it may import from; a module of `tsattn` belongs to the first match.
LAYERS = {
    "errors": (),
    "segments": (),
    "tensor_names": (),
    "onnx_forecaster": (),
    "config": ("errors",),
    "option_types": ("config", "errors"),
    "option_checks": ("config", "errors", "option_types"),
    "backend": ("config",),
    "outputs": ("errors",),
    "durations": ("errors",),
    "engines": ("config",),
    "locks": ("errors",),
    "run_log": ("errors",),
    "data": ("errors", "config", "option_checks"),
    "progress": ("epochs",),
    "memory": ("errors",),
    "metrics": (),
    "intervals": (),
    "coverage": (),
    "following": ("intervals",),
    "profiles": ("segments",),
    "horizon_profiles": ("profiles",),
    "rankings": ("profiles",),
    "cells": ("profiles", "rankings"),
    "faithfulness": (),
    "verdicts": (),
    "backtests": ("config",),
    "baselines": ("data",),
    "linear_moments": ("baselines", "data"),
    "needless_features": ("linear_moments",),
    "ridge_regression": ("linear_moments",),
    "sparse_fitting": ("baselines", "data", "linear_moments"),
    "linear_fitting": (
        "baselines", "data", "linear_moments", "needless_features", "ridge_regression",
        "sparse_fitting",
    ),
    "linear_profiles": ("baselines", "data", "profiles"),
    "forecasts": ("config", "data"),
    "forecast_files": ("data", "forecasts", "outputs"),
    "json_files": (),
    "layers": (),
    "losses": ("layers",),
    "models": ("layers", "segments", "tensor_names"),
    "building": ("baselines", "config", "data", "models", "option_checks"),
    "schedules": ("layers",),
    "running": ("backend", "data", "layers", "models", "onnx_forecaster", "tensor_names"),
    "checkpoints": ("errors", "json_files", "outputs"),
    "interruptions": (),
    "training_batches": ("data", "models", "running"),
    "blending": ("data", "forecasts", "linear_fitting", "models", "running", "tensor_names"),
    "validation_loss": ("data", "running", "tensor_names"),
    "gate_signals": ("data", "models", "profiles", "running"),
    "gate_closing": ("data", "gate_signals", "layers", "models", "validation_loss"),
    "optimizers": ("backend", "models"),
    "epochs": ("data", "errors", "models", "training_batches", "validation_loss"),
    "training": (
        "checkpoints", "data", "epochs", "errors", "gate_closing", "interruptions", "losses",
        "models", "optimizers", "running", "schedules", "training_batches",
    ),
    "attention_sums": ("data", "fitted", "profiles", "running", "tensor_names"),
    "window_groups": ("config", "data", "errors"),
    "profile_distance": ("profiles", "rankings"),
    "window_reasons": (
        "attention_sums", "cells", "config", "data", "errors", "fitted", "linear_profiles",
        "profile_frames", "profiles", "rankings", "tensor_names",
    ),
    "evaluation": (
        "attention_sums", "coverage", "data", "fitted", "following", "forecasts", "intervals",
        "metrics", "profiles", "rankings", "running", "tensor_names",
    ),
    "fitted": (
        "baselines", "config", "data", "intervals", "onnx_forecaster", "option_checks", "profiles",
        "segments",
    ),
    "occlusion": (
        "data", "fitted", "forecasts", "layers", "models", "running", "tensor_names",
    ),
    "controls": ("building", "fitted", "layers", "models"),
    "plots": (),
    "profile_frames": ("fitted", "linear_profiles"),
    "report": (
        "cells", "data", "evaluation", "fitted", "forecasts", "horizon_profiles", "json_files",
        "linear_profiles", "plots", "profile_frames", "profiles", "rankings",
    ),
    "model_checks": (
        "baselines", "config", "data", "errors", "intervals", "option_checks", "segments",
    ),
    "onnx_file": (
        "config", "data", "fitted", "model_checks", "onnx_forecaster", "profiles", "segments",
        "tensor_names",
    ),
    "hashing": (),
    "model_directory": (
        "backend", "baselines", "config", "data", "errors", "fitted", "hashing", "json_files",
        "model_checks", "onnx_file", "onnx_forecaster", "outputs",
    ),
    "saved_attention": ("model_checks", "model_directory"),
    "page": (
        "cells", "config", "data", "linear_profiles", "metrics", "model_directory", "profiles",
        "saved_attention", "verdicts",
    ),
    "exporting": ("backend", "data", "fitted", "layers", "onnx_file", "running"),
    "pipeline": (
        "attention_sums", "backend", "backtests", "baselines", "blending", "building", "cells",
        "checkpoints", "config", "controls", "data", "durations", "engines", "errors",
        "evaluation", "exporting", "faithfulness", "fitted", "following", "forecast_files",
        "forecasts", "gate_closing", "gate_signals", "hashing", "horizon_profiles", "intervals",
        "json_files", "linear_fitting", "losses", "memory", "metrics", "model_checks",
        "model_directory", "models", "occlusion", "onnx_file", "onnx_forecaster", "optimizers",
        "option_checks", "option_types", "outputs", "page", "plots", "profile_distance",
        "profile_frames", "profiles", "progress", "rankings", "report", "running",
        "saved_attention", "schedules", "segments", "tensor_names", "training", "verdicts",
        "window_groups", "window_reasons",
    ),
    "estimator": ("backend", "config", "pipeline"),
    "demos": ("errors", "layers", "model_directory", "outputs", "plots"),
    "cli": (
        "config", "demos", "durations", "engines", "errors", "locks", "option_checks",
        "option_types", "run_log",
    ),
}  # fmt: skip
EXTERNAL = {
    "errors": set(),
    "segments": set(),
    "config": set(),
    "option_checks": set(),
    "outputs": set(),
    "durations": set(),
    "engines": set(),
    "locks": set(),
    "run_log": set(),
    "tensor_names": set(),
    # What a forecast loads; ONNX Runtime is imported where a network is opened.
    "onnx_forecaster": {"numpy"},
    "onnx_file": {"numpy"},
    "running": {"numpy"},
    "fitted": {"numpy", "pandas"},
    "model_directory": {"numpy", "pandas"},
    "layers": {"keras"},
    "models": {"keras"},
    "optimizers": {"keras"},
    "metrics": {"numpy"},
    "intervals": {"numpy"},
    "coverage": {"numpy"},
    "following": {"numpy"},
    "faithfulness": {"numpy", "scipy", "sklearn"},
    "verdicts": set(),
    "backtests": {"pandas"},
    "data": {"numpy", "pandas", "pyarrow"},
    "cli": {"click"},
}
PRINTING = ("printing.py", "view_printing.py")  # loaded by the command bodies
STANDARD = {"__future__", "tsattn"} | set(__import__("sys").stdlib_module_names)
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, *, at_module_level: bool) -> set[str]:
    """Return the dotted names a file imports; those for type checking do not count."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if at_module_level else list(ast.walk(tree))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            is_package = node.module == "tsattn"
            names |= (
                {f"tsattn.{alias.name}" for alias in node.names} if is_package else {node.module}
            )
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    layer = layer_of(path)
    if layer == "__main__":
        return
    inside = {
        name.split(".")[1] for name in imports(path, at_module_level=True) if "tsattn." in name
    }
    if path.name in PRINTING:
        return
    assert inside - {layer} <= set(LAYERS[layer])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_external_imports_belong_to_the_layer(path: Path) -> None:
    layer = layer_of(path)
    outside = {name.split(".")[0] for name in imports(path, at_module_level=True)} - STANDARD
    if layer in EXTERNAL and path.name not in PRINTING:
        assert outside <= EXTERNAL[layer]
    everywhere = {name.split(".")[0] for name in imports(path, at_module_level=False)}
    assert not everywhere & {"pickle", "joblib", "dill", "cloudpickle"}
    assert "tensorflow" not in everywhere or layer == "exporting"
    assert not {name for name in imports(path, at_module_level=False) if "keras.src" in name}


def test_layers_have_no_cycle() -> None:
    order: list[str] = []
    waiting = dict(LAYERS)
    waiting["progress"] = ()  # names Epoch for type checking only
    while waiting:
        ready = [name for name, needs in waiting.items() if set(needs) <= set(order)]
        assert ready, f"a cycle among {sorted(waiting)}"
        order += ready
        for name in ready:
            del waiting[name]


def test_front_door_gives_every_name_it_lists() -> None:
    assert set(tsattn._HOMES) == set(tsattn.__all__)
    assert sorted(tsattn.__all__) == tsattn.__all__
    for name in tsattn.__all__:
        home = importlib.import_module(f"tsattn.{tsattn._HOMES[name]}")
        assert getattr(tsattn, name) is getattr(home, name)
        assert not (ROOT / f"{name}.py").exists()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tsattn.nothing  # noqa: B018


def test_modules_are_short() -> None:
    longest = {path.name: len(path.read_text().splitlines()) for path in FILES}
    assert {name: lines for name, lines in longest.items() if lines > 300} == {}
