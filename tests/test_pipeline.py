import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from synthetic import SMALL, load_frame

from tsattn import FitOptions, read_table
from tsattn.errors import (
    DataError,
    ModelDirectoryError,
    QualityGateError,
    SchemaMismatchError,
    UsageError,
)
from tsattn.evaluation import evaluate_fitted
from tsattn.model_directory import load_fitted
from tsattn.pipeline import fitting
from tsattn.pipeline.evaluating import NewDataResult, check_gate, evaluate
from tsattn.pipeline.explaining import (
    explain,
    explain_windows,
    saved_explanation,
    saved_profile,
)
from tsattn.pipeline.fitting import fit, save
from tsattn.pipeline.predicting import predict
from tsattn.pipeline.preparing import prepare
from tsattn.profiles import attention_rows, describe_scores, ranks_features, summarize_profile
from tsattn.progress import Progress
from tsattn.report import example_windows, split_metrics
from tsattn.running import run_batches


def quick(**options) -> FitOptions:
    return FitOptions(**{**SMALL, "epochs": 1, **options})


def test_fit_scores_every_window_of_the_splits(result) -> None:
    # 307 rows: floor(.7 n) = 214, floor(.2 n) = 61, the rest 32; horizon 3
    assert {name: len(e.windows) for name, e in result.evaluations.items()} == {
        "val": 30,
        "test": 59,
    }
    assert result.fitted.seen_until == {"": "2021-03-11T05:00:00"}


def test_fit_scores_agree_with_its_forecasts(result) -> None:
    evaluation = result.evaluations["test"]
    table = evaluation.forecast.to_frame(result.series)
    original = evaluation.scores["model"]["original"]
    assert np.isclose(((table.forecast - table.actual) ** 2).mean(), original.mse, rtol=1e-5)
    assert np.isclose((table.forecast - table.actual).abs().mean(), original.mae, rtol=1e-5)
    by_step = (table.forecast - table.actual).abs().groupby(table.horizon_step).mean()
    np.testing.assert_allclose(by_step, original.absolute[:, 0], rtol=1e-5)


def test_fit_actuals_are_those_of_the_file(result) -> None:
    table = result.evaluations["test"].forecast.to_frame(result.series)
    truth = load_frame().set_index("time")["load"]
    np.testing.assert_allclose(table.actual, truth.loc[table.time].to_numpy(), rtol=1e-5)
    assert (table.time == table.origin_time + (table.horizon_step - 1) * pd.Timedelta("1h")).all()


def all_scores(result) -> np.ndarray:
    """Return the attention scores of every test window."""
    windows = result.evaluations["test"].windows
    batches = run_batches(result.fitted.model, windows)
    return np.concatenate([outputs["attention_scores"] for _, _, outputs in batches])


