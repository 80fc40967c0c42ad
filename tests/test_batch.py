"""Forecasts of many series: the same piece by piece as at once, and one at fault stops no other."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import load_frame, panel_frame, rebuilt

import tsattn
from tsattn.errors import DataError, SchemaMismatchError, UsageError
from tsattn.pipeline.predicting import predict, predict_with_reasons

FEW = "50"  # rows at once: less than one series has


def write_table(frame: pd.DataFrame, path, parts: int = 1) -> None:
    """Write a table to a file, or its rows in turn to the files of a folder."""
    if parts > 1:
        path.mkdir()
    for i in range(parts):
        part = frame.iloc[i * len(frame) // parts : (i + 1) * len(frame) // parts]
        file = path / f"part{i}{path.suffix}" if parts > 1 else path
        if path.suffix == ".csv":
            part.to_csv(file, index=False)
        else:
            part.to_parquet(file, index=False, row_group_size=40)


@pytest.fixture(scope="module")
def expected(panel_model, tmp_path_factory):
    """Return the bytes of a forecast of the panel at once, by the ending of the output."""
    folder = tmp_path_factory.mktemp("expected")
    write_table(panel_frame(), folder / "latest.csv")
    for ending in (".csv", ".parquet"):
        output = folder / f"forecast{ending}"
        assert run("predict", panel_model, folder / "latest.csv", "-o", output).exit_code == 0
    frame = predict(panel_model, panel_frame())
    assert list(frame.series_id.unique()) == list("abcde")  # c, d and e were not in training
    return folder


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("kind", [".csv", ".parquet"])
@pytest.mark.parametrize("order", ["series", "time", "shuffled"])
def test_pieces_give_what_the_whole_gives(
    order, kind, parts, panel_model, expected, tmp_path
) -> None:
    frame = panel_frame()
    if order == "time":
        frame = frame.sort_values(["time", "town"])
    elif order == "shuffled":
        frame = frame.sample(frac=1, random_state=3)
    data, output = tmp_path / f"latest{kind}", tmp_path / "forecast.csv"
    write_table(frame, data, parts)
    done = run("predict", panel_model, data, "-o", output, "--rows-at-once", FEW)
    assert done.exit_code == 0, done.output
    assert output.read_bytes() == (expected / "forecast.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forecast.csv", f"latest{kind}"]


@pytest.mark.parametrize("rows", [48 + 3, 45 + 3, 50 + 3])
def test_times_of_hours_are_written_with_the_clock_at_midnight_too(
    rows, panel_model, tmp_path
) -> None:
    write_table(panel_frame("ab", rows), tmp_path / "latest.csv")
    done = run("predict", panel_model, tmp_path / "latest.csv")
    assert done.exit_code == 0, done.output
    forecast = pd.read_csv(io.StringIO(done.stdout))
    for name in ("origin_time", "time"):
        assert forecast[name].str.fullmatch(r"2021-03-0\d \d\d:00:00").all()


def test_a_forecast_does_not_replace_what_it_is_made_from(panel_model, tmp_path) -> None:
    data = tmp_path / "latest.csv"
    write_table(panel_frame("ab"), data)
    before = data.read_bytes()
    done = run("predict", panel_model, data, "-o", data, "--overwrite")
    assert done.exit_code == 2
    assert "another file than those it is made from" in done.output
    assert data.read_bytes() == before


def test_rows_without_a_time_are_numbered_as_in_the_whole_data(result, tmp_path) -> None:
    fitted = rebuilt(result.fitted, time_columns=(), freq=None, calendar=())
    frame = load_frame(61).drop(columns="time")
    frame.loc[58:, ["load", "wind"]] = np.nan
    forecast, explanation = predict_with_reasons(fitted, frame, explain=1)
    assert forecast["origin_time"].tolist() == [58, 58, 58]
    assert explanation["windows"][0]["origin_time"] == 58
    assert forecast["time"].tolist() == [58, 59, 60]
    with pytest.raises(DataError, match=r"no 'plan' at 61 for the data \(3 steps"):
        predict(fitted, frame.assign(load=1.0, wind=1.0))
    panel = rebuilt(result.fitted, time_columns=(), freq=None, calendar=(), id_column="town")
    towns = panel_frame("ab", 71).iloc[7:].drop(columns="time").reset_index(drop=True)
    write_table(towns, tmp_path / "towns.csv")
    whole = predict(panel, towns)
    assert whole["time"].tolist() == [61, 62, 63, 68, 69, 70]
    output = tmp_path / "forecast.csv"
    tsattn.predict_file(panel, tmp_path / "towns.csv", output, rows_at_once=20)
    assert pd.read_csv(output)["time"].tolist() == whole["time"].tolist()


def test_ids_may_be_the_names_of_folders(panel_model, expected, tmp_path) -> None:
    data = tmp_path / "latest"
    for town, frame in panel_frame().groupby("town"):
        (data / f"town={town}").mkdir(parents=True)
        frame.drop(columns="town").to_parquet(data / f"town={town}" / "0.parquet", index=False)
    done = run("predict", panel_model, data, "--rows-at-once", FEW)
    assert done.exit_code == 0, done.output
    assert done.stdout == (expected / "forecast.csv").read_text()


def test_pieces_of_a_future_file_give_what_the_whole_gives(panel_model, expected, tmp_path) -> None:
    frame = panel_frame()
    is_ahead = frame.load.isna()
    write_table(frame[~is_ahead], tmp_path / "latest.csv")
    write_table(frame.loc[is_ahead, ["time", "plan", "town"]], tmp_path / "future.parquet")
    given = ["predict", panel_model, tmp_path / "latest.csv", "--future"]
    for rows, name in ((FEW, "few.csv"), ("1000", "all.csv")):
        output = tmp_path / name
        done = run(*given, tmp_path / "future.parquet", "-o", output, "--rows-at-once", rows)
        assert done.exit_code == 0, done.output
        assert output.read_bytes() == (expected / "forecast.csv").read_bytes()


def test_every_output_of_pieces_is_that_of_the_whole(panel_model, expected, tmp_path) -> None:
    write_table(panel_frame(), tmp_path / "latest.csv")
    given = ["predict", panel_model, tmp_path / "latest.csv", "--quiet", "--rows-at-once"]
    done = run(*given, FEW, "-o", tmp_path / "forecast.parquet")
    assert done.exit_code == 0, done.output
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "forecast.parquet"),
        pd.read_parquet(expected / "forecast.parquet"),
    )
    assert run(*given, FEW).stdout == (expected / "forecast.csv").read_text()
    assert run(*given, FEW, "--json").stdout == run(*given, "1000", "--json").stdout
    assert len(json.loads(run(*given, FEW, "--json").stdout)["forecast"]) == 15


def test_forecast_twice_has_the_same_bytes(panel_model, tmp_path) -> None:
    write_table(panel_frame(), tmp_path / "latest.parquet")
    for ending in (".csv", ".parquet"):
        for rows in (FEW, "1000"):
            outputs = [tmp_path / f"{name}{rows}{ending}" for name in ("first", "second")]
            for output in outputs:
                given = ["-o", output, "--rows-at-once", rows]
                done = run("predict", panel_model, tmp_path / "latest.parquet", *given)
                assert done.exit_code == 0, done.output
            assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_midnights_are_written_as_of_one_table(panel_model, tmp_path) -> None:
    # The origin of a is midnight, where pandas leaves the clock out; that of b is not.
    frame = pd.concat([panel_frame("a", 51), panel_frame("b", 50)])
    write_table(frame, tmp_path / "latest.csv")
    given = ["predict", panel_model, tmp_path / "latest.csv"]
    done = run(*given, "--rows-at-once", FEW)
    assert done.exit_code == 0, done.output
    assert done.stdout == run(*given).stdout
    assert "a,load,2021-03-03 00:00:00" in done.stdout


IDS = [["1", "2", "10"], ["007", "07", "7"], ["1.0", "NA", "nan"], [" x", "y ", "1,018"]]


@pytest.mark.parametrize("ids", IDS)
def test_ids_are_read_in_pieces_as_in_one(ids, panel_model, tmp_path) -> None:
    towns = [panel_frame("a", 31 + i).assign(town=name) for i, name in enumerate(ids)]
    write_table(pd.concat(towns), tmp_path / "latest.csv")
    given = ["predict", panel_model, tmp_path / "latest.csv", "--rows-at-once"]
    done = run(*given, "20")
    assert done.exit_code == 0, done.output
    assert done.stdout == run(*given, "1000").stdout
    found = {row[0] for row in list(csv.reader(io.StringIO(done.stdout)))[1:]}
    assert found == {name.strip() for name in ids}


def with_faults() -> pd.DataFrame:
    """Return a panel in which b is too short, c has a gap, d has a NaN and e is irregular."""
    towns = dict(iter(panel_frame("abcdefg").groupby("town")))
    towns["b"] = towns["b"].tail(9)
    towns["c"] = towns["c"].drop(index=towns["c"].index[-8])
    towns["d"] = towns["d"].assign(wind=towns["d"].wind.where(towns["d"].index % 61 != 55))
    late = pd.to_timedelta(17 * (towns["e"].index % 61 == 54), unit="min")
    towns["e"] = towns["e"].assign(time=towns["e"].time + late)
    return pd.concat(towns.values(), ignore_index=True)


@pytest.mark.parametrize("rows", [FEW, "1000"])
def test_series_at_fault_are_skipped_and_counted(rows, panel_model, tmp_path) -> None:
    write_table(with_faults(), tmp_path / "latest.csv")
    output, log = tmp_path / "forecast.csv", tmp_path / "runs.jsonl"
    given = ["predict", panel_model, tmp_path / "latest.csv", "-o", output, "--rows-at-once", rows]
    done = run(*given, "--log-json", log)
    assert done.exit_code == 9, done.output
    forecast = pd.read_csv(output)
    assert list(forecast.series_id.unique()) == ["a", "f", "g"]
    whole = predict(panel_model, panel_frame("abcdefg"))
    whole = whole[whole.series_id.isin(["a", "f", "g"])]
    np.testing.assert_allclose(forecast.forecast, whole.forecast, rtol=1e-6)
    skipped = [line for line in done.stderr.splitlines() if line.startswith("Skipped: ")]
    for name, reason in (
        ("b", "6 rows of series 'b'"), ("c", "1 missing rows"), ("d", "1 missing values"),
        ("e", "between the steps"),
    ):  # fmt: skip
        assert [line for line in skipped if f"series '{name}'" in line and reason in line], skipped
    assert len(skipped) == 4
    assert "4 series skipped, 3 forecast" in done.stderr
    line = json.loads(log.read_text())
    assert (line["rows_written"], line["series_written"], line["series_skipped"]) == (9, 3, 4)
    assert line["exit_code"] == 9


@pytest.mark.parametrize("rows", [FEW, "1000"])
def test_series_at_fault_stops_on_request(rows, panel_model, tmp_path) -> None:
    frame = panel_frame()
    write_table(frame[(frame.town != "c") | (frame.time > "2021-03-03")], tmp_path / "latest.csv")
    output = tmp_path / "forecast.csv"
    given = ["predict", panel_model, tmp_path / "latest.csv", "-o", output, "--rows-at-once", rows]
    done = run(*given, "--on-error", "stop")
    assert done.exit_code == 3, done.output
    assert "series 'c'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["latest.csv"]
    assert run(*given).exit_code == 9


def test_a_gap_that_stops_is_said_to_be_of_its_series(panel_model) -> None:
    frame = panel_frame()
    gap = (frame.town == "c") & (frame.time == "2021-03-03 05:00")
    with pytest.raises(DataError, match=r"1 missing rows \(first at .* 05:00:00 of series 'c'\)"):
        predict(panel_model, frame[~gap])
    frame.loc[gap, "wind"] = np.nan
    with pytest.raises(DataError, match=r"1 missing values .* 05:00:00 of series 'c'\)"):
        predict(panel_model, frame)


def test_nothing_is_written_if_every_series_is_at_fault(panel_model, tmp_path) -> None:
    short = panel_frame("ab", 9)
    write_table(short, tmp_path / "latest.csv")
    for rows in ("5", "1000"):
        given = ["-o", tmp_path / "forecast.csv", "--rows-at-once", rows, "--log-json", "-"]
        done = run("predict", panel_model, tmp_path / "latest.csv", *given)
        assert done.exit_code == 3, done.output
        assert "2 series, none of which is" in done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("{")]
        assert json.loads(line)["series_skipped"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["latest.csv"]


def test_python_call_does_the_same(panel_model, expected, tmp_path) -> None:
    write_table(panel_frame(), tmp_path / "latest.parquet")
    output = tmp_path / "forecast.csv"
    result = tsattn.predict_file(panel_model, tmp_path / "latest.parquet", output, rows_at_once=40)
    assert (result.num_rows, result.num_series, result.num_skipped) == (15, 5, 0)
    assert output.read_bytes() == (expected / "forecast.csv").read_bytes()
    with pytest.raises(UsageError, match="must not exist"):
        tsattn.predict_file(panel_model, tmp_path / "latest.parquet", output)
    with pytest.raises(UsageError, match="rows_at_once=0"):
        tsattn.predict_file(panel_model, tmp_path, tmp_path / "new.csv", rows_at_once=0)


def test_every_difference_of_new_data_is_in_one_message(panel_model, tmp_path) -> None:
    frame = panel_frame().drop(columns="town").assign(wind="calm")
    frame["time"] = frame.time.dt.tz_localize("UTC")
    with pytest.raises(SchemaMismatchError) as caught:
        predict(panel_model, frame)
    for difference in ("no 'town'", "column 'wind' of text ('calm')", "time zone UTC, trained"):
        assert difference in str(caught.value)
    assert "\n" not in str(caught.value)
    write_table(frame, tmp_path / "latest.csv")
    for rows in (FEW, "1000"):
        done = run("predict", panel_model, tmp_path / "latest.csv", "--rows-at-once", rows)
        assert done.exit_code == 5
        assert (
            done.stderr
            == "Error: " + str(caught.value).replace("the DataFrame", "latest.csv") + "\n"
        )
    assert run("evaluate", panel_model, tmp_path / "latest.csv").exit_code == 5


@pytest.mark.parametrize("column", ["town", "plan", "time"])
def test_one_missing_column_is_named(column, panel_model, tmp_path) -> None:
    write_table(panel_frame().drop(columns=column), tmp_path / "latest.csv")
    for rows in (FEW, "1000"):
        done = run("predict", panel_model, tmp_path / "latest.csv", "--rows-at-once", rows)
        assert done.exit_code == 5, done.output
        assert f"Received: no '{column}'; there are" in done.stderr


def test_other_steps_and_text_are_differences(panel_model) -> None:
    frame = load_frame().assign(plan="high", town="a")
    with pytest.raises(SchemaMismatchError, match=r"'plan' of text.*rows mostly 0 days 02:00:00"):
        predict(panel_model, frame.iloc[::2])
    with pytest.raises(SchemaMismatchError, match=r"column 'plan' of text \('high'\), not numbers"):
        predict(panel_model, frame)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda frame: frame.assign(town=frame.town.where(frame.town != "b")), "no missing values"),
        (lambda frame: frame.iloc[:0], "must hold rows"),
    ],
)
def test_faults_of_the_whole_table_stop(change, rule, panel_model, tmp_path) -> None:
    write_table(change(panel_frame()), tmp_path / "latest.parquet")
    for rows in (FEW, "1000"):
        done = run("predict", panel_model, tmp_path / "latest.parquet", "--rows-at-once", rows)
        assert done.exit_code == 3, done.output
        assert rule in done.stderr


def test_path_to_nothing_is_named(panel_model, tmp_path) -> None:
    done = run("predict", panel_model, tmp_path / "nothing")
    assert done.exit_code == 3
    assert "a path to nothing" in done.stderr


def test_folder_of_both_kinds_is_refused(panel_model, tmp_path) -> None:
    folder = tmp_path / "latest.csv"
    write_table(panel_frame(), folder, 2)
    assert len(tsattn.read_table(folder)[0]) == len(panel_frame())
    write_table(panel_frame(), folder / "more.parquet")
    for rows in (FEW, "1000"):
        done = run("predict", panel_model, folder, "--rows-at-once", rows)
        assert done.exit_code == 3
        assert "one kind" in done.stderr
    (folder / "more.parquet").unlink()
    write_table(panel_frame().drop(columns="plan"), folder / "more.csv")
    with pytest.raises(DataError, match=r"same columns. Received: 'plan' in only one"):
        tsattn.read_table(folder)
