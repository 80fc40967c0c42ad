"""`backtest`: how a forecaster would have done, fold by fold, knowing only what came before."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from tsattn import plots
from tsattn.backend import select_backend
from tsattn.backtests import (
    fold_table,
    horizon_table,
    parse_refit,
    profile_drift,
    summarize_folds,
)
from tsattn.config import FitOptions, require
from tsattn.data.csv_format import CsvHints
from tsattn.data.series import TimeSeries
from tsattn.data.skipping import skipped_json
from tsattn.errors import DataError, TrainingInterruptedError
from tsattn.evaluation import Evaluation, evaluate_fitted
from tsattn.fitted import FittedForecaster, time_text
from tsattn.forecasts import FLOAT_FORMAT
from tsattn.hashing import file_sha256
from tsattn.json_files import write_json
from tsattn.model_directory import write_manifest
from tsattn.option_checks import check_options
from tsattn.option_types import as_type
from tsattn.outputs import BACKTEST, atomic_directory, check_output
from tsattn.pipeline.fitting import fit
from tsattn.pipeline.fold_store import Fold, FoldStore
from tsattn.pipeline.known_rows import known_series
from tsattn.pipeline.measuring import cells_of
from tsattn.pipeline.rolling import RollingTable, roll, table_sha256
from tsattn.pipeline.tables import Data, as_table
from tsattn.profile_frames import profile_frame
from tsattn.progress import Progress
from tsattn.report import split_metrics
from tsattn.running import compile_for

_ALL_CELLS = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """The folds of a backtest."""

    folds: pd.DataFrame  # see `tsattn.backtests.fold_table`
    horizon: pd.DataFrame  # see `tsattn.backtests.horizon_table`
    forecasts: pd.DataFrame  # `fold`, and the columns of `Forecast.to_frame`
    summary: dict[str, Any]  # JSON-ready
    num_series: int
    skipped: tuple[str, ...] = ()  # why, for each series of a panel that was left out


def backtest(
    data: Data,
    options: FitOptions,
    *,
    folds: int = 5,
    step: int | None = None,
    refit: str = "always",
    output: str | Path | None = None,
    overwrite: bool = False,
    on_skip: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Fit and score forecasters on folds, each later than all that its forecaster knew.

    The last `folds` x `step` time steps are the folds. What a fold's forecaster is made of (scaler,
    calendar, categories, linear path, intervals and all) comes from the rows before the fold in
    which it was fitted: the last of them are validation rows, in the proportion that train and
    validation have in `split`. A window belongs to the fold that holds all of its targets.

    With an output, every finished fold is kept in the folder `<output>.folds` until the backtest is
    complete: the same call goes on after an interruption, with the same results.

    Args:
        data: A file or a table; rows of a panel belong to a fold by their time.
        options: Those of every fit.
        folds: Number of folds.
        step: Time steps in a fold, at least the horizon; None: the horizon.
        refit: `"always"`: fit in every fold; `"never"`: in the first; `"every:M"`: in every M-th.
        output: The folder to write; None writes nothing.
        overwrite: Whether another backtest may be replaced.
        on_skip: Of a panel: is told why a series is skipped, see `fit`, while the others are learnt
            from and scored; None: one that cannot be read is an error.
        progress: Where notes go.

    Raises:
        UsageError: an option is wrong, or the output exists.
        DataError: the data cannot be used or is too short.
        TrainingInterruptedError: interrupted from the keyboard.
        OutputError: the output cannot be written.
    """
    check_options(options)
    period = parse_refit(as_type("refit", refit, str))
    for name, value in (("folds", folds), ("step", step)):
        require(
            value is None or as_type(name, value, int) >= 1,
            f"`{name}` must be at least 1.",
            f"{name}={value}",
            "Give a larger number.",
        )
    select_backend(options.backend)
    progress = progress or Progress()
    directory = None if output is None else Path(output)
    if directory is not None:
        check_output(directory, overwrite=overwrite, is_directory=True, kind=BACKTEST)
    frame, source, notes = as_table(data, CsvHints(id_column=options.id_col))
    table, settled = roll(frame, source, options, folds=folds, step=step, on_skip=on_skip)
    for note in notes:
        progress.note(note)
    path = None if isinstance(data, pd.DataFrame) else Path(data)
    sha256 = file_sha256(path) if path else table_sha256(frame)
    asked = {"folds": folds, "step": table.step, "refit": refit, "options": asdict(settled)}
    store = None
    if directory is not None:
        key = {**asked, "data_sha256": sha256, **_versions(), **skipped_json(list(table.skipped))}
        store = FoldStore(folds_folder(directory), key, progress)
    with _without_retracing_messages():
        done = _run(table, settled, period, source, store, progress)
    result = _together(done, table)
    asked["data"] = {"path": str(path) if path else None, "sha256": sha256}
    result.summary.update(asked)
    if directory is not None and store is not None:
        _save(result, directory, sha256, overwrite=overwrite)
        store.remove()
    return result


def folds_folder(output: Path) -> Path:
    """Return where the finished folds of an unfinished backtest are kept."""
    return output.with_name(f"{output.name}.folds")


def _versions() -> dict[str, str]:
    return {
        "tsattn": version("tsattn"),
        "keras": keras.__version__,
        "backend": keras.config.backend(),
    }


