import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import load_frame

from tsattn.cli.printing import print_fit, table
from tsattn.option_checks import check_options

FAST = ["--lookback", "11", "--horizon", "3", "--units", "5", "--epochs", "1"]


def test_fit_explain_predict_and_evaluate_in_one_command_each(csv_path, tmp_path) -> None:
    model = tmp_path / "model"
    fitted = run("fit", csv_path, "--target", "load", *FAST, "-o", model)
    assert fitted.exit_code == 0, fitted.output
    assert "test, 59 windows" in fitted.stdout
    assert "epoch 1/1" in fitted.stderr
    explained = run("explain", model)
    assert explained.exit_code == 0
    assert "The forecast is all linear path: the profile is its contributions" in explained.stdout
    assert explained.stdout.split()[:2] == ["cell", "share"]
    assert "\nfeature" in explained.stdout
    predicted = run("predict", model, csv_path, "-o", tmp_path / "forecast.csv")
    assert predicted.exit_code == 0
    assert len(pd.read_csv(tmp_path / "forecast.csv")) == 3
    evaluated = run("evaluate", model, csv_path)
    assert evaluated.exit_code == 0
    for printed in (fitted.stdout, evaluated.stdout):
        assert re.search(r"level +coverage +mean_width +without_following\n80% +\d+\.\d%", printed)
    assert "seasonal_naive" in evaluated.stdout


def test_predict_writes_parquet_and_prints_csv(model_directory, tmp_path) -> None:
    frame = load_frame()
    frame.loc[303:, "load"] = np.nan
    data, output = tmp_path / "latest.csv", tmp_path / "forecast.parquet"
    frame.to_csv(data, index=False)
    assert run("predict", model_directory, data, "-o", output).exit_code == 0
    printed = run("predict", model_directory, data, "--quiet")
    assert printed.stderr == ""
    lines = printed.stdout.splitlines()
    first = "target,origin_time,time,horizon_step,forecast"
    assert lines[0] == f"{first},lower_80,upper_80,lower_95,upper_95"
    np.testing.assert_allclose(
        [float(line.split(",")[4]) for line in lines[1:]],
        pd.read_parquet(output).forecast,
        rtol=1e-6,
    )


@pytest.mark.parametrize("command", ["explain", "evaluate", "predict"])
def test_json_is_one_document(command: str, model_directory, csv_path, tmp_path) -> None:
    future = tmp_path / "future.csv"
    times = pd.date_range("2021-03-13 19:00", periods=3, freq="h")
    pd.DataFrame({"time": times, "plan": 0.5}).to_csv(future, index=False)
    arguments = {
        "explain": [model_directory],
        "evaluate": [model_directory, csv_path],
        "predict": [model_directory, csv_path, "--future", future],
    }[command]
    result = run(command, *arguments, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)
    assert result.stderr == ""


def test_fit_takes_options_from_a_config_and_the_command_line_wins(csv_path, tmp_path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'target = "load"\nlookback = 13\nhorizon = 5\nunits = 5\nepochs = 1\n'
        f'drop = ["plan"]\nsplit = [0.6, 0.2, 0.2]\noutput = "{tmp_path / "model"}"\n'
    )
    assert run("fit", csv_path, "--config", config, "--horizon", 3).exit_code == 0
    written = json.loads((tmp_path / "model" / "config.json").read_text())["options"]
    assert written["lookback"] == 13
    assert written["horizon"] == 3
    assert written["drop"] == ["plan"]
    again = run(
        "fit", csv_path, "--config", tmp_path / "model" / "config.json", "-o", tmp_path / "again"
    )
    assert again.exit_code == 0, again.output
    second = json.loads((tmp_path / "again" / "config.json").read_text())["options"]
    assert second["lookback"] == 13


