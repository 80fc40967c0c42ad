"""What is in a table, and every reason for which a fit would refuse it."""

import json

import numpy as np
import pandas as pd
import pytest

from tsattn.config import FitOptions
from tsattn.data.giveaways import find_giveaways
from tsattn.data.inspection import inspect_table
from tsattn.data.schema import infer_schema
from tsattn.data.seasonality import find_seasonality
from tsattn.data.series import series_from_frame
from tsattn.data.spreads import notes_on_spreads
from tsattn.errors import DataError, UsageError
from tsattn.pipeline.preparing import prepare

ROWS = 307
SIZES = {"market": 100.0, "store": 20.0, "kiosk": 0.5}
HOURS = pd.date_range("2024-01-15", periods=ROWS, freq="h")


@pytest.fixture
def table():
    generator = np.random.default_rng(3)
    season = np.sin(2 * np.pi * np.arange(ROWS) / 24)
    return pd.DataFrame(
        {
            "time": HOURS,
            "y": 5 * season + generator.normal(size=ROWS),
            "x": generator.normal(size=ROWS),
            "wind": np.resize(["N", "S", "W"], ROWS),
        }
    )


def inspected(frame, **options):
    return inspect_table(frame, source="data.csv", **{"target": "y"} | options)


def test_inspect_table_of_sound_data_finds_no_problem(table):
    found = inspected(table.assign(flat=1.5))
    assert found.problems == ()
    assert (found.rows, found.num_series) == (ROWS, 1)
    assert (found.first_time, found.last_time) == (str(HOURS[0]), str(HOURS[-1]))
    assert (found.frequency, found.seasonality, found.seasonality_found) == ("h", 24, 24)
    assert (found.missing_rows, found.duplicates, found.missing_by_column) == (0, 0, {})
    assert found.constant_columns == ("flat",)
    assert found.giveaways == ()
    assert found.features == ("y", "x", "wind=N", "wind=S", "wind=W", "flat")
    assert found.memory_bytes == ROWS * 6 * 4


def test_inspect_table_counts_the_windows_of_each_split(table):
    found = inspected(table, lookback=13, horizon=7, split="200,50,57")
    assert found.num_windows == {"train": 181, "val": 44, "test": 51}
    assert found.num_left_out == {"train": 0, "val": 0, "test": 0}
    table.loc[100, "y"] = np.nan
    found = inspected(table, lookback=13, horizon=7, split="200,50,57", fill="ffill")
    assert found.num_windows["train"] == 181 - 7
    assert found.num_left_out["train"] == 7
    assert found.problems == ()


def test_inspect_table_chooses_lookback_and_horizon_as_a_fit_does(table):
    found = inspected(table)
    assert (found.lookback, found.horizon) == (96, 21)
    assert all(found.num_windows.values())
    assert inspected(table, lookback=31).horizon == 21


def test_inspect_table_collects_every_problem(table):
    table.loc[5, "y"] = np.nan
    table.loc[7, "x"] = np.inf
    faulty = pd.concat([table, table[:7]]).drop(index=[20, 21]).reset_index(drop=True)
    found = inspected(faulty.assign(name=[f"n{i}" for i in range(len(faulty))]))
    assert len(found.problems) == 4
    for part, problem in zip(
        ("column 'name' with 312", "7 duplicates", "1 infinite values", "2 missing rows"),
        found.problems,
        strict=True,
    ):
        assert part in problem
    assert (found.missing_rows, found.duplicates) == (2, 7)
    assert found.first_missing_rows == (str(HOURS[20]), str(HOURS[21]))
    assert found.first_duplicates == tuple(str(time) for time in HOURS[:5])
    assert found.missing_by_column == {"y": 2}
    assert found.num_windows["train"] > 0


def test_inspect_table_takes_lists_in_a_column(table):
    found = inspected(table.assign(pair=[[1, 2]] * len(table), other=[[i] for i in range(307)]))
    assert found.constant_columns == ("pair",)


def test_inspect_table_names_every_column_with_infinite_values_and_calls_none_missing(table):
    table.loc[[7, 8], "x"] = np.inf
    table.loc[0, "y"] = -np.inf
    found = inspected(table)
    assert len(found.problems) == 2
    for name, count in (("x", 2), ("y", 1)):
        problem = next(text for text in found.problems if f"column '{name}'" in text)
        assert f"{count} infinite values" in problem
    assert found.missing_by_column == {}
    assert not any(found.num_left_out.values())


