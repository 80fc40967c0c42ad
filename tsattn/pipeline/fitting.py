"""`fit`: from a table to a trained, evaluated and saved forecaster."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tsattn.backend import select_backend
from tsattn.baselines import fit_linear
from tsattn.config import SCHEMA_OPTIONS, FitOptions, listed, require
from tsattn.data.calendar import calendar_names, check_calendar, choose_calendar
from tsattn.data.frequency import seasonality
from tsattn.data.scaling import Scaler, check_targets, fit_scaler
from tsattn.data.schema import infer_schema
from tsattn.data.series import TimeSeries, series_from_frame
from tsattn.data.splits import Split, split_series
from tsattn.data.windows import Windows, choose_lookback_horizon
from tsattn.evaluation import Evaluation, evaluate_windows
from tsattn.fitted import FittedForecaster, build_model, time_text
from tsattn.metrics import seasonal_naive_mae
from tsattn.model_directory import file_sha256, save_fitted, write_manifest
from tsattn.option_checks import check_options, parse_split, settled_linear_path, settled_structure
from tsattn.outputs import atomic_directory
from tsattn.pipeline.measuring import measure
from tsattn.pipeline.splitting import split_windows
from tsattn.pipeline.tables import Data, as_table
from tsattn.progress import Progress
from tsattn.report import profile_frame, split_metrics, write_faithfulness, write_report
from tsattn.schedules import choose_epochs
from tsattn.segments import choose_segment
from tsattn.training import History, blend_linear_path, train

TRAIN_OPTIONS = (
    "loss",
    "learning_rate",
    "batch_size",
    "epochs",
    "patience",
    "clip_norm",
    "windows_per_epoch",
    "seed",
)


LEAST_SECONDS = 2.0  # of a quick test of the profile: what compiling takes


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A trained forecaster and how it did."""

    fitted: FittedForecaster
    series: TimeSeries
    history: History
    evaluations: dict[str, Evaluation]  # "val", and "test" if rows were set aside
    notes: tuple[str, ...]
    faithfulness: dict[str, Any] | None = None  # None where the profile was not tested

    def to_json(self) -> dict[str, Any]:
        """Return the metrics of every split, and the notes, as JSON-ready values."""
        metrics = {
            name: split_metrics(evaluation, self.series)
            for name, evaluation in self.evaluations.items()
        }
        tested = {} if self.faithfulness is None else {"faithfulness": self.faithfulness}
        return {"metrics": metrics, "notes": list(self.notes), **tested}


def fit(
    data: Data, options: FitOptions, *, check: bool = True, progress: Progress | None = None
) -> FitResult:
    """Train a forecaster on a table and evaluate it on its validation and test rows.

    With `check`, and after a training of 20 seconds or more, the attention profile is tested for at
    most a tenth of the time of the training, see `tsattn.check`.

    Raises:
        UsageError: options that are wrong or do not fit together.
        DataError: data that cannot be used.
        TrainingDivergedError: the loss became NaN.
    """
    check_options(options)
    select_backend(options.backend)
    progress = progress or Progress()
    series, notes = _read_series(data, options)
    split = split_series(series, parse_split(options.split))
    series = _with_calendar(series, split)
    options, chosen = _settle(options, series)
    scaler = fit_scaler(series.values, split.train, series.schema.features, offsets=series.offsets)
    constant = _check_constant(scaler, series)
    windows, left_out = split_windows(series, split, scaler, options)
    options.epochs = options.epochs or _epochs(options, len(windows["train"]))
    notes += [*chosen, *constant, *left_out]
    for note in notes:
        progress.note(note)
    fitted = _untrained(data, options, series, split, scaler, windows)
    history = _train(fitted, windows, progress)
    evaluations: dict[str, Evaluation] = {}
    for name in ("val", "test"):
        if name in windows:
            with progress.bar(f"evaluating {name}") as bar:
                evaluations[name] = evaluate_fitted(fitted, series, windows[name], on_batch=bar)
    return FitResult(
        fitted=fitted,
        series=series,
        history=history,
        evaluations=evaluations,
        notes=tuple(notes),
        faithfulness=_quick_check(fitted, series, evaluations, history) if check else None,
    )


def save(result: FitResult, output: Path, *, overwrite: bool = False) -> None:
    """Write a model directory, whole or not at all.

    Raises:
        UsageError: it exists and may not be overwritten.
        OutputError: it cannot be written.
    """
    with atomic_directory(output, overwrite=overwrite) as directory:
        save_fitted(directory, result.fitted)
        write_report(directory, result.fitted, result.series, result.history, result.evaluations)
        if result.faithfulness is not None:
            write_faithfulness(directory / "attention", result.faithfulness)
        write_manifest(directory, result.fitted.data_sha256)


