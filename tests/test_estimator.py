import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from synthetic import SMALL, load_frame, panel_frame

import tsattn
from tsattn import (
    AttentionForecaster,
    attention_drift,
    check,
    evaluate,
    explain,
    predict,
    rank_features,
    update,
)
from tsattn.config import option_names
from tsattn.errors import UsageError
from tsattn.profiles import attention_rows


def test_forecaster_has_the_options_of_fit_as_parameters() -> None:
    forecaster = AttentionForecaster(target="load", lookback=11)
    assert set(forecaster.get_params()) == set(option_names())
    assert forecaster.get_params()["lookback"] == 11
    forecaster.set_params(lookback=13)
    assert clone(forecaster).get_params() == forecaster.get_params()


def test_forecaster_fits_predicts_explains_saves_and_loads(tmp_path) -> None:
    frame = load_frame()
    forecaster = AttentionForecaster(**SMALL).fit(frame)
    assert forecaster.horizon == 3
    assert forecaster.score(frame) < 0
    profile = forecaster.explain(frame, split="test")
    attention = attention_rows(profile)
    assert set(attention.feature[attention.role == "past"]) == {"load", "wind", "plan"}
    forecaster.save(tmp_path / "model")
    loaded = tsattn.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(frame), forecaster.predict(frame))
    assert loaded.get_params()["units"] == 5
    with pytest.raises(NotFittedError, match="Copy its directory"):
        loaded.save(tmp_path / "copy")


def test_forecaster_explains_each_horizon_step() -> None:
    frame = load_frame()
    forecaster = AttentionForecaster(**SMALL, decoder="recurrent").fit(frame)
    horizon = forecaster.explain_horizon(frame, split="test")
    assert list(horizon.columns) == ["target", "horizon_step", "lag", "mean", "std", "num_windows"]
    np.testing.assert_allclose(horizon.groupby("horizon_step")["mean"].sum(), 1, rtol=1e-5)
    over_horizon = horizon.groupby("lag")["mean"].mean()
    profile = forecaster.explain(frame, split="test")
    np.testing.assert_allclose(attention_rows(profile)["mean"], over_horizon, rtol=1e-5)
    assert forecaster.get_params()["attention"] is None
    assert forecaster.fitted_.options.attention == "additive"


def test_forecaster_without_a_recurrent_decoder_has_no_horizon_steps() -> None:
    frame = load_frame()
    forecaster = AttentionForecaster(**{**SMALL, "epochs": 1}).fit(frame)
    with pytest.raises(UsageError, match=r"decoder direct\. Fit one with --decoder recurrent"):
        forecaster.explain_horizon(frame)


def test_forecaster_takes_a_frame_with_times_as_index() -> None:
    frame = load_frame().set_index("time").tz_localize("Europe/Oslo")
    forecast = AttentionForecaster(**SMALL).fit(frame).predict(frame)
    assert str(forecast.time.dt.tz) == "Europe/Oslo"
    assert forecast.time.iloc[0] == frame.index[-1] + pd.Timedelta("1h")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_loaded_forecaster_can_be_copied_and_pickled(copied, model_directory) -> None:
    latest = panel_frame("a", 61).drop(columns="town")
    forecaster = tsattn.load(model_directory)
    expected = forecaster.predict(latest)
    pd.testing.assert_frame_equal(copied(forecaster).predict(latest), expected)


@pytest.mark.parametrize("method", ["predict", "explain", "evaluate", "save"])
def test_forecaster_must_be_fitted_first(method: str) -> None:
    with pytest.raises(NotFittedError, match="Call fit"):
        getattr(AttentionForecaster(target="load"), method)(load_frame())


def test_functions_take_an_estimator_as_a_model(model_directory) -> None:
    frame, latest = load_frame(), panel_frame("a", 61).drop(columns="town")
    forecaster = tsattn.load(model_directory)
    for function, data in ((predict, latest), (explain, frame), (rank_features, frame)):
        expected = function(model_directory, data)
        pd.testing.assert_frame_equal(function(forecaster, data), expected)
    assert evaluate(forecaster, frame).evaluation.to_json() == forecaster.evaluate(frame)
    drift = attention_drift(forecaster, frame, against=frame)
    assert drift.total == 0


@pytest.mark.parametrize("model", [AttentionForecaster(target="load"), None, 3])
@pytest.mark.parametrize("function", [predict, explain, evaluate, rank_features, check, update])
def test_other_values_are_no_models(function, model) -> None:
    received = f"Received: {type(model).__name__}. (Give the path|Save the forecaster)"
    with pytest.raises(UsageError, match=received):
        function(model, load_frame())


@pytest.mark.parametrize("function", [check, update])
def test_functions_that_write_a_model_need_its_directory(function, model_directory) -> None:
    with pytest.raises(UsageError, match=r"Received: AttentionForecaster\. Save the forecaster"):
        function(tsattn.load(model_directory), load_frame())
