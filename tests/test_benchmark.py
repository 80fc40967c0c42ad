"""`scripts/benchmark` says what is wrong with what it is asked for, before anything is fitted."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "benchmark"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["np-past", "mars"], "no task of that name: mars; there are np-past, "),
        (["np-past", "--set", "lerning_rate=1"], "no option of a fit: lerning_rate"),
        (["np-past", "--set", "preset=slow"], "Received: preset='slow'. Use fast, balanced"),
        (["np-past", "--seeds", "0"], "--seeds must be at least 1"),
        (["np-past"], "NP.csv: the data must be an existing file"),
        (["np-past", "--choosing"], "NP.csv: the data must be an existing file"),
    ],
)
def test_benchmark_refuses_in_one_message(arguments, message, tmp_path) -> None:
    given = [*arguments, "--data", tmp_path, "--results", tmp_path / "results.jsonl"]
    done = subprocess.run([sys.executable, SCRIPT, *given], capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "rows", "first"),
    [
        ("ett-ms-etth1-96", 17420, 11520),
        ("ett-m-ettm1-720", 69680, 46080),
        ("np-known", 52416, 41932),
        ("pm25", 43824, 35059),
    ],
)
def test_choosing_has_no_test_row(name, rows, first, monkeypatch) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    benchmark = runpy.run_path(str(SCRIPT))
    assert benchmark["first_test_row"](benchmark["make_tasks"]()[name], rows) == first
