"""A model directory that someone altered, manifest and all, is refused and never harms."""

import json
import shutil
import time
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from synthetic import SMALL, load_frame

from tsattn import FitOptions
from tsattn import model_directory as model_directory_module
from tsattn.errors import ModelDirectoryError, UsageError
from tsattn.model_directory import changing, load_fitted, save_fitted, write_manifest
from tsattn.outputs import check_output
from tsattn.page import build_page
from tsattn.pipeline.explaining import explain, saved_explanation, saved_profile
from tsattn.pipeline.fitting import fit, save
from tsattn.pipeline.predicting import predict
from tsattn.profiles import attention_rows
from tsattn.saved_attention import read_profile

REFUSED = r"(?s)\A[^\n]*Received: [^\n]*\. (Restore|Check|Upgrade)[^\n]*\Z"
DEEP = "[" * 200_000


@pytest.fixture
def copy(model_directory, tmp_path):
    """Return a copy of the model to change."""
    return shutil.copytree(model_directory, tmp_path / "copy")


def reseal(directory) -> None:
    (directory / "MANIFEST.json").unlink()
    write_manifest(directory, None)


def set_in(path, keys, value) -> None:
    """Set a value deep in a JSON file, or take it out if it is `...`."""
    content = json.loads(path.read_text())
    part = content
    for key in keys[:-1]:
        part = part[key]
    if value is ...:
        del part[keys[-1]]
    else:
        part[keys[-1]] = value
    path.write_text(json.dumps(content))


