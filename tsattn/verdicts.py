"""The verdict on a profile, with its reasons in plain words."""

import math
from collections.abc import Mapping
from typing import Any

TRUST, WEAK, NO_SIGNAL = "trust", "weak", "no signal"

# Thresholds, each between what true profiles and wrong ones had on problems with known answers:
# gates on Toy1 and on town_load (true; Toy1 had 98 % of its mass on the true cells), the same
# with the rows of their profile shuffled, and softmax attentions on Toy1 (wrong: shared, per
# dimension and feed-forward after a GRU, per dimension before it, additive, variable,
# input). `scripts/reproduce_faithfulness` repeats and extends this.
LEAST_SKILL = 0.4  # true .80, .67; shuffled -.16, -.17; softmax .26 at most
LEAST_AGREEMENT = 0.4  # true .83, .69; shuffled -.44, -.33; softmax -.19 to .69
# So close to the effects only cells with nearly the same effect can be in another order, which is
# chance: integrated gradients of Toy1, all on the true cells, .95 to .98 with a tau down to .33.
SAME_MASSES = 0.8
# With cells too few to have an order, from which equal shares are far: true .70 and more (coupled
# systems), .59 where .40 of the mass is on a cell without effect.
LEAST_SKILL_OF_FEW = 0.65
LEAST_DELETION = 0.7  # true 1.04, 1.01; shuffled -.22, .08; softmax -.65 to 1.08
LEAST_UNIFORM_LOSS = 1.02  # times the MSE; true 110, 4.5
LEAST_CHANGE = 0.1  # of the mass; true .74, .63; per dimension before a GRU .07
# Set by what they mean, not by problems: half of what the seeds order is the same; shuffled copies
# have half of the mass where a profile knows nothing; a third of what counts is in the profile.
LEAST_STABILITY = 0.5
MOST_ON_SHUFFLED = 0.2
MOST_OUTSIDE = 2 / 3
# Of the forecast: with more of it by the linear path, whose contributions are exact, the profile is
# mostly these, or, where they cannot be put together, about the lesser part of the forecast.
MOST_LINEAR = 0.5
_WORTH_SAYING = 0.1