def assert_profile_is_the_mean(profile, scores: np.ndarray) -> None:
    """Compare a profile with scores (windows, targets, parts, steps, channels)."""
    newest_first = scores[:, :, :, ::-1]
    np.testing.assert_allclose(profile.mean, newest_first.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(profile.std, newest_first.std(axis=0), atol=1e-4)
    np.testing.assert_allclose(
        profile.quantiles, np.quantile(newest_first, [0.1, 0.5, 0.9], axis=0), rtol=1e-4
    )


def test_fit_profile_is_the_mean_over_every_test_window(result) -> None:
    scores = all_scores(result)
    assert scores.shape == (59, 11, 3)
    profile = result.fitted.profile(result.evaluations["test"].attention)
    assert_profile_is_the_mean(profile, scores[:, None, None])
    frame = profile.to_frame()
    assert list(frame.feature.unique()) == ["load", "wind", "plan"]
    assert (set(frame.kind), set(frame.measure)) == ({"feature"}, {"nats"})
    assert (frame.lag_first == frame.lag_last).all()
    assert ranks_features(frame)
    assert frame.loc[(frame.feature == "wind") & (frame.lag_first == 1), "mean"].item() == (
        pytest.approx(scores[:, -1, 1].mean(), rel=1e-4)
    )


def test_fit_profile_of_additive_attention_is_by_target_part_and_segment(tmp_path) -> None:
    options = quick(attention="additive", target="load,wind", horizon=29)
    result = fit(load_frame(), options)
    scores = all_scores(result)
    assert scores.shape == (33, 2, 2, 6, 2)  # a lookback of 11 in segments of 2
    profile = result.fitted.profile(result.evaluations["test"].attention)
    assert_profile_is_the_mean(profile, scores)
    frame = profile.to_frame()
    assert set(zip(frame.target, frame.feature, strict=True)) == {
        ("load", "load"), ("load", "plan"), ("wind", "wind"), ("wind", "plan"),
    }  # fmt: skip
    assert set(zip(frame.horizon_first, frame.horizon_last, strict=True)) == {(1, 15), (16, 29)}
    assert set(zip(frame.lag_first, frame.lag_last, strict=True)) == {
        (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 11),
    }  # fmt: skip
    np.testing.assert_allclose(frame.groupby(["target", "horizon_first"])["mean"].sum(), 1, 1e-5)
    assert ranks_features(frame)
    save(result, tmp_path / "model")
    with np.load(tmp_path / "model" / "attention" / "windows.npz") as arrays:
        np.testing.assert_allclose(arrays["scores"], scores, rtol=1e-5)
        assert arrays["channels"].tolist() == [["load", "plan"], ["wind", "plan"]]
    saved = saved_profile(tmp_path / "model")
    pd.testing.assert_frame_equal(attention_rows(saved), frame, rtol=1e-4, check_dtype=False)
    again = explain(tmp_path / "model", load_frame(), split="test")
    pd.testing.assert_frame_equal(again, saved, rtol=1e-3, check_dtype=False)


def test_fit_profile_of_the_joint_encoder_is_by_step() -> None:
    result = fit(load_frame(), quick(encoder="joint", linear_path="none"))
    scores = all_scores(result)
    assert scores.shape == (59, 11, 3)
    profile = result.fitted.profile(result.evaluations["test"].attention)
    assert_profile_is_the_mean(profile, scores[:, None, None])
    frame = profile.to_frame()
    np.testing.assert_allclose(frame.groupby("feature")["mean"].sum(), 1, rtol=1e-5)
    assert (frame.lag_first == frame.lag_last).all()
    assert not ranks_features(frame)


def test_fit_keeps_what_was_chosen() -> None:
    options = quick(epochs=None, batch_size=64, windows_per_epoch=40, patience=2)
    result = fit(load_frame(), options)
    chosen = result.fitted.options
    assert options.epochs is None
    assert chosen.epochs == 100  # as many as have 2,000 batches, but no more than 100 epochs
    assert len(result.history.epochs) <= 100
    assert (chosen.encoder, chosen.segment, chosen.linear_path) == ("per-feature", 2, "blend")
    assert (chosen.attention, chosen.placement) == ("bottleneck", "before")


@pytest.mark.parametrize(
    ("num_targets", "given", "batch_size", "windows_per_epoch", "epochs"),
    [
        (1, {}, 128, None, 19),  # 109 batches of 13,965 windows: 18 epochs have 1,962
        (1, {"preset": "fast"}, 128, 9_600, 6),
        (2, {}, 128, 21_334, 10),
        (7, {}, 36, 6_000, 6),
        (7, {"preset": "fast"}, 36, 2_700, 6),
        (20, {}, 16, 2_667, 6),
        (7, {"batch_size": 100}, 100, 16_667, 8),
        (7, {"windows_per_epoch": 500}, 36, 500, 72),
        (7, {"epochs": 3}, 36, 6_000, 3),
        (7, {"encoder": "joint"}, 128, None, 19),
    ],
)
def test_batches_of_several_targets_have_fewer_windows(
    num_targets, given, batch_size, windows_per_epoch, epochs
) -> None:
    values = np.random.default_rng(0).normal(size=(20_000, num_targets))
    frame = pd.DataFrame(values, columns=[f"y{i}" for i in range(num_targets)])
    options = FitOptions(target="all", lookback=24, horizon=12, **given)
    chosen = prepare(frame, options).options
    found = chosen.batch_size, chosen.windows_per_epoch, chosen.epochs
    assert found == (batch_size, windows_per_epoch, epochs)


def test_fit_refuses_a_segment_longer_than_the_lookback() -> None:
    with pytest.raises(UsageError, match=r"segment=12, lookback=11\. Use a shorter segment"):
        fit(load_frame(), quick(segment=12))


def test_fit_notes_the_share_of_the_linear_path(result) -> None:
    (share,) = result.fitted.linear_shares
    assert 0 <= share <= 1
    without = fit(load_frame(), quick(linear_path="none"))
    assert without.fitted.linear_shares.tolist() == [0]
    assert without.evaluations["test"].linear_inputs is None
    linear = next(layer for layer in result.fitted.model.layers if layer.name == "linear_path")
    np.testing.assert_array_equal(linear.kernel, result.fitted.linear.weights)


def test_model_directory_holds_what_it_should(model_directory) -> None:
    names = {p.relative_to(model_directory).as_posix() for p in model_directory.rglob("*.*")}
    assert names == {
        "MANIFEST.json", "model.keras", "model.onnx", "config.json", "schema.json", "scaler.json",
        "linear.npz",
        "metrics.json", "history.csv", "test_forecasts.parquet", "attention/profile.csv",
        "attention/ranking.csv",
        "attention/windows.npz", "plots/loss.png", "plots/forecast.png", "plots/profile.png",
        "plots/heatmap.png", "plots/horizon_error.png", "calibration.json",
        "report.html",
    }  # fmt: skip


def test_metrics_file_has_every_metric_and_baseline(model_directory) -> None:
    metrics = json.loads((model_directory / "metrics.json").read_text())
    for split in ("val", "test"):
        block = metrics[split]
        assert set(block["baselines"]) == {"last_value", "seasonal_naive", "linear"}
        for forecaster in (block, *block["baselines"].values()):
            assert set(forecaster["scaled"]) == {"mse", "mae", "rmse"}
            assert set(forecaster["original"]) == {"mse", "mae", "rmse", "smape", "mase"}
            for values in forecaster["original"].values():
                assert values["overall"] == pytest.approx(values["per_target"]["load"])
                assert len(values["per_horizon_step"]) == 3
        for name, skill in block["skill"].items():
            bound = block["baselines"][name]["scaled"]["mse"]["overall"]
            expected = 1 - block["scaled"]["mse"]["overall"] / bound
            is_rounding = abs(expected) < 1e-5
            assert skill == (0 if is_rounding else pytest.approx(expected))
    assert metrics["test"]["last_time"] == "2021-03-13T18:00:00"


def test_metrics_file_has_the_coverage_of_the_intervals(model_directory) -> None:
    metrics = json.loads((model_directory / "metrics.json").read_text())
    table = pd.read_parquet(model_directory / "test_forecasts.parquet")
    assert "intervals" not in metrics["val"]  # they were calibrated there
    assert list(metrics["test"]["intervals"]) == ["80", "95"]
    for level, block in metrics["test"]["intervals"].items():
        lower, upper = table[f"lower_{level}"], table[f"upper_{level}"]
        held = (lower <= table.actual) & (table.actual <= upper)
        for name, values in (("coverage", held), ("mean_width", upper - lower)):
            assert block[name]["overall"] == pytest.approx(values.mean())
            assert block[name]["per_target"] == {"load": pytest.approx(values.mean())}
            by_step = values.groupby(table.horizon_step).mean()
            assert block[name]["per_horizon_step"] == pytest.approx(list(by_step))
        unfollowed = block["coverage_without_following"]["overall"]
        assert unfollowed == pytest.approx(block["coverage"]["overall"], abs=0.1)
    assert (table.lower_95 <= table.lower_80).all()
    assert (table.upper_80 <= table.upper_95).all()


def test_fit_calibrates_on_validation_windows_by_the_rank(result) -> None:
    table = result.evaluations["val"].forecast.to_frame(result.series)
    assert "lower_80" not in table
    calibration = result.fitted.calibration
    assert (calibration.levels, calibration.num_windows) == ((80, 95), 30)
    windows = result.evaluations["val"].windows
    forecast = result.evaluations["val"].forecast
    batch = windows.gather(slice(None))
    lower, upper = calibration.intervals(
        batch.inputs, windows.sizes(slice(None)), forecast.forecast
    )
    held = (lower <= forecast.actual[..., None] + 1e-9) & (
        forecast.actual[..., None] - 1e-9 <= upper
    )
    # Ranks 31 x 0.8 = 24.8 and 29.45: 25 and 30 of 30 windows at each of 3 steps
    assert held[..., 0].sum(axis=0).ravel().tolist() == [25, 25, 25]
    assert held[..., 1].sum(axis=0).ravel().tolist() == [30, 30, 30]


def test_fit_leaves_out_levels_that_validation_is_too_short_for(tmp_path) -> None:
    result = fit(load_frame(151), quick(level="80,99,90"))  # 17 - 2 = 14 validation windows
    assert result.fitted.calibration.levels == (80, 90)
    (note,) = [note for note in result.notes if "interval" in note]
    assert note == (
        "no 99 % intervals: they need 99 validation windows, there are 14. "
        "Give more data, or more of it to validation with --split"
    )
    few = fit(load_frame(151), quick(level=[97.5]))
    assert few.fitted.calibration is None
    save(few, tmp_path / "model")
    assert not (tmp_path / "model" / "calibration.json").exists()
    forecast = predict(tmp_path / "model", load_frame(151))
    assert list(forecast.columns)[-1] == "forecast"


def test_fit_without_levels_has_no_intervals(tmp_path) -> None:
    result = fit(load_frame(151), quick(level="none"))
    assert result.fitted.calibration is None
    assert not [note for note in result.notes if "interval" in note]
    assert result.evaluations["test"].coverage is None


def test_loaded_model_gives_the_same_forecasts(result, model_directory) -> None:
    loaded = load_fitted(model_directory)
    written = json.dumps(asdict(result.fitted.options))
    assert json.dumps(asdict(loaded.options)) == written
    windows = result.evaluations["test"].windows
    first, second = (
        np.concatenate([out["forecast"] for _, _, out in run_batches(model, windows)])
        for model in (result.fitted.model, loaded.model)
    )
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-7)