def refuse(directory) -> None:
    start = time.monotonic()
    with pytest.raises(ModelDirectoryError, match=REFUSED) as caught:
        load_fitted(directory)
    assert time.monotonic() - start < 5
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("file", "keys", "value"),
    [
        ("config", ["options"], []),
        ("config", ["options"], ...),
        ("config", ["data"], ...),
        ("config", ["data"], 5),
        *(("config", ["options", name], value) for name, value in [
            ("attention", "foo"), ("attention", []), ("attention", ...), ("attention", None),
            ("attention", "reverse-time"), ("decoder", "recurrent"), ("decoder", "foo"),
            ("decoder", None), ("decoder", []), ("placement", "foo"), ("placement", ...),
            ("loss", "foo"), ("cell", {}), ("normalization", None), ("calendar", 5), ("split", 5),
            ("units", 2_000_000), ("units", 10**30), ("units", None), ("lookback", 1_000_000),
            ("lookback", ...), ("num_layers", 20_000), ("horizon", 10**8),
            ("dropout", float("nan")),
            ("quantile_levels", 5), ("score_filled", "yes"), ("seed", -1), ("units", True),
            ("units", "5"), ("encoder", "joint"), ("encoder", "foo"), ("encoder", ...),
            ("encoder", None), ("segment", ...), ("segment", 3), ("segment", 10**8),
            ("segment", 0), ("linear_path", None),
            ("linear_path", "foo"), ("linear_path", "none"), ("linear_path", ...),
        ]),
        *(("config", ["data", "seen_until"], value) for value in (
            "garbage", 5, [], {"": 5}, {"": "garbage"}, {"": "NaT"}, {"": ""},
            {"": "2021-03-11T05:00:00+01:00"}, ...)),
        *(("schema", [name], value) for name, value in [
            ("categories", []), ("categories", {"a": "b"}), ("freq", "foo"), ("freq", 5),
            ("freq", "0h"), ("freq", "-1h"), ("freq", None), ("freq", "9" * 30 + "h"),
            ("time_columns", 5), ("time_columns", "time"), ("targets", [5]), ("targets", []),
            ("targets", ...), ("targets", ["wind"]), ("past_covariates", None), ("calendar", None),
            ("calendar", ["foo"]), ("calendar", ["hour", "hour"]), ("time_zone", "foo"),
            ("time_zone", "America"), ("time_zone", "\0"), ("time_zone", 5), ("fill", "foo"),
            ("decimal", ";"), ("decimal", []),
            ("more", 1), ("id_column", []), ("time_format", 7),
        ]),
        *(("scaler", [name], value) for name, value in [
            ("mean", ...), ("mean", 5), ("mean", [1, 2]), ("mean", [1, 2, float("nan")]),
            ("mean", ["a", 1, 2]), ("mean", [[1], [2], [3]]), ("std", [0, 1, 2]),
            ("std", [-1, 1, 2]), ("std", {}), ("features", ["a", "b", "c"]), ("features", "abc"),
            ("constant", [5]), ("constant", ...), ("constant", [[]]), ("series", 5),
            ("series", {"series_ids": ["a"], "mean": [[1]], "std": [[1]]}),  # of no panel
            ("seasonal_naive_mae", [1, 2]), ("seasonal_naive_mae", ...),
            ("seasonal_naive_mae", [-1]), ("seasonal_naive_mae", ["a"]),
        ]),
        *(("calibration", [name], value) for name, value in [
            ("levels", ...), ("levels", 80), ("levels", [80]), ("levels", [95, 80]),
            ("levels", [80, 80]), ("levels", [80, 100]), ("levels", [80, "a"]), ("levels", []),
            ("levels", "80,95"), ("levels", [80, [95]]), ("radii", ...), ("radii", 5),
            ("radii", [[[1]], [[2]]]), ("radii", [[[1], [2], [3]]]), ("radii", "a"),
            ("radii", [[[1], [2], [3]], [[1], [2], [float("inf")]]]),
            ("radii", [[[1], [2], [3]], [[1], [2], ["a"]]]), ("radii", [[[1], [2]], [[1]]]),
            ("typical", ...), ("typical", [[1], [0]]), ("typical", [[1], [-1]]),
            ("typical", [[1], [float("nan")]]), ("typical", [[1], [2], [3]]), ("typical", [1, 2]),
            ("seasonality", ...), ("seasonality", 0), ("seasonality", 5), ("seasonality", "1"),
            ("seasonality", 1.5), ("seasonality", True), ("num_windows", ...), ("num_windows", 0),
        ]),
    ],
)  # fmt: skip
def test_wrong_value_is_refused(copy, file, keys, value) -> None:
    set_in(copy / f"{file}.json", keys, value)
    reseal(copy)
    refuse(copy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("series_ids", ...), ("series_ids", ["a"]), ("series_ids", ["a", "a"]),
        ("series_ids", ["a", 5]), ("mean", ...), ("mean", [1, 2]),
        ("mean", [[1], [float("nan")]]), ("std", [[1], [0]]), ("std", [[1], [-1]]),
        ("std", [[1, 1], [1, 1]]), ("std", [[1], ["a"]]),
    ],
)  # fmt: skip
def test_wrong_scale_of_a_series_is_refused(panel_model, tmp_path, name, value) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(panel_model, copy)
    set_in(copy / "scaler.json", ["series", name], value)
    reseal(copy)
    refuse(copy)


@pytest.mark.parametrize("name", ["config.json", "schema.json", "scaler.json", "calibration.json"])
@pytest.mark.parametrize("text", [DEEP, "", "5", '{"a"', "\xff", "9" * 5000, "1e999"])
def test_json_that_is_no_table_is_refused(copy, name, text) -> None:
    (copy / name).write_text(text, "latin-1")
    reseal(copy)
    refuse(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": True},
        {"format_version": 0},
        {"format_version": -1},
        {"format_version": "1"},
        {"kind": "profile"},
        {"kind": []},
        {"files": {}},
        {"files": []},
        *({"files": {name: ""}} for name in ("a\0b", "a" * 5000, "/etc/passwd", "\ud800")),
    ],
    ids=lambda change: str(change)[:40],
)
def test_wrong_manifest_is_refused(copy, change) -> None:
    content = json.loads((copy / "MANIFEST.json").read_text())
    if change.get("files"):
        change = {"files": content["files"] | change["files"]}
    (copy / "MANIFEST.json").write_text(json.dumps(content | change))
    refuse(copy)


@pytest.mark.parametrize("text", [DEEP, "", "5"])
def test_manifest_that_is_no_table_is_refused(copy, text) -> None:
    (copy / "MANIFEST.json").write_text(text)
    refuse(copy)


