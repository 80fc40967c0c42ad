"""`scripts/bench_peers` compares on the same windows, or not at all; without NeuralForecast."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
ROWS = 1009  # 706 train, 102 val, 201 test
SMALL = ("units=5", "epochs=1", "segment=24")


@pytest.fixture
def folder(tmp_path):
    """Return a folder with hourly prices and two forecasts of a day ahead."""
    wind, grid, noise = np.random.default_rng(3).normal(size=(3, ROWS))
    table = {
        "date": pd.date_range("2013-01-01", periods=ROWS, freq="h"),
        " Grid load forecast": grid,
        " Wind power forecast": wind,
        "OT": 30 + 5 * np.cumsum(noise) / 10 + grid - wind,
    }
    pd.DataFrame(table).to_csv(tmp_path / "NP.csv", index=False)
    return tmp_path


def bench(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    given = [f"--data={folder}", "--tasks=np-known", "--models=tsattn", *more]
    given += [f"--results={folder / 'results.jsonl'}", *(f"--set={option}" for option in SMALL)]
    command = [sys.executable, SCRIPTS / "bench_peers", *given]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_every_test_window_is_scored_once(folder) -> None:
    done = bench(folder, "--json")
    assert done.returncode == 0, done.stderr
    assert "178 windows from row 808 on" in done.stderr
    (result,) = json.loads(done.stdout)
    price = pd.read_csv(folder / "NP.csv").OT.to_numpy()
    scaled = (price - price[:706].mean()) / price[:706].std()
    origins = np.arange(808, ROWS - 24 + 1)
    error = scaled[origins[:, None] + np.arange(24)] - scaled[origins - 1, None]
    wanted = [np.mean(error**2), np.mean(np.abs(error))]
    assert result["windows"] == len(origins)
    assert result["last_value"] == pytest.approx(wanted, abs=1e-4)
    assert 0 < result["mae"] < np.sqrt(result["mse"])
    assert result["peak_megabytes"] > 100

    with (folder / "results.jsonl").open("a") as file:
        file.write('{"task": "np-kno')  # cut off
    again = bench(folder)
    assert again.stderr == "", "it was computed anew"
    row = f"| np-known | 1 | {result['mse']:.4f} / {result['mae']:.4f} |"
    assert f"| tsattn, {', '.join(SMALL)} {row}" in again.stdout
    assert (folder / "results.jsonl").read_text().endswith("\n")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--models=prophet"], "There is no 'prophet'; there are tsattn, nhits"),
        (["--set=lookback=48"], "an option of fit but target, lookback"),
        (["--set=colour=red"], "Received: 'colour=red'"),
        (["--tasks=de-known"], "--data must hold DE.csv"),
    ],
)
def test_wrong_arguments_are_named(folder, given, message: str) -> None:
    done = bench(folder, *given)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def task(monkeypatch):
    """Return a task of 5 windows of 3 steps, and the forecast of the last value."""
    monkeypatch.syspath_prepend(SCRIPTS)
    from peers.tasks import Task

    values = np.random.default_rng(1).normal(size=23).astype("float32")
    origins = np.arange(16, 21)
    targets = values[origins[:, None] + np.arange(3)]
    last = values[origins - 1]
    windows = {
        "origins": origins,
        "targets": targets,
        "last_value": np.repeat(last[:, None], 3, axis=1),
    }
    found = {"origins": origins, "actual": targets, "last": last, "forecast": targets + 0.5}
    return Task(data=Path("NP.csv"), options={}, rows={}, windows=windows), found


def test_a_forecast_of_the_same_windows_is_scored(task) -> None:
    wanted, found = task
    assert wanted.score(found) == {
        "windows": 5,
        "first_row": 16,
        "mse": 0.25,
        "mae": 0.5,
        "last_value": wanted.score(found)["last_value_of_tsattn"],
        "last_value_of_tsattn": wanted.score(found)["last_value"],
    }


@pytest.mark.parametrize("name", ["origins", "actual", "last"])
def test_other_windows_are_refused(task, name: str) -> None:
    wanted, found = task
    with pytest.raises(RuntimeError, match="than those of tsattn"):
        wanted.score({**found, name: np.roll(found[name], 1, axis=0)})


def test_windows_that_lack_the_last_are_refused(task) -> None:
    wanted, found = task
    with pytest.raises(RuntimeError, match="other origins"):
        wanted.score({name: array[:-1] for name, array in found.items()})
