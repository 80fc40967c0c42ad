"""The results of a backtest, fold by fold, as tables and as a summary."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tsattn.config import require

REFITS = ("never", "always", "every:M")
MODEL = "model"
_ORIGINAL = ("mse", "mae", "rmse", "smape", "mase")
_SCALED = ("mse", "mae", "rmse")
_CELL = ["feature", "role", "lag_first"]


def parse_refit(refit: str) -> int | None:
    """Return after how many folds a model is fitted anew; None if it never is.

    Raises:
        UsageError: it is none of `never`, `always` and `every:M`.
    """
    number = {"never": "0", "always": "1"}.get(refit, refit.removeprefix("every:"))
    is_known = refit in REFITS[:2] or refit.startswith("every:")
    is_count = number.isdecimal() and len(number) < 10
    is_valid = is_known and is_count and (refit == "never" or int(number) >= 1)
    require(
        is_valid,
        "`refit` must say when a model is fitted anew.",
        f"refit={refit!r}",
        f"Use {', '.join(REFITS)}, for example every:4.",
    )
    return int(number) or None


def profile_drift(before: pd.DataFrame | None, after: pd.DataFrame | None) -> float | None:
    """Return half the L1 distance of the shares of two profiles, from 0 to 1.

    A cell that only one of them has counts with its share. None where a profile is missing or all
    of its scores are zero.

    Args:
        before: `feature, role, lag_first, mass`, one row for each cell.
        after: The same of another fold.
    """
    if before is None or after is None:
        return None
    totals = before["mass"].sum(), after["mass"].sum()
    if not all(math.isfinite(total) and total > 0 for total in totals):
        return None
    shares = [
        frame.set_index(_CELL)["mass"] / total
        for frame, total in zip((before, after), totals, strict=True)
    ]
    return float(shares[0].sub(shares[1], fill_value=0.0).abs().sum() / 2)


def fold_table(results: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row for each fold and forecaster, the model first.

    Columns: `fold, forecaster, first_time, last_time, is_refitted, num_windows`; `mse, mae, rmse,
    smape, mase` in original units; `scaled_mse, scaled_mae, scaled_rmse`, scaled by the train rows
    of the fold's model; `skill`, 1 − MSE of the model / MSE of the row, scaled. In the rows of the
    model: `coverage_80, mean_width_80` for each level of the intervals; `drift`, see
    `profile_drift`, from the fold before. A fold without windows has one row without numbers.
    """
    rows = []
    for result in results:
        known = {
            name: result[name]
            for name in ("fold", "first_time", "last_time", "is_refitted", "num_windows")
        }
        for name, block in _forecasters(result).items():
            numbers = {
                metric: block["original"][metric]["overall"] for metric in _ORIGINAL if block
            } | {
                f"scaled_{metric}": block["scaled"][metric]["overall"]
                for metric in _SCALED
                if block
            }
            row = {**known, "forecaster": name, **numbers}
            if name == MODEL:
                row |= {**_intervals(result), "drift": result["drift"]}
            else:
                row["skill"] = result["skill"][name]
            rows.append(row)
    levels = [name for result in results for name in _intervals(result)]
    columns = [
        "fold", "forecaster", "first_time", "last_time", "is_refitted", "num_windows", *_ORIGINAL,
        *(f"scaled_{metric}" for metric in _SCALED), "skill", *dict.fromkeys(levels), "drift",
    ]  # fmt: skip
    numeric = columns[columns.index("mse") :]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(numeric, "float64"))


