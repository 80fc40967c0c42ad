"""Going on from an old model: which rows it learns, what it keeps, and when it is refused."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import SMALL, load_frame

from tsattn import FitOptions, fit, predict, update
from tsattn.cli import main
from tsattn.errors import DataError, QualityGateError, SchemaMismatchError, UsageError
from tsattn.model_directory import load_fitted
from tsattn.page.reproducing import update_command
from tsattn.pipeline.fitting import save
from tsattn.pipeline.new_rows import gather_rows
from tsattn.progress import Progress

ROWS, OLD = 401, 307
FAST = {**SMALL, "attention": "shared", "encoder": "joint", "linear_path": "none", "level": (50,)}


class Told(Progress):
    def __init__(self) -> None:
        super().__init__(quiet=False)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a model, the rows it was trained on, new rows, and all rows."""
    path = tmp_path_factory.mktemp("update")
    frame = load_frame(ROWS)
    frame[:OLD].to_csv(path / "old.csv", index=False)
    frame[OLD - 11 :].to_csv(path / "new.csv", index=False)
    frame.to_csv(path / "all.csv", index=False)
    save(fit(path / "old.csv", FitOptions(**FAST)), path / "model")
    return path


@pytest.fixture(scope="module")
def updated(folder):
    """Return the update of the model by the new rows; written to `newer`."""
    return update(folder / "model", folder / "new.csv", output=folder / "newer")


def test_update_holds_out_the_newest_rows(folder, updated) -> None:
    times = load_frame(ROWS)["time"]
    seen = pd.Timestamp(load_fitted(folder / "model").seen_until[""])
    held = (times > seen).sum() // 2
    table = pd.read_parquet(folder / "newer" / "test_forecasts.parquet")
    assert table["time"].min() == times.iloc[-held]
    assert table["time"].max() == times.iloc[-1]
    newer = load_fitted(folder / "newer")
    assert newer.seen_until == {"": times.iloc[-held - 1].isoformat()}
    assert len(updated.old.windows) == len(updated.result.evaluations["test"].windows)
    assert updated.to_json()["mse"]["new"]["scaled"] <= updated.to_json()["mse"]["old"]["scaled"]


def test_update_keeps_scaler_and_structure_and_makes_the_rest_anew(folder, updated) -> None:
    old, newer = (load_fitted(folder / name) for name in ("model", "newer"))
    np.testing.assert_array_equal(newer.scaler.mean, old.scaler.mean)
    assert newer.schema == old.schema
    assert replace(newer.options, split=old.options.split) == old.options
    assert not np.array_equal(newer.linear.weights, old.linear.weights)
    assert newer.calibration.num_windows != old.calibration.num_windows
    names = {path.name for path in (folder / "newer").iterdir()}
    assert {path.name for path in (folder / "model").iterdir()} == names
    metrics = json.loads((folder / "newer" / "metrics.json").read_text())
    model, old, new = (str(folder / name) for name in ("model", "old.csv", "new.csv"))
    assert metrics["updated_from"] == {
        "model": model, "data": new, "old_data": old, "epochs": 3, "learning_rate": 0.0005,
    }  # fmt: skip
    again = f"tsattn update {model} {new} --data {old} --epochs 3 --learning-rate 0.0005 -o model"
    page = (folder / "newer" / "report.html").read_text()
    assert again in page
    assert f"{old}, followed by {new}" in page
    assert "a table in memory" not in page
    assert len(pd.read_csv(folder / "newer" / "history.csv")) <= 3


