"""Rolling origins: what each fold may know, going on after an interruption, and what is written."""

import json
import multiprocessing
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import SMALL, load_frame

from tsattn import FitOptions, backtest
from tsattn.backtests import parse_refit, profile_drift, wide_table
from tsattn.cli import main
from tsattn.data.reading import read_table
from tsattn.errors import DataError, TsattnError, UsageError
from tsattn.pipeline.backtesting import folds_folder
from tsattn.pipeline.fold_store import Fold, FoldStore
from tsattn.progress import Progress

FAST = {**SMALL, "epochs": 1, "attention": "shared", "encoder": "joint", "level": (50,)}
STEP = 7


class Told(Progress):
    """Keeps the notes, and interrupts at one that holds a text."""

    def __init__(self, interrupt_at: str | None = None) -> None:
        super().__init__(quiet=False)
        self.notes: list[str] = []
        self.interrupt_at = interrupt_at

    def note(self, text: str) -> None:
        self.notes.append(text)
        if self.interrupt_at and self.interrupt_at in text:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def base():
    """Return a backtest of two folds with one fit."""
    return backtest(load_frame(), FitOptions(**FAST), folds=2, step=STEP, refit="never")


def of_fold(result, number: int) -> pd.DataFrame:
    table = result.forecasts
    return table[table["fold"] == number].reset_index(drop=True)


@pytest.mark.parametrize(
    ("refit", "period"), [("never", None), ("always", 1), ("every:1", 1), ("every:12", 12)]
)
def test_refit_is_a_number_of_folds(refit: str, period: int | None) -> None:
    assert parse_refit(refit) == period


@pytest.mark.parametrize("refit", ["", "0", "1", "every", "every:", "every:0", "every:-1", "x:2"])
def test_refit_refuses_anything_else(refit: str) -> None:
    with pytest.raises(UsageError, match=r"Use never, always, every:M, for example every:4"):
        parse_refit(refit)


def cells(**masses: float) -> pd.DataFrame:
    rows = [("a", "past", int(lag[1:]), mass) for lag, mass in masses.items()]
    return pd.DataFrame(rows, columns=["feature", "role", "lag_first", "mass"])


def test_drift_is_half_the_distance_of_the_shares() -> None:
    # Shares 0.5, 0.5, 0 and 0.25, 0, 0.75: half of 0.25 + 0.5 + 0.75.
    assert profile_drift(cells(l1=2, l2=2), cells(l1=1, l3=3)) == pytest.approx(0.75)
    assert profile_drift(cells(l1=2, l2=2), cells(l1=7, l2=7)) == pytest.approx(0)
    assert profile_drift(None, cells(l1=1)) is None
    assert profile_drift(cells(l1=0), cells(l1=1)) is None


def test_folds_are_the_last_rows_in_order(base) -> None:
    frame = load_frame()
    times = frame["time"].iloc[-2 * STEP :]
    per_fold = base.summary["per_fold"]
    assert [fold["first_time"] for fold in per_fold] == [
        times.iloc[0].isoformat(), times.iloc[STEP].isoformat(),
    ]  # fmt: skip
    assert per_fold[0]["trained_until"] == frame["time"].iloc[-2 * STEP - 1].isoformat()
    assert [fold["num_windows"] for fold in per_fold] == [STEP - SMALL["horizon"] + 1] * 2
    assert [fold["is_refitted"] for fold in per_fold] == [True, False]
    table = base.forecasts.merge(frame, on="time", suffixes=("", "_in_data"))
    np.testing.assert_allclose(table["actual"], table["load"], rtol=1e-6)


def test_errors_are_those_of_the_forecasts(base) -> None:
    table = base.forecasts.assign(
        size=(base.forecasts["forecast"] - base.forecasts["actual"]).abs()
    )
    rows = base.folds[base.folds["forecaster"] == "model"].set_index("fold")
    np.testing.assert_allclose(rows["mae"], table.groupby("fold")["size"].mean(), rtol=1e-6)
    np.testing.assert_allclose(
        base.summary["forecasters"]["model"]["original"]["mae"], table["size"].mean(), rtol=1e-6
    )
    steps = base.horizon[(base.horizon["forecaster"] == "model") & (base.horizon["fold"] == 2)]
    by_step = table[table["fold"] == 2].groupby("horizon_step")["size"].mean()
    np.testing.assert_allclose(steps["mae"], by_step, rtol=1e-6)
    held = (table["lower_50"] <= table["actual"]) & (table["actual"] <= table["upper_50"])
    np.testing.assert_allclose(rows["coverage_50"], held.groupby(table["fold"]).mean())
    assert base.summary["intervals"]["50"]["coverage"] == pytest.approx(held.mean())
    assert set(base.folds["forecaster"]) == {"model", "last_value", "seasonal_naive", "linear"}
    assert 0 <= base.folds["drift"].dropna().iloc[0] <= 1


