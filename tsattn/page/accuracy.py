"""The sections on the errors, the intervals and the forecasts of a model."""

from typing import Any

from tsattn.metrics import percent_lower
from tsattn.page.markup import Markup, join, number, table, tag

_NAMES = {
    "model": "this model",
    "last_value": "last value",
    "seasonal_naive": "seasonal naive",
    "linear": "linear (ridge regression)",
}
_METRICS = {"mse": "MSE", "mae": "MAE", "rmse": "RMSE", "smape": "sMAPE", "mase": "MASE"}


def verdict(block: dict[str, Any]) -> Markup:
    """Return a plain sentence on the model beside the best baseline."""
    known = {name: value for name, value in block["skill"].items() if value is not None}
    for name in block["skill"]:
        if name not in known and _is_perfect(block, name):
            text = f"The baseline {_NAMES.get(name, name)} is better: it makes no error."
            return tag("p", text, class_="lead bad")
    if not known:
        return Markup("")
    name = min(known, key=lambda each: known[each])
    skill, best = known[name], f"the best baseline, {_NAMES.get(name, name)}"
    if skill == 0:
        return tag("p", f"The mean squared error is that of {best}.", class_="lead soft")
    if skill > 0:
        text = f"The mean squared error is {skill:.0%} below that of {best}."
        return tag("p", text, class_="lead good")
    text = f"The baseline {_NAMES.get(name, name)} is better: its mean squared error is "
    text += f"{percent_lower(skill)} below that of the model."
    return tag("p", text, class_="lead bad")


def _is_perfect(block: dict[str, Any], baseline: str) -> bool:
    """Return whether a baseline makes no error where the model does."""
    errors = block["baselines"][baseline]["scaled"]["mse"]["overall"]
    return bool(errors == 0 and block["scaled"]["mse"]["overall"] != 0)


def accuracy_section(block: dict[str, Any], split: str) -> Markup:
    """Return the errors of model and baselines, in the units of the data."""
    rows = []
    for name, errors in {"model": block, **block["baselines"]}.items():
        cells = [number(errors["original"][metric]["overall"]) for metric in _METRICS]
        skill = number(block["skill"].get(name), "{:+.1%}")
        rows.append([_NAMES.get(name, name), *cells, skill])
    parts = [
        table(
            ["forecaster", *_METRICS.values(), "skill"],
            rows,
            caption=f"Errors over {block['num_windows']:,} {split} windows, original units",
        ),
        tag(
            "p",
            "Skill is 1 − MSE / MSE of the baseline, scaled: what part of the baseline's error the "
            "model saves. MASE is the MAE divided by that of the seasonal naive forecast on the "
            "train rows; sMAPE is in percent, from 0 to 200.",
            class_="soft",
        ),
    ]
    per_target = block["original"]["mae"]["per_target"]
    if len(per_target) > 1:
        rows = [
            [name, *(number(block["original"][metric]["per_target"][name]) for metric in _METRICS)]
            for name in per_target
        ]
        header = ["target", *_METRICS.values()]
        parts.append(table(header, rows, caption="Errors of the model by target"))
    return join(*parts)


def interval_section(
    block: dict[str, Any], calibration: dict[str, Any] | None, split: str
) -> Markup:
    """Return how often the intervals held the truth; nothing for a model without intervals."""
    if calibration is None:
        return Markup("")
    parts = [tag("h2", "Intervals", id="intervals")]
    found = block.get("intervals", {})
    if found:
        rows = []
        for level, values in found.items():
            steps = values["coverage"]["per_horizon_step"]
            spread = f"{number(min(steps), '{:.1%}')} to {number(max(steps), '{:.1%}')}"
            covered = number(values["coverage"]["overall"], "{:.1%}")
            width = number(values["mean_width"]["overall"])
            as_calibrated = values["coverage_without_following"]["overall"]
            rows.append([f"{level} %", covered, spread, width, number(as_calibrated, "{:.1%}")])
        header = ["level", "held", "by horizon step", "mean width", "held without following"]
        caption = f"How many of the actual {split} values the intervals held"
        parts.append(table(header, rows, caption=caption))
    parts.append(
        tag(
            "p",
            "The intervals are conformal: their width is such that they would have held that share "
            f"of the actual values of {calibration['num_windows']:,} validation windows, and it "
            "follows how restless the target was in the window. The share holds for new data as "
            "far as it is like the validation rows. These also decided when training stopped and "
            "the share of the linear path, which makes the intervals a little too narrow. On test "
            "rows they also followed how many values they held, as these became known, and so do "
            "those of a forecast over the last known rows (predict --follow).",
        )
    )
    return join(*parts)
