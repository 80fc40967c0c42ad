"""Series at fault: skipped by `evaluate`, `explain` and `backtest` as by `fit` and `predict`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import SMALL, panel_frame
from test_backtesting import FAST, STEP, Told
from test_panel_fit import faulty

import tsattn
from tsattn.cli.printing import print_comparison
from tsattn.config import FitOptions
from tsattn.data.skipping import by_halves
from tsattn.errors import DataError, SchemaMismatchError
from tsattn.pipeline.backtesting import backtest, folds_folder
from tsattn.pipeline.comparing import Comparison
from tsattn.pipeline.evaluating import evaluate
from tsattn.pipeline.explaining import explain_windows
from tsattn.pipeline.predicting import predict

TOWNS, ROWS = "abcdefghij", 157
REASONS = {
    "b": ["column 'load' must be numbers. Received: 'oops' at row 159. Correct the value"],
    "c": [
        "column 'wind' has 1 missing values (first at row 315, 2021-03-01 07:00:00 of",
        "Complete them, or fit the model",
    ],
    "d": ["1 duplicates (", "Remove them"],
    "e": ["1 rows between the steps (", "Resample"],
    "f": ["'the 3rd' at row 773. Correct it"],
    "g": ["1 infinite values, or too large ones (first inf at row 927)", "Replace them"],
    "h": ["2 missing rows (first at 2021-03-01 20:00:00", "Complete them, or fit the model"],
    "i": ["11 rows and 3 after them, with no value missing. Received: 8 rows. Give more rows."],
}


def sound_panel(names: str = "aj") -> pd.DataFrame:
    """Return the rows of some of the towns, without faults."""
    frame = panel_frame(TOWNS, ROWS).dropna()
    return frame[frame["town"].isin(list(names))].reset_index(drop=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Return a panel with a fault in every series from b to i; a and j are sound."""
    return faulty(sound_panel(TOWNS))


@pytest.fixture(scope="module")
def path(frame, tmp_path_factory):
    """Return it as a file."""
    path = tmp_path_factory.mktemp("faulty") / "panel.csv"
    frame.to_csv(path, index=False)
    return path


def check_reasons(told: list[str]) -> None:
    assert len(told) == len(REASONS)
    for name, parts in REASONS.items():
        reason = next(reason for reason in told if f"series {name!r}" in reason)
        for part in parts:
            assert part in reason


def without(frame: pd.DataFrame, names: str) -> pd.DataFrame:
    return frame[~frame["town"].isin(list(names))]


@pytest.mark.parametrize(("bad", "calls"), [("", 1), ("c", 7), ("abcdefgh", 15)])
def test_halves_find_every_fault_and_keep_the_others_together(bad, calls) -> None:
    done = []

    def together(names):
        done.append(names)
        if set(names) & set(bad):
            raise DataError("why")
        return "".join(names)

    found = by_halves(list("abcdefgh"), together, lambda name, error: f"{name}:{error}")
    assert len(done) == calls
    assert "".join(found).replace(":why", "") == "abcdefgh"
    assert [each[0] for each in found if ":why" in each] == list(bad)


@pytest.mark.parametrize("kind", ["frame", "file"])
def test_evaluation_is_that_of_the_sound_series(kind, frame, path, panel_model) -> None:
    told: list[str] = []
    found = evaluate(panel_model, path if kind == "file" else frame, on_skip=told.append)
    check_reasons(told)
    assert found.skipped == tuple(told)
    assert found.num_series == 2
    expected = evaluate(panel_model, sound_panel())
    assert expected.skipped == ()
    assert found.series.series_ids == ("a", "j")
    assert len(found.evaluation.windows) == len(expected.evaluation.windows)
    mse = [result.evaluation.scores["model"]["original"].mse for result in (found, expected)]
    assert mse[0] == pytest.approx(mse[1], rel=1e-4)


