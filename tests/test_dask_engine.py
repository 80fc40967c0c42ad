"""Forecasts by Dask workers: the bytes of one process, whatever becomes of a worker."""

import json
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import pandas as pd
import pytest
from commands import run
from synthetic import panel_frame
from test_batch import with_faults

import tsattn
from tsattn.engines import Engine
from tsattn.errors import UsageError, WorkersLostError
from tsattn.pipeline import dask_engine, remote
from tsattn.progress import Progress

FEW = ("--rows-at-once", "50")  # less than one series has: a group for each


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster of two worker processes, which are started again when they end."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=100
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def address(cluster):
    return ("--engine", "dask", "--dask-address", cluster.scheduler_address)


@pytest.fixture
def latest(tmp_path):
    path = tmp_path / "latest.csv"
    panel_frame().to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_local_workers_give_the_bytes_of_one_process(panel_model, latest, tmp_path) -> None:
    pytest.importorskip("distributed")
    given = ["predict", panel_model, latest, *FEW, "--quiet", "-o"]
    assert run(*given, tmp_path / "single.csv").exit_code == 0
    done = run(*given, tmp_path / "dask.csv", "--engine", "dask", "--dask-workers", 2)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "dask.csv").read_bytes() == (tmp_path / "single.csv").read_bytes()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["dask.csv", "latest.csv", "single.csv"]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_scheduler_gives_the_bytes_of_one_process(
    ending, panel_model, latest, address, tmp_path
) -> None:
    table = panel_frame()
    is_ahead = table.load.isna()
    data, future = tmp_path / f"known{ending}", tmp_path / "future.csv"
    known = table[~is_ahead]
    known.to_csv(data, index=False) if ending == ".csv" else known.to_parquet(data, index=False)
    table.loc[is_ahead, ["time", "plan", "town"]].to_csv(future, index=False)
    outputs = [tmp_path / f"{name}{ending}" for name in ("single", "dask")]
    for output, engine in zip(outputs, ((), address), strict=True):
        given = ["predict", panel_model, data, "--future", future, *FEW, "-o", output]
        done = run(*given, *engine)
        assert done.exit_code == 0, done.output
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.parametrize(
    ("more", "exit_code"),
    [
        ((), 9),
        (("--on-error", "stop"), 3),
        (("--fail-if-worse-than", "linear", "--json"), 9),
        (("--max-age", "3h"), 3),
        (("--explain", "2", "--follow", "20"), 9),
    ],
)
def test_rules_are_those_of_one_process(more, exit_code, panel_model, address, tmp_path) -> None:
    with_faults().to_csv(tmp_path / "faults.csv", index=False)
    log, output = tmp_path / "runs.jsonl", tmp_path / "forecast.csv"
    given = ["predict", panel_model, tmp_path / "faults.csv", "-o", output, *FEW]
    given += ["--log-json", log, "--overwrite", *more]
    results, files = [], []
    for engine in ((), address):
        results.append(run(*given, *engine))
        parts = sorted(tmp_path.glob("forecast*"))
        files.append({path.name: path.read_bytes() for path in parts})
        for path in parts:
            path.unlink()
    single, dask = results
    assert dask.exit_code == exit_code, dask.output
    assert (dask.stdout, without_ages(dask.stderr)) == (single.stdout, without_ages(single.stderr))
    assert files[0] == files[1]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        del line["start"], line["seconds"]
        line["error"] = without_ages(line["error"] or "")
    assert lines[0] == lines[1]


def without_ages(text: str) -> str:
    """Return messages without how long ago something was."""
    return "\n".join(
        line.split(" ago.")[0].rpartition(", ")[0] or line for line in text.split("\n")
    )


def test_failed_gate_ends_with_its_code(panel_model, address, tmp_path) -> None:
    table = panel_frame()
    table["load"] = table.load.where(table.load.isna(), 50 + table.groupby("town").cumcount() / 1e3)
    table.to_csv(tmp_path / "flat.csv", index=False)
    given = ["predict", panel_model, tmp_path / "flat.csv", *FEW]
    single, dask = (run(*given, "--fail-if-worse-than", "last_value", *e) for e in ((), address))
    assert (dask.exit_code, dask.stderr) == (6, single.stderr)
    assert single.exit_code == 6


@contextmanager
def killing(cluster):
    """Kill the process of the first worker that forecasts; yield the process numbers killed."""
    from distributed import Client

    killed: list[int] = []
    is_over = Event()

    def kill(client) -> None:
        pids = client.run(os.getpid)
        while not killed and not is_over.wait(0.01):
            for worker, tasks in client.processing().items():
                if any("tsattn-" in str(task) for task in tasks) and worker in pids:
                    os.kill(pids[worker], signal.SIGKILL)
                    killed.append(pids[worker])
                    break

    with Client(cluster) as client:
        thread = Thread(target=kill, args=(client,))
        thread.start()
        try:
            yield killed
        finally:
            is_over.set()
            thread.join()