def test_saved_keras_model_loads_without_custom_objects(result, model_directory) -> None:
    import keras

    model = keras.saving.load_model(model_directory / "model.keras")
    batch = result.evaluations["test"].windows.gather(slice(0, 2))
    inputs = {"inputs": batch.inputs, "future_inputs": batch.future_inputs}
    expected = result.fitted.model(inputs)["forecast"]
    np.testing.assert_allclose(model(inputs)["forecast"], expected, rtol=1e-5)


def test_predict_agrees_with_the_model_on_known_rows(result, model_directory) -> None:
    """Forecast from the middle of the file, and compare with the test forecast from there."""
    frame = load_frame()
    known, ahead = frame.iloc[:280], frame.iloc[280:283].drop(columns=["load", "wind"])
    forecast = predict(model_directory, known, future=ahead)
    table = result.evaluations["test"].forecast.to_frame(result.series)
    expected = table[table.origin_time == frame.time[280]]
    np.testing.assert_allclose(forecast.forecast, expected.forecast, rtol=1e-5)
    bounds = ["lower_80", "upper_80", "lower_95", "upper_95"]
    names = ["target", "origin_time", "time", "horizon_step", "forecast", *bounds]
    assert list(forecast.columns) == names
    assert list(forecast.time) == list(frame.time[280:283])


