"""Attentions side by side."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import SMALL, load_frame

import tsattn
from tsattn.cli import main
from tsattn.config import FitOptions
from tsattn.errors import DataError, TsattnError, UsageError, error_with
from tsattn.pipeline.comparing import compare, recommend
from tsattn.pipeline.single_fits import pack, unpack

FAST = {**SMALL, "epochs": 1}


@pytest.fixture
def csv_path(tmp_path):
    path = tmp_path / "load.csv"
    load_frame().to_csv(path, index=False)
    return path


def board(**errors: float) -> pd.DataFrame:
    rows = [{"forecaster": name, "val_mse": mse, "skill": 0.25} for name, mse in errors.items()]
    return pd.DataFrame(rows).sort_values("val_mse", ignore_index=True)


def test_recommend_takes_the_lowest_validation_mse() -> None:
    chosen, reason = recommend(board(none=0.3, additive=0.2, linear=0.4))
    assert chosen == "additive"
    assert "25.0% below that of the best baseline" in reason


def test_recommend_prefers_nats_among_models_of_the_same_accuracy() -> None:
    chosen, reason = recommend(board(none=0.2, bottleneck=0.2019, linear=0.4))
    assert (chosen, "within 1% of the lowest, that of none" in reason) == ("bottleneck", True)
    assert recommend(board(none=0.2, bottleneck=0.2021, linear=0.4))[0] == "none"


def test_recommend_says_that_a_baseline_is_better() -> None:
    chosen, reason = recommend(board(none=0.5, linear=0.4))
    assert (chosen, "20.0% below that of the best model" in reason) == ("linear", True)


@pytest.mark.parametrize("code", [2, 3, 4, 5, 6, 7, 8, 130])
def test_error_of_another_process_keeps_its_exit_code(code: int) -> None:
    assert error_with(code, "why").exit_code == code


def test_unknown_exit_code_is_still_an_error_of_ours() -> None:
    assert type(error_with(77, "why")) is TsattnError


def test_compare_refuses_before_it_fits(csv_path, tmp_path) -> None:
    options = FitOptions(**FAST)
    with pytest.raises(UsageError, match="attention='nope'.* Use bottleneck"):
        compare(csv_path, options, attentions=["nope"], output=tmp_path / "out")
    with pytest.raises(UsageError, match="seeds=0. Give a larger number"):
        compare(csv_path, options, attentions=["none"], output=tmp_path / "out", num_seeds=0)
    (tmp_path / "kept").write_text("")
    with pytest.raises(UsageError, match=r"Received: .*kept. Name another output"):
        compare(csv_path, options, attentions=["none"], output=tmp_path / "kept")
    assert not (tmp_path / "out").exists()


def test_compare_fails_as_the_fit_fails_and_leaves_nothing(csv_path, tmp_path) -> None:
    options = FitOptions(**{**FAST, "lookback": 299})
    with pytest.raises(DataError, match="must hold a window"):
        compare(csv_path, options, attentions=["none"], output=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["load.csv"]


def test_compare_ranks_attentions_and_baselines(csv_path, tmp_path) -> None:
    output = tmp_path / "out"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in FAST.items()]
    command = ["compare", str(csv_path), *options, "--attention", "none,shared", "-o", str(output)]
    result = CliRunner().invoke(main, [*command, "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["leaderboard"]
    names = ["none", "shared", "last_value", "seasonal_naive", "linear"]
    assert sorted(row["forecaster"] for row in rows) == sorted(names)
    errors = [row["val_mse"] for row in rows]
    assert errors == sorted(errors)
    saved = pd.read_csv(output / "leaderboard.csv")
    assert list(saved["forecaster"]) == [row["forecaster"] for row in rows]
    of_models = saved.dropna(subset="parameters").set_index("forecaster")
    assert set(of_models.index) == {"none", "shared"}
    assert (of_models[["seconds", "megabytes"]] > 0).all(axis=None)
    for name in of_models.index:
        metrics = json.loads((output / "models" / f"{name}-0" / "metrics.json").read_text())
        assert metrics["val"]["scaled"]["mse"]["overall"] == pytest.approx(
            of_models.loc[name, "val_mse"]
        )
        assert metrics["num_parameters"] == of_models.loc[name, "parameters"]
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2
    assert "use --overwrite" in again.output


def test_baseline_without_errors_gives_no_skill(tmp_path) -> None:
    frame = load_frame()
    frame.loc[150:, "load"] = 2.0
    frame.to_csv(tmp_path / "calm.csv", index=False)
    output = tmp_path / "out"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in FAST.items()]
    command = ["compare", str(tmp_path / "calm.csv"), *options, "--attention=none", "-o"]
    result = CliRunner().invoke(main, [*command, str(output), "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    assert {row["skill"] for row in json.loads(result.stdout)["leaderboard"]} == {None}
    assert pd.read_csv(output / "leaderboard.csv")["skill"].isna().all()


def test_comparing_loads_no_keras_itself() -> None:
    check = "import sys, tsattn.pipeline.comparing; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def rows_of(output) -> pd.DataFrame:
    """Return the leaderboard without what depends on the machine."""
    return pd.read_csv(output / "leaderboard.csv").drop(columns=["seconds", "megabytes"])


@pytest.mark.slow
def test_workers_give_the_rows_of_one_process(tmp_path) -> None:
    distributed = pytest.importorskip("distributed")
    folder = tmp_path / "load"
    folder.mkdir()
    for i in range(2):
        load_frame().iloc[150 * i : 150 * (i + 1)].to_csv(folder / f"part{i}.csv", index=False)
    options = FitOptions(**FAST)
    given = {"attentions": ["none"], "num_seeds": 1}
    single = compare(folder, options, output=tmp_path / "single", **given)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=100
    ) as cluster:
        asked = {"engine": "dask", "dask_address": cluster.scheduler_address}
        dask = compare(folder, options, output=tmp_path / "dask", **given, **asked)
        too_long = FitOptions(**{**FAST, "lookback": 299})
        with pytest.raises(DataError, match="must hold a window"):
            compare(folder, too_long, output=tmp_path / "none", **given, **asked)
    pd.testing.assert_frame_equal(rows_of(tmp_path / "dask"), rows_of(tmp_path / "single"))
    assert dask.recommended == single.recommended
    assert (dask.leaderboard["seconds"].dropna() > 0).all()
    models = [tmp_path / engine / "models" / "none-0" for engine in ("single", "dask")]
    for file in ("config.json", "metrics.json", "report.html"):
        contents = [(model / file).read_text() for model in models]
        assert contents[0] == contents[1], file
    assert tsattn.load(models[1]).fitted_.data_path == str(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dask", "load", "single"]


def test_compare_refuses_an_engine_that_is_not_there(csv_path, tmp_path, monkeypatch) -> None:
    given = ["compare", str(csv_path), "--target", "load", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*given, "--dask-workers", "2"])
    assert (done.exit_code, "belong to the engine dask" in done.output) == (2, True)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        done = CliRunner().invoke(main, [*given, "--engine", "dask"])
        assert (done.exit_code, "pip install 'tsattn[dask]'" in done.output) == (2, True)
    pytest.importorskip("distributed")
    done = CliRunner().invoke(main, [*given, "--engine", "dask", "--dask-address", "nonsense"])
    assert (done.exit_code, "running scheduler. Received: 'nonsense'" in done.output) == (2, True)
    assert not (tmp_path / "out").exists()


def test_fit_ends_with_the_process_that_waits_for_it(csv_path, tmp_path) -> None:
    command = [sys.executable, "-m", "tsattn.pipeline.leashed", "fit", str(csv_path)]
    command += ["--target", "load", "--epochs", "100000", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=60) == 1
    assert not (tmp_path / "out").exists()


def test_files_travel_as_they_are(tmp_path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x.csv").write_bytes(b"1")
    (tmp_path / "a" / "b" / "y.csv").write_bytes(b"2")
    files = pack(tmp_path / "a")
    assert files == (("b/y.csv", b"2"), ("x.csv", b"1"))
    unpack(files, tmp_path / "copy")
    assert pack(tmp_path / "copy") == files
    assert pack(tmp_path / "a" / "x.csv") == (("x.csv", b"1"),)
