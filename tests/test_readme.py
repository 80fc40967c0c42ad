"""What the README shows runs as it stands there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from tsattn.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^    tsattn (.*)$", README, re.MULTILINE)
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder to work in, with the data the commands name."""
    shutil.copytree(ROOT / "datasets", tmp_path / "datasets")
    table = pd.read_csv(tmp_path / "datasets" / "town_load.csv")
    # The commands as they stand, on the first months only.
    table = table.head(601)
    table.to_csv(tmp_path / "datasets" / "town_load.csv", index=False)
    table[:-6].to_csv(tmp_path / "latest.csv", index=False)
    table[-6:][["time", "shift_plan"]].to_csv(tmp_path / "future.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_readme_commands_run_in_their_order(folder) -> None:
    assert [command.split()[0] for command in COMMANDS] == [
        "inspect", "fit", "explain", "evaluate", "predict",
    ]  # fmt: skip
    for command in COMMANDS:
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0, f"{command}\n{result.output}"
    assert len(pd.read_csv(folder / "forecast.csv")) == 6


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_readme_code_runs(number: int, folder) -> None:
    script = folder / "block.py"
    script.write_text(BLOCKS[number])
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_readme_names_every_exit_code_and_script() -> None:
    for script in (
        "demo", "test", "bench_startup", "bench_memory", "bench_throughput", "bench_predict",
        "bench_batch", "bench_peers", "benchmark", "reproduce_demos", "reproduce_faithfulness",
    ):  # fmt: skip
        assert f"scripts/{script}" in README
        assert (ROOT / "scripts" / script).exists()
