"""The recipes for schedulers do what they say, as far as it shows without the schedulers."""

import configparser
import importlib.metadata
import json
import os
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pandas as pd
import pytest
from synthetic import load_frame

from tsattn.cli import main

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "scripts" / "recipes"
HOME = "/srv/forecast"


@pytest.fixture
def home(panel_model, tmp_path):
    """Return a folder as the recipes expect it, with data up to now."""
    folder = tmp_path / "forecast"
    shutil.copytree(panel_model, folder / "model")
    (folder / "latest").mkdir()
    last = pd.Timestamp.now().floor("h")
    for seed, town in ((1, "a"), (2, "b")):
        frame = load_frame(200, seed).assign(town=town)
        frame["time"] = pd.date_range(end=last + pd.Timedelta("3h"), periods=200, freq="h")
        frame["load"] = 45.0 + 10 * (frame.index > 175)  # a day ago it was another one
        frame.loc[197:, ["load", "wind"]] = None
        frame.to_csv(folder / "latest" / f"{town}.csv", index=False)
    program = folder / "venv" / "bin" / "tsattn"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tsattn "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def run(command: str, folder: Path, path: str):
    environment = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    if "TZ" in os.environ:
        environment["TZ"] = os.environ["TZ"]
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )


def check_forecast(done, home: Path) -> None:
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(home / "forecast.csv")) == 6
    line = json.loads((home / "runs.jsonl").read_text().splitlines()[-1])
    assert (line["command"], line["exit_code"], line["series_written"]) == ("predict", 0, 2)


def check_command(command: str) -> None:
    """Check that the command line takes a command, without running it."""
    words = shlex.split(command)
    assert Path(words[0]).name == "tsattn"
    main.commands[words[1]].make_context(words[1], words[2:])


def test_cron_line_runs(home) -> None:
    lines = (RECIPES / "forecast.cron").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines[:-1])
    fields = lines[-1].split(None, 5)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5])
    assert "%" not in fields[5]  # which cron reads as the end of a line
    path = variables["PATH"].replace(HOME, str(home))
    for _ in range(2):  # the second run overwrites the forecast of the first
        done = run(fields[5].replace(HOME, str(home)), home, path)
        check_forecast(done, home)
        assert done.stdout == done.stderr == ""


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string((RECIPES / name).read_text())
    return parser


def test_systemd_service_runs(home) -> None:
    service = unit("tsattn-forecast.service")["Service"]
    assert service["Type"] == "oneshot"
    assert service["SuccessExitStatus"] == "9"
    assert service["WorkingDirectory"] == service["ReadWritePaths"] == HOME
    check_forecast(run(service["ExecStart"].replace(HOME, str(home)), home, "/usr/bin:/bin"), home)
    timer = unit("tsattn-forecast.timer")
    assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_finds_no_fault_in_the_units(home, tmp_path) -> None:
    for name in ("tsattn-forecast.service", "tsattn-forecast.timer"):
        text = (RECIPES / name).read_text().replace(HOME, str(home))
        (tmp_path / name).write_text(text)
    for name in ("tsattn-forecast.service", "tsattn-forecast.timer"):
        done = subprocess.run(
            ["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True
        )
        found = [line for line in done.stderr.splitlines() if "tsattn-forecast" in line]
        assert not found
    done = subprocess.run(
        ["systemd-analyze", "calendar", unit("tsattn-forecast.timer")["Timer"]["OnCalendar"]],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


class FakeTask:
    """Keeps what an operator of Airflow is given, and what comes after it."""

    tasks: list["FakeTask"] = []

    def __init__(self, *, task_id: str, bash_command: str, cwd: str) -> None:
        self.task_id, self.command, self.cwd = task_id, bash_command, cwd
        self.after: list[str] = []
        FakeTask.tasks.append(self)

    def __rshift__(self, other: "FakeTask") -> "FakeTask":
        self.after.append(other.task_id)
        return other


class FakeDag:
    def __init__(self, *, dag_id: str, schedule: str, **settings: object) -> None:
        self.settings = settings

    def __enter__(self) -> "FakeDag":
        return self

    def __exit__(self, *error: object) -> None:
        return None


def test_airflow_dag_runs(home, monkeypatch) -> None:
    # Airflow itself is not installed: only the names that the file imports are stood in for.
    bash = types.SimpleNamespace(BashOperator=FakeTask)
    names = ["airflow", "airflow.operators", "airflow.operators.bash", "airflow.providers"]
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["airflow"].DAG = FakeDag
    monkeypatch.setitem(sys.modules, "airflow.operators.bash", bash)
    monkeypatch.setattr(FakeTask, "tasks", [])
    runpy.run_path(str(RECIPES / "forecast_dag.py"))
    score, forecast = FakeTask.tasks
    assert score.after == [forecast.task_id]
    assert score.cwd == forecast.cwd == HOME
    for task in (score, forecast):
        check_command(task.command.split("||")[0])
    path = f"{home}/venv/bin:/usr/bin:/bin"
    scored = run(score.command, home, path)
    code = json.loads((home / "runs.jsonl").read_text())["exit_code"]
    assert (scored.returncode, code) in ((0, 0), (1, 6)), scored.stderr
    check_forecast(run(forecast.command, home, path), home)
    (home / "latest" / "c.csv").write_text((home / "latest" / "a.csv").read_text()[:1000])
    text = (home / "latest" / "c.csv").read_text().rsplit("\n", 1)[0].replace(",a", ",c")
    (home / "latest" / "c.csv").write_text(text + "\n")
    assert run(forecast.command, home, path).returncode == 0  # one is too old, two are forecast
    assert json.loads((home / "runs.jsonl").read_text().splitlines()[-1])["exit_code"] == 9


def requirements() -> list[str]:
    lines = (RECIPES / "requirements-forecast.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def needed_distributions() -> set[str]:
    """Return the required packages with all that they require, as they are installed here."""
    waiting = [re.match(r"[\w-]+", line)[0] for line in requirements()]
    found: set[str] = set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # of another system
            continue
        found.add(name)
        waiting += [re.match(r"[\w-]+", need)[0] for need in needs if "extra ==" not in need]
    return found


ONLY = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
BLOCKED = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Blocker())
from tsattn.cli import main
main()
"""


def test_requirements_of_the_image_are_enough(home) -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(requirements()) <= set(dependencies)
    needed = needed_distributions()
    blocked = {
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if not {package.lower().replace("_", "-") for package in packages} & {*needed, "tsattn"}
    }
    assert {"tensorflow", "keras", "matplotlib", "sklearn", "onnx"} <= blocked
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for command in (
        ["predict", "model", "latest", "-o", "forecast.parquet", "--rows-at-once", "50"],
        ["evaluate", "model", "latest"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", ONLY, ",".join(sorted(blocked)), *command, "--log-json", "-"],
            capture_output=True, text=True, cwd=home, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(home / "forecast.parquet")) == 6


def test_dockerfile_copies_what_is_there() -> None:
    lines = (RECIPES / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert "scripts/recipes/requirements-forecast.txt" in copied
    assert any("pip install --no-cache-dir --no-deps ." in line for line in lines)
    assert 'ENTRYPOINT ["tsattn"]' in lines
    example = " ".join(line.strip("# \\") for line in lines[:4])
    check_command("tsattn " + example.split("tsattn-forecast ")[-1])
