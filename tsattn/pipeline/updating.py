"""`update`: train a model further on newer rows, and keep the result only if it is no worse."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tsattn.building import build_model
from tsattn.config import require
from tsattn.data.calendar import calendar_names
from tsattn.data.frequency import seasonality
from tsattn.data.series import TimeSeries
from tsattn.data.series_scales import fit_series_scales
from tsattn.data.splits import Split, split_series
from tsattn.data.windows import Windows
from tsattn.errors import DataError, QualityGateError, TrainingInterruptedError
from tsattn.evaluation import MODEL, Evaluation, evaluate_fitted
from tsattn.fitted import FittedForecaster
from tsattn.linear_fitting import fit_linear
from tsattn.memory import within_memory
from tsattn.metrics import is_no_worse, seasonal_naive_mae
from tsattn.model_directory import load_fitted
from tsattn.models import LINEAR_PATH
from tsattn.option_checks import parse_split, settled_preset
from tsattn.option_types import as_type
from tsattn.outputs import check_output
from tsattn.pipeline.fitting import (
    FitResult,
    WarmStart,
    save,
    trained,
    with_quick_check,
)
from tsattn.pipeline.known_rows import known_series, split_known
from tsattn.pipeline.new_rows import gather_rows
from tsattn.pipeline.opening import directory_of
from tsattn.pipeline.preparing import split_windows
from tsattn.pipeline.tables import Data
from tsattn.pipeline.training_data import seen_until
from tsattn.progress import Progress

EPOCHS = 3
RATE = 0.125  # of the learning rate of the fit


@dataclass(frozen=True, kw_only=True)
class Update:
    """A model that was trained further, and the old one on the same newest rows."""

    result: FitResult  # the evaluation "test" is that of the newest rows
    old: Evaluation

    def to_json(self) -> dict[str, Any]:
        """Return the metrics of the new model, and the errors of both, as JSON-ready values."""
        new = self.result.evaluations["test"]
        errors = {
            name: {"scaled": scores["scaled"].mse, "original": scores["original"].mse}
            for name, scores in (("old", self.old.scores[MODEL]), ("new", new.scores[MODEL]))
        }
        return {"mse": errors, **self.result.to_json()}


@within_memory()
def update(
    model: str | Path,
    data: Data,
    *,
    output: str | Path | None = None,
    old_data: Data | None = None,
    epochs: int = EPOCHS,
    learning_rate: float | None = None,
    check: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Update:
    """Train a model further on newer rows, from its old weights.

    Scaler, schema and structure stay those of the model; new series of a panel are scaled by their
    own train rows. Of the rows after those it was trained with, the later half (at least the
    horizon) is held out; the rows before are train and validation rows in the proportion of the
    model's split. The linear path, its share, the intervals and the profile are made anew.

    Args:
        model: A model directory.
        data: New rows, or all rows. The rows of the file the model was trained on come before them
            if that is where it was and has not changed.
        output: The directory to write, another one than the model's; None writes nothing.
        old_data: The rows to put before those of `data`; None: as said there.
        epochs: Epochs at most.
        learning_rate: Largest step size; None: an eighth of that of the fit.
        check: Whether to test the profile after a long training, as `fit` does.
        overwrite: Whether another model directory may be replaced.
        progress: Where notes go.

    Raises:
        QualityGateError: the result is worse than the old model on the rows held out; nothing is
            written.
        SchemaMismatchError: the data lacks what the model was trained on.
        DataError: there are too few new rows.
        UsageError: an option is wrong, the rows carry no time, or the output exists.
    """
    as_type("epochs", epochs, int)
    as_type("learning_rate", learning_rate, float | None)
    require(
        epochs >= 1, "`epochs` must be at least 1.", f"epochs={epochs}", "Give a larger number."
    )
    require(
        learning_rate is None or 1e-8 <= learning_rate <= 10,
        "`learning_rate` must be a number from 1e-08 to 10.",
        f"learning_rate={learning_rate}",
        "Give a number in that range.",
    )
    directory, progress = directory_of(model), progress or Progress()
    if output is not None:
        check_output(Path(output), overwrite=overwrite, is_directory=True, apart_from=directory)
    fitted = load_fitted(directory)
    require(
        fitted.seen_until is not None,
        "An update needs rows whose times tell the new ones from those of the training.",
        f"{directory}, a model of rows that carry no time",
        "Fit a new model instead.",
    )
    frame, source, origin = gather_rows(fitted, data, old_data, progress)
    series = known_series(split_known(frame, fitted.schema, source).known, fitted.schema, source)
    for note in series.notes:
        progress.note(note)
    started, windows, notes = _warm(fitted, series, source)
    started = replace(started, data_path=origin.path, data_sha256=origin.sha256)
    for note in notes:
        progress.note(note)
    old = evaluate_fitted(fitted, series, windows["test"])
    usual = settled_preset(fitted.options)["learning_rate"]
    rate = RATE * usual if learning_rate is None else learning_rate
    warm_start = WarmStart(epochs=epochs, learning_rate=rate)
    result = trained(started, series, windows, notes, warm_start=warm_start, progress=progress)
    if result.history.interrupted:
        raise TrainingInterruptedError(
            "An update must come to its end. Received: Ctrl-C. Nothing was written; give the "
            "command again."
        )
    _check_gate(result, old, has_old_rows=_num_unseen(fitted, series) < series.num_rows)
    paths = {"model": str(directory)}
    if not isinstance(data, pd.DataFrame):
        paths["data"] = str(data)
    if origin.old_path is not None:
        paths["old_data"] = origin.old_path
    result = replace(result, updated_from={**paths, **asdict(warm_start)})
    update = Update(result=with_quick_check(result) if check else result, old=old)
    if output is not None:
        save(update.result, Path(output), overwrite=overwrite, progress=progress)
    return update


def _warm(
    fitted: FittedForecaster, series: TimeSeries, source: str
) -> tuple[FittedForecaster, dict[str, Windows], list[str]]:
    """Return a forecaster with the old weights and a new linear path, windows, and notes."""
    shares, split = _split(fitted, series, source)
    scaler = fitted.scaler
    if scaler.series is not None:
        new = fit_series_scales(series, split.train)
        scaler = replace(scaler, series=scaler.series.extended(new))
    windows, notes = split_windows(series, split, scaler, fitted.options)
    windows["test"] = _unseen(fitted, series, windows["test"], source)
    schema, held = fitted.schema, windows["test"]
    linear = fit_linear(
        windows["train"],
        windows["val"],
        num_calendar_features=len(calendar_names(schema.calendar or ())),
    )
    options = replace(fitted.options, split=shares)
    keras.utils.set_random_seed(options.seed)
    network = build_model(options, schema, scaler, linear)
    for layer, old in zip(network.layers, fitted.network.layers, strict=True):
        if layer.name != LINEAR_PATH:
            layer.set_weights(old.get_weights())
    first = series.times[held.origins].min()
    notes = [f"held out: {len(held):,} windows from {first} on; the rows before are learnt", *notes]
    warm = replace(
        fitted,
        options=options,
        scaler=scaler,
        model=network,
        linear=linear,
        naive_mae=seasonal_naive_mae(
            series.values, split.train, len(schema.targets), seasonality(schema.freq)
        ),
        seen_until=seen_until(series, split),
        calibration=None,
    )
    return warm, windows, notes


def _split(
    fitted: FittedForecaster, series: TimeSeries, source: str
) -> tuple[tuple[float, float, float], Split]:
    """Return the shares of train, validation and rows held out, and the split they make."""
    unseen = [part.stop - part.start for part in fitted.unseen_rows(series)]
    longest = int(np.argmax(unseen))
    if unseen[longest] < fitted.horizon:
        after = max((fitted.seen_until or {}).values())
        raise DataError(
            f"{source}: an update needs {fitted.horizon} rows after those of the training, a "
            f"horizon to hold out. Received: {unseen[longest]} rows after {after}. Give more rows."
        )
    rows = int(np.diff(series.borders)[longest])
    held = max(unseen[longest] // 2, fitted.horizon) / rows
    train, val, _ = parse_split(fitted.options.split)
    part = (1 - held) / (train + val)
    shares = (train * part, val * part, held)
    return shares, split_series(series, shares)


def _unseen(fitted: FittedForecaster, series: TimeSeries, held: Windows, source: str) -> Windows:
    """Return the windows whose targets the old model was not trained with."""
    parts = fitted.unseen_rows(series)
    is_new = np.zeros(series.num_rows + 1, dtype=bool)
    for part in parts:
        is_new[part] = True
    windows = held.take(is_new[held.origins])
    if not len(windows):
        raise DataError(
            f"{source}: the newest rows must hold a window that the model has not seen. Received: "
            "none in any series. Give more rows."
        )
    return windows


def _num_unseen(fitted: FittedForecaster, series: TimeSeries) -> int:
    return sum(part.stop - part.start for part in fitted.unseen_rows(series))


def _check_gate(result: FitResult, old: Evaluation, *, has_old_rows: bool) -> None:
    """Raise a QualityGateError if the new model is worse on the rows held out."""
    new = result.evaluations["test"]
    errors = new.scores[MODEL]["scaled"].mse, old.scores[MODEL]["scaled"].mse
    if not is_no_worse(*errors):
        remedy = "give more new rows" if has_old_rows else "give the rows before too with --data"
        raise QualityGateError(
            "An updated model must be no worse than the old one on the newest rows. Received: MSE "
            f"{errors[0]:.6g} against {errors[1]:.6g} (scaled) over {len(new.windows):,} windows. "
            f"Nothing was written: keep the old model, {remedy}, or fit anew."
        )
