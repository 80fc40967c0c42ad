"""Several networks in one forecaster, and the presets that ask for them."""

import json

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from synthetic import SMALL, load_frame

from tsattn import FitOptions, load
from tsattn.blending import share_among_members
from tsattn.cli import main
from tsattn.config import PRESETS
from tsattn.data.windows import make_windows
from tsattn.errors import UsageError
from tsattn.losses import MemberLoss, make_loss
from tsattn.model_directory import load_fitted
from tsattn.models import WindowShape, build_forecaster, training_model
from tsattn.option_checks import check_options, settled_preset
from tsattn.pipeline.fitting import fit, save
from tsattn.running import model_inputs, run_batches

SHAPE = WindowShape(lookback=11, horizon=7, num_features=3, num_targets=2, num_calendar_features=1)
STRUCTURES = [
    {"encoder": "per-feature", "attention": "bottleneck", "segment": 3},
    {"encoder": "per-feature", "attention": "additive", "segment": 3},
    {"attention": "shared"},
    {"attention": "reverse-time"},
    {"attention": "none"},
]


@pytest.fixture
def windows() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(5)
    return {
        "inputs": generator.normal(size=(4, 11, 3)).astype("float32"),
        "future_inputs": generator.normal(size=(4, 7, 1)).astype("float32"),
    }


def randomised(structure, members: int, **options) -> keras.Model:
    """Return a forecaster whose heads, which start as zeros, are random too."""
    keras.utils.set_random_seed(2)
    model = build_forecaster(SHAPE, units=4, members=members, **structure, **options)
    generator = np.random.default_rng(7)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(scale=0.3, size=weight.shape))
    return model


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure["attention"])
def test_forecast_is_the_mean_of_the_members(structure, windows) -> None:
    model = randomised(structure, 3)
    outputs = model(windows)
    of_members = keras.ops.convert_to_numpy(training_model(model)(windows))
    assert of_members.shape == (4, 21, 2)
    apart = of_members.reshape(4, 3, 7, 2)
    assert (np.abs(apart[:, 0] - apart[:, 1]) > 1e-4).any()
    forecast = keras.ops.convert_to_numpy(outputs["forecast"])
    np.testing.assert_allclose(forecast, apart.mean(axis=1), atol=1e-5)


def test_scores_are_the_mean_of_the_members(windows) -> None:
    model = randomised({"attention": "shared"}, 2)
    scores = keras.ops.convert_to_numpy(model(windows)["attention_scores"])
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    first = model.get_layer("member_0").get_weights()
    model.get_layer("member_1").set_weights(first)
    equal = keras.ops.convert_to_numpy(model(windows)["attention_scores"])
    assert (np.abs(equal - scores) > 1e-4).any()


@pytest.mark.parametrize("name", ["mae", "mse", "quantile"])
def test_each_member_is_trained_by_its_own_errors(name: str) -> None:
    generator = np.random.default_rng(1)
    quantiles = (3,) if name == "quantile" else ()
    truth = generator.normal(size=(5, 7, 2)).astype("float32")
    forecasts = generator.normal(size=(2, 5, 7, 2, *quantiles)).astype("float32")
    loss = make_loss(name, (0.1, 0.5, 0.9))
    expected = np.mean([float(loss(truth, forecast)) for forecast in forecasts])
    given = np.concatenate(forecasts, axis=1)
    assert float(MemberLoss(loss)(truth, given)) == pytest.approx(expected, rel=1e-5)


def random_windows():
    generator = np.random.default_rng(3)
    return make_windows(
        generator.normal(size=(600, 3)).astype("float32"), lookback=11, horizon=7, num_targets=2,
        future_values=generator.normal(size=(600, 1)).astype("float32"),
    )  # fmt: skip


@pytest.mark.parametrize("num_quantiles", [None, 3])
def test_share_of_a_member_falls_with_its_squared_error(num_quantiles) -> None:
    quantiles = {"num_quantiles": num_quantiles, "median": 1} if num_quantiles else {}
    model, many = randomised(STRUCTURES[0], 3, **quantiles), random_windows()
    levels = (0.1, 0.5, 0.9) if num_quantiles else ()
    truth = many.gather(slice(None)).targets
    of_members = training_model(model).predict(model_inputs(many.gather(slice(None))), verbose=0)
    if num_quantiles:
        of_members = np.sort(of_members)[..., 1]
    apart = of_members.reshape(len(many), 3, 7, 2)
    mse = np.square(apart - truth[:, None]).mean(axis=(0, 2, 3))
    shares = share_among_members(model, many, levels)
    np.testing.assert_allclose(shares, mse**-4 / (mse**-4).sum(), rtol=1e-3)
    assert np.ptp(shares) > 0.02
    forecast = np.concatenate([outputs["forecast"] for _, _, outputs in run_batches(model, many)])
    if not num_quantiles:
        np.testing.assert_allclose(forecast, np.einsum("m,bmht->bht", shares, apart), atol=1e-4)
    np.testing.assert_allclose(
        share_among_members(model, many, levels), shares, rtol=1e-6
    )  # once more


def test_one_network_has_all_of_the_forecast() -> None:
    assert share_among_members(randomised(STRUCTURES[0], 1), random_windows()).tolist() == [1]


