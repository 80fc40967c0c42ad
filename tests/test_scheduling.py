"""Runs by a scheduler: one at a time, logged, on fresh data, by a model that is good enough."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import panel_frame

from tsattn.durations import duration_text, parse_duration
from tsattn.errors import DataError, OutputError, QualityGateError, UsageError
from tsattn.locks import output_lock
from tsattn.pipeline.predicting import predict
from tsattn.run_log import Run, logged


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("45min", 2700),
        ("2h", 7200),
        ("1d12h", 129_600),
        ("1.5 h", 5400),
        ("1w", 604_800),
    ],
)
def test_durations(text, seconds) -> None:
    assert parse_duration(text, "wait") == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 hours", "-1h", "1h;", "nan"])
def test_other_texts_are_no_durations(text) -> None:
    with pytest.raises(UsageError, match=r"`max_age` must be a length of time.*Write it like"):
        parse_duration(text, "max_age")


def test_durations_are_told_in_two_units() -> None:
    assert [duration_text(s) for s in (0.2, 61, 7200, 100_000)] == ["0s", "1min 1s", "2h", "1d 3h"]


def hold(path, ready, seconds: float) -> None:
    with output_lock(path):
        ready.set()
        time.sleep(seconds)


def start_holder(path, seconds: float):
    """Return another process that holds the lock of an output."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(path, ready, seconds))
    process.start()
    assert ready.wait(30)
    return process


def test_lock_is_refused_while_another_process_holds_it(tmp_path) -> None:
    path = tmp_path / "deep" / "forecast.csv"
    process = start_holder(path, 60)
    with (
        pytest.raises(OutputError, match=rf"one run at a time.*process {process.pid} is writing"),
        output_lock(path, wait=0.2),
    ):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert [left.name for left in path.parent.iterdir()] == [".forecast.csv.lock"]
    with output_lock(path):  # the file of a dead process is no lock
        assert (path.parent / ".forecast.csv.lock").exists()
    assert not list(path.parent.iterdir())


def test_lock_is_waited_for(tmp_path) -> None:
    process = start_holder(tmp_path / "model", 0.5)
    with output_lock(tmp_path / "model", wait=30):
        process.join()
    assert not list(tmp_path.iterdir())