def test_predict_reads_rows_without_a_target_as_known_ahead(model_directory) -> None:
    frame = load_frame()
    inside = frame.iloc[:283].copy()
    inside.loc[280:, ["load", "wind"]] = np.nan
    beside = predict(
        model_directory, frame.iloc[:280], future=frame.iloc[280:283][["time", "plan"]]
    )
    pd.testing.assert_frame_equal(predict(model_directory, inside), beside)


def test_predict_needs_the_future_covariates(model_directory) -> None:
    with pytest.raises(DataError, match=r"no 'plan' at 2021-03-13 19:00.*3 steps.*--future"):
        predict(model_directory, load_frame())


def test_predict_needs_the_lookback(model_directory) -> None:
    with pytest.raises(DataError, match=r"the last 11 rows. Received: 7 rows.*Give more"):
        predict(model_directory, load_frame(7))


def test_predict_lists_every_missing_column(model_directory) -> None:
    with pytest.raises(SchemaMismatchError, match="'wind', 'plan'"):
        predict(model_directory, load_frame().drop(columns=["wind", "plan"]))


def test_evaluate_scores_only_unseen_rows(result, model_directory) -> None:
    again = evaluate(model_directory, load_frame())
    test = result.evaluations["test"]
    assert len(again.evaluation.windows) == len(test.windows)
    for name, scores in test.scores.items():
        assert again.evaluation.scores[name]["scaled"].mse == pytest.approx(
            scores["scaled"].mse, rel=1e-5
        )


def test_evaluate_refuses_rows_that_were_all_seen(model_directory) -> None:
    with pytest.raises(DataError, match="rows after 2021-03-11T05:00:00"):
        evaluate(model_directory, load_frame().iloc[:200])


def gate(result, linear) -> None:
    """Check a result whose linear baseline is replaced."""
    evaluation = result.evaluations["test"]
    evaluation = replace(evaluation, scores={**evaluation.scores, "linear": linear})
    fitted = result.fitted
    check_gate(NewDataResult(fitted=fitted, series=result.series, evaluation=evaluation), "linear")


def test_check_gate_compares_with_the_baseline(result) -> None:
    model = result.evaluations["test"].scores["model"]
    gate(result, model)
    better = {"scaled": replace(model["scaled"], squared=np.zeros((3, 1)))}
    with pytest.raises(QualityGateError, match="no worse than linear"):
        gate(result, better)


def test_check_gate_needs_rows_with_a_time(result) -> None:
    timeless = replace(result, fitted=replace(result.fitted, seen_until=None))
    with pytest.raises(UsageError, match="rows without a time.*with a time column"):
        gate(timeless, result.evaluations["test"].scores["model"])


def test_explain_on_new_data_agrees_with_the_saved_profile(model_directory, tmp_path) -> None:
    output = tmp_path / "explained"
    profile = explain(model_directory, load_frame(), split="test", output=output)
    saved = saved_profile(model_directory)
    pd.testing.assert_frame_equal(profile, saved, rtol=1e-4, check_dtype=False)
    assert {path.name for path in output.iterdir()} == {
        "profile.csv", "ranking.csv", "windows.npz", "profile.png", "heatmap.png", "MANIFEST.json",
    }  # fmt: skip
    with np.load(output / "windows.npz") as arrays:
        assert arrays["scores"].shape == (59, 11, 3)
        assert list(arrays["channels"]) == ["load", "wind", "plan"]