def test_members_are_saved_and_forecast_alike_in_onnx(tmp_path) -> None:
    frame = load_frame()
    result = fit(frame, FitOptions(**{**SMALL, "members": 2, "epochs": 1}), check=False)
    mean = result.fitted.model.get_layer("member_mean")
    assert np.ptp(keras.ops.convert_to_numpy(mean.shares)) > 0
    mean.shares.assign([0.8, 0.2])
    save(result, tmp_path / "model")
    loaded = [load(tmp_path / "model", runtime=name) for name in ("onnx", "keras")]
    forecasts = [model.predict(frame)["forecast"].to_numpy() for model in loaded]
    np.testing.assert_allclose(forecasts[0], forecasts[1], rtol=1e-4)
    saved = json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))["options"]
    assert saved["members"] == 2
    again = load_fitted(tmp_path / "model").network.get_layer("member_mean")
    np.testing.assert_allclose(again.shares, [0.8, 0.2], rtol=1e-6)


def test_members_of_a_model_without_shares_have_equal_ones(tmp_path) -> None:
    model = randomised(STRUCTURES[0], 2)
    model.get_layer("member_mean").shares.assign([0.8, 0.2])
    model.save_weights(tmp_path / "of.weights.h5")
    with h5py.File(tmp_path / "of.weights.h5", "a") as file:
        del file["layers/weighted_mean"]
    again = randomised(STRUCTURES[0], 2)
    again.load_weights(tmp_path / "of.weights.h5")
    np.testing.assert_allclose(again.get_layer("member_mean").shares, [0.5, 0.5])


def test_preset_chooses_what_is_not_given() -> None:
    assert settled_preset(FitOptions(preset="fast")) == PRESETS["fast"]
    assert settled_preset(FitOptions(preset="fast", units=7)) == {**PRESETS["fast"], "units": 7}
    given = FitOptions(preset="fast", learning_rate=0.1)
    assert settled_preset(given) == {**PRESETS["fast"], "learning_rate": 0.1}
    assert settled_preset(FitOptions(preset="accurate"))["members"] > 1
    recurrent = FitOptions(preset="accurate", decoder="recurrent")
    assert settled_preset(recurrent)["members"] == 1


def test_a_recurrent_decoder_has_one_member() -> None:
    with pytest.raises(UsageError, match="one member"):
        check_options(FitOptions(target="a", decoder="recurrent", members=2))


def presets_of(monkeypatch, folder, content, *more):
    """Return what `fit` is asked for with a config and more arguments, and its stderr."""
    asked = []
    monkeypatch.setattr("tsattn.pipeline.fitting.fit", lambda data, given, **_: asked.append(given))
    config = folder / "config.json"
    config.write_text(json.dumps(content), encoding="utf-8")
    arguments = ["fit", "data.csv", "--config", str(config), "-o", str(folder / "model"), *more]
    stderr = CliRunner().invoke(main, arguments).stderr
    given = asked[0]
    return [given.preset, given.units, given.epochs, given.members, given.dropout], stderr


SIZES = {"target": "load", "units": 32, "epochs": 3, "members": 2, "dropout": 0.3}


@pytest.mark.parametrize("content", [SIZES, {"options": SIZES}])
def test_preset_chooses_only_what_a_config_does_not_give(monkeypatch, tmp_path, content) -> None:
    given, stderr = presets_of(monkeypatch, tmp_path, content, "--preset", "fast")
    assert given == ["fast", 32, 3, 2, 0.3]
    assert "gives way" not in stderr


def test_preset_chooses_anew_what_an_earlier_fit_has_settled(monkeypatch, tmp_path) -> None:
    content = {"options": {**SIZES, "preset": "balanced"}, "data": {"path": "data.csv"}}
    assert presets_of(monkeypatch, tmp_path, content)[0] == ["balanced", 32, 3, 2, 0.3]
    given, stderr = presets_of(monkeypatch, tmp_path, content, "--preset", "fast", "--units", "9")
    assert given == ["fast", 9, None, None, 0.3]
    assert "config.json: gives way to the command line: epochs=3, members=2\n" in stderr
    stderr = presets_of(monkeypatch, tmp_path, content, "--preset", "fast", "--quiet")[1]
    assert "gives way" not in stderr


def test_recurrent_decoder_of_the_command_line_wins_over_the_members_of_a_config(
    monkeypatch, tmp_path
) -> None:
    asked = []
    monkeypatch.setattr("tsattn.pipeline.fitting.fit", lambda data, given, **_: asked.append(given))
    options = {"target": "load", "preset": "accurate", "members": 3, "decoder": "direct"}
    options |= {"encoder": "per-feature", "attention": "bottleneck"}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"options": options}), encoding="utf-8")
    arguments = ["fit", "data.csv", "--config", str(config), "-o", str(tmp_path / "model")]
    result = CliRunner().invoke(main, [*arguments, "--decoder", "recurrent"])
    assert "command line: attention=bottleneck, encoder=per-feature, members=3\n" in result.stderr
    assert [(given.decoder, given.members) for given in asked] == [("recurrent", None)]
    check_options(asked[0])
    result = CliRunner().invoke(main, [*arguments, "--decoder", "recurrent", "--members", "3"])
    assert "one member" in str(result.exception) + result.output