def test_config_refuses_unknown_options(csv_path, tmp_path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("lokback = 13\n")
    result = run("fit", csv_path, "--config", config)
    assert result.exit_code == 2
    assert "lokback" in result.stderr
    assert "tsattn fit --help" in result.stderr


def test_config_may_hold_every_option_of_the_command(monkeypatch, tmp_path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'no-check = true\nresume = true\non-error = "stop"\nwait = "3s"\n'
        'log_json = "-"\nunits = 5\n'
    )
    waited = []
    monkeypatch.setattr(
        "tsattn.cli.scheduling.output_lock", lambda *_, **given: sys.exit(waited.append(given))
    )
    fitted = run("fit", "data.csv", "--target", "load", "--config", config)
    assert waited[0]["wait"] == 3.0
    assert json.loads(fitted.stderr)["command"] == "fit"
    refused = run("backtest", "data.csv", "--target", "load", "--config", config)
    assert refused.exit_code == 2
    assert "Received: no_check, resume in" in refused.stderr
    assert "tsattn backtest --help" in refused.stderr
    monkeypatch.undo()
    config.write_text('folds = 0\nstep = 7\nrefit = "every:2"\nwait = "3s"\n')
    bad = run("backtest", tmp_path / "no.csv", "--target", "load", "--config", config)
    assert bad.exit_code == 2
    assert "folds=0" in bad.stderr


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('folds = "3"', "options of `fit`"),
        ("wait = 3", "`wait` must be text"),
        ("units = {a = 1}", "`units` must be a whole number"),
        ("units = [5]", "`units` must be a whole number"),
        ("overwrite = 1", "`overwrite` must be true or false"),
        ("target = 5", "`target` must be text or a list of text"),
        ("target = true", "`target` must be text or a list of text"),
        ("target = 1.5", "`target` must be text or a list of text"),
        ("target = {a = 1}", "`target` must be text or a list of text"),
        ("epochs = true", "`epochs` must be a whole number"),
        ("epochs = 1.7", "`epochs` must be a whole number"),
        ("seed = 1.5", "`seed` must be a whole number"),
        ("windows-per-epoch = 7.0", "`windows_per_epoch` must be a whole number"),
        ('attention = ["none"]', "`attention` must be text"),
        ("output = 5", "`output` must be text"),
        ("options = 5", "must be a table"),
        ("options = [1]", "must be a table"),
    ],
)
def test_config_refuses_other_types(line: str, rule: str, csv_path, tmp_path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(line)
    result = run("fit", csv_path, "--target", "load", "--config", config, "-o", tmp_path / "model")
    assert result.exit_code == 2, result.output
    assert rule in result.stderr
    assert "Received: " in result.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("ending", ["json", "toml"])
def test_config_refuses_what_is_nested_too_deep(ending: str, csv_path, tmp_path) -> None:
    config = tmp_path / f"run.{ending}"
    config.write_text(("units = " if ending == "toml" else "") + "[" * 100_000)
    result = run("fit", csv_path, "--config", config)
    assert result.exit_code == 2, result.output
    assert "readable TOML or JSON" in result.stderr


def wanted(monkeypatch, *arguments: object):
    """Return the options that `fit` comes to."""
    seen = []
    monkeypatch.setattr("tsattn.option_checks.check_options", seen.append)
    monkeypatch.setattr("tsattn.outputs.check_output", lambda *_, **__: sys.exit(77))
    assert run("fit", "data.csv", *arguments).exit_code == 77
    return seen[0]


def test_config_with_no_past_covariates_means_none(monkeypatch, tmp_path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("past_covariates = []\nscore_filled = false\n")
    assert list(wanted(monkeypatch, "--config", config).past_covariates) == []
    assert wanted(monkeypatch, "--config", config).score_filled is False
    assert wanted(monkeypatch).past_covariates is None
    given = wanted(monkeypatch, "--config", config, "--past-covariates", "wind")
    assert given.past_covariates == ("wind",)


def test_config_options_go_with_what_they_depend_on(monkeypatch, tmp_path) -> None:
    config = tmp_path / "config.json"
    saved = {"attention": "shared", "placement": "after"}
    saved |= {"loss": "quantile", "quantile_levels": [0.2, 0.5]}
    config.write_text(json.dumps({"options": saved}))
    kept = wanted(monkeypatch, "--config", config, "--attention", "shared")
    assert (kept.placement, kept.quantile_levels) == ("after", "0.2,0.5")
    without = wanted(monkeypatch, "--config", config, "--attention", "none", "--loss", "mae")
    assert (without.placement, without.quantile_levels) == (None, None)
    named = wanted(monkeypatch, "--config", config, "--attention", "luong", "--placement", "after")
    assert named.placement == "after"
    config.write_text('{"placement": "before", "past_covariates": null}')
    assert wanted(monkeypatch, "--config", config).past_covariates is None
    assert wanted(monkeypatch, "--config", config, "--attention", "none").placement is None
    assert wanted(monkeypatch, "--config", config).placement == "before"


def test_config_attention_goes_with_its_decoder(monkeypatch, tmp_path) -> None:
    config = tmp_path / "config.json"
    saved = {"attention": "per-dimension", "placement": "before", "decoder": "direct"}
    config.write_text(json.dumps({"options": saved}))
    other = wanted(monkeypatch, "--config", config, "--decoder", "recurrent")
    assert (other.decoder, other.attention, other.placement) == ("recurrent", None, None)
    same = wanted(monkeypatch, "--config", config, "--decoder", "direct")
    assert (same.attention, same.placement) == ("per-dimension", "before")
    named = ("--decoder", "recurrent", "--attention", "luong")
    assert wanted(monkeypatch, "--config", config, *named).attention == "luong"
    config.write_text('{"attention": "luong"}')
    assert wanted(monkeypatch, "--config", config, *named[:2]).attention == "luong"


PER_FEATURE = {
    "encoder": "per-feature", "segment": 5, "decoder": "direct", "attention": "additive",
    "placement": "after", "linear_path": "blend",
}  # fmt: skip
JOINT = {
    "encoder": "joint", "decoder": "direct", "attention": "per-dimension", "placement": "before",
    "linear_path": "blend",
}  # fmt: skip


@pytest.mark.parametrize(
    ("saved", "arguments", "expected"),
    [
        (PER_FEATURE, [], {}),
        (PER_FEATURE, ["--attention", "additive"], {}),
        (PER_FEATURE, ["--attention", "luong"], {"attention": "luong", "placement": None}),
        (
            PER_FEATURE,
            ["--encoder", "joint"],
            {"encoder": "joint", "segment": None, "placement": None},
        ),
        (
            PER_FEATURE,
            ["--decoder", "recurrent"],
            {"encoder": None, "segment": None, "decoder": "recurrent", "placement": None},
        ),
        (
            PER_FEATURE,
            ["--attention", "self"],
            {"encoder": None, "segment": None, "attention": "self", "placement": None},
        ),
        (
            PER_FEATURE,
            ["--attention", "reverse-time"],
            {
                "encoder": None, "segment": None, "attention": "reverse-time", "placement": None,
                "linear_path": None,
            },
        ),
        (
            PER_FEATURE,
            ["--attention", "reverse-time", "--linear-path", "none"],
            {
                "encoder": None, "segment": None, "attention": "reverse-time", "placement": None,
                "linear_path": "none",
            },
        ),
        (JOINT, ["--encoder", "per-feature"], {"encoder": "per-feature", "placement": None}),
        (JOINT, ["--attention", "shared"], {"attention": "shared", "placement": None}),
        (
            JOINT,
            ["--encoder", "per-feature", "--segment", "3"],
            {"encoder": "per-feature", "placement": None, "segment": 3},
        ),
        (
            {**JOINT, "attention": "variable", "placement": "after"},
            ["--encoder", "per-feature"],
            {"encoder": "per-feature", "attention": None, "placement": None},
        ),
        # What does not go together within the config itself is left for its message.
        ({**JOINT, "segment": 5}, [], {}),
    ],
)  # fmt: skip
def test_config_structure_gives_way_to_the_command_line(
    monkeypatch, tmp_path, saved, arguments: list[str], expected
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"options": saved}))
    options = wanted(monkeypatch, "--config", config, *arguments)
    names = ("encoder", "segment", "decoder", "attention", "placement", "linear_path")
    given = dict.fromkeys(names) | saved | expected
    assert {name: getattr(options, name) for name in names} == given
    monkeypatch.undo()
    if "segment" not in saved or saved is PER_FEATURE:
        check_options(options)