def horizon_table(results: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row for each fold, forecaster and horizon step.

    Columns: `fold, forecaster, horizon_step`, the metrics as in `fold_table`, and the coverage and
    mean width of the intervals of the model.
    """
    tables = []
    for result in results:
        for name, block in _forecasters(result).items():
            if not block:
                continue
            columns = {m: block["original"][m]["per_horizon_step"] for m in _ORIGINAL}
            columns |= {f"scaled_{m}": block["scaled"][m]["per_horizon_step"] for m in _SCALED}
            if name == MODEL:
                columns |= _intervals(result, "per_horizon_step")
            table = pd.DataFrame(columns, dtype="float64")
            table.insert(0, "horizon_step", range(1, len(table) + 1))
            table.insert(0, "forecaster", name)
            table.insert(0, "fold", result["fold"])
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def summarize_folds(table: pd.DataFrame) -> dict[str, Any]:
    """Return what a `fold_table` comes to: means over all windows, JSON-ready.

    `skill` is that of the model against each baseline over all windows; `folds_won` counts the
    folds in which the model's MSE is lower (both scaled). `drift` is None without attention.
    """
    scored = table[table["num_windows"] > 0]
    overall: dict[str, dict[str, Any]] = {}
    for name, rows in scored.groupby("forecaster", sort=False):
        overall[str(name)] = {
            "original": {metric: _mean(rows, metric, metric) for metric in _ORIGINAL},
            "scaled": {metric: _mean(rows, metric, f"scaled_{metric}") for metric in _SCALED},
        }
    model = scored[scored["forecaster"] == MODEL].set_index("fold")
    baselines = [name for name in overall if name != MODEL]
    skill, won = {}, {}
    for name in baselines:
        mse = overall[name]["scaled"]["mse"]
        own = overall[MODEL]["scaled"]["mse"]
        skill[name] = 1 - own / mse if mse and own is not None else None
        other = scored[scored["forecaster"] == name].set_index("fold")["scaled_mse"]
        won[name] = int((model["scaled_mse"] < other).sum())
    drift = model["drift"].dropna()
    names = [str(name) for name in table]
    levels = [name.removeprefix("coverage_") for name in names if name.startswith("coverage_")]
    return {
        "num_folds": int(table["fold"].nunique()),
        "num_scored_folds": len(model),
        "num_fits": int(table.groupby("fold")["is_refitted"].first().sum()),
        "num_windows": int(model["num_windows"].sum()),
        "forecasters": overall,
        "skill": skill,
        "folds_won": won,
        "intervals": {
            level: {
                name: _mean(model.dropna(subset=f"{name}_{level}"), name, f"{name}_{level}")
                for name in ("coverage", "mean_width")
            }
            for level in levels
        },
        "drift": {"mean": float(drift.mean()), "max": float(drift.max())} if len(drift) else None,
    }


def _forecasters(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of the model and of the baselines; of a fold without windows, nothing."""
    if not result["num_windows"]:
        return {MODEL: {}}
    return {MODEL: result, **result["baselines"]}


def _intervals(result: Mapping[str, Any], part: str = "overall") -> dict[str, Any]:
    return {
        f"{name}_{level}": values[name][part]
        for level, values in result.get("intervals", {}).items()
        for name in ("coverage", "mean_width")
    }


def _mean(rows: pd.DataFrame, metric: str, column: str) -> float | None:
    """Return the mean of a metric over the windows of all folds; None where it is not known."""
    values, count = rows[column], rows["num_windows"]
    mean = float((values**2 if metric == "rmse" else values).mul(count).sum(skipna=False))
    mean = mean / count.sum() if len(rows) else math.nan
    mean = math.sqrt(mean) if metric == "rmse" and mean >= 0 else mean
    return mean if math.isfinite(mean) else None


def wide_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each fold of a `fold_table`, as a person reads it.

    Columns: `fold, first_time, fitted, windows, mae_model`, the MAE of each baseline; `skill`
    against the baseline with the lowest MSE of the fold, NaN where that makes no error; coverage;
    `drift` where there is any.
    """
    model = table[table["forecaster"] == MODEL].set_index("fold")
    names = [name for name in table["forecaster"].unique() if name != MODEL]
    errors = table.pivot(index="fold", columns="forecaster", values="mae")
    wide = pd.DataFrame(index=model.index)
    times = model["first_time"].str.replace("T00:00:00$", "", regex=True)
    wide["first_time"] = times.str.replace(r"(T\d\d:\d\d):00(?=$|[+-])", r"\1", regex=True)
    wide["fitted"] = model["is_refitted"].map({True: "anew", False: ""})
    wide["windows"] = model["num_windows"]
    for name in (MODEL, *names):
        wide[f"mae_{name}"] = errors[name]
    skill = table[table["forecaster"] != MODEL].groupby("fold")["skill"]
    wide["skill"] = skill.apply(lambda values: values.min(skipna=False))
    for name in map(str, table):
        if name.startswith("coverage_"):
            wide[name] = model[name]
    if model["drift"].notna().any():
        wide["drift"] = model["drift"]
    return wide.reset_index()


def overall_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return `forecaster, mse, mae, scaled_mse, scaled_mae, skill` over all folds."""
    rows = [
        {
            "forecaster": name,
            **{metric: units["original"][metric] for metric in ("mse", "mae")},
            **{f"scaled_{metric}": units["scaled"][metric] for metric in ("mse", "mae")},
            "skill": summary["skill"].get(name),
        }
        for name, units in summary["forecasters"].items()
    ]
    numbers = ["mse", "mae", "scaled_mse", "scaled_mae", "skill"]
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, "float64"))