@pytest.mark.slow
def test_lost_worker_costs_no_more_than_its_group(panel_model, latest, cluster, tmp_path) -> None:
    given = ["predict", panel_model, latest, *FEW, "-o"]
    assert run(*given, tmp_path / "single.csv").exit_code == 0
    address = cluster.scheduler_address
    with killing(cluster) as killed:
        given += [tmp_path / "dask.csv", "--engine", "dask", "--dask-address", address]
        done = run(*given)
    assert done.exit_code == 0, done.output
    assert len(killed) == 1
    assert " is gone; another forecasts what it had not finished" in done.stderr
    assert (tmp_path / "dask.csv").read_bytes() == (tmp_path / "single.csv").read_bytes()


def test_interrupt_of_all_processes_is_left_to_the_one_that_asks(tmp_path) -> None:
    pytest.importorskip("distributed")
    import psutil

    before = set(psutil.Process().children())
    with dask_engine.open_workers(Engine(name="dask", workers=1), tmp_path, Progress()):
        workers = [process for process in psutil.Process().children() if process not in before]
        assert workers
        for process in workers:
            process.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(workers, timeout=3)
        assert set(alive) == set(workers)


def test_cluster_without_workers_is_given_up(panel_model, latest, monkeypatch, tmp_path) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(dask_engine, "_WITHOUT_WORKERS", 0.5)
    with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty:
        given = ["--engine", "dask", "--dask-address", empty.scheduler_address]
        done = run("predict", panel_model, latest, *FEW, *given, "-o", tmp_path / "out.csv")
    assert done.exit_code == WorkersLostError.exit_code == 8
    assert "none for 0 seconds. Start some with `dask worker`" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["latest.csv"]


@pytest.mark.parametrize("address", ["nonsense", "http://localhost:1"])
def test_address_must_be_that_of_a_scheduler(address, panel_model, latest) -> None:
    pytest.importorskip("distributed")
    done = run("predict", panel_model, latest, *FEW, "--engine", "dask", "--dask-address", address)
    assert done.exit_code == 2
    assert f"running scheduler. Received: '{address}'" in done.stderr
    assert "Start one with `dask scheduler`" in done.stderr


def test_without_dask_the_message_says_what_to_install(panel_model, latest, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = run("predict", panel_model, latest, "--engine", "dask")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "needs the packages dask and distributed" in done.stderr
    assert "pip install 'tsattn[dask]'" in done.stderr


@pytest.mark.parametrize(
    ("given", "received"),
    [
        (["--dask-workers", "2"], "engine='single'"),
        (["--dask-address", "tcp://a:1"], "engine='single'"),
        (["--engine", "dask", "--dask-address", "tcp://a:1", "--dask-workers", "2"], "workers=2"),
        (["--engine", "dask", "--dask-workers", "0"], "0 is not in the range"),
    ],
)
def test_options_that_do_not_fit_together(given, received, tmp_path) -> None:
    done = run("predict", tmp_path / "model", tmp_path / "latest.csv", *given)
    assert done.exit_code == 2
    assert received in done.stderr


def test_small_panel_needs_no_workers(panel_model, latest) -> None:
    pytest.importorskip("distributed")
    single = run("predict", panel_model, latest)
    dask = run("predict", panel_model, latest, "--engine", "dask", "--dask-address", "tcp://a:1")
    assert dask.exit_code == 0
    assert dask.stdout == single.stdout
    assert "one group of series, which this process forecasts" in dask.stderr


def test_python_call_has_the_engine(panel_model, latest, cluster, tmp_path) -> None:
    output, address = tmp_path / "dask.csv", cluster.scheduler_address
    asked = {"rows_at_once": 50, "engine": "dask", "dask_address": address}
    result = tsattn.predict_file(panel_model, latest, output, **asked)
    assert (result.num_rows, result.num_series) == (15, 5)
    assert len(pd.read_csv(output)) == 15
    fitted = tsattn.load(panel_model).fitted_
    with pytest.raises(UsageError, match=r"a forecaster in memory\. Save it"):
        tsattn.predict_file(fitted, latest, tmp_path / "new.csv", **asked)
    with pytest.raises(UsageError, match="engine='spark'.*Use single, dask"):
        tsattn.predict_file(panel_model, latest, tmp_path / "new.csv", engine="spark")


def test_worker_without_the_package_is_named(
    panel_model, latest, address, monkeypatch, tmp_path
) -> None:
    from distributed import Client

    ask = Client.get_versions

    def answer(client, **given):
        found = ask(client, **given)
        worker = max(found["workers"])
        found["workers"][worker]["packages"]["tsattn"] = None
        return found

    monkeypatch.setattr(Client, "get_versions", answer)
    done = run("predict", panel_model, latest, *FEW, *address, "-o", tmp_path / "out.csv")
    assert done.exit_code == 2
    assert "Received: tsattn None on tcp://127.0.0.1:" in done.stderr
    assert "Install the same versions" in done.stderr


def test_worker_that_differs_is_refused() -> None:
    task = remote.GroupTask(
        group=None, model=None, rules=None, packages=remote.packages(), offset=None
    )
    with pytest.raises(UsageError, match=r"numpy 1\.0 here\. Install the same versions"):
        replace(task, packages=("numpy 1.0",)).run()
    with pytest.raises(UsageError, match=r"12345 s here\. Set TZ"):
        replace(task, offset=12345).run()