@pytest.mark.parametrize(
    ("arguments", "segment"),
    [
        ([], 5),
        (["--lookback", "24"], 5),
        (["--lookback", "3"], None),
        (["--lookback", "3", "--segment", "2"], 2),
    ],
)
def test_config_segment_gives_way_to_another_lookback(
    monkeypatch, tmp_path, arguments: list[str], segment: int | None
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"options": {**PER_FEATURE, "lookback": 24}}))
    assert wanted(monkeypatch, "--config", config, *arguments).segment == segment


def test_recurrent_decoder_in_one_command_each(csv_path, tmp_path) -> None:
    model, options = tmp_path / "model", ("--decoder", "recurrent", "--attention", "luong")
    options += ("--linear-path", "none")  # else a network so small has no part in the forecast
    fitted = run("fit", csv_path, "--target", "load", *options, *FAST, "-o", model)
    assert fitted.exit_code == 0, fitted.output
    explained = run("explain", model)
    assert explained.exit_code == 0
    assert "All features share one softmax" in explained.stdout
    assert "At every step of the horizon the shares over the lags sum to 1" in explained.stdout
    lines = [line.split() for line in explained.stdout.splitlines()]
    start = lines.index(["horizon_step", "peak_lag", "peak_share", "times_uniform", "mean_lag"])
    assert [line[0] for line in lines[start + 1 : start + 4]] == ["1", "2", "3"]
    output = tmp_path / "profile"
    of_data = run("explain", model, "--data", csv_path, "-o", output, "--json")
    assert of_data.exit_code == 0, of_data.output
    content = json.loads(of_data.stdout)
    assert [row["horizon_step"] for row in content["horizon"]] == [1, 2, 3]
    assert set(content) - {"linear_path"} == {"summary", "profile", "horizon"}
    assert (output / "horizon_heatmap.png").exists()
    attention = [row for row in content["profile"] if row["measure"] == "share"]
    assert len(attention) == 11
    assert len(pd.read_csv(output / "horizon.csv")) == 3 * 11
    predicted = run("predict", model, csv_path, "--quiet")
    assert predicted.exit_code == 0
    assert len(predicted.stdout.splitlines()) == 4


