"""`predict --explain`: what each forecast rests on, as columns and as a file."""

import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import run
from synthetic import load_frame, rebuilt
from test_onnx import with_structure

import tsattn
from tsattn.config import STRUCTURES
from tsattn.errors import UsageError
from tsattn.pipeline.explaining import explain_windows
from tsattn.pipeline.predicting import predict, predict_with_reasons

WHY = ["why_1", "why_2", "why_3"]


def latest(rows: int = 283, ahead: int = 3) -> pd.DataFrame:
    """Return a table whose last rows, the horizon, have no target."""
    frame = load_frame()[:rows].copy()
    frame.loc[rows - ahead :, ["load", "wind"]] = np.nan
    return frame


def shares_by_hand(profile: pd.DataFrame, linear_share: float) -> pd.Series:
    """Return the share of each feature, role and lag of one window, in falling order."""
    path = profile["measure"] != profile["measure"].iloc[0]
    shares = profile["mean"].where(path, 0) / profile["mean"][path].sum() * linear_share
    network = profile["mean"].where(~path, 0) / profile["mean"][~path].sum()
    shares = shares + network * (1 - linear_share)
    keys = [profile["feature"], profile["role"], profile["lag_first"]]
    return shares.groupby(keys).sum().sort_values(ascending=False)


@pytest.fixture(scope="module")
def blended(result):
    """Return a model of which the linear path has 30 %."""
    fitted = with_structure(result.fitted, STRUCTURES[0])
    assert fitted.options.attention == "bottleneck"
    fitted.model.get_layer("linear_path").share.assign([0.3])
    return fitted


@pytest.fixture(scope="module")
def of_levels(blended):
    """Return the same model with a linear forecast that reads the level of a covariate."""
    linear, count = blended.linear, len(blended.schema.features)
    weights = linear.weights.copy()
    weights[:, (blended.lookback - 1) * count + 1] += 0.5
    return replace(blended, linear=replace(linear, weights=weights))


def test_level_of_a_covariate_is_seen_in_the_profile_of_one_window(of_levels) -> None:
    features = list(of_levels.schema.features)
    profile = explain_windows(of_levels, load_frame(), window=load_frame()["time"][280]).profile
    is_path = profile["measure"] == "contribution"
    of_covariate = profile[is_path & (profile["feature"] == features[1])].set_index("lag_first")
    scaler = of_levels.scaler
    scaled = (load_frame()[features].to_numpy() - scaler.mean) / scaler.std
    weights = of_levels.linear.weights_of_values(of_levels.lookback, len(features))
    for lag in (1, 2, of_levels.lookback):
        weight = weights[0, (of_levels.lookback - lag) * len(features) + 1]
        expected = 0.3 * np.abs(weight).mean() * abs(scaled[280 - lag, 1])
        assert of_covariate["mean"][lag] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["blended", "of_levels"])
def test_cells_are_those_of_this_very_window(kind, request) -> None:
    blended = request.getfixturevalue(kind)
    assert blended.linear.reads_levels(11, 3) == (kind == "of_levels")
    found = predict_with_reasons(blended, latest(), explain=5)
    (linear_share,) = blended.linear_shares
    window = explain_windows(blended, load_frame(), window=load_frame()["time"][280])
    expected = shares_by_hand(window.profile, linear_share).head(5)
    (entry,) = found.explanation["windows"]
    assert entry["origin_time"] == "2021-03-12T16:00:00"
    assert entry["linear_path"] == pytest.approx(linear_share)
    cells = entry["cells"]
    np.testing.assert_allclose([cell["share"] for cell in cells], expected, rtol=1e-3)
    for cell, (feature, role, lag) in zip(cells, expected.index, strict=True):
        place = {"step": 1 - lag} if role == "future" else {"lag_first": lag, "lag_last": lag}
        assert cell == {"feature": feature, "role": role, **place, "share": cell["share"]}
    shown = found.forecast[[f"why_{i}" for i in range(1, 6)]]
    assert len(shown) == 3
    assert shown.nunique().eq(1).all()  # the attention has one part of the horizon
    for text, cell in zip(shown.iloc[0], cells, strict=True):
        place = f"step{cell['step']}" if "step" in cell else f"lag{cell['lag_first']}"
        assert text.startswith(f"{cell['feature']}@{place}: ")
        assert float(text.split(": ")[1].rstrip("%")) == pytest.approx(100 * cell["share"], abs=0.5)
    plain = predict(blended, latest())
    pd.testing.assert_frame_equal(found.forecast.drop(columns=shown.columns), plain)