def test_lock_leaves_no_folders_behind(tmp_path) -> None:
    with output_lock(tmp_path / "a" / "b" / "model"), output_lock(tmp_path / "a" / "other"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not list(tmp_path.iterdir())


def test_lock_of_a_link_is_that_of_its_target(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with (
        output_lock(tmp_path / "real"),
        pytest.raises(OutputError, match=f"process {os.getpid()}"),
        output_lock(tmp_path / "link"),
    ):
        pass


def test_systems_without_locks_say_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tsattn.locks.fcntl", None)
    notes = []
    with output_lock(tmp_path / "model", note=notes.append), output_lock(tmp_path / "model"):
        assert not list(tmp_path.iterdir())
    assert "no file locks" in notes[0]


def test_log_has_a_line_for_every_run(panel_model, latest, tmp_path) -> None:
    log, output = tmp_path / "logs" / "runs.jsonl", tmp_path / "forecast.csv"
    given = ["predict", panel_model, latest, "--log-json", log]
    codes = [
        run(*given, "-o", output).exit_code,
        run(*given, "-o", output).exit_code,  # it exists
        run(*given, "-o", output, "--overwrite", "--wait", "soon").exit_code,
        run("predict", tmp_path / "nothing", latest, "--log-json", log).exit_code,
        run("evaluate", panel_model, latest, "--log-json", log, "--runtime", "onnx").exit_code,
        run("fit", tmp_path / "nothing.csv", "--target", "x", "--log-json", log).exit_code,
    ]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert codes == [line["exit_code"] for line in lines] == [0, 2, 2, 7, codes[4], 3]
    assert [line["command"] for line in lines] == ["predict"] * 4 + ["evaluate", "fit"]
    first = lines[0]
    assert first["model"] == str(panel_model)
    assert first["data"] == str(latest)
    assert first["output"] == str(output)
    assert (first["rows_written"], first["series_written"], first["series_skipped"]) == (15, 5, 0)
    assert first["error"] is None
    assert first["seconds"] >= 0
    assert abs(pd.Timestamp.now("UTC") - pd.Timestamp(first["start"])) < pd.Timedelta("10min")
    assert "must not exist yet" in lines[1]["error"]
    assert lines[1]["rows_written"] is None


def test_log_may_be_stderr(panel_model, latest) -> None:
    done = run("predict", panel_model, latest, "--log-json", "-", "--quiet")
    assert json.loads(done.stderr)["series_written"] == 5


@pytest.mark.parametrize(
    ("log", "more"),
    [
        ("latest.csv", ()),
        ("link.csv", ()),
        ("model/runs.jsonl", ()),
        ("future.csv", ("--future", "future.csv")),
        ("f.csv", ("-o", "f.csv", "--overwrite")),
        ("f.explanation.json", ("-o", "f.csv", "--explain", 1, "--overwrite")),
    ],
)
def test_log_is_none_of_the_files_of_the_run(log, more, panel_model, latest, monkeypatch) -> None:
    monkeypatch.chdir(latest.parent)
    latest.with_name("link.csv").symlink_to(latest)
    latest.with_name("model").symlink_to(panel_model)
    latest.with_name("future.csv").write_text("time,plan\n")
    before = {path: path.read_bytes() for path in latest.parent.iterdir() if path.is_file()}
    done = run("predict", "model", "latest.csv", *more, "--log-json", log)
    assert done.exit_code == 2
    assert re.search("The log must be another file.*Name another file", done.stderr)
    after = {path: path.read_bytes() for path in latest.parent.iterdir() if path.is_file()}
    assert after == before
    assert not (panel_model / "runs.jsonl").exists()


@pytest.mark.parametrize(
    ("command", "log"),
    [
        (("evaluate", "model", "latest.csv"), "latest.csv"),
        (("fit", "latest.csv", "--target", "load", "-o", "new"), "new/runs.jsonl"),
        (("explain", "model", "--data", "x", "--against", "latest.csv"), "latest.csv"),
        (("update", "model", "x", "-o", "new", "--data", "latest.csv"), "latest.csv"),
        (("evaluate", "model", "folder"), "folder/runs.csv"),
        (("fit", "latest.csv", "--config", "run.toml", "-o", "new"), "run.toml"),
    ],
)
def test_log_of_every_command_lies_apart(command, log, latest, monkeypatch) -> None:
    monkeypatch.chdir(latest.parent)
    latest.with_name("folder").mkdir()
    latest.with_name("run.toml").write_text('target = "load"\n')
    content = latest.read_bytes()
    done = run(*command, "--log-json", log)
    assert done.exit_code == 2
    assert "The log must be another file" in done.stderr
    assert latest.read_bytes() == content
    assert not latest.with_name("new").exists()


def test_log_may_lie_beside_the_data_of_a_folder(panel_model, latest, monkeypatch) -> None:
    monkeypatch.chdir(latest.parent)
    done = run("predict", panel_model, ".", "--log-json", "runs.jsonl")
    assert done.exit_code == 0
    assert latest.with_name("runs.jsonl").exists()


@pytest.mark.parametrize(
    ("output", "rule"),
    [
        ("model/f.csv", "An output must lie apart from the model directory"),
        ("folder/f.csv", "A forecast must lie outside of the folder of its data"),
    ],
)
def test_forecast_does_not_lie_where_it_disturbs_the_next_run(
    output, rule, panel_model, latest, monkeypatch
) -> None:
    monkeypatch.chdir(latest.parent)
    latest.with_name("model").symlink_to(panel_model)
    latest.with_name("folder").mkdir()
    latest.rename(latest.parent / "folder" / latest.name)
    done = run("predict", "model", "folder", "-o", output)
    assert done.exit_code == 2
    assert rule in done.stderr
    assert not (latest.parent / output).exists()


def test_log_tells_of_data_that_may_not_be_read(panel_model, tmp_path, monkeypatch) -> None:
    log = tmp_path / "runs.jsonl"
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for a user without the right to
    (tmp_path / "latest.csv").write_text("time\n")
    run("predict", panel_model, tmp_path / "latest.csv", "--log-json", log)
    assert json.loads(log.read_text())["command"] == "predict"


def test_log_that_cannot_be_written_is_said_before_any_work(panel_model, latest, tmp_path) -> None:
    done = run("predict", panel_model, latest, "--log-json", tmp_path, "-o", tmp_path / "f.csv")
    assert done.exit_code == 8
    assert "The log must be writable" in done.stderr
    assert not (tmp_path / "f.csv").exists()


def test_log_tells_a_fit_that_was_interrupted_and_saved(tmp_path) -> None:
    for code, error in ((130, "interrupted"), (9, None)):
        with pytest.raises(SystemExit), logged(str(tmp_path / "log"), Run(command="fit")):
            sys.exit(code)
        line = json.loads((tmp_path / "log").read_text().splitlines()[-1])
        assert (line["exit_code"], line["error"]) == (code, error)


def log_lines(path, number: int) -> None:
    for i in range(200):
        with logged(str(path), Run(command=f"{number}-{i}", error="x" * 3000)):
            pass


def test_lines_of_several_processes_do_not_mix(tmp_path) -> None:
    path = tmp_path / "runs.jsonl"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=log_lines, args=(path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    commands = {json.loads(line)["command"] for line in path.read_text().splitlines()}
    assert commands == {f"{number}-{i}" for number in range(3) for i in range(200)}


def crash(path) -> None:
    with logged(str(path), Run(command="fit")):
        raise ValueError("a bug")


def test_log_tells_of_what_should_not_happen(tmp_path) -> None:
    with pytest.raises(ValueError, match="a bug"):
        crash(tmp_path / "log")
    line = json.loads((tmp_path / "log").read_text())
    assert (line["exit_code"], line["error"]) == (1, "ValueError: a bug")


def ask_to_end(path) -> None:
    with logged(str(path), Run(command="fit")):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)


def test_log_tells_of_a_run_that_was_asked_to_end(tmp_path) -> None:
    with pytest.raises(SystemExit) as caught:
        ask_to_end(tmp_path / "log")
    assert caught.value.code == 143
    line = json.loads((tmp_path / "log").read_text())
    assert (line["exit_code"], line["error"]) == (143, "terminated")


def ending(names: str, ago: str, tz: str | None = None) -> pd.DataFrame:
    """Return a panel whose last known row lies so long ago, to the hour."""
    frame = panel_frame(names)
    now = pd.Timestamp.now(tz) if tz else pd.Timestamp.now()
    last = (now - pd.Timedelta(ago)).floor("h")
    known = frame.time[frame.load.notna()].max()
    frame["time"] = frame.time.astype("datetime64[ns]") + (last.tz_localize(None) - known)
    return frame


@pytest.mark.parametrize("rows", ["50", "1000"])
def test_old_series_are_skipped(rows, panel_model, tmp_path) -> None:
    frame = pd.concat([ending("ab", "1h"), ending("cd", "30h").replace({"a": "c", "b": "d"})])
    frame.to_csv(tmp_path / "latest.csv", index=False)
    given = ["predict", panel_model, tmp_path / "latest.csv", "--rows-at-once", rows]
    assert run(*given, "--max-age", "3d").exit_code == 0
    done = run(*given, "--max-age", "3h", "-o", tmp_path / "forecast.csv")
    assert done.exit_code == 9, done.output
    assert list(pd.read_csv(tmp_path / "forecast.csv").series_id.unique()) == ["a", "b"]
    assert "at most 3h old. Received: series 'c'" in done.stderr
    assert re.search("1d [67]h ago", done.stderr)  # 7 where an hour begins meanwhile
    stopped = run(*given, "--max-age", "3h", "--on-error", "stop")
    assert stopped.exit_code == 3
    nothing = run(*given, "--max-age", "1min")
    assert nothing.exit_code == 3
    assert nothing.stderr.count("Skipped: ") == 4


def test_age_needs_a_duration(panel_model) -> None:
    with pytest.raises(UsageError, match="`max_age` must be a length of time"):
        predict(panel_model, panel_frame(), max_age="old")
    with pytest.raises(DataError, match=r"at most 2h old.*series 'a', known until 2021-03-03"):
        predict(panel_model, panel_frame(), max_age="2h")


def repeating_frame() -> pd.DataFrame:
    """Return a panel whose load repeats itself every day: the seasonal naive forecast is right."""
    frame = panel_frame("abc", 101)
    hours = frame.time.dt.hour
    return frame.assign(load=(50.0 + hours**2 / 20).where(frame.load.notna()))


@pytest.mark.parametrize("rows", ["80", "1000"])
def test_gate_keeps_a_model_that_is_worse_from_writing(rows, panel_model, tmp_path) -> None:
    repeating_frame().to_csv(tmp_path / "latest.csv", index=False)
    output = tmp_path / "forecast.csv"
    output.write_text("old")
    given = ["predict", panel_model, tmp_path / "latest.csv", "-o", output, "--overwrite"]
    given += ["--rows-at-once", rows]
    done = run(*given, "--fail-if-worse-than", "seasonal_naive")
    assert done.exit_code == 6, done.output
    assert "over 3 windows; no forecast was written" in done.stderr
    assert output.read_text() == "old"
    panel_frame("abc", 101).to_csv(tmp_path / "latest.csv", index=False)  # as it was trained on
    assert run(*given).exit_code == 0
    plain = output.read_bytes()
    assert run(*given, "--fail-if-worse-than", "last_value").exit_code == 0
    assert output.read_bytes() == plain


def test_gate_scores_the_last_known_rows(panel_model) -> None:
    frame = repeating_frame()
    known = frame.dropna()
    actual = known.groupby("town").tail(3)
    ahead = actual.assign(load=np.nan, wind=np.nan)
    before = pd.concat([known.drop(index=actual.index), ahead])
    forecast = predict(panel_model, before).sort_values(["series_id", "time"])
    scales = json.loads((panel_model / "scaler.json").read_text())["series"]
    spread = dict(zip(scales["series_ids"], np.ravel(scales["std"]), strict=True))
    # The third was not trained with: it is measured over the lookback of the window.
    spread["c"] = known[known["town"] == "c"]["load"].tail(14).head(11).std(ddof=0)
    actual = actual.sort_values(["town", "time"])
    errors = forecast.forecast.to_numpy() - actual.load.to_numpy()
    mse = float(np.mean(np.square(errors / actual.town.map(spread))))
    with pytest.raises(QualityGateError) as caught:
        predict(panel_model, frame, fail_if_worse_than="seasonal_naive")
    received = re.search(r"MSE (\S+) against (\S+) \(scaled\) over 3 windows", str(caught.value))
    assert float(received[1]) == pytest.approx(mse, rel=1e-4)
    assert float(received[2]) == pytest.approx(0, abs=1e-9)


def test_gate_needs_rows_to_score(panel_model) -> None:
    with pytest.raises(DataError, match=r"`lookback` \+ `horizon` rows.*Give more rows"):
        predict(panel_model, panel_frame("ab", 15), fail_if_worse_than="last_value")
    with pytest.raises(UsageError, match="A gate must be a baseline"):
        predict(panel_model, panel_frame("ab"), fail_if_worse_than="nothing")


@pytest.mark.slow
def test_killed_predict_leaves_the_old_output_or_the_new_one(panel_model, latest, tmp_path) -> None:
    output = tmp_path / "forecast.csv"
    command = [sys.executable, "-m", "tsattn", "predict", panel_model, latest, "-o", output,
               "--overwrite", "--quiet", "--rows-at-once", "50"]  # fmt: skip
    started = time.monotonic()
    subprocess.run(command, check=True)
    whole_run, new = time.monotonic() - started, output.read_bytes()
    generator = np.random.default_rng(11)
    for part in [0.5, 0.7, *generator.uniform(0.6, 1.0, 4)]:
        output.write_bytes(b"old")
        process = subprocess.Popen(command, start_new_session=True)
        time.sleep(part * whole_run)
        process.kill()
        process.wait()
        assert output.read_bytes() in (b"old", new)
    subprocess.run(command, check=True)
    assert output.read_bytes() == new
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forecast.csv", "latest.csv"]
