"""Two views of the window: covariates as they are, and measured from the window."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import SMALL

from tsattn import FitOptions, predict
from tsattn.cli import main
from tsattn.errors import UsageError
from tsattn.pipeline.fitting import fit, save
from tsattn.pipeline.preparing import prepare
from tsattn.progress import Progress
from tsattn.schedules import choose_epochs, choose_num_batches, windows_per_epoch

DRIFTING = {**SMALL, "future_covariates": "plan"}


def drifting_frame(rows: int = 307, seed: int = 5) -> pd.DataFrame:
    """Return an hourly table whose `load` and `plan` walk, and whose `wind` does not."""
    load, plan, wind = np.random.default_rng(seed).normal(size=(3, rows))
    times = pd.date_range("2021-03-01", periods=rows, freq="h")
    walks = {"load": load.cumsum() + np.roll(wind, 2), "plan": plan.cumsum()}
    return pd.DataFrame({"time": times, **walks, "wind": wind})


@pytest.fixture(scope="module")
def twofold(tmp_path_factory):
    """Return a fit with two views, and the directory it is saved to."""
    result = fit(drifting_frame(), FitOptions(**DRIFTING))
    path = tmp_path_factory.mktemp("views") / "model"
    save(result, path)
    return result, path


def test_where_target_and_covariate_drift_there_are_two_views(twofold) -> None:
    result, _ = twofold
    assert result.fitted.scaler.drifting == ("load", "plan")
    assert result.fitted.options.views == 2
    names = {layer.name for layer in result.fitted.model.layers}
    assert {"attention", "attention_1", "member_0", "member_1"} <= names


@pytest.mark.parametrize(
    "change",
    [{"views": 1}, {"drop": "plan", "future_covariates": ()}, {"normalization": "robust"},
     {"attention": "additive"}],
)  # fmt: skip
def test_elsewhere_there_is_one(change) -> None:
    options = prepare(drifting_frame(), FitOptions(**{**DRIFTING, **change})).options
    assert options.views == 1


def test_fit_says_the_share_of_the_second_view(capsys) -> None:
    options = FitOptions(**{**DRIFTING, "members": 2, "epochs": 1, "linear_path": "none"})
    fitted = fit(drifting_frame(), options, check=False, progress=Progress(quiet=False)).fitted
    shares = keras.ops.convert_to_numpy(fitted.model.get_layer("member_mean").shares)
    assert shares.shape == (4,)  # two members of each view
    assert shares.sum() == pytest.approx(1)
    second = 100 * shares[2:].sum()
    assert abs(second - 50) > 0.5
    said = capsys.readouterr().err
    assert f"the second view has {second:.0f} % of the forecast of the network\n" in said


@pytest.mark.parametrize("runtime", ["onnx", "keras"])
def test_saved_model_forecasts_the_same(twofold, runtime: str) -> None:
    result, path = twofold
    frame = drifting_frame()
    future = frame.tail(3).drop(columns="load")
    expected = predict(result.fitted, frame.head(-3), future=future)
    found = predict(path, frame.head(-3), future=future, runtime=runtime)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-4)


def test_networks_of_two_views_see_as_many_windows_as_one() -> None:
    assert windows_per_epoch(None, 1001, views=1) == 1001
    assert windows_per_epoch(None, 1001, views=2) == 501
    assert windows_per_epoch(300, 1001, views=2) == 150
    assert windows_per_epoch(3000, 1001, views=2) == 501
    assert choose_num_batches(2_000, 1, 1) == 2_000
    assert choose_num_batches(2_000, 2, 1) == 1_000
    one, two = choose_epochs(40_000, 128, 2_000), choose_epochs(20_000, 128, 1_000, views=2)
    assert one == two == 7
    assert choose_epochs(100, 128, 2_000) == 100
    assert choose_epochs(50, 128, 1_000, views=2) == 200


def test_what_never_changes_within_a_series_does_not_drift() -> None:
    frames = [drifting_frame(seed=seed).assign(town=seed, plan=float(seed)) for seed in (1, 2, 3)]
    prepared = prepare(pd.concat(frames), FitOptions(**DRIFTING, id_col="town"))
    assert prepared.scaler.drifting == ("load",)
    assert prepared.options.views == 1


def test_second_view_of_nothing_that_drifts_is_refused(csv_path) -> None:
    with pytest.raises(UsageError, match="Use --views 1") as caught:
        prepare(csv_path, FitOptions(**SMALL, future_covariates="plan", views=2))
    assert "carrying over: none" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"views": 0}, {"views": 3}, {"views": 2, "attention": "additive"},
     {"views": 2, "normalization": "robust"}],
)  # fmt: skip
def test_wrong_views_are_refused_before_the_data_is_read(wrong) -> None:
    with pytest.raises(UsageError, match="views"):
        fit("nowhere.csv", FitOptions(**SMALL, **wrong))


@pytest.mark.parametrize("more", [("--normalization", "last"), ("--drop", "plan")])
def test_settled_views_are_chosen_anew_for_other_options(twofold, tmp_path, more) -> None:
    data, again = tmp_path / "data.csv", tmp_path / "again"
    drifting_frame().to_csv(data, index=False)
    config = json.loads((twofold[1] / "config.json").read_text())
    config["options"]["future_covariates"] = []
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = CliRunner().invoke(
        main, ["fit", str(data), "--config", str(tmp_path / "config.json"), "-o", str(again), *more]
    )
    assert done.exit_code == 0, done.output
    assert json.loads((again / "config.json").read_text())["options"]["views"] == 1


def test_model_saved_before_there_were_views_has_one(result, tmp_path) -> None:
    from tsattn.model_checks import checked_options

    save(result, tmp_path / "model")
    content = json.loads((tmp_path / "model" / "config.json").read_text())
    del content["options"]["views"]
    assert checked_options(content).views == 1
