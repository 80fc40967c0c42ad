"""How far the attention has moved, from profiles to an exit code."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import load_frame

import tsattn
from tsattn.errors import DataError, QualityGateError, UsageError
from tsattn.hashing import file_sha256
from tsattn.model_directory import load_fitted, write_manifest
from tsattn.pipeline.drifting import check_drift
from tsattn.plots import plot_drift
from tsattn.profile_distance import profile_distance


@pytest.fixture(scope="module")
def fitted(model_directory):
    """Return the small model as ONNX Runtime runs it."""
    return load_fitted(model_directory, runtime="onnx")


def profile(measure: str, means: list[float], linear: list[float] = ()) -> pd.DataFrame:
    """Return rows of two features at two lags, and of a linear path at the first of them."""
    rows = [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    frame = pd.DataFrame(rows, columns=["feature", "lag_first"]).assign(measure=measure)
    path = pd.DataFrame([("a", 1), ("b", 1)][: len(linear)], columns=["feature", "lag_first"])
    frame = pd.concat([frame, path.assign(measure="contribution")], ignore_index=True)
    return frame.assign(
        target="y", kind="feature", role="past", horizon_first=1, horizon_last=3,
        lag_last=frame["lag_first"], mean=[*means, *linear],
    )  # fmt: skip


def test_distance_by_hand() -> None:
    before = profile("nats", [1.0, 3.0, 2.0, 2.0], [0.5, 0.5])
    now = profile("nats", [3.0, 1.0, 6.0, 6.0], [0.5, 0.0])
    found = profile_distance(now, before, {"y": 0.2}, targets_apart=False)
    # 0.8 of 1/8, 3/8, 2/8, 2/8 becomes that of 3/16, 1/16, 6/16, 6/16; 0.2 of 1/2, 1/2 of 1, 0.
    assert found.total == pytest.approx((0.05 + 0.25 + 0.1 + 0.1 + 0.1 + 0.1) / 2)
    rows = found.features.set_index("feature")
    assert rows.loc["a", ["before", "now"]].tolist() == pytest.approx([0.5, 0.4])
    assert rows.loc["b", "change"] == pytest.approx(0.1)
    # Of a: 0.1, 0.3 and, of the path, 0.1 of 0.5 become 0.15, 0.05, 0.2 of 0.4.
    assert rows.loc["a", "lags"] == pytest.approx((0.175 + 0.475 + 0.3) / 2)


def test_distance_of_scores_that_do_not_compare_features() -> None:
    before = profile("share", [0.5, 0.5, 0.9, 0.1], [5.0, 1.0])
    now = profile("share", [0.7, 0.3, 0.9, 0.1], [1.0, 5.0])
    found = profile_distance(now, before, {"y": 0.5}, targets_apart=False)
    assert found.features.columns.tolist() == ["feature", "role", "lags"]
    assert found.features["lags"].tolist() == pytest.approx([0.2, 0.0])
    assert found.total == pytest.approx(0.1)
    assert "do not compare features" in found.meaning


def test_feature_without_mass_has_no_distance_over_lags() -> None:
    before, now = profile("nats", [0.0, 0.0, 1.0, 1.0]), profile("nats", [1.0, 0.0, 1.0, 0.0])
    found = profile_distance(now, before, {"y": 0.0}, targets_apart=False)
    assert np.isnan(found.features.set_index("feature").loc["a", "lags"])
    assert found.total == pytest.approx(0.5)
    assert plot_drift(found.features, found.total, "test").axes


def test_profiles_of_other_cells_are_refused() -> None:
    one = profile("nats", [1.0] * 4)
    with pytest.raises(ValueError, match="other cells"):
        profile_distance(one, one.assign(lag_last=7), {"y": 0.0}, targets_apart=False)


def test_same_data_has_no_drift(fitted) -> None:
    drift = tsattn.attention_drift(fitted, load_frame(), against=load_frame())
    assert drift.total == 0
    assert (drift.num_windows, drift.num_windows_before) == (294, 294)
    assert set(drift.features["role"]) == {"past", "future"}
    assert drift.features["before"].sum() == pytest.approx(1)


def test_saved_profile_is_that_of_the_test_rows(model_directory, csv_path, tmp_path) -> None:
    moved = shutil.copy(csv_path, tmp_path / "moved.csv")
    for given in ({}, {"train_data": moved}):
        drift = tsattn.attention_drift(
            model_directory, load_frame(), against="test", split="test", **given
        )
        assert drift.total < 1e-4
        assert drift.num_windows == drift.num_windows_before == 59
    past = tsattn.attention_drift(model_directory, load_frame(), against="train", split="train")
    assert past.total < 1e-6
    assert past.num_windows_before == 214 - 11 - 2
    assert tsattn.attention_drift(model_directory, load_frame(), against="val").total > 1e-6


def test_other_data_lies_further_away(model_directory) -> None:
    table = load_frame(seed=8)
    near = tsattn.attention_drift(model_directory, table, against="train").total
    table["wind"] *= np.where(np.arange(len(table)) % 7, 1, 40)
    far = tsattn.attention_drift(model_directory, table, against="train")
    assert far.total > 3 * near
    with pytest.raises(QualityGateError, match=r"at most 0\.001\. Received: a total distance of"):
        check_drift(far, 0.001)
    check_drift(far, 1.0)


def test_training_data_that_is_gone_or_changed(fitted, csv_path, tmp_path) -> None:
    shutil.copy(csv_path, tmp_path / "load.csv")
    assert fitted.data_sha256 == file_sha256(tmp_path / "load.csv")
    moved = replace(fitted, data_path=str(tmp_path / "load.csv"))
    load_frame(290).to_csv(tmp_path / "load.csv", index=False)
    given = {"model": moved, "data": load_frame(), "against": "val"}
    with pytest.raises(UsageError, match=r"has changed since\. Give a copy .* with --train-data"):
        tsattn.attention_drift(**given)
    (tmp_path / "load.csv").unlink()
    with pytest.raises(UsageError, match=r"does not exist\. Give its new place with --train-data"):
        tsattn.attention_drift(**given)
    assert tsattn.attention_drift(**given, train_data=csv_path).num_windows == 294
    with pytest.raises(UsageError, match=r"train_data with against=the DataFrame"):
        tsattn.attention_drift(moved, load_frame(), against=load_frame(), train_data=csv_path)


def test_model_without_test_rows_has_saved_its_validation_rows(model_directory, tmp_path) -> None:
    copy = shutil.copytree(model_directory, tmp_path / "model")
    metrics = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").write_text(json.dumps({**metrics, "test": {"num_windows": 0}}))
    (copy / "MANIFEST.json").unlink()
    write_manifest(copy, None)
    drift = tsattn.attention_drift(copy, load_frame(), against="val")
    assert drift.num_windows_before == 59  # those of the saved profile
    with pytest.raises(UsageError, match=r"test for a model with split .*\. Use val"):
        tsattn.attention_drift(copy, load_frame(), against="test")


def test_command_ends_with_6_after_the_result_is_written(
    model_directory, csv_path, tmp_path
) -> None:
    data, output = tmp_path / "new.csv", tmp_path / "drift"
    load_frame(seed=8).to_csv(data, index=False)
    given = ("explain", model_directory, "--data", data, "--against", "test")
    printed = run(*given)
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.split()[:3] == ["feature", "role", "before"]
    assert "59 of the test rows of the model" in printed.stdout
    ended = run(*given, "--max-drift", "0.00001", "-o", output, "--json", "--quiet")
    assert ended.exit_code == 6
    content = json.loads(ended.stdout)
    assert content["total"] == json.loads((output / "drift.json").read_text())["total"] > 0.00001
    assert "must have moved by at most 1e-05" in ended.stderr
    assert len(pd.read_csv(output / "drift.csv")) == len(content["features"])
    assert (output / "drift.png").exists()
    other = run(*given[:-1], csv_path, "--max-drift", "1", "--quiet")
    assert other.exit_code == 0
    assert "of load.csv" in other.stdout


def test_other_data_must_be_readable(model_directory, tmp_path) -> None:
    with pytest.raises(DataError, match="existing file"):
        tsattn.attention_drift(model_directory, load_frame(), against=tmp_path / "absent.csv")