@contextmanager
def _without_retracing_messages() -> Iterator[None]:
    """Keep TensorFlow from warning that functions are traced anew: every fold has a new network."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _run(
    table: RollingTable,
    options: FitOptions,
    period: int | None,
    source: str,
    store: FoldStore | None,
    progress: Progress,
) -> list[Fold]:
    """Return every fold: from the store if it is there, else fitted and scored."""
    done: list[Fold] = []
    model: FittedForecaster | None = None
    for number in range(table.num_folds):
        name = f"fold {number + 1}/{table.num_folds}"
        fitted_in = number - number % period if period else 0
        if fitted_in == number:
            model = None  # that of earlier folds is of no use any more
        kept = store.read(number) if store else None
        if kept is not None:
            progress.note(f"{name}: done before the interruption")
            done.append(kept)
            continue
        started = time.perf_counter()
        if model is None and store:
            model = store.read_model(fitted_in)
        if model is None:
            model = _fit(table, options, fitted_in, name, progress)
            is_shared = (period is None or period > 1) and number + 1 < table.num_folds
            if store and is_shared:
                store.write_model(fitted_in, model)
        before = done[-1].cells if done else None
        fold = _score(table, model, number, number == fitted_in, before, source, progress)
        fold.result["seconds"] = round(time.perf_counter() - started, 3)
        if store:
            store.write(number, fold)
        done.append(fold)
        if fold.forecasts is not None:
            skills = fold.result["skill"].values()  # None: against a baseline without errors
            best = None if None in skills else min(skills)
            against = "" if best is None else f", skill {best:+.1%} against the best baseline"
            progress.note(f"{name}: {fold.result['num_windows']:,} windows{against}")
    return done


def _fit(
    table: RollingTable, options: FitOptions, fold: int, name: str, progress: Progress
) -> FittedForecaster:
    """Fit on the rows before a fold."""
    progress.note(f"{name}: fitting on the rows before {time_text(table.first_time(fold))}")
    result = fit(table.before(fold), FitOptions(**asdict(options)), check=False, progress=progress)
    if result.history.interrupted:
        raise TrainingInterruptedError(
            f"The backtest was interrupted. Received: Ctrl-C in {name}. Finished folds are kept "
            "beside the output: give the same command again to go on."
        )
    return result.fitted


def _score(
    table: RollingTable,
    fitted: FittedForecaster,
    number: int,
    is_refitted: bool,
    cells_before: pd.DataFrame | None,
    source: str,
    progress: Progress,
) -> Fold:
    """Score a forecaster on the windows of a fold."""
    series = known_series(table.up_to(number), fitted.schema, source)
    found = fitted.find_origins(series, table.targets_of(number, series))
    result: dict[str, Any] = {
        "fold": number + 1,
        "is_refitted": is_refitted,
        "first_time": time_text(table.first_time(number)),
        "last_time": time_text(table.last_time(number)),
        "trained_until": fitted.seen_until and max(fitted.seen_until.values()),
        "num_windows": 0,
        "drift": None,
    }
    if not len(found.origins):
        progress.note(f"fold {number + 1}: no window, for values are missing or were filled in")
        return Fold(result=result, forecasts=None, cells=None)
    windows = fitted.windows(series, found.origins)
    compile_for(fitted.model, len(windows))
    evaluation = evaluate_fitted(fitted, series, windows)
    cells = _cells(fitted, evaluation)
    result |= split_metrics(evaluation, series) | {
        "first_time": result["first_time"],
        "last_time": result["last_time"],
        "drift": profile_drift(cells_before, cells),
    }
    return Fold(result=result, forecasts=_forecasts(evaluation, series, number), cells=cells)


def _forecasts(evaluation: Evaluation, series: TimeSeries, number: int) -> pd.DataFrame:
    table = evaluation.forecast.to_frame(series)
    table.insert(0, "fold", number + 1)
    return table


def _cells(fitted: FittedForecaster, evaluation: Evaluation) -> pd.DataFrame | None:
    """Return the mass of every cell of the profile over the windows; None without attention."""
    if evaluation.attention is None:
        return None
    cells = cells_of(fitted, profile_frame(fitted, evaluation), _ALL_CELLS)
    return cells.table[["feature", "role", "lag_first"]].assign(mass=cells.mass)


def _together(done: list[Fold], table: RollingTable) -> Backtest:
    results = [fold.result for fold in done]
    tables = [fold.forecasts for fold in done if fold.forecasts is not None]
    if not tables:
        raise DataError(
            f"A fold must hold a window without missing or filled values. Received: {len(done)} "
            "folds without one. Use a larger --step, --fill, or --score-filled."
        )
    folds, skipped = fold_table(results), tuple(table.skipped.values())
    return Backtest(
        folds=folds,
        horizon=horizon_table(results),
        forecasts=pd.concat(tables, ignore_index=True),
        summary={**summarize_folds(folds), "per_fold": results, **skipped_json(skipped)},
        num_series=table.num_series,
        skipped=skipped,
    )


def _save(result: Backtest, directory: Path, sha256: str, *, overwrite: bool) -> None:
    """Write the folder of a backtest, whole or not at all."""
    with atomic_directory(directory, overwrite=overwrite, kind=BACKTEST) as folder:
        for name, table in (("folds", result.folds), ("horizon", result.horizon)):
            table.to_csv(folder / f"{name}.csv", index=False, float_format=FLOAT_FORMAT)
        result.forecasts.to_parquet(folder / "forecasts.parquet", index=False)
        write_json(folder / "summary.json", result.summary)
        plots.save_figure(plots.plot_fold_errors(result.folds), folder / "folds.png")
        write_manifest(folder, sha256, kind=BACKTEST)