def test_recurrent_decoder_saves_what_each_horizon_step_looks_at(tmp_path) -> None:
    result = fit(
        load_frame(), quick(decoder="recurrent", future_covariates="plan", loss="quantile",
                            target="load,wind", num_layers=2, cell="lstm")
    )  # fmt: skip
    assert (result.fitted.options.attention, result.fitted.options.placement) == (
        "additive",
        "after",
    )
    save(result, tmp_path / "model")
    folder = tmp_path / "model" / "attention"
    assert {path.name for path in folder.iterdir()} == {"profile.csv", "horizon.csv", "windows.npz"}
    assert (tmp_path / "model" / "plots" / "horizon_heatmap.png").exists()
    windows = result.evaluations["test"].windows
    scores = np.concatenate(
        [out["attention_scores"] for _, _, out in run_batches(result.fitted.model, windows)]
    )
    with np.load(folder / "windows.npz") as arrays:
        np.testing.assert_allclose(arrays["scores"], scores, rtol=1e-5)  # (59, 3, 11)
        np.testing.assert_array_equal(arrays["origins"], windows.origins)
    saved = saved_explanation(tmp_path / "model")
    expected = scores.mean(axis=0)[:, ::-1]  # (horizon, lags)
    np.testing.assert_allclose(saved.horizon["mean"], expected.ravel(), rtol=1e-5)
    np.testing.assert_allclose(saved.horizon["std"], scores.std(0)[:, ::-1].ravel(), atol=1e-6)
    assert set(saved.horizon.target) == {"*"}
    attention = attention_rows(saved.profile)
    np.testing.assert_allclose(attention["mean"], expected.mean(axis=0), rtol=1e-5)
    assert set(attention.feature) == {"shared"}
    assert set(saved.profile.horizon_last) == {3}
    again = explain_windows(tmp_path / "model", load_frame(), split="test")
    assert again.ranking is saved.ranking is None
    for table, other in zip(again[:2], saved[:2], strict=True):
        pd.testing.assert_frame_equal(table, other, rtol=1e-4, check_dtype=False)


def test_reverse_time_saves_contributions_that_rank_features(tmp_path) -> None:
    result = fit(load_frame(), quick(attention="reverse-time", future_covariates="plan"))
    save(result, tmp_path / "model")
    saved = saved_explanation(tmp_path / "model")
    assert saved.horizon is None
    assert set(saved.profile.measure) == {"contribution"}
    assert list(saved.profile.feature.unique()) == ["load", "wind", "plan"]
    assert ranks_features(saved.profile)
    assert summarize_profile(saved.profile)["mass"].sum() == pytest.approx(1)
    assert "in standard deviations of the target" in describe_scores(saved.profile)
    pd.testing.assert_frame_equal(
        explain(tmp_path / "model", load_frame(), split="test"), saved.profile,
        rtol=1e-4, check_dtype=False,
    )  # fmt: skip


def test_explain_needs_attention(tmp_path) -> None:
    result = fit(load_frame(), quick(attention="none"))
    save(result, tmp_path / "plain")
    assert not (tmp_path / "plain" / "attention").exists()
    with pytest.raises(UsageError, match=r"attention none.*--attention bottleneck"):
        saved_profile(tmp_path / "plain")


@pytest.mark.parametrize(
    ("options", "kind", "channels"),
    [
        ({"attention": "shared"}, "shared", ["shared"]),
        ({"encoder": "joint", "placement": "after"}, "unit", [f"unit_{i:03d}" for i in range(5)]),
    ],
)
def test_fit_names_what_the_profile_is_about(options, kind: str, channels: list[str]) -> None:
    result = fit(load_frame(), quick(**options))
    profile = result.fitted.profile(result.evaluations["test"].attention)
    assert profile.kind == kind
    assert profile.channels == (tuple(channels),)


def test_fit_without_test_rows_says_so(tmp_path) -> None:
    result = fit(load_frame(), quick(split="0.8,0.2,0"))
    save(result, tmp_path / "model")
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert metrics["test"] == {"num_windows": 0, "note": "no test rows were set aside"}
    assert not (tmp_path / "model" / "test_forecasts.parquet").exists()
    attention = attention_rows(saved_profile(tmp_path / "model"))
    assert list(attention.role.value_counts()) == [33, 12]  # 11 lags of 3; 3 steps of 4 waves
    assert set(attention.num_windows) == {60}  # of the validation