@pytest.fixture(scope="module")
def in_parts(result):
    """Return an untrained model with segments of 2 steps and a horizon in two parts."""
    structure = next(s for s in STRUCTURES if s.attention == "additive")
    assert structure.encoder == "per-feature"
    return replace(with_structure(result.fitted, structure, horizon=25), calibration=None)


def test_parts_of_the_horizon_have_their_own_cells(in_parts) -> None:
    found = predict_with_reasons(in_parts, latest(ahead=25), explain=3)
    first, second = found.explanation["windows"]
    assert (first["horizon_first"], first["horizon_last"]) == (1, 13)
    assert (second["horizon_first"], second["horizon_last"]) == (14, 25)
    parts = found.forecast.groupby(found.forecast["horizon_step"] > 13)[WHY].nunique()
    assert parts.eq(1).all(axis=None)
    assert first["cells"] != second["cells"]
    profile = explain_windows(in_parts, load_frame(), window=load_frame()["time"][258]).profile
    part = profile[(profile["measure"] == "share") & (profile["horizon_first"] == 14)]
    best = part.loc[part["mean"].idxmax()]
    cell = second["cells"][0]
    assert (cell["feature"], cell["lag_first"]) == (best["feature"], best["lag_first"])
    assert cell["share"] == pytest.approx(best["mean"], rel=1e-3)
    lags = f"lag{best['lag_first']}-{best['lag_last']}"
    lags = lags if best["lag_first"] < best["lag_last"] else f"lag{best['lag_first']}"
    assert found.forecast["why_1"].iloc[-1].startswith(f"{best['feature']}@{lags}: ")


def test_series_of_a_panel_have_their_own_cells(blended) -> None:
    towns = [load_frame(131).assign(town="a"), load_frame(157, 1).assign(town="b")]
    for town in towns:
        town.loc[town.index[-3:], ["load", "wind"]] = np.nan
    fitted = replace(blended, schema=replace(blended.schema, id_column="town"))
    short = load_frame(5).assign(town="aa")
    skipped: list[str] = []
    found = predict_with_reasons(
        fitted, pd.concat([*towns, short]), explain=2, on_skip=skipped.append
    )
    assert len(skipped) == 1
    assert [entry["series_id"] for entry in found.explanation["windows"]] == ["a", "b"]
    alone = predict_with_reasons(fitted, towns[1], explain=2)
    of_b = found.forecast[found.forecast["series_id"] == "b"].reset_index(drop=True)
    assert of_b["why_1"].tolist() == alone.forecast["why_1"].tolist()
    assert of_b["why_1"].iloc[0] != found.forecast["why_1"].iloc[0]


def test_target_does_not_rest_on_one_its_network_does_not_read(result) -> None:
    fitted = rebuilt(result.fitted, targets=("load", "wind"), past_covariates=())
    found = predict_with_reasons(fitted, latest(), explain=999)
    load, wind = found.explanation["windows"]
    assert (load["target"], wind["target"]) == ("load", "wind")
    for entry, other in ((load, "wind"), (wind, "load")):
        shares = {cell["feature"]: 0.0 for cell in entry["cells"]}
        for cell in entry["cells"]:
            shares[cell["feature"]] += cell["share"]
        assert sum(shares.values()) == pytest.approx(1)
        assert shares.keys() >= {"plan", entry["target"]}
        assert other not in shares
    columns = [name for name in found.forecast if name.startswith("why_")]
    assert len(columns) == 48  # all cells; those of the other target have no share
    assert found.forecast[columns[-1]].isna().all()