def test_rows_that_are_not_skipped_are_an_error(frame, panel_model) -> None:
    for call in (evaluate, explain_windows):
        with pytest.raises(DataError):
            call(panel_model, frame)
    with pytest.raises(DataError):
        backtest(frame, FitOptions(**FAST, id_col="town"), folds=1)
    short = pd.concat([sound_panel("a"), sound_panel("j").head(8)])  # nothing to skip it for
    assert evaluate(panel_model, short).num_series == 1


def test_evaluate_skips_counts_and_scores(path, panel_model, tmp_path) -> None:
    log = tmp_path / "log.jsonl"
    given = ["evaluate", panel_model, path, "--log-json", log]
    done = run(*given, "--json")
    assert done.exit_code == 9, done.output
    assert done.stderr.count("Skipped: ") == len(REASONS)
    assert done.stderr.endswith("8 series skipped, 2 scored\n")
    content = json.loads(done.stdout)
    assert content["num_windows"] > 0
    check_reasons(content["skipped"])
    line = json.loads(log.read_text())
    assert (line["exit_code"], line["series_skipped"], line["error"]) == (9, 8, None)
    assert "series skipped" not in done.stdout
    assert run(*given, "--quiet").exit_code == 9
    gated = run(*given, "--fail-if-worse-than", "linear")
    assert gated.exit_code in (6, 9)  # the gate comes first
    stopped = run(*given, "--on-error", "stop")
    assert (stopped.exit_code, stopped.stdout) == (3, "")
    assert stopped.stderr.startswith("Error: series 'b': panel.csv: column 'load' must be numbers")
    assert json.loads(log.read_text().splitlines()[-1])["series_skipped"] is None


def test_sound_series_are_scored_as_ever(panel_model, tmp_path) -> None:
    sound_panel().to_csv(tmp_path / "sound.csv", index=False)
    done = run("evaluate", panel_model, tmp_path / "sound.csv", "--json")
    assert (done.exit_code, "skipped" in json.loads(done.stdout)) == (0, False)


@pytest.mark.parametrize("verb", [["evaluate"], ["explain", "--data"]])
def test_other_steps_of_a_series_are_a_mismatch(verb, panel_model, tmp_path) -> None:
    frame, path = sound_panel(), tmp_path / "panel.csv"
    is_daily = (frame["town"] == "j") & (frame["time"].dt.hour != 0)
    frame[~is_daily].to_csv(path, index=False)
    given = [verb[0], panel_model, *verb[1:], path]
    assert run(*given).exit_code == 9
    stopped = run(*given, "--on-error", "stop")
    assert stopped.exit_code == 5
    assert stopped.stderr.startswith("Error: series 'j': panel.csv: the data must have the freq")
    frame[~is_daily & (frame["town"] == "j")].to_csv(path, index=False)
    alone = run(*given)
    assert alone.exit_code == 5


@pytest.mark.parametrize("verb", [["evaluate"], ["explain", "--data"]])
def test_faults_of_the_whole_table_are_no_series(verb, panel_model, tmp_path) -> None:
    path = tmp_path / "panel.csv"
    given = [verb[0], panel_model, *verb[1:], path]
    sound_panel().drop(columns=["wind", "plan"]).to_csv(path, index=False)
    done = run(*given)
    assert (done.exit_code, "Skipped" in done.stderr) == (5, False)
    assert "no 'wind', 'plan'" in done.stderr
    sound_panel().assign(town=lambda rows: rows["town"].where(rows.index != 7)).to_csv(path)
    done = run(*given)
    assert (done.exit_code, "Skipped" in done.stderr) == (3, False)
    assert "first at row 7" in done.stderr
    sound_panel().assign(wind=np.nan).to_csv(path, index=False)
    done = run(*given)
    assert done.exit_code == 3
    assert done.stderr.count("Skipped: ") == 2
    assert "a series must be fit to be " in done.stderr
    assert "2 series, all at fault, the first: panel.csv: column 'wind' has 154" in done.stderr


VIEWS = {
    "profile": [],
    "groups": ["--by", "hour"],
    "window": ["--window", "2021-03-02T00:00", "--series", "a"],
    "drift": ["--against"],
}