def test_fit_forecasts_several_targets_with_quantiles(tmp_path) -> None:
    options = quick(target="all", loss="quantile", quantile_levels=(0.2, 0.5, 0.8))
    result = fit(load_frame(), options)
    save(result, tmp_path / "model")
    table = pd.read_parquet(tmp_path / "model" / "test_forecasts.parquet")
    assert list(table.target.unique()) == ["load", "plan", "wind"]
    assert (table["q0.2"] <= table["q0.5"]).all()
    assert (table["q0.5"] == table.forecast).all()
    attention = attention_rows(saved_profile(tmp_path / "model"))
    assert set(attention.target) == {"*"}
    assert list(attention[attention.role == "past"].feature.unique()) == ["load", "wind", "plan"]
    forecast = predict(tmp_path / "model", load_frame())
    assert len(forecast) == 9
    bounds = ["lower_80", "upper_80", "lower_95", "upper_95"]
    assert list(forecast.columns[5:]) == ["q0.2", "q0.5", "q0.8", *bounds]


def test_fit_and_predict_a_panel(tmp_path) -> None:
    frames = [load_frame(rows, seed).assign(town=name) for rows, seed, name in
              ((211, 1, "b"), (307, 2, "a"))]  # fmt: skip
    panel = pd.concat(frames)
    result = fit(panel, quick(id_col="town"))
    table = result.evaluations["test"].forecast.to_frame(result.series)
    assert list(table.series_id.unique()) == ["a", "b"]
    save(result, tmp_path / "model")
    forecast = predict(tmp_path / "model", panel)
    assert list(forecast.groupby("series_id").time.min()) == [
        frames[1].time.max() + pd.Timedelta("1h"),
        frames[0].time.max() + pd.Timedelta("1h"),
    ]


def test_fit_leaves_out_windows_with_filled_targets() -> None:
    frame = load_frame()
    frame.loc[270, "load"] = np.nan
    with pytest.raises(DataError, match=r"'load' has 1 missing value.*row 270.*--fill"):
        fit(frame, quick())
    counts = {
        scored: len(
            fit(frame, quick(fill="ffill", score_filled=scored)).evaluations["test"].windows
        )
        for scored in (True, False)
    }
    assert counts == {True: 59, False: 56}  # three horizons hold row 270


def test_fit_chooses_lookback_and_horizon_and_says_so() -> None:
    options = quick(lookback=None, horizon=None)
    result = fit(load_frame(), options)
    assert any("chosen for frequency h" in note for note in result.notes)
    assert result.fitted.horizon >= 1
    assert options.lookback is None


def test_fit_refuses_a_constant_target() -> None:
    with pytest.raises(DataError, match=r"must change.*'load', always 3.*Name another"):
        fit(load_frame().assign(load=3.0), quick())


def test_fit_notes_a_constant_feature() -> None:
    result = fit(load_frame().assign(wind=3.0), quick())
    assert any("read as zeros: 'wind'" in note for note in result.notes)


@pytest.mark.parametrize(
    "error", [MemoryError("2 GiB"), RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nat x")]
)
def test_fit_without_enough_memory_is_one_message(error, monkeypatch) -> None:
    def build(*_: object) -> None:
        raise error

    monkeypatch.setattr(fitting, "build_model", build)
    with pytest.raises(UsageError, match=r"Received: \w+: .*[By]\. Use fewer --units"):
        fit(load_frame(), quick())


def test_fit_keeps_the_errors_that_are_not_about_memory(monkeypatch) -> None:
    monkeypatch.setattr(fitting, "build_model", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(load_frame(), quick())


def test_fit_refuses_a_horizon_longer_than_the_data() -> None:
    with pytest.raises(DataError, match=r"must hold a window.*500 rows.*Use a shorter"):
        fit(load_frame(), quick(horizon=500))


def test_fit_with_the_same_seed_gives_the_same_bytes(tmp_path) -> None:
    for name in ("first", "second"):
        save(fit(load_frame(), quick(seed=3)), tmp_path / name)
        forecast = predict(tmp_path / name, load_frame())
        forecast.to_csv(tmp_path / f"{name}.csv", index=False)
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("model.keras", lambda path: path.write_bytes(path.read_bytes()[:-1])),
        ("scaler.json", lambda path: path.unlink()),
        ("MANIFEST.json", lambda path: path.unlink()),
        ("MANIFEST.json", lambda path: path.write_text('{"format_version": 99}')),
        ("MANIFEST.json", lambda path: path.write_text("[]")),
        ("MANIFEST.json", lambda path: path.write_text(
            '{"format_version": 1, "files": {"../../x": ""}}')),
    ],
)  # fmt: skip
def test_loading_refuses_an_altered_directory(model_directory, tmp_path, file, change) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(model_directory, copy)
    change(copy / file)
    with pytest.raises(ModelDirectoryError, match=r"Received: .*\. (Restore|Check|Upgrade)"):
        load_fitted(copy)


