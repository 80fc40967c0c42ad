"""Fits of panels: read column by column as at once, and a series at fault stops no other."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import SMALL, load_frame, panel_frame
from test_batch import write_table

from tsattn.config import FitOptions
from tsattn.data import column_table
from tsattn.data.column_table import ColumnTable, open_columns
from tsattn.data.csv_format import CsvHints
from tsattn.data.pieces import Pieces
from tsattn.data.reading import read_table
from tsattn.errors import DataError, UsageError
from tsattn.pipeline.evaluating import evaluate
from tsattn.pipeline.fitting import fit, save
from tsattn.pipeline.predicting import predict
from tsattn.pipeline.preparing import prepare

OPTIONS = FitOptions(**SMALL, id_col="town", calendar="hour")
ROWS = 61


def panel(names: str = "abcde") -> pd.DataFrame:
    """Return a table of one series a letter, with all that a column can hold."""
    frame = panel_frame(names, ROWS + 3).dropna().reset_index(drop=True)
    generator = np.random.default_rng(11)
    frame["kind"] = generator.choice(["x", "y"], len(frame))
    frame["count"] = generator.integers(0, 50, len(frame))
    frame["big"] = 1e9 + generator.normal(size=len(frame))
    return frame


def same(one, other) -> None:
    """Assert that two preparations are of the same windows."""
    schemas = (replace(each.series.schema, decimal=None) for each in (one, other))  # of CSV files
    assert next(schemas) == next(schemas)
    assert one.series.series_ids == other.series.series_ids
    assert one.series.times.equals(other.series.times)
    np.testing.assert_array_equal(one.series.offsets, other.series.offsets)
    for name, windows in one.windows.items():
        np.testing.assert_array_equal(windows.origins, other.windows[name].origins)
        np.testing.assert_array_equal(windows.values, other.windows[name].values)


@pytest.fixture(autouse=True)
def few_rows_at_once(monkeypatch):
    """Read pieces that are shorter than a series."""
    monkeypatch.setattr(column_table, "ROWS_AT_ONCE", 50)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("kind", [".csv", ".parquet"])
@pytest.mark.parametrize("order", ["series", "time", "shuffled"])
def test_files_give_what_the_table_gives(order, kind, parts, tmp_path) -> None:
    frame = panel()
    if order == "time":
        frame = frame.sort_values(["time", "town"])
    elif order == "shuffled":
        frame = frame.sample(frac=1, random_state=3)
    frame = frame.reset_index(drop=True)
    write_table(frame, tmp_path / f"panel{kind}", parts)
    found = prepare(tmp_path / f"panel{kind}", OPTIONS)
    same(found, prepare(frame, OPTIONS))
    assert [note.split(": ", 1)[1] for note in found.notes] == [
        note.split(": ", 1)[1] for note in prepare(frame, OPTIONS).notes
    ]


def test_folder_of_one_series_is_read_as_one_table(tmp_path) -> None:
    frame = load_frame(151)
    write_table(frame, tmp_path / "load.csv", 4)
    options = FitOptions(**SMALL)
    same(prepare(tmp_path / "load.csv", options), prepare(frame, options))


def test_every_series_is_learnt_and_forecast_at_its_own_size(tmp_path) -> None:
    """What is 1,024 times as large has forecasts and intervals so much larger; no other changes."""
    known, latest = panel().drop(columns="big"), panel_frame("abcdez")
    options = replace(OPTIONS, normalization="none")
    found = {}
    for name, sizes in {"one": {}, "apart": {"b": 1024.0, "z": 1024.0}}.items():
        frames = [
            frame.assign(load=frame["load"] * frame["town"].map(sizes).fillna(1.0))
            for frame in (known, latest.assign(kind="x", count=1.0))
        ]
        result = fit(frames[0], options, check=False)
        save(result, tmp_path / name)
        forecast = predict(tmp_path / name, frames[1])
        assert set(forecast["series_id"]) == set("abcdez")  # z was not trained with
        found[name] = forecast.set_index(["series_id", "horizon_step"]).filter(regex="^[flu]")
    size = np.where(found["one"].index.get_level_values(0).isin(["b", "z"]), 1024.0, 1.0)
    expected = found["one"].mul(size, axis=0)
    assert "upper_80" in expected
    pd.testing.assert_frame_equal(found["apart"], expected, rtol=1e-4)


def test_a_series_that_was_not_trained_with_is_scored_as_it_is_forecast(panel_model) -> None:
    """Each of its windows is scaled by itself, whatever was before and comes after."""
    frame = panel_frame("az", 80).dropna().reset_index(drop=True)
    is_new = frame["town"] == "z"
    frame.loc[is_new, "load"] *= np.where(np.arange(is_new.sum()) < 40, 0.001, 1000.0)
    found = evaluate(panel_model, frame)
    scored = found.evaluation.forecast.to_frame(found.series)
    for origin in (20, 41, 60):
        rows = frame[is_new].iloc[: origin + 3].copy()
        rows.iloc[origin:, rows.columns.get_loc("load")] = np.nan
        forecast = predict(panel_model, rows)
        at = (scored["series_id"] == "z") & (scored["origin_time"] == forecast["time"].min())
        names = ["forecast", "time", "horizon_step"]
        pd.testing.assert_frame_equal(
            scored.loc[at, names].reset_index(drop=True), forecast[names], rtol=1e-5
        )


@pytest.mark.parametrize(
    "columns",
    [
        {"mixed": ["7"] * 120 + ["7a"] * 120},  # numbers in the first pieces, text in the last
        {"marks": [f"{number:,}" for number in range(900, 1140)]},  # none in the first pieces
        {"gaps": [np.nan] * 60 + ["x"] * 180, "holes": [1.0] * 60 + [np.nan] * 180},
        {"truth": [True] * 60 + [None] * 60 + [False] * 120},
        {"text": [f"row {number}" for number in range(240)]},  # different in every row
        {"numbers": [1] * 60 + [2.5] * 180},
    ],
)
@pytest.mark.parametrize("parts", [1, 2])
def test_columns_are_those_of_the_table_at_once(parts, columns, tmp_path) -> None:
    frame = pd.DataFrame({"load": np.arange(240) / 7, **columns})
    write_table(frame, tmp_path / "table.csv", parts)
    whole = read_table(tmp_path / "table.csv")[0]
    with open_columns(tmp_path / "table.csv") as (table, _):
        assert list(table.columns) == list(whole.columns)
        assert len(table) == 240
        for name in whole.columns:
            column = table[name]
            if isinstance(column.dtype, pd.CategoricalDtype):
                column = column.astype("str")
            pd.testing.assert_series_equal(column, whole[name], check_dtype=False)


def test_marks_are_noted_as_they_are_at_once(tmp_path) -> None:
    frame = pd.DataFrame({"load": [f"{number:,}" for number in range(900, 1140)]})
    frame.to_csv(tmp_path / "marks.csv", index=False)
    with open_columns(tmp_path / "marks.csv") as (_, notes):
        assert notes == read_table(tmp_path / "marks.csv")[1]
        assert len(notes) == 1


def test_index_of_a_parquet_file_is_a_column(tmp_path) -> None:
    frame = panel("ab")
    frame.set_index("time").to_parquet(tmp_path / "panel.parquet", row_group_size=40)
    same(prepare(tmp_path / "panel.parquet", OPTIONS), prepare(frame, OPTIONS))


def test_table_keeps_its_rows_and_their_files(tmp_path) -> None:
    frame = pd.DataFrame({"load": range(90), "kind": ["x", "y", "z"] * 30})
    write_table(frame, tmp_path / "rows.csv", 3)
    with open_columns(tmp_path / "rows.csv") as (table, _):
        kept = table.take(np.arange(1, 90, 2)).take(np.array([0, 20, 44]))
        assert kept["load"].tolist() == [1, 41, 89]
        assert kept["kind"].tolist() == ["y", "z", "z"]
        assert [kept.place(row) for row in range(3)] == [
            "row 1 of part0.csv",
            "row 11 of part1.csv",
            "row 29 of part2.csv",
        ]
        other = kept.with_column("load", pd.Series([1.5, 2.5, 3.5])).take(np.array([2]))
        assert (len(other), other["load"].tolist()) == (1, [3.5])
    assert ColumnTable.of_frame(frame).place(7) == "row 7"


def faulty(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the panel with a fault in every series from b to i; a and j are sound."""
    frame = frame.astype({"load": object, "time": object})
    town = {name: rows.to_numpy() for name, rows in frame.groupby("town").groups.items()}
    frame.loc[town["b"][5], "load"] = "oops"
    frame.loc[town["c"][7], "wind"] = np.nan
    frame.loc[town["d"][9], "time"] = frame.loc[town["d"][8], "time"]
    frame.loc[town["e"][9], "time"] += pd.Timedelta("7min")
    frame.loc[town["f"][3], "time"] = "the 3rd"
    frame.loc[town["g"][3], "load"] = np.inf
    absent = [*town["h"][20:22], *town["i"][8:]]
    return frame.drop(index=absent).reset_index(drop=True)


