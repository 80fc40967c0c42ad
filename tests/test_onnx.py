"""Forecasts from `model.onnx`: the same as those of Keras, without it, and safe to open."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import onnx
import pandas as pd
import pytest
import tf2onnx
from onnx import TensorProto, helper, numpy_helper
from synthetic import load_frame

import tsattn
from tsattn.building import build_model
from tsattn.config import STRUCTURES
from tsattn.errors import ModelDirectoryError, UsageError
from tsattn.exporting import export_fitted
from tsattn.model_directory import load_fitted, save_fitted, write_manifest
from tsattn.onnx_forecaster import OnnxForecaster
from tsattn.pipeline.evaluating import evaluate
from tsattn.pipeline.explaining import explain
from tsattn.pipeline.fitting import save
from tsattn.pipeline.predicting import predict
from tsattn.progress import Progress
from tsattn.running import run_batches

REFUSED = r"(?s)\A[^\n]*model\.onnx[^\n]*%s[^\n]*\. Restore[^\n]*\Z"


@pytest.fixture
def copy(model_directory, tmp_path):
    """Return a copy of the model to change."""
    return shutil.copytree(model_directory, tmp_path / "copy")


def reseal(directory) -> None:
    (directory / "MANIFEST.json").unlink(missing_ok=True)
    write_manifest(directory, None)


def latest() -> pd.DataFrame:
    """Return a table whose last 3 rows, the horizon, have no target."""
    frame = load_frame(283)
    frame.loc[280:, ["load", "wind"]] = np.nan
    return frame


def with_structure(fitted, structure, **options):
    """Return a forecaster of another structure, its weights drawn anew."""
    linear_path = "none" if structure.attention == "reverse-time" else "blend"
    wanted = replace(fitted.options, **structure._asdict(), **options, linear_path=linear_path)
    wanted.segment = 2 if structure.encoder == "per-feature" else None
    linear = fitted.linear
    if wanted.horizon != fitted.horizon:
        size = 3 * wanted.lookback + wanted.horizon + linear.num_calendar_features + 1
        weights = np.zeros((1, size, wanted.horizon), "float32")
        linear = replace(linear, inputs="all", weights=weights)
    scaler = replace(fitted.scaler, drifting=("load",))
    model = build_model(wanted, fitted.schema, scaler, linear)
    generator = np.random.default_rng(7)
    model.set_weights(
        [
            (array + generator.normal(0, 0.1, array.shape)).astype(array.dtype)
            if array.dtype == np.float32 and array.shape and "linear" not in variable.path
            else array
            for variable, array in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return replace(fitted, options=wanted, linear=linear, scaler=scaler, model=model)


@pytest.mark.slow
@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: "-".join(map(str, s)))
def test_every_structure_gives_what_keras_gives(structure, result, tmp_path) -> None:
    fitted = with_structure(result.fitted, structure)
    agree(fitted, result.evaluations["val"].windows, tmp_path)


@pytest.mark.slow
def test_decoder_of_a_long_horizon_gives_what_keras_gives(result, tmp_path) -> None:
    structure = next(s for s in STRUCTURES if s.decoder == "recurrent")
    fitted = with_structure(result.fitted, structure, horizon=173)
    fitted = replace(fitted, calibration=None)  # of another horizon
    windows = result.evaluations["test"].windows
    origins = np.array([11, 13, 17, 100, 134])
    agree(fitted, replace(windows, horizon=173, origins=origins), tmp_path)


def agree(fitted, windows, directory) -> None:
    """Export a forecaster; compare all its outputs with Keras, for several windows and for one."""
    save_fitted(directory, fitted)
    assert export_fitted(directory, fitted, windows) is None
    write_manifest(directory, None)
    loaded = load_fitted(directory, runtime="onnx")
    assert isinstance(loaded.model, OnnxForecaster)
    np.testing.assert_array_equal(loaded.linear_shares, fitted.linear_shares)
    (_, batch, expected), *_ = run_batches(fitted.model, windows)
    attention = fitted.options.attention
    names = {"forecast"} | ({"attention_scores"} if attention != "none" else set())
    assert set(expected) == names | ({"future_scores"} if attention == "bottleneck" else set())
    assert expected["forecast"].std() > 1e-3
    inputs = {"inputs": batch.inputs, "future_inputs": batch.future_inputs}
    alone = loaded.model.predict_on_batch({name: array[2:3] for name, array in inputs.items()})
    for name, values in loaded.model.predict_on_batch(inputs).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
        np.testing.assert_allclose(alone[name], expected[name][2:3], atol=1e-5)


def test_fit_saves_a_network_that_predict_runs(model_directory) -> None:
    forecasts = [predict(model_directory, latest(), runtime=name) for name in ("onnx", "keras")]
    spread = load_frame()["load"].std()
    np.testing.assert_allclose(forecasts[0].forecast, forecasts[1].forecast, atol=1e-4 * spread)
    again = predict(model_directory, latest())
    assert again.to_csv() == forecasts[0].to_csv()
    assert isinstance(tsattn.load(model_directory).fitted_.model, OnnxForecaster)
    assert isinstance(tsattn.load(model_directory, runtime="keras").fitted_.model, keras.Model)


def test_explain_and_evaluate_give_what_keras_gives(model_directory) -> None:
    first, second = (explain(model_directory, load_frame(), runtime=r) for r in ("onnx", "keras"))
    pd.testing.assert_frame_equal(first, second, rtol=1e-4, check_dtype=False)
    mse = [
        evaluate(model_directory, load_frame(), runtime=name).evaluation.scores["model"]
        for name in ("onnx", "keras")
    ]
    assert mse[0]["scaled"].mse == pytest.approx(mse[1]["scaled"].mse, rel=1e-5)


def test_unknown_runtime_is_refused(model_directory) -> None:
    with pytest.raises(UsageError, match=r"'torch'\. Use onnx, keras"):
        predict(model_directory, latest(), runtime="torch")


WITHOUT = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
BLOCKED = {"tensorflow", "keras", "jax", "torch", "tf2onnx", "onnx", "h5py"}
BLOCKED |= {"matplotlib", "sklearn", "scipy", "rich"}
sys.meta_path.insert(0, Blocker())
from tsattn.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
finally:
    assert not BLOCKED & set(sys.modules), BLOCKED & set(sys.modules)
"""