@pytest.mark.parametrize(
    ("change", "options", "problem"),
    [
        ({"y": "text"}, {}, "a target must be a column of numbers"),
        ({"y": 3.5}, {}, "a target must change in the train rows"),
        ({"y": np.nan}, {}, "column 'y' has 307 missing values"),
        ({"time": "soon"}, {"time_col": "time"}, "must hold dates in one format"),
        ({"time": HOURS[0]}, {}, "306 duplicates"),
        ({}, {"lookback": 499}, "must leave room for one window"),
        ({}, {"lookback": 201, "horizon": 31}, "none in train with"),
        ({}, {"split": "200,50,99"}, "must not ask for more rows than there are"),
        ({"x": 1j}, {}, "column 'x' must be numbers"),
    ],
)
def test_inspect_table_says_why_a_fit_would_refuse(table, change, options, problem):
    found = inspected(table.assign(**change), **options)
    assert any(problem in text for text in found.problems)
    json.dumps(found.to_json(), allow_nan=False)
    assert found.to_lines()


def test_inspect_table_of_one_row_does_not_fail(table):
    assert "at least two rows" in inspected(table[:1]).problems[0]


def test_inspect_table_does_not_ask_for_a_test_split_without_rows(table):
    assert inspected(table, split=(0.8, 0.2, 0.0)).problems == ()


def test_inspect_table_of_a_panel(table):
    panel = pd.concat([table.assign(id=7), table[:101].assign(id=13)], ignore_index=True)
    found = inspected(panel, id_col="id")
    assert (found.num_series, found.problems) == (2, ())
    assert "408 in 2 series" in found.to_lines()[0]


def test_inspect_table_raises_for_options_that_are_wrong(table):
    with pytest.raises(UsageError, match=r"Received: 'q'\. The columns are"):
        inspected(table, target="q")
    with pytest.raises(UsageError, match=r"split=2,x"):
        inspected(table, split="2,x")


def test_inspection_does_not_change_the_table(table):
    expected = table.copy()
    inspected(table)
    pd.testing.assert_frame_equal(table, expected)


def test_inspection_as_json_and_as_text(table):
    found = inspected(table.assign(part=table["y"] - table["x"]), notes=["read as it is"])
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["giveaways"] == [{"target": "y", "columns": ["x", "part"], "how": "sum"}]
    assert content["notes"] == ["read as it is"]
    text = "\n".join(found.to_lines())
    assert "x + part add up to y; use --drop" in text
    assert "24 by the frequency, 24 found in the target" in text


@pytest.fixture
def columns():
    generator = np.random.default_rng(7)
    frame = pd.DataFrame(generator.normal(size=(211, 31)), columns=[f"c{i}" for i in range(31)])
    return frame.assign(flat=0.0)


@pytest.mark.parametrize("chosen", [("c3", "c29"), ("c0", "c7", "c11")])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_find_giveaways_finds_two_or_three_columns_that_add_up(columns, chosen, dtype):
    frame = columns.astype(dtype).assign(y=columns[list(chosen)].sum(axis=1).astype(dtype))
    assert find_giveaways(frame, ["y"], list(columns)) == [("y", chosen, "sum")]


def test_find_giveaways_finds_sums_of_counts_with_gaps(columns):
    counts = (columns * 97).round()
    frame = counts.assign(y=counts["c2"] + counts["c5"])
    frame.loc[[3, 5], "c9"] = np.nan
    frame.loc[7, "c2"] = np.nan
    assert find_giveaways(frame, ["y"], list(columns)) == [("y", ("c2", "c5"), "sum")]
    frame.loc[11, "y"] += 1
    assert find_giveaways(frame, ["y"], list(columns)) == []


def test_find_giveaways_compares_numbers_whose_squares_are_too_large():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(1e301 * generator.normal(size=(50, 2)), columns=["y", "x"])
    frame["same"] = frame["y"] / 2
    assert find_giveaways(frame, ["y"], ["x", "same"]) == [("y", ("same",), "correlation")]


def test_find_giveaways_finds_the_target_in_another_unit(columns):
    frame = columns.assign(y=32 + 1.8 * columns["c4"], negative=-columns["c4"])
    found = find_giveaways(frame, ["y"], [*columns, "negative"])
    assert found == [("y", ("c4",), "correlation"), ("y", ("negative",), "correlation")]
    near = columns.assign(y=columns["c4"] + 1e-3 * columns["c5"])
    assert find_giveaways(near, ["y"], list(columns)) == []