def test_update_of_a_panel_keeps_the_texts_of_ids(tmp_path) -> None:
    frame = load_frame(ROWS)
    towns = [frame.assign(town=name, load=frame["load"] + i) for i, name in enumerate(["007", "7"])]
    old, new = pd.concat(town[:OLD] for town in towns), pd.concat(town[OLD:] for town in towns)
    old.to_csv(tmp_path / "old.csv", index=False)
    pd.concat([new, new.tail(20).assign(town="A1")]).to_csv(tmp_path / "new.csv", index=False)
    fitted = fit(tmp_path / "old.csv", FitOptions(**FAST, id_col="town")).fitted
    assert list(fitted.seen_until) == ["007", "7"]
    rows, _, _ = gather_rows(fitted, tmp_path / "new.csv", None, Progress())
    assert rows["town"].value_counts().to_dict() == {"007": ROWS, "7": ROWS, "A1": 20}


def test_update_measures_series_that_are_new_and_keeps_their_scales(tmp_path) -> None:
    frame = load_frame(ROWS)
    towns = {"a": frame, "b": frame.assign(load=7 * frame["load"])}
    old = pd.concat(towns[name][:OLD].assign(town=name) for name in "ab")
    save(fit(old, FitOptions(**FAST, id_col="town"), check=False), tmp_path / "model")
    towns["new"] = frame.assign(load=1000 * frame["load"])
    rows = pd.concat(table.assign(town=name) for name, table in towns.items())
    done = update(tmp_path / "model", rows, output=tmp_path / "newer", check=False)
    before, after = (load_fitted(tmp_path / name).scaler.series for name in ("model", "newer"))
    assert after.series_ids == ("a", "b", "new")
    np.testing.assert_array_equal(after.std[:2], before.std)
    assert 400 < after.std[2] / before.std[0] < 2500
    scored = done.result.evaluations["test"].forecast.to_frame(done.result.series)
    of_new = scored[scored["series_id"] == "new"]
    origin = of_new["origin_time"].iloc[0]
    forecast = predict(tmp_path / "newer", rows[(rows["town"] == "new") & (rows["time"] < origin)])
    expected = of_new.loc[of_new["origin_time"] == origin, "forecast"]
    np.testing.assert_allclose(forecast["forecast"], expected, rtol=1e-5)


def test_command_of_an_update_names_its_files() -> None:
    made = {"model": "model", "data": "my new.csv", "old_data": "old.csv", "epochs": 3}
    command = "tsattn update model 'my new.csv' --data old.csv --epochs 3 -o model"
    assert update_command(made, None) == command
    # Metrics of a table, and those of models that were written before they named files.
    assert update_command({"model": "model"}, "all.csv") == "tsattn update model all.csv -o model"
    assert update_command({"model": "model"}, None) == "tsattn update model new.csv -o model"


def test_new_rows_and_all_rows_are_the_same(folder, updated) -> None:
    other = update(folder / "model", folder / "all.csv")
    tables = [each.result.evaluations["test"].forecast for each in (updated, other)]
    np.testing.assert_allclose(tables[0].forecast, tables[1].forecast, rtol=1e-5)
    assert other.result.fitted.data_path == str(folder / "all.csv")
    assert updated.result.fitted.data_path is None  # it is not one file