def evaluate_fitted(
    fitted: FittedForecaster,
    series: TimeSeries,
    windows: Windows,
    on_batch: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a forecaster on windows of a series, beside the baselines."""
    return evaluate_windows(
        fitted.model,
        windows,
        scaler=fitted.scaler,
        baselines=fitted.baselines(series),
        naive_mae=fitted.naive_mae,
        quantile_levels=fitted.quantile_levels,
        decoder=fitted.options.decoder,
        linear_path=fitted.linear if fitted.linear_shares.any() else None,
        on_batch=on_batch,
    )


def _quick_check(
    fitted: FittedForecaster,
    series: TimeSeries,
    evaluations: dict[str, Evaluation],
    history: History,
) -> dict[str, Any] | None:
    """Test the profile in a tenth of the time of the training; None where that is too short."""
    seconds = 0.1 * sum(epoch.seconds for epoch in history.epochs)
    name = "test" if "test" in evaluations else "val"
    shown = evaluations[name]
    if shown.attention is None or seconds < LEAST_SECONDS or history.interrupted:
        return None
    profile = profile_frame(fitted, shown)
    seasonal = fitted.baselines(series)["seasonal_naive"]
    found = measure(fitted, profile, shown.windows, seasonal=seasonal, seconds=seconds)
    return None if found is None else {**found, "split": name, "is_quick": True}


def _read_series(data: Data, options: FitOptions) -> tuple[TimeSeries, list[str]]:
    frame, source, notes = as_table(data)
    given = asdict(options)
    schema, found = infer_schema(
        frame, source=source, **{name: given[name] for name in SCHEMA_OPTIONS}
    )
    series = series_from_frame(frame, schema, source)
    return series, [*notes, *found, *series.notes]


def _untrained(
    data: Data,
    options: FitOptions,
    series: TimeSeries,
    split: Split,
    scaler: Scaler,
    windows: dict[str, Windows],
) -> FittedForecaster:
    """Return a forecaster whose network is yet to be trained."""
    schema = series.schema
    path = None if isinstance(data, pd.DataFrame) else Path(data)
    linear = fit_linear(
        windows["train"],
        windows["val"],
        num_calendar_features=len(calendar_names(schema.calendar or ())),
    )
    keras.utils.set_random_seed(options.seed)
    return FittedForecaster(
        options=options,
        schema=schema,
        scaler=scaler,
        model=build_model(options, schema, linear),
        linear=linear,
        naive_mae=seasonal_naive_mae(
            series.values, split.train, len(schema.targets), seasonality(schema.freq)
        ),
        seen_until=_seen_until(series, split),
        data_path=str(path) if path else None,
        data_sha256=file_sha256(path) if path else None,
    )


def _epochs(options: FitOptions, num_windows: int) -> int:
    """Return the number of epochs for so many train windows, where it is not given."""
    return choose_epochs(
        min(options.windows_per_epoch or num_windows, num_windows), options.batch_size
    )


def _train(fitted: FittedForecaster, windows: dict[str, Windows], progress: Progress) -> History:
    given = asdict(fitted.options)
    with progress.bar("training") as bar:
        history = train(
            fitted.model,
            windows["train"],
            windows["val"],
            **{name: given[name] for name in TRAIN_OPTIONS},
            quantile_levels=fitted.quantile_levels,
            on_batch=bar,
            on_epoch=lambda epoch: progress.epoch(epoch, fitted.options.epochs or 0),
        )
    shares = blend_linear_path(fitted.model, windows["val"])
    for target, share in zip(fitted.schema.targets, shares, strict=True):
        if share:
            progress.note(f"{target}: the linear path has {100 * share:.0f} % of the forecast")
    return history


def _with_calendar(series: TimeSeries, split: Split) -> TimeSeries:
    """Settle the calendar features."""
    check_calendar(series.schema.calendar or (), series.schema.freq)
    if series.schema.calendar is not None:
        return series
    longest = max(split.train, key=lambda part: part.stop - part.start)
    calendar = choose_calendar(series.schema.freq, series.times[longest])
    return replace(series, schema=replace(series.schema, calendar=calendar))


def _settle(options: FitOptions, series: TimeSeries) -> tuple[FitOptions, list[str]]:
    """Choose what is not given: lookback, horizon, structure and segment; say what was chosen."""
    structure = settled_structure(options)
    rows = int(np.diff(series.borders).max())
    lookback, horizon = choose_lookback_horizon(series.schema.freq, rows)
    settled = replace(
        options,
        lookback=options.lookback or lookback,
        horizon=options.horizon or horizon,
        backend=keras.config.backend(),
        linear_path=settled_linear_path(options),
        **structure._asdict(),
    )
    if structure.encoder == "per-feature":
        settled.segment = options.segment or choose_segment(settled.lookback or 1)
        require(
            settled.segment <= (settled.lookback or 0),
            "`segment` must fit into the lookback.",
            f"segment={settled.segment}, lookback={settled.lookback}",
            "Use a shorter segment or a longer lookback.",
        )
    if options.lookback and options.horizon:
        return settled, []
    step = f"frequency {series.schema.freq}" if series.schema.freq else "numbered rows"
    return settled, [
        f"chosen for {step} and {rows:,} rows: "
        f"lookback {settled.lookback}, horizon {settled.horizon}"
    ]


def _check_constant(scaler: Scaler, series: TimeSeries) -> list[str]:
    """Return a note on constant features; a constant target is an error."""
    check_targets(scaler, series.schema.targets, "the data")
    if not scaler.constant:
        return []
    return [f"constant over the train rows, read as zeros: {listed(scaler.constant)}"]


def _seen_until(series: TimeSeries, split: Split) -> dict[str, str] | None:
    """Return the last time used of each series; None where rows carry no time."""
    if not series.schema.time_columns:
        return None
    return {
        series_id: time_text(series.times[part.stop - 1])
        for series_id, part in zip(series.series_ids, split.val, strict=True)
        if part.stop > part.start
    }