REASONS = {
    "b": ["column 'load' must be numbers. Received: 'oops' at row ", "Correct the value"],
    "c": ["1 in 'wind' (first at row ", "Fill them with --fill"],
    "d": ["1 duplicates (", "Remove them"],
    "e": ["1 rows between the steps (", "Resample"],
    "f": ["'the 3rd' at row ", "Correct it, or give --time-format"],
    "g": ["1 infinite values, or too large ones (first inf at row ", "Replace them"],
    "h": ["2 missing rows (first at 2021-03-01 20:00:00)", "Fill them with --fill"],
    "i": ["11 rows and 3 after them", "Received: 8 rows"],
}


@pytest.mark.parametrize("kind", ["frame", ".csv", "folder"])
def test_series_at_fault_are_named_and_the_others_learnt_from(kind, tmp_path) -> None:
    frame, told = faulty(panel("abcdefghij")), []
    data = frame
    if kind != "frame":
        data = tmp_path / "panel.csv"
        write_table(frame, data, 3 if kind == "folder" else 1)
    found = prepare(data, OPTIONS, told.append)
    assert found.skipped == tuple(told)
    assert len(told) == len(REASONS)
    for name, parts in REASONS.items():
        reason = next(reason for reason in told if f"series {name!r}" in reason)
        for part in parts:
            assert part in reason
    assert "8 of 10 series skipped: 'b', " in " ".join(found.notes)
    sound = panel("abcdefghij").query("town in ['a', 'j']").reset_index(drop=True)
    expected = prepare(sound, OPTIONS)
    assert found.series.series_ids == ("a", "j")
    assert found.scaler.to_json()["std"] == pytest.approx(expected.scaler.to_json()["std"])
    for name, windows in expected.windows.items():
        np.testing.assert_array_equal(found.windows[name].origins, windows.origins)
        np.testing.assert_allclose(found.windows[name].values, windows.values, atol=1e-4)