@pytest.mark.parametrize(
    "name", ["model.keras", "config.json", "schema.json", "scaler.json", "linear.npz"]
)
def test_needed_file_must_be_listed(copy, name) -> None:
    set_in(copy / "MANIFEST.json", ["files", name], ...)
    refuse(copy)


def test_model_without_a_calibration_loads_without_intervals(copy) -> None:
    set_in(copy / "config.json", ["options", "level"], ...)  # as before there were intervals
    (copy / "calibration.json").unlink()
    refuse(copy)
    reseal(copy)
    loaded = load_fitted(copy)
    assert (loaded.calibration, loaded.options.level) == (None, "none")


def test_calibration_that_the_manifest_does_not_list_is_not_read(copy) -> None:
    set_in(copy / "MANIFEST.json", ["files", "calibration.json"], ...)
    assert load_fitted(copy).calibration is None


def test_calibration_is_read_as_it_was_written(model_directory, result) -> None:
    loaded, written = load_fitted(model_directory).calibration, result.fitted.calibration
    assert loaded.to_json() == written.to_json()
    assert loaded.radii.shape == (2, 3, 1)


def test_manifest_without_kind_is_that_of_a_model(copy) -> None:
    set_in(copy / "MANIFEST.json", ["kind"], ...)
    assert load_fitted(copy).schema.targets == ("load",)


@pytest.mark.parametrize("name", ["model.keras", "linear.npz"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\5\6" + bytes(18)])
def test_broken_archive_is_refused(copy, name, content) -> None:
    (copy / name).write_bytes(content)
    reseal(copy)
    refuse(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": np.zeros((1, 2, 3), "float32")},
        {"weights": np.zeros((40, 1000, 1000), "float32")},
        {"weights": "text"},
        {"weights": "nan"},
        {"inputs": "foo"},
        {"num_calendar_features": 2},
        {"inputs": np.array([{}])},
    ],
    ids=lambda change: str(change)[:40],
)
def test_wrong_linear_weights_are_refused(copy, change) -> None:
    with np.load(copy / "linear.npz") as arrays:
        content = dict(arrays)
    if isinstance(change.get("weights"), str):
        value = {"text": "a", "nan": np.float32("nan")}[change["weights"]]
        change = {"weights": np.full(content["weights"].shape, value)}
    np.savez_compressed(copy / "linear.npz", **(content | change))
    reseal(copy)
    refuse(copy)


def test_weights_that_are_not_finite_are_refused(copy, tmp_path) -> None:
    path = copy / "model.keras"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "w.h5").write_bytes(parts["model.weights.h5"])

    def spoil(_name, item) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype == "float32":
            item[...] = np.nan

    with h5py.File(tmp_path / "w.h5", "a") as file:
        file.visititems(spoil)
    parts["model.weights.h5"] = (tmp_path / "w.h5").read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    reseal(copy)
    refuse(copy)


def test_weights_of_another_network_are_refused_in_one_line(copy) -> None:
    set_in(copy / "config.json", ["options", "units"], 7)
    reseal(copy)
    refuse(copy)


@pytest.mark.parametrize(
    "content", [None, b"", b"a,b\n1,2\n", b"\xff\xfe\0\1", b"target,feature\n"]
)
def test_wrong_profile_is_refused(copy, content) -> None:
    path = copy / "attention" / "profile.csv"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match=REFUSED):
        saved_profile(copy)


@pytest.mark.parametrize("value", [[], {}, {"attention": []}])
def test_profile_of_a_wrong_config_is_refused(copy, value) -> None:
    set_in(copy / "config.json", ["options"], value)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match=REFUSED):
        saved_profile(copy)


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "per-dimension", "placement": "before"},
        {"attention": "shared", "placement": "after"},
        {"attention": "none"},
        {"attention": "luong", "decoder": "recurrent"},
    ],
)
def test_config_of_the_first_version_is_of_a_joint_encoder_alone(tmp_path, options) -> None:
    frame, before = load_frame(151), tmp_path / "before"
    given = {**SMALL, "epochs": 1, "encoder": "joint", "linear_path": "none", **options}
    result = fit(frame, FitOptions(**given))
    save(result, before)
    content = json.loads((before / "config.json").read_text())["options"]
    assert (content["encoder"], content["linear_path"]) == ("joint", "none")
    assert "segment" not in content
    for name in ("encoder", "linear_path"):
        set_in(before / "config.json", ["options", name], ...)
    reseal(before)
    loaded = load_fitted(before)
    assert (loaded.options.encoder, loaded.options.linear_path) == ("joint", "none")
    assert loaded.options.segment is None
    pd.testing.assert_frame_equal(predict(before, frame), predict(result.fitted, frame))