def test_loading_refuses_a_folder_that_is_no_model(tmp_path) -> None:
    with pytest.raises(ModelDirectoryError, match=r"written by `tsattn fit`.*no MANIFEST.json"):
        load_fitted(tmp_path)


def panel() -> pd.DataFrame:
    """Return two towns, of which `b` ends earlier."""
    frames = [load_frame(307, 2).assign(town="a"), load_frame(211, 1).assign(town="b")]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def panel_result():
    return fit(panel(), quick(id_col="town", normalization="standard"))


def test_metrics_of_a_panel_name_the_first_and_last_time(panel_result) -> None:
    block = split_metrics(panel_result.evaluations["test"], panel_result.series)
    assert block["first_time"] == "2021-03-08T01:00:00"  # of b, which ends earlier
    assert block["last_time"] == "2021-03-13T18:00:00"  # of a


def test_evaluate_of_a_panel_scores_what_each_series_has_not_seen(panel_result) -> None:
    again = evaluate(panel_result.fitted, panel())
    assert len(again.evaluation.windows) == len(panel_result.evaluations["test"].windows)


def test_examples_of_a_panel_are_of_one_series(panel_result) -> None:
    examples, _ = example_windows(
        panel_result.fitted, panel_result.series, panel_result.evaluations["test"]
    )
    assert examples.series_id.nunique() == 1
    assert not examples.duplicated(["origin_time", "time"]).any()


def test_predict_of_a_panel_skips_a_short_series_on_request(panel_result) -> None:
    short = pd.concat([panel(), load_frame(5).assign(town="c")])
    with pytest.raises(DataError, match=r"5 rows of series 'c'"):
        predict(panel_result.fitted, short)
    reasons = []
    forecast = predict(panel_result.fitted, short, on_skip=reasons.append)
    assert list(forecast.series_id.unique()) == ["a", "b"]
    assert len(reasons) == 1
    assert "series 'c'" in reasons[0]


def test_predict_matches_ids_without_their_spaces(panel_result) -> None:
    frame = panel()
    ahead = pd.DataFrame(
        {"time": [frame.time.max() + pd.Timedelta("1h")], "load": [np.nan], "town": ["a "]}
    )
    forecast = predict(panel_result.fitted, pd.concat([frame, ahead]))
    assert list(forecast.series_id.unique()) == ["a", "b"]


def test_predict_refuses_a_forecast_that_is_not_finite(panel_result) -> None:
    frame = panel()
    frame.loc[306, "load"] = 3e38
    with pytest.raises(DataError, match=r"series 'a', whose forecast is not finite"):
        predict(panel_result.fitted, frame)


def test_predict_needs_only_the_lookback_to_be_complete(result) -> None:
    frame = load_frame().drop(index=[20])
    ahead = pd.DataFrame(
        {"time": pd.date_range("2021-03-13 19:00", periods=3, freq="h"), "plan": [0.1, 0.2, 0.3]}
    )
    expected = predict(result.fitted, load_frame(), future=ahead)
    pd.testing.assert_frame_equal(predict(result.fitted, frame, future=ahead), expected)
    with pytest.raises(DataError, match=r"fit the model with --fill"):
        predict(result.fitted, load_frame().drop(index=[300]), future=ahead)


def test_predict_matches_numbered_times_by_their_number() -> None:
    frame = load_frame().assign(time=range(1, 308))
    result = fit(frame, quick(time_col="time", future_covariates="plan"))
    plans = pd.DataFrame({"time": range(306, 311), "plan": [9.0, 9.0, 0.1, 0.2, 0.3]})
    exact = predict(result.fitted, frame, future=plans[2:])
    pd.testing.assert_frame_equal(predict(result.fitted, frame, future=plans), exact)
    with pytest.raises(DataError, match=r"no 'plan' at 308"):
        predict(result.fitted, frame, future=plans.assign(time=range(900, 905)))


def test_predict_reads_numbers_by_the_mark_of_the_training_data(tmp_path, capsys) -> None:
    frame = load_frame()[["time", "load", "wind"]]
    frame = frame.assign(load=(frame.load * 100).round().astype(int), wind=frame.wind.round(2))
    whole = frame.assign(wind=frame.wind.round())

    def write(table: pd.DataFrame, name: str) -> str:
        texts = table.assign(load=[f"{value:,}".replace(",", ".") for value in table.load])
        texts.to_csv(tmp_path / name, sep=";", decimal=",", index=False)
        return str(tmp_path / name)

    fitted = fit(write(frame, "data.csv"), quick()).fitted
    assert fitted.schema.decimal == ","
    new = write(whole.assign(wind=whole.wind.astype(int)), "new.csv")  # where nothing tells it
    assert read_table(new)[0].load.max() < 100
    found = predict(fitted, new, progress=Progress(quiet=False))
    pd.testing.assert_frame_equal(found, predict(fitted, whole))
    assert "no other number" not in capsys.readouterr().err
    assert fit(frame, quick()).fitted.schema.decimal is None