@pytest.mark.parametrize("attention", ["none", "shared", "per-dimension"])
def test_attention_that_does_not_compare_cells_is_refused(attention: str, result) -> None:
    structure = next(s for s in STRUCTURES if s.attention == attention)
    fitted = with_structure(result.fitted, structure)
    with pytest.raises(UsageError, match=rf"attention {attention}\.(.|\n)*--attention bottleneck"):
        predict(fitted, latest(), explain=3)
    assert len(predict(fitted, latest())) == 3


@pytest.mark.parametrize("explain", [-1, 2.5, True, "3"])
def test_number_of_cells_must_be_positive(explain, result) -> None:
    with pytest.raises(UsageError, match=f"explain={explain!r}"):
        predict(result.fitted, latest(), explain=explain)


def test_there_are_no_more_reasons_than_cells(result) -> None:
    forecast = predict(result.fitted, latest(), explain=10**20)
    # 11 lags of 3 features, 3 steps of the plan and of 4 features of the calendar.
    assert forecast.columns[-1] == f"why_{11 * 3 + 3 * 5}"


def test_command_writes_an_explanation_that_belongs_to_the_forecast(
    model_directory, tmp_path
) -> None:
    data, output = tmp_path / "latest.csv", tmp_path / "forecast.csv"
    latest().to_csv(data, index=False)
    done = run("predict", model_directory, data, "--explain", 3, "-o", output)
    assert done.exit_code == 0, done.output
    beside = tmp_path / "forecast.explanation.json"
    assert str(beside) in done.stdout
    content = json.loads(beside.read_text())
    assert content["forecast"]["file"] == "forecast.csv"
    assert content["forecast"]["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert len(content["windows"][0]["cells"]) == 3
    assert list(pd.read_csv(output).columns)[-3:] == WHY
    assert sorted(os.listdir(tmp_path)) == [
        "forecast.csv", "forecast.explanation.json", "latest.csv",
    ]  # fmt: skip
    output.unlink()
    refused = run("predict", model_directory, data, "--explain", 3, "-o", output)
    assert refused.exit_code == 2
    assert "forecast.explanation.json. Name another one" in refused.stderr
    assert not output.exists()
    again = run("predict", model_directory, data, "--explain", 1, "-o", output, "--overwrite")
    assert again.exit_code == 0
    assert len(json.loads(beside.read_text())["windows"][0]["cells"]) == 1
    parquet = run("predict", model_directory, data, "--explain", 3, "-o", tmp_path / "f.parquet")
    assert parquet.exit_code == 0
    assert pd.read_parquet(tmp_path / "f.parquet")["why_1"].notna().all()
    assert (tmp_path / "f.explanation.json").exists()


def test_command_prints_cells_in_csv_and_json(model_directory, tmp_path) -> None:
    data = tmp_path / "latest.csv"
    latest().to_csv(data, index=False)
    given = ("predict", model_directory, data, "--explain", 3, "--quiet")
    assert run(*given).stdout.splitlines()[0].endswith(",why_1,why_2,why_3")
    content = json.loads(run(*given, "--json").stdout)
    (origin,) = {row["origin_time"] for row in content["forecast"]}
    assert {entry["origin_time"] for entry in content["explanation"]["windows"]} == {origin}
    assert content["forecast"][0]["why_3"].endswith("%")
    assert content["explanation"]["windows"][0]["target"] == "load"
    without = run("predict", model_directory, data, "--json", "--quiet")
    assert set(json.loads(without.stdout)) == {"forecast"}
    assert run(*given[:-2], 0).exit_code == 2


def test_estimator_explains_its_forecasts(result, model_directory) -> None:
    forecaster = tsattn.load(model_directory)
    forecast = forecaster.predict(latest(), explain=3)
    expected = predict(model_directory, latest(), explain=3)
    pd.testing.assert_frame_equal(forecast, expected)
    grouped = forecaster.explain(load_frame(), by="hour")
    assert grouped["group"].nunique() == 24
