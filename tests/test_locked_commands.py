"""Commands that write: one at a time into an output, and a line on each in the log."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time

import pytest
from commands import run
from synthetic import panel_frame

from tsattn.locks import output_lock

WRITING = ("predict", "fit", "backtest", "update", "explain", "compare")
SMALLEST = ["--lookback=11", "--horizon=3", "--units=5", "--epochs=1", "--attention=none"]


def writing(command: str, model, data) -> list:
    """Return a command that writes an output, but for the output."""
    fitted = [data, "--target", "load", "--id-col", "town"]
    arguments = dict.fromkeys(("fit", "backtest", "compare"), fitted)
    arguments |= {"explain": [model, "--data", data], "demo": ["hello-dense"]}
    return [command, *arguments.get(command, [model, data])]


@pytest.mark.parametrize("command", WRITING)
def test_commands_refuse_an_output_that_is_being_written(
    command, panel_model, latest, tmp_path
) -> None:
    output, log = tmp_path / "output.csv", tmp_path / "log"
    given = [*writing(command, panel_model, latest), "-o", output, "--log-json", log]
    with output_lock(output):
        done = run(*given, "--wait", "0s")
    assert done.exit_code == 8, done.output
    assert "one run at a time" in done.stderr
    line = json.loads(log.read_text())
    assert (line["command"], line["output"], line["exit_code"]) == (command, str(output), 8)
    assert (line["data"], line["error"]) == (str(latest), done.stderr[7:].strip())
    model = str(panel_model) if command in ("predict", "update", "explain") else None
    assert line["model"] == (str(output) if command == "fit" else model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.csv", "log"]


def test_demo_refuses_an_output_that_is_being_written(tmp_path) -> None:
    with output_lock(tmp_path / "output"):
        done = run(*writing("demo", None, None), "-o", tmp_path / "output", "--wait", "0s")
    assert done.exit_code == 8, done.output
    assert f"output, which process {os.getpid()} is writing" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [*WRITING, "demo"])
def test_commands_need_a_time_to_wait(command, panel_model, latest, tmp_path) -> None:
    given = [*writing(command, panel_model, latest), "-o", tmp_path / "output.csv"]
    done = run(*given, "--wait", "soon")
    assert done.exit_code == 2
    assert "`wait` must be a length of time" in done.stderr


def test_check_of_a_profile_holds_the_lock_of_the_model(model_directory, tmp_path) -> None:
    model, log = tmp_path / "model", tmp_path / "log"
    shutil.copytree(model_directory, model)
    given = ["explain", model, "--log-json", log]
    with output_lock(model):
        checked = run(*given, "--check", "--wait", "0s")
        assert run(*given, "--wait", "0s").exit_code == 0  # it reads only
    assert checked.exit_code == 8
    assert f"Received: {model}, which process {os.getpid()} is writing" in checked.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["output"] for line in lines] == [str(model), None]
    assert [line["exit_code"] for line in lines] == [8, 0]


def hold_and_write(path, ready) -> None:
    with output_lock(path):
        ready.set()
        time.sleep(1)
        path.mkdir()
        (path / "other").write_text("of another run")


@pytest.mark.parametrize("command", ["fit", "backtest", "update", "explain", "compare", "demo"])
def test_output_is_checked_again_after_waiting(command, panel_model, latest, tmp_path) -> None:
    context = multiprocessing.get_context("fork")
    ready, output = context.Event(), tmp_path / "output"
    process = context.Process(target=hold_and_write, args=(output, ready))
    process.start()
    assert ready.wait(30)
    done = run(*writing(command, panel_model, latest), "-o", output, "--wait", "30s")
    process.join()
    assert done.exit_code == 2, done.output
    assert f"Received: {output}" in done.stderr
    assert [path.name for path in output.iterdir()] == ["other"]


@pytest.mark.parametrize("command", [["explain", "--check"], ["update", "new.csv", "-o", "newer"]])
def test_missing_model_is_told_before_keras_is_loaded(command, tmp_path) -> None:
    code = f"""
import sys
from tsattn.cli import main
try:
    main({[command[0], "nowhere", *command[1:]]})
finally:
    print(*sorted({{"keras", "tensorflow"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 7, done.stderr
    assert "Received: nowhere, which has no MANIFEST.json" in done.stderr
    assert done.stdout == "\n"


def test_options_of_a_comparison_are_checked_before_it_waits(latest, tmp_path) -> None:
    given = [*writing("compare", None, latest), "-o", tmp_path / "output"]
    with output_lock(tmp_path / "output"):
        for wrong, message in (
            (["--attention", "nope"], "attention='nope'"),
            (["--seeds", "0"], "seeds=0. Give a larger number"),
            (["--dask-workers", "2"], "belong to the engine dask"),
        ):
            done = run(*given, *wrong, "--wait", "60s")
            assert (done.exit_code, message in done.stderr) == (2, True), done.output


@pytest.mark.parametrize("command", ["explain", "compare", "demo"])
def test_two_runs_into_one_output_are_one_after_the_other(
    command, panel_model, latest, tmp_path
) -> None:
    output = tmp_path / "output"
    given = writing(command, panel_model, latest)
    if command == "compare":
        panel_frame("a", 157).dropna().drop(columns="town").to_csv(latest, index=False)
        given = ["compare", latest, "--target=load", *SMALLEST]
    given = [sys.executable, "-m", "tsattn", *given, "-o", output, "--wait", "300s"]
    both = [
        subprocess.Popen(
            list(map(str, given)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [(process.communicate()[1], process.returncode) for process in both]
    assert sorted(code for _, code in said) == [0, 2], said
    refused = next(text for text, code in said if code == 2)
    assert f"must not exist yet. Received: {output}" in refused
    assert "seed 0" not in refused  # it waited, and did nothing in the meantime
    assert "epoch 1" not in refused
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.csv", "output"]
    assert (output / "MANIFEST.json").exists()
