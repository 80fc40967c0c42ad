"""The test of a profile, from a model directory to a verdict."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import SMALL, load_frame

import tsattn
from tsattn import FitOptions
from tsattn.cells import (
    cell_masks,
    describe_forecast,
    forecast_profile,
    largest_cells,
    profile_cells,
)
from tsattn.cli import main
from tsattn.controls import uniform_attention, untrained
from tsattn.errors import UsageError
from tsattn.evaluation import evaluate_fitted
from tsattn.json_files import write_json
from tsattn.layers import BottleneckAttention
from tsattn.model_directory import changing, load_fitted, read_json
from tsattn.models import LINEAR_PATH
from tsattn.models.forecaster import FORECAST
from tsattn.occlusion import OccludedWindows
from tsattn.pipeline import measuring
from tsattn.pipeline.fitting import fit, save
from tsattn.pipeline.measuring import cells_of, measure, occlusion_effects
from tsattn.pipeline.shown_windows import shown_windows
from tsattn.profile_frames import profile_frame
from tsattn.progress import Progress
from tsattn.rankings import feature_ranking
from tsattn.running import model_inputs, run_batches


def driven_frame(rows: int = 2503, seed: int = 7) -> pd.DataFrame:
    """Return numbered rows: `y` follows `a` three steps later and `b` one step later; `c` no."""
    a, b, c, noise = np.random.default_rng(seed).normal(size=(4, rows))
    y = np.roll(a, 3) + np.roll(b, 1) * np.abs(np.roll(b, 1)) + 0.05 * noise
    return pd.DataFrame({"y": y, "a": a, "b": b, "c": c})


DRIVEN = {
    "target": "y", "lookback": 5, "horizon": 1, "units": 16, "epochs": 12, "batch_size": 64,
    "learning_rate": 0.01, "linear_path": "none", "dropout": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """Return a model directory whose true cells are known, and its data."""
    folder = tmp_path_factory.mktemp("driven")
    driven_frame().to_csv(folder / "driven.csv", index=False)
    save(fit(folder / "driven.csv", FitOptions(**DRIVEN)), folder / "model")
    return folder


def findings_of(folder, change) -> dict:
    """Return what is found of the profile of the model after a change to its rows."""
    fitted = load_fitted(folder / "model")
    series_windows = windows_of(fitted, folder)
    profile = change(pd.read_csv(folder / "model" / "attention" / "profile.csv"))
    series, windows = series_windows
    found = measure(fitted, profile, windows, series=series)
    assert found is not None
    return found


def windows_of(fitted, folder):
    shown = shown_windows(fitted, folder / "driven.csv", split="test", progress=Progress())
    return shown.series, shown.windows


@pytest.mark.slow
def test_true_profile_is_trusted_and_the_result_is_added_to_the_model(driven, tmp_path) -> None:
    model = tmp_path / "model"
    shutil.copytree(driven / "model", model)
    found = tsattn.check(model)
    assert found["verdict"] == "trust", found
    saved = read_json(model / "attention" / "faithfulness.json")
    assert saved == found
    assert "attention/faithfulness.json" in read_json(model / "MANIFEST.json")["files"]
    assert found["split"] == "test"
    assert found["num_cells"] == 20
    assert set(found["comprehensiveness"]["profile"]) == {"1%", "5%", "10%", "20%", "50%"}
    load_fitted(model)  # its hashes are right
    shown = CliRunner().invoke(main, ["explain", str(model)])
    assert "verdict of the test of the profile: trust" in shown.stdout
    as_json = CliRunner().invoke(main, ["explain", str(model), "--json"])
    assert json.loads(as_json.stdout)["faithfulness"]["verdict"] == "trust"


@pytest.mark.slow
def test_profile_whose_rows_were_shuffled_is_weak(driven) -> None:
    generator = np.random.default_rng(1)
    found = findings_of(
        driven, lambda p: p.assign(mean=generator.permutation(p["mean"].to_numpy()))
    )
    assert found["verdict"] == "weak"
    assert found["agreement"]["skill_over_uniform"] < 0.2
    same = findings_of(driven, lambda profile: profile)
    assert same["verdict"] == "trust"


@pytest.mark.slow
def test_noise_has_no_signal(tmp_path) -> None:
    table = driven_frame().assign(y=np.random.default_rng(11).normal(size=2503))
    save(fit(table, FitOptions(**{**DRIVEN, "epochs": 4})), tmp_path / "model")
    with pytest.raises(UsageError, match=r"not trained on one file\. Give the same data"):
        tsattn.check(tmp_path / "model")
    found = tsattn.check(tmp_path / "model", table)
    assert found["verdict"] == "no signal"
    assert "learnt nothing that a profile could show" in found["reasons"][0]


@pytest.mark.slow
def test_seeds_and_shuffled_copies_are_told_apart(driven, tmp_path) -> None:
    model = tmp_path / "model"
    shutil.copytree(driven / "model", model)
    result = CliRunner().invoke(
        main, ["explain", str(model), "--check", "--seeds", "2", "--refit", "--json", "--quiet"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["faithfulness"]
    assert found["seeds"]["num_seeds"] == 2
    assert found["seeds"]["stability"] > 0.5
    assert found["refit"]["num_shuffled"] == 3
    assert found["refit"]["mass_on_shuffled"] < 0.2
    assert found["refit"]["auroc"] >= 5 / 9  # `c` drives nothing, and may rank anywhere


def test_check_asks_for_data_that_is_gone_or_changed(csv_path, tmp_path) -> None:
    data, model = tmp_path / "load.csv", tmp_path / "model"
    shutil.copy(csv_path, data)
    save(fit(data, FitOptions(**{**SMALL, "epochs": 1})), model)
    moved = data.rename(tmp_path / "moved.csv")
    with pytest.raises(UsageError, match=r"load\.csv, which does not exist\. Give its new place"):
        tsattn.check(model)
    found = tsattn.check(model, moved)
    assert found["verdict"] in ("no signal", "weak", "trust")
    load_frame(401).to_csv(data, index=False)
    with pytest.raises(UsageError, match=r"has changed since\. Give a copy of the old data"):
        tsattn.check(model)


def test_check_of_a_table_asks_for_the_same_rows(tmp_path) -> None:
    frame = load_frame()
    save(fit(frame, FitOptions(**{**SMALL, "epochs": 1})), tmp_path / "model")
    with pytest.raises(UsageError, match="Give the same data with --data"):
        tsattn.check(tmp_path / "model")
    for other in (frame[:-31], frame.assign(time=frame["time"] + pd.Timedelta("400D"))):
        with pytest.raises(UsageError, match="rows of which those to learn from end at .*, not at"):
            tsattn.check(tmp_path / "model", other)
    assert tsattn.check(tmp_path / "model", frame)["split"] == "test"


def test_quick_test_takes_up_to_three_times_as_long_with_the_fewest_windows(monkeypatch) -> None:
    result = fit(load_frame(), FitOptions(**{**SMALL, "epochs": 1}), check=False)
    shown = result.evaluations["test"]
    profile = profile_frame(result.fitted, shown)

    def measured(seconds: float) -> dict | None:
        clock = SimpleNamespace(perf_counter=iter([0.0, 1.0]).__next__)  # comparing takes a second
        monkeypatch.setattr(measuring, "time", clock)
        return measure(result.fitted, profile, shown.windows, series=result.series, seconds=seconds)

    found = measured(1e6)
    assert found["num_windows"] == len(shown.windows) == 59
    fewest = 1 + 48 * (found["num_cells"] + 60) / 59
    assert measured(fewest / 3 - 0.1) is None
    assert measured(fewest / 3 + 0.1)["num_windows"] == 48
    assert measured(fewest - 0.1)["num_windows"] == 48
    assert measured(fewest + 5)["num_windows"] > 48


def test_check_without_attention_is_refused(csv_path, tmp_path) -> None:
    save(fit(csv_path, FitOptions(**{**SMALL, "epochs": 1}, attention="none")), tmp_path / "model")
    with pytest.raises(UsageError, match="Fit one with --attention bottleneck"):
        tsattn.check(tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--seeds", "2"], "--seeds or --refit without --check"),
        (["--on-error", "stop"], "--on-error stop without --data"),
        (["--on-error", "stop", "--check"], "--on-error stop with --check"),
        (["--check", "--split", "val"], "Leave --check out"),
        (["--check", "-o", "x"], "Leave --output out"),
        (["--check", "--seeds", "0"], "`seeds` must be at least 1"),
    ],
)
def test_options_of_the_check_go_together(options, rule: str, model_directory) -> None:
    result = CliRunner().invoke(main, ["explain", str(model_directory), *options])
    assert result.exit_code == 2
    assert rule in result.stderr


def test_model_is_whole_when_adding_to_it_fails(model_directory, tmp_path, monkeypatch) -> None:
    model = tmp_path / "model"
    shutil.copytree(model_directory, model)
    with pytest.raises(ValueError, match="Out of range"), changing(model) as changed:
        write_json(changed / "attention" / "faithfulness.json", {"wrong": float("nan")})
    load_fitted(model)
    assert not (model / "attention" / "faithfulness.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def rows_of(*cells, kind="feature", measure="nats") -> pd.DataFrame:
    """Return profile rows of (target, feature, role, first lag, last lag, mean)."""
    names = ["target", "feature", "role", "lag_first", "lag_last", "mean"]
    return pd.DataFrame(cells, columns=names).assign(
        kind=kind, measure=measure, horizon_first=1, horizon_last=2
    )


def test_cells_by_hand() -> None:
    network = rows_of(
        ("y", "a", "past", 1, 2, 3.0),
        ("y", "a", "past", 3, 4, 1.0),
        ("y", "b", "past", 1, 2, 0.0),
        ("y", "b", "past", 3, 4, 4.0),
        ("y", "plan", "future", -1, -1, 1.0),
        ("y", "plan", "future", 0, 0, 1.0),
    )
    path = rows_of(
        ("y", "a", "past", 2, 2, 0.1),
        ("y", "a", "past", 3, 3, 0.3),
        ("y", "hour_sin", "future", 0, 0, 0.6),
        measure="contribution",
    )
    profile = pd.concat([network, path], ignore_index=True)
    cells = profile_cells(profile, {"y": 0.5}, targets_apart=True, most=10)
    np.testing.assert_allclose(
        cells.mass, 0.5 * np.array([0.3, 0.1, 0, 0.4, 0.1, 0.1]) + [0.05, 0.15, 0, 0, 0, 0]
    )
    assert not cells.groups.any()
    past, future = cell_masks(cells, [1, 4], ["y", "a", "b"], ["plan", "hour_sin"], 4, 2)
    assert past.nonzero() == (pytest.approx([0, 1]), pytest.approx([1, 1]))
    assert future.tolist() == [[False, False], [True, False]]  # lag -1 is horizon step 2
    few = profile_cells(profile, {"y": 0.5}, targets_apart=True, most=3)
    assert few.table[["feature", "lag_first", "lag_last"]].to_numpy().tolist() == [
        ["a", 1, 4], ["b", 1, 4], ["plan", -1, 0],
    ]  # fmt: skip
    np.testing.assert_allclose(few.mass.sum(), cells.mass.sum())


def test_what_the_forecast_rests_on_by_hand() -> None:
    network = rows_of(
        ("*", "y", "past", 1, 2, 3.0),
        ("*", "y", "past", 3, 4, 1.0),
        ("*", "z", "past", 1, 2, 2.0),
        ("*", "z", "past", 3, 4, 0.0),
    )
    path = rows_of(
        ("y", "y", "past", 2, 2, 0.1),
        ("y", "y", "past", 3, 3, 0.3),
        ("y", "plan", "future", -1, -1, 0.6),
        measure="contribution",
    )
    profile = pd.concat([network, path], ignore_index=True).assign(num_windows=9)
    shares = {"y": 0.5, "z": 0.0}
    together = forecast_profile(profile, shares, targets_apart=False)
    assert together is not None
    assert set(together["measure"]) == {"forecast"}
    assert set(together["target"]) == {"*"}
    of_cell = {cell.name: cell.share for cell in largest_cells(together)}
    assert of_cell == pytest.approx(
        {
            "y@lag1-2": 0.75 * 3 / 6 + 0.25 * 0.1,
            "z@lag1-2": 0.75 * 2 / 6,
            "y@lag3-4": 0.75 * 1 / 6 + 0.25 * 0.3,
            "plan@step2": 0.25 * 0.6,
        }
    )
    assert list(of_cell)[0] == "y@lag1-2"
    assert "on average over the targets" in describe_forecast(together)
    ranking = feature_ranking(profile, profile["mean"].to_numpy()[None], shares)
    pd.testing.assert_series_equal(
        together.groupby(["feature", "role"])["mean"].sum(),
        ranking.groupby(["feature", "role"])["share"].sum() / 2,
        check_names=False,
    )
    apart = forecast_profile(profile, shares, targets_apart=True)
    assert apart is not None
    assert apart["mean"].tolist() == pytest.approx(
        [0.25 * 3 / 4 + 0.025, 0.25 / 4 + 0.075, 0.5, 0, 0.15]
    )
    assert forecast_profile(profile, {}, targets_apart=True) is None
    assert forecast_profile(profile.assign(kind="unit"), shares, targets_apart=True) is None


def test_cells_of_shares_that_rank_nothing_compare_within_features() -> None:
    profile = rows_of(
        ("*", "a", "past", 1, 1, 0.25), ("*", "a", "past", 2, 2, 0.75),
        ("*", "b", "past", 1, 1, 0.5), ("*", "b", "past", 2, 2, 0.5), measure="share",
    )  # fmt: skip
    cells = profile_cells(profile, {"y": 0.5}, targets_apart=False, most=10)
    assert cells.groups.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(cells.mass, [0.125, 0.375, 0.25, 0.25])
    units = profile_cells(profile.assign(kind="unit"), {"y": 0.0}, targets_apart=False, most=10)
    assert units.table["feature"].tolist() == ["*", "*"]
    np.testing.assert_allclose(units.mass, [0.375, 0.625])


def test_nothing_replaced_is_the_forecast_itself(result) -> None:
    windows = result.evaluations["test"].windows
    occluded = OccludedWindows(result.fitted, windows)
    past = np.zeros((11, 3), bool)
    future = np.zeros((3, len(windows.future_values[0])), bool)
    forecast = next(occluded.forecasts([(past, future)]))
    expected = [outputs[FORECAST] for _, _, outputs in run_batches(result.fitted.model, windows)]
    np.testing.assert_allclose(forecast, np.concatenate(expected), rtol=1e-3, atol=1e-4)


def with_views(result, views: int):
    """Return an untrained model whose target and a covariate drift."""
    scaler = replace(result.fitted.scaler, drifting=("load", "wind"))
    options = replace(result.fitted.options, views=views)
    return untrained(replace(result.fitted, scaler=scaler, options=options))


@pytest.mark.parametrize("views", [1, 2])
def test_replacing_the_last_target_keeps_the_level(result, views: int) -> None:
    windows = result.evaluations["test"].windows
    occluded = OccludedWindows(with_views(result, views), windows)
    assert occluded.statistics is not None
    own, theirs = occluded.batch.inputs[:, :, 0], occluded.others.inputs[:, :, 0]
    replacing = occluded.replacing.inputs[:, :, 0]
    np.testing.assert_allclose(replacing.mean(axis=1), own.mean(axis=1), atol=1e-3)
    np.testing.assert_allclose(
        (replacing - replacing.mean(axis=1, keepdims=True)) / replacing.std(axis=1, keepdims=True),
        (theirs - theirs.mean(axis=1, keepdims=True)) / theirs.std(axis=1, keepdims=True),
        atol=1e-2,
    )
    # a covariate that enters gates with its level only is replaced as it is
    as_it_is = [2] if views == 2 else [1, 2]
    np.testing.assert_array_equal(
        occluded.replacing.inputs[:, :, as_it_is], occluded.others.inputs[:, :, as_it_is]
    )


def test_contributions_of_a_linear_forecast_are_the_effects_of_its_cells() -> None:
    """Of an autoregression the last value has most of both; a fifth of the masses is elsewhere."""
    generator = np.random.default_rng(3)
    values = np.zeros(1_500)
    for row in range(1, len(values)):
        values[row] = 0.9 * values[row - 1] + generator.normal()
    options = FitOptions(target="y", lookback=12, horizon=1, units=4, epochs=1, calendar="none")
    result = fit(pd.DataFrame({"y": values}), options, check=False)
    result.fitted.network.get_layer(LINEAR_PATH).share.assign([1.0])
    windows = result.evaluations["test"].windows
    profile = profile_frame(result.fitted, evaluate_fitted(result.fitted, result.series, windows))
    cells = cells_of(result.fitted, profile)
    effects = occlusion_effects(result.fitted, profile, windows)
    assert cells.table["lag_first"][cells.mass.argmax()] == 1
    assert cells.mass.max() > 0.5
    np.testing.assert_allclose(effects / effects.sum(), cells.mass, atol=0.05)


def test_check_leaves_out_the_series_that_the_fit_skipped(tmp_path) -> None:
    lengths = {"a": 120, "b": 120, "c": 50}
    towns = [
        load_frame(rows, i).assign(town=name) for i, (name, rows) in enumerate(lengths.items())
    ]
    pd.concat(towns).to_csv(tmp_path / "panel.csv", index=False)
    options = FitOptions(**SMALL, id_col="town", split="70,20,30")
    result = fit(tmp_path / "panel.csv", options, check=False, on_skip=lambda _: None)
    assert result.series.series_ids == ("a", "b")
    save(result, tmp_path / "model")
    found = tsattn.check(tmp_path / "model")
    assert found["num_windows"] == 2 * (30 - 2)
    # two stretches of 14 rows, which both series share
    assert found["signal"]["num_blocks"] == 2
    ranking = pd.read_csv(tmp_path / "model" / "attention" / "ranking.csv")
    assert ranking["low"].isna().all()


def test_replacing_a_covariate_of_two_views_keeps_its_level(result) -> None:
    occluded = OccludedWindows(with_views(result, 2), result.evaluations["test"].windows)
    own, replacing = occluded.batch.inputs[:, :, 1], occluded.replacing.inputs[:, :, 1]
    np.testing.assert_allclose(np.median(replacing, axis=1), np.median(own, axis=1), atol=1e-4)
    assert np.abs(replacing - own).max() > 0.1


def test_replacing_a_target_moves_no_level_in_either_view(result) -> None:
    """With closed gates, of the target only its level is left, which stays."""
    windows = result.evaluations["test"].windows
    fitted = with_views(result, 2)
    names = [layer.name for layer in fitted.model.layers if isinstance(layer, BottleneckAttention)]
    assert {"attention", "attention_1"} <= set(names)
    for name in names:
        gates = fitted.model.get_layer(name)
        gates.bias.assign(np.full(gates.bias.shape, -50 / gates.bias_learning_factor))
    occluded = OccludedWindows(fitted, windows, with_linear_path=False)
    past = np.zeros((11, 3), bool)
    future = np.zeros((3, len(windows.future_values[0])), bool)
    whole = next(occluded.forecasts([(past, future)]))
    past[:, 0] = True
    np.testing.assert_allclose(next(occluded.forecasts([(past, future)])), whole, atol=1e-4)


UNIFORM = [
    ("joint", "shared", "after"), ("joint", "per-dimension", "before"), ("joint", "luong", "after"),
    ("joint", "feed-forward", "after"), ("joint", "additive", "after"), ("joint", "self", "after"),
    ("joint", "multi-head", "before"), ("joint", "variable", "after"), ("joint", "input", "before"),
    ("per-feature", "additive", "after"), ("per-feature", "luong", "after"),
    ("per-feature", "per-dimension", "after"),
]  # fmt: skip


@pytest.mark.parametrize(("encoder", "attention", "placement"), UNIFORM)
def test_uniform_attention_is_uniform_and_is_undone(encoder, attention, placement) -> None:
    from tsattn.models import WindowShape, build_forecaster

    shape = WindowShape(lookback=11, horizon=3, num_features=3, num_targets=1)
    model = build_forecaster(
        shape, encoder=encoder, attention=attention, placement=placement, units=8
    )
    for weight in model.trainable_weights:  # biases too
        weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    inputs = np.random.default_rng(1).normal(size=(5, 11, 3)).astype("float32")

    def scores() -> np.ndarray:
        return np.asarray(model({"inputs": inputs})["attention_scores"])

    before = scores()
    assert np.ptp(before, axis=None) > 1e-3
    with uniform_attention(model, {"inputs": inputs}):
        during = scores()
        by_step = np.moveaxis(during, -2, -1).reshape(-1, during.shape[-2])
        np.testing.assert_allclose(by_step, by_step[:, :1].repeat(by_step.shape[1], 1), rtol=1e-4)
    np.testing.assert_array_equal(scores(), before)


@pytest.mark.parametrize("name", ["attention_scores", "future_scores"])
def test_uniform_gates_are_their_mean(name: str, result) -> None:
    model = result.fitted.model
    windows = result.evaluations["test"].windows
    _, batch, outputs = next(iter(run_batches(model, windows)))
    with uniform_attention(model, model_inputs(batch)):
        frozen = next(iter(run_batches(model, windows)))[2][name]
    layer = {"attention_scores": "attention", "future_scores": "future_attention"}[name]
    power = keras.ops.convert_to_numpy(model.get_layer(layer).power)
    assert power.min() > 0.01
    assert np.ptp(power) > 0.01
    uniform = gates(frozen, power)
    np.testing.assert_allclose(uniform, uniform[0, 0, 0], rtol=1e-3)
    assert uniform[0, 0, 0] == pytest.approx(gates(outputs[name], power).mean(), rel=1e-3)


def gates(nats: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return the gates through which so many nats of cells of such power may pass."""
    ratio = np.sqrt(np.expm1(2 * nats) / power)
    return ratio / (1 + ratio)