def test_reasons_name_the_row_in_its_file(tmp_path) -> None:
    frame = panel("abc")
    for name, rows in frame.astype({"load": object}).groupby("town"):
        part = rows.reset_index(drop=True)
        if name == "b":
            part.loc[17, "load"] = "oops"
        (tmp_path / "panel").mkdir(exist_ok=True)
        part.to_csv(tmp_path / "panel" / f"{name}.csv", index=False)
    told = []
    prepare(tmp_path / "panel", OPTIONS, told.append)
    assert told == [
        "series 'b': panel: column 'load' must be numbers. Received: 'oops' at row 17 of b.csv. "
        "Correct the value."
    ]
    with pytest.raises(DataError, match=r"'load' with 'oops' at row 17 of b\.csv\. Correct"):
        prepare(tmp_path / "panel", OPTIONS)


def test_missing_values_of_a_folder_are_in_the_rows_of_a_file(tmp_path) -> None:
    frame = load_frame(151)
    frame.loc[[100, 140], "wind"] = np.nan
    write_table(frame, tmp_path / "load.csv", 2)
    with pytest.raises(DataError, match=r"2 in 'wind' \(first at row 25 of part1\.csv\)\. Fill"):
        prepare(tmp_path / "load.csv", FitOptions(**SMALL))
    towns = panel("ab")
    towns.loc[70, "wind"] = np.nan
    with pytest.raises(DataError, match=r"\(first at 2021-03-01 09:00:00 of series 'b'\)"):
        prepare(towns, OPTIONS)


def test_missing_id_belongs_to_no_series(tmp_path) -> None:
    frame = panel("ab")
    frame.loc[70, "town"] = None
    write_table(frame, tmp_path / "panel.csv", 2)
    with pytest.raises(DataError, match=r"1 missing \(first at row 9 of part1\.csv\)"):
        prepare(tmp_path / "panel.csv", OPTIONS, print)