@pytest.mark.parametrize("view", VIEWS)
def test_explain_skips_counts_and_shows(view, path, panel_model, tmp_path) -> None:
    sound, log = tmp_path / "sound.csv", tmp_path / "log"
    sound_panel().to_csv(sound, index=False)
    given = {data: [*VIEWS[view], *([data] if view == "drift" else [])] for data in (path, sound)}
    found, expected = (
        run("explain", panel_model, "--data", data, *given[data], "--json", "--log-json", log)
        for data in (path, sound)
    )
    assert (found.exit_code, expected.exit_code) == (9, 0), found.output
    times = 2 if view == "drift" else 1  # both data are read
    num_others = 1 if view == "window" else 2
    assert found.stderr.endswith(f"{8 * times} series skipped, {num_others} explained\n")
    assert found.stderr.count("Skipped: ") == 8 * times
    contents = [json.loads(done.stdout) for done in (found, expected)]
    check_reasons(contents[0].pop("skipped")[:8])
    assert list(contents[0]) == list(contents[1])
    if view != "drift":
        means = [[row["mean"] for row in content["profile"]] for content in contents]
        np.testing.assert_allclose(means[0], means[1], rtol=1e-3, atol=1e-5)
    assert [json.loads(line)["series_skipped"] for line in log.read_text().splitlines()] == [
        8 * times,
        None,
    ]
    stopped = run("explain", panel_model, "--data", path, *given[path], "--on-error", "stop",
                  "-o", tmp_path / "out")  # fmt: skip
    assert stopped.exit_code == 3
    assert stopped.stderr.startswith("Error: series 'b': ")
    assert not (tmp_path / "out").exists()


def test_series_shorter_than_the_counts_of_the_split_are_skipped(tmp_path) -> None:
    options = FitOptions(**{**SMALL, "epochs": 1}, id_col="town", split=(100, 30, 24))
    fitted = tsattn.fit(sound_panel(), options, check=False).fitted
    short = pd.concat([sound_panel("a"), sound_panel("j").head(120)])
    told: list[str] = []
    found = explain_windows(fitted, short, split="val", on_skip=told.append)
    assert found.num_series == 1
    assert len(told) == 1
    assert "series 'j': the DataFrame: a series must have the rows of the split, 154" in told[0]
    assert explain_windows(fitted, short, on_skip=told.append).num_series == 2  # all windows
    assert len(told) == 1
    with pytest.raises(DataError, match="must not ask for more rows than there are"):
        explain_windows(fitted, short, split="val")


def test_groups_by_a_column_read_the_sound_rows(frame, panel_model) -> None:
    found = tsattn.explain(panel_model, frame, by="wind", on_skip=lambda _: None)
    expected = tsattn.explain(panel_model, sound_panel(), by="wind")
    pd.testing.assert_frame_equal(found, expected, rtol=1e-3, atol=1e-5)


def test_window_of_a_series_at_fault_says_why(path, panel_model) -> None:
    given = ["explain", panel_model, "--data", path, "--window", "2021-03-02T00:00"]
    done = run(*given, "--series", "h")
    assert done.exit_code == 3, done.output
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "2 missing rows" in done.stderr.splitlines()[-1]
    assert run(*given, "--series", "nope").exit_code == 2


def test_python_calls_tell_of_skipped_series(frame, panel_model) -> None:
    for call in (tsattn.explain, tsattn.rank_features):
        told: list[str] = []
        call(panel_model, frame, on_skip=told.append)
        check_reasons(told)
    told = []
    drift = tsattn.attention_drift(panel_model, frame, against=sound_panel(), on_skip=told.append)
    check_reasons(told)
    assert drift.skipped == tuple(told)
    assert drift.num_series == 2
    assert drift.total == pytest.approx(0, abs=1e-3)


def test_mismatch_of_a_series_that_may_not_be_skipped_keeps_its_kind(panel_model) -> None:
    frame = sound_panel()
    is_daily = (frame["town"] == "j") & (frame["time"].dt.hour != 0)

    def refuse(reason: str) -> None:
        raise DataError(reason)

    with pytest.raises(SchemaMismatchError, match="^series 'j': "):
        evaluate(panel_model, frame[~is_daily], on_skip=refuse)


