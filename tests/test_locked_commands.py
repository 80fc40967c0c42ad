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

from tsattn.locks import output_lock

WRITING = ("predict", "fit", "backtest", "update", "explain")


def writing(command: str, model, data) -> list:
    """Return a command that writes an output, but for the output."""
    fitted = [data, "--target", "load", "--id-col", "town"]
    arguments = {"fit": fitted, "backtest": fitted, "explain": [model, "--data", data]}
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


@pytest.mark.parametrize("command", WRITING)
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


@pytest.mark.parametrize("command", ["fit", "backtest", "update", "explain"])
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


def test_two_runs_into_one_output_are_one_after_the_other(panel_model, latest, tmp_path) -> None:
    output, log = tmp_path / "profile", tmp_path / "log"
    given = [*writing("explain", panel_model, latest), "-o", output, "--log-json", log, "-q"]
    command = [sys.executable, "-m", "tsattn", *map(str, given)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]  # fmt: skip
    errors = [process.communicate()[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 2], errors  # the other one waited, and found the output there
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(line["exit_code"] for line in lines) == codes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.csv", "log", "profile"]