@pytest.mark.parametrize(
    "options",
    [
        {"linear_path": "none", "loss": "quantile"},
        {"attention": "bottleneck"},
        {"attention": "none"},
    ],
)
def test_model_of_many_targets_loads_again(tmp_path, options) -> None:
    """The head of the per-feature encoder is one for all targets, and its file is small."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({f"n{i:03d}": generator.normal(size=61) for i in range(61)})
    given = {"target": "all", "lookback": 7, "horizon": 5, "units": 2, "epochs": 1, **options}
    result = fit(frame, FitOptions(**given))
    save_fitted(tmp_path, result.fitted)
    write_manifest(tmp_path, None)
    forecast = predict(load_fitted(tmp_path), frame)
    pd.testing.assert_frame_equal(forecast, predict(result.fitted, frame))


@pytest.fixture(scope="module")
def recurrent_directory(tmp_path_factory):
    """Return the saved model of a recurrent decoder; not to be changed."""
    path = tmp_path_factory.mktemp("models") / "recurrent"
    save(fit(load_frame(), FitOptions(**{**SMALL, "epochs": 1}, decoder="recurrent")), path)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decoder", "direct"),
        ("decoder", ...),
        ("attention", "luong"),
        ("attention", "shared"),
        ("attention", None),
        ("cell", "lstm"),
        ("num_layers", 2),
        ("units", 7),
        ("units", 2_000_000),
        ("horizon", 10**8),
        ("lookback", 10**8),
    ],
)
def test_wrong_option_of_a_recurrent_decoder_is_refused(
    recurrent_directory, tmp_path, name, value
) -> None:
    copy = shutil.copytree(recurrent_directory, tmp_path / "copy")
    set_in(copy / "config.json", ["options", name], value)
    reseal(copy)
    refuse(copy)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"a,b\n1,2\n",
        b"target,horizon_step,lag,mean,std,num_windows\n",
        b"target,horizon_step,lag,mean,std,num_windows\nload,1,1,inf,0,7\n",
        b"target,horizon_step,lag,mean,std,num_windows\nload,1,1.5,1,0,7\n",
    ],
)
def test_wrong_horizon_profile_is_refused(recurrent_directory, tmp_path, content) -> None:
    copy = shutil.copytree(recurrent_directory, tmp_path / "copy")
    path = copy / "attention" / "horizon.csv"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match=REFUSED):
        saved_explanation(copy)


@pytest.mark.parametrize(
    ("column", "value"), [("lag_last", 10**12), ("lag_first", -(10**12)), ("lag_first", 12)]
)
def test_profile_of_lags_that_no_window_has_is_refused(copy, column: str, value: int) -> None:
    path = copy / "attention" / "profile.csv"
    table = pd.read_csv(path)
    table.loc[3, column] = value
    table.to_csv(path, index=False)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match="its lags are not those of a window"):
        saved_explanation(copy)


@pytest.mark.parametrize("column", ["mean", "std", "p10"])
def test_profile_of_negative_scores_is_refused(copy, column: str) -> None:
    path = copy / "attention" / "profile.csv"
    table = pd.read_csv(path)
    table.loc[3, column] = -0.1
    table.to_csv(path, index=False)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match="its scores are not finite numbers of"):
        saved_explanation(copy)


@pytest.mark.parametrize(
    "shares",
    [0.5, [0.5], {"foo": 0.5}, {"load": -5}, {"load": 10**400}, {"load": float("nan")},
     {"load": "1"}, {"load": 0.5, "foo": 0.5}],
)  # fmt: skip
def test_wrong_shares_of_the_linear_path_are_refused(copy, shares) -> None:
    set_in(copy / "metrics.json", ["linear_path"], shares)
    reseal(copy)
    for read in (saved_explanation, build_page):
        with pytest.raises(ModelDirectoryError, match="its linear_path has"):
            read(copy)


def test_long_segments_of_a_profile_take_no_memory(copy) -> None:
    set_in(copy / "config.json", ["options", "lookback"], 2**31 - 1)
    path = copy / "attention" / "profile.csv"
    table = pd.read_csv(path)
    table.loc[0, "lag_last"] = 2**31 - 1
    table.to_csv(path, index=False)
    reseal(copy)
    cells = saved_explanation(copy).cells  # nothing as long as a segment is made
    assert cells is not None
    assert cells["lag_last"].max() == 2**31 - 1


@pytest.mark.parametrize("name", ["NA", "null", "nan", "007"])
def test_profile_keeps_every_feature_name(copy, name) -> None:
    path = copy / "attention" / "profile.csv"
    table = pd.read_csv(path)
    table.replace({"feature": {"wind": name}}).to_csv(path, index=False)
    profile = read_profile(copy)
    past = attention_rows(profile).query("role == 'past'")
    assert list(past.feature.unique()) == ["load", name, "plan"]
    pd.testing.assert_series_equal(profile["mean"], table["mean"])
    assert profile.lag_first.dtype == "int64"


def test_changing_keeps_files_of_others_as_theirs(copy, tmp_path) -> None:
    (copy / "notes.txt").write_text("dear")
    with changing(copy) as changed:
        (changed / "more.csv").write_text("")
    assert (copy / "notes.txt").read_text() == "dear"
    files = json.loads((copy / "MANIFEST.json").read_text())["files"]
    assert ("more.csv" in files, "notes.txt" in files) == (True, False)
    with pytest.raises(UsageError, match=r"which holds notes\.txt\. Move that elsewhere"):
        check_output(copy, overwrite=True, is_directory=True)


def test_explain_never_replaces_a_model(copy, csv_path, tmp_path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    other = shutil.copytree(copy, tmp_path / "other")
    link = tmp_path / "link"
    link.symlink_to(copy)
    for output in (copy, link, copy / "attention", copy / "new", tmp_path, other):
        with pytest.raises(UsageError, match=r"Received: .*\. Name another output"):
            explain(copy, csv_path, output=output, overwrite=True)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "link", "other"]


def test_explain_replaces_a_profile_which_is_no_model(copy, csv_path, tmp_path) -> None:
    output = tmp_path / "profile"
    for overwrite in (False, True):
        explain(copy, csv_path, output=output, overwrite=overwrite)
    with pytest.raises(ModelDirectoryError, match=r"of kind 'profile'.*Check the path"):
        load_fitted(output)
    with pytest.raises(ModelDirectoryError, match="of kind 'profile'"):
        saved_profile(output)


def test_explain_refuses_its_output_before_any_work(copy, tmp_path) -> None:
    (tmp_path / "profile").mkdir()
    with pytest.raises(UsageError, match="must not exist"):
        explain(copy, tmp_path / "no.csv", output=tmp_path / "profile")


def test_model_that_is_replaced_while_it_is_opened(model_directory, tmp_path, monkeypatch) -> None:
    opened, other = (shutil.copytree(model_directory, tmp_path / name) for name in ("a", "b"))
    with changing(other) as changed:
        config = json.loads((changed / "config.json").read_text())
        config["options"]["seed"] = 77
        (changed / "config.json").write_text(json.dumps(config))
    read = model_directory_module.check_directory

    def replaced(directory):
        found = read(directory)
        if other.exists():
            shutil.rmtree(opened)
            other.rename(opened)
        return found

    monkeypatch.setattr(model_directory_module, "check_directory", replaced)
    assert load_fitted(opened).options.seed == 77


def test_file_is_no_model(tmp_path) -> None:
    (tmp_path / "load.csv").write_text("time,load\n")
    with pytest.raises(ModelDirectoryError, match="a file. Name the model first, then the data"):
        load_fitted(tmp_path / "load.csv")