def test_update_starts_from_the_old_weights(folder) -> None:
    still = update(folder / "model", folder / "all.csv", epochs=1, learning_rate=1e-8)
    old = load_fitted(folder / "model").network.get_weights()
    for ours, theirs in zip(still.result.fitted.network.get_weights(), old, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_worse_update_is_not_written(folder, tmp_path) -> None:
    command = ["update", str(folder / "model"), str(folder / "new.csv"), "-o", str(tmp_path / "x")]
    command += ["--learning-rate=10", "--epochs=1", "-q", "--log-json=-"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == QualityGateError.exit_code
    assert "no worse than the old one on the newest rows. Received: MSE " in done.output
    assert "Nothing was written: keep the old model" in done.output
    assert not list(tmp_path.iterdir())
    line = json.loads(done.stderr.splitlines()[0])
    assert (line["command"], line["model"]) == ("update", str(folder / "model"))
    assert (line["data"], line["output"]) == (str(folder / "new.csv"), str(tmp_path / "x"))
    assert (line["exit_code"], "no worse than the old one" in line["error"]) == (6, True)


def test_worse_update_without_the_old_rows_asks_for_them(tmp_path) -> None:
    frame = load_frame(ROWS)
    save(fit(frame[:OLD], FitOptions(**FAST)), tmp_path / "model")
    with pytest.raises(QualityGateError, match="give the rows before too with --data, or fit anew"):
        update(tmp_path / "model", frame[OLD:], learning_rate=10, epochs=1)


def test_update_refuses_data_that_does_not_match(folder, tmp_path) -> None:
    frame = load_frame(ROWS)
    with pytest.raises(SchemaMismatchError, match="no 'wind'"):
        update(folder / "model", frame.drop(columns="wind"))
    seen = pd.Timestamp(load_fitted(folder / "model").seen_until[""])
    few = frame[: (frame["time"] <= seen).sum() + 2]
    with pytest.raises(DataError, match=r"needs 3 rows after .*Received: 2 rows after"):
        update(folder / "model", few, old_data=frame[:2])
    with pytest.raises(SchemaMismatchError, match="frequency"):
        update(folder / "model", frame[::2])
    with pytest.raises(UsageError, match="must lie apart from the model directory"):
        update(folder / "model", frame, output=folder / "model", overwrite=True)
    with pytest.raises(UsageError, match=r"`epochs` must be a whole number.*epochs=1\.5"):
        update(folder / "model", frame, epochs=1.5)
    with pytest.raises(UsageError, match=r"`learning_rate` must be a number"):
        update(folder / "model", frame, learning_rate="fast")
    with pytest.raises(UsageError, match=r"epochs=0"):
        update(folder / "model", frame, epochs=0)
    with pytest.raises(UsageError, match=r"learning_rate=nan"):
        update(folder / "model", frame, learning_rate=float("nan"))


def test_old_rows_come_from_the_training_file_if_it_is_unchanged(folder, tmp_path) -> None:
    fitted, new = load_fitted(folder / "model"), load_frame(ROWS)[OLD - 11 :]
    frame, source, origin = gather_rows(fitted, new, None, Progress())
    assert (len(frame), source, origin) == (
        ROWS,
        "old.csv and the DataFrame",
        (None, None, str(folder / "old.csv")),
    )
    assert frame["time"].is_monotonic_increasing
    for path, why in ((tmp_path / "gone.csv", "is gone"), (folder / "new.csv", "has changed")):
        told = Told()
        frame, _, _ = gather_rows(replace(fitted, data_path=str(path)), new, None, told)
        assert len(frame) == len(new)
        assert why in told.notes[0]
        assert "give the old rows with --data" in told.notes[0]
    given, _, _ = gather_rows(replace(fitted, data_path=None), new, folder / "all.csv", Progress())
    assert len(given) == ROWS


def test_new_rows_win_over_old_ones_series_by_series(folder) -> None:
    fitted = load_fitted(folder / "model")
    fitted = replace(fitted, schema=replace(fitted.schema, id_column="town"))
    old = pd.concat([load_frame(7).assign(town=town) for town in (1, 2)], ignore_index=True)
    new = load_frame(7)[5:].assign(town=2.0, load=-1.0)
    frame, _, _ = gather_rows(fitted, new, old, Progress())
    assert frame.groupby("town").size().to_dict() == {"1": 7, "2": 7}
    changed = frame[frame["load"] == -1]
    assert set(changed["town"]) == {"2"}
    assert len(changed) == 2


def test_rows_that_carry_no_time_cannot_be_told_apart(tmp_path) -> None:
    frame = load_frame(211).drop(columns="time")
    options = FitOptions(**{**FAST, "attention": "none", "epochs": 1})
    save(fit(frame, options), tmp_path / "model")
    with pytest.raises(UsageError, match="rows that carry no time. Fit a new model instead"):
        update(tmp_path / "model", frame)