def judge(findings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `verdict` and `reasons` for what the tests of a profile found."""
    signal = findings["signal"]
    if signal["low"] is not None and signal["low"] <= 0:
        reason = (
            f"The model is not better than the simplest forecast, {signal['baseline']}, beyond "
            f"noise (MSE {signal['mse']:.4g} against {signal['baseline_mse']:.4g}): it has learnt "
            "nothing that a profile could show."
        )
        return {"verdict": NO_SIGNAL, "reasons": [reason]}
    faults = _faults(findings)
    if faults:
        return {"verdict": WEAK, "reasons": faults + _omissions(findings)}
    return {"verdict": TRUST, "reasons": _merits(findings) + _omissions(findings)}


def _faults(findings: Mapping[str, Any]) -> list[str]:
    """Return what speaks against a profile."""
    faults = []
    if findings["signal"]["low"] is None:
        faults.append(
            "There are too few windows to tell whether the model is better than the simplest "
            "forecast: they reach less than twice as far as lookback and horizon together. Test "
            "more rows."
        )
    skill, tau = (findings["agreement"][name] for name in ("skill_over_uniform", "by_cell"))
    if skill < LEAST_SKILL:
        faults.append(
            "The mass lies elsewhere than the effects of the cells on the forecast: the profile is "
            f"{_percent(skill)} closer to them than a uniform one, and should be "
            f"{LEAST_SKILL:.0%} closer."
        )
    if tau is None and LEAST_SKILL <= skill < LEAST_SKILL_OF_FEW:
        faults.append(
            "So few cells have mass that their order says nothing, and the profile is only "
            f"{_percent(skill)} closer to their effects than a uniform one: it should be "
            f"{LEAST_SKILL_OF_FEW:.0%} closer then."
        )
    if tau is not None and tau < LEAST_AGREEMENT and skill < SAME_MASSES:
        faults.append(
            f"The order of the cells is not that of their effect on the forecast: Kendall's tau "
            f"is {_down(tau):.2f}, and should be at least {LEAST_AGREEMENT}."
        )
    ratio = findings["deletion"]["ratio"]
    if ratio is None or ratio < LEAST_DELETION:
        shown = "nothing" if ratio is None else _percent(ratio)
        faults.append(
            "Replacing the cells that the profile calls important harms the forecast too little: "
            f"{shown} of what it does for the most effective cells, and it should be "
            f"{LEAST_DELETION:.0%}."
        )
    path = findings["linear_path"]
    if not (path["in_profile"] and path["least_share"] > MOST_LINEAR):
        faults += _control_faults(findings)
    if _outside(findings, "known_ahead") > MOST_OUTSIDE:
        faults.append("Most of the forecast rests on what the profile has no rows for.")
    if not path["in_profile"] and path["share"] > MOST_LINEAR:
        faults.append(
            f"The linear path has {path['share']:.0%} of the forecast, and scores that do not "
            "compare features cannot be put together with it: they are about the rest only."
        )
    return faults + _refit_faults(findings)


def _control_faults(findings: Mapping[str, Any]) -> list[str]:
    """Return what speaks against the attention of the network, the linear path left out."""
    faults = []
    uniform = findings["uniform"]
    if uniform["uniform_mse"] < LEAST_UNIFORM_LOSS * uniform["mse"]:
        faults.append(
            "The network does as well with uniform attention "
            f"(MSE {uniform['uniform_mse']:.4g} against {uniform['mse']:.4g}): the attention is "
            "not needed, and what it prefers makes no difference."
        )
    change = findings["randomisation"]["distance"]
    if change < LEAST_CHANGE:
        faults.append(
            f"Random weights give nearly the same profile ({change:.0%} of the mass elsewhere, "
            f"should be {LEAST_CHANGE:.0%}): it does not show what was learnt."
        )
    return faults


def _refit_faults(findings: Mapping[str, Any]) -> list[str]:
    faults = []
    stability = findings.get("seeds", {}).get("stability")
    if stability is not None and stability < LEAST_STABILITY:
        faults.append(
            "Other seeds give other profiles: their mean rank correlation is "
            f"{_down(stability):.2f}, and should be at least {LEAST_STABILITY}."
        )
    shuffled = findings.get("refit", {}).get("mass_on_shuffled")
    if shuffled is not None and shuffled > MOST_ON_SHUFFLED:
        faults.append(
            f"Shuffled copies of the covariates, which drive nothing, have {shuffled:.0%} of their "
            f"mass, and should have {MOST_ON_SHUFFLED:.0%} at most."
        )
    return faults


def _omissions(findings: Mapping[str, Any]) -> list[str]:
    """Return what the forecast rests on beside what the profile shows, where it is much."""
    names = {
        "known_ahead": "what is known ahead, but has no rows",
        "level": "the level and spread that each window is normalised by",
    }
    return [
        f"Not in the profile: {text}. Alone it changes the forecast by "
        f"{findings['outside'][name]:.2g} standard deviations, all that the profile shows by "
        f"{findings['outside']['inside']:.2g}."
        for name, text in names.items()
        if _outside(findings, name) > _WORTH_SAYING
    ]


def _outside(findings: Mapping[str, Any], name: str) -> float:
    """Return how much of the change of the forecast belongs to something outside the profile."""
    changes = findings["outside"]
    outside = changes.get(name, 0.0)
    return float(outside / ((outside + changes["inside"]) or 1.0))


def _percent(share: float) -> str:
    return f"{_down(share):.0%}" if share >= 0 else "not at all"


def _down(value: float) -> float:
    """Round down to hundredths, so that what misses a threshold is not shown as what is asked."""
    return math.floor(round(value * 100, 6)) / 100


def _merits(findings: Mapping[str, Any]) -> list[str]:
    """Return what speaks for a profile."""
    signal, ratio = findings["signal"], findings["deletion"]["ratio"]
    tau = findings["agreement"]["by_cell"]
    agrees = ""
    if tau is not None and tau >= LEAST_AGREEMENT:
        agrees = f", in nearly the same order (Kendall's tau {tau:.2f})"
    skill = findings["agreement"]["skill_over_uniform"]
    return [
        f"The model is better than the simplest forecast, {signal['baseline']}, beyond noise "
        f"(MSE {signal['mse']:.4g} against {signal['baseline_mse']:.4g}).",
        "The mass lies where replacing a cell changes the forecast: the profile is "
        f"{skill:.0%} closer to that than a uniform one{agrees}.",
        f"Replacing the cells that it calls important harms the forecast {ratio:.0%} as much as "
        "replacing the most effective ones.",
        _last_merit(findings["linear_path"]),
    ]


def _last_merit(path: Mapping[str, Any]) -> str:
    if path["least_share"] <= MOST_LINEAR:
        return "Neither uniform attention nor random weights do the same."
    return (
        f"The linear path has {path['share']:.0%} of the forecast, and most of the profile is its "
        "contributions, which are exact."
    )
