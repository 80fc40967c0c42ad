"""The roles of the columns, decided once."""

import json

import numpy as np
import pandas as pd
import pytest

from tsattn.data.schema import Schema, infer_schema
from tsattn.data.series import series_from_frame
from tsattn.errors import DataError, UsageError

ROWS = 61


@pytest.fixture
def table():
    generator = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=ROWS, freq="h"),
            "y": generator.normal(size=ROWS),
            "x, kW": generator.normal(size=ROWS),
            "wind": np.resize(["N", "S", None, "W", "S"], ROWS),
        }
    )


def schema_of(frame, target="y", **options):
    return infer_schema(frame, source="data.csv", target=target, **options)


def test_infer_schema_gives_every_column_a_role(table):
    schema, notes = schema_of(table)
    assert schema.time_columns == ("time",)
    assert schema.targets == ("y",)
    assert schema.past_covariates == ("x, kW", "wind=N", "wind=S", "wind=W")
    assert schema.categories == {"wind": ("N", "S", "W")}
    assert schema.sources[1:3] == (("x, kW", None), ("wind", "N"))
    assert schema.columns == ("y", "x, kW", "wind")
    assert notes == []


def test_infer_schema_takes_years_that_count_the_rows_for_the_time():
    years = pd.DataFrame({"year": range(1963, 2024), "y": np.arange(61.0) ** 2})
    schema, notes = schema_of(years)
    assert (schema.time_columns, schema.features, notes) == (("year",), ("y",), [])
    panel = pd.concat([years.assign(land="a"), years[7:].assign(land="b")])
    assert schema_of(panel, id_col="land")[0].time_columns == ("year",)
    schema, (note,) = schema_of(years.assign(year=years["year"] // 12))
    assert "no time column found" in note
    assert schema.past_covariates == ("year",)


def test_infer_schema_takes_text_of_many_numbers_for_numbers(table):
    table["y"] = table["y"].astype(str)
    table["x"] = table["x, kW"].astype(str)
    table["few"] = np.resize(["1", "2"], ROWS)
    schema, _ = schema_of(table)
    assert schema.past_covariates[:2] == ("x, kW", "wind=N")
    assert schema.categories == {"wind": ("N", "S", "W"), "few": ("1", "2")}
    series = series_from_frame(table, schema, "data.csv")
    place = schema.features.index("x")
    np.testing.assert_allclose(series.values[:, place], table["x, kW"], rtol=1e-6)
    table.loc[3, "y"] = "open quote\n2024-01-01,2.5\n2024-01-02,3.5\n2024-01-03,4.5\n2024-01-04"
    with pytest.raises(DataError, match=r"'open quote 2024-01-01,2\.5 .*2024\.\.\.' at row 3"):
        schema_of(table)


def test_infer_schema_takes_names_with_commas_before_it_splits_them(table):
    schema, _ = schema_of(table, target="x, kW", future_covariates="y")
    assert schema.targets == ("x, kW",)
    assert schema.future_covariates == ("y",)
    assert schema.features == ("x, kW", "wind=N", "wind=S", "wind=W", "y")


def test_infer_schema_of_all_targets_leaves_texts_as_covariates(table):
    schema, _ = schema_of(table, target="all")
    assert schema.targets == ("y", "x, kW")
    assert schema.past_covariates == ("wind=N", "wind=S", "wind=W")


def test_infer_schema_takes_only_the_covariates_that_are_named(table):
    schema, _ = schema_of(table, past_covariates="wind")
    assert schema.columns == ("y", "wind")


def test_schema_survives_json(table):
    schema, _ = schema_of(table, calendar="hour,weekday", fill="ffill")
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize("name", ["ts", "dt", "open_time", "UnixTime"])
def test_infer_schema_finds_epoch_times_by_their_name(table, name):
    table[name] = 1_600_000_000_000 + 3_600_000 * np.arange(len(table))
    schema, _ = schema_of(table.drop(columns="time"))
    assert schema.time_columns == (name,)


def test_infer_schema_numbers_rows_without_a_time(table):
    schema, notes = schema_of(table.drop(columns="time"))
    assert schema.time_columns == ()
    assert "rows are numbered. Name one with --time-col" in notes[0]


@pytest.mark.parametrize(
    "counter",
    [
        np.arange(1, ROWS + 1),
        np.arange(ROWS)[::-1],
        np.random.default_rng(3).permutation(ROWS),
        pd.array(np.arange(ROWS), dtype="Int64"),
    ],
    ids=["rising", "falling", "shuffled", "nullable"],
)
def test_infer_schema_leaves_out_row_counters_with_a_note(table, counter):
    schema, notes = schema_of(table.assign(n=counter))
    assert "n" not in schema.columns
    assert "row counter 'n' left out" in notes[0]


def test_infer_schema_leaves_out_a_named_counter_with_gaps(table):
    schema, _ = schema_of(table.assign(No=np.arange(ROWS) * 3))
    assert "No" not in schema.columns
    schema, _ = schema_of(table.assign(dose=np.arange(ROWS) * 3))
    assert "dose" in schema.columns


def test_infer_schema_leaves_out_a_counter_of_each_series(table):
    panel = pd.concat([table.assign(id="a", n=range(ROWS)), table.assign(id="b", n=range(ROWS))])
    assert "n" not in schema_of(panel, id_col="id")[0].columns


def test_infer_schema_keeps_a_counter_that_is_named(table):
    counted = table.assign(n=np.arange(ROWS))
    assert schema_of(counted, target="n")[0].targets == ("n",)
    assert "n" in schema_of(counted, future_covariates="n")[0].columns
    assert "n" in schema_of(counted, past_covariates="n")[0].columns


@pytest.mark.parametrize(
    ("options", "received", "remedy"),
    [
        ({"target": ""}, "target=''", "Use --target with one of 'time'"),
        ({"target": "q"}, "'q'", "The columns are 'time'"),
        ({"target": "all", "drop": ["y", "x, kW"]}, "target='all'", "Use --target"),
        ({"target": ["y", "all"]}, "target=y,all", "Give --target all, or name the columns."),
        ({"time_col": "q"}, "'q'", "The columns are"),
        ({"drop": "y"}, "'y' as a dropped column and as a target", "Name it once"),
        ({"future_covariates": "y"}, "'y' as a future covariate and as a target", "Name it once"),
        ({"id_col": "wind", "drop": "wind"}, "'wind' as the series id and as a dropped", "Name it"),
        ({"time_col": "time", "drop": "time"}, "'time' as the time and as a dropped", "Name it"),
        (
            {"past_covariates": "wind", "future_covariates": "wind"},
            "'wind' as a future covariate and as a past covariate",
            "Name it once",
        ),
        ({"id_col": "wind,y"}, "id_col='wind,y'", "Join the columns"),
        ({"calendar": "moon"}, "calendar='moon'", "The fields are"),
    ],
)
def test_infer_schema_refuses_options_that_do_not_fit(table, options, received, remedy):
    with pytest.raises(UsageError) as error:
        schema_of(table, **{"target": "y"} | options)
    assert received in str(error.value)
    assert remedy in str(error.value)


def test_infer_schema_takes_twenty_texts_and_no_more(table):
    schema, _ = schema_of(table.assign(c=[f"c{i % 20}" for i in range(ROWS)]))
    assert len(schema.categories["c"]) == 20
    with pytest.raises(DataError, match=r"column 'c' with 21\. Leave it out with --drop"):
        schema_of(table.assign(c=[f"c{i % 21}" for i in range(ROWS)]))


@pytest.mark.parametrize(
    ("column", "received", "remedy"),
    [
        (pd.date_range("2024", periods=ROWS), "column 'c' of dates", "--drop"),
        ([f"2024-01-{i % 9 + 1:02d}" for i in range(ROWS)], "column 'c' of dates", "--drop"),
        (["1.5", "-", *["2"] * (ROWS - 2)], "'-' at row 1", "Correct the value"),
        ([None, "1.5", "-", *["2"] * (ROWS - 3)], "'-' at row 2", "Correct the value"),
    ],
)
def test_infer_schema_refuses_columns_it_cannot_read(table, column, received, remedy):
    with pytest.raises(DataError, match=rf"Received: .*{received}.*{remedy}"):
        schema_of(table.assign(c=column), time_col="time")


def test_infer_schema_refuses_a_target_of_text(table):
    with pytest.raises(DataError, match=r"Received: 'wind' with 'N' at row 0\. Correct the column"):
        schema_of(table, target="wind")


def test_infer_schema_refuses_a_category_with_the_name_of_a_column(table):
    with pytest.raises(DataError, match=r"Received: 'wind=N' as a column.*Rename the column"):
        schema_of(table.assign(**{"wind=N": np.sin(np.arange(ROWS))}))


def test_infer_schema_lists_few_of_many_columns():
    frame = pd.DataFrame(np.zeros((3, 1_009)), columns=[f"c{i}" for i in range(1_009)])
    with pytest.raises(UsageError, match=r"'c19', … \(1,009 in all\), or all") as error:
        schema_of(frame, target="")
    assert len(str(error.value)) < 500
