"""Views of the attention: one window, and groups of windows."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import load_frame, rebuilt
from test_onnx import with_structure

import tsattn
from tsattn.config import STRUCTURES
from tsattn.errors import DataError, UsageError
from tsattn.model_directory import load_fitted
from tsattn.pipeline.explaining import explain_windows
from tsattn.pipeline.grouping import explain_groups
from tsattn.pipeline.predicting import predict_with_reasons
from tsattn.profiles import ranks_features
from tsattn.progress import Progress

NUM_WINDOWS = 307 - 11 - 3 + 1
AHEAD = load_frame(63)[60:][["time", "plan"]]


def sizes(profile: pd.DataFrame) -> dict[str, int]:
    return profile.drop_duplicates("group").set_index("group")["num_windows"].to_dict()


@pytest.fixture(scope="module")
def fitted(model_directory):
    """Return the small model as ONNX Runtime runs it."""
    return load_fitted(model_directory, runtime="onnx")


@pytest.fixture(scope="module")
def panel(fitted):
    """Return a model of two towns, and their table."""
    towns = [load_frame(131).assign(town="a"), load_frame(157, 1).assign(town="b")]
    schema = replace(fitted.schema, id_column="town")
    return replace(fitted, schema=schema), pd.concat(towns, ignore_index=True)


@pytest.mark.parametrize("by", ["hour", "weekday", "target-level", "wind"])
def test_groups_add_up_to_the_whole_profile(by: str, fitted) -> None:
    whole = explain_windows(fitted, load_frame()).profile
    grouped = tsattn.explain(fitted, load_frame(), by=by)
    assert list(grouped.columns) == ["group", "num_windows", *whole.columns.drop("num_windows")]
    assert sum(sizes(grouped).values()) == NUM_WINDOWS
    assert set(whole["role"]) == {"past", "future"}
    means = grouped["mean"].to_numpy().reshape(-1, len(whole))
    weights = np.array([*sizes(grouped).values()]) / NUM_WINDOWS
    np.testing.assert_allclose(weights @ means, whole["mean"], rtol=1e-4)


def test_groups_do_not_depend_on_the_size_of_batches(fitted, monkeypatch) -> None:
    expected = tsattn.explain(fitted, load_frame(), by="weekday")
    monkeypatch.setattr("tsattn.running.PREDICT_BATCH", 7)
    again = tsattn.explain(fitted, load_frame(), by="weekday")
    pd.testing.assert_frame_equal(again, expected, rtol=1e-4)


def test_calendar_groups_are_of_the_first_forecast_step(fitted) -> None:
    origins = load_frame()["time"][11 : 307 - 2]
    found = sizes(tsattn.explain(fitted, load_frame(), by="hour"))
    assert found == {str(hour): (origins.dt.hour == hour).sum() for hour in range(24)}
    days = sizes(tsattn.explain(fitted, load_frame(), by="weekday"))
    assert list(days)[:2] == ["Monday", "Tuesday"]
    assert days["Monday"] == (origins.dt.day_of_week == 0).sum()
    assert sizes(tsattn.explain(fitted, load_frame(), by="month")) == {"March": NUM_WINDOWS}


def test_columns_count_by_their_last_known_row(fitted) -> None:
    table = load_frame()
    table["shift"] = np.where(np.arange(307) % 5 == 0, "late ", "early")
    table["flag"] = np.arange(307) % 3 == 0
    table["count"] = np.where(np.arange(307) % 4, 2.0, np.nan)
    last = table[10 : 307 - 3]
    shuffled = table.sample(frac=1, random_state=0)
    found = sizes(tsattn.explain(fitted, shuffled, by="shift"))
    assert found == {"early": (last["shift"] == "early").sum(), "late": 59}
    assert sizes(tsattn.explain(fitted, table, by="flag")) == {"False": 196, "True": 98}
    assert sizes(tsattn.explain(fitted, table, by="count")) == {"2": 221, "missing": 73}
    table["count"] = np.where(np.arange(307) % 3 == 0, np.inf, 2.0)
    assert set(sizes(tsattn.explain(fitted, table, by="count"))) == {"2.0", "inf"}


def test_numbers_are_grouped_in_quartiles(fitted) -> None:
    found = sizes(tsattn.explain(fitted, load_frame(), by="plan"))
    last = load_frame()["plan"][10 : 307 - 3]
    assert [name.split(":")[0] for name in found] == ["q1", "q2", "q3", "q4"]
    assert set(found.values()) <= {73, 74}
    assert f"q1: {last.min():.4g} to" in next(iter(found))
    assert list(found)[-1].endswith(f"to {last.max():.4g}")


def test_target_level_is_the_mean_in_the_window(fitted) -> None:
    table = load_frame()
    table["load"] += 10 * (np.arange(307) >= 200)  # the last third is high
    found = sizes(tsattn.explain(fitted, table, by="target-level"))
    assert found == {"low": 98, "middle": 98, "high": 98}
    rising = tsattn.explain(fitted, table.tail(120), by="target-level", window=None)
    assert set(rising["group"]) == {"low", "middle", "high"}


def test_one_window_is_that_of_its_origin(fitted) -> None:
    time = load_frame()["time"][100]
    one = explain_windows(fitted, load_frame(), window=str(time))
    cut = explain_windows(fitted, load_frame()[89:103])  # the only window there is
    pd.testing.assert_frame_equal(one.profile, cut.profile, rtol=1e-4)
    assert set(one.profile["num_windows"]) == {1}
    assert one.profile["std"].max() < 1e-3
    assert one.ranking is not None
    assert one.ranking["share"].sum() == pytest.approx(1)
    again = tsattn.explain(fitted, load_frame(), window=time)
    pd.testing.assert_frame_equal(again, one.profile)


@pytest.mark.parametrize("written", ["2021-03-02 08:00", "2021-03-02T03:00-05:00"])
def test_window_of_times_with_a_zone(written: str, fitted) -> None:
    table = load_frame(160)
    table["time"] = table["time"].dt.tz_localize("UTC")
    fitted = replace(fitted, schema=replace(fitted.schema, time_zone="UTC"))
    one = tsattn.explain(fitted, table, window=written)
    expected = tsattn.explain(fitted, table, window=table["time"][32])
    pd.testing.assert_frame_equal(one, expected)
    assert "first forecast step (UTC)" in explain_groups(fitted, table, by="hour").meaning


def test_series_of_a_panel(panel) -> None:
    fitted, table = panel
    time = table["time"][50]
    one = tsattn.explain(fitted, table, window=time, series="b")
    alone = tsattn.explain(fitted, table[table["town"] == "b"], window=time)
    pd.testing.assert_frame_equal(one, alone)
    with pytest.raises(UsageError, match=r"'a', 'b' have a window\. Name one with --series"):
        tsattn.explain(fitted, table, window=time)
    with pytest.raises(UsageError, match=r"series=c; there are 'a', 'b'"):
        tsattn.explain(fitted, table, window=time, series="c")
    assert sizes(tsattn.explain(fitted, table, by="town")) == {"a": 118, "b": 144}
    assert sum(sizes(tsattn.explain(fitted, table, by="hour", series="a")).values()) == 118
    table = table.assign(load=table["load"] + 100 * (table["town"] == "b"))
    levels = sizes(tsattn.explain(fitted, table, by="target-level"))
    assert levels == {"low": 40 + 48, "middle": 39 + 48, "high": 39 + 48}
    table = table.assign(which=np.where(table["town"] == "a", "first", "second"))
    assert sizes(tsattn.explain(fitted, table, by="which")) == {"first": 118, "second": 144}


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ({"by": "number"}, UsageError, r"at most 50 groups.*by=number with 294 different values"),
        ({"by": "nothing"}, UsageError, r"by=nothing; there are 'time', 'load'"),
        ({"window": "2021-03-01"}, DataError, r"complete from 2021-03-01 11:00:00 to .*, 294 in"),
        ({"window": "soon"}, UsageError, r"'soon'.*Write it as 2021-03-01T00:00:00"),
        ({"window": "2021-03-02 08:00Z"}, UsageError, r"no time zone where the data has none"),
        ({"window": "2021-03-02", "by": "hour"}, UsageError, r"Leave one of them out"),
        ({"series": "a"}, UsageError, r"series=a without them"),
        ({"series": "a", "by": "hour"}, UsageError, r"series=a for data without an id column"),
    ],
)
def test_views_that_there_are_not(wanted, error, message: str, fitted) -> None:
    table = load_frame().assign(number=[f"n{i}" for i in range(307)])
    with pytest.raises(error, match=message):
        tsattn.explain(fitted, table, **wanted)


@pytest.mark.parametrize("by", ["hour", "target-level"])
def test_name_of_a_group_that_is_a_column_too_is_noted(by, fitted, capsys) -> None:
    table = load_frame()
    expected = tsattn.explain(fitted, table, by=by, progress=Progress(quiet=False))
    assert "by=" not in capsys.readouterr().err
    found = tsattn.explain(fitted, table.assign(**{by: 7}), by=by, progress=Progress(quiet=False))
    pd.testing.assert_frame_equal(found, expected)
    note = f"by={by} is the .*, not the column of that name; .* a copy of it with another name"
    assert re.search(note, capsys.readouterr().err)


def test_numbered_rows_have_windows_by_number_but_no_hours(result) -> None:
    table = load_frame(160).drop(columns="time")
    fitted = rebuilt(result.fitted, time_columns=(), freq=None, calendar=())
    assert set(tsattn.explain(fitted, table, window=20)["num_windows"]) == {1}
    with pytest.raises(UsageError, match=r"Received: by=hour for rows without dates"):
        tsattn.explain(fitted, table, by="hour")
    with pytest.raises(UsageError, match=r"Give a row number"):
        tsattn.explain(fitted, table, window="2021-03-01")
    table["hour"] = np.arange(160) % 2
    assert sizes(tsattn.explain(fitted, table, by="hour")) == {"0": 74, "1": 73}


ATTENTIVE = {s.attention: s for s in STRUCTURES if s.encoder == "joint" and s.placement} | {
    f"{s.attention} by feature": s
    for s in STRUCTURES
    if s.encoder == "per-feature" and s.attention in ("bottleneck", "additive", "per-dimension")
}


@pytest.mark.slow
@pytest.mark.parametrize("structure", ATTENTIVE.values(), ids=ATTENTIVE)
def test_every_attention_has_groups_and_reasons(structure, result) -> None:
    fitted = with_structure(result.fitted, structure)
    whole = explain_windows(fitted, load_frame(60))
    grouped = explain_groups(fitted, load_frame(60), by="target-level")
    one = grouped.profile[grouped.profile["group"] == "low"]
    assert len(one) == len(whole.profile)
    assert ("total" in grouped.summary) == (whole.ranking is not None) == ranks_features(one)
    means = grouped.profile["mean"].to_numpy().reshape(3, -1)
    weights = np.array([*sizes(grouped.profile).values()]) / 47
    np.testing.assert_allclose(weights @ means, whole.profile["mean"], rtol=1e-3, atol=1e-6)
    if whole.ranking is None:
        with pytest.raises(UsageError, match="only by attention scores that compare features"):
            predict_with_reasons(fitted, load_frame(60), explain=3, future=AHEAD)
        return
    explained = predict_with_reasons(fitted, load_frame(60), explain=999, future=AHEAD)
    (entry,) = explained.explanation["windows"]
    assert sum(cell["share"] for cell in entry["cells"]) == pytest.approx(1)


def test_command_prints_groups_and_writes_them(model_directory, csv_path, tmp_path) -> None:
    output = tmp_path / "groups"
    arguments = ("explain", model_directory, "--data", csv_path, "--by", "target-level")
    printed = run(*arguments, "-o", output)
    assert printed.exit_code == 0, printed.output
    lines = printed.stdout.splitlines()
    assert lines[0].split()[:2] == ["group", "windows"]
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["low", "98"], ["middle", "98"], ["high", "98"],
    ]  # fmt: skip
    assert "mean of load over the lookback (thirds)" in printed.stdout
    assert {path.name for path in output.iterdir()} == {
        "profile_by.csv", "summary_by.csv", "groups.png", "MANIFEST.json",
    }  # fmt: skip
    assert len(pd.read_csv(output / "profile_by.csv")["group"].unique()) == 3
    summary = pd.read_csv(output / "summary_by.csv")
    np.testing.assert_allclose(summary.groupby("group")["total"].sum(), 1)
    as_json = json.loads(run(*arguments, "--json", "--quiet").stdout)
    assert [group["num_windows"] for group in as_json["groups"]] == [98, 98, 98]
    assert as_json["groups"][0]["summary"][0]["total"] > 0
    assert len(as_json["profile"]) == len(pd.read_csv(output / "profile_by.csv"))
    refused = run(*arguments, "-o", output)
    assert refused.exit_code == 2
    assert "Name another one, or use --overwrite" in refused.stderr


def test_command_shows_one_window(model_directory, csv_path, tmp_path) -> None:
    given = ("explain", model_directory, "--data", csv_path, "--window", "2021-03-05T04:00")
    printed = run(*given, "-o", tmp_path / "window")
    assert printed.exit_code == 0, printed.output
    assert "\n1 window. A contribution" in printed.stdout
    assert (tmp_path / "window" / "heatmap.png").exists()
    assert set(pd.read_csv(tmp_path / "window" / "profile.csv")["num_windows"]) == {1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "hour"], "--by without --data"),
        (["--data", "x.csv", "--by", "hour", "--window", "5"], "--window and --by"),
        (["--data", "x.csv", "--check", "--by", "hour"], "--by with --check"),
        (["--data", "x.csv", "--series", "a"], "--series without them"),
        (["--data", "x.csv", "--max-drift", "0.1"], "--max-drift without --against"),
        (["--data", "x.csv", "--by", "hour", "--train-data", "y"], "--train-data without"),
        (["--data", "x.csv", "--against", "val", "--max-drift", "nan"], "max_drift=nan"),
    ],
)
def test_options_that_do_not_go_together(arguments, message: str, model_directory) -> None:
    refused = run("explain", model_directory, *arguments)
    assert refused.exit_code == 2, refused.output
    assert message in refused.stderr


def test_groups_by_nothing_are_refused(model_directory, csv_path) -> None:
    refused = run("explain", model_directory, "--data", csv_path, "--by", "")
    assert refused.exit_code == 2, refused.output
    assert "Received: by=; there are 'time'" in refused.stderr
