"""`compare`: attentions side by side, and the baselines, on the same rows with the same seeds."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tsattn.config import BASELINES, FitOptions, require
from tsattn.errors import TsattnError, error_with
from tsattn.option_checks import check_options, settled_structure
from tsattn.outputs import COMPARISON, MANIFEST, atomic_directory, check_output
from tsattn.progress import Progress

LEADERBOARD = "leaderboard.csv"
RECOMMENDATION = "recommendation.json"
NEGLIGIBLE = 0.01  # of the validation MSE


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How forecasters did, the best on validation windows first, and which one to use."""

    leaderboard: pd.DataFrame
    recommended: str
    reason: str


def compare(
    data: str | Path,
    options: FitOptions,
    *,
    attentions: Sequence[str],
    output: Path,
    num_seeds: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Fit a model with each attention and seed, and score them beside the baselines.

    Every fit has a process of its own, so that its memory can be told; the models are kept in
    `output/models`.

    Args:
        data: CSV or Parquet.
        options: Those of every fit; `seed` is the first seed.
        attentions: Names of attentions, `"none"` among them to see what attention is worth.
        output: The folder to write.
        num_seeds: Fits of each attention.
        overwrite: Whether another comparison may be replaced.
        progress: Where notes go.

    Returns:
        The leaderboard has the columns `forecaster, encoder, num_seeds, val_mse, val_mae, mse, mae`
        (means over the seeds of scaled errors; the last two of test windows), `skill` (1 − MSE /
        MSE of the best baseline, on validation windows), `parameters, seconds, megabytes` (means
        of the fit, whole process).

    Raises:
        UsageError: an option is wrong, or the output exists.
        TsattnError: a fit failed.
    """
    require(
        num_seeds >= 1, "`seeds` must be at least 1.", f"seeds={num_seeds}", "Give a larger number."
    )
    wanted = [replace(options, attention=name) for name in dict.fromkeys(attentions)]
    for each in wanted:
        check_options(each)
    check_output(output, overwrite=overwrite, is_directory=True, kind=COMPARISON)
    progress = progress or Progress()
    rows: list[dict[str, Any]] = []
    with atomic_directory(output, overwrite=overwrite, kind=COMPARISON) as directory:
        for each in wanted:
            fits = []
            for seed in range(options.seed, options.seed + num_seeds):
                progress.note(f"{each.attention}, seed {seed}")
                model = directory / "models" / f"{each.attention}-{seed}"
                fits.append(_fit(data, replace(each, seed=seed), model))
            rows += _rows(each, fits, with_baselines=not rows)
        leaderboard = _ranked(pd.DataFrame(rows))
        recommended, reason = recommend(leaderboard)
        leaderboard.to_csv(directory / LEADERBOARD, index=False, float_format="%.12g")
        _write(directory / RECOMMENDATION, {"recommended": recommended, "reason": reason})
        _write(directory / MANIFEST, {"kind": COMPARISON, "format_version": 1})
    return Comparison(leaderboard=leaderboard, recommended=recommended, reason=reason)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _fit(data: str | Path, options: FitOptions, model: Path) -> dict[str, Any]:
    """Fit a model in a process of its own; return its metrics, with seconds and megabytes."""
    model.parent.mkdir(exist_ok=True)
    given = {name: value for name, value in asdict(options).items() if value not in (None, ())}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "options.json"
        config.write_text(json.dumps(given), "utf-8")
        command = [sys.executable, "-m", "tsattn", "fit", str(data), "--config", str(config)]
        messages = Path(folder) / "messages"
        started = time.perf_counter()
        with messages.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "-o", str(model), "--quiet"], stdout=subprocess.DEVNULL, stderr=stream
            )
            try:
                code, megabytes = _wait(process)
            except BaseException:
                process.kill()
                process.wait()
                raise
        if code:
            raise _failure(code, messages.read_text("utf-8", errors="replace"))
    metrics: dict[str, Any] = json.loads((model / "metrics.json").read_text("utf-8"))
    return {**metrics, "seconds": time.perf_counter() - started, "megabytes": megabytes}


def _wait(process: "subprocess.Popen[bytes]") -> tuple[int, float | None]:
    """Wait for a process; return its exit code and, where the system tells, its peak memory."""
    if not hasattr(os, "wait4"):
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return process.returncode, usage.ru_maxrss / unit


def _failure(code: int, messages: str) -> TsattnError:
    """Return the error that a fit ended with."""
    lines = [line for line in messages.splitlines() if line.startswith("Error: ")]
    text = lines[-1].removeprefix("Error: ") if lines else messages.strip()[-500:]
    return error_with(code, text or f"A fit ended with exit code {code}.")


def _rows(
    options: FitOptions, fits: list[dict[str, Any]], *, with_baselines: bool
) -> list[dict[str, Any]]:
    """Return the row of an attention and, once, those of the baselines."""
    costs = {
        name: pd.Series([each[key] for each in fits], dtype=float).mean()
        for name, key in (
            ("parameters", "num_parameters"),
            ("seconds", "seconds"),
            ("megabytes", "megabytes"),
        )
    }
    structure = settled_structure(options)
    row = {"forecaster": options.attention, "encoder": structure.encoder, "num_seeds": len(fits)}
    rows = [{**row, **_errors(fits), **costs}]
    if with_baselines:
        rows += [{"forecaster": name, **_errors(fits[:1], name)} for name in BASELINES]
    return rows


def _errors(fits: list[dict[str, Any]], baseline: str | None = None) -> dict[str, float]:
    """Return the mean errors of the fits, or those of a baseline, by the leaderboard's columns."""
    errors = {}
    for split, prefix in (("val", "val_"), ("test", "")):
        for name in ("mse", "mae"):
            values = []
            for metrics in fits:
                block = metrics[split]
                if block["num_windows"]:
                    scores = block["baselines"][baseline] if baseline else block
                    values.append(scores["scaled"][name]["overall"])
            errors[prefix + name] = pd.Series(values, dtype=float).mean()
    return errors


def _ranked(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """Sort by the validation MSE, and add the skill against the best baseline."""
    is_baseline = leaderboard["forecaster"].isin(BASELINES)
    best = leaderboard.loc[is_baseline, "val_mse"].min()
    leaderboard.insert(7, "skill", 1 - leaderboard["val_mse"] / best)
    return leaderboard.sort_values("val_mse", kind="stable", ignore_index=True)


def recommend(leaderboard: pd.DataFrame) -> tuple[str, str]:
    """Return which forecaster to use, judged by validation windows, and why.

    Among models within 1 % of the best one, that with nats for scores is preferred, since these
    compare features.
    """
    models = leaderboard[~leaderboard["forecaster"].isin(BASELINES)]
    best = leaderboard.iloc[0]
    if best["forecaster"] in BASELINES:
        lead = 1 - best["val_mse"] / models["val_mse"].min()
        return best["forecaster"], (
            f"The baseline {best['forecaster']} has the lowest validation MSE, {lead:.1%} below "
            "that of the best model."
        )
    near = models[models["val_mse"] <= (1 + NEGLIGIBLE) * models["val_mse"].min()]
    if "bottleneck" in set(near["forecaster"]) and best["forecaster"] != "bottleneck":
        return "bottleneck", (
            f"Its validation MSE is within {NEGLIGIBLE:.0%} of the lowest, that of "
            f"{best['forecaster']}, and its scores compare features."
        )
    return best["forecaster"], (
        f"It has the lowest validation MSE, {best['skill']:.1%} below that of the best baseline."
    )
