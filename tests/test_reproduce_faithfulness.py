"""The script that tests profiles of problems whose causes are known."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsattn.cells import Cells
from tsattn.models import LINEAR_PATH
from tsattn.occlusion import OccludedWindows
from tsattn.pipeline.measuring import cells_of
from tsattn.profile_frames import profile_frame

SCRIPTS = Path(__file__).parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from faithfulness.attributions import MEASURE, integrated_gradients  # noqa: E402
from faithfulness.problems import make_problems  # noqa: E402
from faithfulness.scoring import hits, peak_lags, real_and_shuffled  # noqa: E402
from faithfulness.systems import (  # noqa: E402
    LOOKBACK,
    delayed,
    delayed_truth,
    even_mean,
    toy1,
    with_shuffled,
)
from faithfulness.wrong_profiles import bounded_logits, features_shuffled  # noqa: E402


def cells(mass: dict[tuple[str, int], float]) -> Cells:
    """Return cells of the past with a mass each."""
    table = pd.DataFrame(list(mass), columns=["feature", "lag_first"])
    table = table.assign(lag_last=table["lag_first"], role="past")
    number = table.groupby("feature", sort=False).ngroup().to_numpy()
    groups = np.zeros(len(table), int)
    return Cells(table=table, mass=np.array([*mass.values()]), groups=groups, by_feature=number)


MASS = {
    ("y", 1): 2.0, ("y", 2): 0.0, ("y", 3): 0.0,
    ("a", 1): 0.0, ("a", 2): 5.0, ("a", 3): 1.0,
    ("b", 1): 1.0, ("b", 2): 0.0, ("b", 3): 1.0,
}  # fmt: skip


def test_hits_count_mass_distractors_and_neighbours_by_hand() -> None:
    found = cells(MASS)
    scored = hits(found, found.mass, {("a", 2)}, "y")
    assert scored["mass"] == pytest.approx(0.5)
    assert scored["chance"] == pytest.approx(1 / 9)
    assert scored["auprc"] == 1
    assert scored["distractor"] == pytest.approx(0.2)  # b; what the target has does not count
    beside = hits(found, found.mass, {("a", 1)}, "y")
    assert beside["mass"] == 0
    assert beside["auprc"] < 0.2
    assert beside["tolerant"] == 1


def test_peaks_and_shuffled_copies_are_found_by_mass() -> None:
    found = cells(MASS)
    assert peak_lags(found, ("a", "y", "none")) == {"a": 2, "y": 1}
    copies = cells({("a", 1): 3.0, ("a (shuffled)", 1): 1.0})
    scored = real_and_shuffled(copies, copies.mass, ("a",))
    assert scored == {"auroc": 1.0, "mass_on_shuffled": 0.25}


def test_delayed_driver_has_its_cause_three_lags_later() -> None:
    frame = toy1(None, 2_003)
    moved = delayed(frame, "x2")
    assert delayed_truth({("x2", 5), ("x3", 1)}, "x2") == {("x2", 8), ("x3", 1)}
    assert len(moved) == len(frame) - 3
    assert moved["x2"].iloc[0] == frame["x2"].iloc[3]

    def correlation(table: pd.DataFrame, lag: int) -> float:
        # without the terms of x0, x1 and x3, so that the small one of x2 is all
        rest = table["x7"] - table["x0"].shift(1) * table["x1"].shift(2)
        rest -= sum(table["x3"].shift(steps) for steps in (1, 4, 5, 7, 8))
        return rest.corr(table["x2"].shift(lag))

    assert correlation(frame, 5) > 0.9
    assert correlation(moved, 8) > 0.9
    assert abs(correlation(moved, 5)) < 0.1


def test_even_mean_depends_on_every_lag_alike() -> None:
    frame = even_mean(20_011)
    lags = [frame["y"].corr(frame["a"].shift(k)) for k in range(LOOKBACK + 3)]
    assert np.abs(np.array([lags[0], *lags[LOOKBACK + 1 :]])).max() < 0.03
    assert np.min(lags[1 : LOOKBACK + 1]) > 0.2


def test_shuffled_copies_have_the_same_values_in_another_order() -> None:
    frame = with_shuffled(pd.DataFrame({"a": np.arange(101), "b": 1}), ("a",))
    assert list(frame) == ["a", "b", "a (shuffled)"]
    assert sorted(frame["a (shuffled)"]) == list(range(101))
    assert abs(frame["a"].corr(frame["a (shuffled)"])) < 0.3


def test_made_problems_are_drawn_anew_with_another_seed() -> None:
    for name in ("toy1", "noise", "uniform", "d8-s1"):
        drawn = [make_problems(None, 1_900, None, seed)[name].make() for seed in (17, 17, 18)]
        assert drawn[0].equals(drawn[1])
        assert not drawn[0].equals(drawn[2])


def test_problems_of_real_data_need_a_folder(tmp_path) -> None:
    without = make_problems(None, 1_900, None)
    assert not {"np", "de-permuted", "etth1", "pm25"} & set(without)
    permuted = make_problems(None, 1_900, tmp_path)["np-permuted"]
    assert set(permuted.copied) < set(permuted.options["future_covariates"])
    (tmp_path / "NP.csv").write_text(
        "date, Grid load forecast, Wind power forecast,OT\n2013/1/1 0:00,1,2,3\n"
    )
    assert set(permuted.options["future_covariates"]) < set(permuted.make())


def test_integrated_gradients_add_up_to_the_forecast_and_leave_out_what_is_not_read(result) -> None:
    fitted, shown = result.fitted, result.evaluations["test"]
    found = integrated_gradients(fitted, shown.windows)
    assert found.gap < 0.05
    ours, theirs = found.profile, profile_frame(fitted, shown)
    ours = ours[ours["measure"] == MEASURE]
    keys = ["feature", "role", "lag_first", "lag_last"]
    attention = theirs[theirs["measure"] == "nats"]
    assert ours[keys].values.tolist() == attention[keys].values.tolist()
    assert (ours["mean"] >= 0).all()
    assert ours["mean"].sum() > 0


def test_integrated_gradients_of_a_linear_path_are_the_effects_of_occlusion(result) -> None:
    """The path is linear, so that a cell alone changes the forecast by its attribution."""
    fitted, windows = result.fitted, result.evaluations["test"].windows
    share = fitted.network.get_layer(LINEAR_PATH).share
    before = share.numpy().copy()
    try:
        share.assign(np.ones_like(before))
        found = integrated_gradients(fitted, windows)
        occluded = OccludedWindows(fitted, windows.spread(200))
        past = np.zeros(occluded.batch.inputs.shape[1:], bool)
        ahead = np.zeros(occluded.batch.future_inputs.shape[1:], bool)
        whole = next(occluded.forecasts([(past, ahead)]))
        rows = found.profile[found.profile["measure"] == MEASURE]
        rows = rows.set_index(["role", "feature", "lag_first"])["mean"]
        mass = cells_of(fitted, found.profile).mass  # with nothing left for the network
        np.testing.assert_allclose(mass, rows / rows.sum(), rtol=1e-5)
        for column, feature in enumerate(fitted.schema.features):
            for lag in (1, 2, 5):
                mask = past.copy()
                mask[-lag, column] = True
                without = next(occluded.forecasts([(mask, ahead)]))
                effect = np.abs((without - whole).sum(axis=(1, 2))).mean()
                assert rows["past", feature, lag] == pytest.approx(effect, rel=1e-3, abs=1e-5)
    finally:
        share.assign(before)
    assert found.gap < 1e-4


def test_wrong_profiles_differ_as_they_say(result) -> None:
    fitted, shown = result.fitted, result.evaluations["test"]
    profile = profile_frame(fitted, shown)
    moved = features_shuffled(profile, fitted, shown.windows)
    is_past = profile["role"] == "past"
    assert (moved["feature"][is_past] != profile["feature"][is_past]).all()
    assert (moved["feature"][~is_past] == profile["feature"][~is_past]).all()
    bounded = bounded_logits(profile, fitted, shown.windows)
    np.testing.assert_allclose(bounded.groupby("feature")["mean"].sum(), 1)
    steps = fitted.lookback
    assert bounded["mean"].max() <= np.e**2 / (np.e**2 + steps - 1)


def test_script_goes_on_where_it_stopped_and_prints_the_tables(tmp_path) -> None:
    source = {"rows": 19000, "toy1": False, "generator_seed": 17}
    given = json.dumps({**source, "units": 8}, sort_keys=True)
    scores = {"chance": 0.1, "mass": 0.98, "auprc": 1.0, "tolerant": 1.0, "distractor": 0.004}
    tested = {"deletion": 1.01, "tau": 0.83, "verdict": "trust", "reasons": ["It is."]}
    weak = {**tested, "verdict": "weak", "deletion": -0.2, "tau": None}
    lines = [
        {
            "problem": problem, "method": "gates", "seed": 0, "given": given, "mse": 0.0002,
            "peaks": {"x0": peak}, "seconds": 61.0,
            "profiles": {
                "profile": {**tested, "hits": scores},
                "occlusion": {"hits": scores},
                "features shuffled": {**weak, "hits": scores},
            },
        }
        for problem, peak in (("toy1", 1), ("toy1-shifted-x0", 4))
    ]  # fmt: skip
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (tmp_path / "results.jsonl").write_text(text + '{"problem": "toy')
    arguments = ["--results", tmp_path, "--seeds", "1", "--methods", "gates", "--set", "units=8"]
    arguments += ["--only", "toy1", "--only", "toy1-shifted-x0"]
    script = SCRIPTS / "reproduce_faithfulness"
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nothing was computed
    numbers = "1 | 0.0002 | 0.10 | 0.98 | 1.00 | 1.00 | 0.004"
    assert f"| toy1 | gates | {numbers} | 1.01 | 0.83 | trust (1) |" in done.stdout
    assert f"| toy1 | gates: features shuffled | {numbers} | -0.20 |  | weak (1) |" in done.stdout
    assert done.stdout.endswith("| toy1-shifted-x0 | gates | 0 | 1 | 4 | 3 | yes |\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epoch=3"], "Received: 'epoch=3'"),
        (["--only", "np"], "the real ones need --data"),
        (["--data", "nowhere"], "there is no nowhere"),
    ],
)
def test_script_refuses_what_it_does_not_know(arguments, message: str, tmp_path) -> None:
    script = [sys.executable, SCRIPTS / "reproduce_faithfulness", "--results", tmp_path / "results"]
    done = subprocess.run([*script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "results").exists()