def without_keras(*arguments: object):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("predict", []),
        ("predict", ["--explain", "3"]),
        ("evaluate", []),
        ("explain", []),
        ("explain", ["--by", "hour"]),
        ("explain", ["--window", "2021-03-05"]),
        ("explain", ["--against", "val"]),
    ],
)
def test_commands_need_neither_keras_nor_tensorflow(
    command, options, model_directory, tmp_path
) -> None:
    data = tmp_path / "latest.csv"
    (latest() if command == "predict" else load_frame()).to_csv(data, index=False)
    given = [model_directory, data] if command != "explain" else [model_directory, "--data", data]
    done = without_keras(command, *given, *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) >= 4


def test_keras_is_asked_for_where_it_is_missing(model_directory, tmp_path) -> None:
    latest().to_csv(tmp_path / "latest.csv", index=False)
    done = without_keras("predict", model_directory, tmp_path / "latest.csv", "--runtime", "keras")
    assert "Received: No module named 'keras'" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error: ")]) == 1


def test_model_without_onnx_is_run_by_keras_with_a_note(copy, capsys) -> None:
    expected = predict(copy, latest())
    (copy / "model.onnx").unlink()
    reseal(copy)
    forecast = predict(copy, latest(), progress=Progress(quiet=False))
    assert "copy: there is no model.onnx; Keras was loaded" in capsys.readouterr().err
    np.testing.assert_allclose(forecast.forecast, expected.forecast, rtol=1e-5)


def test_onnx_that_the_manifest_does_not_list_is_not_read(copy) -> None:
    (copy / "model.onnx").unlink()
    reseal(copy)
    (copy / "model.onnx").write_bytes(b"anything")
    assert isinstance(load_fitted(copy, runtime="onnx").model, keras.Model)


def test_network_that_cannot_be_exported_is_saved_without(
    result, monkeypatch, tmp_path, capsys
) -> None:
    def fail(network, shapes, output_path) -> None:
        output_path.write_bytes(b"half")
        raise RuntimeError("an operation\nis unknown")

    monkeypatch.setattr(tf2onnx.convert, "from_function", fail)
    save(result, tmp_path / "model", progress=Progress(quiet=False))
    note = "model.onnx was left out, so that forecasts will load Keras: an operation is unknown\n"
    assert capsys.readouterr().err == note
    assert not (tmp_path / "model" / "model.onnx").exists()
    assert len(predict(tmp_path / "model", latest())) == 3