def test_predict_with_a_text_past_covariate_and_future_rows() -> None:
    frame = load_frame().assign(kind=["a", "b"] * 153 + ["a"])
    result = fit(frame, quick(future_covariates="plan"))
    times = pd.date_range("2021-03-13 19:00", periods=3, freq="h")
    forecast = predict(
        result.fitted, frame, future=pd.DataFrame({"time": times, "plan": [0.1, 0.2, 0.3]})
    )
    assert len(forecast) == 3


def test_predict_notes_a_category_of_the_future_that_it_was_not_trained_on() -> None:
    frame = load_frame().assign(shift=["day", "night"] * 153 + ["day"])
    result = fit(frame, quick(future_covariates="shift"))
    notes: list[str] = []
    progress = Progress()
    progress.note = notes.append
    times = pd.date_range("2021-03-13 19:00", periods=3, freq="h")
    future = pd.DataFrame({"time": times, "shift": ["day", "nihgt", "day"]})
    predict(result.fitted, frame, future=future, progress=progress)
    assert len(notes) == 1
    assert "'shift' has values not seen in training (nihgt)" in notes[0]
    predict(result.fitted, frame, future=future.replace("nihgt", "night"), progress=progress)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plan": [1, None, 1]}, r"'plan' has 1 missing values .* 01:00:00\)\. Complete them\.$"),
        ({"time": ["03.04.2021 12:00", "03.04.2021 13:00", "03.04.2021 14:00"]},
         r"reads both ways\. Write the times like 2024-03-05 12:00\.$"),
        ({"time": ["1", "soon", "later"]}, r"Correct it, for example to 2024-03-05 12:00\.$"),
    ],
)  # fmt: skip
def test_predict_names_a_remedy_that_its_future_has(change, message, model_directory) -> None:
    future = pd.DataFrame({"time": pd.date_range("2021-04-01", periods=3, freq="h"), "plan": 1.0})
    with pytest.raises(DataError, match=message):
        predict(model_directory, load_frame(), future=future.assign(**change))


def test_predict_refuses_a_future_it_has_no_use_for() -> None:
    result = fit(load_frame(), quick())
    with pytest.raises(UsageError, match=r"`future` for a model that has none.*Leave it out"):
        predict(result.fitted, load_frame(), future=load_frame(3))


def test_fit_keeps_its_training_when_a_test_value_is_extreme(tmp_path) -> None:
    frame = load_frame()
    frame.loc[290, "load"] = 1e30
    save(fit(frame, quick()), tmp_path / "model")
    assert json.loads((tmp_path / "model" / "metrics.json").read_text())["test"]["num_windows"]


def test_fit_does_not_depend_on_the_level_of_the_columns() -> None:
    frame, level = load_frame(), 1e9
    times = pd.date_range("2021-03-13 19:00", periods=3, freq="h")
    ahead = pd.DataFrame({"time": times, "plan": [0.1, 0.2, 0.3]})
    forecasts, errors = [], []
    for shift in (0.0, level):
        shifted = frame.assign(load=frame.load + shift, plan=frame.plan + shift)
        result = fit(shifted, quick(future_covariates="plan"))
        errors.append(result.evaluations["test"].scores["model"]["original"].mse)
        future = ahead.assign(plan=ahead.plan + shift)
        forecasts.append(predict(result.fitted, shifted, future=future).forecast - shift)
    np.testing.assert_allclose(errors[1], errors[0], rtol=1e-3)
    np.testing.assert_allclose(forecasts[1], forecasts[0], atol=1e-3)


def test_few_forecasts_may_be_kept_while_every_window_is_scored(result) -> None:
    fitted, series = result.fitted, result.series
    origins = np.arange(fitted.lookback, series.num_rows - fitted.horizon + 1)
    windows = fitted.windows(series, origins)
    every = evaluate_fitted(fitted, series, windows)
    few = evaluate_fitted(fitted, series, windows, max_forecast_rows=0)
    assert len(every.forecast.origins) == len(origins) > len(few.forecast.origins) == 100
    assert few.scores["model"]["scaled"].mse == every.scores["model"]["scaled"].mse
    assert few.attention.num_windows == len(origins)