def test_table_of_the_folds_has_short_times_and_the_skill_against_the_best(base) -> None:
    folds = base.folds.copy()
    of_first = folds["fold"] == 1
    folds.loc[of_first, "first_time"] = "2024-03-18T00:00:00+01:00"
    folds.loc[~of_first, "first_time"] = "2024-03-18T00:00:00"
    wide = wide_table(folds)
    assert wide["first_time"].tolist() == ["2024-03-18T00:00+01:00", "2024-03-18"]
    expected = folds.groupby("fold")["skill"].min()
    np.testing.assert_allclose(wide["skill"], expected)
    folds.loc[of_first & (folds["forecaster"] == "linear"), "skill"] = np.nan  # it makes no error
    assert np.isnan(wide_table(folds)["skill"][0])


def test_later_rows_change_nothing(base) -> None:
    changed = load_frame()
    later = changed.index[-STEP:]
    changed.loc[later, ["load", "wind", "plan"]] *= -1000
    other = backtest(changed, FitOptions(**FAST), folds=2, step=STEP, refit="never")
    pd.testing.assert_frame_equal(of_fold(other, 1), of_fold(base, 1))
    first = [
        {name: value for name, value in result.summary["per_fold"][0].items() if name != "seconds"}
        for result in (base, other)
    ]
    assert first[0] == first[1]
    assert not of_fold(other, 2)["actual"].equals(of_fold(base, 2)["actual"])


def test_rows_of_a_fold_change_neither_its_model_nor_its_first_forecast(base) -> None:
    changed = load_frame()
    changed.loc[changed.index[-2 * STEP :], ["load", "wind", "plan"]] *= -1000
    other = backtest(changed, FitOptions(**FAST), folds=2, step=STEP, refit="never")
    columns = ["time", "forecast", "lower_50", "upper_50"]
    first = [of_fold(result, 1)[columns].head(SMALL["horizon"]) for result in (base, other)]
    pd.testing.assert_frame_equal(first[0], first[1], rtol=1e-5)


def test_backtest_goes_on_after_an_interruption(base, tmp_path) -> None:
    path, output = tmp_path / "load.csv", tmp_path / "out"
    load_frame().to_csv(path, index=False)

    def run(progress: Progress, **changed):
        options = FitOptions(**{**FAST, **changed})
        return backtest(
            path, options, folds=2, step=STEP, refit="never", output=output, progress=progress
        )

    with pytest.raises(KeyboardInterrupt):
        run(Told("fold 1/2: 5 windows"))
    assert not output.exists()
    assert {part.name for part in folds_folder(output).iterdir()} == {
        "backtest.json", "fold-0001", "model-0001",
    }  # fmt: skip
    told = Told("fold 2/2: 5 windows")
    with pytest.raises(KeyboardInterrupt):
        run(told)
    assert "fold 1/2: done before the interruption" in told.notes
    assert not any("epoch" in note for note in told.notes)
    last = run(Told())
    assert not folds_folder(output).exists()
    for number in (1, 2):
        pd.testing.assert_frame_equal(of_fold(last, number), of_fold(base, number), rtol=1e-6)
    with pytest.raises(UsageError, match="use --overwrite"):
        run(Told())


def test_other_options_or_data_start_afresh(tmp_path) -> None:
    path, output = tmp_path / "load.csv", tmp_path / "out"
    told = Told("fold 1/2: fitting")
    for seed, factor in ((0, 1), (0, 1), (1, 1), (1, 2)):
        frame = load_frame()
        frame.assign(load=factor * frame["load"]).to_csv(path, index=False)
        told.notes.clear()
        with pytest.raises(KeyboardInterrupt):
            backtest(path, FitOptions(**FAST, seed=seed), folds=2, output=output, progress=told)
        afresh = any("this one starts afresh" in note for note in told.notes)
        assert afresh == ((seed, factor) != (0, 1))
    folder = folds_folder(output)
    (folder / "backtest.json").unlink()
    (folder / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match=r"out.folds, which is something else"):
        backtest(path, FitOptions(**FAST), folds=2, output=output)
    assert (folder / "mine.txt").read_text() == "kept"