def changed(path, change) -> None:
    """Apply a function to the network in a file."""
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())


def scale_weights(model) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2:
            values = 1.01 * numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values.astype("float32"), tensor.name))


def test_network_that_differs_from_keras_is_not_kept(
    result, copy, monkeypatch, tmp_path, capsys
) -> None:
    changed(copy / "model.onnx", scale_weights)

    def export(network, shapes, output_path) -> None:
        shutil.copy(copy / "model.onnx", output_path)

    monkeypatch.setattr(tf2onnx.convert, "from_function", export)
    save(result, tmp_path / "model", progress=Progress(quiet=False))
    assert "differs from that of Keras by up to" in capsys.readouterr().err
    assert not (tmp_path / "model" / "model.onnx").exists()


def refer_outside(model) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "/etc/passwd"), ("offset", "0"), ("length", "4")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def refer_outside_by_a_long_key(model) -> None:
    refer_outside(model)
    model.graph.initializer[0].external_data[0].key = "xlocationx"


def break_weights(model) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2:
            values = np.full(tuple(tensor.dims), np.nan, "float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def rename_output(model) -> None:
    last = next(value for value in model.graph.output if value.name == "forecast")
    model.graph.node.append(helper.make_node("Identity", ["forecast"], ["other"]))
    last.name = "other"


def drop_scores(model) -> None:
    outputs = model.graph.output
    outputs.remove(next(value for value in outputs if value.name == "attention_scores"))


def swap_outputs(model) -> None:
    names = {"forecast": "attention_scores", "attention_scores": "forecast"}
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]


def fix_batch(model) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def other_input(model) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5


def more_input(model) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [None, 2]))


def foreign_operation(model) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.node[0].domain = "com.example"


def runtime_operation(model) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node[0].domain = "com.microsoft"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (refer_outside, "data outside of it"),
        (refer_outside_by_a_long_key, "data outside of it"),
        (break_weights, "not numbers"),
        (rename_output, "its outputs are"),
        (drop_scores, "attention_scores are not as they say"),
        (swap_outputs, "another shape"),
        (fix_batch, "another shape"),
        (other_input, "(another shape|cannot be read)"),
        (more_input, "its inputs are"),
        (foreign_operation, "cannot be read"),
        (runtime_operation, "operations that are not ONNX"),
    ],
)
def test_network_that_was_changed_is_refused(change, reason, copy, capfd) -> None:
    changed(copy / "model.onnx", change)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match=REFUSED % reason) as caught:
        load_fitted(copy, runtime="onnx")
    assert len(str(caught.value)) < 1500
    assert capfd.readouterr().err == ""
    assert isinstance(load_fitted(copy).model, keras.Model)


@pytest.mark.parametrize(
    "content",
    [b"", b"no network", bytes(100_000), b"\x18\0\0\0ORTM" + bytes(100_000), bytes(20 << 20)],
    ids=["empty", "text", "zeros", "another format", "large"],
)
def test_file_that_is_no_network_is_refused(content, copy) -> None:
    (copy / "model.onnx").write_bytes(content)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match=REFUSED % ""):
        predict(copy, latest())


def test_network_of_another_config_is_refused(copy) -> None:
    content = json.loads((copy / "config.json").read_text())
    content["options"]["units"] = 2_000_000
    (copy / "config.json").write_text(json.dumps(content))
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match=REFUSED % "too small"):
        load_fitted(copy, runtime="onnx")


@pytest.mark.parametrize("shares", [None, [0.5, 0.5], [1.5], [float("nan")], ["a"], [-1.0]])
def test_wrong_shares_of_the_linear_path_are_refused(shares, copy) -> None:
    with np.load(copy / "linear.npz") as arrays:
        content = {name: array for name, array in arrays.items() if name != "shares"}
    if shares is not None:
        content["shares"] = np.array(shares)
    np.savez_compressed(copy / "linear.npz", **content)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match=r"linear\.npz.*Restore"):
        load_fitted(copy, runtime="onnx")