def test_filled_series_are_skipped_only_without_a_window() -> None:
    frame, told = panel("abc"), []
    frame.loc[frame.town == "b", "wind"] = np.nan
    frame.loc[[3, 4], "wind"] = np.nan
    found = prepare(frame, FitOptions(**SMALL, id_col="town", fill="ffill"), told.append)
    assert found.series.series_ids == ("a", "c")
    assert [reason.split(":")[0] for reason in told] == ["series 'b'"]


def test_series_shorter_than_the_counts_of_a_split_is_skipped() -> None:
    frame, told = panel("ab"), []
    options = FitOptions(**SMALL, id_col="town", split=(30, 10, 10))
    found = prepare(frame.drop(index=range(10, 61)), options, told.append)
    assert found.series.series_ids == ("b",)
    assert "the rows of the split, 50. Received: 10 rows" in told[0]


def test_dates_that_read_both_ways_follow_the_other_series() -> None:
    frame = panel("abc").drop(columns=["count", "kind", "big"])
    days = pd.date_range("2021-01-01", periods=ROWS, freq="D").strftime("%d/%m/%Y")
    frame["time"] = np.tile(days, 3)
    frame.loc[frame.index[-1], "time"] = "someday"
    told = []
    found = prepare(frame, FitOptions(**SMALL, id_col="town"), told.append)
    assert found.series.series_ids == ("a", "b")
    assert len(told) == 1
    assert found.series.schema.time_format == "%d/%m/%Y"


def test_command_skips_counts_and_saves(tmp_path) -> None:
    frame = panel("abc").drop(columns=["kind", "count", "big"])
    frame.loc[70, "load"] = np.nan
    write_table(frame, tmp_path / "panel.parquet", 2)
    given = [
        f"--{name.replace('_', '-')}={value}" for name, value in {**SMALL, "epochs": 1}.items()
    ]
    given = ["fit", tmp_path / "panel.parquet", *given, "--id-col", "town", "--no-check"]
    model, log = tmp_path / "model", tmp_path / "log.jsonl"
    done = run(*given, "-o", model, "--json", "--log-json", log)
    assert done.exit_code == 9, done.output
    assert "Skipped: series 'b': panel.parquet: a column must have no missing" in done.stderr
    assert done.stderr.endswith("1 series skipped, 2 learnt from\n")
    assert len(json.loads(done.stdout)["skipped"]) == 1
    assert (model / "MANIFEST.json").exists()
    line = json.loads(log.read_text())
    assert (line["exit_code"], line["series_skipped"]) == (9, 1)
    stopped = run(*given, "-o", tmp_path / "other", "--on-error", "stop")
    assert stopped.exit_code == 3
    assert stopped.stderr.startswith("Error: series 'b': ")
    assert not (tmp_path / "other").exists()


def test_panel_without_a_sound_series_is_refused() -> None:
    frame = panel("ab").assign(wind=np.nan)
    with pytest.raises(DataError, match="2 series, all at fault, the first: series 'a': "):
        prepare(frame, OPTIONS, lambda reason: None)
    with pytest.raises(DataError, match="2 series, all at fault"):
        prepare(panel("ab"), FitOptions(**{**SMALL, "lookback": 59}, id_col="town"), str)


def test_unknown_columns_are_still_usage_errors(tmp_path) -> None:
    panel("ab").to_csv(tmp_path / "panel.csv", index=False)
    with pytest.raises(UsageError, match="'nope'"):
        prepare(tmp_path / "panel.csv", FitOptions(**SMALL, id_col="nope"), str)
    with pytest.raises(DataError, match="a path to nothing"):
        fit(tmp_path / "nothing.csv", OPTIONS)


@pytest.fixture(scope="module")
def faulty_model(tmp_path_factory):
    """Return a model that skipped series of the panel it was fitted to, and that panel."""
    folder = tmp_path_factory.mktemp("faulty")
    frame = faulty(panel("abcdefghij")).drop(columns=["kind", "count", "big"])
    frame.to_csv(folder / "panel.csv", index=False)
    given = FitOptions(**{**SMALL, "epochs": 1}, id_col="town")
    fitted = fit(folder / "panel.csv", given, check=False, on_skip=lambda _: None)
    assert len(fitted.skipped) == 8
    save(fitted, folder / "model")
    return folder / "model", folder / "panel.csv"