def remove_and_die(store: FoldStore) -> None:
    """Die after the first file that is removed."""

    def die(folder, **_) -> None:
        (folder / "backtest.json").unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    shutil.rmtree = die
    store.remove()


def test_folds_that_were_being_removed_are_as_none(tmp_path) -> None:
    key, folder = {"folds": 2}, tmp_path / "out.folds"
    store, fold = FoldStore(folder, key, Told()), Fold(result={}, forecasts=None, cells=None)
    store.write(0, fold)
    before = (folder / "backtest.json").stat()
    assert FoldStore(folder, key, Told()).read(0) == fold
    assert (folder / "backtest.json").stat() == before  # a kill while it is written would lose it
    process = multiprocessing.get_context("fork").Process(target=remove_and_die, args=[store])
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert FoldStore(folder, {"folds": 3}, Told()).read(0) is None
    assert [path.name for path in tmp_path.iterdir()] == ["out.folds"]


def test_backtest_of_a_panel_cuts_by_time(tmp_path) -> None:
    long, short = load_frame(211).assign(town="a"), load_frame(211, seed=6).assign(town="b")
    panel = pd.concat([long, short[:-STEP]])  # b ends before the last fold
    path, output = tmp_path / "panel.csv", tmp_path / "out"
    panel.to_csv(path, index=False)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in FAST.items()]
    options[-1] = "--level=none"
    command = ["backtest", str(path), *options, "--attention=none", "--id-col=town", "--folds=2"]
    log = tmp_path / "log"
    command += [f"--step={STEP}", f"--log-json={log}", f"--output={output}"]
    done = CliRunner().invoke(main, [*command, "--json", "-q"])
    assert done.exit_code == 0, done.output
    line = json.loads(log.read_text())
    assert (line["command"], line["model"], line["data"]) == ("backtest", None, str(path))
    assert (line["output"], line["exit_code"], line["error"]) == (str(output), 0, None)
    summary = json.loads(done.stdout)
    windows = STEP - SMALL["horizon"] + 1
    assert [fold["num_windows"] for fold in summary["per_fold"]] == [2 * windows, windows]
    assert (summary["num_fits"], summary["drift"]) == (2, None)
    forecasts = pd.read_parquet(output / "forecasts.parquet")
    counts = forecasts.groupby(["fold", "series_id"])["origin_time"].nunique()
    assert counts.to_dict() == {(1, "a"): windows, (1, "b"): windows, (2, "a"): windows}
    assert sorted(part.name for part in output.iterdir()) == [
        "MANIFEST.json", "folds.csv", "folds.png", "forecasts.parquet", "horizon.csv",
        "summary.json",
    ]  # fmt: skip
    assert json.loads((output / "summary.json").read_text())["step"] == STEP
    assert "coverage_80" not in read_table(output / "folds.csv")[0]
    again = CliRunner().invoke(main, command)
    assert (again.exit_code, "use --overwrite" in again.output) == (2, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 0}, "folds=0. Give a larger number"),
        ({"step": 0}, "step=0. Give a larger number"),
        ({"step": 2}, "step=2, horizon=3. Use a larger --step"),
        ({"folds": 97}, "97 x 3 of 307 rows. Use fewer --folds"),
        ({"refit": "weekly"}, "refit='weekly'"),
        ({"folds": 1.5}, "`folds` must be a whole number"),
        ({"refit": 2}, "`refit` must be text"),
    ],
)
def test_backtest_refuses_before_it_fits(given: dict, message: str, tmp_path) -> None:
    with pytest.raises(TsattnError, match=message):
        backtest(load_frame(), FitOptions(**FAST), output=tmp_path / "out", **given)
    assert not list(tmp_path.iterdir())


def test_backtest_needs_a_fold_with_a_window() -> None:
    frame = load_frame()
    frame.loc[frame.index[-4:], "load"] = np.nan
    with pytest.raises(DataError, match="missing values.*Fill them with --fill"):
        backtest(frame, FitOptions(**FAST), folds=1, step=4)
