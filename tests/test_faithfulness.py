"""The measures that compare a profile with the effects of its cells, and the verdict on them."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tsattn.faithfulness import (
    agreement,
    agreement_in_groups,
    area_under_precision_recall,
    deletion_order,
    distance,
    gain_over,
    gap,
    heaviest,
    num_replaced,
    seed_stability,
    separation,
    skill_over_uniform,
)
from tsattn.verdicts import NO_SIGNAL, TRUST, WEAK, judge


def one_group(count: int) -> np.ndarray:
    return np.zeros(count, int)


def test_heaviest_cells_hold_95_percent() -> None:
    assert heaviest(np.array([0.04, 0.5, 0.01, 0.45])).tolist() == [False, True, False, True]
    assert heaviest(np.array([0.06, 0.5, 0.01, 0.43])).tolist() == [True, True, False, True]
    assert not heaviest(np.zeros(3)).any()


def test_agreement_by_hand() -> None:
    # Of the six pairs of the first four cells five are in order; the others have no mass.
    profile = np.array([0.4, 0.3, 0.2, 0.1, 0.0, 0.0])
    effects = np.array([0.4, 0.2, 0.3, 0.1, 0.001, 0.0])
    assert agreement(profile, effects) == pytest.approx(4 / 6)
    assert agreement(profile, 7 * profile) == 1
    assert agreement(profile[:4], profile[3::-1]) == -1
    assert agreement(np.array([3.0, 2.0, 1.0]), np.array([2.0, 1.0, 3.0])) is None
    assert agreement(np.ones(4), np.arange(4.0)) == 0


def test_agreement_in_groups_weighs_them_by_their_effects() -> None:
    profile = np.array([4.0, 3, 2, 1, 4, 3, 2, 1, 1, 0])
    effects = np.array([4.0, 3, 2, 1, 1, 2, 3, 4, 0, 9]) * [3, 3, 3, 3, 1, 1, 1, 1, 1, 1]
    groups = np.repeat([0, 1, 2], [4, 4, 2])
    assert agreement_in_groups(profile, effects, groups) == pytest.approx((30 - 10) / 40)


def test_deletion_order_compares_within_groups() -> None:
    mass = np.array([0.1, 0.9, 0.3, 0.2, 0.4])
    assert deletion_order(mass, one_group(5)).tolist() == [1, 4, 2, 3, 0]
    # places: 2/2, 1/2 in the first group; 2/3, 3/3, 1/3 in the second
    assert deletion_order(mass, np.array([0, 0, 1, 1, 1])).tolist() == [4, 1, 2, 0, 3]
    # ties are in no order of the table
    ties = deletion_order(np.append(np.zeros(200), 1.0), one_group(201))
    assert ties[0] == 200
    assert abs(np.corrcoef(ties[1:], np.arange(200))[0, 1]) < 0.2


def test_replaced_cells_and_gap_by_hand() -> None:
    assert num_replaced(200) == [2, 10, 20, 40, 100]
    assert num_replaced(3) == [1, 1, 1, 1, 2]
    assert gap([3.0, 5.0], [1.0, 2.0]) == 2.5


def test_distance_and_skill_by_hand() -> None:
    assert distance(np.array([3.0, 1.0]), np.array([1.0, 1.0])) == 0.25
    assert distance(np.zeros(2), np.array([1.0, 1.0])) == 1
    assert distance(np.zeros(2), np.zeros(2)) == 0
    effects = np.array([1.0, 0.0, 0.0, 0.0])
    assert skill_over_uniform(effects, effects, one_group(4)) == 1
    assert skill_over_uniform(np.ones(4), effects, one_group(4)) == 0
    assert skill_over_uniform(np.array([1.0, 1.0, 0, 0]), effects, one_group(4)) == pytest.approx(
        1 - 0.5 / 0.75
    )
    assert skill_over_uniform(effects[::-1], effects, one_group(4)) == pytest.approx(-1 / 3)
    # the second group has no effects, and does not count
    both = np.concatenate([effects, np.zeros(2)])
    groups = np.array([0, 0, 0, 0, 1, 1])
    assert skill_over_uniform(both, both, groups) == 1


def test_stability_of_seeds_by_hand() -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    assert seed_stability([first, 2 * first, second]) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert seed_stability([first, np.ones(3)]) == 0


def test_separation_of_shuffled_by_hand() -> None:
    found = separation([0.5, 0.1], [0.2, 0.0])
    assert found == {"auroc": 0.75, "mass_on_shuffled": pytest.approx(0.25)}


def test_precision_recall_by_hand() -> None:
    profile, truth = np.array([0.4, 0.3, 0.2]), np.array([1, 0, 1])
    assert area_under_precision_recall(profile, truth) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision_score(truth, profile) == pytest.approx((1 + 2 / 3) / 2)


def test_gain_over_the_best_baseline() -> None:
    generator = np.random.default_rng(0)
    errors = generator.uniform(size=200)
    baselines = {
        "last_value": errors + 0.5,
        "train_mean": errors + generator.normal(size=200) + 0.4,
    }
    blocks = np.arange(200) // 7
    found = gain_over(errors, baselines, blocks)
    assert found["baseline"] == "train_mean"
    assert found["mse"] == pytest.approx(errors.mean())
    assert found["num_blocks"] == 29
    assert 0 < found["low"] < 0.4
    noise = gain_over(errors, {"train_mean": errors + generator.normal(size=200) / 5}, blocks)
    assert noise["low"] < 0
    # 2 blocks of gains 1 and 2: 1.5 - 12.706 x .5; one tells nothing
    two = gain_over(np.zeros(4), {"mean": np.array([1.0, 1, 2, 2])}, np.array([0, 0, 1, 1]))
    assert two["low"] == pytest.approx(1.5 - 12.7062 * 0.5, abs=1e-3)
    assert gain_over(errors, baselines, np.zeros(200, int))["low"] is None


def test_chance_is_seldom_called_a_gain_however_few_blocks_there_are() -> None:
    generator = np.random.default_rng(0)
    for count in (2, 3, 8):
        blocks = np.arange(20 * count) // 20
        lows = [
            gain_over(
                np.zeros(20 * count), {"mean": np.repeat(generator.normal(size=count), 20)}, blocks
            )["low"]
            for _ in range(2_000)
        ]
        assert 0.015 < np.mean(np.array(lows) > 0) < 0.035


SIGNAL = {"mse": 0.1, "baseline": "last_value", "baseline_mse": 1.0, "low": 0.7}
FOUND = {
    "signal": SIGNAL,
    "agreement": {"by_cell": 0.8, "by_feature": 1.0, "skill_over_uniform": 0.7},
    "deletion": {"gap": 1.0, "occlusion_gap": 1.0, "ratio": 1.0},
    "uniform": {"mse": 0.1, "uniform_mse": 0.5},
    "randomisation": {"distance": 0.6},
    "outside": {"inside": 1.0, "level": 0.01},
    "linear_path": {"share": 0.1, "least_share": 0.1, "in_profile": True},
}


def test_good_findings_are_trusted() -> None:
    verdict = judge(FOUND)
    assert verdict["verdict"] == TRUST
    assert "70% closer" in verdict["reasons"][1]
    caveat = judge({**FOUND, "outside": {"inside": 1.0, "known_ahead": 0.8}})
    assert caveat["verdict"] == TRUST
    assert caveat["reasons"][-1].startswith("Not in the profile: what is known ahead")


def test_few_cells_must_have_nearly_the_masses_of_their_effects() -> None:
    effects, profile = np.zeros((2, 80))
    effects[:2], profile[[0, 1, 9]] = (0.7, 0.3), (0.45, 0.15, 0.4)  # 9 does nothing
    tau, skill = agreement(profile, effects), skill_over_uniform(profile, effects, one_group(80))
    assert tau is None
    assert skill > 0.55
    found = {**FOUND, "agreement": {"by_cell": tau, "skill_over_uniform": skill}}
    assert judge(found)["verdict"] == WEAK
    right = {"by_cell": None, "skill_over_uniform": 0.7}
    assert judge({**FOUND, "agreement": right})["verdict"] == TRUST


def test_the_order_of_cells_with_equal_effects_is_not_asked_for() -> None:
    # Toy1: five of the eight true cells have the same effect.
    profile = np.array([0.1, 0.101, 0.102, 0.103, 0.104, 0.2, 0.29] + [0.0] * 73)
    effects = np.array([0.104, 0.103, 0.102, 0.101, 0.1, 0.2, 0.29] + [0.0] * 73)
    tau, skill = agreement(profile, effects), skill_over_uniform(profile, effects, one_group(80))
    assert tau is not None
    assert tau < 0.1
    verdict = judge({**FOUND, "agreement": {"by_cell": tau, "skill_over_uniform": skill}})
    assert verdict["verdict"] == TRUST
    assert "99% closer" in verdict["reasons"][1]
    assert "order" not in verdict["reasons"][1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"agreement": {"by_cell": 0.1, "skill_over_uniform": 0.7}}, "Kendall's tau is 0.10"),
        ({"agreement": {"by_cell": 0.8, "skill_over_uniform": -0.2}}, "is not at all closer"),
        # what is missed by little is not shown as reached
        ({"agreement": {"by_cell": 0.8, "skill_over_uniform": 0.398}}, "is 39% closer"),
        ({"seeds": {"stability": 0.498}}, "correlation is 0.49"),
        ({"deletion": {"ratio": 0.3}}, "30% of what"),
        ({"deletion": {"ratio": None}}, "nothing of what"),
        ({"uniform": {"mse": 0.1, "uniform_mse": 0.1}}, "as well with uniform attention"),
        ({"randomisation": {"distance": 0.02}}, "2% of the mass elsewhere"),
        ({"outside": {"inside": 0.1, "known_ahead": 0.8}}, "no rows for"),
        (
            {"linear_path": {"share": 0.9, "least_share": 0.9, "in_profile": False}},
            "90% of the forecast",
        ),
        # the network of one target counts, however much of the others is linear path
        (
            {
                "linear_path": {"share": 0.7, "least_share": 0.0, "in_profile": True},
                "uniform": {"mse": 0.1, "uniform_mse": 0.1},
            },
            "as well with uniform attention",
        ),
        ({"agreement": {"by_cell": None, "skill_over_uniform": 0.59}}, "says nothing"),
        ({"signal": {**SIGNAL, "low": None}}, "too few windows"),
        ({"seeds": {"stability": 0.2}}, "correlation is 0.20"),
        ({"refit": {"mass_on_shuffled": 0.4}}, "40% of their mass"),
    ],
)
def test_each_fault_makes_a_profile_weak(change, reason: str) -> None:
    verdict = judge({**FOUND, **change})
    assert verdict["verdict"] == WEAK
    assert any(reason in text for text in verdict["reasons"]), verdict["reasons"]


def test_no_better_than_a_baseline_is_no_signal_whatever_else() -> None:
    signal = {**FOUND["signal"], "low": -0.01}
    verdict = judge({**FOUND, "signal": signal, "deletion": {"ratio": None}})
    assert verdict["verdict"] == NO_SIGNAL
    assert "last_value" in verdict["reasons"][0]
