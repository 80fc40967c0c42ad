"""Going on with an interrupted training as if it had not been."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import SMALL, load_frame

from tsattn import FitOptions, WindowShape, build_forecaster, fit, make_windows, train
from tsattn.checkpoints import Checkpoint, TrainingState
from tsattn.cli import main
from tsattn.errors import UsageError
from tsattn.pipeline.fitting import save

SHAPE = WindowShape(lookback=11, horizon=3, num_features=2, num_targets=1)
STRUCTURES = {
    "bottleneck": {},
    "decoder": {
        "encoder": "joint", "decoder": "recurrent", "attention": "additive", "placement": "after",
    },
}  # fmt: skip
EPOCHS = 4


def windows(rows: int = 211, seed: int = 0):
    generator = np.random.default_rng(seed)
    values = np.sin(np.arange(rows)[:, None] / [3.0, 5.0]) + 0.1 * generator.normal(size=(rows, 2))
    return make_windows(values, lookback=11, horizon=3, num_targets=1)


class KilledError(Exception):
    pass


def trained(structure: str, checkpoint=None, kill_in: int | None = None):
    """Train, and perhaps stop dead in an epoch; return weights, history and epochs run."""
    keras.utils.set_random_seed(3)
    model = build_forecaster(SHAPE, units=5, dropout=0.2, **STRUCTURES[structure])
    run: list[int] = []

    def kill(done: int, total: int) -> None:
        if kill_in is not None and len(run) + 1 == kill_in:
            raise KilledError

    history = train(
        model, windows(), windows(seed=1), epochs=EPOCHS, batch_size=31, windows_per_epoch=97,
        patience=4, learning_rate=0.01, seed=3, checkpoint=checkpoint, on_batch=kill,
        on_epoch=lambda epoch: run.append(epoch.epoch),
    )  # fmt: skip
    return model.get_weights(), history, run


@pytest.mark.parametrize("structure", STRUCTURES)
def test_training_goes_on_as_without_a_break(structure: str, tmp_path) -> None:
    expected, history, _ = trained(structure)
    checkpoint = Checkpoint(tmp_path / "kept", {"units": 5})
    with pytest.raises(KilledError):
        trained(structure, checkpoint, kill_in=3)
    weights, resumed, run = trained(structure, Checkpoint(tmp_path / "kept", {"units": 5}))
    assert run == list(range(3, len(history.epochs) + 1))
    assert resumed.best_epoch == history.best_epoch
    losses = [[epoch[:4] for epoch in each.epochs] for each in (history, resumed)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    again, _, run = trained(structure, Checkpoint(tmp_path / "kept", {"units": 5}))
    assert run == []  # it was over
    for ours, theirs in zip(again, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_training_goes_on_where_draws_come_from_one_generator() -> None:
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*command, "-k", "without_a_break and bottleneck"],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_checkpoint_of_another_training_is_refused(tmp_path) -> None:
    with pytest.raises(KilledError):
        trained("bottleneck", Checkpoint(tmp_path / "kept", {"units": 5, "seed": 3}), kill_in=2)
    with pytest.raises(UsageError, match=r"made with units=5 \(now 7\). Give what it was made"):
        trained("bottleneck", Checkpoint(tmp_path / "kept", {"units": 7, "seed": 3}))
    arrays = tmp_path / "kept" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:1000])
    with pytest.raises(UsageError, match="as it was written.*Remove it to start from the first"):
        trained("bottleneck", Checkpoint(tmp_path / "kept", {"units": 5, "seed": 3}))


def test_checkpoint_replaces_nothing_else(tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("")
    with pytest.raises(UsageError, match="may replace only a checkpoint of a fit"):
        Checkpoint(tmp_path / "mine", {})


def remove_and_die(checkpoint: Checkpoint) -> None:
    """Die after the first file that is removed."""

    def die(folder, **_) -> None:
        (folder / "arrays.npz").unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    shutil.rmtree = die
    checkpoint.remove()


def test_checkpoint_that_was_being_removed_is_as_none(tmp_path) -> None:
    checkpoint = Checkpoint(tmp_path / "kept", {"units": 5})
    scalars = {"epochs": [], "is_over": True, "wait": 0, "best": None, "best_epoch": 0}
    state = TrainingState(**scalars, variables=[np.ones(7)], optimizer=[], best_weights=None)
    checkpoint.write(state)
    process = multiprocessing.get_context("fork").Process(target=remove_and_die, args=[checkpoint])
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    again = Checkpoint(tmp_path / "kept", {"units": 7})
    assert again.read() is None
    assert not list(tmp_path.iterdir())
    again.write(state)
    again.remove()
    assert not list(tmp_path.iterdir())


def test_fit_refuses_a_checkpoint_of_other_options_or_data(tmp_path) -> None:
    options = {**SMALL, "epochs": 1, "attention": "none", "encoder": "joint"}
    frame, folder = load_frame(), tmp_path / "kept"
    result = fit(frame, FitOptions(**options), checkpoint=folder)
    with pytest.raises(UsageError, match=r"made with units=5 \(now 7\)"):
        fit(frame, FitOptions(**{**options, "units": 7}), checkpoint=folder)
    frame.loc[7, "wind"] += 1
    with pytest.raises(UsageError, match=r"made with data=\w+ \(now \w+\)"):
        fit(frame, FitOptions(**options), checkpoint=folder)
    assert folder.exists()
    save(result, tmp_path / "model")
    assert not folder.exists()


def test_killed_fit_resumes_to_the_same_forecasts(csv_path, tmp_path) -> None:
    options = {**SMALL, "epochs": 15, "patience": 15, "attention": "none", "encoder": "joint"}
    command = ["fit", str(csv_path), "--quiet"]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    output, kept = tmp_path / "killed", tmp_path / "killed.checkpoint"
    killed = [sys.executable, "-m", "tsattn", *command, "-o", str(output), "--resume"]
    process = subprocess.Popen(killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (kept / "MANIFEST.json").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not output.exists()
    done = json.loads((kept / "state.json").read_text())["state"]["epochs"]
    assert 1 <= len(done) < 15
    resumed = CliRunner().invoke(main, [*command, "-o", str(output), "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert not kept.exists()
    history = pd.read_csv(output / "history.csv")
    assert list(history["epoch"]) == list(range(1, 16))
    assert history["seconds"].iloc[0] == done[0][-1]  # of the first process
    whole = fit(csv_path, FitOptions(**options))
    expected = whole.evaluations["test"].forecast.to_frame(whole.series)
    found = pd.read_parquet(output / "test_forecasts.parquet")
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6, check_dtype=False)