def test_profile_is_checked_on_the_series_that_were_learnt_from(faulty_model, tmp_path) -> None:
    model, _ = faulty_model
    done = run("explain", model, "--check", "--refit")
    assert done.exit_code == 0, done.output
    panel("aj").drop(columns=["kind", "count", "big"]).to_csv(tmp_path / "sound.csv", index=False)
    drift = run("explain", model, "--data", tmp_path / "sound.csv", "--against", "train")
    assert drift.exit_code == 0, drift.output


def test_update_reads_the_old_rows_of_the_series_that_were_learnt_from(
    faulty_model, tmp_path
) -> None:
    model, _ = faulty_model
    later = panel_frame("aj", 2 * ROWS).dropna().drop_duplicates(["town", "time"])
    later.to_csv(tmp_path / "later.csv", index=False)
    given = ["update", model, tmp_path / "later.csv", "--epochs", 1, "--no-check"]
    done = run(*given, "-o", tmp_path / "new")
    assert done.exit_code in (0, 6), done.output  # 6: it is worse than the old one


def test_text_of_a_series_keeps_no_other_from_being_forecast(faulty_model, tmp_path) -> None:
    frame = panel("abc").drop(columns=["kind", "count", "big"]).astype({"load": object})
    frame.loc[frame.index[frame["town"] == "b"][-1], "load"] = "oops"
    frame.to_csv(tmp_path / "new.csv", index=False)
    done = run("predict", faulty_model[0], tmp_path / "new.csv", "-o", tmp_path / "forecast.csv")
    assert done.exit_code == 9, done.output
    assert "series 'b'" in done.stderr
    assert "Received: 'oops'" in done.stderr
    assert set(pd.read_csv(tmp_path / "forecast.csv")["series_id"]) == {"a", "c"}


@pytest.mark.parametrize("parts", [1, 3])
def test_ids_of_csv_files_are_their_texts(parts, tmp_path) -> None:
    ids = ["007", "012", "7", "1.0", "NA", "1,018"] * 40
    frame = pd.DataFrame({"town": ids, "load": np.arange(240) / 7})
    write_table(frame, tmp_path / "table.csv", parts)
    hints = CsvHints(id_column="town")
    with open_columns(tmp_path / "table.csv", hints) as (table, _):
        assert list(table["town"]) == ids
    assert list(read_table(tmp_path / "table.csv", hints)[0]["town"]) == ids
    pieces = pd.concat(Pieces(tmp_path / "table.csv", hints).read(7))
    assert list(pieces["town"]) == ids


def test_empty_id_is_missing(tmp_path) -> None:
    (tmp_path / "table.csv").write_text("town,time,load\n007,1,2.5\n ,2,3.5\n")
    with pytest.raises(DataError, match=r"Received: 1 missing \(first at row 1\)"):
        fit(tmp_path / "table.csv", FitOptions(**SMALL, id_col="town"))


def test_series_of_a_folder_have_the_ids_of_the_fit_when_they_are_evaluated(tmp_path) -> None:
    frame = panel("abc").drop(columns=["kind", "count", "big"])
    (tmp_path / "panel").mkdir()
    for name, town in {"a": "007", "b": "010", "c": "c"}.items():
        part = frame[frame["town"] == name].assign(town=town)
        part.to_csv(tmp_path / "panel" / f"{name}.csv", index=False)
    given = FitOptions(**{**SMALL, "epochs": 1}, id_col="town")
    fitted = fit(tmp_path / "panel", given, check=False)
    assert list(fitted.fitted.seen_until) == ["007", "010", "c"]
    found = evaluate(fitted.fitted, tmp_path / "panel")
    assert found.series.series_ids == ("007", "010", "c")
    assert len(found.evaluation.windows) == len(fitted.evaluations["test"].windows)
    save(fitted, tmp_path / "model")
    frame[frame["town"] == "c"].assign(town="d").to_csv(tmp_path / "new.csv", index=False)
    done = run("evaluate", tmp_path / "model", tmp_path / "new.csv")
    assert "new.csv: all rows are scored of series not trained with: 'd'" in done.stderr