PANEL = FitOptions(**FAST, id_col="town")


@pytest.fixture(scope="module")
def sound_backtest():
    """Return a backtest of the sound series."""
    return backtest(sound_panel(), PANEL, folds=2, step=STEP, refit="never")


def stray(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the panel with three late rows of one more series, too few for a window."""
    late = frame.head(3).assign(town="z", time=pd.date_range("2030-01-01", periods=3, freq="h"))
    return pd.concat([frame, late], ignore_index=True)


def same(one, other) -> None:
    """Assert that two backtests have the same forecasts and errors."""
    pd.testing.assert_frame_equal(one.forecasts, other.forecasts, rtol=1e-4)
    pd.testing.assert_frame_equal(one.folds, other.folds, rtol=1e-3)


def test_backtest_is_that_of_the_sound_series(frame, sound_backtest, tmp_path) -> None:
    told: list[str] = []
    data = tmp_path / "panel.csv"
    stray(frame).to_csv(data, index=False)

    def again(progress):
        told.clear()
        return backtest(data, PANEL, folds=2, step=STEP, refit="never", output=tmp_path / "out",
                        on_skip=told.append, progress=progress)  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        again(Told("fold 1/2: 10 windows"))
    assert len(told) == 9
    notes = Told()
    found = again(notes)
    assert "fold 1/2: done before the interruption" in notes.notes
    assert not any("epoch" in note for note in notes.notes)
    assert found.skipped == tuple(told)
    assert "series 'z': panel.csv: a series must hold a window: 11 rows and 3 after" in told[-1]
    assert found.num_series == 2
    assert set(found.forecasts["series_id"]) == {"a", "j"}
    same(found, sound_backtest)
    assert sound_backtest.skipped == ()
    assert "skipped" not in sound_backtest.summary
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["skipped"] == told
    assert not folds_folder(tmp_path / "out").exists()


def test_folds_are_kept_for_the_same_series_only(tmp_path) -> None:
    data = stray(sound_panel())
    given = {"folds": 1, "step": STEP, "output": tmp_path / "out"}
    kept = Told("fold 1/1: fitting")
    with pytest.raises(KeyboardInterrupt):
        backtest(data, PANEL, on_skip=print, progress=kept, **given)
    key = json.loads((folds_folder(tmp_path / "out") / "backtest.json").read_text())
    assert key["skipped"] == ["z"]


def test_command_of_a_backtest_skips_counts_and_stops(path, tmp_path) -> None:
    given = {**SMALL, "epochs": 1, "level": "none", "attention": "none"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    output, log = tmp_path / "out", tmp_path / "log"
    command = ["backtest", path, *options, "--id-col=town", "--folds=1", "-o", output]
    command += ["--log-json", log]
    stopped = run(*command, "--on-error", "stop")
    assert stopped.exit_code == 3
    assert stopped.stderr.startswith("Error: series 'b': panel.csv: column 'load' must be numbers")
    done = run(*command, "--json")
    assert done.exit_code == 9, done.output
    assert done.stderr.endswith("8 series skipped, 2 backtested\n")
    content = json.loads(done.stdout)
    assert len(content["skipped"]) == 8
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["exit_code"], line["series_skipped"]) for line in lines] == [(3, None), (9, 8)]
    assert (output / "MANIFEST.json").exists()


def test_comparison_names_skipped_series_in_json(capsys) -> None:
    board = pd.DataFrame({"forecaster": ["linear"], "val_mse": [0.5]})
    for skipped in ((), ("why",)):
        found = Comparison(leaderboard=board, recommended="linear", reason="so", skipped=skipped)
        print_comparison(found, Path("out"), as_json=True)
        assert json.loads(capsys.readouterr().out).get("skipped", []) == list(skipped)


def test_repeated_times_of_a_panel_ask_for_no_id_column(panel_model) -> None:
    frame = panel_frame("ab")
    with pytest.raises(DataError, match=r"may occur once in a series.*of series a.*Remove them\.$"):
        predict(panel_model, pd.concat([frame, frame], ignore_index=True))