def test_reverse_time_in_one_command_each(csv_path, tmp_path) -> None:
    model = tmp_path / "model"
    fitted = run(
        "fit", csv_path, "--target", "load", "--attention", "reverse-time", *FAST, "-o", model
    )
    assert fitted.exit_code == 0, fitted.output
    explained = run("explain", model)
    assert explained.exit_code == 0
    assert explained.stdout.split()[:2] == ["cell", "share"]
    assert "A contribution is what the value" in explained.stdout
    assert set(pd.read_csv(model / "attention" / "profile.csv").measure) == {"contribution"}


def test_named_columns_may_hold_commas(tmp_path) -> None:
    frame = load_frame().rename(columns={"wind": "wind, north"})
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False)
    result = run(
        "fit", path, "--target", "load", "--drop", "wind, north,plan"[:11], *FAST,
        "--drop", "plan", "-o", tmp_path / "model",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    schema = json.loads((tmp_path / "model" / "schema.json").read_text())
    assert schema["past_covariates"] == []


def changed(change):
    """Return a function that writes the table, changed, as CSV."""

    def write(path) -> None:
        change(load_frame()).to_csv(path, index=False)

    return write


BAD_DATA = {
    "empty": (lambda path: path.write_text(""), "empty"),
    "header only": (lambda path: path.write_text("time,load\n"), "header without rows"),
    "one row": (changed(lambda frame: frame.head(1)), "row"),
    "directory": (lambda path: path.mkdir(), "Parquet"),
    "binary": (lambda path: path.write_bytes(b"\x00\x01\x02\xff" * 99), "binary"),
    "absent": (lambda path: None, "existing file"),
    "missing value": (
        changed(lambda frame: frame.assign(load=frame.load.mask(frame.index == 118))),
        "row 118, 2021-03-05 22:00",
    ),
    "missing rows": (changed(lambda frame: frame.drop(index=[20, 21])), "2 missing rows"),
    "infinite": (changed(lambda frame: frame.assign(wind=np.inf)), "infinite"),
    "duplicates": (
        changed(lambda frame: pd.concat([frame, frame.iloc[[5]]])),
        "2021-03-01 05:00:00",
    ),
    "constant target": (changed(lambda frame: frame.assign(load=1)), "always 1"),
    "text": (changed(lambda frame: frame.assign(wind=[f"n{i}" for i in frame.index])), "307"),
    "horizon too long": (changed(lambda frame: frame.head(13)), "must hold a window"),
    "ragged": (lambda path: path.write_text("time,load\n2020-01-01,1\n2020-01-02,1,2\n"), "row 3"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_one_message_and_exit_code_3(name: str, tmp_path) -> None:
    write, received = BAD_DATA[name]
    path = tmp_path / "data.csv"
    write(path)
    result = run("fit", path, "--target", "load", *FAST, "-o", tmp_path / "model")
    assert result.exit_code == 3, result.output
    assert isinstance(result.exception, SystemExit)
    (message,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert received in message
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        (["--target", "lod"], "'lod'"),
        ([], "target=()"),
        (["--target", "load", "--drop", "load"], "'load'"),
        (["--target", "load", "--attention", "none", "--placement", "after"], "placement=after"),
        (["--target", "load", "--split", "0.9,0.3"], "split=0.9,0.3"),
        (["--target", "load", "--dropout", "2"], "dropout=2"),
        (["--target", "load", "--epochs", "0"], "epochs=0"),
        (["--target", "load", "--calendar", "moon"], "'moon'"),
        (["--target", "load", "--clip-norm", "inf"], "clip_norm=inf"),
        (["--target", "load", "--quantile-levels", "0.1,0.9"], "loss=mae"),
        (["--target", "load", "--loss", "quantile", "--quantile-levels", "0.1"], "=0.1"),
        (["--target", "load", "--cell", "rnn"], "'rnn'"),
        (["--target", "load", "--decoder", "rnn"], "'rnn'"),
        (["--target", "load", "--encoder", "both"], "'both'"),
        (["--target", "load", "--encoder", "per-feature", "--attention", "self"], "--attention"),
        (["--target", "load", "--encoder", "joint", "--segment", "5"], "segment=5"),
        (["--target", "load", "--segment", "12"], "segment=12"),
        (["--target", "load", "--linear-path", "add"], "'add'"),
        (["--target", "load", "--decoder", "recurrent", "--attention", "self"], "attention=self"),
    ],
)
def test_bad_usage_is_exit_code_2(arguments, received: str, csv_path, tmp_path) -> None:
    result = run("fit", csv_path, *arguments, *FAST[:4], "-o", tmp_path / "model")
    assert result.exit_code == 2, result.output
    assert received in result.stderr
    assert not list(tmp_path.iterdir())


def test_existing_output_is_refused_before_any_work(csv_path, model_directory, tmp_path) -> None:
    result = run("fit", csv_path, "--target", "load", "-o", model_directory)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    output = tmp_path / "forecast.csv"
    output.write_text("mine")
    assert run("predict", model_directory, csv_path, "-o", output).exit_code == 2
    assert output.read_text() == "mine"


def test_unwritable_output_is_exit_code_8(csv_path, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    result = run("fit", csv_path, "--target", "load", "-o", tmp_path / "file" / "model")
    assert result.exit_code == 8
    assert "must be writable" in result.stderr


def test_diverged_training_is_exit_code_4(tmp_path) -> None:
    path = tmp_path / "data.csv"
    frame = load_frame()
    frame.loc[230:, "load"] *= 1e30  # validation rows; their squares are infinite in float32
    frame.to_csv(path, index=False)
    result = run("fit", path, "--target", "load", *FAST, "--loss", "mse", "-o", tmp_path / "model")
    assert result.exit_code == 4, result.output
    assert re.search(r"val_loss=(inf|nan) in epoch 1\. Lower --learning-rate", result.stderr)
    assert not (tmp_path / "model").exists()


def test_missing_model_is_exit_code_7(csv_path, tmp_path) -> None:
    result = run("predict", tmp_path / "nothing", csv_path)
    assert result.exit_code == 7
    assert "MANIFEST.json" in result.stderr


def test_new_data_without_a_column_is_exit_code_5(model_directory, tmp_path) -> None:
    path = tmp_path / "new.csv"
    load_frame().drop(columns="wind").to_csv(path, index=False)
    result = run("evaluate", model_directory, path)
    assert result.exit_code == 5
    assert "'wind'" in result.stderr


def test_quality_gate_is_exit_code_6_after_the_scores(model_directory, tmp_path) -> None:
    path = tmp_path / "new.csv"
    frame = load_frame()
    frame.loc[250:, "load"] = 50.0 + 0.001 * (frame.index[250:] % 2)
    frame.to_csv(path, index=False)
    result = run("evaluate", model_directory, path, "--fail-if-worse-than", "last_value")
    assert result.exit_code == 6, result.output
    assert "last_value" in result.stdout
    assert "no worse than last_value" in result.stderr


def test_explain_of_another_split_asks_for_the_data(model_directory) -> None:
    result = run("explain", model_directory, "--split", "val")
    assert result.exit_code == 2
    assert "--data" in result.stderr


def test_explain_overwrites_only_an_output(model_directory, csv_path) -> None:
    for arguments in ([], ["--data", csv_path]):
        result = run("explain", model_directory, *arguments, "--overwrite")
        assert result.exit_code == 2
        assert "Leave --overwrite out" in result.stderr


@pytest.mark.parametrize("name", ["x.xlsx", "x.csv.gz", "x", "x.txt"])
def test_predict_refuses_other_formats_before_any_work(name: str, tmp_path) -> None:
    result = run("predict", tmp_path / "nothing", "latest.csv", "-o", tmp_path / name)
    assert result.exit_code == 2
    assert name in result.stderr
    assert ".csv, .parquet, .pq" in result.stderr


def test_help_keeps_the_lines_of_the_examples() -> None:
    lines = run("--help").stdout.splitlines()
    assert "\\b" not in "".join(lines)
    assert "  tsattn explain model/                             the attention profile" in lines


def test_datasets_lists_the_registry() -> None:
    result = run("datasets", "list")
    assert result.exit_code == 0
    assert "ETTh1" in result.stdout
    assert json.loads(run("datasets", "list", "--json").stdout)["ETTh1"]["target"] == "OT"


HEAVY = ("keras", "tensorflow", "jax", "torch", "pandas", "numpy", "matplotlib", "sklearn", "rich")


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"], ["fit"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom tsattn.cli import main\n"
        f"main({arguments!r}, standalone_mode=False) if 'fit' != {arguments[-1]!r} else None\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def shell(command: str, *arguments: object, **variables: str):
    """Run `tsattn` with redirections."""
    return subprocess.run(
        ["bash", "-c", f'"$0" -m tsattn {command}', sys.executable, *map(str, arguments)],
        capture_output=True, text=True, env=os.environ | variables,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["--help", "datasets list", "datasets list --json"])
def test_full_disk_under_stdout_is_exit_code_8(command: str) -> None:
    done = shell(f"{command} > /dev/full")
    assert done.returncode == 8
    assert done.stderr.startswith("Error: The output must be writable. Received: stdout (No space")
    assert len(done.stderr.splitlines()) == 1


def test_listing_datasets_loads_no_keras() -> None:
    done = shell("datasets list", KERAS_BACKEND="foo")
    assert done.returncode == 0
    assert done.stderr == ""


def test_unknown_backend_of_the_environment_is_exit_code_2(model_directory, csv_path) -> None:
    given = (model_directory, csv_path)
    done = shell('evaluate "$1" "$2" --runtime keras', *given, KERAS_BACKEND="foo")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: `KERAS_BACKEND` must be known. Received: KERAS_BACKEND='foo'. "
        "Use tensorflow, jax, torch.\n"
    )


def test_check_says_nothing_of_the_backend(tmp_path) -> None:
    done = shell('explain "$1" --check --quiet', tmp_path / "nothing")
    assert done.returncode == 7
    assert done.stderr.startswith("Error: A model must be a directory written by `tsattn fit`.")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("more", ["", "--json"])
def test_predict_runs_with_stdout_closed(more, model_directory, tmp_path) -> None:
    load_frame().assign(load=lambda frame: frame.load[:304]).to_csv(tmp_path / "x.csv", index=False)
    done = shell(f'predict "$1" "$2" {more} >&-', model_directory, tmp_path / "x.csv")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("gate", "code"), [("", 0), ("--fail-if-worse-than last_value", 6)])
def test_reader_that_leaves_does_not_change_the_exit_code(
    gate, code, model_directory, tmp_path
) -> None:
    load_frame().assign(load=50.0).to_csv(tmp_path / "x.csv", index=False)
    command = f'evaluate "$1" "$2" {gate} 2>&1 | true; exit ${{PIPESTATUS[0]}}'
    assert shell(command, model_directory, tmp_path / "x.csv").returncode == code


@pytest.mark.slow
def test_predict_runs_with_stderr_closed(model_directory, tmp_path) -> None:
    frame = load_frame()
    frame.loc[303:, "load"] = np.nan
    frame.to_csv(tmp_path / "latest.csv", index=False)
    done = shell('predict "$1" "$2" 2>&-', model_directory, tmp_path / "latest.csv")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_whole_command_is_silent_when_quiet(backend: str, csv_path, tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tsattn", "fit", csv_path, "--target", "load", *FAST, "--quiet",
         "--json", "--backend", backend, "-o", tmp_path / "model"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert json.loads(done.stdout)["metrics"]["test"]["num_windows"] == 59
    assert (tmp_path / "model" / "model.onnx").exists()


@pytest.mark.parametrize(
    ("encoder", "attention"),
    [
        ("joint", "per-dimension"),
        ("joint", "shared"),
        ("per-feature", "bottleneck"),
        ("per-feature", "additive"),
    ],
)
def test_one_step_of_lookback_is_silent(encoder, attention, csv_path, tmp_path) -> None:
    result = run(
        "fit", csv_path, "--target", "load", "--lookback", 1, "--horizon", 2, "--units", 5,
        "--epochs", 1, "--encoder", encoder, "--attention", attention, "--quiet",
        "-o", tmp_path / "model",
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stderr == ""


def test_inspect_says_what_is_in_the_file(csv_path) -> None:
    result = run("inspect", csv_path, "--target", "load", "--lookback", "11", "--horizon", "3")
    assert result.exit_code == 0, result.output
    assert "train 201, val 30, test 59" in result.stdout
    content = json.loads(run("inspect", csv_path, "--target", "load", "--json").stdout)
    assert content["frequency"] == "h"
    assert content["problems"] == []


def test_inspect_exits_with_3_where_fit_would_refuse(tmp_path) -> None:
    path = tmp_path / "data.csv"
    load_frame().drop(index=20).assign(copy=lambda frame: 2 * frame.load).to_csv(path, index=False)
    result = run("inspect", path, "--target", "load")
    assert result.exit_code == 3
    assert "2021-03-01 20:00:00" in result.stdout
    assert "copy is the same as load" in result.stdout


# A background job may have started these tests with SIGINT ignored, which children inherit.
HEEDING = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from tsattn.cli import main; main()"
)


@pytest.mark.slow
def test_interrupted_fit_saves_the_best_model_so_far(csv_path, tmp_path) -> None:
    command = [sys.executable, "-c", HEEDING, "fit", csv_path, "--target", "load", *FAST[:6],
               "--epochs", "3000", "--patience", "3000", "-o", tmp_path / "model"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = iter(process.stderr.readline, "")
        next(line for line in lines if line.startswith("epoch") and " 5/" in line)
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert run("explain", tmp_path / "model").exit_code == 0


def test_predict_of_a_panel_skips_a_short_series_with_exit_code_9(tmp_path) -> None:
    towns = [load_frame().assign(town="a"), load_frame(211, 1).assign(town="b")]
    data, latest = tmp_path / "panel.csv", tmp_path / "latest.csv"
    pd.concat(towns).to_csv(data, index=False)
    pd.concat([*towns, load_frame(5).assign(town="c")]).to_csv(latest, index=False)
    model, output = tmp_path / "model", tmp_path / "forecast.csv"
    fitted = run("fit", data, "--target", "load", "--id-col", "town", *FAST, "-o", model)
    assert fitted.exit_code == 0, fitted.output
    result = run("predict", model, latest, "-o", output)
    assert result.exit_code == 9, result.output
    assert "Skipped: latest.csv: a forecast needs the last 11 rows" in result.stderr
    assert list(pd.read_csv(output).series_id.unique()) == ["a", "b"]


def test_scores_say_plainly_when_a_baseline_is_better(result, capsys) -> None:
    evaluation = result.evaluations["test"]
    model = evaluation.scores["model"]
    halved = {unit: replace(scores, squared=scores.squared / 2) for unit, scores in model.items()}
    beaten = replace(evaluation, scores={**evaluation.scores, "linear": halved})
    print_fit(replace(result, evaluations={"test": beaten}), Path("model"))
    assert "linear is better than the model: its MSE is 50% lower" in capsys.readouterr().out
    for part, text in ((0.999, "its MSE is less than 1% lower"), (0.0, "it makes no error")):
        near = {unit: replace(each, squared=each.squared * part) for unit, each in model.items()}
        beaten = replace(evaluation, scores={**evaluation.scores, "linear": near})
        print_fit(replace(result, evaluations={"test": beaten}), Path("model"))
        assert f"linear is better than the model: {text}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["inspect", "fit"])
def test_calendar_of_numbered_rows_is_refused(command: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    load_frame().drop(columns="time").to_csv("data.csv", index=False)
    result = run(command, "data.csv", "--target", "load", "--calendar", "hour")
    assert result.exit_code == 2, result.output
    assert "calendar=hour for numbered rows" in result.stderr


def test_names_with_line_breaks_keep_tables_whole() -> None:
    shown = table(pd.DataFrame({"feature": ["a\nb", "é"], "lag": [1, 12]}), {})
    assert shown.splitlines() == ["feature  lag", r"a\nb       1", "é         12"]
