"""Rows of a table on an even grid of times, series by series."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tsattn.data.schema import infer_schema
from tsattn.data.series import extend_series, series_from_frame
from tsattn.errors import DataError, SchemaMismatchError

ROWS = 31
HOURS = pd.date_range("2024-01-15", periods=ROWS, freq="h")


def table(times=HOURS, **columns):
    generator = np.random.default_rng(5)
    values = {"y": generator.normal(size=len(times)), "x": generator.normal(size=len(times))}
    return pd.DataFrame({"time": times, **values, **columns})


def laid(frame, **options):
    schema, _ = infer_schema(frame, source="data.csv", target="y", **options)
    return series_from_frame(frame, schema, "data.csv")


def panel(lengths):
    """Return series 3, 10 and 2, whose target counts from a hundred times their id."""
    parts = []
    for series_id, length in zip((3, 10, 2), lengths, strict=True):
        y = 100.0 * series_id + np.arange(length) ** 1.5
        parts.append(table(HOURS[:length], y=y, id=series_id))
    return pd.concat(parts, ignore_index=True)


def test_series_holds_the_features_in_order():
    frame = table(wind=np.resize(["N", "S"], ROWS), sunny=np.resize([True, False, True], ROWS))
    series = laid(frame, future_covariates="x")
    assert series.schema.features == ("y", "wind=N", "wind=S", "sunny", "x")
    assert series.values.dtype == np.float32
    np.testing.assert_allclose(series.values[:, 0], frame["y"], rtol=1e-6)
    np.testing.assert_array_equal(series.values[:2, 1:4], [[1, 0, 1], [0, 1, 0]])
    assert series.schema.freq == "h"
    assert series.times.equals(HOURS)
    assert series.notes == ()
    assert not series.filled.any()


def test_series_sorts_rows_with_a_note():
    frame = table()
    series = laid(frame.sample(frac=1, random_state=1))
    np.testing.assert_allclose(series.values[:, 0], frame["y"], rtol=1e-6)
    assert "they were sorted" in series.notes[0]


@pytest.mark.parametrize("kind", [int, float, str, "category"])
def test_series_of_a_panel_stand_below_each_other_whatever_the_type_of_the_id(kind):
    frame = panel((7, 5, 1)).astype({"id": kind})
    if kind is float:
        frame["id"] = frame["id"].astype(float)
    series = laid(frame.sample(frac=1, random_state=2), id_col="id")
    lengths = dict(zip(series.series_ids, np.diff(series.borders), strict=True))
    assert lengths == {"3": 7, "10": 5, "2": 1}
    start = series.borders[series.series_ids.index("10")]
    np.testing.assert_allclose(series.values[start : start + 2, 0], [1000, 1001])
    np.testing.assert_array_equal(series.series_of(np.array([0, 12])), [0, 2])


def test_series_without_a_time_are_numbered_each_by_itself():
    frame = panel((5, 5, 5)).drop(columns="time").sort_values("y", ignore_index=True)
    mixed = frame.iloc[np.argsort(np.arange(15) % 5, kind="stable")]
    series = laid(mixed, id_col="id")
    np.testing.assert_array_equal(series.times, np.tile(np.arange(5), 3))


@pytest.mark.parametrize("name", ["id", "time", "x"])
def test_series_refuses_a_table_that_lacks_a_column(name):
    frame = panel((7, 5, 3))
    schema = laid(frame, id_col="id").schema
    with pytest.raises(SchemaMismatchError, match=rf"Received: no '{name}'; .* Add or rename"):
        series_from_frame(frame.drop(columns=name), schema, "new.csv")


def test_series_lists_the_first_five_duplicates():
    frame = pd.concat([table(), table()[:7], table()[:2]])
    with pytest.raises(DataError) as error:
        laid(frame)
    listed = ", ".join(str(time) for time in HOURS[:5])
    assert f"Received: 9 duplicates ({listed}). Remove them" in str(error.value)


@pytest.mark.parametrize("ids", [str, int])
def test_series_names_a_column_that_tells_duplicates_apart(ids):
    frame = panel((7, 5, 3)).assign(number=[*range(7), *range(5), *range(3)])
    frame["id"] = pd.factorize(frame["id"])[0]
    frame["id"] = frame["id"].astype(ids)
    with pytest.raises(DataError, match=r"8 duplicates .*--id-col\. Column 'id' tells these rows"):
        laid(frame)
    with pytest.raises(DataError, match=r"with --id-col\.$"):
        laid(frame.drop(columns="id").assign(tags=[["a"]] * len(frame)))


def test_series_names_no_column_of_the_time_and_none_where_few_times_repeat():
    texts = table(HOURS.astype(str))
    again = texts.assign(time=texts["time"].str.replace(" ", "T"))
    once_more = pd.concat([table(), table()[5:6]]).assign(dst=[*[1] * ROWS, 0], text=["a"] * 32)
    for frame in (pd.concat([texts, again]), pd.concat([texts, again[:1]]), once_more):
        with pytest.raises(DataError, match=r"duplicates .*with --id-col\.$"):
            laid(frame)


def test_series_names_the_series_of_a_duplicate():
    frame = panel((7, 5, 3))
    with pytest.raises(DataError, match=r"1 duplicates \(2024-01-15 02:00:00 of series 10\)"):
        laid(pd.concat([frame, frame[9:10]]), id_col="id")


def test_series_takes_ids_with_spaces_for_the_same():
    frame = panel((2, 3, 4)).replace({"id": {3: "a", 10: "a ", 2: "b"}})
    with pytest.raises(DataError, match=r"2 duplicates .* of series a"):
        laid(frame, id_col="id")


def test_series_refuses_a_missing_id():
    frame = panel((7, 5, 3)).astype({"id": float})
    frame.loc[4, "id"] = np.nan
    with pytest.raises(DataError, match=r"1 missing \(first at row 4\)\. Drop or complete"):
        laid(frame, id_col="id")


def test_series_counts_and_locates_missing_rows():
    with pytest.raises(DataError, match=r"3 missing rows \(first at 2024-01-15 04:00:00, 2024"):
        laid(table().drop(index=[4, 5, 17]))
    with pytest.raises(DataError, match=r"Fill them with --fill ffill\|seasonal"):
        laid(table().drop(index=[4, 5, 17]))


def test_series_counts_and_locates_missing_values():
    frame = table()
    frame.loc[[3, 7], "x"] = np.nan
    frame.loc[11, "y"] = np.nan
    with pytest.raises(DataError) as error:
        laid(frame)
    assert "column 'x' has 2 missing values (first at row 3, 2024-01-15 03:00:00)" in str(
        error.value
    )
    assert "'y' has 1 missing values" in str(error.value)
    assert "Fill them with --fill ffill|seasonal, or drop the rows." in str(error.value)


@pytest.mark.parametrize("empty", [None, "", " "])
@pytest.mark.parametrize("dtype", [object, "category"])
def test_series_reads_an_empty_text_as_none_of_the_texts(empty, dtype):
    frame = table(event=np.resize(["fair", empty, empty, "fête"], ROWS))
    series = laid(frame.astype({"event": dtype}))
    assert series.schema.features == ("y", "x", "event=fair", "event=fête")
    np.testing.assert_array_equal(series.values[:4, 2:], [[1, 0], [0, 0], [0, 0], [0, 1]])
    assert "column 'event' is empty in 16 rows" in series.notes[0]


def test_series_fills_texts_where_it_is_to_fill():
    frame = table(wind=np.resize(["N", "S", "W"], ROWS))
    frame.loc[7, "wind"] = None
    np.testing.assert_array_equal(
        laid(frame.drop(index=4), fill="ffill").values[[4, 7], 2:], [[1, 0, 0], [1, 0, 0]]
    )


def test_series_locates_empty_texts_that_training_had_none_of():
    frame = table(wind=np.resize(["N", "S", "W"], ROWS))
    schema = laid(frame).schema
    frame.loc[3, "wind"] = None
    with pytest.raises(DataError) as error:
        series_from_frame(frame, schema, "new.csv")
    assert "column 'wind' has 1 missing values (first at row 3, " in str(error.value)
    assert str(error.value).count("missing values") == 1


def test_series_reads_whole_numbers_beside_empty_cells_as_texts():
    schema = laid(table(event=np.resize(["1", "bad", "fair", None], ROWS))).schema
    numbers = np.resize([1.0, np.nan, 2.0], ROWS)  # as they are read where no text is among them
    series = series_from_frame(table(event=numbers), schema, "new.csv")
    np.testing.assert_array_equal(series.values[:3, 2:], [[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert "values not seen in training (2)" in series.notes[0]


def test_series_fills_and_notes_what_was_missing():
    frame = table()
    frame.loc[3, "x"] = np.nan
    series = laid(frame.drop(index=11), fill="ffill")
    assert series.values[3, 1] == series.values[2, 1]
    assert series.values[11, 0] == series.values[10, 0]
    np.testing.assert_array_equal(np.flatnonzero(series.filled), [11])
    assert "3 missing values in 2 rows, of which 1 rows were absent" in series.notes[0]


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_series_refuses_values_that_are_not_finite(value):
    frame = table()
    frame.loc[7, "x"] = value
    with pytest.raises(DataError, match=r"Received: 1 infinite.*at row 7\)\. Replace them"):
        laid(frame)


def test_series_refuses_text_where_the_model_knows_numbers():
    schema = laid(table()).schema
    frame = table().astype({"x": object})
    frame.loc[5, "x"] = "off"
    with pytest.raises(DataError, match=r"column 'x' must be numbers\. Received: 'off' at row 5"):
        series_from_frame(frame, schema, "new.csv")


def test_series_reads_texts_not_seen_in_training_as_none_of_the_known():
    schema = laid(table(wind=np.resize(["N", "S"], ROWS))).schema
    series = series_from_frame(table(wind=np.resize(["N", "E"], ROWS)), schema, "new.csv")
    np.testing.assert_array_equal(series.values[:2, 2:], [[1, 0], [0, 0]])
    assert "'wind' has values not seen in training (E)" in series.notes[0]


@pytest.mark.parametrize(
    ("times", "received"),
    [
        (pd.date_range("2024", periods=7, freq="15min"), "5 rows between the steps"),
        (pd.date_range("2024", periods=7, freq="2h"), "mostly 2 steps apart"),
        (pd.date_range("2024", periods=7, freq="D"), "mostly 24 steps apart"),
        (HOURS.tz_localize("UTC"), "the time zone UTC, trained with none"),
        (range(7), "the number 0 first"),
    ],
    ids=["finer", "coarser", "days", "zone", "numbers"],
)
def test_series_refuses_times_that_are_not_the_models(times, received):
    schema = laid(table()).schema
    with pytest.raises(SchemaMismatchError, match=rf"{received}.*(Resample|Write|Give)"):
        series_from_frame(table(times), schema, "new.csv")


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_series_of_few_new_rows_take_the_models_frequency(rows):
    schema = laid(table()).schema
    series = series_from_frame(table(HOURS[:rows]), schema, "new.csv")
    assert (series.num_rows, series.schema) == (rows, schema)


def test_series_keeps_the_hours_of_training_in_new_data():
    local = pd.date_range("2024-01-15", periods=ROWS, freq="h", tz="UTC+01:00")
    schema = laid(table([time.isoformat() for time in local])).schema
    assert schema.time_zone == "UTC+01:00"
    summer = [f"{time.isoformat()}+02:00" for time in HOURS]
    series = series_from_frame(table(summer), schema, "new.csv")
    assert str(series.times[0]) == "2024-01-14 23:00:00+01:00"
    with pytest.raises(SchemaMismatchError, match=r"no time zone, trained with UTC\+01:00\. Write"):
        series_from_frame(table(), schema, "new.csv")


def test_series_of_local_days_take_new_days_with_an_offset():
    local = pd.date_range("2024-03-15", periods=ROWS, freq="D", tz="Europe/Berlin")
    written = [time.isoformat() for time in local]
    schema = laid(table(written)).schema
    assert (schema.freq, schema.time_zone) == ("D", None)
    series = series_from_frame(table(written[:3]), schema, "new.csv")
    assert str(series.times[0]) == "2024-03-15 00:00:00"


def test_series_reads_short_new_data_with_the_order_of_day_and_month_of_training():
    days = pd.date_range("2024-01-01", periods=ROWS, freq="D")
    schema = laid(table(days.strftime("%d/%m/%Y"))).schema
    series = series_from_frame(table(days[:3].strftime("%d/%m/%Y")), schema, "new.csv")
    assert series.times.equals(days[:3])


def test_extend_series_appends_unknown_rows_at_the_next_times():
    series = laid(panel((7, 5, 2)), id_col="id")
    extended = extend_series(series, 3)
    np.testing.assert_array_equal(extended.borders, [0, 5, 15, 23])
    assert np.isnan(extended.values[2:5]).all()
    assert list(extended.times[2:5]) == list(HOURS[2:5])
    np.testing.assert_array_equal(extended.values[5:12], series.values[2:9])


def test_series_from_frame_does_not_change_the_schema_of_a_model():
    schema = replace(laid(table()).schema, calendar=("hour",))
    assert series_from_frame(table(HOURS[3:9]), schema, "new.csv").schema == schema


@pytest.mark.parametrize("rows", [1, 2, ROWS])
@pytest.mark.parametrize("size", [0, 1e8, -1e9])
def test_series_holds_small_changes_of_large_values(size, rows):
    frame = table(HOURS[:ROWS], y=size + np.sin(np.arange(ROWS)))
    series = series_from_frame(frame[:rows], laid(frame).schema, "new.csv")
    assert series.values.dtype == np.float32
    original = series.original(slice(None), slice(None))
    assert original.dtype == np.float64
    np.testing.assert_allclose(original[:, 0], frame["y"][:rows], rtol=0, atol=3e-7)
    np.testing.assert_allclose(series.original(np.array([0]), 0), frame["y"][:1], atol=3e-7)
    assert series.notes == ()


def test_series_keeps_values_that_float32_holds_as_they_are():
    series = laid(table(y=1000.0 + np.arange(ROWS), flat=7))
    np.testing.assert_array_equal(series.offsets, [0, 0, 0])


@pytest.mark.parametrize(("low", "is_noted"), [(0.0, False), (1e9, True)])
def test_series_notes_what_float32_blurs(low, is_noted):
    level = np.where(np.arange(ROWS) < 15, low, low + 1e3 + low)
    series = laid(table(y=level + np.arange(ROWS) / 3))
    assert [note.split("; ")[0] for note in series.notes] == is_noted * [
        "data.csv: column 'y' changes too little for its size to be read exactly (in float32)"
    ]


def test_series_notes_what_is_filled_and_what_stays_missing():
    frame = table()
    frame.loc[[0, 1, 5], "x"] = np.nan
    series = laid(frame, fill="ffill")
    assert "3 missing values in 3 rows" in series.notes[0]
    assert "1 filled with --fill ffill, 2 left missing at the start" in series.notes[0]


def test_series_refuses_to_fill_a_column_from_nothing():
    with pytest.raises(DataError, match=r"Received: none in 'x'\. Complete it, or leave it out"):
        laid(table(x=np.nan), fill="ffill")
