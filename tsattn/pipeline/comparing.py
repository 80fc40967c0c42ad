"""`compare`: attentions side by side, and the baselines, on the same rows with the same seeds."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from tsattn.config import BASELINES, FitOptions, require
from tsattn.data.reading import check_exists, reading_errors
from tsattn.engines import Engine
from tsattn.option_checks import check_options, settled_structure
from tsattn.outputs import COMPARISON, MANIFEST, atomic_directory, check_output
from tsattn.pipeline.single_fits import FitTask, fit_apart, pack
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
    skipped: tuple[str, ...] = ()  # why, for each series of a panel that was not learnt from


def compare(
    data: str | Path,
    options: FitOptions,
    *,
    attentions: Sequence[str],
    output: Path,
    num_seeds: int = 1,
    overwrite: bool = False,
    engine: str = "single",
    dask_address: str | None = None,
    dask_workers: int | None = None,
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
        engine: `"single"` fits one model after another; with `"dask"`, workers of the scheduler at
            `dask_address`, or `dask_workers` processes on this machine (2), fit one each. The rows
            and errors are the same; seconds and memory are those of the workers.
        dask_address: Of a running scheduler.
        dask_workers: Processes on this machine.
        progress: Where notes go.

    Returns:
        The leaderboard has the columns `forecaster, encoder, num_seeds, val_mse, val_mae, mse, mae`
        (means over the seeds of scaled errors; the last two of test windows), `skill` (1 − MSE /
        MSE of the best baseline, on validation windows), `parameters, seconds, megabytes` (means
        of the fit, whole process).

    Raises:
        UsageError: an option is wrong, the output exists, or there is no Dask.
        WorkersLostError: the workers are gone.
        TsattnError: a fit failed.
    """
    where = Engine(name=engine, address=dask_address, workers=dask_workers)
    wanted = wanted_fits(options, attentions, num_seeds)
    check_output(output, overwrite=overwrite, is_directory=True, kind=COMPARISON)
    if where.name == "dask":
        from tsattn.pipeline.dask_engine import check_engine

        check_engine(where)
    progress = progress or Progress()
    rows: list[dict[str, Any]] = []
    skipped: list[str] = []
    with atomic_directory(output, overwrite=overwrite, kind=COMPARISON) as directory:
        jobs = [
            (replace(each, seed=seed), directory / "models" / f"{each.attention}-{seed}")
            for each in wanted
            for seed in range(options.seed, options.seed + num_seeds)
        ]
        done = list(_fit_all(Path(data), jobs, where, progress))
        for i, each in enumerate(wanted):
            fits = done[i * num_seeds : (i + 1) * num_seeds]
            rows += _rows(each, fits, with_baselines=not rows)
        skipped = done[0]["skipped"]
        leaderboard = _ranked(pd.DataFrame(rows))
        recommended, reason = recommend(leaderboard)
        leaderboard.to_csv(directory / LEADERBOARD, index=False, float_format="%.12g")
        _write(directory / RECOMMENDATION, {"recommended": recommended, "reason": reason})
        _write(directory / MANIFEST, {"kind": COMPARISON, "format_version": 1})
    return Comparison(
        leaderboard=leaderboard,
        recommended=recommended,
        reason=reason,
        skipped=tuple(skipped),
    )


def wanted_fits(options: FitOptions, attentions: Sequence[str], num_seeds: int) -> list[FitOptions]:
    """Return the options of the fits with the first seed, one for each attention.

    Raises:
        UsageError: an option is wrong, or there is to be no fit.
    """
    require(
        num_seeds >= 1, "`seeds` must be at least 1.", f"seeds={num_seeds}", "Give a larger number."
    )
    wanted = [replace(options, attention=name) for name in dict.fromkeys(attentions)]
    for each in wanted:
        check_options(each)
    return wanted


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _fit_all(
    data: Path, jobs: Sequence[tuple[FitOptions, Path]], engine: Engine, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Fit models into their folders; yield the metrics of each, see `fit_apart`."""
    if engine.name == "single":
        for options, model in jobs:
            progress.note(f"{options.attention}, seed {options.seed}")
            yield fit_apart(data, options, model)
        return
    from tsattn.pipeline.dask_engine import FITS, open_workers

    check_exists(data)
    with reading_errors(data):
        files = pack(data)
    # Workers on this machine need a place until all is fitted, which is no part of the output.
    with (
        TemporaryDirectory(prefix="tsattn-dask-") as folder,
        open_workers(engine, Path(folder), progress, FITS) as workers,
    ):
        tasks = (FitTask.of(data, files, options) for options, _ in jobs)
        for (options, model), fitted in zip(jobs, workers.results(tasks), strict=True):
            progress.note(f"{options.attention}, seed {options.seed}: fitted")
            fitted.write(model, data)
            yield fitted.metrics


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
    """Sort by the validation MSE, and add the skill against the best baseline.

    There is none where that makes no error.
    """
    is_baseline = leaderboard["forecaster"].isin(BASELINES)
    best = leaderboard.loc[is_baseline, "val_mse"].min()
    leaderboard.insert(7, "skill", 1 - leaderboard["val_mse"] / (best if best > 0 else math.nan))
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
    ahead = f", {best['skill']:.1%} below that of the best baseline"
    return best["forecaster"], (
        f"It has the lowest validation MSE{'' if pd.isna(best['skill']) else ahead}."
    )