def test_find_giveaways_says_nothing_of_few_rows(columns):
    frame = columns.assign(y=columns["c2"] + columns["c5"])[:7]
    assert find_giveaways(frame, ["y"], list(columns)) == []


@pytest.mark.parametrize("period", [7, 24, 53])
@pytest.mark.parametrize("trend", [0.0, 0.3])
def test_find_seasonality_finds_the_period_of_a_noisy_season(period, trend):
    rows = np.arange(701)
    noise = np.random.default_rng(5).normal(size=701)
    values = 3 * np.sin(2 * np.pi * rows / period) + noise + trend * rows
    values[::13] = np.nan
    assert abs(find_seasonality(values) - period) <= period // 20


def test_find_seasonality_sees_through_slow_changes():
    generator = np.random.default_rng(11)
    slow = generator.normal(size=2_003).cumsum()
    assert find_seasonality(slow + 3 * np.sin(2 * np.pi * np.arange(2_003) / 24)) == 24


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(3).normal(size=997),
        np.random.default_rng(3).normal(size=997).cumsum(),
        np.arange(997.0),
        np.ones(997),
        np.full(997, np.nan),
        np.ones(3),
    ],
    ids=["noise", "random-walk", "line", "constant", "missing", "short"],
)
def test_find_seasonality_finds_none_where_there_is_none(values):
    assert find_seasonality(values) is None


def test_inspection_goes_on_behind_an_empty_column():
    frame = pd.DataFrame({"time": pd.date_range("2024", periods=211, freq="h"), "empty": np.nan})
    frame["y"] = 1e9 + np.sin(np.arange(211.0))
    for fill in (None, "ffill"):
        found = inspect_table(frame, source="data.csv", target="y", fill=fill)
        assert found.frequency == "h"
        assert any("'empty'" in problem for problem in found.problems)
        assert not any("must change" in problem for problem in found.problems)


def test_inspection_names_values_far_from_all_others(table):
    table["y"] += 1234
    table.loc[40, "x"] = -9999.0
    found = inspected(table)
    assert found.problems == ()
    (note,) = (note for note in found.notes if "lie between" in note)
    assert "-9999 in column 'x', where half of the values lie between" in note
    table.loc[41, "y"] = 1e12  # float32, scaled, holds nothing of the other values
    (problem,) = inspected(table).problems
    assert "the values of a target must be of one size. Received: 1e+12 in column 'y'" in problem
    with pytest.raises(DataError, match="of one size"):
        prepare(table, FitOptions(target="y"))


@pytest.mark.parametrize(
    ("code", "others", "is_noted"),
    [
        (-200, (0.1, 12), True),
        (-200, (600, 1300), True),
        (-999.9, (-30, 40), True),
        (9999, (0, 8000), False),
        (9999, (0, 5000), True),
        (300, (0, 10), False),  # such as the highest price allowed
        (-1, (0, 1), False),
        (-20, (-30, 40), False),
    ],
)
def test_inspection_names_a_number_that_stands_for_missing_values(table, code, others, is_noted):
    table["x"] = np.resize(np.linspace(*others, 10), len(table))
    table.loc[::7, "x"] = code
    count = int((table["x"].head(int(0.7 * len(table))) == code).sum())
    notes = [note for note in inspected(table).notes if "stands for missing" in note]
    expected = f"data.csv: {code} in {count} rows of column 'x', far from all others"
    assert [note.startswith(expected) for note in notes] == [True] * is_noted


def test_notes_on_series_name_the_right_ones_where_one_has_no_train_rows(table):
    panel = [table.assign(shop=name, y=size * table["y"]) for name, size in SIZES.items()]
    series = series_from_frame(
        pd.concat(panel),
        infer_schema(table.assign(shop="kiosk"), source="data.csv", target="y", id_col="shop")[0],
        "data.csv",
    )
    rows = [
        slice(part.start, part.stop if i else part.start) for i, part in enumerate(series.parts)
    ]
    assert series.series_ids[0] == "kiosk"
    series.values[rows[1].start, 0] = 1e6
    (note,) = notes_on_spreads(series, rows, "data.csv")
    assert "1e+06 in column 'y' of series 'market'" in note
